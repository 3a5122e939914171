//! What is wrong with what is stored of one journal row, if anything: read as the end of a finding.

use super::stored::Stored;
use super::{PartnerRow, StoredTransfer};
use crate::ledger::account::AccountId;
use crate::ledger::command::CommandKey;
use crate::ledger::shop::{BuyKeys, OfferId};
use crate::ledger::transactions::{
    Adjust, Buckets, Change, QueueVoid, ResolveVoid, StakeRules, Transaction, TransactionState, VoidState,
};
use crate::storage::rows::bytes;

/// `Err`: this is wrong.
pub(super) type PartnerCheck = Result<(), String>;

/// The transaction of an adjustment, and the one that it ended.
pub(super) fn adjusted(stored: &Stored, told: &PartnerRow<'_>, number: i64, adjust: &Adjust) -> PartnerCheck {
    let known = stored.transaction(number)?;
    let mut is_right = known.key == told.keyed.key
        && known.party == told.keyed.command.party
        && known.player == told.keyed.player
        && known.label == adjust.label
        && known.memo == adjust.memo
        && known.worth == adjust.worth
        && has_moved(known, &told.legs);
    let is_own = known.currency == adjust.currency && known.product == adjust.product;
    is_right &= match &adjust.change {
        Change::Stake { .. } => known.is_stake() && is_own,
        Change::Pay { .. } => is_payment(known) && is_own,
        Change::Win { .. } => is_payment(known) && is_own && is_of_round(stored, known)?,
        Change::Void { .. } | Change::Refund { .. } if adjust.stakes == StakeRules::First => {
            is_payment(known) && is_own
        }
        // Money goes back to where it came from.
        Change::Void { source, .. } => is_payment(known) && is_of_account(known, stored.transaction(*source)?),
        Change::Refund { .. } => is_payment(known) && is_of_source(stored, known)?,
        Change::Rollback { .. } => known.state == TransactionState::Reversal && is_of_source(stored, known)?,
    };
    let (source, external) = match &adjust.change {
        Change::Stake { external, .. } => (None, external.checked_neg()),
        Change::Pay { source, external, .. } => (*source, Some(*external)),
        Change::Void { source, external, .. } => (Some(*source), Some(*external)),
        Change::Win { .. } | Change::Refund { .. } | Change::Rollback { .. } => (known.source, Some(0)),
    };
    if !is_right || known.source != source || Some(known.external) != external {
        return Err(format!("{number} is a transaction that is not as it was told"));
    }
    match &adjust.change {
        Change::Stake { .. } => Ok(()),
        Change::Pay { .. } => paid(stored, known),
        Change::Void { .. } | Change::Refund { .. } => ended(stored, known, |_| TransactionState::Voided),
        Change::Win { .. } => ended(stored, known, |_| TransactionState::Settled),
        Change::Rollback { .. } => ended(stored, known, Transaction::rolled_back),
    }
}

fn is_payment(known: &Transaction) -> bool {
    use TransactionState::{Done, PaymentRolledBack, PaymentVoided};
    matches!(known.state, Done | PaymentVoided | PaymentRolledBack)
}

fn is_of_account(known: &Transaction, other: &Transaction) -> bool {
    known.currency == other.currency && known.product == other.product
}

/// Whether it moved money of the accounts that its source moved money of.
fn is_of_source(stored: &Stored, known: &Transaction) -> Result<bool, String> {
    let Some(source) = known.source else { return Ok(false) };
    Ok(is_of_account(known, stored.transaction(source)?))
}

/// Whether what it settles, if anything, is a stake of its player's in its round. Once it was rolled back nothing else tells.
fn is_of_round(stored: &Stored, known: &Transaction) -> Result<bool, String> {
    let Some(source) = known.source else { return Ok(true) };
    let stake = stored.transaction(source)?;
    let (ours, theirs) = (&known.label, &stake.label);
    Ok(stake.is_stake() && stake.player == known.player && (&ours.scope, &ours.round) == (&theirs.scope, &theirs.round))
}

/// A payment settles its stake, unless another one did before.
fn paid(stored: &Stored, known: &Transaction) -> PartnerCheck {
    let Some(source) = known.source else { return Ok(()) };
    let stake = stored.transaction(source)?;
    if !stake.is_stake() || known.state != TransactionState::Done {
        return Ok(());
    }
    let state = stake.state.as_str();
    if stake.ended_by.is_some() { Ok(()) } else { Err(format!("{source} is a transaction {state}, and was paid for")) }
}

