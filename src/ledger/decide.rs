//! `decide`: from what is known and what is asked to what happens. Total: a refusal is a value.
//!
//! The first reason that applies, in this order, wins (the order of its area's refusals):
//! the stored outcome of the same key; the same key with other data; game; player; order and round; limits; funds.
//! Look up the key before the balance: a repeat of an accepted bet must be answered "accepted" even when the
//! wallet is now empty.

use super::account::Account;
use super::accounts::{self, AccountRefusal};
use super::command::{Act, KeyedCommand};
use super::command_digest::CommandDigest;
use super::orders::{self, Order, OrderAct, OrderRefusal};
use super::outcome::{Done, Outcome, Refusal, Retention};
use super::player::{Player, PlayerKey};
use super::posting::{Posting, Transfer};
use super::shop::{self, ShopEffects};
use super::state::{Decided, PastCommand, PlayerState, State};
use super::transactions::{self, TransactionEffects};

/// What a decision changes, besides the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    pub opened: Option<Player>,
    /// Final values, each account once.
    pub accounts: Vec<Account>,
    pub order: Option<Order>,
    pub transfers: Vec<Transfer>,
    pub transactions: TransactionEffects,
    pub shop: ShopEffects,
}

impl Effects {
    /// What a posting moved.
    pub(super) fn of(posting: Posting<'_>) -> Self {
        let (accounts, transfers) = posting.done();
        Self { accounts, transfers, ..Self::default() }
    }
}

/// An outcome, how the journal keeps it, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub outcome: Outcome,
    /// Whether this is the stored outcome of the same command.
    pub repeated: bool,
    pub retention: Retention,
    pub effects: Effects,
}

/// Decides one command against what is known. `number` is the journal's for the command, should it be kept.
pub fn decide(state: &State, keyed: &KeyedCommand, number: i64) -> Decision {
    if let Some(decided) = decided_before(state, keyed) {
        return Decision::repeat(state, keyed, decided);
    }
    let judged = match &keyed.command.act {
        Act::Account(act) => accounts::decide(state, keyed, act).map(|(done, effects)| (Done::Account(done), effects)),
        Act::Order(act) => orders::decide(state, keyed, act).map(|(done, effects)| (Done::Order(done), effects)),
        Act::Transaction(act) => {
            let judged = transactions::decide(state, keyed, act, number);
            judged.map(|(done, effects)| (Done::Transaction(done), effects))
        }
        Act::Shop(act) => shop::decide(state, keyed, act, number).map(|(done, effects)| (Done::Shop(done), effects)),
    };
    match judged {
        Ok((done, effects)) => Decision::done(done, effects),
        Err(refusal) => Decision::refused(state, keyed, refusal),
    }
}

/// The same for a command that a journal tells of, with what was decided of it there. A bet that a tombstone had refused
/// is refused again, be the tombstone somebody else's: by the first rules it bound everybody, and it moves nothing. A player
/// who was opened with another's username is opened again, and does not sign in by it.
pub fn decide_recorded(state: &State, keyed: &KeyedCommand, number: i64, recorded: Outcome) -> Decision {
    let decision = decide(state, keyed, number);
    let is_new = decision.retention != Retention::None;
    let cancelled = Refusal::Order(OrderRefusal::OrderCancelled);
    match &keyed.command.act {
        Act::Order(OrderAct::PlaceBet(_)) if is_new && recorded == Outcome::Refused(cancelled) => {
            Decision::refused(state, keyed, cancelled)
        }
        Act::Account(act) => match (decision.outcome, recorded) {
            (Outcome::Refused(Refusal::Account(refusal)), Outcome::Done(_)) => {
                let recorded = accounts::as_recorded(keyed, act, refusal);
                recorded.map_or(decision, |(done, effects)| Decision::done(Done::Account(done), effects))
            }
            (Outcome::Done(_) | Outcome::Refused(_), _) => decision,
        },
        Act::Order(_) | Act::Transaction(_) | Act::Shop(_) => decision,
    }
}

/// What was decided of the command when it came before. A player who was refused under an order's key is told that,
/// whatever others have done under it since.
fn decided_before<'a>(state: &'a State, keyed: &KeyedCommand) -> Option<&'a Decided> {
    let refused = keyed.order.filter(|order| state.orders.contains_key(&order.refused));
    match refused {
        Some(_) => state.decided.get(&keyed.refused_key()?),
        None => state.decided.get(&keyed.key),
    }
}

/// What an area answers: what is done and what follows, or why nothing is.
pub(super) type AreaDecision<D> = Result<(D, Effects), Refusal>;

impl Decision {
    fn done(done: Done, effects: Effects) -> Self {
        Self { outcome: Outcome::Done(done), repeated: false, retention: Retention::Idempotent, effects }
    }

    fn repeat(state: &State, keyed: &KeyedCommand, decided: &Decided) -> Self {
        let same = match &decided.asked {
            PastCommand::Whole(before) => is_same(state, keyed, &before.act),
            PastCommand::Pruned(before) => is_same_as_pruned(state, keyed, before),
        };
        let outcome = if same { decided.outcome } else { Outcome::Refused(AccountRefusal::KeyReused.into()) };
        Self { outcome, repeated: same, retention: Retention::None, effects: Effects::default() }
    }

    fn refused(state: &State, keyed: &KeyedCommand, refusal: Refusal) -> Self {
        let retention = refusal.retention(&keyed.command.act);
        let order = match (&keyed.command.act, retention) {
            (Act::Order(act), Retention::Idempotent) => orders::refused(state, keyed, act),
            (Act::Order(_), Retention::RecordOnly | Retention::None)
            | (Act::Account(_) | Act::Transaction(_) | Act::Shop(_), _) => None,
        };
        let effects = Effects { order, ..Effects::default() };
        Self { outcome: Outcome::Refused(refusal), repeated: false, retention, effects }
    }
}

/// Whether two commands with one key ask for the same. Time, correlation and terms may differ.
fn is_same(state: &State, keyed: &KeyedCommand, before: &Act) -> bool {
    match (&keyed.command.act, before) {
        (Act::Account(now), Act::Account(then)) => accounts::is_same(now, then),
        (Act::Order(now), Act::Order(then)) => orders::is_same(state, keyed, now, then),
        (Act::Transaction(now), Act::Transaction(then)) => transactions::is_same(now, then),
        (Act::Shop(now), Act::Shop(then)) => shop::is_same(now, then),
        (Act::Account(_) | Act::Order(_) | Act::Transaction(_) | Act::Shop(_), _) => false,
    }
}

/// [`is_same`] where only the digest of the earlier command is left.
fn is_same_as_pruned(state: &State, keyed: &KeyedCommand, before: &CommandDigest) -> bool {
    let act = &keyed.command.act;
    let agrees = match act {
        Act::Order(order) => orders::is_same_as_pruned(state, keyed, order, before),
        Act::Account(_) | Act::Transaction(_) | Act::Shop(_) => true,
    };
    agrees && CommandDigest::of(act).is_some_and(|now| now.is_like(before))
}

pub(super) fn known_player(state: &State, player: PlayerKey) -> Result<&PlayerState, AccountRefusal> {
    state.players.get(&player).ok_or(AccountRefusal::PlayerUnknown)
}
