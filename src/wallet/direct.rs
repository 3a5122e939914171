//! Commands without a lane: for the command line, which would rather hear of an outage than wait.

use crate::ledger::command::{Command, KeyedCommand};
use crate::ledger::{FoldVerdict, Outcome, ReadSet, fold};
use crate::storage::{NextTry, RetriedWork, RetryBudget, Store, StoreError};

/// Decides and commits one command.
pub async fn apply(store: &mut impl Store, command: Command) -> Result<Outcome, StoreError> {
    let outcomes = apply_all(store, vec![command]).await?;
    outcomes.into_iter().next().ok_or_else(undecided)
}

/// Decides commands in order and commits them together: all or none. The caller bounds their number.
pub async fn apply_all(store: &mut impl Store, commands: Vec<Command>) -> Result<Vec<Outcome>, StoreError> {
    let commands: Vec<KeyedCommand> = commands.into_iter().map(Command::keyed).collect();
    let keys = ReadSet::of(&commands);
    let mut budget = RetryBudget::new(RetriedWork::WithoutLane);
    let verdicts = loop {
        match attempt(store, &keys, &commands).await {
            Err(error) if budget.after(&error) == NextTry::Again => {}
            attempted => break attempted?,
        }
    };
    verdicts.into_iter().map(outcome).collect()
}

async fn attempt(
    store: &mut impl Store,
    keys: &ReadSet,
    commands: &[KeyedCommand],
) -> Result<Vec<FoldVerdict>, StoreError> {
    let mut loaded = store.load(keys).await?;
    let (batch, verdicts) = fold(&mut loaded.state, commands.iter().map(|keyed| (keyed, false)));
    if batch.is_empty() {
        loaded.confirm().await?;
    } else {
        loaded.commit(batch).await?;
    }
    Ok(verdicts)
}

fn outcome(verdict: FoldVerdict) -> Result<Outcome, StoreError> {
    match verdict {
        FoldVerdict::Decided { outcome, .. } => Ok(outcome),
        FoldVerdict::Waits(_) => Err(undecided()),
    }
}

fn undecided() -> StoreError {
    StoreError::Rejected("a command was left undecided".to_owned())
}
