//! One command without a lane: for the command line, which would rather hear of an outage than wait.

use crate::ledger::command::Command;
use crate::ledger::{Keys, Outcome, Verdict, fold};
use crate::storage::{Store, StoreError};

/// How often a command is tried again because another writer was faster.
const CONFLICT_RETRIES: u32 = 10;

/// Decides and commits one command.
pub async fn apply(store: &mut impl Store, command: Command) -> Result<Outcome, StoreError> {
    let keyed = command.keyed();
    let keys = Keys::of([&keyed]);
    let mut conflicts = 0;
    loop {
        let mut state = store.load(&keys).await?;
        let (batch, verdicts) = fold(&mut state, [(&keyed, false)]);
        let written = if batch.is_empty() {
            store.abandon().await;
            Ok(())
        } else {
            store.commit(batch).await
        };
        match (written, verdicts.as_slice()) {
            (Ok(()), [Verdict::Decided(outcome)]) => return Ok(*outcome),
            (Err(StoreError::Conflict(_)), _) if conflicts < CONFLICT_RETRIES => conflicts += 1,
            (Err(error), _) => return Err(error),
            (Ok(()), _) => return Err(StoreError::Rejected("a command was left undecided".to_owned())),
        }
    }
}
