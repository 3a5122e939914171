//! Whoever follows the journal and writes the index of histories, a segment at a time.
//!
//! It reads every row once, by its number, in pages. What it has gathered it keeps until a segment is full; then it
//! moves the position and writes the segment's pages, in one transaction, provided that the position is where it began:
//! of two at once, one writes, and a crash at any moment leaves the position before all that is missing.
//!
//! | database | statements a segment | what is locked |
//! |---|---|---|
//! | SQLite | the position's update, and some 128 inserts | the file, for a millisecond or two |
//! | Postgres | the position's update, and one insert | the position's row |
//!
//! Numbers are taken before they are committed. A row that follows the one before it without a gap cannot be overtaken;
//! beyond a gap it is taken only when every transaction is over that was under way as the gap was first met. Nothing that
//! is committed later can then lie within it, so there are no gaps to remember.

use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, SmallInt};

use super::marks::Marks;
use super::pages::{IndexPage, Segment};
use super::{DROPPING, POSITION, position};
use crate::storage::StoreError;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::Bytes;
use crate::storage::schema::{history_pages, history_position, journal};

/// Journal rows of a segment: what look-ups read row by row behind the position. More would make that longer, fewer the
/// look-ups' way through the pages.
pub(crate) const SEGMENT: usize = 16_384;

/// Journal rows that are read at a time.
const PAGE: i64 = 1_000;

/// Pages that are dropped in one transaction.
const DROPPED_AT_ONCE: i64 = 1_000;

/// Looks for a moment at which nobody writes to SQLite's file, and the pause between them.
const LOOKS: u32 = 1_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What is read and written here can be read and written again, so no commit waits for the disk: on SQLite it holds the
/// lock for which everybody else waits, on Postgres it would share the disk with them. Journal pages are read along the
/// index, whatever the planner thinks of a table that has just grown.
const SQLITE_SETTINGS: &str = "PRAGMA synchronous = NORMAL";
const POSTGRES_SETTINGS: &str =
    "SET synchronous_commit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off";

/// Settings of a connection that an index is written on.
pub fn prepare(conn: &mut AnyConnection) -> Result<(), StoreError> {
    match conn {
        AnyConnection::Sqlite(conn) => conn.batch_execute(SQLITE_SETTINGS),
        AnyConnection::Postgres(conn) => conn.batch_execute(POSTGRES_SETTINGS),
    }
    .map_err(classify)
}

/// Whether this session is the one that follows, until it ends; on SQLite every program's is. Of several processes the
/// others would read the journal for nothing. The lock is named after the table: ledgers in other schemas have theirs.
pub(crate) fn take_lead(conn: &mut AnyConnection) -> Result<bool, StoreError> {
    const TAKE: &str = "SELECT pg_try_advisory_lock(1347768916, 'history_position'::regclass::oid::int) AS taken";
    #[derive(QueryableByName)]
    struct Taken {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        taken: bool,
    }
    match conn {
        AnyConnection::Sqlite(_) => Ok(true),
        AnyConnection::Postgres(conn) => {
            diesel::sql_query(TAKE).get_result(conn).map(|row: Taken| row.taken).map_err(classify)
        }
    }
}

/// What one step did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct IndexStep {
    /// Journal rows that were read.
    pub read: usize,
    /// Journal rows that are in the index now and were not before.
    pub indexed: usize,
    /// Whether the next step has something to do at once.
    pub has_more: bool,
}

/// Follows the journal. What it holds it can read again, so it may be dropped at any time.
#[derive(Debug)]
pub struct Indexer {
    rows_of_segment: usize,
    gathered: Gathered,
    horizon: Horizon,
}

/// The segment that is being gathered.
#[derive(Debug, Default)]
struct Gathered {
    /// The position that it follows.
    position: i64,
    /// The last number that is in it.
    last: i64,
    rows: usize,
    segment: Segment,
    is_full: bool,
}

/// Up to which number nothing can appear any more.
#[derive(Debug)]
enum Horizon {
    /// There is one writer at a time.
    Everything,
    Known {
        settled: i64,
        asked: Option<Transactions>,
    },
}

/// Transactions as they stand.
#[derive(Debug, Clone, Copy, QueryableByName)]
struct Transactions {
    /// The journal's last number.
    #[diesel(sql_type = Nullable<BigInt>)]
    last: Option<i64>,
    /// The oldest that is under way, and the next that will be.
    #[diesel(sql_type = BigInt)]
    oldest: i64,
    #[diesel(sql_type = BigInt)]
    next: i64,
}

/// `seq`, `party`, `command`.
type Row = (i64, String, String);

