//! A session: connecting (with TLS where the URL asks for it), its settings, and what its errors mean.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use crate::storage::StoreError;
use crate::tls::Files;

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a peer may stay silent before the system calls the connection dead.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of every session. The limits keep a session whose program has vanished from holding locks for ever;
/// `synchronous_commit` makes sure that what is answered is on the disk, and the isolation that what is read after
/// waiting for a lock is what its holder has left behind, whatever the server's defaults.
const SETTINGS: &str = "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; \
    SET lock_timeout = '10s'; \
    SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '15s'; SET timezone = 'UTC'";

/// Connects to the database that `url` names.
pub async fn connect(url: &str) -> Result<AsyncPgConnection, StoreError> {
    let Address { mut driver, tls } = Address::parse(url).map_err(StoreError::Outage)?;
    driver.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(TCP_USER_TIMEOUT).keepalives_idle(TCP_USER_TIMEOUT);
    driver.application_name("purser");
    let connecting = async {
        let connected = match tls {
            Some(files) => {
                let tls =
                    files.client_config().map_err(|error| StoreError::Outage(format!("database.url: {error}")))?;
                let connecting = driver.connect(MakeRustlsConnect::new(tls)).await;
                let (client, connection) = connecting.map_err(|error| refused(&files, error))?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
            None => {
                let (client, connection) = driver.connect(tokio_postgres::NoTls).await.map_err(outage)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
        };
        let mut conn = connected.map_err(|error| StoreError::Outage(error.to_string()))?;
        conn.batch_execute(SETTINGS).await.map_err(classify)?;
        Ok(conn)
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(StoreError::Outage("no answer to the connection attempt".to_owned())),
    }
}

/// What refused TLS means, in words that say what to do.
fn refused(files: &Files, error: tokio_postgres::Error) -> StoreError {
    match files.explain(&error) {
        Some(why) => StoreError::Outage(why),
        None => outage(error),
    }
}

fn outage(error: tokio_postgres::Error) -> StoreError {
    use std::error::Error as _;
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    StoreError::Outage(format!("{error}{cause}"))
}

/// Sorts errors by what is to be done. Diesel drops the SQLSTATE of most, so the rest is told by the message; what
/// no message tells is settled by [`probe`].
pub fn classify(error: Error) -> StoreError {
    const OUTAGES: [&str; 13] = [
        // Somebody has migrated the schema under this session: a new one prepares anew.
        "cached plan must not change result type",
        "terminating connection",
        "shutting down",
        "starting up",
        "recovery mode",
        "too many clients",
        "remaining connection slots",
        "No space left on device",
        "could not extend file",
        "out of memory",
        "canceling statement due to",
        "read-only transaction",
        "password authentication failed",
    ];
    const CONTENTIONS: [&str; 2] = ["deadlock detected", "could not serialize"];
    let text = error.to_string();
    match &error {
        // Null is what an order that another player took becomes (see `UpsertOrders`).
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::NotNullViolation, _) => {
            StoreError::Conflict(text)
        }
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => StoreError::Contention(text),
        Error::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::ReadOnlyTransaction,
            _,
        )
        | Error::BrokenTransactionManager => StoreError::Outage(text),
        _ if CONTENTIONS.iter().any(|contention| text.contains(contention)) => StoreError::Contention(text),
        _ if OUTAGES.iter().any(|outage| text.contains(outage)) => StoreError::Outage(text),
        _ => StoreError::Rejected(text),
    }
}

/// Whether the session can still write: what tells a refused batch from a database in trouble.
pub async fn probe(conn: &mut AsyncPgConnection, writer: i32) -> Result<(), StoreError> {
    conn.batch_execute(&format!("ROLLBACK; UPDATE writers SET last_seq = last_seq WHERE id = {writer}"))
        .await
        .map_err(|error| StoreError::Outage(error.to_string()))
}
