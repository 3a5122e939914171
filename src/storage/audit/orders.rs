//! Orders, against the journal. What must be stored after each row the ledger says (`orders::expected`).

mod stored;

use std::collections::HashMap;

use super::stakes::Stakes;
use super::{AuditReport, count, hex};
use crate::ledger::OrderState;
use crate::ledger::orders::expected::ExpectedOrder;
use crate::storage::StoreError;
use crate::storage::queries::AnyConnection;
use crate::storage::rows::{Bytes, OrderRow};

pub(super) use stored::Orders;

/// What the journal has told of orders so far.
pub(super) struct OrdersAudit<'a> {
    orders: &'a Orders,
    /// Journal rows that orders tell of, and orders whose last one was found.
    told: i64,
    confirmed: i64,
    stakes: Stakes,
}

impl<'a> OrdersAudit<'a> {
    pub(super) fn of(orders: &'a Orders) -> Self {
        Self { orders, told: 0, confirmed: 0, stakes: Stakes::default() }
    }

    /// Compares what a page of the journal says with what is stored.
    pub(super) fn page(
        &mut self,
        conn: &mut AnyConnection,
        page: &[ExpectedOrder],
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        let ids: Vec<Bytes> = page.iter().map(|expected| expected.order.uuid().as_bytes().to_vec()).collect();
        let rows = self.orders.named(conn, &ids)?;
        let found: HashMap<Bytes, OrderRow> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        for (expected, id) in page.iter().zip(&ids) {
            let name = hex(id);
            match found.get(id) {
                Some(row) => self.compare(expected, row, &name, report)?,
                None => {
                    let seq = expected.seq;
                    report.findings.push(format!("{name} is an order of journal row {seq} and is missing"));
                }
            }
        }
        Ok(())
    }

    fn compare(
        &mut self,
        expected: &ExpectedOrder,
        row: &OrderRow,
        name: &str,
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        let ExpectedOrder { seq, state, paid, .. } = expected;
        if *state == OrderState::Open {
            self.stakes.bet(row);
        }
        if let Some(begun) = expected.beginning(OrderState::parse(&row.state))
            && !begun.is_of(row)?
        {
            report.findings.push(format!("{name} is an order that is not as its bet was"));
        }
        let numbers = row.numbers();
        if !expected.is_told_by(&numbers) {
            report.findings.push(format!("{name} is an order that does not tell of journal row {seq}"));
            return Ok(());
        }
        self.told += 1;
        if expected.is_last_of(&numbers) {
            self.confirmed += 1;
            if row.state != state.as_str() || row.paid != *paid {
                let (is, ought) = (&row.state, state.as_str());
                let has_paid = row.paid;
                report.findings.push(format!("{name} is an order {is} with {has_paid} paid, not {ought} with {paid}"));
            }
        }
        Ok(())
    }

    /// Compares how many there are, and returns what the order of the bets says about stakes.
    pub(super) fn finish(self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<Stakes, StoreError> {
        report.orders = count(conn, "SELECT COUNT(*) AS count FROM orders")?;
        if report.orders != self.confirmed {
            let (orders, confirmed) = (report.orders, self.confirmed);
            report.findings.push(format!("{orders} orders are stored, and the journal accounts for {confirmed}"));
        }
        let told =
            count(conn, "SELECT COUNT(placed_seq) + COUNT(settled_seq) + COUNT(cancelled_seq) AS count FROM orders")?;
        if told != self.told {
            let found = self.told;
            report.findings.push(format!("orders tell of {told} journal rows, and {found} are theirs"));
        }
        Ok(self.stakes)
    }
}
