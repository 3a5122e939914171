//! What only partner dialects write, against the journal: transactions and their states, voids, and what the [shop](super::shop)
//! has. What must be stored of each row the ledger's areas say (`expected`).

mod stored;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::shop::ShopAudit;
use super::{AuditReport, TOLD, count};
use crate::ledger::Done;
use crate::ledger::command::Act;
use crate::ledger::recorded::DoneRow;
use crate::ledger::transactions::expected::{TransactionCounts, compare};
use crate::storage::StoreError;
use crate::storage::queries::{AnyConnection, classify, on};
use stored::Stored;
pub(super) use stored::found_by;

/// What is wrong with a row that says so.
pub(super) const CONTRADICTION: &str = "something was done that its act does not do";

/// What the journal has told so far.
#[derive(Default)]
pub(super) struct PartnersAudit {
    counts: TransactionCounts,
    shop: ShopAudit,
}

impl PartnersAudit {
    /// Compares what the rows of a page did with what is stored.
    pub(super) fn page(
        &mut self,
        conn: &mut AnyConnection,
        page: &[DoneRow],
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        if page.is_empty() {
            return Ok(());
        }
        let stored = Stored::load(conn, page, report)?;
        self.shop.read(conn, page)?;
        for row in page {
            let wrong = match (&row.keyed.command.act, row.done) {
                (Act::Transaction(act), Done::Transaction(done)) => {
                    let (counts, compared) = compare(&stored.transactions, row, act, done);
                    self.counts += counts;
                    compared.err().map(|mismatch| mismatch.to_string())
                }
                (Act::Shop(act), Done::Shop(done)) => self.shop.row(conn, row, act, done)?,
                (Act::Account(_) | Act::Order(_) | Act::Transaction(_) | Act::Shop(_), _) => {
                    Some(CONTRADICTION.to_owned())
                }
            };
            report.findings.extend(wrong.map(|wrong| format!("{wrong} (journal row {})", row.seq)));
        }
        Ok(())
    }

    /// Compares what there is at last, and how much of it.
    pub(super) fn finish(self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
        let counts = [
            ("transactions", "SELECT COUNT(*) AS count FROM transactions", self.counts.transactions),
            ("voids", "SELECT COUNT(*) AS count FROM voids", self.counts.queued),
            (
                "attempts after a dismissal",
                "SELECT CAST(COALESCE(SUM(attempt), 0) AS BIGINT) AS count FROM voids",
                self.counts.queued_again,
            ),
            ("resolved voids", "SELECT COUNT(*) AS count FROM voids WHERE state <> 'pending'", self.counts.resolved),
        ];
        compare_counts(conn, &counts, report)?;
        disagreements(conn, &QUERIES, report)?;
        self.shop.finish(conn, report)
    }
}

/// Of each: what it is, how many are counted, and how many there must be.
pub(super) fn compare_counts(
    conn: &mut AnyConnection,
    counts: &[(&str, &str, i64)],
    report: &mut AuditReport,
) -> Result<(), StoreError> {
    for (what, sql, told) in counts {
        let stored = count(conn, sql)?;
        if stored != *told {
            report.findings.push(format!("{stored} {what} are stored, and the journal accounts for {told}"));
        }
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Numbered {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Each finds rows that disagree with others.
const QUERIES: [(&str, &str); 2] = [
    (
        "SELECT t.number, t.state AS detail FROM transactions t LEFT JOIN transactions e ON e.number = t.ended_by \
         WHERE (t.ended_by IS NULL) <> (t.state NOT IN \
         ('settled', 'voided', 'rolled_back', 'payment_voided', 'payment_rolled_back')) \
         OR (t.ended_by IS NOT NULL AND (e.number IS NULL OR e.source IS NULL OR e.source <> t.number))",
        "is a transaction that was ended by none",
    ),
    (
        "SELECT v.source AS number, v.state AS detail FROM voids v LEFT JOIN transactions t ON t.number = v.source \
         WHERE t.number IS NULL OR t.player <> v.player",
        "is a void of no transaction",
    ),
];

/// What queries find that find rows which disagree with others.
pub(super) fn disagreements(
    conn: &mut AnyConnection,
    queries: &[(&str, &str)],
    report: &mut AuditReport,
) -> Result<(), StoreError> {
    for (sql, says) in queries {
        let rows: Vec<Numbered> =
            on!(conn, conn => diesel::sql_query(format!("{sql} LIMIT {TOLD}")).load(conn)).map_err(classify)?;
        report.findings.extend(rows.into_iter().map(|row| format!("{} {says} ({})", row.number, row.detail)));
    }
    Ok(())
}
