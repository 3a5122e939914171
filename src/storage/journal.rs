//! The journal as it is told outside: a party's commands with their outcomes, in order, from one snapshot.

use std::ops::{ControlFlow, Range, RangeInclusive};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::StoreError;
use super::checkpoint::{self, CheckpointRow};
use super::queries::{AnyConnection, classify, on, snapshot};
use super::rows::{Bytes, damaged};
use super::schema::journal;
use crate::ledger::command::Timestamp;
use crate::ledger::recorded::Recorded;
use crate::ledger::{Command, Outcome, Party};

/// Rows read at a time. Most are half a KiB; one that stocks offers may be some MiB.
const PAGE: i64 = 500;

/// A page is read along the index, whatever the planner thinks of a table that has just grown: else each would cost a
/// pass over the whole journal.
pub(super) const BY_INDEX: &str =
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off";

#[derive(Queryable)]
struct CommandRow {
    seq: i64,
    key: Option<Bytes>,
    command: String,
    outcome: String,
}

impl CommandRow {
    fn recorded(self) -> Result<Recorded, StoreError> {
        let damaged = |error| damaged(&format!("journal row {}", self.seq), error);
        let command: Command = serde_json::from_str(&self.command).map_err(damaged)?;
        let outcome: Outcome = serde_json::from_str(&self.outcome).map_err(damaged)?;
        Ok(Recorded { seq: self.seq, kept: self.key.is_some(), keyed: command.keyed(), outcome })
    }
}

/// How telling ended.
#[derive(Debug, PartialEq, Eq)]
pub enum ToldUntil<B> {
    All,
    /// Broken off, and why.
    Part(B),
    /// Nothing was told: what was received before this time is pruned, and was asked for.
    Pruned(Timestamp),
}

/// Tells every command of a party that was received within `times`, in the journal's order, until `tell` breaks off.
/// Memory is constant: a page at a time.
pub fn tell<B>(
    conn: &mut AnyConnection,
    party: &Party,
    times: Range<Timestamp>,
    mut tell: impl FnMut(Recorded) -> ControlFlow<B>,
) -> Result<ToldUntil<B>, StoreError> {
    snapshot(conn, |conn| {
        let CheckpointRow { seq: pruned, until, .. } = checkpoint::read(conn)?;
        if pruned > 0 && times.start.0 < until {
            return Ok(ToldUntil::Pruned(Timestamp(until)));
        }
        tell_pages(conn, party, pruned..=i64::MAX, times, &mut tell)
    })
}

/// Tells every command of a party whose number is above the first and not above the last, in the journal's order, until
/// `tell` breaks off.
pub(crate) fn tell_numbers<B>(
    conn: &mut AnyConnection,
    party: &Party,
    numbers: RangeInclusive<i64>,
    mut tell: impl FnMut(Recorded) -> ControlFlow<B>,
) -> Result<ToldUntil<B>, StoreError> {
    snapshot(conn, |conn| {
        let CheckpointRow { seq: pruned, until, .. } = checkpoint::read(conn)?;
        if pruned > *numbers.start() {
            return Ok(ToldUntil::Pruned(Timestamp(until)));
        }
        tell_pages(conn, party, numbers, Timestamp(i64::MIN)..Timestamp(i64::MAX), &mut tell)
    })
}

fn tell_pages<B>(
    conn: &mut AnyConnection,
    party: &Party,
    numbers: RangeInclusive<i64>,
    times: Range<Timestamp>,
    tell: &mut impl FnMut(Recorded) -> ControlFlow<B>,
) -> Result<ToldUntil<B>, StoreError> {
    if let AnyConnection::Postgres(conn) = conn {
        conn.batch_execute(BY_INDEX).map_err(classify)?;
    }
    let (mut after, last) = numbers.into_inner();
    loop {
        let theirs = journal::table
            .filter(journal::seq.gt(after))
            .filter(journal::seq.le(last))
            .filter(journal::party.eq(party.as_str()))
            .filter(journal::at.ge(times.start.0))
            .filter(journal::at.lt(times.end.0))
            .order(journal::seq)
            .limit(PAGE)
            .select((journal::seq, journal::key, journal::command, journal::outcome));
        let rows: Vec<CommandRow> = on!(&mut *conn, conn => theirs.load(conn)).map_err(classify)?;
        let Some(last) = rows.last() else { return Ok(ToldUntil::All) };
        after = last.seq;
        for row in rows {
            if let ControlFlow::Break(why) = tell(row.recorded()?) {
                return Ok(ToldUntil::Part(why));
            }
        }
    }
}
