//! What must be stored of what was done: the rules of `decide`, from the journal's side, for whoever audits.
//!
//! A journal row tells all of a transaction but what has become of it since, and which stake of its round a win settles or a
//! refund gives back: the rows say so, and what they say must be a stake that could be.

use std::ops::AddAssign;
use std::sync::Arc;

use super::adjust::transaction_of;
use super::void::reversal_of;
use super::{
    Adjust, Buckets, Change, ManualVoid, QueueVoid, ResolveVoid, StakeRules, Transaction, TransactionAct,
    TransactionDone, TransactionKeys, TransactionState, Transactions, VoidState,
};
use crate::ledger::account::{AccountId, Bucket};
use crate::ledger::batch::TransferEntry;
use crate::ledger::command::CommandKey;
use crate::ledger::recorded::DoneRow;

/// What is stored otherwise than a journal row says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionMismatch {
    #[error("{0} is a transaction that is missing")]
    Missing(i64),
    #[error("{0} is a transaction that is not as it was told")]
    NotAsTold(i64),
    #[error("{number} is a transaction {}, and was paid for", is.as_str())]
    PaidFor { number: i64, is: TransactionState },
    #[error("{number} is a transaction {}, not {}", is.as_str(), ought.as_str())]
    OtherState { number: i64, is: TransactionState, ought: TransactionState },
    #[error("{0} is a transaction that was undone and is not")]
    NotUndone(Arc<str>),
    #[error("{0} is a void that is not as it was queued")]
    VoidNotAsQueued(i64),
    #[error("{source_number} is a void that is not {}", ought.as_str())]
    OtherVoidState { source_number: i64, ought: VoidState },
}

use TransactionMismatch as Mismatch;

/// What a row adds to what there must be in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransactionCounts {
    pub transactions: i64,
    pub queued: i64,
    /// Attempts after a dismissal: each takes up the void that was dismissed.
    pub queued_again: i64,
    pub resolved: i64,
}

impl AddAssign for TransactionCounts {
    fn add_assign(&mut self, more: Self) {
        self.transactions = self.transactions.saturating_add(more.transactions);
        self.queued = self.queued.saturating_add(more.queued);
        self.queued_again = self.queued_again.saturating_add(more.queued_again);
        self.resolved = self.resolved.saturating_add(more.resolved);
    }
}

/// What to look up for a row; the sources of transactions that are found by number or key belong to it.
pub fn expected_keys(row: &DoneRow, act: &TransactionAct, done: TransactionDone, keys: &mut TransactionKeys) {
    keys.numbers.extend(done.given(row.seq));
    match act {
        TransactionAct::Adjust(Adjust { number, change, .. }) => {
            keys.numbers.extend(*number);
            match change {
                Change::Void { source, .. } => keys.numbers.extend([*source]),
                Change::Pay { source, .. } => keys.numbers.extend(*source),
                Change::Rollback { name } => {
                    keys.named.insert(CommandKey::of_adjust(&row.keyed.command.party, name));
                }
                Change::Stake { .. } | Change::Win { .. } | Change::Refund { .. } => {}
            }
        }
        TransactionAct::QueueVoid(QueueVoid { source, .. }) => {
            keys.voids.insert(*source);
        }
        TransactionAct::ResolveVoid(ResolveVoid { source, .. }) => {
            keys.numbers.insert(*source);
            keys.voids.insert(*source);
        }
    }
}

/// Whether what is stored is what a row says, and how much of it there must be. `known` has what [`expected_keys`] names, or
/// the ledger does not.
pub fn compare(
    known: &Transactions,
    row: &DoneRow,
    act: &TransactionAct,
    done: TransactionDone,
) -> (TransactionCounts, Result<(), Mismatch>) {
    let mut counts = TransactionCounts::default();
    let compared = match (act, done) {
        (TransactionAct::Adjust(adjust), TransactionDone::Adjusted { transaction, .. }) => {
            counts.transactions = 1;
            adjusted(known, row, adjust, transaction)
        }
        (TransactionAct::Adjust(adjust), TransactionDone::NothingUndone { .. }) => {
            let own = adjust.number.unwrap_or(row.seq);
            counts.transactions = i64::from(undone(known, row, adjust).is_some_and(|undone| undone.number == own));
            nothing_undone(known, row, adjust, own)
        }
        (TransactionAct::QueueVoid(queue), TransactionDone::VoidQueued) => {
            if queue.attempt == 0 {
                counts.queued = 1;
            } else {
                (counts.queued_again, counts.resolved) = (1, -1);
            }
            queued(known, row, queue)
        }
        (TransactionAct::ResolveVoid(resolve), TransactionDone::VoidApproved { transaction }) => {
            (counts.transactions, counts.resolved) = (1, 1);
            approved(known, row, resolve, transaction).and(resolved(known, resolve, VoidState::Approved))
        }
        (TransactionAct::ResolveVoid(resolve), TransactionDone::VoidDismissed) => {
            counts.resolved = 1;
            resolved(known, resolve, VoidState::Dismissed)
        }
        // It names one that was made before. What no act is answered with made nothing.
        (TransactionAct::Adjust(_) | TransactionAct::QueueVoid(_) | TransactionAct::ResolveVoid(_), _) => Ok(()),
    };
    (counts, compared)
}

