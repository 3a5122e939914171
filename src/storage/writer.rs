//! A writer on whichever database is configured.

use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{Balances, Database, Store, StoreError};
use crate::ledger::{Batch, OrderId, Party, ReadSet, State};

/// One lane's writer.
pub enum Writer {
    Sqlite(SqliteStore),
    Postgres(Box<PostgresStore>),
}

impl Database {
    /// A writer. It connects when it is first used.
    pub fn writer(&self) -> std::io::Result<Writer> {
        match self {
            Self::Sqlite(path) => SqliteStore::open(path.clone()).map(Writer::Sqlite),
            Self::Postgres(url) => Ok(Writer::Postgres(Box::new(PostgresStore::new(url.clone())))),
        }
    }

    /// A writer that may write what a party brings that arrives from another ledger.
    pub fn writer_for_arrival(&self, party: Party) -> std::io::Result<Writer> {
        match self {
            Self::Sqlite(path) => SqliteStore::open_for_arrival(path.clone(), party).map(Writer::Sqlite),
            Self::Postgres(url) => Ok(Writer::Postgres(Box::new(PostgresStore::for_arrival(url.clone(), party)))),
        }
    }

    /// A reader of balances.
    pub fn balances(&self) -> Balances {
        match self {
            Self::Sqlite(path) => Balances::sqlite(path.clone()),
            Self::Postgres(url) => Balances::postgres(url.clone()),
        }
    }
}

impl Store for Writer {
    async fn load(&mut self, keys: &ReadSet) -> Result<State, StoreError> {
        match self {
            Self::Sqlite(store) => store.load(keys).await,
            Self::Postgres(store) => store.load(keys).await,
        }
    }

    async fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.commit(batch).await,
            Self::Postgres(store) => store.commit(batch).await,
        }
    }

    async fn confirm(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.confirm().await,
            Self::Postgres(store) => store.confirm().await,
        }
    }

    async fn abandon(&mut self) {
        match self {
            Self::Sqlite(store) => store.abandon().await,
            Self::Postgres(store) => store.abandon().await,
        }
    }

    async fn commits_of_others(&mut self) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(store) => store.commits_of_others().await,
            Self::Postgres(store) => store.commits_of_others().await,
        }
    }

    async fn known_orders(&mut self, orders: &[OrderId]) -> Result<Vec<OrderId>, StoreError> {
        match self {
            Self::Sqlite(store) => store.known_orders(orders).await,
            Self::Postgres(store) => store.known_orders(orders).await,
        }
    }
}
