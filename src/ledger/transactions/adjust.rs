//! Adjustments: stakes, payments, voids and what ends a stake (Balance Service `AdjustBalance`, QuickPlay
//! `transaction`).

use std::collections::BTreeSet;

use super::{
    Adjust, Buckets, Change, StakeRules, Transaction, TransactionDone, TransactionEffects, TransactionRefusal,
    TransactionState, rollback,
};
use crate::ledger::account::{Account, Bucket, HouseSide, Pocket};
use crate::ledger::accounts::AccountRefusal;
use crate::ledger::command::KeyedCommand;
use crate::ledger::decide::{AreaDecision, Effects, known_player};
use crate::ledger::outcome::Refusal;
use crate::ledger::posting::Posting;
use crate::ledger::state::{PlayerState, State};
use crate::ledger::{Amount, Currency};

pub(super) fn decide(
    state: &State,
    keyed: &KeyedCommand,
    adjust: &Adjust,
    number: i64,
) -> AreaDecision<TransactionDone> {
    // The command's own key is new, so a transaction that is known by it can only be a tombstone.
    if state.transactions.named(keyed.key).is_some() {
        return Err(TransactionRefusal::TransactionUndone.into());
    }
    let player = known_player(state, keyed.player)?;
    let adjusting = Adjusting { state, keyed, adjust, player, number };
    match &adjust.change {
        Change::Stake { total, external, from } => adjusting.stake(*total, *external, from),
        Change::Pay { amounts, external, source } => adjusting.pay(*amounts, *external, *source),
        Change::Void { source, amounts, external } => adjusting.void(*source, *amounts, *external),
        Change::Win { amount } => adjusting.win(*amount),
        Change::Refund { amount, currency } => adjusting.refund(*amount, currency.unwrap_or(adjust.currency)),
        Change::Rollback { name } => rollback::decide(&adjusting, name),
    }
}

/// One adjustment with everything that deciding it needs.
pub(super) struct Adjusting<'a> {
    pub state: &'a State,
    pub keyed: &'a KeyedCommand,
    pub adjust: &'a Adjust,
    pub player: &'a PlayerState,
    /// What the transaction will be known by.
    pub number: i64,
}

