//! A session: connecting (with TLS where the URL asks for it), its settings, and what its errors mean.

use std::path::PathBuf;
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use tokio::net::UnixStream;
use tokio_postgres::NoTls;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::sqlstates::{OverTls, SqlstateStream, WithoutTls, sqlstate};
use crate::storage::StoreError;
use crate::tls::Files;

/// Where a Postgres listens that nothing else is said of.
const DEFAULT_PORT: u16 = 5432;

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
        let connected = match (tls, socket_of(&driver)) {
            (Some(files), _) => {
                let tls = files.client_config().map_err(|error| away(format!("database.url: {error}")))?;
                let connecting = driver.connect(OverTls(MakeRustlsConnect::new(tls))).await;
                let (client, connection) = connecting.map_err(|error| refused(&files, error))?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
            (None, Some(socket)) => {
                let stream = UnixStream::connect(socket).await.map_err(away)?;
                let connecting = driver.connect_raw(SqlstateStream::plain(stream), NoTls).await;
                let (client, connection) = connecting.map_err(outage)?;
                tokio::spawn(connection);
                AsyncPgConnection::try_from(client).await
            }
            (None, None) => {
                driver.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
                let (client, connection) = driver.connect(WithoutTls).await.map_err(outage)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
        };
        let mut conn = connected.map_err(away)?;
        conn.batch_execute(SETTINGS).await.map_err(away)?;
        Ok(conn)
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(StoreError::Outage("no answer to the connection attempt".to_owned())),
    }
}

/// The socket file of a server on this machine, where the address names one.
fn socket_of(driver: &tokio_postgres::Config) -> Option<PathBuf> {
    match driver.get_hosts() {
        [Host::Unix(directory)] => {
            let port = driver.get_ports().first().unwrap_or(&DEFAULT_PORT);
            Some(directory.join(format!(".s.PGSQL.{port}")))
        }
        _ => None,
    }
}

/// What refused TLS means, in words that say what to do.
fn refused(files: &Files, error: tokio_postgres::Error) -> StoreError {
    match files.explain(&error) {
        Some(why) => StoreError::Outage(why),
        None => outage(error),
    }
}

/// Why there is no session. What was written for a hint is the code, so it is told as one.
fn outage(error: tokio_postgres::Error) -> StoreError {
    use std::error::Error as _;
    if let Some(said) = error.as_db_error() {
        return away(format!("{} (SQLSTATE {})", said.message(), said.code().code()));
    }
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    away(format!("{error}{cause}"))
}

/// Classes of SQLSTATEs that blame what was written: its values, its constraints, a trigger that did not like it, a limit
/// of the server's that it exceeds.
const FAULTS_OF_WRITES: &[&str] = &["21", "22", "23", "27", "38", "39", "44", "54", "P0"];

/// What is read has been parsed, so this cannot be; if it were after all, waiting would not help.
const FAULTS_OF_READS: &[&str] = &["22"];

/// Whoever asks for what he has no right to, or for a table that is not there, is told.
const FAULTS_OF_QUESTIONS: &[&str] = &["21", "22", "23", "27", "38", "39", "42", "44", "54", "P0"];

const DEADLOCK: &str = "40P01";
const LOCK_TIMEOUT: &str = "55P03";

/// An error on the way to a session, whoever it comes from: the database cannot be had now.
pub fn away(error: impl std::fmt::Display) -> StoreError {
    StoreError::Outage(error.to_string())
}

/// An error where a session or a transaction begins, or while a batch's rows are read: an outage, whoever stands in
/// between and whatever it says. Ids and numbers are all that is sent, so no command can have caused it. A damaged
/// row that Diesel cannot read is no outage: somebody has to look at it.
pub fn classify_read(error: Error) -> StoreError {
    match error {
        // The writer's own row is gone: a new session writes it anew.
        Error::NotFound => away(error),
        _ => sort(error, FAULTS_OF_READS),
    }
}

/// An error while a batch is written. Only what can be the batch's own fault is called so; [`probe`] asks again.
pub fn classify_write(error: Error) -> StoreError {
    sort(error, FAULTS_OF_WRITES)
}

/// An error of what people asked. Nobody waits behind a lock for them.
pub fn classify_question(error: Error) -> StoreError {
    match sqlstate(&error) {
        Some(LOCK_TIMEOUT) => StoreError::Contention(error.to_string()),
        _ => sort(error, FAULTS_OF_QUESTIONS),
    }
}

/// Whether an error is one of Postgres or of the way there.
pub fn is_of_postgres(error: &Error) -> bool {
    use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
    sqlstate(error).is_some() || matches!(error, Error::DatabaseError(ClosedConnection | UnableToSendCommand, _))
}

/// Sorts errors by what is to be done. What neither asks for another try nor is one of these `faults` is an outage.
fn sort(error: Error, faults: &[&str]) -> StoreError {
    let text = error.to_string();
    match &error {
        // Null is what an order that another player took becomes (see `UpsertOrders`).
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::NotNullViolation, _) => {
            StoreError::Conflict(text)
        }
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => StoreError::Contention(text),
        Error::DatabaseError(..) => match sqlstate(&error) {
            Some(DEADLOCK) => StoreError::Contention(text),
            Some(sqlstate) if faults.iter().any(|class| sqlstate.starts_with(class)) => StoreError::Rejected(text),
            _ => StoreError::Outage(text),
        },
        Error::BrokenTransactionManager => StoreError::Outage(text),
        _ => StoreError::Rejected(text),
    }
}

/// Whether the session can still write: what tells a refused batch from a database in trouble.
pub async fn probe(conn: &mut AsyncPgConnection, writer: i32) -> Result<(), StoreError> {
    conn.batch_execute(&format!("ROLLBACK; UPDATE writers SET last_seq = last_seq WHERE id = {writer}"))
        .await
        .map_err(away)
}
