//! Balances for `balance.get`: read in bulk, outside of the writers' transactions.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable};
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncPgConnection;

use super::rows::{Bytes, bytes};
use super::schema::{accounts, players};
use super::{StoreError, postgres, sqlite};
use crate::ledger::{AccountId, PlayerKey};

/// Names one balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceKey {
    pub player: PlayerKey,
    pub account: AccountId,
}

impl BalanceKey {
    fn nobody() -> Self {
        Self { player: PlayerKey::from_uuid(uuid::Uuid::nil()), account: AccountId::from_uuid(uuid::Uuid::nil()) }
    }
}

/// Reads balances; reconnects by itself after an outage.
pub enum Balances {
    Sqlite { path: PathBuf, conn: Arc<Mutex<Option<SqliteConnection>>> },
    Postgres { url: String, conn: Option<Box<AsyncPgConnection>> },
}

impl Balances {
    pub fn sqlite(path: PathBuf) -> Self {
        Self::Sqlite { path, conn: Arc::default() }
    }

    pub fn postgres(url: String) -> Self {
        Self::Postgres { url, conn: None }
    }

    /// The balances (minor units) in the order of `keys`; `None` where there is no such player.
    pub async fn read(&mut self, keys: Vec<BalanceKey>) -> Result<Vec<Option<i64>>, StoreError> {
        match self {
            Self::Sqlite { path, conn } => {
                let (path, conn) = (path.clone(), Arc::clone(conn));
                let reading = tokio::task::spawn_blocking(move || read_sqlite(&path, &conn, &keys));
                reading.await.map_err(|error| StoreError::Outage(error.to_string()))?
            }
            Self::Postgres { url, conn } => {
                let mut connected = match conn.take() {
                    Some(connected) => connected,
                    None => Box::new(connect_reader(url).await?),
                };
                let balances = read_postgres(&mut connected, &keys).await?;
                *conn = Some(connected);
                Ok(balances)
            }
        }
    }
}

fn read_sqlite(
    path: &std::path::Path,
    conn: &Mutex<Option<SqliteConnection>>,
    keys: &[BalanceKey],
) -> Result<Vec<Option<i64>>, StoreError> {
    let mut slot = conn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut connected = match slot.take() {
        Some(connected) => connected,
        None => sqlite::connect(path)?,
    };
    if keys.is_empty() {
        // Nothing is asked but whether the file is still there.
        read_one(&mut connected, &BalanceKey::nobody()).map_err(sqlite::classify)?;
    }
    let balances = keys.iter().map(|key| read_one(&mut connected, key)).collect::<QueryResult<_>>();
    let balances = balances.map_err(sqlite::classify)?;
    *slot = Some(connected);
    Ok(balances)
}

fn read_one(conn: &mut SqliteConnection, key: &BalanceKey) -> QueryResult<Option<i64>> {
    use diesel::RunQueryDsl;
    let of_account = accounts::table.find(bytes(key.account.uuid())).select(accounts::balance);
    if let Some(balance) = RunQueryDsl::first::<i64>(of_account, conn).optional()? {
        return Ok(Some(balance));
    }
    let player = players::table.find(bytes(key.player.uuid())).select(players::id);
    Ok(RunQueryDsl::first::<Bytes>(player, conn).optional()?.map(|_| 0))
}

/// Like the writer's session, one whose plan cannot turn into a sequential scan.
async fn connect_reader(url: &str) -> Result<AsyncPgConnection, StoreError> {
    use diesel_async::SimpleAsyncConnection;
    let mut conn = postgres::connect(url).await?;
    conn.batch_execute("SET enable_seqscan = off; SET jit = off").await.map_err(postgres::classify_read)?;
    Ok(conn)
}

async fn read_postgres(conn: &mut AsyncPgConnection, keys: &[BalanceKey]) -> Result<Vec<Option<i64>>, StoreError> {
    let query = ReadBalances {
        players: keys.iter().map(|key| bytes(key.player.uuid())).collect(),
        accounts: keys.iter().map(|key| bytes(key.account.uuid())).collect(),
    };
    let loading = diesel_async::RunQueryDsl::load::<(bool, Option<i64>)>(query, conn);
    let reading = tokio::time::timeout(postgres::ROUND_TRIP_TIMEOUT, loading);
    let rows = reading.await.map_err(|_| StoreError::Outage("no answer in time".to_owned()))?;
    let rows = rows.map_err(postgres::classify_read)?;
    Ok(rows.into_iter().map(|(known, balance)| known.then(|| balance.unwrap_or(0))).collect())
}

/// One statement for any number of balances.
struct ReadBalances {
    players: Vec<Bytes>,
    accounts: Vec<Bytes>,
}

impl QueryId for ReadBalances {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for ReadBalances {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT p.id IS NOT NULL, a.balance FROM unnest(");
        out.push_bind_param::<Array<Binary>, _>(&self.players)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.accounts)?;
        out.push_sql(
            ") WITH ORDINALITY AS k (player, account, position) LEFT JOIN players p ON p.id = k.player \
             LEFT JOIN accounts a ON a.id = k.account ORDER BY k.position",
        );
        Ok(())
    }
}

impl Query for ReadBalances {
    type SqlType = (Bool, Nullable<BigInt>);
}

impl<Conn> diesel::query_dsl::RunQueryDsl<Conn> for ReadBalances {}