impl Adjusting<'_> {
    fn stake(&self, total: i64, external: i64, from: &[Bucket]) -> AreaDecision<TransactionDone> {
        let wanted = total.checked_sub(external).filter(|wanted| *wanted >= 0 && external >= 0);
        let wanted = wanted.ok_or(TransactionRefusal::AmountsDisagree)?;
        let mut moved = Buckets::default();
        let (mut missing, mut available) = (wanted, 0_i64);
        let mut seen = BTreeSet::new();
        for bucket in from.iter().filter(|bucket| seen.insert(**bucket)) {
            let balance = self.account(*bucket).balance;
            available = available.saturating_add(balance);
            let taken = balance.min(missing);
            missing = missing.saturating_sub(taken);
            moved.set(*bucket, taken.saturating_neg());
        }
        if missing > 0 {
            return Err(AccountRefusal::InsufficientFunds { balance: available }.into());
        }
        let transaction = Transaction {
            external: external.checked_neg().ok_or(TransactionRefusal::AmountsDisagree)?,
            ..self.transaction(moved, TransactionState::Open)
        };
        self.done(transaction, None)
    }

    fn pay(&self, amounts: Buckets, external: i64, source: Option<i64>) -> AreaDecision<TransactionDone> {
        if amounts.has_negative() || external < 0 {
            return Err(TransactionRefusal::AmountsDisagree.into());
        }
        let stake = source.map(|source| self.theirs(source)).transpose()?.filter(|source| source.is_stake());
        let is_given_back =
            stake.is_some_and(|stake| !matches!(stake.state, TransactionState::Open | TransactionState::Settled));
        if is_given_back && self.has_one_end() {
            return Err(TransactionRefusal::TransactionEnded.into());
        }
        let transaction = Transaction { external, source, ..self.transaction(amounts, TransactionState::Done) };
        // The first payment settles its stake; others may follow.
        let open = stake.filter(|stake| stake.state == TransactionState::Open);
        self.done(transaction, open.map(|stake| self.ended(stake, TransactionState::Settled)))
    }

    fn void(&self, source: i64, amounts: Buckets, external: i64) -> AreaDecision<TransactionDone> {
        let stake = self
            .theirs(source)
            .ok()
            .filter(|source| source.is_stake())
            .ok_or(TransactionRefusal::TransactionUnknown)?;
        match (stake.state, stake.ended_by) {
            (TransactionState::Open, _) => {}
            (TransactionState::Settled, _) if !self.has_one_end() => {}
            (TransactionState::Voided, Some(transaction)) => {
                return Ok((TransactionDone::AlreadyVoided { transaction }, Effects::default()));
            }
            (
                TransactionState::Done
                | TransactionState::Settled
                | TransactionState::Voided
                | TransactionState::RolledBack
                | TransactionState::PaymentVoided
                | TransactionState::PaymentRolledBack
                | TransactionState::Tombstone
                | TransactionState::Reversal,
                _,
            ) => return Err(TransactionRefusal::TransactionEnded.into()),
        }
        if stake.moved.reversed() != Some(amounts) || stake.external.checked_neg() != Some(external) {
            return Err(TransactionRefusal::AmountsDisagree.into());
        }
        self.give_back(stake, external)
    }

    fn win(&self, amount: i64) -> AreaDecision<TransactionDone> {
        let moved = self.real(amount)?;
        let mut stakes = self.stakes().peekable();
        let has_stakes = stakes.peek().is_some();
        let open = stakes.find(|stake| stake.state == TransactionState::Open);
        if has_stakes && open.is_none() {
            return Err(TransactionRefusal::TransactionEnded.into());
        }
        let source = open.map(|stake| stake.number);
        let transaction = Transaction { source, ..self.transaction(moved, TransactionState::Done) };
        self.done(transaction, open.map(|stake| self.ended(stake, TransactionState::Settled)))
    }

    fn refund(&self, amount: i64, currency: Currency) -> AreaDecision<TransactionDone> {
        let moved = self.real(amount)?;
        let mut open = self.stakes().filter(|stake| stake.state == TransactionState::Open).peekable();
        let has_open = open.peek().is_some();
        let is_named = |stake: &&Transaction| {
            (stake.currency == currency || !self.has_one_end()) && stake.moved.reversed() == Some(moved)
        };
        let Some(stake) = open.find(is_named) else {
            let why = match (has_open, self.stakes().next()) {
                (true, _) => TransactionRefusal::AmountsDisagree,
                (false, Some(_)) => TransactionRefusal::TransactionEnded,
                (false, None) => TransactionRefusal::TransactionUnknown,
            };
            return Err(why.into());
        };
        self.give_back(stake, 0)
    }

    /// Moves what the stake took back to the accounts that it came from.
    fn give_back(&self, stake: &Transaction, external: i64) -> AreaDecision<TransactionDone> {
        let moved = stake.moved.reversed().ok_or(AccountRefusal::BalanceOverflow)?;
        let transaction =
            Transaction { external, source: Some(stake.number), ..self.transaction(moved, TransactionState::Done) };
        let transaction = if self.has_one_end() {
            Transaction { currency: stake.currency, product: stake.product, ..transaction }
        } else {
            transaction
        };
        self.done(transaction, Some(self.ended(stake, TransactionState::Voided)))
    }

    fn has_one_end(&self) -> bool {
        self.adjust.stakes == StakeRules::OneEnd
    }

    fn real(&self, amount: i64) -> Result<Buckets, TransactionRefusal> {
        if amount >= 0 {
            Ok(Buckets { real: amount, ..Buckets::default() })
        } else {
            Err(TransactionRefusal::AmountsDisagree)
        }
    }

    /// The player's stakes in the adjustment's round.
    fn stakes(&self) -> impl Iterator<Item = &Transaction> {
        let label = &self.adjust.label;
        let in_round = label
            .round
            .as_deref()
            .into_iter()
            .flat_map(|round| self.state.transactions.in_round(self.keyed.player, &label.scope, round));
        in_round.filter(|transaction| transaction.is_stake())
    }

    /// The transaction with this number, if it is of the player's and of the same partner's.
    fn theirs(&self, number: i64) -> Result<&Transaction, TransactionRefusal> {
        let known = self.state.transactions.get(number);
        let theirs = known.filter(|transaction| {
            transaction.player == self.keyed.player
                && transaction.party == self.keyed.command.party
                && transaction.label.scope == self.adjust.label.scope
        });
        theirs.ok_or(TransactionRefusal::TransactionUnknown)
    }

    fn account(&self, bucket: Bucket) -> Account {
        self.player.account(&self.pocket(bucket))
    }

    fn pocket(&self, bucket: Bucket) -> Pocket {
        Pocket { bucket, product: self.adjust.product, ..Pocket::real(self.adjust.currency) }
    }

    /// The transaction that the adjustment becomes.
    pub fn transaction(&self, moved: Buckets, state: TransactionState) -> Transaction {
        Transaction { moved, ..transaction_of(self.keyed, self.adjust, self.number, state) }
    }

    /// The stake as this adjustment leaves it.
    pub fn ended(&self, stake: &Transaction, state: TransactionState) -> Transaction {
        Transaction { state, ended_by: Some(self.number), ..stake.clone() }
    }

    /// Moves what the transaction says, and keeps it beside the one that it changes.
    pub fn done(&self, transaction: Transaction, changed: Option<Transaction>) -> AreaDecision<TransactionDone> {
        let moved = moved(self.player, &transaction)?;
        // In the call's own account, wherever the money moved.
        let real = moved.accounts.iter().find(|account| account.pocket == self.pocket(Bucket::Real));
        let balance = real.map_or_else(|| self.account(Bucket::Real).balance, |account| account.balance);
        let done = TransactionDone::Adjusted { transaction: transaction.number, balance };
        let transactions = std::iter::once(transaction).chain(changed).collect();
        Ok((done, Effects { transactions: TransactionEffects { transactions, void: None }, ..moved }))
    }

    /// The player's real money, where nothing moves.
    pub fn balance(&self) -> i64 {
        self.account(Bucket::Real).balance
    }
}

