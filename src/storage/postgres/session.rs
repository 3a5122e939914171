//! A session: connecting (with TLS where the URL asks for it), its settings, and what its errors mean.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use rustls::ClientConfig;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::storage::StoreError;

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a peer may stay silent before the system calls the connection dead.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of every session. The limits keep a session whose program has vanished from holding locks for ever;
/// `synchronous_commit` makes sure that what is answered is on the disk, whatever the server's default.
const SETTINGS: &str = "SET synchronous_commit = on; SET lock_timeout = '10s'; \
    SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '15s'; SET timezone = 'UTC'";

/// Connects to the database that `url` names.
pub async fn connect(url: &str) -> Result<AsyncPgConnection, StoreError> {
    let (plain, tls) = tls_of(url)?;
    let mut config: tokio_postgres::Config =
        plain.parse().map_err(|error| StoreError::Outage(format!("database.url is not valid: {error}")))?;
    config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(TCP_USER_TIMEOUT).keepalives_idle(TCP_USER_TIMEOUT);
    config.application_name("purser").ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
    let connecting = async {
        let connected = match tls {
            Some(tls) => {
                let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await.map_err(outage)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
            None => {
                let (client, connection) = config.connect(tokio_postgres::NoTls).await.map_err(outage)?;
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

fn outage(error: tokio_postgres::Error) -> StoreError {
    use std::error::Error as _;
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    StoreError::Outage(format!("{error}{cause}"))
}

/// Splits `sslmode` (and `sslrootcert`) off the URL, since the driver does not know `verify-full`.
///
/// `disable` and `prefer` (the default) connect without TLS; `require`, `verify-ca` and `verify-full` all verify the
/// server's certificate and name: TLS that anybody may end is none.
fn tls_of(url: &str) -> Result<(String, Option<ClientConfig>), StoreError> {
    let invalid = |why: String| StoreError::Outage(format!("database.url: {why}"));
    let mut parsed = url::Url::parse(url).map_err(|error| invalid(error.to_string()))?;
    let pairs: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let mode = value("sslmode").unwrap_or_else(|| "prefer".to_owned());
    let rest: Vec<&(String, String)> = pairs.iter().filter(|(key, _)| !key.starts_with("ssl")).collect();
    parsed.set_query(None);
    for (key, value) in rest {
        parsed.query_pairs_mut().append_pair(key, value);
    }
    match mode.as_str() {
        "disable" | "prefer" => Ok((parsed.to_string(), None)),
        "require" | "verify-ca" | "verify-full" => {
            Ok((parsed.to_string(), Some(client_config(value("sslrootcert")).map_err(invalid)?)))
        }
        other => Err(invalid(format!("sslmode '{other}' is not one of disable, prefer, require, verify-full"))),
    }
}

fn client_config(root_cert_file: Option<String>) -> Result<ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    match root_cert_file {
        Some(file) => {
            let pem = std::fs::read(&file).map_err(|error| format!("sslrootcert {file}: {error}"))?;
            for cert in rustls_pemfile::certs(&mut pem.as_slice()) {
                let cert = cert.map_err(|error| format!("sslrootcert {file}: {error}"))?;
                roots.add(cert).map_err(|error| format!("sslrootcert {file}: {error}"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
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
    const CONFLICTS: [&str; 2] = ["deadlock detected", "could not serialize"];
    let text = error.to_string();
    match &error {
        // Null is what an order that another player took becomes (see `UpsertOrders`).
        Error::DatabaseError(
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::SerializationFailure
            | DatabaseErrorKind::NotNullViolation,
            _,
        ) => StoreError::Conflict(text),
        Error::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::ReadOnlyTransaction,
            _,
        )
        | Error::BrokenTransactionManager => StoreError::Outage(text),
        _ if CONFLICTS.iter().any(|conflict| text.contains(conflict)) => StoreError::Conflict(text),
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
