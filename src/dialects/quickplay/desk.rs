//! The three calls. What is wrong is looked for in this order: the signature (5), the body's shape (7), the partner
//! (1), the token where one is needed (2, 6), the user (3), and then whatever the ledger says (3, 4, 7).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer;
use super::code::Code;
use super::wire::{self, Auth, Movement, Transaction, UserDetails};
use crate::config::exponent_of;
use crate::dialects::http::{Failure, Next, Request};
use crate::identity::{Rejection, SignatureKey, TimeClaim, TokenVerifier, Verified};
use crate::ledger::command::{Act, Command, CommandKey, Timestamp};
use crate::ledger::transactions::{self, Adjust, Change, FindBy, Finding, Label, StakeRules, TransactionState};
use crate::ledger::{Currency, Done, Outcome, Party, PlayerId, PlayerKey, Pocket, TransactionAct, TransactionDone};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// One party's counter for QuickPlay.
pub struct Desk {
    pub party: Party,
    /// The name that QuickPlay knows the party by.
    pub partner: String,
    pub currency: Currency,
    pub exponent: u32,
    /// The configured exponents of other currencies, in which a player may have entered before.
    pub currencies: BTreeMap<Currency, u32>,
    pub signer: SignatureKey,
    pub verifier: Arc<TokenVerifier>,
}

impl Desk {
    /// Who the player of a token is.
    pub fn auth(self: &Arc<Self>, request: &Request) -> Next {
        let read = || {
            self.check_signature(request)?;
            wire::read::<Auth>(&request.body)
        };
        let auth = match read() {
            Ok(auth) => auth,
            Err(code) => return refuse(code),
        };
        let desk = Arc::clone(self);
        self.identify(wire::token(auth.token.as_ref()), request, move |player| desk.show(player, None))
    }

    /// A player's name and balance.
    pub fn user_details(self: &Arc<Self>, request: &Request) -> Next {
        let read = || {
            self.check_signature(request)?;
            let asked: UserDetails = wire::read(&request.body)?;
            wire::player(asked.user_id.as_ref(), asked.user.as_ref())
        };
        match read() {
            Ok(player) => self.show(player, None),
            Err(code) => refuse(code),
        }
    }

    /// Moves money.
    pub fn transaction(self: &Arc<Self>, request: &Request) -> Next {
        let (sent, movement) = match self.read_transaction(request) {
            Ok(read) => read,
            Err(code) => return refuse(code),
        };
        let named = wire::player(sent.user_id.as_ref(), sent.user.as_ref());
        let (at, correlation) = (request.at, Arc::clone(&request.correlation));
        if let Change::Refund { .. } = movement.change {
            return named.map_or_else(refuse, |player| self.cancel(player, sent, movement, (at, correlation)));
        }
        if movement.kind != 0 {
            return named.map_or_else(refuse, |player| self.apply(player, movement, at, correlation));
        }
        let desk = Arc::clone(self);
        self.identify(wire::token(sent.token.as_ref()), request, move |player| match named {
            Ok(named) if named == player => desk.apply(player, movement, at, correlation),
            Ok(_) => refuse(Code::InvalidToken),
            Err(code) => refuse(code),
        })
    }

    fn read_transaction(&self, request: &Request) -> Result<(Transaction, Movement), Code> {
        self.check_signature(request)?;
        let sent: Transaction = wire::read(&request.body)?;
        let movement = sent.movement(self.exponent)?;
        match &sent.partner {
            Some(partner) if partner.0 == self.partner => Ok((sent, movement)),
            _ => Err(Code::InvalidPartner),
        }
    }

    /// QuickPlay's samples leave open what is signed: the whole body or its `data`; either will do.
    fn check_signature(&self, request: &Request) -> Result<(), Code> {
        let signature = request.header("x-quickplay-signature").ok_or(Code::InvalidSignature)?;
        let is_signed = |message: &[u8]| self.signer.verifies(message, signature);
        let is_good =
            is_signed(&request.body) || wire::signed_data(&request.body).is_some_and(|data| is_signed(data.as_bytes()));
        if is_good { Ok(()) } else { Err(Code::InvalidSignature) }
    }

    /// Goes on with the player of the call's token, fetching newer keys once where those at hand do not know it.
    fn identify(
        &self,
        sent: Option<&str>,
        request: &Request,
        then: impl FnOnce(PlayerId) -> Next + Send + 'static,
    ) -> Next {
        let Some(token) = sent.or_else(|| request.header("token")).filter(|token| !token.is_empty()) else {
            return refuse(Code::InvalidToken);
        };
        let at = request.at;
        let settle = move |verified: Result<Verified, Rejection>| match verified {
            Ok(verified) => player_at(&verified, at).map_or_else(refuse, then),
            Err(_) => refuse(Code::InvalidToken),
        };
        match self.verifier.verify_now(token) {
            Err(Rejection::UnknownKey) => {
                let (verifier, token) = (Arc::clone(&self.verifier), token.to_owned());
                let then = Box::new(move |()| settle(verifier.verify_now(&token)));
                Next::RefreshKeys(Arc::clone(&self.verifier), then)
            }
            verified => settle(verified),
        }
    }

