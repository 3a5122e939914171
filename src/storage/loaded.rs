//! What a store has loaded, with the transaction that it was loaded in.

use std::future::Future;

use super::StoreError;
use crate::ledger::{Batch, State};

/// A transaction that is open. Dropped, it is rolled back: at once, and its store waits for that where it has to.
pub trait StoreTransaction: Send {
    /// Writes the batch and commits. When this fails, nothing was written, or (if the connection was lost) the
    /// next load will tell.
    fn commit(self, batch: Batch) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends the transaction without writing, once whatever it has read is as safe as what is committed: it may have been
    /// committed by somebody who was not told so, and what was never acknowledged may be lost with its host.
    fn confirm(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What a batch is decided against. It goes nowhere unless it is committed.
pub struct Loaded<T> {
    pub state: State,
    transaction: T,
}

impl<T: StoreTransaction> Loaded<T> {
    pub fn new(state: State, transaction: T) -> Self {
        Self { state, transaction }
    }

    /// The same in a transaction that is one of another store's.
    pub fn within<U: StoreTransaction>(self, wrap: impl FnOnce(T) -> U) -> Loaded<U> {
        Loaded { state: self.state, transaction: wrap(self.transaction) }
    }

    /// Commits what was decided; returns the state that it was decided against, as the decisions left it.
    pub async fn commit(self, batch: Batch) -> Result<State, StoreError> {
        self.transaction.commit(batch).await?;
        Ok(self.state)
    }

    /// The state, once nothing that it was read from can be lost any more.
    pub async fn confirm(self) -> Result<State, StoreError> {
        self.transaction.confirm().await?;
        Ok(self.state)
    }

    /// The state alone.
    pub fn roll_back(self) -> State {
        self.state
    }
}
