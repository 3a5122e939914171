//! One pass over the journal: its chains, what it says of orders and players, and what was moved.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::thread;

use diesel::prelude::*;

use super::accounts::Slice;
use super::chains::Chains;
use super::digest::Digest;
use super::orders::Orders;
use super::partners::{PartnersAudit, done_row};
use super::players::{self, OpenedPlayer};
use super::stakes::Stakes;
use super::transfers::TransfersAudit;
use super::usernames::UsernamesAudit;
use super::{AuditReport, PAGE, Progress, count, hex};
use crate::ledger::accounts::OpenPlayer;
use crate::ledger::command::{Act, Command, CommandKey, KeyedCommand};
use crate::ledger::recorded::DoneRow;
use crate::ledger::{AccountAct, OrderState, Outcome, Player};
use crate::storage::StoreError;
use crate::storage::order_change::OrderChange;
use crate::storage::pruned_command::PrunedCommand;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, JournalRow, OrderRow, uuid};
use crate::storage::schema::journal;
use crate::storage::transfers::{self, TransferBytes};

pub(super) struct JournalAudit<'a> {
    orders: &'a Orders,
    chains: Chains,
    /// Journal rows that orders tell of, and orders whose last one was found.
    told: i64,
    confirmed: i64,
    /// Players that were opened.
    opened: i64,
    stakes: Stakes,
    usernames: UsernamesAudit,
    partners: PartnersAudit,
    transfers: TransfersAudit,
    sums: Slice,
    digest: Digest,
}

/// What the pass leaves for what comes after it.
pub(super) struct Passed {
    /// How many players the journal opened.
    pub opened: i64,
    /// What the order of its bets says about stakes.
    pub stakes: Stakes,
    /// With all transfers.
    pub sums: Slice,
    /// With all outcomes.
    pub digest: Digest,
}

/// Some rows of the journal.
struct Page {
    rows: Vec<JournalRow>,
    last: i64,
}

impl Page {
    /// The page after a row; `None` where there is none.
    fn read(conn: &mut AnyConnection, after: i64) -> Result<Option<Self>, StoreError> {
        let page = journal::table.filter(journal::seq.gt(after)).order(journal::seq).limit(PAGE);
        let rows: Vec<JournalRow> = on!(conn, conn => page.load(conn)).map_err(classify)?;
        let Some(&JournalRow { seq: last, .. }) = rows.last() else { return Ok(None) };
        Ok(Some(Self { rows, last }))
    }
}

/// What a page says that other tables must hold.
#[derive(Default)]
struct Expected<'a> {
    orders: Vec<OrderChange>,
    opened: Vec<OpenedPlayer>,
    partners: Vec<DoneRow>,
    /// Each with its row.
    transfers: Vec<(i64, TransferBytes<'a>)>,
}

