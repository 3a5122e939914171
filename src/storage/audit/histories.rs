//! The index of histories, against the journal: up to the number to which it is complete every row is found by its player
//! and by its correlation id, and by nothing else.
//!
//! A segment is compared when the pass over the journal has come to its end, so that one is held at a time. What pruning
//! dropped stays in the index, and what an older program pruned does not say whose it was: neither is asked for, and neither
//! is wrong.

use std::collections::{BTreeMap, VecDeque};

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;

use super::{AuditReport, TOLD};
use crate::storage::StoreError;
use crate::storage::checkpoint;
use crate::storage::history::marks::Marks;
use crate::storage::history::pages::{BUCKETS, HistoryKind, IndexPage, MOST_OFFSET, Prefix};
use crate::storage::history::{DROPPING, POSITION};
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::schema::{history_pages, history_position, journal};

/// A segment as it is stored.
#[derive(Clone, Copy)]
struct StoredSegment {
    /// Its first number.
    first: i64,
    pages: i64,
}

/// A journal row by its number, and what it is to be found by.
pub(super) type MarkedRow = (i64, Marks);

/// An entry as the index has it, by kind.
type Entry = (HistoryKind, Prefix, i64);

pub(super) struct HistoriesAudit {
    /// Every row up to this one is in the index.
    position: i64,
    /// Up to this one rows may have been dropped.
    pruned: i64,
    /// The segments that the pass has not come to, the lowest first.
    coming: VecDeque<StoredSegment>,
    /// The one that it has come to.
    segment: Option<StoredSegment>,
    /// The segment's, so far: no more than an index page can tell of.
    rows: Vec<MarkedRow>,
    told: i64,
}

impl HistoriesAudit {
    pub(super) fn begin(conn: &mut AnyConnection, report: &mut AuditReport) -> Result<Self, StoreError> {
        let position = history_position::table.find(POSITION).select(history_position::number);
        let position: Option<i64> = on!(conn, conn => position.first(conn)).optional().map_err(classify)?;
        let pruned = checkpoint::read(conn)?.seq;
        let last = journal::table.select(diesel::dsl::max(journal::seq));
        let last: Option<i64> = on!(conn, conn => last.first(conn)).map_err(classify)?;
        if position.is_none() {
            report.findings.push("the index of histories does not tell how far it is complete".to_owned());
        }
        let is_dropped = position == Some(DROPPING);
        let position = position.unwrap_or(0);
        if position > last.unwrap_or(0).max(pruned) {
            report
                .findings
                .push(format!("the index of histories is said to be complete to {position}, where no row is"));
        }
        let segments = if is_dropped { Vec::new() } else { segments(conn)? };
        let is_within = |segment: &StoredSegment| segment.first <= position;
        let (coming, beyond): (Vec<StoredSegment>, Vec<StoredSegment>) = segments.into_iter().partition(is_within);
        if let Some(StoredSegment { first, .. }) = beyond.first() {
            report.findings.push(format!("the index of histories is complete to {position}, and has pages of {first}"));
        }
        Ok(Self { position, pruned, coming: coming.into(), segment: None, rows: Vec::new(), told: 0 })
    }

    /// Whether a row must be in the index.
    pub(super) fn reaches(&self, number: i64) -> bool {
        number <= self.position
    }

