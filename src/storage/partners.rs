//! What only the acts of partner dialects read and write, as table rows: transactions and voids, and what the [shop](super::shop)
//! has. How each database is asked is beside it (`postgres/partners.rs`, `sqlite/partners.rs`): a batch without such acts runs
//! none of it.

use diesel::prelude::*;
use uuid::Uuid;

use super::StoreError;
use super::rows::{Bytes, bytes, damaged, parse_party, uuid};
use super::schema::{transactions, voids};
use super::shop::{LoadedShop, ShopRows};
use crate::ledger::Batch;
use crate::ledger::command::{CommandKey, Timestamp};
use crate::ledger::transactions::{Buckets, Label, ManualVoid, Transaction, TransactionState, VoidState};
use crate::ledger::{Currency, PlayerKey, State};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = transactions)]
pub struct TransactionRow {
    pub number: i64,
    pub key: Bytes,
    pub party: String,
    pub player: Bytes,
    pub scope: String,
    pub kind: i32,
    pub region: i32,
    pub partner: i32,
    pub reference: String,
    pub round: Option<String>,
    pub currency: String,
    pub product: i32,
    pub moved_real: i64,
    pub moved_bonus: i64,
    pub moved_ring_fenced: i64,
    pub moved_gbt_bonus: i64,
    pub external: i64,
    pub source: Option<i64>,
    pub state: String,
    pub ended_by: Option<i64>,
    pub memo: String,
    pub worth: Option<String>,
    pub token: Option<String>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = voids)]
pub struct VoidRow {
    pub source: i64,
    pub party: String,
    pub player: Bytes,
    pub kind: i32,
    pub state: String,
    pub queued_at: i64,
    pub attempt: i32,
}

impl TransactionRow {
    pub fn of(transaction: &Transaction) -> Self {
        let (label, moved) = (&transaction.label, transaction.moved);
        Self {
            number: transaction.number,
            key: bytes(transaction.key.uuid()),
            party: transaction.party.to_string(),
            player: bytes(transaction.player.uuid()),
            scope: label.scope.to_string(),
            kind: label.kind,
            region: label.region,
            partner: label.partner,
            reference: label.reference.to_string(),
            round: label.round.as_deref().map(str::to_owned),
            currency: transaction.currency.to_string(),
            product: transaction.product,
            moved_real: moved.real,
            moved_bonus: moved.bonus,
            moved_ring_fenced: moved.ring_fenced,
            moved_gbt_bonus: moved.gbt_bonus,
            external: transaction.external,
            source: transaction.source,
            state: transaction.state.as_str().to_owned(),
            ended_by: transaction.ended_by,
            memo: transaction.memo.to_string(),
            worth: transaction.worth.as_deref().map(str::to_owned),
            token: transaction.token.as_deref().map(str::to_owned),
        }
    }

    pub fn transaction(self) -> Result<Transaction, StoreError> {
        let number = self.number;
        self.parsed().map_err(|error| of_row("transaction", number, error))
    }

    fn parsed(self) -> Result<Transaction, StoreError> {
        Ok(Transaction {
            number: self.number,
            key: CommandKey::from_uuid(uuid(&self.key)?),
            party: parse_party(&self.party)?,
            player: PlayerKey::from_uuid(uuid(&self.player)?),
            label: Label {
                scope: self.scope.into(),
                kind: self.kind,
                region: self.region,
                partner: self.partner,
                reference: self.reference.into(),
                round: self.round.map(Into::into),
            },
            currency: parse_currency(&self.currency)?,
            product: self.product,
            moved: Buckets {
                real: self.moved_real,
                bonus: self.moved_bonus,
                ring_fenced: self.moved_ring_fenced,
                gbt_bonus: self.moved_gbt_bonus,
            },
            external: self.external,
            source: self.source,
            state: TransactionState::parse(&self.state).ok_or_else(|| damaged("state", "is unknown"))?,
            ended_by: self.ended_by,
            memo: self.memo.into(),
            worth: self.worth.map(Into::into),
            token: self.token.map(Into::into),
        })
    }
}

impl VoidRow {
    pub fn of(void: &ManualVoid) -> Self {
        Self {
            source: void.source,
            party: void.party.to_string(),
            player: bytes(void.player.uuid()),
            kind: void.kind,
            state: void.state.as_str().to_owned(),
            queued_at: void.queued_at.0,
            attempt: void.attempt,
        }
    }

    pub fn void(self) -> Result<ManualVoid, StoreError> {
        let source = self.source;
        self.parsed().map_err(|error| of_row("void of transaction", source, error))
    }

    fn parsed(self) -> Result<ManualVoid, StoreError> {
        Ok(ManualVoid {
            source: self.source,
            party: parse_party(&self.party)?,
            player: PlayerKey::from_uuid(uuid(&self.player)?),
            kind: self.kind,
            state: VoidState::parse(&self.state).ok_or_else(|| damaged("state", "is unknown"))?,
            queued_at: Timestamp(self.queued_at),
            attempt: self.attempt,
        })
    }
}

pub(super) fn parse_currency(text: &str) -> Result<Currency, StoreError> {
    Currency::parse(text).map_err(|error| damaged("currency", error))
}

/// What is wrong with a row, and which row it is.
pub(super) fn of_row(what: &str, name: impl std::fmt::Display, error: StoreError) -> StoreError {
    match error {
        StoreError::Rejected(why) => StoreError::Rejected(format!("{what} {name}: {why}")),
        other => other,
    }
}

/// A row that was to be changed, and is not there as it was when the batch was decided.
pub(super) fn not_there(what: &str, which: &str, id: &[u8]) -> StoreError {
    let id = uuid(id).map_or_else(|_| "?".to_owned(), |id| id.to_string());
    StoreError::Rejected(format!("the {what} {which} is not there any more: {id}"))
}

pub(super) fn all_bytes(ids: impl IntoIterator<Item = Uuid>) -> Vec<Bytes> {
    ids.into_iter().map(bytes).collect()
}

/// Ids that one query of the audit's names at the most: SQLite binds each as a parameter.
pub(super) const IDS_AT_ONCE: usize = 500;

/// What was read for one batch of partners' acts.
#[derive(Debug, Default)]
pub struct LoadedPartners {
    pub transactions: Vec<TransactionRow>,
    pub voids: Vec<VoidRow>,
    pub shop: LoadedShop,
}

impl LoadedPartners {
    pub(super) fn add_to(self, state: &mut State) -> Result<(), StoreError> {
        for row in self.transactions {
            state.transactions.keep(row.transaction()?);
        }
        for row in self.voids {
            state.transactions.voids.insert(row.source, row.void()?);
        }
        self.shop.add_to(&mut state.shop)
    }
}

/// The rows that one batch of partners' acts writes.
#[derive(Debug, Default)]
pub struct PartnerRows {
    pub transactions: Vec<TransactionRow>,
    pub voids: Vec<VoidRow>,
    pub shop: ShopRows,
}

impl PartnerRows {
    pub fn of(batch: &Batch) -> Result<Self, StoreError> {
        let changed = &batch.transactions;
        Ok(Self {
            transactions: changed.transactions.values().map(TransactionRow::of).collect(),
            voids: changed.voids.values().map(VoidRow::of).collect(),
            shop: ShopRows::of(&batch.shop)?,
        })
    }

    /// The highest number that a transaction or a purchase is called by.
    pub fn highest_number(&self) -> Option<i64> {
        let transactions = self.transactions.iter().map(|row| row.number);
        transactions.chain(self.shop.numbers()).max()
    }
}