impl Indexer {
    pub fn new(rows_of_segment: usize) -> Self {
        let horizon = Horizon::Known { settled: 0, asked: None };
        Self { rows_of_segment, gathered: Gathered::default(), horizon }
    }

    /// Reads the next rows, or writes the segment that they have filled. Bounded in time: one page of rows, or one segment.
    pub fn step(&mut self, conn: &mut AnyConnection) -> Result<IndexStep, StoreError> {
        if matches!(conn, AnyConnection::Sqlite(_)) {
            self.horizon = Horizon::Everything;
        }
        let position = position(conn)?;
        if position == DROPPING {
            drop_some(conn)?;
            return Ok(IndexStep { has_more: true, ..IndexStep::default() });
        }
        if self.gathered.position != position {
            self.gathered = Gathered::after(position);
        }
        if self.gathered.is_full {
            return self.write(conn);
        }
        let rows = self.next_rows(conn)?;
        let mut step =
            IndexStep { has_more: i64::try_from(rows.len()).is_ok_and(|rows| rows == PAGE), ..IndexStep::default() };
        for row in &rows {
            if !self.horizon.is_settled(self.gathered.last, row.0) {
                step.has_more = self.horizon.ask(conn)?;
                break;
            }
            if !self.gathered.take(row, self.rows_of_segment)? {
                break;
            }
            step.read += 1;
        }
        step.has_more |= self.gathered.is_full;
        Ok(step)
    }

    /// Whether it waits for a row that may still be committed, or for a moment to write.
    pub fn waits(&self) -> bool {
        let is_beyond = |then: &Transactions| then.last > Some(self.gathered.last);
        let is_asked = match &self.horizon {
            Horizon::Everything => false,
            Horizon::Known { settled, asked } => {
                asked.as_ref().is_some_and(|then| is_beyond(then) && then.last > Some(*settled))
            }
        };
        self.gathered.is_full || is_asked
    }

    fn next_rows(&self, conn: &mut AnyConnection) -> Result<Vec<Row>, StoreError> {
        let next = journal::table.filter(journal::seq.gt(self.gathered.last)).order(journal::seq).limit(PAGE);
        let next = next.select((journal::seq, journal::party, journal::command));
        on!(conn, conn => next.load(conn)).map_err(classify)
    }

    /// Writes what is gathered, and begins anew: where another was faster, too.
    fn write(&mut self, conn: &mut AnyConnection) -> Result<IndexStep, StoreError> {
        if !begin_when_free(conn)? {
            return Ok(IndexStep::default());
        }
        let Gathered { position, last, rows, .. } = self.gathered;
        let pages = self.gathered.segment.pages();
        let is_first = ended(conn, |conn| {
            let from = history_position::table.find(POSITION).filter(history_position::number.eq(position));
            let moving = diesel::update(from).set(history_position::number.eq(last));
            let moved = on!(conn, conn => moving.execute(conn)).map_err(classify)?;
            if moved == 1 {
                insert(conn, &pages).map_err(classify)?;
            }
            Ok(moved == 1)
        })?;
        self.gathered = Gathered::after(last);
        Ok(IndexStep { indexed: if is_first { rows } else { 0 }, has_more: true, ..IndexStep::default() })
    }
}

impl Gathered {
    fn after(position: i64) -> Self {
        Self { position, last: position, ..Self::default() }
    }

    /// Whether the row is one of this segment's.
    fn take(&mut self, (number, party, command): &Row, rows_of_segment: usize) -> Result<bool, StoreError> {
        if self.is_full || !self.segment.reaches(*number) {
            self.is_full = true;
            return Ok(false);
        }
        self.segment.add(*number, Marks::of(party, command).digests)?;
        self.last = *number;
        self.rows += 1;
        self.is_full = self.rows >= rows_of_segment;
        Ok(true)
    }
}

impl Horizon {
    /// Whether nothing can appear any more between `last` and `number`.
    fn is_settled(&self, last: i64, number: i64) -> bool {
        match self {
            Self::Everything => true,
            Self::Known { settled, .. } => number <= *settled || number.saturating_sub(last) == 1,
        }
    }

