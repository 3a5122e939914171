//! What fills a ledger: the same each time, nothing in it is drawn.

mod partners;
mod rounds;

use std::collections::VecDeque;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use purser::ledger::accounts::{Cash, OpenPlayer};
use purser::ledger::command::Timestamp;
use purser::ledger::player::Profile;
use purser::ledger::transactions::{Adjust, Change, Label, QueueVoid, ResolveVoid, StakeRules};
use purser::ledger::{
    AccountAct, Act, Amount, Bucket, Command, Currency, Done, OrderRefusal, Outcome, Party, PlayerId, Pocket, Refusal,
    TransactionAct, TransactionDone,
};

use partners::Partners;

pub const PARTY: &str = "size";
pub const CURRENCY: &str = "CHF";
pub const GAME: &str = "wallstroulette";

/// Minor units that each player starts with: enough for everything.
const MONEY: i64 = 1_000_000_000_000;

/// Acts that are still to follow while new things begin: results come some time after their bets.
const LAG: usize = 2_000;

/// 2026-01-01, and the time between two commands: a million take a bit more than a day.
const START: i64 = 1_767_225_600_000_000;
const STEP: i64 = 100_000;

/// Whose history it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Bets, and what becomes of them.
    Rounds,
    /// Transactions with several transfers, voids, levels and gift-card keys.
    Partners,
}

/// An act, and what is to follow it once it has been decided.
struct Planned {
    act: Act,
    then: Then,
}

/// What follows a transaction, whose number is known only when it has been decided.
enum Then {
    Nothing,
    Void { player: PlayerId, total: i64, name: String },
    Queue { player: PlayerId, answer: Option<bool> },
}

pub struct History {
    partners: Option<Partners>,
    party: Party,
    players: usize,
    /// Things begun.
    begun: usize,
    /// Commands told.
    told: i64,
    later: VecDeque<Planned>,
    /// What follows those that were told last.
    thens: Vec<Then>,
}

impl History {
    pub fn new(kind: Kind, players: usize) -> anyhow::Result<Self> {
        let party = Party::parse(PARTY)?;
        let partners = if kind == Kind::Partners { Some(Partners::open(&party)?) } else { None };
        let mut history =
            Self { partners, party, players, begun: 0, told: 0, later: VecDeque::new(), thens: Vec::new() };
        for number in 0..players {
            history.later.extend(invitation(number)?.map(plain));
        }
        Ok(history)
    }

    /// The next commands. What they were decided must be learnt before the next ones.
    pub fn next(&mut self, count: usize) -> anyhow::Result<Vec<Command>> {
        let mut commands = Vec::with_capacity(count);
        while commands.len() < count {
            let is_opening = self.begun == 0 && !self.later.is_empty();
            if !is_opening && self.later.len() < LAG {
                let begun = match &self.partners {
                    Some(partners) => partners.begin(self.begun, self.players)?,
                    None => rounds::begin(self.begun, self.players)?,
                };
                self.begun += 1;
                // The first of each begins now; what follows it takes its turn.
                let mut begun = begun.into_iter();
                let first = begun.next().context("nothing begins")?;
                self.later.extend(begun);
                commands.push(self.tell(first));
            } else if let Some(next) = self.later.pop_front() {
                commands.push(self.tell(next));
            }
        }
        Ok(commands)
    }

    fn tell(&mut self, planned: Planned) -> Command {
        self.told += 1;
        self.thens.push(planned.then);
        let correlation = Some(format!("size-correlation-{:012}", self.told).into());
        Command { party: self.party.clone(), at: Timestamp(START + self.told * STEP), correlation, act: planned.act }
    }

    pub fn learn(&mut self, outcomes: &[Outcome]) -> anyhow::Result<()> {
        for (then, outcome) in self.thens.drain(..).zip(outcomes) {
            match (then, outcome) {
                (Then::Nothing, Outcome::Done(_) | Outcome::Refused(Refusal::Order(OrderRefusal::MaxBet { .. }))) => {}
                (
                    Then::Void { player, total, name },
                    Outcome::Done(Done::Transaction(TransactionDone::Adjusted { transaction, .. })),
                ) => {
                    let amounts = purser::ledger::transactions::Buckets { real: total, ..Default::default() };
                    let change = Change::Void { source: *transaction, amounts, external: 0 };
                    self.later.push_back(plain(adjust(player, name, 4, change)?));
                }
                (
                    Then::Queue { player, answer },
                    Outcome::Done(Done::Transaction(TransactionDone::Adjusted { transaction, .. })),
                ) => {
                    let source = *transaction;
                    let queue = QueueVoid { player: player.clone(), source, kind: 6, attempt: 0 };
                    let resolve =
                        answer.map(|approve| ResolveVoid { player, source, approve, attempt: 0, number: None });
                    let resolve = resolve.map(|resolve| Act::Transaction(TransactionAct::ResolveVoid(resolve)));
                    let queue = Act::Transaction(TransactionAct::QueueVoid(queue));
                    self.later.extend(std::iter::once(queue).chain(resolve).map(plain));
                }
                (_, other) => bail!("the ledger answered {other:?}"),
            }
        }
        Ok(())
    }
}

fn plain(act: Act) -> Planned {
    Planned { act, then: Then::Nothing }
}

fn player(number: usize) -> anyhow::Result<PlayerId> {
    Ok(PlayerId::parse(&format!("player-{number:07}"))?)
}

/// Neighbours in time are none in the ledger.
fn scattered(number: usize, players: usize) -> anyhow::Result<PlayerId> {
    player(number.wrapping_mul(7_919) % players)
}

fn invitation(number: usize) -> anyhow::Result<[Act; 2]> {
    let (player, currency) = (player(number)?, Currency::parse(CURRENCY)?);
    let profile = Profile { home_currency: currency, username: None, nickname: None, email: None, gender: None };
    let (pocket, amount) = (Pocket::real(currency), Amount::new(MONEY)?);
    let cash = Cash { player: player.clone(), pocket, amount, key: format!("size-{player}").into() };
    Ok([Act::Account(AccountAct::OpenPlayer(OpenPlayer { player, profile })), Act::Account(AccountAct::Deposit(cash))])
}

/// What the Balance Service makes of a call.
fn adjust(player: PlayerId, name: String, kind: i32, change: Change) -> anyhow::Result<Act> {
    let reference = name.as_str().into();
    let label = Label { scope: "balance_service".into(), kind, region: 1, partner: 2, reference, round: None };
    Ok(Act::Transaction(TransactionAct::Adjust(Adjust {
        player,
        name: name.into(),
        label,
        currency: Currency::parse(CURRENCY)?,
        product: 0,
        change,
        memo: "".into(),
        said: "".into(),
        worth: None,
        number: None,
        stakes: StakeRules::OneEnd,
        token: None,
    })))
}

/// Where the Balance Service spends from.
const SPEND_ORDER: [Bucket; 3] = [Bucket::RingFenced, Bucket::Real, Bucket::Bonus];