/// Whether the legs are what the transaction says that it moved.
fn has_moved(known: &Transaction, legs: &[StoredTransfer<'_>]) -> bool {
    let mut legs = legs.iter();
    let all = known.moved.used().all(|(bucket, minor)| {
        let account = AccountId::of_player(known.player, &known.pocket(bucket)).uuid();
        legs.next().is_some_and(|(debit, credit, amount)| {
            let theirs = if minor < 0 { debit } else { credit };
            *theirs == account.as_bytes() && minor.checked_abs() == Some(*amount)
        })
    });
    all && legs.next().is_none()
}

/// The transaction that `by` left in the state that `ends` says. Another may have ended it since.
fn ended(stored: &Stored, by: &Transaction, ends: fn(&Transaction) -> TransactionState) -> PartnerCheck {
    let Some(source) = by.source else { return Ok(()) };
    let known = stored.transaction(source)?;
    let ends = ends(known);
    let is_in_force = matches!(by.state, TransactionState::Done | TransactionState::Reversal);
    let is_right = match known.ended_by {
        Some(number) => number != by.number || known.state == ends,
        None => !is_in_force,
    };
    let (state, ends) = (known.state.as_str(), ends.as_str());
    if is_right { Ok(()) } else { Err(format!("{source} is a transaction {state}, not {ends}")) }
}

/// The reversal that an operator's approval made: its source the other way round.
pub(super) fn approved(stored: &Stored, told: &PartnerRow<'_>, number: i64, resolve: &ResolveVoid) -> PartnerCheck {
    let (known, source) = (stored.transaction(number)?, stored.transaction(resolve.source)?);
    let mut label = source.label.clone();
    label.kind = stored.void(source.number).map_or(label.kind, |void| void.kind);
    let ought = Transaction {
        number,
        key: told.keyed.key,
        label,
        moved: source.moved.reversed().unwrap_or_default(),
        external: source.external.checked_neg().unwrap_or_default(),
        source: Some(source.number),
        state: TransactionState::Reversal,
        ended_by: None,
        worth: None,
        token: known.token.clone(),
        ..source.clone()
    };
    if *known != ought || !has_moved(known, &told.legs) {
        return Err(format!("{number} is a transaction that is not as it was told"));
    }
    ended(stored, known, Transaction::voided)?;
    resolved(stored, resolve, VoidState::Approved)
}

/// What a rollback left that found nothing to undo, so that nothing can come by that name.
pub(super) fn tombstone(
    stored: &Stored,
    told: &PartnerRow<'_>,
    number: i64,
    adjust: &Adjust,
    name: &str,
) -> PartnerCheck {
    let known = stored.transaction(number)?;
    let ought = Transaction {
        number,
        key: CommandKey::of_adjust(&told.keyed.command.party, name),
        party: told.keyed.command.party.clone(),
        player: told.keyed.player,
        label: adjust.label.clone(),
        currency: adjust.currency,
        product: adjust.product,
        moved: Buckets::default(),
        external: 0,
        source: None,
        state: TransactionState::Tombstone,
        ended_by: None,
        memo: adjust.memo.clone(),
        worth: adjust.worth.clone(),
        token: known.token.clone(),
    };
    if *known == ought { Ok(()) } else { Err(format!("{number} is a transaction that is not as it was told")) }
}

pub(super) fn queued(stored: &Stored, told: &PartnerRow<'_>, queue: &QueueVoid) -> PartnerCheck {
    let (player, at) = (bytes(told.keyed.player.uuid()), told.keyed.command.at.0);
    let is_right = stored.void(queue.source).is_some_and(|row| {
        row.party == told.keyed.command.party.as_str()
            && row.player == player
            && row.kind == queue.kind
            // It may have been dismissed, and asked for again since.
            && (row.attempt > queue.attempt || (row.attempt == queue.attempt && row.queued_at == at))
    });
    if is_right { Ok(()) } else { Err(format!("{} is a void that is not as it was queued", queue.source)) }
}

pub(super) fn resolved(stored: &Stored, resolve: &ResolveVoid, state: VoidState) -> PartnerCheck {
    let source = resolve.source;
    let is_right = stored.void(source).is_some_and(|row| {
        let asked_again = state == VoidState::Dismissed && row.attempt > resolve.attempt;
        asked_again || (row.attempt == resolve.attempt && row.state == state.as_str())
    });
    if is_right { Ok(()) } else { Err(format!("{source} is a void that is not {}", state.as_str())) }
}

pub(super) fn bought(stored: &Stored, told: &PartnerRow<'_>, number: i64, buy: &BuyKeys) -> PartnerCheck {
    let offer = bytes(OfferId::of(&told.keyed.command.party, &buy.offer).uuid());
    let is_right = stored.purchase(number).is_some_and(|row| {
        row.party == told.keyed.command.party.as_str()
            && row.buyer == *buy.buyer
            && row.offer == offer
            && i64::from(row.keys) == i64::from(buy.count)
            && buy.price.minor().checked_mul(i64::from(buy.count)) == Some(row.paid)
    });
    if is_right { Ok(()) } else { Err(format!("{number} is a purchase that is not as it was made")) }
}
