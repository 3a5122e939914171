//! What people ask: one connection of either kind, on a blocking thread, for the command line and the audit.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

use super::rows::{AccountRow, PlayerRow, bytes};
use super::schema::{accounts, credentials, players};
use super::{Database, StoreError, postgres, sqlite};
use crate::ledger::PlayerKey;
use crate::ledger::state::PlayerState;

/// A connection to whichever database is configured.
#[expect(clippy::large_enum_variant, reason = "one at a time, and Diesel takes no boxed connection")]
pub enum AnyConnection {
    Sqlite(SqliteConnection),
    Postgres(AsyncConnectionWrapper<AsyncPgConnection>),
}

/// Runs one Diesel expression on either kind of connection: written once, typed for each.
macro_rules! on {
    ($any:expr, $conn:ident => $query:expr) => {
        match $any {
            $crate::storage::queries::AnyConnection::Sqlite($conn) => $query,
            $crate::storage::queries::AnyConnection::Postgres($conn) => $query,
        }
    };
}
pub(super) use on;

impl Database {
    /// Runs `work` on a connection of its own, off the async threads.
    pub async fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connected = match self {
            Self::Sqlite(_) => None,
            Self::Postgres(url) => Some(postgres::connect(url).await?),
        };
        let database = self.clone();
        let working = tokio::task::spawn_blocking(move || {
            let mut conn = match (&database, connected) {
                (Self::Postgres(_), Some(conn)) => AnyConnection::Postgres(conn.into()),
                (Self::Postgres(_), None) => return Err(StoreError::Outage("not connected".to_owned())),
                (Self::Sqlite(path), _) => AnyConnection::Sqlite(sqlite::connect(path)?),
            };
            work(&mut conn)
        });
        working.await.map_err(|error| StoreError::Rejected(error.to_string()))?
    }
}

/// A failed query, in the words of the database that failed it.
pub fn classify(error: diesel::result::Error) -> StoreError {
    StoreError::Rejected(error.to_string())
}

/// A player with all accounts that were ever used; `None` where there is no such player.
pub fn player(conn: &mut AnyConnection, key: PlayerKey) -> Result<Option<PlayerState>, StoreError> {
    let id = bytes(key.uuid());
    let found: Option<PlayerRow> =
        on!(conn, conn => players::table.find(&id).first(conn)).optional().map_err(classify)?;
    let Some(row) = found else { return Ok(None) };
    let of_player = accounts::table.filter(accounts::player.eq(&id));
    let theirs: Vec<AccountRow> = on!(conn, conn => of_player.load(conn)).map_err(classify)?;
    let accounts = theirs.into_iter().map(AccountRow::account).collect::<Result<_, _>>()?;
    Ok(Some(PlayerState { accounts, ..row.state()? }))
}

/// A player's password hash, where one was set.
pub fn password_hash(conn: &mut AnyConnection, key: PlayerKey) -> Result<Option<String>, StoreError> {
    let of_player = credentials::table.find(bytes(key.uuid())).select(credentials::password_hash);
    on!(conn, conn => of_player.first(conn)).optional().map_err(classify)
}

/// Sets the password hash of a player who has none.
pub fn set_password_hash(conn: &mut AnyConnection, key: PlayerKey, hash: &str) -> Result<(), StoreError> {
    let row = (credentials::player.eq(bytes(key.uuid())), credentials::password_hash.eq(hash));
    let insert = diesel::insert_into(credentials::table).values(row);
    on!(conn, conn => insert.execute(conn)).map(drop).map_err(classify)
}