    /// Cancels an entry, whose amount is in the currency that was entered with, whatever is configured by now.
    fn cancel(
        self: &Arc<Self>,
        player: PlayerId,
        sent: Transaction,
        movement: Movement,
        (at, correlation): (Timestamp, Arc<str>),
    ) -> Next {
        let key = PlayerKey::of(&self.party, &player);
        let round = movement.contest.as_deref().unwrap_or_default().into();
        let (party, by) = (self.party.clone(), FindBy::RoundOf { player: key, round });
        let finding = Finding { party, scope: super::DIALECT.name.into(), by };
        let desk = Arc::clone(self);
        Next::Transactions(
            finding,
            Box::new(move |found: Vec<_>| match desk.in_currency_of_entry(&found, &sent, movement) {
                Ok(movement) => desk.apply(player, movement, at, correlation),
                Err(code) => refuse(code),
            }),
        )
    }

    /// The same cancel again is read as before; else it is of the entry that its amount fits, those first that are open.
    fn in_currency_of_entry(
        &self,
        found: &[transactions::Transaction],
        sent: &Transaction,
        movement: Movement,
    ) -> Result<Movement, Code> {
        let read_in = |currency: Currency| sent.movement(exponent_of(&self.currencies, currency));
        let before = found.iter().find(|known| known.key == self.key_of(&movement));
        let fits = |entry: &&transactions::Transaction| {
            let Ok(Movement { change: Change::Refund { amount, .. }, .. }) = read_in(entry.currency) else {
                return false;
            };
            entry.is_stake() && entry.moved.real.checked_neg() == Some(amount)
        };
        let open = || found.iter().filter(|entry| entry.state == TransactionState::Open).find(fits);
        let entry = before.or_else(open).or_else(|| found.iter().find(fits));
        let currency = entry.map(|entry| entry.currency).filter(|currency| *currency != self.currency);
        let Some(theirs) = currency else { return Ok(movement) };
        let mut movement = read_in(theirs)?;
        if let Change::Refund { currency, .. } = &mut movement.change {
            *currency = Some(theirs);
        }
        Ok(movement)
    }

    fn key_of(&self, movement: &Movement) -> CommandKey {
        CommandKey::of_adjust(&self.party, &wire::ledger_name(&movement.name))
    }

    fn apply(self: &Arc<Self>, player: PlayerId, movement: Movement, at: Timestamp, correlation: Arc<str>) -> Next {
        let label = Label {
            scope: super::DIALECT.name.into(),
            kind: movement.kind,
            region: 0,
            partner: 0,
            reference: movement.name.as_str().into(),
            round: movement.contest.map(Into::into),
        };
        let adjust = Adjust {
            player: player.clone(),
            name: wire::ledger_name(&movement.name).into(),
            label,
            currency: self.currency,
            product: 0,
            change: movement.change,
            memo: movement.memo.into(),
            worth: None,
            number: None,
            stakes: StakeRules::OneEnd,
            token: None,
        };
        let party = self.party.clone();
        let command = Command {
            party,
            at,
            correlation: Some(correlation),
            act: Act::Transaction(TransactionAct::Adjust(adjust)),
        };
        let desk = Arc::clone(self);
        Next::Decide(Box::new(command), Box::new(move |decided| desk.answer(player, decided.outcome)))
    }

    /// A repeat has the balance of the first time: it is the same answer.
    fn answer(self: &Arc<Self>, player: PlayerId, outcome: Outcome) -> Next {
        match outcome {
            Outcome::Done(Done::Transaction(
                TransactionDone::Adjusted { balance, .. } | TransactionDone::NothingUndone { balance },
            )) => self.show(player, Some(balance)),
            Outcome::Refused(refusal) => refuse(Code::of(refusal)),
            // What other acts end with.
            Outcome::Done(Done::Transaction(
                TransactionDone::AlreadyVoided { .. }
                | TransactionDone::VoidQueued
                | TransactionDone::VoidApproved { .. }
                | TransactionDone::VoidDismissed,
            )) => Next::Reply(answer::failed(Failure::Fault)),
            Outcome::Done(Done::Account(_) | Done::Order(_) | Done::Shop(_)) => {
                Next::Reply(answer::failed(Failure::Fault))
            }
        }
    }

    /// Answers with a player, and with the balance of now where no other is given.
    fn show(&self, player: PlayerId, balance: Option<i64>) -> Next {
        let (key, pocket, exponent) = (PlayerKey::of(&self.party, &player), Pocket::real(self.currency), self.exponent);
        Next::Player(
            key,
            Box::new(move |found| match found {
                Some(state) => {
                    let balance = balance.unwrap_or_else(|| state.account(&pocket).balance);
                    Next::Reply(answer::user(&state.player, balance, exponent))
                }
                None => refuse(Code::InvalidUser),
            }),
        )
    }
}

/// The token's player, where the token holds at that moment.
fn player_at(verified: &Verified, at: Timestamp) -> Result<PlayerId, Code> {
    match verified.time_claims_at(at.0.div_euclid(MICROS_PER_SECOND)) {
        Ok(()) => Ok(verified.player.clone()),
        Err(TimeClaim::Expired) => Err(Code::TokenExpired),
        Err(TimeClaim::NotYetValid) => Err(Code::InvalidToken),
    }
}

fn refuse(code: Code) -> Next {
    Next::Reply(answer::refused(code))
}
