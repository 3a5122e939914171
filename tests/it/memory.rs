//! A ledger that is nowhere but in memory: the pure core, given the numbers that a journal would give it.

use purser::ledger::command::KeyedCommand;
use purser::ledger::{Batch, Outcome, ReadSet, State};
use purser::storage::Store;

use crate::databases::decide_all;

#[derive(Clone)]
pub struct Memory {
    pub state: State,
    /// The next entry's number.
    pub next: i64,
}

impl Default for Memory {
    fn default() -> Self {
        Self::from(1)
    }
}

impl Memory {
    /// An empty ledger whose first entry has this number.
    pub fn from(next: i64) -> Self {
        Self { state: State::default(), next }
    }

    /// Decides `commands` as one batch.
    pub fn apply(&mut self, commands: &[KeyedCommand]) -> (Batch, Vec<Outcome>) {
        self.state.numbers = (self.next..).take(commands.len()).collect();
        let (batch, outcomes) = decide_all(&mut self.state, commands);
        self.state.numbers.clear();
        self.next += i64::try_from(batch.entries.len()).expect("a short batch");
        (batch, outcomes)
    }
}

/// The number that the next batch will begin with. SQLite offers a number again that was not used, Postgres does not:
/// two looks tell which.
pub async fn next_number(store: &mut impl Store) -> i64 {
    let keys = ReadSet { rows: 1, ..ReadSet::default() };
    let mut offered = [0; 2];
    for number in &mut offered {
        *number = store.load(&keys).await.expect("loaded").state.numbers[0];
    }
    offered[1] + (offered[1] - offered[0])
}
