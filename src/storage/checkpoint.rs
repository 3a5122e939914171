//! How far the journal is pruned, and what is left and carried from before.

use diesel::prelude::*;

use super::StoreError;
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, JournalRow, damaged, uuid};
use super::schema::{carried, checkpoints};
use super::transfers;
use crate::ledger::AccountId;
use crate::ledger::batch::TransferEntry;
use crate::ledger::chain::{self, Hash};

/// Rows read at a time.
const PAGE: i64 = 5_000;

/// The one row of its table.
pub const CHECKPOINT: i32 = 1;

/// The journal is pruned up to and with `seq`.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = checkpoints)]
pub struct CheckpointRow {
    pub seq: i64,
    /// All that was pruned was received before (microseconds since 1970).
    pub until: i64,
    /// Journal rows that were left, shortened or whole.
    pub rows_left: i64,
    pub accounts_carried: i64,
    /// Of all of them.
    pub seals: Bytes,
}

/// What pruned rows moved between a player's account and one on the house's side.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = carried)]
pub struct CarriedRow {
    pub account: Bytes,
    pub counterpart: Bytes,
    /// Minor units: what the account received, less what it gave.
    pub amount: i64,
    pub seal: Bytes,
}

impl CheckpointRow {
    /// The seal of what it says of itself, which is among its seals, too; before anything was pruned there is none.
    fn sealed(&self) -> Option<Hash> {
        let Self { seq, until, rows_left, accounts_carried, .. } = self;
        let said = format!("{until} {rows_left} {accounts_carried}");
        let row = chain::Row { seq: *seq, key: None, command: "checkpoint", outcome: &said, transfers: &[] };
        (*seq > 0).then(|| chain::link(&chain::START, &row))
    }

    /// Adds the checkpoint's own seal to `seals`, or takes it out.
    pub fn toggle(&self, seals: &mut Hash) {
        if let Some(seal) = self.sealed() {
            chain::toggle(seals, &seal);
        }
    }

    pub fn seals(&self) -> Result<Hash, StoreError> {
        hash(&self.seals)
    }
}

impl CarriedRow {
    pub fn new(account: Bytes, counterpart: Bytes, amount: i64) -> Result<Self, StoreError> {
        let mut row = Self { account, counterpart, amount, seal: Bytes::new() };
        row.seal = row.sealed()?.to_vec();
        Ok(row)
    }

    /// The seal that it must have.
    pub fn sealed(&self) -> Result<Hash, StoreError> {
        let [debit, credit] = [&self.account, &self.counterpart].map(|id| uuid(id).map(AccountId::from_uuid));
        let carried = transfers::encode(&[TransferEntry { debit: debit?, credit: credit?, amount: self.amount }]);
        let row = chain::Row { seq: 0, key: None, command: "carried", outcome: "", transfers: &carried };
        Ok(chain::link(&chain::START, &row))
    }
}

/// Where a writer's chain goes on: after this row, from this hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunedHead {
    pub writer: i32,
    pub seq: i64,
    pub head: Bytes,
}

impl PrunedHead {
    /// Adds its seal to `seals`, or takes it out; a chain of which nothing was pruned has none.
    pub fn toggle(&self, seals: &mut Hash) -> Result<(), StoreError> {
        if self.seq > 0 {
            let writer = self.writer.to_string();
            let row = chain::Row { seq: self.seq, key: None, command: "head", outcome: &writer, transfers: &[] };
            chain::toggle(seals, &chain::link(&hash(&self.head)?, &row));
        }
        Ok(())
    }
}

/// How far the journal is pruned.
pub fn read(conn: &mut AnyConnection) -> Result<CheckpointRow, StoreError> {
    on!(conn, conn => checkpoints::table.find(CHECKPOINT).select(CheckpointRow::as_select()).first(conn))
        .map_err(classify)
}

/// Tells everything that is carried, a page at a time.
pub fn each_carried(
    conn: &mut AnyConnection,
    mut tell: impl FnMut(CarriedRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = (Bytes::new(), Bytes::new());
    loop {
        let page = carried::table
            .filter(carried::account.ge(&after.0))
            .filter(carried::account.gt(&after.0).or(carried::counterpart.gt(&after.1)))
            .order((carried::account, carried::counterpart))
            .limit(PAGE);
        let rows: Vec<CarriedRow> = on!(conn, conn => page.load(conn)).map_err(classify)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = (last.account.clone(), last.counterpart.clone());
        rows.into_iter().try_for_each(&mut tell)?;
    }
}

/// The seal that a journal row must have which pruning has left.
pub fn sealed(row: &JournalRow) -> Result<Hash, StoreError> {
    hashed(row, |hashed| chain::seal(row.writer, row.at, &row.party, hashed))
}

/// Hashes a journal row.
pub fn hashed(row: &JournalRow, hash: impl FnOnce(&chain::Row<'_>) -> Hash) -> Result<Hash, StoreError> {
    let key = row.key.as_deref().map(uuid).transpose()?;
    let JournalRow { seq, command, outcome, transfers, .. } = row;
    Ok(hash(&chain::Row { seq: *seq, key, command, outcome, transfers }))
}

pub fn hash(bytes: &[u8]) -> Result<Hash, StoreError> {
    bytes.try_into().map_err(|_| damaged("hash", "is not 32 bytes long"))
}
