//! Transactions: what partners do to players' money under names of their own, and can take back (Balance Service
//! `AdjustBalance` and `QueueManualVoidReturn`, QuickPlay `transaction`).

mod transaction;
mod acts;
mod outcome;
mod reads;
mod changes;
mod adjust;
mod rollback;
mod void;
pub(crate) mod expected;

pub use acts::{Adjust, Change, QueueVoid, ResolveVoid, StakeRules, TransactionAct};
pub use changes::{TransactionChanges, TransactionEffects};
pub use outcome::{TransactionDone, TransactionRefusal};
pub use reads::{TransactionKeys, Transactions};
pub use transaction::{Buckets, FindBy, Label, ManualVoid, Transaction, TransactionQuery, TransactionState, VoidState};

use super::command::KeyedCommand;
use super::decide::AreaDecision;
use super::state::State;

/// `number` is what a transaction is called by, should the act make one.
pub(super) fn decide(
    state: &State,
    keyed: &KeyedCommand,
    act: &TransactionAct,
    number: i64,
) -> AreaDecision<TransactionDone> {
    let number = act.number().unwrap_or(number);
    match act {
        TransactionAct::Adjust(adjust) => adjust::decide(state, keyed, adjust, number),
        TransactionAct::QueueVoid(queue) => void::queue(state, keyed, queue),
        TransactionAct::ResolveVoid(resolve) => void::resolve(state, keyed, resolve, number),
    }
}

pub(super) fn is_same(now: &TransactionAct, then: &TransactionAct) -> bool {
    match (now, then) {
        (TransactionAct::Adjust(now), TransactionAct::Adjust(then)) => now.is_same(then),
        (TransactionAct::QueueVoid(now), TransactionAct::QueueVoid(then)) => now == then,
        (TransactionAct::ResolveVoid(now), TransactionAct::ResolveVoid(then)) => now.approve == then.approve,
        (TransactionAct::Adjust(_) | TransactionAct::QueueVoid(_) | TransactionAct::ResolveVoid(_), _) => false,
    }
}