    /// Takes up rows that must be in the index, and compares the segments that end before them.
    pub(super) fn page(
        &mut self,
        conn: &mut AnyConnection,
        rows: Vec<MarkedRow>,
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        for row in rows {
            self.come_to(conn, row.0, report)?;
            let is_within = |segment: StoredSegment| row.0.saturating_sub(segment.first) <= MOST_OFFSET;
            if self.segment.is_some_and(is_within) {
                self.rows.push(row);
            } else {
                entries(&row).for_each(|entry| self.missing(&entry, report));
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
        self.come_to(conn, self.position, report)?;
        self.compare(conn, report)
    }

    fn come_to(&mut self, conn: &mut AnyConnection, number: i64, report: &mut AuditReport) -> Result<(), StoreError> {
        while self.coming.front().is_some_and(|next| next.first <= number) {
            // It ends where the next one begins.
            self.compare(conn, report)?;
            self.segment = self.coming.pop_front();
        }
        Ok(())
    }

    /// Compares the segment whose rows have come by.
    fn compare(&mut self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut self.rows);
        let Some(segment) = self.segment.take() else { return Ok(()) };
        let mut found = self.read(conn, segment, report)?;
        let mut ought: Vec<Entry> = rows.iter().flat_map(entries).collect();
        found.sort_unstable();
        ought.sort_unstable();
        if found == ought {
            return Ok(());
        }
        let end = self.coming.front().map_or(i64::MAX, |next| next.first).min(self.position.saturating_add(1));
        for entry in ought.iter().filter(|entry| found.binary_search(entry).is_err()) {
            self.missing(entry, report);
        }
        for entry in found.iter().filter(|entry| ought.binary_search(entry).is_err()) {
            if entry.2 >= end || !self.may_be(entry, &rows) {
                self.wrong(entry, report);
            }
        }
        Ok(())
    }

    /// What the pages of a segment say; of one that cannot be read, nothing.
    fn read(
        &mut self,
        conn: &mut AnyConnection,
        segment: StoredSegment,
        report: &mut AuditReport,
    ) -> Result<Vec<Entry>, StoreError> {
        let StoredSegment { first, pages: stored } = segment;
        let buckets: Vec<i16> = (0..BUCKETS).filter_map(|bucket| i16::try_from(bucket).ok()).collect();
        let (mut found, mut looked_up) = (Vec::new(), 0);
        for kind in HistoryKind::ALL {
            let pages = history_pages::table
                .filter(history_pages::kind.eq(kind.stored()))
                .filter(history_pages::bucket.eq_any(&buckets))
                .filter(history_pages::first.eq(first))
                .order(history_pages::bucket);
            let pages: Vec<IndexPage> = on!(&mut *conn, conn => pages.load(conn)).map_err(classify)?;
            for page in pages {
                looked_up += 1;
                match page.read() {
                    Ok(entries) => found.extend(entries.into_iter().map(|(prefix, number)| (kind, prefix, number))),
                    Err(error) => self.tell(error.to_string(), report),
                }
            }
        }
        if looked_up != stored {
            let finding =
                format!("{stored} history pages of {first} are stored, of which {looked_up} can be looked up");
            self.tell(finding, report);
        }
        Ok(found)
    }

    /// Whether an entry that no row asks for may be there all the same.
    fn may_be(&self, (kind, _, number): &Entry, rows: &[MarkedRow]) -> bool {
        match rows.binary_search_by_key(number, |row| row.0) {
            Ok(at) => rows.get(at).is_some_and(|(_, marks)| marks.is_pruned && marks.get(*kind).is_none()),
            Err(_) => *number <= self.pruned,
        }
    }

    fn missing(&mut self, (kind, _, number): &Entry, report: &mut AuditReport) {
        let by = named(*kind);
        self.tell(format!("journal row {number} is not found by its {by} in the index of histories"), report);
    }

    fn wrong(&mut self, (kind, _, number): &Entry, report: &mut AuditReport) {
        let by = named(*kind);
        self.tell(format!("the index of histories finds journal row {number} by a {by} that is not its own"), report);
    }

    fn tell(&mut self, finding: String, report: &mut AuditReport) {
        if self.told < TOLD {
            self.told += 1;
            report.findings.push(finding);
        }
    }
}

/// Every segment, the lowest first: two numbers for 16,384 rows of the journal. Where the database would sort a record of
/// every page to count them, they are counted as they come by.
fn segments(conn: &mut AnyConnection) -> Result<Vec<StoredSegment>, StoreError> {
    let mut counted: BTreeMap<i64, i64> = BTreeMap::new();
    match conn {
        AnyConnection::Sqlite(conn) => {
            let pages = history_pages::table.select(history_pages::first);
            for first in pages.load_iter::<i64, DefaultLoadingMode>(conn).map_err(classify)? {
                *counted.entry(first.map_err(classify)?).or_default() += 1;
            }
        }
        AnyConnection::Postgres(conn) => {
            let segments = history_pages::table.group_by(history_pages::first);
            let segments = segments.select((history_pages::first, diesel::dsl::count_star()));
            counted.extend(segments.load::<(i64, i64)>(conn).map_err(classify)?);
        }
    }
    Ok(counted.into_iter().map(|(first, pages)| StoredSegment { first, pages }).collect())
}

/// What a row must be found by.
fn entries((number, marks): &MarkedRow) -> impl Iterator<Item = Entry> + use<> {
    let (number, marks) = (*number, *marks);
    HistoryKind::ALL.into_iter().filter_map(move |kind| Some((kind, Prefix::of(marks.get(kind)?), number)))
}

fn named(kind: HistoryKind) -> &'static str {
    match kind {
        HistoryKind::Player => "player",
        HistoryKind::Correlation => "correlation id",
    }
}
