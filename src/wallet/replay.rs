//! Replaying recorded commands: decided again as any others are, and compared with what was decided then.
//!
//! Nothing is written that is decided otherwise than it was recorded. A player's first difference holds back what the
//! player did after it: it would be decided against another balance than it was.

use std::collections::{HashMap, HashSet};

use crate::ledger::batch::Batch;
use crate::ledger::command::{CommandKey, KeyedCommand};
use crate::ledger::decide::Decision;
use crate::ledger::outcome::Retention;
use crate::ledger::recorded::Recorded;
use crate::ledger::{Outcome, PlayerKey, ReadSet, State, fold_where};
use crate::storage::{NextTry, RetriedWork, RetryBudget, Store, StoreError};

use super::dry_run::DryRun;

/// What became of a recorded command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayedAs {
    /// Decided as it was, and written.
    Applied,
    /// There already, with the same outcome.
    Equal,
    /// There already with this outcome, or would have this one: not written.
    Different(Outcome),
    /// A command of the same player differed before: not decided.
    Held,
    /// It moved nothing then, so it must not now.
    RecordOnly,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Two transactions would answer to one name.
    #[error(
        "the number {number} of record {seq} already names another transaction: the ledger is not the one that the journal is of"
    )]
    NumberTaken { seq: i64, number: i64 },
}

/// Applies recorded commands, batch after batch.
pub struct Replay<S> {
    store: S,
    /// Players that have come to differ.
    held: HashSet<PlayerKey>,
    /// Where nothing is to be written.
    dry_run: Option<DryRun>,
}

impl<S: Store> Replay<S> {
    pub fn new(store: S) -> Self {
        Self { store, held: HashSet::new(), dry_run: None }
    }

    /// Decides everything and writes nothing.
    pub fn dry_run(store: S) -> Self {
        Self { dry_run: Some(DryRun::default()), ..Self::new(store) }
    }

    /// Applies a batch in its order: what is applied of it is committed together. The caller bounds its length.
    pub async fn apply(&mut self, batch: Vec<Recorded>) -> Result<Vec<ReplayedAs>, ReplayError> {
        let batch: Vec<Recorded> = batch.into_iter().map(Recorded::with_number).collect();
        let kept: Vec<&Recorded> = batch.iter().filter(|recorded| recorded.kept).collect();
        let mut keys = ReadSet::of(kept.iter().map(|recorded| &recorded.keyed));
        keys.transactions.numbers.extend(kept.iter().filter_map(|recorded| recorded.number()));
        let mut budget = RetryBudget::new(RetriedWork::WithoutLane);
        let compared = loop {
            match self.attempt(&keys, &kept).await {
                Err(ReplayError::Store(error)) if budget.after(&error) == NextTry::Again => {}
                attempted => break attempted?,
            }
        };
        let mut compared = compared.into_iter();
        let of = |recorded: &Recorded| if recorded.kept { compared.next() } else { None };
        Ok(batch.iter().map(of).map(|comparison| comparison.unwrap_or(ReplayedAs::RecordOnly)).collect())
    }

    async fn attempt(&mut self, keys: &ReadSet, kept: &[&Recorded]) -> Result<Vec<ReplayedAs>, ReplayError> {
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let mut judge = Judge::new(self.held.clone());
        if let Some(dry_run) = &mut self.dry_run {
            let loaded = self.store.load(&DryRun::wider(keys)).await?;
            judge.fold(dry_run.recall(loaded.roll_back()), kept)?;
        } else {
            let mut loaded = self.store.load(keys).await?;
            let batch = judge.fold(&mut loaded.state, kept)?;
            if !batch.is_empty() {
                loaded.commit(batch).await?;
            }
        }
        self.held = judge.held;
        Ok(judge.compared)
    }
}

/// Compares one batch.
struct Judge {
    held: HashSet<PlayerKey>,
    compared: Vec<ReplayedAs>,
}

impl Judge {
    fn new(held: HashSet<PlayerKey>) -> Self {
        Self { held, compared: Vec::new() }
    }

    fn fold(&mut self, state: &mut State, kept: &[&Recorded]) -> Result<Batch, ReplayError> {
        let mut names = Names::of(state, kept);
        let mut outcomes = kept.iter().map(|recorded| recorded.outcome);
        let commands = kept.iter().map(|recorded| (&recorded.keyed, recorded.outcome));
        let batch = fold_where(state, commands, |keyed, decision| {
            let recorded = outcomes.next().unwrap_or(decision.outcome);
            let comparison = self.compare(keyed, decision, recorded);
            self.compared.push(comparison);
            let is_applied = comparison == ReplayedAs::Applied;
            if is_applied {
                names.give(decision);
            }
            is_applied
        });
        match names.taken_twice {
            None => Ok(batch),
            Some(number) => {
                let bringing = kept.iter().find(|recorded| recorded.number() == Some(number));
                Err(ReplayError::NumberTaken { seq: bringing.map_or(0, |recorded| recorded.seq), number })
            }
        }
    }

    fn compare(&mut self, keyed: &KeyedCommand, decision: &Decision, recorded: Outcome) -> ReplayedAs {
        let is_new = decision.retention != Retention::None;
        if is_new && self.held.contains(&keyed.player) {
            return ReplayedAs::Held;
        }
        match (decision.outcome == recorded, is_new) {
            (true, true) => ReplayedAs::Applied,
            (true, false) => ReplayedAs::Equal,
            (false, _) => {
                self.held.insert(keyed.player);
                ReplayedAs::Different(decision.outcome)
            }
        }
    }
}

/// Who answers to the numbers that a batch brings.
struct Names {
    owners: HashMap<i64, CommandKey>,
    taken_twice: Option<i64>,
}

impl Names {
    fn of(state: &State, kept: &[&Recorded]) -> Self {
        let brought = kept.iter().filter_map(|recorded| recorded.number());
        let known = brought.filter_map(|number| Some((number, state.transactions.get(number)?.key)));
        Self { owners: known.collect(), taken_twice: None }
    }

    fn give(&mut self, decision: &Decision) {
        for transaction in &decision.effects.transactions.transactions {
            let owner = *self.owners.entry(transaction.number).or_insert(transaction.key);
            if owner != transaction.key {
                self.taken_twice = self.taken_twice.or(Some(transaction.number));
            }
        }
    }
}
