//! What has become of a player's commands, newest first, and which commands had a correlation id: without a scan.
//!
//! An index that a follower behind the journal writes ([`index`]) says which rows are whose, up to a position. What is behind
//! the position is read row by row, so that an answer is always complete; and where that would be too much, the answer is
//! that the index is behind. Everything comes from one snapshot, and each row is compared with what is looked for. What
//! pruning has left of a row is found like the rest (what an older program left of it, only where it was in the index
//! before); a row that it dropped is gone.
//!
//! A look-up reads one page of the index for each [`index::SEGMENT`] rows of the journal, at the most: of a hundred million
//! rows 6,000 pages of 2.5 KiB, which lie side by side.

pub mod index;
pub(in crate::storage) mod marks;
pub(in crate::storage) mod pages;
mod row;

use std::ops::Range;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use uuid::Uuid;

use super::StoreError;
use super::queries::{AnyConnection, classify, on};
use super::rows::Bytes;
use super::schema::{history_pages, history_position, journal};
use crate::ledger::{CorrelationKey, Party, PlayerId, PlayerKey};
use marks::Marks;
use pages::{HistoryKind, Prefix};

pub use row::{Detail, HistoryRow, RecordedCommand, detail, of_order};

/// The one row of its table.
pub(in crate::storage) const POSITION: i32 = 1;

/// The position while a former index is being dropped.
pub(in crate::storage) const DROPPING: i64 = -1;

/// Numbers behind the index that one look-up looks through at the most: some tenths of a second.
const MOST_BEHIND: i64 = 200_000;

/// Numbers that one statement looks through: a whole segment may lie behind the index while nothing is wrong.
const STRETCH: i64 = 20_000;

/// Pages of the index that are read at a time.
const PAGES: i64 = 64;

/// Rows that one look-up is answered with at the most.
pub(crate) const MOST_ROWS: usize = 1_000;

/// Rows are read by their numbers and backwards: a plan that was made for a young table must not pass over a grown one.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                        SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off";

diesel::define_sql_function! {
    /// SQLite's: where a text stands in another, from 1; 0 where it does not.
    fn instr(text: diesel::sql_types::Text, sought: diesel::sql_types::Text) -> diesel::sql_types::Integer;
}
diesel::define_sql_function! {
    /// The same of Postgres.
    fn strpos(text: diesel::sql_types::Text, sought: diesel::sql_types::Text) -> diesel::sql_types::Integer;
}

/// What a look-up is answered with.
#[derive(Debug, PartialEq)]
pub enum HistoryAnswer {
    /// Newest first.
    Rows(Vec<HistoryRow>),
    /// The index is so many numbers behind that the rest would be a scan: ask again later.
    Behind(i64),
}

/// A player's commands with their outcomes, newest first: at most `limit` of them (and [`MOST_ROWS`]), all with lower
/// numbers than `before`.
pub fn of_player(
    conn: &mut AnyConnection,
    party: &Party,
    player: &PlayerId,
    before: Option<i64>,
    limit: usize,
) -> Result<HistoryAnswer, StoreError> {
    let digest = PlayerKey::of(party, player).uuid();
    Wanted::of(HistoryKind::Player, digest, player.as_str()).find(conn, before, limit)
}

/// The commands with a correlation id, newest first, and no more than [`MOST_ROWS`]. Mostly it is one: whoever sends a
/// message again sends its correlation id again, and a repeat is not in the journal.
pub fn of_correlation(conn: &mut AnyConnection, party: &Party, correlation: &str) -> Result<HistoryAnswer, StoreError> {
    let digest = CorrelationKey::of(party, correlation).uuid();
    Wanted::of(HistoryKind::Correlation, digest, correlation).find(conn, None, MOST_ROWS)
}

/// Every row of the journal up to this number is in the index.
fn position(conn: &mut AnyConnection) -> Result<i64, StoreError> {
    let position = history_position::table.find(POSITION).select(history_position::number);
    on!(conn, conn => position.first(conn)).map_err(classify)
}

/// The highest number in the journal below `before`.
fn last_before(conn: &mut AnyConnection, before: i64) -> Result<Option<i64>, StoreError> {
    let last = journal::table.filter(journal::seq.lt(before)).select(diesel::dsl::max(journal::seq));
    on!(conn, conn => last.first(conn)).map_err(classify)
}

/// By how many numbers the index is behind the journal.
pub(crate) fn behind(conn: &mut AnyConnection) -> Result<i64, StoreError> {
    let last = journal::table.select(diesel::dsl::max(journal::seq));
    let last: Option<i64> = on!(conn, conn => last.first(conn)).map_err(classify)?;
    Ok(last.unwrap_or(0).saturating_sub(position(conn)?.max(0)).max(0))
}

/// What is looked for.
struct Wanted {
    kind: HistoryKind,
    digest: Uuid,
    /// How it is written in a command, and in what is left of one: a row with neither is nobody's who is meant.
    written: [String; 2],
}

impl Wanted {
    fn of(kind: HistoryKind, digest: Uuid, name: &str) -> Self {
        Self { kind, digest, written: [serde_json::Value::from(name).to_string(), digest.to_string()] }
    }

