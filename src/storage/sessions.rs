//! Who is signed in to the console, so that any process on the ledger knows it. Of the cookie there is a digest, and of the
//! operator's token another: whoever reads the table can sign in by neither.

use diesel::prelude::*;

use super::StoreError;
use super::grants::in_transaction;
use super::queries::{AnyConnection, classify, on};
use super::rows::Bytes;
use super::schema::console_sessions;
use crate::ledger::command::Timestamp;

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = console_sessions)]
pub struct KeptSession {
    /// The digest of the cookie.
    pub id: Bytes,
    pub operator: String,
    /// What the operator's token was when it began, as a digest.
    pub token: Bytes,
    /// Microseconds since 1970.
    pub expires_at: i64,
    /// What is to be said on the next page; empty where nothing is.
    pub notice: String,
}

/// Begins one. What has expired makes room, and beyond `most` those that end first.
pub fn open(conn: &mut AnyConnection, session: &KeptSession, at: Timestamp, most: i64) -> Result<(), StoreError> {
    in_transaction(conn, |conn| {
        let expired = diesel::delete(console_sessions::table.filter(console_sessions::expires_at.le(at.0)));
        on!(conn, conn => expired.execute(conn)).map_err(classify)?;
        let insert = diesel::insert_into(console_sessions::table).values(session).on_conflict_do_nothing();
        on!(conn, conn => insert.execute(conn)).map_err(classify)?;
        let last_to_end = console_sessions::table.order(console_sessions::expires_at.desc()).offset(most).limit(most);
        let others = last_to_end.select(console_sessions::id);
        let others: Vec<Bytes> = on!(conn, conn => others.load(conn)).map_err(classify)?;
        let others = diesel::delete(console_sessions::table.filter(console_sessions::id.eq_any(others)));
        on!(conn, conn => others.execute(conn)).map(drop).map_err(classify)
    })
}

/// The session of this digest, while it lasts.
pub fn find(conn: &mut AnyConnection, id: &[u8], at: Timestamp) -> Result<Option<KeptSession>, StoreError> {
    let lasting = console_sessions::table.find(id).filter(console_sessions::expires_at.gt(at.0));
    on!(conn, conn => lasting.select(KeptSession::as_select()).first(conn)).optional().map_err(classify)
}

pub fn end(conn: &mut AnyConnection, id: &[u8]) -> Result<(), StoreError> {
    let ended = diesel::delete(console_sessions::table.find(id));
    on!(conn, conn => ended.execute(conn)).map(drop).map_err(classify)
}

/// Keeps what is to be said on the next page.
pub fn say(conn: &mut AnyConnection, id: &[u8], notice: &str) -> Result<(), StoreError> {
    let kept = diesel::update(console_sessions::table.find(id)).set(console_sessions::notice.eq(notice));
    on!(conn, conn => kept.execute(conn)).map(drop).map_err(classify)
}

/// What was to be said on the next page was said there.
pub fn said(conn: &mut AnyConnection, id: &[u8], notice: &str) -> Result<(), StoreError> {
    let told = console_sessions::table.find(id).filter(console_sessions::notice.eq(notice));
    let told = diesel::update(told).set(console_sessions::notice.eq(""));
    on!(conn, conn => told.execute(conn)).map(drop).map_err(classify)
}