fn stored(known: &Transactions, number: i64) -> Result<&Transaction, Mismatch> {
    known.get(number).ok_or(Mismatch::Missing(number))
}

/// What a rollback is to undo, or left instead.
fn undone<'a>(known: &'a Transactions, row: &DoneRow, adjust: &Adjust) -> Option<&'a Transaction> {
    let Change::Rollback { name } = &adjust.change else { return None };
    known.named(CommandKey::of_adjust(&row.keyed.command.party, name))
}

/// The transaction of an adjustment, and the one that it ended.
fn adjusted(known: &Transactions, row: &DoneRow, adjust: &Adjust, number: i64) -> Result<(), Mismatch> {
    let is = stored(known, number)?;
    let ought = expected(known, row, adjust, is)?;
    if !ought.may_have_become(is) {
        return Err(Mismatch::NotAsTold(number));
    }
    match &adjust.change {
        Change::Stake { .. } => Ok(()),
        Change::Pay { .. } => paid(known, is),
        Change::Void { .. } | Change::Refund { .. } => ended(known, is, |_| TransactionState::Voided),
        Change::Win { .. } => ended(known, is, |_| TransactionState::Settled),
        Change::Rollback { .. } => ended(known, is, Transaction::rolled_back),
    }
}

/// The transaction as the adjustment made it. `is`: the one that is stored.
fn expected(known: &Transactions, row: &DoneRow, adjust: &Adjust, is: &Transaction) -> Result<Transaction, Mismatch> {
    let not_as_told = || Mismatch::NotAsTold(is.number);
    let (state, source, external) = match &adjust.change {
        Change::Stake { external, .. } => (TransactionState::Open, None, external.checked_neg()),
        Change::Pay { source, external, .. } => (TransactionState::Done, *source, Some(*external)),
        Change::Void { source, external, .. } => (TransactionState::Done, Some(*source), Some(*external)),
        Change::Win { .. } | Change::Refund { .. } => (TransactionState::Done, is.source, Some(0)),
        Change::Rollback { .. } => (TransactionState::Reversal, is.source, Some(0)),
    };
    let mut ought = transaction_of(&row.keyed, adjust, is.number, state);
    (ought.source, ought.external) = (source, external.ok_or_else(not_as_told)?);
    // Money goes back to where it came from.
    let goes_back = match &adjust.change {
        Change::Void { .. } | Change::Refund { .. } => adjust.stakes == StakeRules::OneEnd,
        Change::Rollback { .. } => true,
        Change::Stake { .. } | Change::Pay { .. } | Change::Win { .. } => false,
    };
    if goes_back {
        let source = stored(known, source.ok_or_else(not_as_told)?)?;
        (ought.currency, ought.product) = (source.currency, source.product);
    }
    if let (Change::Win { .. }, Some(source)) = (&adjust.change, source) {
        let stake = stored(known, source)?;
        // Once it was rolled back nothing else tells.
        let is_in_round = (&stake.label.scope, &stake.label.round) == (&adjust.label.scope, &adjust.label.round);
        if !(is_in_round && stake.is_stake() && stake.player == row.keyed.player) {
            return Err(not_as_told());
        }
    }
    ought.moved = moved(&ought, &row.transfers).ok_or_else(not_as_told)?;
    Ok(ought)
}

/// What transfers moved of a transaction's accounts, each once; `None` where one of them is of no such account.
fn moved(of: &Transaction, transfers: &[TransferEntry]) -> Option<Buckets> {
    let mut moved = Buckets::default();
    let mut accounts: Vec<_> =
        Bucket::ALL.map(|bucket| (bucket, AccountId::of_player(of.player, &of.pocket(bucket)))).to_vec();
    for transfer in transfers {
        let at = accounts.iter().position(|(_, account)| *account == transfer.debit || *account == transfer.credit)?;
        let (bucket, account) = accounts.swap_remove(at);
        moved.set(bucket, if account == transfer.debit { transfer.amount.checked_neg()? } else { transfer.amount });
    }
    Some(moved)
}

/// A payment settles its stake, unless another one did before.
fn paid(known: &Transactions, payment: &Transaction) -> Result<(), Mismatch> {
    let Some(number) = payment.source else { return Ok(()) };
    let stake = stored(known, number)?;
    if !stake.is_stake() || payment.state != TransactionState::Done || stake.ended_by.is_some() {
        return Ok(());
    }
    Err(Mismatch::PaidFor { number, is: stake.state })
}

