//! Every account against the transfers and the orders: its balance, and what its player has staked on the last day; and
//! the books of every party.
//!
//! The sums are made here: a database would sort every transfer that there is, and SQLite does so in memory. Accounts
//! are summed up a slice at a time, by their ids, which are digests and so spread evenly: the first from the transfers that
//! the pass over the journal reads, and those and the orders are read once more for each further one. So memory is constant,
//! and most ledgers are one slice.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use super::digest::Digest;
use super::orders::Orders;
use super::stakes::{Stakes, staked_from};
use super::{AuditReport, Book, PAGE, TOLD, count, hex};
use crate::ledger::OrderState;
use crate::ledger::orders::expected::counted;
use crate::storage::StoreError;
use crate::storage::checkpoint;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{AccountRow, Bytes, OrderRow, PLAYER_SIDE};
use crate::storage::schema::{accounts, journal, players};
use crate::storage::transfers::{self, TransferBytes};

/// Accounts of a slice, about: their sums take up to 40 MiB.
const SLICE: i64 = 400_000;

/// Ids begin with 16 bits that tell their slice.
const PREFIXES: u64 = 1 << 16;

/// What the transfers and orders say of one account.
#[derive(Default)]
struct Sum {
    /// What it received, less what it gave: minor units, which may be more than 64 bits hold on the house's side.
    moved: i128,
    /// The last day of a bet, and what was staked on it. A cancelled stake does not count, but its day does.
    day: Option<i32>,
    staked: i128,
}

/// The sums of one slice.
pub(super) struct Slice {
    number: u64,
    of: u64,
    sums: HashMap<[u8; 16], Sum>,
}

/// Compares every account, and returns the books. `first`: with its transfers.
pub(super) fn audit(
    conn: &mut AnyConnection,
    orders: &Orders,
    first: Slice,
    stakes: &Stakes,
    digest: &mut Digest,
    report: &mut AuditReport,
) -> Result<Vec<Book>, StoreError> {
    let mut comparing = Comparing { stakes, report, books: BTreeMap::new(), balances_told: 0, stakes_told: 0 };
    let mut slice = first;
    loop {
        slice.add_carried(conn)?;
        slice.add_orders(conn, orders, digest)?;
        comparing.slice(conn, &slice)?;
        let Some(next) = slice.next() else { return Ok(comparing.books.into_values().collect()) };
        slice = next;
        slice.add_transfers(conn)?;
    }
}

impl Slice {
    /// The first of as many as are asked for or needed.
    pub fn first(conn: &mut AnyConnection, slices: Option<u64>) -> Result<Self, StoreError> {
        let accounts = count(conn, "SELECT COUNT(*) AS count FROM accounts")?;
        let needed = u64::try_from(accounts / SLICE).unwrap_or(0).saturating_add(1);
        Ok(Self { number: 0, of: slices.unwrap_or(needed).clamp(1, PREFIXES), sums: HashMap::new() })
    }

    fn next(&self) -> Option<Self> {
        let number = self.number + 1;
        (number < self.of).then(|| Self { number, of: self.of, sums: HashMap::new() })
    }

    fn holds(&self, id: &[u8]) -> bool {
        let prefix = u64::from(u16::from_be_bytes([byte(id, 0), byte(id, 1)]));
        prefix * self.of / PREFIXES == self.number
    }

    /// The first id that it may hold is not below this one.
    fn begin(&self) -> Bytes {
        let prefix = (self.number * PREFIXES).div_ceil(self.of);
        if prefix == 0 { Bytes::new() } else { u16::try_from(prefix).unwrap_or(u16::MAX).to_be_bytes().to_vec() }
    }

    /// The sum of an account of this slice; of an id that is none, the audit of the transfers tells.
    fn sum(&mut self, id: &[u8]) -> Option<&mut Sum> {
        if !self.holds(id) {
            return None;
        }
        id.try_into().ok().map(|id| self.sums.entry(id).or_default())
    }

    fn add(&mut self, account: &[u8], amount: i128) {
        if let Some(sum) = self.sum(account) {
            sum.moved = sum.moved.saturating_add(amount);
        }
    }

    fn add_transfers(&mut self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        let mut after = i64::MIN;
        loop {
            let page = journal::table.filter(journal::seq.gt(after)).order(journal::seq).limit(PAGE);
            let page = page.select((journal::seq, journal::transfers));
            let rows: Vec<(i64, Bytes)> = on!(conn, conn => page.load(conn)).map_err(classify)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = *last;
            for (seq, moved) in &rows {
                // Those that cannot be read were told of by the pass over the journal, which left them out, too.
                let moved = transfers::decode(*seq, moved).unwrap_or_default();
                moved.iter().for_each(|transfer| self.add_transfer(transfer));
            }
        }
    }

