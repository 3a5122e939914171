//! Where the ledger is kept: SQLite (embedded, the default) or Postgres, both through Diesel.
//!
//! A [`Store`] is one lane's writer: it loads what a batch needs and commits what the batch decided, in one
//! transaction and a constant number of round trips. Everything else reads: [`Balances`] for `balance.get`, and
//! [`queries`] for people.
//!
//! Reading order: [`schema`], [`rows`], [`transfers`], [`batch_rows`], [`usernames`], [`loaded`], [`sqlite`], [`postgres`], [`retry`], [`balances`], [`queries`],
//! [`questions`], [`shop`],
//! [`journal`], [`follow`], [`history`], [`pruning`], [`grants`], [`passwords`], [`trail`],
//! [`approvals`], [`party_moves`], [`sessions`], [`letter_plans`], [`lookups`], [`audit`], [`last_audit`], [`backup`].

pub mod schema;
pub(crate) mod migrations;
mod rows;
pub mod transfers;
mod batch_rows;
mod loaded;
mod pruned_command;
mod checkpoint;
pub mod usernames;
mod partners;
pub(crate) mod shop;
pub mod sqlite;
pub mod postgres;
mod writer;
mod retry;
mod balances;
pub mod queries;
mod reader;
mod questions;
pub(crate) mod voids;
pub mod journal;
pub mod follow;
pub mod history;
pub mod pruning;
pub mod grants;
pub(crate) mod passwords;
pub mod trail;
pub(crate) mod approvals;
pub(crate) mod party_moves;
pub(crate) mod sessions;
pub(crate) mod letter_plans;
pub mod lookups;
pub mod audit;
pub(crate) mod last_audit;
pub(crate) mod backup;

use std::future::Future;
use std::path::PathBuf;

use crate::ledger::{OrderId, Party, ReadSet};

pub use balances::{BalanceKey, Balances};
pub use loaded::{Loaded, StoreTransaction};
pub use reader::Reader;
pub use retry::{NextTry, RetriedWork, RetryBudget};
pub use writer::Writer;

/// What went wrong, by what is to be done about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or cannot write now: wait and try again, nothing is lost.
    #[error("the database is away: {0}")]
    Outage(String),
    /// Somebody else was faster (a unique key): load and decide again, and see what they wrote.
    #[error("another writer was faster: {0}")]
    Conflict(String),
    /// The database ended this transaction for another's sake (a deadlock, a serialization failure): do it again. That
    /// says nothing about the batch, however often it happens.
    #[error("the transaction gave way to another: {0}")]
    Contention(String),
    /// These parties move to another ledger, or have moved: nothing is decided of them here, and the rest may be tried again.
    #[error("{} is not served from this ledger: it moves to another, or has moved", names(.0))]
    PartyMoved(Vec<Party>),
    /// The database will not take this batch: find out which command it is.
    #[error("the database refused: {0}")]
    Rejected(String),
}

impl StoreError {
    /// What the database said, or what is wrong, without what kind of error it is.
    pub fn why(&self) -> String {
        match self {
            Self::Outage(why) | Self::Conflict(why) | Self::Contention(why) | Self::Rejected(why) => why.clone(),
            Self::PartyMoved(_) => self.to_string(),
        }
    }
}

fn names(parties: &[Party]) -> String {
    let names: Vec<&str> = parties.iter().map(Party::as_str).collect();
    format!("party {}", names.join(", "))
}

/// Which database, and where.
#[derive(Debug, Clone)]
pub enum Database {
    Sqlite(PathBuf),
    /// The URL; it may hold a password, so it is never logged.
    Postgres(String),
}

/// One lane's writer. It answers nothing else while somebody has what it loaded.
pub trait Store: Send + 'static {
    type Transaction<'store>: StoreTransaction
    where
        Self: 'store;

    /// Begins a transaction, locks the players of `keys` in key order, then reads all that `keys` names.
    fn load(
        &mut self,
        keys: &ReadSet,
    ) -> impl Future<Output = Result<Loaded<Self::Transaction<'_>>, StoreError>> + Send;

    /// A number that is another one whenever another writer has committed since it was asked for. Outside of a
    /// transaction, and cheap: it is asked for many times a second.
    fn commits_of_others(&mut self) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// Those of `orders` that are known by now. Outside of a transaction.
    fn known_orders(&mut self, orders: &[OrderId]) -> impl Future<Output = Result<Vec<OrderId>, StoreError>> + Send;
}
