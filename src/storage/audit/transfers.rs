//! The two sides of every transfer: different accounts of one party, in one currency.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::{AuditReport, TOLD, hex};
use crate::storage::StoreError;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::Bytes;
use crate::storage::schema::accounts;
use crate::storage::transfers::TransferBytes;

/// Values that one statement names.
const NAMED: usize = 500;

#[derive(Default)]
pub(super) struct TransfersAudit {
    told: i64,
}

impl TransfersAudit {
    /// Compares some transfers, each with its journal row's number, with the accounts.
    pub fn page(
        &mut self,
        conn: &mut AnyConnection,
        transfers: &[(i64, TransferBytes<'_>)],
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        let books = books(conn, transfers)?;
        for (seq, TransferBytes { debit, credit, .. }) in transfers {
            let book = |id: &[u8; 16]| books.get(&id[..]);
            let belong_together = debit != credit && book(debit).is_some() && book(debit) == book(credit);
            if !belong_together && self.told < TOLD {
                self.told += 1;
                let debit = hex(&debit[..]);
                report.findings.push(format!(
                    "{debit} is debited by a transfer between accounts that do not belong together, by its seq ({seq})"
                ));
            }
        }
        Ok(())
    }
}

/// Party and currency of each account that is there.
fn books(
    conn: &mut AnyConnection,
    transfers: &[(i64, TransferBytes<'_>)],
) -> Result<HashMap<Bytes, (String, String)>, StoreError> {
    let ids: BTreeSet<&[u8]> = transfers.iter().flat_map(|(_, moved)| [&moved.debit[..], &moved.credit[..]]).collect();
    let ids: Vec<&[u8]> = ids.into_iter().collect();
    let mut books = HashMap::new();
    for ids in ids.chunks(NAMED) {
        let named = accounts::table.filter(accounts::id.eq_any(ids));
        let named = named.select((accounts::id, (accounts::party, accounts::currency)));
        let named: Vec<(Bytes, (String, String))> = on!(conn, conn => named.load(conn)).map_err(classify)?;
        books.extend(named);
    }
    Ok(books)
}
