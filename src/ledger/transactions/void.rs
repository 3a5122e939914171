//! Manual voids: what a partner may not take back by itself, an operator decides (Balance Service
//! `QueueManualVoidReturn`).

use super::adjust::moved;
use super::{
    ManualVoid, QueueVoid, ResolveVoid, Transaction, TransactionDone, TransactionEffects, TransactionRefusal,
    TransactionState, VoidState,
};
use crate::ledger::State;
use crate::ledger::accounts::AccountRefusal;
use crate::ledger::command::KeyedCommand;
use crate::ledger::decide::{AreaDecision, Effects, known_player};

pub(super) fn queue(state: &State, keyed: &KeyedCommand, queue: &QueueVoid) -> AreaDecision<TransactionDone> {
    let source = theirs(state, keyed, queue.source)?;
    // The command's own key is new: it is the first attempt, or the one after a dismissal.
    let is_next = match state.transactions.voids.get(&source.number) {
        None => queue.attempt == 0,
        Some(void) => void.state == VoidState::Dismissed && void.attempt.checked_add(1) == Some(queue.attempt),
    };
    if !is_next {
        return Err(TransactionRefusal::VoidUnknown.into());
    }
    let void = ManualVoid {
        source: source.number,
        attempt: queue.attempt,
        party: source.party.clone(),
        player: source.player,
        kind: queue.kind,
        state: VoidState::Pending,
        queued_at: keyed.command.at,
    };
    Ok((TransactionDone::VoidQueued, of_void(void)))
}

pub(super) fn resolve(
    state: &State,
    keyed: &KeyedCommand,
    resolve: &ResolveVoid,
    number: i64,
) -> AreaDecision<TransactionDone> {
    let player = known_player(state, keyed.player)?;
    let void = state.transactions.voids.get(&resolve.source).ok_or(TransactionRefusal::VoidUnknown)?;
    let source = theirs(state, keyed, resolve.source)?;
    if void.state != VoidState::Pending || void.attempt != resolve.attempt {
        return Err(TransactionRefusal::VoidResolved.into());
    }
    if !resolve.approve {
        let void = ManualVoid { state: VoidState::Dismissed, ..void.clone() };
        return Ok((TransactionDone::VoidDismissed, of_void(void)));
    }
    match source.state {
        TransactionState::Open | TransactionState::Settled | TransactionState::Done => {}
        // It moved nothing, or what it moved was moved back before.
        TransactionState::Voided
        | TransactionState::RolledBack
        | TransactionState::PaymentVoided
        | TransactionState::PaymentRolledBack
        | TransactionState::Tombstone
        | TransactionState::Reversal => return Err(TransactionRefusal::TransactionEnded.into()),
    }
    let transaction = reversal_of(keyed, source, void.kind, number)?;
    let moved = moved(player, &transaction)?;
    let voided = Transaction { state: source.voided(), ended_by: Some(number), ..source.clone() };
    let void = Some(ManualVoid { state: VoidState::Approved, ..void.clone() });
    let transactions = TransactionEffects { transactions: vec![transaction, voided], void };
    Ok((TransactionDone::VoidApproved { transaction: number }, Effects { transactions, ..moved }))
}

fn of_void(void: ManualVoid) -> Effects {
    let transactions = TransactionEffects { transactions: vec![], void: Some(void) };
    Effects { transactions, ..Effects::default() }
}

/// What the source moved, the other way round.
pub(super) fn reversal_of(
    keyed: &KeyedCommand,
    source: &Transaction,
    kind: i32,
    number: i64,
) -> Result<Transaction, AccountRefusal> {
    let mut label = source.label.clone();
    label.kind = kind;
    Ok(Transaction {
        number,
        key: keyed.key,
        label,
        moved: source.moved.reversed().ok_or(AccountRefusal::BalanceOverflow)?,
        external: source.external.checked_neg().ok_or(AccountRefusal::BalanceOverflow)?,
        source: Some(source.number),
        state: TransactionState::Reversal,
        ended_by: None,
        worth: None,
        token: None,
        ..source.clone()
    })
}

fn theirs<'a>(state: &'a State, keyed: &KeyedCommand, number: i64) -> Result<&'a Transaction, TransactionRefusal> {
    let known = state.transactions.get(number);
    let theirs = known.filter(|known| known.player == keyed.player && known.party == keyed.command.party);
    theirs.ok_or(TransactionRefusal::TransactionUnknown)
}