impl<'o> JournalAudit<'o> {
    /// `sums` and `digest` take up what comes by.
    pub(super) fn begin(
        conn: &mut AnyConnection,
        orders: &'o Orders,
        sums: Slice,
        digest: Digest,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            orders,
            chains: Chains::begin(conn)?,
            told: 0,
            confirmed: 0,
            opened: 0,
            stakes: Stakes::default(),
            usernames: UsernamesAudit::default(),
            partners: PartnersAudit::default(),
            transfers: TransfersAudit::default(),
            sums,
            digest,
        })
    }

    pub(super) fn run(
        mut self,
        conn: &mut AnyConnection,
        report: &mut AuditReport,
        progress: &Progress,
    ) -> Result<Passed, StoreError> {
        let mut next = Page::read(conn, i64::MIN)?;
        while let Some(page) = next {
            // While one page is hashed and parsed, the next is read.
            let (expected, read) = thread::scope(|scope| {
                let following = scope.spawn(|| self.follow(&page, report));
                let read = Page::read(conn, page.last);
                (following.join().unwrap_or_else(|panic| resume_unwind(panic)), read)
            });
            self.compare(conn, &expected?, report)?;
            progress.reached.store(page.last, Ordering::Relaxed);
            next = read?;
        }
        self.finish(conn, report)?;
        self.chains.finish(conn, report)?;
        self.partners.finish(conn, report)?;
        self.usernames.finish(conn, report)?;
        let Self { opened, stakes, sums, digest, .. } = self;
        Ok(Passed { opened, stakes, sums, digest })
    }

    /// Takes up what the page says by itself.
    fn follow<'a>(&mut self, page: &'a Page, report: &mut AuditReport) -> Result<Expected<'a>, StoreError> {
        report.commands += page.rows.len() as u64;
        let mut expected = Expected::default();
        for row in &page.rows {
            self.digest.add_outcome(row);
            self.chains.link(row, report)?;
            let moved = transfers::decode(row.seq, &row.transfers).unwrap_or_else(|error| {
                report.findings.push(error.to_string());
                Vec::new()
            });
            moved.iter().for_each(|transfer| self.sums.add_transfer(transfer));
            report.transfers += moved.len() as u64;
            expected.transfers.extend(moved.iter().map(|transfer| (row.seq, *transfer)));
            match read(row) {
                Some(Said::Whole(keyed, outcome)) => {
                    let command = &keyed.command;
                    if row.party != command.party.as_str() || row.at != command.at.0 {
                        let seq = row.seq;
                        report.findings.push(format!("journal row {seq} is filed under another party or time"));
                    }
                    check_by_key(row, keyed.order.is_some(), report);
                    if let (Act::Account(AccountAct::OpenPlayer(open)), Outcome::Done(_)) = (&command.act, outcome) {
                        let OpenPlayer { player: id, profile } = open.clone();
                        let player = Player { party: command.party.clone(), id, profile };
                        expected.opened.push(OpenedPlayer { seq: row.seq, player });
                    }
                    if is_of_partners(&command.act) {
                        expected.partners.extend(done_row(row.seq, *keyed, outcome, &moved));
                    } else {
                        expected.orders.extend(OrderChange::of(row.seq, key_of(row), &keyed, outcome));
                    }
                }
                Some(Said::Pruned(key, remains, outcome)) => {
                    let change = OrderChange::of_pruned(row.seq, key, remains, outcome);
                    check_by_key(row, change.is_some(), report);
                    expected.orders.extend(change);
                }
                None => report.findings.push(format!("journal row {} cannot be read", row.seq)),
            }
        }
        Ok(expected)
    }

    /// Compares what a page says with what is stored.
    fn compare(
        &mut self,
        conn: &mut AnyConnection,
        expected: &Expected<'_>,
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        self.opened += i64::try_from(expected.opened.len()).unwrap_or(i64::MAX);
        players::compare(conn, &expected.opened, report)?;
        self.usernames.page(conn, &expected.opened, report)?;
        self.transfers.page(conn, &expected.transfers, report)?;
        self.partners.page(conn, &expected.partners, report)?;
        self.compare_orders(conn, &expected.orders, report)
    }

    fn compare_orders(
        &mut self,
        conn: &mut AnyConnection,
        expected: &[OrderChange],
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        let ids: Vec<Bytes> = expected.iter().map(|expected| expected.order.uuid().as_bytes().to_vec()).collect();
        let rows = self.orders.named(conn, &ids)?;
        let found: HashMap<Bytes, OrderRow> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        for (expected, id) in expected.iter().zip(&ids) {
            let name = hex(id);
            let Some(row) = found.get(id) else {
                report.findings.push(format!("{name} is an order of journal row {} and is missing", expected.seq));
                continue;
            };
            self.compare_order(expected, row, &name, report)?;
        }
        Ok(())
    }

    fn compare_order(
        &mut self,
        expected: &OrderChange,
        row: &OrderRow,
        name: &str,
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        let OrderChange { operation, seq, state, paid, begun, .. } = expected;
        if *state == OrderState::Open {
            self.stakes.bet(row);
        }
        // A bet that a tombstone refused did not begin the order.
        let refused_by_tombstone = *state == OrderState::Refused && row.state == OrderState::Tombstone.as_str();
        if let Some(begun) = begun
            && !refused_by_tombstone
            && !begun.is_of(row)?
        {
            report.findings.push(format!("{name} is an order that is not as its bet was"));
        }
        let numbers = row.numbers();
        if numbers.get(*operation) != Some(*seq) {
            report.findings.push(format!("{name} is an order that does not tell of journal row {seq}"));
            return Ok(());
        }
        self.told += 1;
        if numbers.last() == *operation {
            self.confirmed += 1;
            if row.state != state.as_str() || row.paid != *paid {
                let (is, ought) = (&row.state, state.as_str());
                let has_paid = row.paid;
                report.findings.push(format!("{name} is an order {is} with {has_paid} paid, not {ought} with {paid}"));
            }
        }
        Ok(())
    }

    fn finish(&self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
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
        Ok(())
    }
}

/// What a row says: all of it, or what pruning has left.
enum Said {
    Whole(Box<KeyedCommand>, Outcome),
    Pruned(CommandKey, PrunedCommand, Outcome),
}

fn read(row: &JournalRow) -> Option<Said> {
    let outcome = serde_json::from_str(&row.outcome).ok()?;
    match PrunedCommand::read(&row.command) {
        Some(remains) => {
            let key = key_of(row)?;
            Some(Said::Pruned(key, remains.ok()?, outcome))
        }
        None => {
            let command: Command = serde_json::from_str(&row.command).ok()?;
            Some(Said::Whole(Box::new(command.keyed()), outcome))
        }
    }
}

/// A row that is found by its key and should not be, or the other way round, would be decided again.
fn check_by_key(row: &JournalRow, is_of_order: bool, report: &mut AuditReport) {
    if row.by_key != (row.key.is_some() && !is_of_order) {
        report.findings.push(format!("journal row {} is not found where it should be", row.seq));
    }
}

/// What the row is kept under.
fn key_of(row: &JournalRow) -> Option<CommandKey> {
    row.key.as_deref().and_then(|key| uuid(key).ok()).map(CommandKey::from_uuid)
}

fn is_of_partners(act: &Act) -> bool {
    match act {
        Act::Transaction(_) | Act::Shop(_) => true,
        Act::Account(_) | Act::Order(_) => false,
    }
}