    pub fn add_transfer(&mut self, transfer: &TransferBytes<'_>) {
        self.add(transfer.debit, -i128::from(transfer.amount));
        self.add(transfer.credit, i128::from(transfer.amount));
    }

    /// What pruned rows have moved.
    fn add_carried(&mut self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        checkpoint::each_carried(conn, |row| {
            self.add(&row.account, i128::from(row.amount));
            self.add(&row.counterpart, -i128::from(row.amount));
            Ok(())
        })
    }

    fn add_orders(&mut self, conn: &mut AnyConnection, orders: &Orders, digest: &mut Digest) -> Result<(), StoreError> {
        let mut after = Bytes::new();
        while let Some((rows, last)) = orders.page(conn, &after)? {
            after = last;
            for row in &rows {
                self.add_stake(row);
                if self.number == 0 {
                    digest.add_order(row);
                }
            }
        }
        Ok(())
    }

    fn add_stake(&mut self, row: &OrderRow) {
        let (Some(stake), Some(day), Some(state)) = (row.stake, row.day, OrderState::parse(&row.state)) else { return };
        let (Some(account), Some(counted)) = (staked_from(row), counted(state, stake)) else { return };
        let Some(sum) = self.sum(account.uuid().as_bytes()) else { return };
        if sum.day.is_none_or(|known| known < day) {
            (sum.day, sum.staked) = (Some(day), 0);
        }
        if sum.day == Some(day) {
            sum.staked = sum.staked.saturating_add(i128::from(counted));
        }
    }
}

fn byte(id: &[u8], at: usize) -> u8 {
    id.get(at).copied().unwrap_or(0)
}

/// Compares what is stored with the sums.
struct Comparing<'a> {
    stakes: &'a Stakes,
    report: &'a mut AuditReport,
    books: BTreeMap<(String, String), Book>,
    balances_told: i64,
    stakes_told: i64,
}

impl Comparing<'_> {
    fn slice(&mut self, conn: &mut AnyConnection, slice: &Slice) -> Result<(), StoreError> {
        let mut after = slice.begin();
        loop {
            let page = accounts::table.filter(accounts::id.gt(&after)).order(accounts::id).limit(PAGE);
            let rows: Vec<AccountRow> = on!(conn, conn => page.load(conn)).map_err(classify)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id.clone();
            let is_all = !slice.holds(&last.id);
            for row in rows.iter().filter(|row| slice.holds(&row.id)) {
                let none = Sum::default();
                let known = <[u8; 16]>::try_from(row.id.as_slice()).ok().and_then(|id| slice.sums.get(&id));
                self.account(conn, row, known.unwrap_or(&none))?;
            }
            if is_all {
                return Ok(());
            }
        }
    }

    fn account(&mut self, conn: &mut AnyConnection, row: &AccountRow, sum: &Sum) -> Result<(), StoreError> {
        let AccountRow { id, party, currency, side, balance, staked, staked_day, .. } = row;
        let key = (party.clone(), currency.clone());
        let book = self.books.entry(key).or_insert_with(|| Book::empty(party, currency));
        match side.as_str() {
            PLAYER_SIDE => book.players += i128::from(*balance),
            "house" => book.house += sum.moved,
            "cashier" => book.cashier += sum.moved,
            _ => book.players += sum.moved,
        }
        if side == PLAYER_SIDE && i128::from(*balance) != sum.moved && self.balances_told < TOLD {
            self.balances_told += 1;
            let name = player_name(conn, row)?;
            let (id, bucket) = (hex(id), &row.bucket);
            self.report.findings.push(format!(
                "{id} is an account whose balance is not the sum of its transfers ({party}/{name} {currency} {bucket}: \
                 {balance})"
            ));
        }
        let is_as_staked = *staked_day == sum.day.unwrap_or(0) && i128::from(*staked) == sum.staked;
        if !is_as_staked && self.stakes.tell_of(id) && self.stakes_told < TOLD {
            self.stakes_told += 1;
            let id = hex(id);
            self.report.findings.push(format!(
                "{id} is an account that has staked something else on its last day ({party} {staked} on day {staked_day})"
            ));
        }
        Ok(())
    }
}

fn player_name(conn: &mut AnyConnection, row: &AccountRow) -> Result<String, StoreError> {
    let Some(player) = &row.player else { return Ok("?".to_owned()) };
    let named = players::table.find(player).select(players::player);
    let found: Option<String> = on!(conn, conn => named.first(conn).optional()).map_err(classify)?;
    Ok(found.unwrap_or_else(|| "?".to_owned()))
}
