//! One audit beside `serve` at a time, whichever process is asked for it.
//!
//! On Postgres the turn is a lock that a session holds for as long as the audit runs. What is idle for long is cut by somebody: a proxy, a
//! pooler, the server itself. So the session says something once a minute, and where it is lost all the same the turn is taken anew. Meanwhile
//! another audit may begin: that costs time, and harms nothing, since audits only read.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Bool;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::{Database, StoreError};

/// A transaction's lock and not a session's: behind a pooler the next transaction may have another session. The second number is
/// the schema's, since several ledgers may be in one database.
const TRY: &str = "SELECT pg_try_advisory_xact_lock(1347768916, hashtext(current_schema()::text)) AS is_first";

/// The limit of other transactions is shorter than [`EVERY`]. There is one at all so that a machine that has vanished keeps no audit waiting for
/// long.
const BEGIN: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5min'";

/// How often the session says something: more often than what is idle is cut, mostly after some minutes.
const EVERY: Duration = Duration::from_secs(60);

/// How long the session may take to answer before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Held while an audit runs. It reads nothing, so it keeps no old rows alive.
pub struct AuditTurn(Option<Holding>);

/// What holds it on Postgres: it ends when `over` goes.
struct Holding {
    over: oneshot::Sender<()>,
    holding: JoinHandle<()>,
}

impl AuditTurn {
    /// Lets the next one begin. Where it is only dropped, that is soon after.
    pub async fn release(self) {
        let Some(Holding { over, holding }) = self.0 else { return };
        drop(over);
        // A session that is lost has let go of it.
        drop(holding.await);
    }
}

impl Database {
    /// `None` where another process audits this ledger. Processes on one SQLite file do not know of each other.
    pub async fn audit_turn(&self) -> Result<Option<AuditTurn>, StoreError> {
        self.audit_turn_kept(EVERY).await
    }

    /// The same, with a session that says something so often: tests do not wait for minutes.
    #[doc(hidden)]
    pub async fn audit_turn_kept(&self, every: Duration) -> Result<Option<AuditTurn>, StoreError> {
        if matches!(self, Self::Sqlite(_)) {
            return Ok(Some(AuditTurn(None)));
        }
        let Some(session) = self.try_turn().await? else { return Ok(None) };
        let (over, is_over) = oneshot::channel();
        let holding = tokio::spawn(hold(self.clone(), session, every, is_over));
        Ok(Some(AuditTurn(Some(Holding { over, holding }))))
    }

    /// A session that holds the turn; `None` where another does.
    async fn try_turn(&self) -> Result<Option<AnyConnection>, StoreError> {
        let session = self.open().await?;
        let (session, is_first) = on_thread(session, try_lock).await?;
        Ok(is_first.then_some(session))
    }
}

/// Holds the turn until it is over.
async fn hold(database: Database, session: AnyConnection, every: Duration, mut is_over: oneshot::Receiver<()>) {
    let mut held = Some(session);
    while tokio::time::timeout(every, &mut is_over).await.is_err() {
        held = match held {
            Some(session) => still_there(session).await,
            None => None,
        };
        if held.is_none() {
            // Where somebody else has it by now, or the database is away, it is tried again as long as the audit runs.
            held = database.try_turn().await.unwrap_or_default();
        }
    }
    if let Some(session) = held {
        drop(on_thread(session, |session| run(session, "ROLLBACK")).await);
    }
}

/// The session, where it answers.
async fn still_there(session: AnyConnection) -> Option<AnyConnection> {
    match on_thread(session, |session| run(session, "SELECT 1")).await {
        Ok((session, ())) => Some(session),
        Err(error) => {
            tracing::warn!(%error, "the session that keeps other audits waiting is lost: one may begin beside the one that runs");
            None
        }
    }
}

/// Asks on a thread of its own; a session that did not answer is not used again.
async fn on_thread<T: Send + 'static>(
    mut session: AnyConnection,
    ask: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError> + Send + 'static,
) -> Result<(AnyConnection, T), StoreError> {
    let asking = tokio::task::spawn_blocking(move || ask(&mut session).map(|answer| (session, answer)));
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(asked) => asked.map_err(|error| StoreError::Rejected(error.to_string()))?,
        Err(_) => Err(StoreError::Outage("no answer in time".to_owned())),
    }
}

fn run(session: &mut AnyConnection, sql: &str) -> Result<(), StoreError> {
    on!(session, session => session.batch_execute(sql)).map_err(classify)
}

fn try_lock(session: &mut AnyConnection) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Tried {
        #[diesel(sql_type = Bool)]
        is_first: bool,
    }
    run(session, BEGIN)?;
    let tried: Tried = on!(session, session => sql_query(TRY).get_result(session)).map_err(classify)?;
    Ok(tried.is_first)
}
