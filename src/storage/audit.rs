//! The audit: everything that can be computed twice is, on one snapshot of the database.
//!
//! Balances from the transfers ([`accounts`]), orders and players from the [`journal`], the two sides of every [transfer](transfers),
//! the journal's hash chains, the [`trail`], what a second person had to approve ([`approvals`]), and every [`names`] that is a digest. Tables are read in pages, so memory is constant.

mod journal;
mod chains;
mod players;
mod usernames;
mod stakes;
mod transfers;
mod accounts;
mod names;
mod orders;
mod partners;
mod shop;
mod histories;
mod digest;
mod trail;
mod approvals;
mod turn;

use std::sync::atomic::{AtomicI64, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use self::accounts::Slice;
use self::digest::Digest;
use self::journal::{JournalAudit, Passed};
use self::orders::Orders;
pub use self::trail::TrailEnd;
pub use self::turn::AuditTurn;
use super::StoreError;
use super::journal::BY_INDEX;
use super::queries::{AnyConnection, classify, on, snapshot};
use super::rows::{Bytes, uuid};
use super::schema::journal as journal_rows;

/// Rows read at a time.
const PAGE: i64 = 2_500;

/// Findings of one kind that are told; the rest is counted.
const TOLD: i64 = 20;

/// What the audit saw, and what is wrong.
#[derive(Debug, Default, serde::Serialize)]
pub struct AuditReport {
    pub commands: u64,
    pub transfers: u64,
    pub orders: i64,
    pub players: i64,
    /// Per party and currency, minor units: they add up to nothing.
    pub books: Vec<Book>,
    /// Each names a row and what disagrees. Empty: the ledger is sound.
    pub findings: Vec<String>,
    /// Of everything that the ledger holds, in hexadecimal: two ledgers with one digest are the same.
    pub digest: String,
    /// Where each chain of the journal ends.
    pub heads: Vec<ChainHead>,
    /// Where the trail of operators' acts ends. No part of the digest: it is of this ledger alone.
    pub trail: TrailEnd,
}

/// The end of one chain. To be written down elsewhere: whoever rewrites rows, and everything that follows from them, changes it.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChainHead {
    pub chain: i32,
    /// The journal row that it ends at.
    pub seq: i64,
    /// A hash over all of its rows, and over all that pruning left of earlier ones; hexadecimal.
    pub head: String,
}

/// One party's money in one currency.
#[derive(Debug, serde::Serialize)]
pub struct Book {
    pub party: String,
    pub currency: String,
    /// What the players have.
    pub players: i128,
    /// What the house has won, less what it has lost.
    pub house: i128,
    /// Withdrawals less deposits.
    pub cashier: i128,
}

impl Book {
    fn empty(party: &str, currency: &str) -> Self {
        Self { party: party.to_owned(), currency: currency.to_owned(), players: 0, house: 0, cashier: 0 }
    }
}

/// How far an audit has come, for whoever waits for it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    reached: AtomicI64,
    last: AtomicI64,
}

impl Progress {
    /// The number of the journal row that it has reached, and of the last one.
    pub fn reached(&self) -> (i64, i64) {
        (self.reached.load(Ordering::Relaxed), self.last.load(Ordering::Relaxed))
    }

