//! The audit: everything that can be computed twice is, on one snapshot of the database.
//!
//! Balances from the transfers, orders and players from the [`journal`], the two sides of every transfer, the
//! journal's hash chains, and every [`names`] that is a digest. Tables are read in pages, so memory is constant.

mod journal;
mod chains;
mod players;
mod stakes;
mod names;
mod partners;
mod digest;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::queries::{AnyConnection, classify, on, snapshot};
use super::rows::{Bytes, uuid};

/// Rows read at a time.
const PAGE: i64 = 5_000;

/// Findings of one kind that are told; the rest is counted.
const TOLD: i64 = 20;

/// What the audit saw, and what is wrong.
#[derive(Debug, Default, serde::Serialize)]
pub struct Report {
    pub commands: u64,
    pub transfers: u64,
    pub orders: i64,
    pub players: i64,
    /// Per party and currency, minor units: they add up to nothing.
    pub books: Vec<Book>,
    /// Each names a row and what disagrees. Empty: the ledger is sound.
    pub findings: Vec<String>,
    /// SHA-256 of everything that the ledger holds, where it was asked for: two ledgers with one digest are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
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

/// Runs the audit.
pub fn run(conn: &mut AnyConnection) -> Result<Report, StoreError> {
    snapshot(conn, audit)
}

/// Runs the audit, and makes the digest of the same snapshot.
pub fn run_with_digest(conn: &mut AnyConnection) -> Result<Report, StoreError> {
    snapshot(conn, |conn| {
        let report = audit(conn)?;
        Ok(Report { digest: Some(digest::digest(conn)?), ..report })
    })
}

fn audit(conn: &mut AnyConnection) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let opened = journal::JournalAudit::begin(conn)?.run(conn, &mut report)?;
    names::audit(conn, &mut report)?;
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
    let sums: Vec<Sum> = on!(conn, conn => diesel::sql_query(BOOKS).load(conn)).map_err(classify)?;
    report.books = books(sums);
    for book in &report.books {
        let sum = book.players + book.house + book.cashier;
        if sum != 0 {
            let (party, currency) = (&book.party, &book.currency);
            report.findings.push(format!("books of {party} in {currency} do not add up: off by {sum}"));
        }
    }
    Ok(report)
}

/// Puts the sums of each party and currency together; they come in that order.
fn books(sums: Vec<Sum>) -> Vec<Book> {
    let mut books: Vec<Book> = Vec::new();
    for sum in sums {
        let total = (i128::from(sum.high) << 32) + i128::from(sum.low);
        if books.last().is_none_or(|book| book.party != sum.party || book.currency != sum.currency) {
            let Sum { party, currency, .. } = sum;
            books.push(Book { party, currency, players: 0, house: 0, cashier: 0 });
        }
        if let Some(book) = books.last_mut() {
            match sum.side.as_str() {
                "house" => book.house = total,
                "cashier" => book.cashier = total,
                _ => book.players += total,
            }
        }
    }
    books
}

/// Money of one side in one currency, which may be more than 64 bits hold: its halves are summed apart.
#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = Text)]
    party: String,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Text)]
    side: String,
    #[diesel(sql_type = BigInt)]
    high: i64,
    #[diesel(sql_type = BigInt)]
    low: i64,
}

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

/// Each finds rows that disagree with others; both databases understand them. Sums are made of halves, so that none
/// of them overflows.
const QUERIES: [(&str, &str); 6] = [
    (
        "SELECT a.id, a.party || '/' || COALESCE(p.player, '?') || ' ' || a.currency || ' ' || a.bucket || ': ' || \
         CAST(a.balance AS TEXT) AS detail FROM accounts a LEFT JOIN players p ON p.id = a.player LEFT JOIN \
         (SELECT account, CAST(SUM(amount >> 32) AS BIGINT) AS high, CAST(SUM(amount & 4294967295) AS BIGINT) AS low \
         FROM (SELECT credit AS account, amount FROM transfers UNION ALL SELECT debit, -amount FROM transfers \
         UNION ALL SELECT account, amount FROM carried) AS moves \
         GROUP BY account) AS t ON t.account = a.id WHERE a.side = 'player' \
         AND (COALESCE(t.high + (t.low >> 32), 0) <> a.balance >> 32 \
         OR COALESCE(t.low & 4294967295, 0) <> a.balance & 4294967295)",
        "is an account whose balance is not the sum of its transfers",
    ),
    (
        "SELECT id, CAST(balance AS TEXT) AS detail FROM accounts WHERE balance < 0 OR (side <> 'player' AND balance <> 0)",
        "is an account with an impossible balance",
    ),
    (
        "SELECT t.debit AS id, CAST(t.seq AS TEXT) AS detail FROM transfers t LEFT JOIN accounts d ON d.id = t.debit \
         LEFT JOIN accounts c ON c.id = t.credit WHERE d.id IS NULL OR c.id IS NULL OR d.currency <> c.currency \
         OR d.party <> c.party OR d.id = c.id",
        "is debited by a transfer between accounts that do not belong together, by its seq",
    ),
    (
        "SELECT t.account AS id, CAST(t.amount AS TEXT) AS detail FROM carried t LEFT JOIN accounts d ON d.id = t.account \
         LEFT JOIN accounts c ON c.id = t.counterpart WHERE d.id IS NULL OR c.id IS NULL OR d.currency <> c.currency \
         OR d.party <> c.party OR d.side <> 'player' OR c.side = 'player'",
        "is an account of which something is carried that does not belong there, by its amount",
    ),
    (
        "SELECT t.debit AS id, CAST(t.seq AS TEXT) AS detail FROM transfers t LEFT JOIN journal j ON j.seq = t.seq \
         WHERE j.seq IS NULL",
        "is debited by a transfer without a command, by its seq",
    ),
    (
        "SELECT a.id, a.party AS detail FROM accounts a LEFT JOIN players p ON p.id = a.player \
         WHERE a.side = 'player' AND p.id IS NULL",
        "is an account without a player",
    ),
];

const BOOKS: &str = "SELECT party, currency, side, CAST(SUM(amount >> 32) AS BIGINT) AS high, \
     CAST(SUM(amount & 4294967295) AS BIGINT) AS low FROM \
     (SELECT a.party, a.currency, a.side, a.balance AS amount FROM accounts a WHERE a.side = 'player' \
     UNION ALL SELECT a.party, a.currency, a.side, t.amount FROM accounts a JOIN transfers t ON t.credit = a.id \
     WHERE a.side <> 'player' \
     UNION ALL SELECT a.party, a.currency, a.side, -t.amount FROM accounts a JOIN transfers t ON t.debit = a.id \
     WHERE a.side <> 'player' \
     UNION ALL SELECT a.party, a.currency, a.side, -c.amount FROM accounts a JOIN carried c ON c.counterpart = a.id \
     WHERE a.side <> 'player') AS moves GROUP BY party, currency, side ORDER BY party, currency, side";

fn hex(id: &[u8]) -> String {
    uuid(id).map(|id| id.to_string()).unwrap_or_else(|_| "?".to_owned())
}