    fn find(&self, conn: &mut AnyConnection, before: Option<i64>, limit: usize) -> Result<HistoryAnswer, StoreError> {
        let limit = limit.min(MOST_ROWS);
        in_snapshot(conn, |conn| {
            let position = position(conn)?.max(0);
            let before = before.unwrap_or(i64::MAX);
            let Some(mut numbers) = self.behind(conn, position, before, limit)? else {
                return behind(conn).map(HistoryAnswer::Behind);
            };
            let mut rows = row::load(conn, &numbers)?;
            let mut pages = Pages { before_page: i64::MAX, before: before.min(position.saturating_add(1)) };
            while rows.len() < limit
                && let Some(found) = pages.next(conn, self)?
            {
                numbers = found;
                for some in numbers.chunks(limit.max(1)) {
                    let read = row::load(conn, some)?;
                    rows.extend(read.into_iter().filter(|row| row.is_marked(self.kind, self.digest)));
                    if rows.len() >= limit {
                        break;
                    }
                }
            }
            rows.truncate(limit);
            Ok(HistoryAnswer::Rows(rows))
        })
    }

    /// The numbers of rows that are not in the index, the highest first; `None` where there are too many to look at.
    fn behind(
        &self,
        conn: &mut AnyConnection,
        position: i64,
        mut before: i64,
        limit: usize,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let (mut found, mut left) = (Vec::new(), MOST_BEHIND);
        // Where numbers were left out, nothing is looked through.
        while found.len() < limit
            && let Some(last) = last_before(conn, before)?.filter(|last| *last > position)
        {
            if left <= 0 {
                return Ok(None);
            }
            let end = last.saturating_add(1);
            let first = end.saturating_sub(STRETCH.min(left)).max(position.saturating_add(1));
            let rows = self.stretch(conn, first..end, limit)?;
            // Where there are more, it is gone on with below the last of them.
            before = rows.last().filter(|_| rows.len() == limit).map_or(first, |last| last.0);
            left -= end.saturating_sub(before);
            let theirs = rows.iter().filter(|(_, party, command)| self.is_named(party, command));
            found.extend(theirs.map(|(number, ..)| *number));
        }
        found.truncate(limit);
        Ok(Some(found))
    }

    /// The rows of these numbers in which the name is written, the highest first and so many at the most. The database looks:
    /// most rows are others', and would only be carried here to be thrown away.
    fn stretch(
        &self,
        conn: &mut AnyConnection,
        numbers: Range<i64>,
        most: usize,
    ) -> Result<Vec<(i64, String, String)>, StoreError> {
        let [name, digest] = &self.written;
        let stretch = journal::table.filter(journal::seq.ge(numbers.start)).filter(journal::seq.lt(numbers.end));
        let stretch = stretch.order(journal::seq.desc()).limit(i64::try_from(most).unwrap_or(i64::MAX)).select((
            journal::seq,
            journal::party,
            journal::command,
        ));
        match conn {
            AnyConnection::Sqlite(conn) => {
                let is_written = instr(journal::command, name).gt(0).or(instr(journal::command, digest).gt(0));
                stretch.filter(is_written).load(conn)
            }
            AnyConnection::Postgres(conn) => {
                let is_written = strpos(journal::command, name).gt(0).or(strpos(journal::command, digest).gt(0));
                stretch.filter(is_written).load(conn)
            }
        }
        .map_err(classify)
    }

    fn is_named(&self, party: &str, command: &str) -> bool {
        let may_be = self.written.iter().any(|written| command.contains(written.as_str()));
        may_be && Marks::of(party, command).get(self.kind) == Some(self.digest)
    }
}

/// Goes through the pages of one bucket, newest first.
struct Pages {
    /// Pages from here on were read.
    before_page: i64,
    /// Numbers from here on are not wanted.
    before: i64,
}

impl Pages {
    /// The wanted numbers of the next pages, the highest first; `None` after the last of them.
    fn next(&mut self, conn: &mut AnyConnection, wanted: &Wanted) -> Result<Option<Vec<i64>>, StoreError> {
        let prefix = Prefix::of(wanted.digest);
        let pages = history_pages::table
            .filter(history_pages::kind.eq(wanted.kind.stored()))
            .filter(history_pages::bucket.eq(prefix.bucket()))
            .filter(history_pages::first.lt(self.before_page.min(self.before)))
            .order(history_pages::first.desc())
            .limit(PAGES)
            .select((history_pages::first, history_pages::entries));
        let pages: Vec<(i64, Bytes)> = on!(conn, conn => pages.load(conn)).map_err(classify)?;
        let Some(last) = pages.last() else { return Ok(None) };
        self.before_page = last.0;
        let mut found = Vec::new();
        for (first, entries) in &pages {
            let numbers = pages::numbers(*first, entries, prefix)?;
            found.extend(numbers.into_iter().rev().filter(|number| *number < self.before));
        }
        Ok(Some(found))
    }
}

/// Runs a look-up on one snapshot, and leaves nothing of it behind on the connection.
fn in_snapshot<T>(
    conn: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    match conn {
        AnyConnection::Sqlite(conn) => conn.batch_execute("BEGIN"),
        AnyConnection::Postgres(conn) => conn.batch_execute(SNAPSHOT),
    }
    .map_err(classify)?;
    let worked = work(conn);
    on!(conn, conn => conn.batch_execute("ROLLBACK")).map_err(classify)?;
    worked
}
