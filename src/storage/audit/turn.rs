//! One audit beside `serve` at a time, whichever process is asked for it.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Bool;

use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::{Database, StoreError};

/// A transaction's lock and not a session's: behind a pooler the next transaction may have another session. The second number is
/// the schema's, since several ledgers may be in one database.
const TRY: &str = "SELECT pg_try_advisory_xact_lock(1347768916, hashtext(current_schema()::text)) AS is_first";

/// Held while an audit runs. It reads nothing, so it keeps no old rows alive.
pub struct AuditTurn(Option<AnyConnection>);

impl AuditTurn {
    /// Lets the next one begin. Where it is only dropped, that is when the database has noticed.
    pub async fn release(self) {
        let Some(mut conn) = self.0 else { return };
        let ending = tokio::task::spawn_blocking(move || on!(&mut conn, conn => conn.batch_execute("ROLLBACK")));
        // A connection that is lost has let go of it.
        drop(ending.await);
    }
}

impl Database {
    /// `None` where another process audits this ledger. Processes on one SQLite file do not know of each other.
    pub async fn audit_turn(&self) -> Result<Option<AuditTurn>, StoreError> {
        if matches!(self, Self::Sqlite(_)) {
            return Ok(Some(AuditTurn(None)));
        }
        let mut conn = self.open().await?;
        let trying = tokio::task::spawn_blocking(move || {
            let is_first = try_lock(&mut conn)?;
            Ok(is_first.then_some(AuditTurn(Some(conn))))
        });
        trying.await.map_err(|error| StoreError::Rejected(error.to_string()))?
    }
}

fn try_lock(conn: &mut AnyConnection) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Tried {
        #[diesel(sql_type = Bool)]
        is_first: bool,
    }
    let begin = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0";
    on!(&mut *conn, conn => conn.batch_execute(begin)).map_err(classify)?;
    let tried: Tried = on!(conn, conn => sql_query(TRY).get_result(conn)).map_err(classify)?;
    Ok(tried.is_first)
}
