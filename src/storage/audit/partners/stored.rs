//! What is stored of everything that a page of the journal tells of, looked up in bulk.

use std::collections::BTreeSet;

use diesel::prelude::*;

use crate::ledger::Done;
use crate::ledger::command::Act;
use crate::ledger::recorded::DoneRow;
use crate::ledger::transactions::expected::expected_keys;
use crate::ledger::transactions::{TransactionKeys, Transactions};
use crate::storage::StoreError;
use crate::storage::audit::AuditReport;
use crate::storage::partners::{IDS_AT_ONCE, TransactionRow, VoidRow, all_bytes};
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::schema::{transactions, voids};

/// Runs one query for every [`IDS_AT_ONCE`] of `ids` and puts what they find into one list.
macro_rules! found_by {
    ($conn:expr, $ids:expr, |$chunk:ident| $query:expr) => {{
        let ids: Vec<_> = $ids.into_iter().collect();
        let mut found = Vec::new();
        for $chunk in ids.chunks(IDS_AT_ONCE) {
            let query = $query;
            found.extend(on!(&mut *$conn, conn => query.load(conn)).map_err(classify)?);
        }
        found
    }};
}
pub(in crate::storage::audit) use found_by;

#[derive(Default)]
pub(super) struct Stored {
    pub transactions: Transactions,
}

impl Stored {
    /// Looks up everything that `page` tells of, and the transactions that these name as their sources. What cannot be read
    /// is found, and as good as missing.
    pub fn load(conn: &mut AnyConnection, page: &[DoneRow], report: &mut AuditReport) -> Result<Self, StoreError> {
        let mut keys = TransactionKeys::default();
        for row in page {
            if let (Act::Transaction(act), Done::Transaction(done)) = (&row.keyed.command.act, row.done) {
                expected_keys(row, act, done, &mut keys);
            }
        }
        let mut stored = Self::default();
        stored.add_transactions(conn, keys.numbers, report)?;
        let named = all_bytes(keys.named.iter().map(|key| key.uuid()));
        let by_key: Vec<TransactionRow> =
            found_by!(conn, named, |keys| transactions::table.filter(transactions::key.eq_any(keys)));
        stored.keep(by_key, report);
        let queued: Vec<VoidRow> = found_by!(conn, keys.voids, |ids| voids::table.filter(voids::source.eq_any(ids)));
        for row in queued {
            let source = row.source;
            match row.void() {
                Ok(void) => drop(stored.transactions.voids.insert(source, void)),
                Err(error) => report.findings.push(error.to_string()),
            }
        }
        Ok(stored)
    }

    /// Adds the transactions with these numbers, and those that they name as their sources.
    fn add_transactions(
        &mut self,
        conn: &mut AnyConnection,
        numbers: BTreeSet<i64>,
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        let found: Vec<TransactionRow> =
            found_by!(conn, numbers, |ids| transactions::table.filter(transactions::number.eq_any(ids)));
        let sources: BTreeSet<i64> = found.iter().filter_map(|row| row.source).collect();
        self.keep(found, report);
        let sources = sources.into_iter().filter(|source| self.transactions.get(*source).is_none());
        let sources: Vec<TransactionRow> =
            found_by!(conn, sources, |ids| transactions::table.filter(transactions::number.eq_any(ids)));
        self.keep(sources, report);
        Ok(())
    }

    fn keep(&mut self, rows: Vec<TransactionRow>, report: &mut AuditReport) {
        for row in rows {
            match row.transaction() {
                Ok(transaction) => self.transactions.keep(transaction),
                Err(error) => report.findings.push(error.to_string()),
            }
        }
    }
}
