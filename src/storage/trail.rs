//! The trail: what operators did, each entry hashed with the one before it.
//!
//! An act is two entries, one before it is done and one that says how it ended; what was refused is one. Whoever appends
//! holds the head's row, so entries of several programs follow each other.

use diesel::prelude::*;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::StoreError;
use super::checkpoint::hash;
use super::grants::in_transaction;
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, bytes};
use super::schema::{trail, trail_heads};
use crate::ledger::chain::Hash;
use crate::ledger::command::Timestamp;

/// The one row of its table.
const HEAD: i32 = 1;

/// An entry that is to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Its own: appended twice, it is there once.
    pub id: Uuid,
    pub at: Timestamp,
    pub who: String,
    pub role: String,
    /// From where.
    pub origin: String,
    /// What was asked for.
    pub act: String,
    /// Empty where it is about none.
    pub party: String,
    /// On what.
    pub target: String,
    /// JSON, of the act's own.
    pub detail: String,
    pub outcome: String,
    /// The entry that says what was about to be done.
    pub concludes: Option<i64>,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = trail)]
pub(crate) struct TrailRow {
    pub number: i64,
    pub id: Bytes,
    pub at: i64,
    pub who: String,
    pub role: String,
    pub origin: String,
    pub act: String,
    pub party: String,
    pub target: String,
    pub detail: String,
    pub outcome: String,
    pub concludes: Option<i64>,
    pub hash: Bytes,
}

/// Where the trail ends.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = trail_heads)]
pub(crate) struct TrailHead {
    pub number: i64,
    pub hash: Bytes,
}

impl TrailRow {
    /// The hash that the entry must have after `previous`. Every part has a fixed length or is preceded by its length.
    pub fn link(&self, previous: &Hash) -> Hash {
        let Self { number, id, at, who, role, origin, act, party, target, detail, outcome, concludes, hash: _ } = self;
        let mut hasher = Sha256::new();
        hasher.update(previous);
        hasher.update(number.to_be_bytes());
        hasher.update(at.to_be_bytes());
        hasher.update([u8::from(concludes.is_some())]);
        hasher.update(concludes.unwrap_or(0).to_be_bytes());
        let texts = [who, role, origin, act, party, target, detail, outcome].map(String::as_bytes);
        for part in [id.as_slice()].into_iter().chain(texts) {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

/// Appends an entry, and returns its number.
pub fn append(conn: &mut AnyConnection, entry: &NewEntry) -> Result<i64, StoreError> {
    in_turn(conn, |conn| append_within(conn, entry))
}

/// Runs `work` in one transaction while nobody else appends: what it reads of tables that are written in the same way still
/// holds when it writes.
pub(crate) fn in_turn<T>(
    conn: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    in_transaction(conn, |conn| {
        lock_head(conn)?;
        work(conn)
    })
}

/// Appends an entry within the transaction that is under way: it is there if the rest is.
pub(crate) fn append_within(conn: &mut AnyConnection, entry: &NewEntry) -> Result<i64, StoreError> {
    let head = lock_head(conn)?;
    let known = trail::table.filter(trail::id.eq(bytes(entry.id))).select(trail::number);
    let known: Option<i64> = on!(conn, conn => known.first(conn)).optional().map_err(classify)?;
    if let Some(number) = known {
        return Ok(number);
    }
    let mut row = TrailRow {
        number: head.number.saturating_add(1),
        id: bytes(entry.id),
        at: entry.at.0,
        who: entry.who.clone(),
        role: entry.role.clone(),
        origin: entry.origin.clone(),
        act: entry.act.clone(),
        party: entry.party.clone(),
        target: entry.target.clone(),
        detail: entry.detail.clone(),
        outcome: entry.outcome.clone(),
        concludes: entry.concludes,
        hash: Bytes::new(),
    };
    row.hash = row.link(&hash(&head.hash)?).to_vec();
    let insert = diesel::insert_into(trail::table).values(&row);
    on!(conn, conn => insert.execute(conn)).map_err(classify)?;
    let head = TrailHead { number: row.number, hash: row.hash };
    let advance = diesel::update(trail_heads::table.find(HEAD)).set(&head);
    on!(conn, conn => advance.execute(conn)).map_err(classify)?;
    Ok(row.number)
}

/// SQLite's transaction has its turn already.
fn lock_head(conn: &mut AnyConnection) -> Result<TrailHead, StoreError> {
    let row = trail_heads::table.find(HEAD);
    match conn {
        AnyConnection::Sqlite(conn) => row.select(TrailHead::as_select()).first(conn),
        AnyConnection::Postgres(conn) => row.for_update().select(TrailHead::as_select()).first(conn),
    }
    .map_err(classify)
}

/// Where the trail ends by now.
pub(crate) fn head(conn: &mut AnyConnection) -> Result<TrailHead, StoreError> {
    on!(conn, conn => trail_heads::table.find(HEAD).select(TrailHead::as_select()).first(conn)).map_err(classify)
}

/// Entries before a number, newest first.
pub(crate) fn before(conn: &mut AnyConnection, number: i64, most: i64) -> Result<Vec<TrailRow>, StoreError> {
    let page = trail::table.filter(trail::number.lt(number)).order(trail::number.desc()).limit(most);
    on!(conn, conn => page.load(conn)).map_err(classify)
}

/// Entries after a number, oldest first.
pub(crate) fn after(conn: &mut AnyConnection, number: i64, most: i64) -> Result<Vec<TrailRow>, StoreError> {
    let page = trail::table.filter(trail::number.gt(number)).order(trail::number).limit(most);
    on!(conn, conn => page.load(conn)).map_err(classify)
}
