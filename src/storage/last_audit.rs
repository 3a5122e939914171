//! What the last audit beside `serve` found: whoever asks after a restart is told.

use diesel::prelude::*;
use serde_json::{Value, json};

use super::StoreError;
use super::queries::{AnyConnection, classify, on};
use super::schema::last_audit;

/// The one row of its table.
const ONLY: i32 = 1;

/// An audit that has ended. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = last_audit)]
pub struct LastAudit {
    id: i32,
    pub began_at: i64,
    pub ended_at: i64,
    /// JSON: what the audit says. Where it could not be carried to its end `{"error": …}`, with the `findings` of the one
    /// before: nobody has found them mended.
    pub report: String,
    /// When one last ended without a finding; 0 where none has.
    pub succeeded_at: i64,
}

/// How the ledger stands by an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditVerdict {
    Sound,
    Unsound,
    /// It was not carried to its end, and the one before had found nothing.
    BrokenOff,
}

impl LastAudit {
    pub fn verdict(&self) -> AuditVerdict {
        match findings(&self.report).is_empty() {
            _ if self.succeeded_at == self.ended_at => AuditVerdict::Sound,
            true => AuditVerdict::BrokenOff,
            false => AuditVerdict::Unsound,
        }
    }
}

/// What a report names.
fn findings(report: &str) -> Vec<Value> {
    let report: Option<Value> = serde_json::from_str(report).ok();
    report.and_then(|report| report["findings"].as_array().cloned()).unwrap_or_default()
}

pub fn read(conn: &mut AnyConnection) -> Result<Option<LastAudit>, StoreError> {
    let only = last_audit::table.find(ONLY);
    on!(conn, conn => only.select(LastAudit::as_select()).first(conn)).optional().map_err(classify)
}

/// Takes the place of the one before.
pub fn write(
    conn: &mut AnyConnection,
    (began_at, ended_at): (i64, i64),
    report: String,
    is_sound: bool,
) -> Result<(), StoreError> {
    let before = read(conn)?.map_or(0, |last| last.succeeded_at);
    let succeeded_at = if is_sound { ended_at } else { before };
    let row = LastAudit { id: ONLY, began_at, ended_at, report, succeeded_at };
    let insert = diesel::insert_into(last_audit::table).values(&row);
    let write = insert.on_conflict(last_audit::id).do_update().set(&row);
    on!(conn, conn => write.execute(conn)).map(drop).map_err(classify)
}

/// Writes down one that could not be carried to its end.
pub fn write_broken_off(conn: &mut AnyConnection, times: (i64, i64), error: &str) -> Result<(), StoreError> {
    let before = read(conn)?.map_or_else(Vec::new, |last| findings(&last.report));
    let report =
        if before.is_empty() { json!({ "error": error }) } else { json!({ "error": error, "findings": before }) };
    write(conn, times, report.to_string(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_stays_unsound_until_an_audit_finds_nothing() {
        for (report, succeeded_at, expected) in [
            (r#"{"findings":[]}"#, 2, AuditVerdict::Sound),
            (r#"{"findings":["row 5"]}"#, 1, AuditVerdict::Unsound),
            (r#"{"error":"gone"}"#, 1, AuditVerdict::BrokenOff),
            (r#"{"error":"gone","findings":["row 5"]}"#, 0, AuditVerdict::Unsound),
        ] {
            let last = LastAudit { id: ONLY, began_at: 1, ended_at: 2, report: report.to_owned(), succeeded_at };
            assert_eq!(last.verdict(), expected, "{report}");
        }
    }
}