    /// Looks at what is under way. Whether that is news: rows that were missing have to be looked for once more, since
    /// they may have appeared until now.
    ///
    /// A transaction locks its writer's row, and so has its own number, before it takes journal numbers. Whatever took
    /// one below `last` is therefore older than `next`, and over when the oldest is not.
    fn ask(&mut self, conn: &mut AnyConnection) -> Result<bool, StoreError> {
        const ASK: &str = "SELECT (SELECT max(seq) FROM journal) AS last, txid_snapshot_xmin(now) AS oldest, \
                           txid_snapshot_xmax(now) AS next FROM txid_current_snapshot() AS now";
        let (Self::Known { settled, asked }, AnyConnection::Postgres(conn)) = (self, conn) else { return Ok(true) };
        let now: Transactions = diesel::sql_query(ASK).get_result(conn).map_err(classify)?;
        let before = *settled;
        let over = asked.take_if(|then| now.oldest >= then.next);
        let over = if now.oldest >= now.next { Some(now) } else { over };
        *settled = over.and_then(|then| then.last).unwrap_or(before).max(before);
        asked.get_or_insert(now);
        Ok(*settled > before)
    }
}

/// Lets the index be built anew: what there is of it is dropped, by whoever follows.
pub fn rebuild(conn: &mut AnyConnection) -> Result<(), StoreError> {
    let dropping = diesel::update(history_position::table.find(POSITION)).set(history_position::number.eq(DROPPING));
    on!(conn, conn => dropping.execute(conn)).map(drop).map_err(classify)
}

/// Drops some pages of a former index; after the last of them the position is the journal's beginning.
fn drop_some(conn: &mut AnyConnection) -> Result<(), StoreError> {
    if !begin_when_free(conn)? {
        return Ok(());
    }
    ended(conn, |conn| {
        const SOME: &str = "DELETE FROM history_pages WHERE (kind, bucket, first) IN \
                            (SELECT kind, bucket, first FROM history_pages LIMIT ";
        let some = diesel::sql_query(format!("{SOME}{DROPPED_AT_ONCE})"));
        let dropped = on!(conn, conn => some.execute(conn)).map_err(classify)?;
        if dropped > 0 {
            return Ok(());
        }
        let dropping = history_position::table.find(POSITION).filter(history_position::number.eq(DROPPING));
        let begin = diesel::update(dropping).set(history_position::number.eq(0));
        on!(conn, conn => begin.execute(conn)).map(drop).map_err(classify)
    })
}

/// Begins a transaction. On SQLite it waits for a moment at which nobody writes, and looks for it often: commands that
/// come back to back leave moments of a fraction of a millisecond, and SQLite's own looks are further and further apart.
/// `false` where there was none, so that it can be tried later: nobody waits for this.
fn begin_when_free(conn: &mut AnyConnection) -> Result<bool, StoreError> {
    let conn = match conn {
        AnyConnection::Sqlite(conn) => conn,
        AnyConnection::Postgres(conn) => return conn.batch_execute("BEGIN").map(|()| true).map_err(classify),
    };
    conn.batch_execute("PRAGMA busy_timeout = 0").map_err(classify)?;
    let mut begun = Ok(false);
    for _ in 0..LOOKS {
        begun = match conn.batch_execute("BEGIN IMMEDIATE").map_err(classify) {
            Err(StoreError::Outage(_)) => Ok(false),
            ended => ended.map(|()| true),
        };
        if !matches!(begun, Ok(false)) {
            break;
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    conn.batch_execute("PRAGMA busy_timeout = 5000").map_err(classify)?;
    begun
}

/// Ends the transaction that was begun: well where `work` did.
fn ended<T>(
    conn: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let worked = work(conn);
    let end = if worked.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = on!(conn, conn => conn.batch_execute(end)).map_err(classify);
    let done = worked?;
    ended.map(|()| done)
}

/// One statement on Postgres; row by row into SQLite, where Diesel would begin a transaction of its own for several.
fn insert(conn: &mut AnyConnection, pages: &[IndexPage]) -> QueryResult<()> {
    match conn {
        AnyConnection::Sqlite(conn) => {
            for page in pages {
                diesel::insert_into(history_pages::table).values(page).execute(conn)?;
            }
        }
        AnyConnection::Postgres(conn) => {
            let kinds: Vec<i16> = pages.iter().map(|page| page.kind).collect();
            let buckets: Vec<i16> = pages.iter().map(|page| page.bucket).collect();
            let firsts: Vec<i64> = pages.iter().map(|page| page.first).collect();
            let entries: Vec<&Bytes> = pages.iter().map(|page| &page.entries).collect();
            diesel::sql_query(
                "INSERT INTO history_pages (kind, bucket, first, entries) SELECT * FROM unnest($1, $2, $3, $4)",
            )
            .bind::<Array<SmallInt>, _>(kinds)
            .bind::<Array<SmallInt>, _>(buckets)
            .bind::<Array<BigInt>, _>(firsts)
            .bind::<Array<Binary>, _>(entries)
            .execute(conn)?;
        }
    }
    Ok(())
}
