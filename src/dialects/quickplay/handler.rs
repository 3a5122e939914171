//! The three calls. What is wrong is looked for in this order: the signature (5), the body's shape (7), the partner
//! (1), the token where one is needed (2, 6), the user (3), and then whatever the ledger says (3, 4, 7).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer;
use super::code::QuickPlayCode;
use super::wire::{self, Auth, ParsedTransaction, TransactionCall, UserDetails};
use crate::config::exponent_of;
use crate::dialects::http::{Failure, HandlerError, Reply, Request};
use crate::identity::{Rejection, SignatureKey, TimeClaim, TokenVerifier, Verified};
use crate::ledger::command::{Act, Command, CommandKey, Timestamp};
use crate::ledger::state::PlayerState;
use crate::ledger::transactions::{
    self, Adjust, Change, FindBy, Label, StakeRules, TransactionQuery, TransactionState,
};
use crate::ledger::{Currency, Done, Outcome, Party, PlayerId, PlayerKey, Pocket, TransactionAct, TransactionDone};
use crate::wallet::{SharedWallet, WalletPort};

/// One party's handler for QuickPlay.
pub struct QuickPlayHandler {
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

impl QuickPlayHandler {
    /// Who the player of a token is.
    pub async fn auth(self: Arc<Self>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
        self.check_signature(&request)?;
        let auth = wire::read::<Auth>(&request.body)?;
        let player = self.identify(wire::token(auth.token.as_ref()), &request).await?;
        self.show_now(&*wallet, &player).await
    }

    /// A player's name and balance.
    pub async fn user_details(self: Arc<Self>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
        self.check_signature(&request)?;
        let asked: UserDetails = wire::read(&request.body)?;
        let player = wire::player(asked.user_id.as_ref(), asked.user.as_ref())?;
        self.show_now(&*wallet, &player).await
    }

    /// Moves money.
    pub async fn transaction(self: Arc<Self>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
        let (sent, transaction) = self.read_transaction(&request)?;
        let named = wire::player(sent.user_id.as_ref(), sent.user.as_ref());
        let (player, transaction) = if let Change::Refund { .. } = transaction.change {
            let player = named?;
            let transaction = self.in_currency_of_entry(&*wallet, &player, &sent, transaction).await?;
            (player, transaction)
        } else if transaction.kind == 0 {
            // Only an entry needs the player's own word, and whatever is wrong with the token is told first.
            let player = self.identify(wire::token(sent.token.as_ref()), &request).await?;
            if named? != player {
                return Err(QuickPlayCode::InvalidToken.into());
            }
            (player, transaction)
        } else {
            (named?, transaction)
        };
        let decided = wallet.decide(self.command(player, transaction, &request)).await?;
        self.answer(decided.player.as_ref(), decided.outcome)
    }

    fn read_transaction(&self, request: &Request) -> Result<(TransactionCall, ParsedTransaction), QuickPlayCode> {
        self.check_signature(request)?;
        let sent: TransactionCall = wire::read(&request.body)?;
        let transaction = sent.parsed(self.exponent)?;
        match &sent.partner {
            Some(partner) if partner.0 == self.partner => Ok((sent, transaction)),
            _ => Err(QuickPlayCode::InvalidPartner),
        }
    }

    /// QuickPlay's samples leave open what is signed: the whole body or its `data`; either will do.
    fn check_signature(&self, request: &Request) -> Result<(), QuickPlayCode> {
        let signature = request.header("x-quickplay-signature").ok_or(QuickPlayCode::InvalidSignature)?;
        let is_signed = |message: &[u8]| self.signer.verifies(message, signature);
        let is_good =
            is_signed(&request.body) || wire::signed_data(&request.body).is_some_and(|data| is_signed(data.as_bytes()));
        if is_good { Ok(()) } else { Err(QuickPlayCode::InvalidSignature) }
    }

    /// The player of the call's token.
    async fn identify(&self, sent: Option<&str>, request: &Request) -> Result<PlayerId, HandlerError> {
        let token = sent.or_else(|| request.header("token")).filter(|token| !token.is_empty());
        match self.verifier.verify(token.ok_or(QuickPlayCode::InvalidToken)?).await {
            Ok(verified) => Ok(player_at(&verified, request.at)?),
            // Nobody can tell whether the token is good: that is no fault of the caller's.
            Err(Rejection::KeysUnavailable) => Err(Failure::Unavailable.into()),
            Err(_) => Err(QuickPlayCode::InvalidToken.into()),
        }
    }

