//! A writer on whichever database is configured.

use super::postgres::{PostgresStore, PostgresTransaction};
use super::sqlite::{SqliteStore, SqliteTransaction};
use super::{Balances, Database, Loaded, Store, StoreError, StoreTransaction};
use crate::ledger::{Batch, OrderId, Party, ReadSet};

/// One lane's writer.
pub enum Writer {
    Sqlite(SqliteStore),
    Postgres(Box<PostgresStore>),
}

/// A transaction of one.
pub enum WriterTransaction<'store> {
    Sqlite(SqliteTransaction<'store>),
    Postgres(PostgresTransaction<'store>),
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

impl StoreTransaction for WriterTransaction<'_> {
    async fn commit(self, batch: Batch) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit(batch).await,
            Self::Postgres(transaction) => transaction.commit(batch).await,
        }
    }

    async fn confirm(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.confirm().await,
            Self::Postgres(transaction) => transaction.confirm().await,
        }
    }
}

impl Store for Writer {
    type Transaction<'store> = WriterTransaction<'store>;

    async fn load(&mut self, keys: &ReadSet) -> Result<Loaded<WriterTransaction<'_>>, StoreError> {
        match self {
            Self::Sqlite(store) => Ok(store.load(keys).await?.within(WriterTransaction::Sqlite)),
            Self::Postgres(store) => Ok(store.load(keys).await?.within(WriterTransaction::Postgres)),
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