    fn begin(&self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        let last = journal_rows::table.select(diesel::dsl::max(journal_rows::seq));
        let last: Option<i64> = on!(conn, conn => last.first(conn)).map_err(classify)?;
        self.last.store(last.unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }
}

/// Runs the audit.
pub fn run(conn: &mut AnyConnection) -> Result<AuditReport, StoreError> {
    run_with(conn, &Progress::default())
}

/// The same, and tells how far it has come.
pub(crate) fn run_with(conn: &mut AnyConnection, progress: &Progress) -> Result<AuditReport, StoreError> {
    snapshot(conn, |conn| audit(conn, None, progress))
}

/// The same with the accounts in so many slices. For tests: a ledger that needs several has a million accounts.
#[doc(hidden)]
pub fn run_in_slices(conn: &mut AnyConnection, slices: u64) -> Result<AuditReport, StoreError> {
    snapshot(conn, |conn| audit(conn, Some(slices), &Progress::default()))
}

/// `slices`: of accounts, where there shall be another number of them.
fn audit(conn: &mut AnyConnection, slices: Option<u64>, progress: &Progress) -> Result<AuditReport, StoreError> {
    let mut report = AuditReport::default();
    progress.begin(conn)?;
    along_indexes(conn, true)?;
    let orders = Orders::begin(conn, &mut report)?;
    let sums = Slice::first(conn, slices)?;
    let Passed { opened, stakes, sums, mut digest } =
        JournalAudit::begin(conn, &orders, sums, Digest::default(), &mut report)?.run(conn, &mut report, progress)?;
    names::audit(conn, &mut digest, &mut report)?;
    report.books = accounts::audit(conn, &orders, sums, &stakes, &mut digest, &mut report)?;
    report.digest = digest.finish(conn)?;
    trail::audit(conn, &mut report)?;
    approvals::audit(conn, &mut report)?;
    along_indexes(conn, false)?;
    for (sql, says) in QUERIES {
        let rows: Vec<Offender> =
            on!(conn, conn => diesel::sql_query(format!("{sql} LIMIT {TOLD}")).load(conn)).map_err(classify)?;
        report.findings.extend(rows.into_iter().map(|row| format!("{} {says} ({})", hex(&row.id), row.detail)));
    }
    report.players = count(conn, "SELECT COUNT(*) AS count FROM players")?;
    if report.players != opened {
        let players = report.players;
        report.findings.push(format!("{players} players are stored, and the journal opened {opened}"));
    }
    for book in &report.books {
        let sum = book.players + book.house + book.cashier;
        if sum != 0 {
            let (party, currency) = (&book.party, &book.currency);
            report.findings.push(format!("books of {party} in {currency} do not add up: off by {sum}"));
        }
    }
    Ok(report)
}

/// Whether Postgres reads pages along their index, whatever it thinks of tables that have just grown: else each page
/// might cost a pass over its table. What compares whole tables is left to its judgement.
fn along_indexes(conn: &mut AnyConnection, always: bool) -> Result<(), StoreError> {
    let AnyConnection::Postgres(conn) = conn else { return Ok(()) };
    conn.batch_execute(if always { BY_INDEX } else { AS_IT_LIKES }).map_err(classify)
}

const AS_IT_LIKES: &str = "SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on; SET LOCAL enable_sort = on";

#[derive(QueryableByName)]
struct Offender {
    #[diesel(sql_type = Binary)]
    id: Bytes,
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(conn: &mut AnyConnection, sql: &str) -> Result<i64, StoreError> {
    on!(conn, conn => diesel::sql_query(sql).get_result::<Count>(conn)).map(|row| row.count).map_err(classify)
}

/// Each finds rows that disagree with others; both databases understand them. None makes SQLite sort a whole table,
/// which it would do in memory.
const QUERIES: [(&str, &str); 3] = [
    (
        "SELECT id, CAST(balance AS TEXT) AS detail FROM accounts WHERE balance < 0 OR (side <> 'player' AND balance <> 0)",
        "is an account with an impossible balance",
    ),
    (
        "SELECT t.account AS id, CAST(t.amount AS TEXT) AS detail FROM carried t LEFT JOIN accounts d ON d.id = t.account \
         LEFT JOIN accounts c ON c.id = t.counterpart WHERE d.id IS NULL OR c.id IS NULL OR d.currency <> c.currency \
         OR d.party <> c.party OR d.side <> 'player' OR c.side = 'player'",
        "is an account of which something is carried that does not belong there, by its amount",
    ),
    (
        "SELECT a.id, a.party AS detail FROM accounts a LEFT JOIN players p ON p.id = a.player \
         WHERE a.side = 'player' AND p.id IS NULL",
        "is an account without a player",
    ),
];

fn hex(id: &[u8]) -> String {
    uuid(id).map(|id| id.to_string()).unwrap_or_else(|_| "?".to_owned())
}
