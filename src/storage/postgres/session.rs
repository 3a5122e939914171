//! A session: connecting (with TLS where the URL asks for it), its settings, and what its errors mean.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::UnixStream;
use tokio_postgres::NoTls;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, HostAddress};
use super::sqlstates::{OverTls, SqlstateStream, WithoutTls, sqlstate};
use crate::storage::StoreError;
use crate::tls::Files;

/// How long a host may be silent before the next one is tried beside it. One that is well has answered by then.
const HEAD_START: Duration = Duration::from_millis(500);

/// How long a peer may stay silent before the system calls the connection dead.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of every session. The limits keep a session whose program has vanished from holding locks for ever;
/// `synchronous_commit` makes sure that what is answered is on the disk, and the isolation that what is read after
/// waiting for a lock is what its holder has left behind, whatever the server's defaults. A session that is not asked for a while is none
/// that has vanished: the server is not to end it, which would look like an outage. (Postgres 13 knows no such setting.)
const SETTINGS: &str = "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; \
    SET lock_timeout = '10s'; \
    SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '15s'; SET timezone = 'UTC'; \
    SELECT set_config('idle_session_timeout', '0', false) WHERE current_setting('idle_session_timeout', true) IS NOT NULL";

/// Connects to the database that `url` names, at the first of its hosts that lets us in and is what the URL asks for.
///
/// A host that refuses is followed by the next at once, one that is silent after [`HEAD_START`], while it may still answer.
pub async fn connect(url: &str) -> Result<AsyncPgConnection, StoreError> {
    let address = Address::parse(url).map_err(StoreError::Outage)?;
    let places = address.places();
    let is_only = places.len() == 1;
    let mut waiting = places.iter();
    let mut trying = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        if let Some(place) = waiting.next() {
            trying.push(try_place(place, address.tls.as_ref()));
        }
        let has_more = waiting.len() > 0;
        tokio::select! {
            Some((place, tried)) = trying.next() => match tried {
                Ok(conn) => return Ok(conn),
                Err(why) if is_only => return Err(StoreError::Outage(why)),
                Err(why) => failed.push(format!("{}: {why}", place.name)),
            },
            () = tokio::time::sleep(HEAD_START), if has_more => {}
            else => return Err(StoreError::Outage(failed.join("; "))),
        }
    }
}

/// One host, within its time; an error says why not.
async fn try_place<'a>(
    place: &'a HostAddress,
    tls: Option<&Files>,
) -> (&'a HostAddress, Result<AsyncPgConnection, String>) {
    let tried = match tokio::time::timeout(place.timeout, begin(place, tls)).await {
        Ok(begun) => begun,
        Err(_) => Err("no answer to the connection attempt".to_owned()),
    };
    (place, tried)
}

async fn begin(place: &HostAddress, tls: Option<&Files>) -> Result<AsyncPgConnection, String> {
    let mut driver = place.driver.clone();
    driver.connect_timeout(place.timeout).tcp_user_timeout(TCP_USER_TIMEOUT).keepalives_idle(TCP_USER_TIMEOUT);
    driver.application_name("purser");
    let connected = match (tls, &place.socket) {
        (Some(files), _) => {
            let tls = files.client_config().map_err(|error| format!("database.url: {error}"))?;
            let connecting = driver.connect(OverTls(MakeRustlsConnect::new(tls))).await;
            let (client, connection) = connecting.map_err(|error| refused(files, error))?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
        (None, Some(socket)) => {
            let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
            let connecting = driver.connect_raw(SqlstateStream::plain(stream), NoTls).await;
            let (client, connection) = connecting.map_err(why)?;
            tokio::spawn(connection);
            AsyncPgConnection::try_from(client).await
        }
        (None, None) => {
            driver.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
            let (client, connection) = driver.connect(WithoutTls).await.map_err(why)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
    };
    let mut conn = connected.map_err(|error| error.to_string())?;
    conn.batch_execute(SETTINGS).await.map_err(|error| error.to_string())?;
    Ok(conn)
}

/// What refused TLS means, in words that say what to do.
fn refused(files: &Files, error: tokio_postgres::Error) -> String {
    files.explain(&error).unwrap_or_else(|| why(error))
}

/// Why there is no session. What was written for a hint is the code, so it is told as one.
fn why(error: tokio_postgres::Error) -> String {
    use std::error::Error as _;
    if let Some(said) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", said.message(), said.code().code());
    }
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{cause}")
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

/// An error while a batch is written. Only what can be the batch's own fault is called so; `Session::probe` asks again.
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
        // Null is what an order that another player took becomes (see `ChangeOrders`).
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