/// The transaction of an adjustment that moved nothing.
pub(super) fn transaction_of(
    keyed: &KeyedCommand,
    adjust: &Adjust,
    number: i64,
    state: TransactionState,
) -> Transaction {
    Transaction {
        number,
        key: keyed.key,
        party: keyed.command.party.clone(),
        player: keyed.player,
        label: adjust.label.clone(),
        currency: adjust.currency,
        product: adjust.product,
        moved: Buckets::default(),
        external: 0,
        source: None,
        state,
        ended_by: None,
        memo: adjust.memo.clone(),
        worth: adjust.worth.clone(),
        token: adjust.token.clone(),
    }
}

/// Moves what a transaction says, from or to the house for each of its buckets.
pub(super) fn moved(player: &PlayerState, transaction: &Transaction) -> Result<Effects, Refusal> {
    let mut posting = Posting::of(&transaction.party, player);
    for (bucket, minor) in transaction.moved.used() {
        let size =
            minor.checked_abs().and_then(|size| Amount::new(size).ok()).ok_or(AccountRefusal::BalanceOverflow)?;
        let pocket = transaction.pocket(bucket);
        if minor < 0 {
            posting.debit(&pocket, size, HouseSide::House)?;
        } else {
            posting.credit(&pocket, size, HouseSide::House)?;
        }
    }
    Ok(Effects::of(posting))
}

impl Adjust {
    /// Whether the two ask for the same. What the partner said must be the same; rates, tokens and the buckets that are
    /// configured to be spent, in whichever order, may have changed.
    pub fn is_same(&self, then: &Self) -> bool {
        let both_say = !self.said.is_empty() && !then.said.is_empty();
        self.player == then.player
            && self.label == then.label
            && currency_of(self) == currency_of(then)
            && self.product == then.product
            && self.memo == then.memo
            && (!both_say || self.said == then.said)
            && is_same_change(&self.change, &then.change, both_say)
    }
}

/// The currency that the amounts are in. A refund's is its stake's: that of the party may have changed since.
fn currency_of(adjust: &Adjust) -> Currency {
    match adjust.change {
        Change::Refund { currency: Some(currency), .. } => currency,
        Change::Refund { currency: None, .. }
        | Change::Stake { .. }
        | Change::Pay { .. }
        | Change::Void { .. }
        | Change::Win { .. }
        | Change::Rollback { .. } => adjust.currency,
    }
}

/// Of two that say what they were made of, the buckets of a stake are no part of what is asked for.
fn is_same_change(now: &Change, then: &Change, both_say: bool) -> bool {
    match (now, then) {
        (
            Change::Stake { total, external, from },
            Change::Stake { total: total_then, external: external_then, from: from_then },
        ) => {
            let are_same_buckets =
                both_say || Bucket::ALL.iter().all(|bucket| from.contains(bucket) == from_then.contains(bucket));
            total == total_then && external == external_then && are_same_buckets
        }
        (Change::Refund { amount, .. }, Change::Refund { amount: then, .. }) => amount == then,
        (now, then) => now == then,
    }
}