/// The transaction that `by` left in the state that `ends` says. Another may have ended it since.
fn ended(known: &Transactions, by: &Transaction, ends: fn(&Transaction) -> TransactionState) -> Result<(), Mismatch> {
    let Some(number) = by.source else { return Ok(()) };
    let source = stored(known, number)?;
    let ought = ends(source);
    let is_in_force = matches!(by.state, TransactionState::Done | TransactionState::Reversal);
    let is_right = match source.ended_by {
        Some(number) => number != by.number || source.state == ought,
        None => !is_in_force,
    };
    if is_right { Ok(()) } else { Err(Mismatch::OtherState { number, is: source.state, ought }) }
}

/// What a rollback left that found nothing to undo, so that nothing can come by that name; or what was undone before.
fn nothing_undone(known: &Transactions, row: &DoneRow, adjust: &Adjust, own: i64) -> Result<(), Mismatch> {
    use TransactionState::{PaymentRolledBack, RolledBack, Tombstone};
    let Change::Rollback { name } = &adjust.change else { return Ok(()) };
    match undone(known, row, adjust) {
        Some(is) if is.state == Tombstone && is.number == own => {
            let key = CommandKey::of_adjust(&row.keyed.command.party, name);
            let ought = Transaction { key, ..transaction_of(&row.keyed, adjust, own, Tombstone) };
            if ought.may_have_become(is) { Ok(()) } else { Err(Mismatch::NotAsTold(own)) }
        }
        Some(Transaction { state: Tombstone | RolledBack | PaymentRolledBack, .. }) => Ok(()),
        Some(_) | None => Err(Mismatch::NotUndone(name.clone())),
    }
}

/// The reversal that an operator's approval made: its source the other way round.
fn approved(known: &Transactions, row: &DoneRow, resolve: &ResolveVoid, number: i64) -> Result<(), Mismatch> {
    let (is, source) = (stored(known, number)?, stored(known, resolve.source)?);
    let void = known.voids.get(&resolve.source);
    let void = void.ok_or(Mismatch::OtherVoidState { source_number: resolve.source, ought: VoidState::Approved })?;
    let ought = reversal_of(&row.keyed, source, void.kind, number).map_err(|_| Mismatch::NotAsTold(number))?;
    if !ought.may_have_become(is) || moved(&ought, &row.transfers) != Some(ought.moved) {
        return Err(Mismatch::NotAsTold(number));
    }
    ended(known, is, Transaction::voided)
}

fn queued(known: &Transactions, row: &DoneRow, queue: &QueueVoid) -> Result<(), Mismatch> {
    let (command, player) = (&row.keyed.command, row.keyed.player);
    let is_right = known.voids.get(&queue.source).is_some_and(|void| {
        void.party == command.party
            && void.player == player
            // It may have been dismissed, and asked for again since, of another kind.
            && (void.attempt > queue.attempt
                || (void.attempt == queue.attempt && void.kind == queue.kind && void.queued_at == command.at))
    });
    if is_right { Ok(()) } else { Err(Mismatch::VoidNotAsQueued(queue.source)) }
}

fn resolved(known: &Transactions, resolve: &ResolveVoid, ought: VoidState) -> Result<(), Mismatch> {
    let is_right = known.voids.get(&resolve.source).is_some_and(|void: &ManualVoid| {
        let asked_again = ought == VoidState::Dismissed && void.attempt > resolve.attempt;
        asked_again || (void.attempt == resolve.attempt && void.state == ought)
    });
    if is_right { Ok(()) } else { Err(Mismatch::OtherVoidState { source_number: resolve.source, ought }) }
}

impl Transaction {
    /// Whether a stored transaction may be what has become of this one, which is as it was made. The caller's token is
    /// nobody's business but the caller's.
    fn may_have_become(&self, is: &Self) -> bool {
        let was = Self { state: self.state, ended_by: None, token: self.token.clone(), ..is.clone() };
        was == *self && self.state.may_become(is.state)
    }
}

impl TransactionState {
    /// Whether a transaction that was made in this state may be in the other one by now.
    fn may_become(self, later: Self) -> bool {
        match self {
            Self::Open => matches!(later, Self::Open | Self::Settled | Self::Voided | Self::RolledBack),
            Self::Done => matches!(later, Self::Done | Self::PaymentVoided | Self::PaymentRolledBack),
            Self::Reversal | Self::Tombstone => later == self,
            // None is made in these.
            Self::Settled | Self::Voided | Self::RolledBack | Self::PaymentVoided | Self::PaymentRolledBack => false,
        }
    }
}
