//! What is stored of everything that a page of the journal tells of, looked up in bulk.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::PartnerRow;
use crate::ledger::Done;
use crate::ledger::command::{Act, CommandKey};
use crate::ledger::transactions::{Change, Transaction, TransactionState};
use crate::ledger::{ShopDone, TransactionAct, TransactionDone};
use crate::storage::StoreError;
use crate::storage::partners::{IDS_AT_ONCE, PurchaseRow, TransactionRow, VoidRow};
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, bytes};
use crate::storage::schema::{purchases, transactions, voids};

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
pub(super) use found_by;

#[derive(Default)]
pub(super) struct Stored {
    /// `None`: it is there and cannot be read.
    transactions: HashMap<i64, Option<Transaction>>,
    /// The numbers and states of those that were looked for by their keys.
    named: HashMap<Bytes, (i64, Option<TransactionState>)>,
    voids: HashMap<i64, VoidRow>,
    purchases: HashMap<i64, PurchaseRow>,
}

impl Stored {
    /// Looks up everything that `told` tells of, and the transactions that these name as their sources.
    pub fn load(conn: &mut AnyConnection, told: &[PartnerRow<'_>]) -> Result<Self, StoreError> {
        let mut named: BTreeSet<Bytes> = BTreeSet::new();
        let (mut numbers, mut sources, mut orders) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for told in told {
            match (&told.keyed.command.act, told.done) {
                (_, Done::Transaction(TransactionDone::Adjusted { transaction, .. })) => numbers.extend([transaction]),
                (
                    Act::Transaction(TransactionAct::Adjust(adjust)),
                    Done::Transaction(TransactionDone::NothingUndone { .. }),
                ) => {
                    numbers.extend([adjust.number.unwrap_or(told.seq)]);
                    if let Change::Rollback { name } = &adjust.change {
                        named.extend([rolled_back(told, name)]);
                    }
                }
                (Act::Transaction(TransactionAct::QueueVoid(queue)), _) => sources.extend([queue.source]),
                (
                    Act::Transaction(TransactionAct::ResolveVoid(resolve)),
                    Done::Transaction(TransactionDone::VoidApproved { transaction }),
                ) => {
                    numbers.extend([transaction]);
                    sources.extend([resolve.source]);
                }
                (Act::Transaction(TransactionAct::ResolveVoid(resolve)), _) => sources.extend([resolve.source]),
                (_, Done::Shop(ShopDone::KeysBought { order, .. })) => orders.extend([order]),
                _ => {}
            }
        }
        let mut stored = Self::default();
        stored.add_transactions(conn, numbers)?;
        let ended = stored.transactions.values().flatten().filter_map(|transaction| transaction.source);
        let ended: BTreeSet<i64> = ended.filter(|source| !stored.transactions.contains_key(source)).collect();
        stored.add_transactions(conn, ended)?;
        let by_key: Vec<TransactionRow> =
            found_by!(conn, named, |keys| transactions::table.filter(transactions::key.eq_any(keys)));
        let state = |row: &TransactionRow| (row.number, TransactionState::parse(&row.state));
        stored.named = by_key.into_iter().map(|row| (row.key.clone(), state(&row))).collect();
        let queued: Vec<VoidRow> = found_by!(conn, sources, |ids| voids::table.filter(voids::source.eq_any(ids)));
        stored.voids = queued.into_iter().map(|row| (row.source, row)).collect();
        let bought: Vec<PurchaseRow> =
            found_by!(conn, orders, |ids| purchases::table.filter(purchases::number.eq_any(ids)));
        stored.purchases = bought.into_iter().map(|row| (row.number, row)).collect();
        Ok(stored)
    }

    fn add_transactions(&mut self, conn: &mut AnyConnection, numbers: BTreeSet<i64>) -> Result<(), StoreError> {
        let found: Vec<TransactionRow> =
            found_by!(conn, numbers, |ids| transactions::table.filter(transactions::number.eq_any(ids)));
        self.transactions.extend(found.into_iter().map(|row| (row.number, row.transaction().ok())));
        Ok(())
    }

    /// The transaction with this number, or what is wrong with it.
    pub fn transaction(&self, number: i64) -> Result<&Transaction, String> {
        match self.transactions.get(&number) {
            Some(Some(transaction)) => Ok(transaction),
            Some(None) => Err(format!("{number} is a transaction that cannot be read")),
            None => Err(format!("{number} is a transaction that is missing")),
        }
    }

    /// The number and state of what a rollback was to undo.
    pub fn named(&self, told: &PartnerRow<'_>, name: &str) -> Option<(i64, Option<TransactionState>)> {
        self.named.get(&rolled_back(told, name)).copied()
    }

    pub fn void(&self, source: i64) -> Option<&VoidRow> {
        self.voids.get(&source)
    }

    pub fn purchase(&self, number: i64) -> Option<&PurchaseRow> {
        self.purchases.get(&number)
    }
}

fn rolled_back(told: &PartnerRow<'_>, name: &str) -> Bytes {
    bytes(CommandKey::of_adjust(&told.keyed.command.party, name).uuid())
}
