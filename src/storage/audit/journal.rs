//! One pass over the journal: its chains, what it says of orders and players, and what was moved.

use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::thread;

use diesel::prelude::*;

use super::accounts::Slice;
use super::chains::Chains;
use super::digest::Digest;
use super::histories::{HistoriesAudit, MarkedRow};
use super::orders::{Orders, OrdersAudit};
use super::partners::{CONTRADICTION, PartnersAudit};
use super::players::{self, OpenedPlayer};
use super::stakes::Stakes;
use super::transfers::TransfersAudit;
use super::usernames::UsernamesAudit;
use super::{AuditReport, PAGE, Progress};
use crate::ledger::accounts::expected::ExpectedAccount;
use crate::ledger::command::{Act, Command, CommandKey, KeyedCommand};
use crate::ledger::orders::expected::ExpectedOrder;
use crate::ledger::recorded::{DoneRow, KeptRow};
use crate::ledger::{AccountAct, Done, Outcome, accounts, orders};
use crate::storage::StoreError;
use crate::storage::history::marks::Marks;
use crate::storage::pruned_command::PrunedCommand;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{JournalRow, uuid};
use crate::storage::schema::journal;
use crate::storage::transfers::{self, TransferBytes};

pub(super) struct JournalAudit<'a> {
    orders: OrdersAudit<'a>,
    chains: Chains,
    /// Players that were opened.
    opened: i64,
    usernames: UsernamesAudit,
    partners: PartnersAudit,
    transfers: TransfersAudit,
    histories: HistoriesAudit,
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
    orders: Vec<ExpectedOrder>,
    opened: Vec<OpenedPlayer>,
    partners: Vec<DoneRow>,
    /// Each with its row.
    transfers: Vec<(i64, TransferBytes<'a>)>,
    marked: Vec<MarkedRow>,
}

impl<'o> JournalAudit<'o> {
    /// `sums` and `digest` take up what comes by.
    pub(super) fn begin(
        conn: &mut AnyConnection,
        orders: &'o Orders,
        sums: Slice,
        digest: Digest,
        report: &mut AuditReport,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            orders: OrdersAudit::of(orders),
            chains: Chains::begin(conn)?,
            opened: 0,
            usernames: UsernamesAudit::default(),
            partners: PartnersAudit::default(),
            transfers: TransfersAudit::default(),
            histories: HistoriesAudit::begin(conn, report)?,
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
            self.compare(conn, expected?, report)?;
            progress.reached.store(page.last, Ordering::Relaxed);
            next = read?;
        }
        let stakes = self.orders.finish(conn, report)?;
        self.chains.finish(conn, report)?;
        self.partners.finish(conn, report)?;
        self.usernames.finish(conn, report)?;
        self.histories.finish(conn, report)?;
        let Self { opened, sums, digest, .. } = self;
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
            let said = read(row);
            if self.histories.reaches(row.seq) {
                expected.marked.push((row.seq, marks(row, said.as_ref())));
            }
            match said {
                Some(Said::Whole(keyed, outcome)) => {
                    let command = &keyed.command;
                    if row.party != command.party.as_str() || row.at != command.at.0 {
                        let seq = row.seq;
                        report.findings.push(format!("journal row {seq} is filed under another party or time"));
                    }
                    check_by_key(row, keyed.order.is_some(), report);
                    expected.take(row, *keyed, outcome, &moved, report);
                }
                Some(Said::Pruned(key, remains, outcome)) => {
                    let order = remains.expected(row.seq, key, outcome);
                    check_by_key(row, order.is_some(), report);
                    expected.orders.extend(order);
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
        expected: Expected<'_>,
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        self.opened += i64::try_from(expected.opened.len()).unwrap_or(i64::MAX);
        players::compare(conn, &expected.opened, report)?;
        self.usernames.page(conn, &expected.opened, report)?;
        self.transfers.page(conn, &expected.transfers, report)?;
        self.partners.page(conn, &expected.partners, report)?;
        self.histories.page(conn, expected.marked, report)?;
        self.orders.page(conn, &expected.orders, report)
    }
}

impl Expected<'_> {
    /// Takes up what must be stored after a command, by the area of its act.
    fn take(
        &mut self,
        row: &JournalRow,
        keyed: KeyedCommand,
        outcome: Outcome,
        moved: &[TransferBytes<'_>],
        report: &mut AuditReport,
    ) {
        let seq = row.seq;
        match (&keyed.command.act, outcome) {
            (Act::Account(act), Outcome::Done(done)) => match account(&keyed, act, done) {
                Some(ExpectedAccount::Opened(player)) => self.opened.push(OpenedPlayer { seq, player }),
                // What its transfers say is added up.
                Some(ExpectedAccount::Moved) => {}
                None => report.findings.push(format!("{CONTRADICTION} (journal row {seq})")),
            },
            (Act::Order(act), outcome) => {
                let Some(key) = key_of(row) else { return };
                match orders::expected::expected(&KeptRow { seq, key, keyed: &keyed, outcome }, act) {
                    Some(order) => self.orders.push(order),
                    None if matches!(outcome, Outcome::Done(_)) => {
                        report.findings.push(format!("{CONTRADICTION} (journal row {seq})"));
                    }
                    None => {}
                }
            }
            (Act::Transaction(_) | Act::Shop(_), Outcome::Done(done)) => {
                let transfers = moved.iter().map(TransferBytes::entry).collect();
                self.partners.push(DoneRow { seq, keyed, done, transfers });
            }
            (Act::Account(_) | Act::Transaction(_) | Act::Shop(_), Outcome::Refused(_)) => {}
        }
    }
}

fn account(keyed: &KeyedCommand, act: &AccountAct, done: Done) -> Option<ExpectedAccount> {
    let Done::Account(done) = done else { return None };
    accounts::expected::expected(keyed, act, done)
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

/// What the row is found by in the index of histories.
fn marks(row: &JournalRow, said: Option<&Said>) -> Marks {
    match said {
        Some(Said::Whole(keyed, _)) => Marks::of_command(keyed),
        Some(Said::Pruned(_, remains, _)) => Marks::of_pruned(remains),
        None => Marks::of(&row.party, &row.command),
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