    /// Reads a cancel of an entry in the currency that was entered with, whatever is configured by now. The same cancel
    /// again is read as before; else it is of the entry that its amount fits, those first that are open.
    async fn in_currency_of_entry(
        &self,
        wallet: &dyn WalletPort,
        player: &PlayerId,
        sent: &TransactionCall,
        mut transaction: ParsedTransaction,
    ) -> Result<ParsedTransaction, HandlerError> {
        let player = PlayerKey::of(&self.party, player);
        let by = FindBy::RoundOf { player, round: transaction.contest.as_deref().unwrap_or_default().into() };
        let query = TransactionQuery { party: self.party.clone(), scope: super::DIALECT.name.into(), by };
        let found = wallet.transactions(query).await?;
        let before = found.iter().find(|known| known.key == self.key_of(&transaction));
        let fits = |entry: &&transactions::Transaction| self.is_of_entry(sent, entry);
        let open = || found.iter().filter(|entry| entry.state == TransactionState::Open).find(fits);
        let entry = before.or_else(open).or_else(|| found.iter().find(fits));
        let currency = entry.map(|entry| entry.currency).filter(|currency| *currency != self.currency);
        let Some(theirs) = currency else { return Ok(transaction) };
        transaction = self.read_in(sent, theirs)?;
        if let Change::Refund { currency, .. } = &mut transaction.change {
            *currency = Some(theirs);
        }
        Ok(transaction)
    }

    /// Whether a cancel's amount is that of an entry, read in the entry's currency.
    fn is_of_entry(&self, sent: &TransactionCall, entry: &transactions::Transaction) -> bool {
        let Ok(ParsedTransaction { change: Change::Refund { amount, .. }, .. }) = self.read_in(sent, entry.currency)
        else {
            return false;
        };
        entry.is_stake() && entry.moved.real.checked_neg() == Some(amount)
    }

    fn read_in(&self, sent: &TransactionCall, currency: Currency) -> Result<ParsedTransaction, QuickPlayCode> {
        sent.parsed(exponent_of(&self.currencies, currency))
    }

    fn key_of(&self, transaction: &ParsedTransaction) -> CommandKey {
        CommandKey::of_adjust(&self.party, &wire::ledger_name(&transaction.name))
    }

    fn command(&self, player: PlayerId, transaction: ParsedTransaction, request: &Request) -> Command {
        let label = Label {
            scope: super::DIALECT.name.into(),
            kind: transaction.kind,
            region: 0,
            partner: 0,
            reference: transaction.name.as_str().into(),
            round: transaction.contest.map(Into::into),
        };
        let adjust = Adjust {
            player,
            name: wire::ledger_name(&transaction.name).into(),
            label,
            currency: self.currency,
            product: 0,
            change: transaction.change,
            memo: transaction.memo.into(),
            said: "".into(),
            worth: None,
            number: None,
            stakes: StakeRules::OneEnd,
            token: None,
        };
        Command {
            party: self.party.clone(),
            at: request.at,
            correlation: Some(Arc::clone(&request.correlation)),
            act: Act::Transaction(TransactionAct::Adjust(adjust)),
        }
    }

    /// A repeat has the balance of the first time: it is the same answer.
    fn answer(&self, player: Option<&PlayerState>, outcome: Outcome) -> Result<Reply, HandlerError> {
        match outcome {
            Outcome::Done(Done::Transaction(
                TransactionDone::Adjusted { balance, .. } | TransactionDone::NothingUndone { balance },
            )) => Ok(self.show(player.ok_or(QuickPlayCode::InvalidUser)?, balance)),
            Outcome::Refused(refusal) => Err(QuickPlayCode::of(refusal).into()),
            // What other acts end with.
            Outcome::Done(
                Done::Account(_)
                | Done::Order(_)
                | Done::Shop(_)
                | Done::Transaction(
                    TransactionDone::AlreadyVoided { .. }
                    | TransactionDone::VoidQueued
                    | TransactionDone::VoidApproved { .. }
                    | TransactionDone::VoidDismissed,
                ),
            ) => Err(Failure::Fault.into()),
        }
    }

    /// A player with the balance of now.
    async fn show_now(&self, wallet: &dyn WalletPort, player: &PlayerId) -> Result<Reply, HandlerError> {
        let found = wallet.player(self.party.clone(), player.clone()).await?;
        let state = found.ok_or(QuickPlayCode::InvalidUser)?;
        Ok(self.show(&state, state.account(&Pocket::real(self.currency)).balance))
    }

    fn show(&self, state: &PlayerState, balance: i64) -> Reply {
        answer::user(&state.player, balance, self.exponent)
    }
}

/// The token's player, where the token holds at that moment.
fn player_at(verified: &Verified, at: Timestamp) -> Result<PlayerId, QuickPlayCode> {
    match verified.time_claims_at(at.second()) {
        Ok(()) => Ok(verified.player.clone()),
        Err(TimeClaim::Expired) => Err(QuickPlayCode::TokenExpired),
        Err(TimeClaim::NotYetValid) => Err(QuickPlayCode::InvalidToken),
    }
}
