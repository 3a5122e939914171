//! The audit: everything that can be computed twice is, on one snapshot of the database.
//!
//! Balances from the transfers, orders from the journal, the two sides of every transfer, and the journal's hash
//! chains. The journal is read in pages, so memory is constant.

use std::collections::{BTreeMap, HashMap};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, JournalRow, OrderRow, TransferRow, WriterRow, uuid};
use super::schema::{journal, orders, transfers, writers};

use crate::ledger::chain::{self, Hash};
use crate::ledger::command::{Act, Command, GameResult};
use crate::ledger::{Done, OrderId, OrderState, Outcome, Refusal};

/// Journal rows read at a time.
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
    match conn {
        AnyConnection::Sqlite(conn) => conn.batch_execute("BEGIN"),
        AnyConnection::Postgres(conn) => {
            conn.batch_execute("SET statement_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        }
    }
    .map_err(classify)?;
    let report = audit(conn);
    on!(conn, conn => conn.batch_execute("ROLLBACK")).map_err(classify)?;
    report
}

fn audit(conn: &mut AnyConnection) -> Result<Report, StoreError> {
    let mut report = Report::default();
    JournalAudit::default().run(conn, &mut report)?;
    for (sql, says) in QUERIES {
        let rows: Vec<Offender> =
            on!(conn, conn => diesel::sql_query(format!("{sql} LIMIT {TOLD}")).load(conn)).map_err(classify)?;
        report.findings.extend(rows.into_iter().map(|row| format!("{} {says} ({})", hex(&row.id), row.detail)));
    }
    report.players = count(conn, "SELECT COUNT(*) AS count FROM players")?;
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
const QUERIES: [(&str, &str); 5] = [
    (
        "SELECT a.id, a.party || '/' || COALESCE(p.player, '?') || ' ' || a.currency || ' ' || a.bucket || ': ' || \
         CAST(a.balance AS TEXT) AS detail FROM accounts a LEFT JOIN players p ON p.id = a.player LEFT JOIN \
         (SELECT account, CAST(SUM(amount >> 32) AS BIGINT) AS high, CAST(SUM(amount & 4294967295) AS BIGINT) AS low \
         FROM (SELECT credit AS account, amount FROM transfers UNION ALL SELECT debit, -amount FROM transfers) AS moves \
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
     WHERE a.side <> 'player') AS moves GROUP BY party, currency, side ORDER BY party, currency, side";

/// What an order must look like after a journal row.
struct Expected {
    order: OrderId,
    seq: i64,
    state: OrderState,
    paid: i64,
    /// What the bet staked, where the row is the bet itself.
    staked: Option<i64>,
}

/// One pass over the journal: chains and orders.
#[derive(Default)]
struct JournalAudit {
    heads: BTreeMap<i32, (i64, Hash)>,
    /// Orders whose last change was found in the journal.
    confirmed: i64,
}

impl JournalAudit {
    fn run(mut self, conn: &mut AnyConnection, report: &mut Report) -> Result<(), StoreError> {
        let mut after = i64::MIN;
        loop {
            let page = journal::table.filter(journal::seq.gt(after)).order(journal::seq).limit(PAGE);
            let rows: Vec<JournalRow> = on!(conn, conn => page.load(conn)).map_err(classify)?;
            let (Some(first), Some(last)) = (rows.first(), rows.last()) else { break };
            let moves = transfers::table.filter(transfers::seq.between(first.seq, last.seq)).order(transfers::seq);
            let moves: Vec<TransferRow> = on!(conn, conn => moves.load(conn)).map_err(classify)?;
            after = last.seq;
            report.transfers += moves.len() as u64;
            report.commands += rows.len() as u64;
            self.page(conn, &rows, &moves, report)?;
        }
        self.finish(conn, report)
    }

    fn page(
        &mut self,
        conn: &mut AnyConnection,
        rows: &[JournalRow],
        moves: &[TransferRow],
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let by_seq: HashMap<i64, &TransferRow> = moves.iter().map(|row| (row.seq, row)).collect();
        let mut expected = Vec::new();
        for row in rows {
            self.link(row, by_seq.get(&row.seq).copied(), report)?;
            match read(row) {
                Some((command, outcome)) => expected.extend(expectation(row.seq, &command, outcome)),
                None => report.findings.push(format!("journal row {} cannot be read", row.seq)),
            }
        }
        self.compare_orders(conn, &expected, report)
    }

    fn link(&mut self, row: &JournalRow, moved: Option<&TransferRow>, report: &mut Report) -> Result<(), StoreError> {
        let (_, previous) = self.heads.get(&row.writer).copied().unwrap_or((0, chain::START));
        let movement = match moved {
            Some(moved) => Some((uuid(&moved.debit)?, uuid(&moved.credit)?, moved.amount)),
            None => None,
        };
        let key = row.key.as_deref().map(uuid).transpose()?;
        let linked = chain::Row { seq: row.seq, key, command: &row.command, outcome: &row.outcome, movement };
        if chain::link(&previous, &linked).as_slice() != row.hash.as_slice() {
            let (seq, writer) = (row.seq, row.writer);
            report.findings.push(format!("journal row {seq} does not follow from its predecessor in chain {writer}"));
        }
        // Go on from the stored hash, so that one altered row is one finding.
        let head = row.hash.as_slice().try_into().unwrap_or(previous);
        self.heads.insert(row.writer, (row.seq, head));
        Ok(())
    }

    fn compare_orders(
        &mut self,
        conn: &mut AnyConnection,
        expected: &[Expected],
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let ids: Vec<Bytes> = expected.iter().map(|expected| expected.order.uuid().as_bytes().to_vec()).collect();
        let mut found: HashMap<Bytes, OrderRow> = HashMap::new();
        for ids in ids.chunks(500) {
            let named = orders::table.filter(orders::id.eq_any(ids));
            let rows: Vec<OrderRow> = on!(conn, conn => named.load(conn)).map_err(classify)?;
            found.extend(rows.into_iter().map(|row| (row.id.clone(), row)));
        }
        for (expected, id) in expected.iter().zip(&ids) {
            let name = hex(id);
            let Some(row) = found.get(id) else {
                report.findings.push(format!("{name} is an order of journal row {} and is missing", expected.seq));
                continue;
            };
            // A bet that was refused for another reason leaves a tombstone as it found it.
            let tombstone = row.state == OrderState::Tombstone.as_str() && row.changed_seq < expected.seq;
            if tombstone && expected.state == OrderState::Refused {
                continue;
            }
            if expected.staked.is_some_and(|staked| row.stake != Some(staked)) {
                report.findings.push(format!("{name} is an order whose stake is not that of its bet"));
            }
            if row.changed_seq < expected.seq {
                report.findings.push(format!("{name} is an order that journal row {} did not reach", expected.seq));
            } else if row.changed_seq == expected.seq {
                self.confirmed += 1;
                if row.state != expected.state.as_str() || row.paid != expected.paid {
                    let (state, paid) = (&row.state, row.paid);
                    let (ought, pay) = (expected.state.as_str(), expected.paid);
                    report
                        .findings
                        .push(format!("{name} is an order {state} with {paid} paid, not {ought} with {pay}"));
                }
            }
        }
        Ok(())
    }

    fn finish(self, conn: &mut AnyConnection, report: &mut Report) -> Result<(), StoreError> {
        report.orders = count(conn, "SELECT COUNT(*) AS count FROM orders")?;
        if report.orders != self.confirmed {
            let (orders, confirmed) = (report.orders, self.confirmed);
            report.findings.push(format!("{orders} orders are stored, and the journal accounts for {confirmed}"));
        }
        let chains: Vec<WriterRow> = on!(conn, conn => writers::table.load(conn)).map_err(classify)?;
        for writer in chains {
            let (seq, head) = self.heads.get(&writer.id).copied().unwrap_or((0, chain::START));
            if writer.last_seq != seq || writer.head != head {
                let (id, last) = (writer.id, writer.last_seq);
                report.findings.push(format!("chain {id} ends at journal row {seq}, and was left at {last}"));
            }
        }
        Ok(())
    }
}

fn read(row: &JournalRow) -> Option<(Command, Outcome)> {
    Some((serde_json::from_str(&row.command).ok()?, serde_json::from_str(&row.outcome).ok()?))
}

/// What a journal row did to its order, if anything.
fn expectation(seq: i64, command: &Command, outcome: Outcome) -> Option<Expected> {
    let order = command.clone().keyed().order?;
    let (state, paid) = match (&command.act, outcome) {
        (Act::PlaceBet(_), Outcome::Done(_)) => (OrderState::Open, 0),
        // The tombstone that refused the bet stays.
        (Act::PlaceBet(_), Outcome::Refused(Refusal::OrderCancelled)) => return None,
        (Act::PlaceBet(_), Outcome::Refused(_)) => (OrderState::Refused, 0),
        (Act::SettleOrder(settle), Outcome::Done(Done::OrderSettled { paid })) => {
            let state = match settle.result {
                GameResult::Win(_) => OrderState::Won,
                GameResult::Tie(_) => OrderState::Tied,
                GameResult::Lose(_) => OrderState::Lost,
            };
            (state, paid)
        }
        (Act::CancelOrder(_), Outcome::Done(Done::OrderCancelled { refunded })) => (OrderState::Cancelled, refunded),
        (Act::CancelOrder(_), Outcome::Refused(Refusal::OrderUnknown)) => (OrderState::Tombstone, 0),
        _ => return None,
    };
    let staked = match &command.act {
        Act::PlaceBet(bet) => Some(bet.stake.minor()),
        _ => None,
    };
    Some(Expected { order, seq, state, paid, staked })
}

fn hex(id: &[u8]) -> String {
    uuid(id).map(|id| id.to_string()).unwrap_or_else(|_| "?".to_owned())
}
