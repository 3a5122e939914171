//! What the last audit beside `serve` found: whoever asks after a restart is told.

use diesel::prelude::*;

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
    /// JSON: what the audit says, or `{"error": …}` where it could not be carried to its end.
    pub report: String,
    /// When one last ended without a finding; 0 where none has.
    pub succeeded_at: i64,
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
