//! Rolling a transaction back: undoes whatever it did, once (QuickPlay `type` 3).

use super::adjust::Adjusting;
use super::{Buckets, Transaction, TransactionDone, TransactionEffects, TransactionRefusal, TransactionState};
use crate::ledger::accounts::AccountRefusal;
use crate::ledger::command::CommandKey;
use crate::ledger::decide::{AreaDecision, Effects};

pub(super) fn decide(adjusting: &Adjusting<'_>, name: &str) -> AreaDecision<TransactionDone> {
    let key = CommandKey::of_adjust(&adjusting.keyed.command.party, name);
    let Some(undone) = adjusting.state.transactions.named(key) else {
        return Ok(nothing_yet(adjusting, key));
    };
    if undone.player != adjusting.keyed.player {
        return Err(TransactionRefusal::TransactionUnknown.into());
    }
    match undone.state {
        TransactionState::RolledBack | TransactionState::PaymentRolledBack | TransactionState::Tombstone => {
            let done = TransactionDone::NothingUndone { balance: adjusting.balance() };
            return Ok((done, Effects::default()));
        }
        // A stake that has met its fate meets no second one: what was given back would be given back twice, and what
        // was won with it would be kept. A rollback is nobody's to undo.
        TransactionState::Settled
        | TransactionState::Voided
        | TransactionState::PaymentVoided
        | TransactionState::Reversal => return Err(TransactionRefusal::TransactionEnded.into()),
        TransactionState::Open | TransactionState::Done => {}
    }
    let moved = undone.moved.reversed().ok_or(AccountRefusal::BalanceOverflow)?;
    let reversal = Transaction {
        source: Some(undone.number),
        currency: undone.currency,
        product: undone.product,
        ..adjusting.transaction(moved, TransactionState::Reversal)
    };
    let (done, mut effects) = adjusting.done(reversal, Some(adjusting.ended(undone, undone.rolled_back())))?;
    effects.transactions.transactions.extend(reopened(adjusting, undone));
    Ok((done, effects))
}

/// Nothing is known by that name: should it still come, it must not move anything.
fn nothing_yet(adjusting: &Adjusting<'_>, key: CommandKey) -> (TransactionDone, Effects) {
    let tombstone = Transaction { key, ..adjusting.transaction(Buckets::default(), TransactionState::Tombstone) };
    let transactions = TransactionEffects { transactions: vec![tombstone], void: None };
    let effects = Effects { transactions, ..Effects::default() };
    (TransactionDone::NothingUndone { balance: adjusting.balance() }, effects)
}

/// The stake that the undone transaction had settled or given back: it is open again.
fn reopened(adjusting: &Adjusting<'_>, undone: &Transaction) -> Option<Transaction> {
    let stake = adjusting.state.transactions.get(undone.source?)?;
    let ended_it = stake.ended_by == Some(undone.number)
        && matches!(stake.state, TransactionState::Settled | TransactionState::Voided);
    ended_it.then(|| Transaction { state: TransactionState::Open, ended_by: None, ..stake.clone() })
}
