//! The journal as it grows: what is committed is told within moments, and nothing is told twice.
//!
//! Numbers are taken before they are committed, so on Postgres a lower one may become visible after a higher one, and one
//! whose transaction was rolled back never does. Whoever follows remembers the numbers that were passed over, and looks for
//! them for as long as a transaction may take.

use std::time::Duration;

use diesel::prelude::*;

use super::StoreError;
use super::pruned_command::PrunedCommand;
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, damaged};
use super::schema::journal;
use crate::ledger::command::Timestamp;
use crate::ledger::recorded::Recorded;
use crate::ledger::{Command, Outcome, Party};

/// Rows that are read at a time.
const PAGE: i64 = 1_000;

/// Numbers before the first look in which transactions may still be under way: some batches of every writer.
const LOOKED_BACK: i64 = 5_000;

/// For how long a number that was passed over is looked for: longer than a writer's round trips may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ranges that are remembered. Where there are more, the oldest are given up: most are of rolled back transactions.
const MOST_RANGES: usize = 200;

/// Numbers that were passed over, both ends included, and until when they are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Missing {
    first: i64,
    last: i64,
    until: Duration,
}

/// How far the journal has been told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Follower {
    /// The highest number that was seen.
    last: i64,
    missing: Vec<Missing>,
}

#[derive(Queryable)]
struct Row {
    seq: i64,
    party: String,
    key: Option<Bytes>,
    command: String,
    outcome: String,
}

impl Row {
    /// `None` where pruning has left nothing that could be told.
    fn recorded(self) -> Result<Option<Recorded>, StoreError> {
        if PrunedCommand::read(&self.command).is_some() {
            return Ok(None);
        }
        let damaged = |error| damaged(&format!("journal row {}", self.seq), error);
        let command: Command = serde_json::from_str(&self.command).map_err(damaged)?;
        let outcome: Outcome = serde_json::from_str(&self.outcome).map_err(damaged)?;
        Ok(Some(Recorded { seq: self.seq, kept: self.key.is_some(), keyed: command.keyed(), outcome }))
    }
}

impl Follower {
    /// Begins with what is committed from now on, or was received since a moment. Times of looks are counted from any
    /// fixed start.
    pub fn begin(conn: &mut AnyConnection, since: Option<Timestamp>, now: Duration) -> Result<Self, StoreError> {
        if let Some(since) = since {
            let first = journal::table.filter(journal::at.ge(since.0)).order(journal::seq).select(journal::seq);
            let first: Option<i64> = on!(conn, conn => first.first(conn)).optional().map_err(classify)?;
            if let Some(first) = first {
                return Ok(Self { last: first.saturating_sub(1), missing: Vec::new() });
            }
        }
        let last = journal::table.order(journal::seq.desc()).select(journal::seq);
        let last: Option<i64> = on!(conn, conn => last.first(conn)).optional().map_err(classify)?;
        let last = last.unwrap_or(0);
        let start = last.saturating_sub(LOOKED_BACK).max(0);
        let recent = journal::table.filter(journal::seq.gt(start)).order(journal::seq).select(journal::seq);
        let recent: Vec<i64> = on!(conn, conn => recent.load(conn)).map_err(classify)?;
        let mut follower = Self { last: start, missing: Vec::new() };
        recent.into_iter().for_each(|seq| follower.see(seq, now));
        Ok(follower)
    }

    /// What has become visible of a party's since the last look, by number.
    pub fn look(
        &mut self,
        conn: &mut AnyConnection,
        party: &Party,
        now: Duration,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.missing.retain(|missing| missing.until > now);
        let mut rows = self.found_of_missing(conn)?;
        loop {
            let next = journal::table.filter(journal::seq.gt(self.last)).order(journal::seq).limit(PAGE).select((
                journal::seq,
                journal::party,
                journal::key,
                journal::command,
                journal::outcome,
            ));
            let page: Vec<Row> = on!(conn, conn => next.load(conn)).map_err(classify)?;
            let is_last = i64::try_from(page.len()).is_ok_and(|rows| rows < PAGE);
            for row in page {
                self.see(row.seq, now);
                rows.push(row);
            }
            if is_last {
                break;
            }
        }
        let theirs = rows.into_iter().filter(|row| row.party == party.as_str());
        theirs.filter_map(|row| row.recorded().transpose()).collect()
    }

    fn found_of_missing(&mut self, conn: &mut AnyConnection) -> Result<Vec<Row>, StoreError> {
        if self.missing.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<Row> = on!(conn, conn => {
            let columns = (journal::seq, journal::party, journal::key, journal::command, journal::outcome);
            let mut late = journal::table.select(columns).into_boxed();
            for missing in &self.missing {
                late = late.or_filter(journal::seq.between(missing.first, missing.last));
            }
            late.order(journal::seq).limit(PAGE).load(conn)
        })
        .map_err(classify)?;
        rows.iter().for_each(|row| self.find(row.seq));
        Ok(rows)
    }

    /// Takes note of the next number; those between are missing.
    fn see(&mut self, seq: i64, now: Duration) {
        if seq > self.last.saturating_add(1) {
            self.missing.push(Missing { first: self.last + 1, last: seq - 1, until: now + PATIENCE });
            let surplus = self.missing.len().saturating_sub(MOST_RANGES);
            self.missing.drain(..surplus);
        }
        self.last = self.last.max(seq);
    }

    /// A number is missing no more.
    fn find(&mut self, seq: i64) {
        let Some(at) = self.missing.iter().position(|missing| (missing.first..=missing.last).contains(&seq)) else {
            return;
        };
        let whole = self.missing.remove(at);
        let before = Missing { last: seq - 1, ..whole };
        let after = Missing { first: seq + 1, ..whole };
        let rest = [before, after].into_iter().filter(|missing| missing.first <= missing.last);
        self.missing.splice(at..at, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follower(seen: &[i64]) -> Follower {
        let mut follower = Follower::default();
        seen.iter().for_each(|seq| follower.see(*seq, Duration::ZERO));
        follower
    }

    fn missing(follower: &Follower) -> Vec<(i64, i64)> {
        follower.missing.iter().map(|missing| (missing.first, missing.last)).collect()
    }

    #[test]
    fn numbers_that_were_passed_over_are_missing_until_they_are_found() {
        let mut follower = follower(&[1, 2, 5, 9]);
        assert_eq!(missing(&follower), [(3, 4), (6, 8)]);
        follower.find(7);
        assert_eq!(missing(&follower), [(3, 4), (6, 6), (8, 8)]);
        for seq in [3, 4, 6, 8] {
            follower.find(seq);
        }
        assert_eq!((missing(&follower), follower.last), (vec![], 9));
    }

    #[test]
    fn no_more_ranges_are_remembered_than_are_looked_for_at_once() {
        let all: Vec<i64> = (1..=1_000).map(|number| number * 2).collect();
        let follower = follower(&all);
        assert_eq!(follower.missing.len(), MOST_RANGES);
        assert_eq!(missing(&follower).last(), Some(&(1_999, 1_999)));
    }
}
