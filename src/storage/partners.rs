//! What only the acts of partner dialects read and write: their rows, and the queries that both databases answer.
//!
//! None of it is on the way of a bet, so Diesel's own statements do: a batch without such acts runs none of them. The
//! queries are written once, as macros, and run by both stores: at once on SQLite, awaited on Postgres.

mod load;
mod write;

pub(super) use load::load_partners;
pub(super) use write::write_partners;

use std::collections::HashMap;

use diesel::prelude::*;
use uuid::Uuid;

use super::StoreError;
use super::rows::{Bytes, bytes, damaged, parse_party, uuid};
use super::schema::{gift_keys, offers, purchases, transactions, voids};
use crate::ledger::Batch;
use crate::ledger::command::{CommandKey, Timestamp};
use crate::ledger::shop::{Offer, OfferChange, OfferId, OfferState, Purchase, StockedKey};
use crate::ledger::transactions::{Buckets, Label, ManualVoid, Transaction, TransactionState, VoidState};
use crate::ledger::{Amount, Currency, PlayerKey};

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

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = offers)]
pub struct OfferRow {
    pub id: Bytes,
    pub party: String,
    pub offer: String,
    pub name: String,
    pub price: i64,
    pub currency: String,
    pub stock: i64,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = gift_keys)]
pub struct GiftKeyRow {
    pub id: Bytes,
    pub offer: Bytes,
    pub seq: i64,
    pub position: i32,
    pub sealed: String,
    pub purchase: Option<i64>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = purchases)]
pub struct PurchaseRow {
    pub number: i64,
    pub party: String,
    pub buyer: String,
    pub offer: Bytes,
    pub paid: i64,
    pub keys: i32,
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

impl OfferRow {
    /// `stock` is what is added to it.
    fn of(id: OfferId, change: &OfferChange) -> Self {
        let offer = &change.offer;
        Self {
            id: bytes(id.uuid()),
            party: change.party.to_string(),
            offer: offer.id.to_string(),
            name: offer.name.to_string(),
            price: offer.price.minor(),
            currency: offer.currency.to_string(),
            stock: change.stock_change,
        }
    }

    /// The offer; which keys are next is another question.
    pub fn offer(self) -> Result<(OfferId, OfferState), StoreError> {
        let offer = Offer {
            id: self.offer.into(),
            name: self.name.into(),
            price: Amount::new(self.price).map_err(|error| damaged("price", error))?,
            currency: parse_currency(&self.currency)?,
        };
        let state = OfferState { offer, stock: self.stock, next: Vec::new() };
        Ok((OfferId::from_uuid(uuid(&self.id)?), state))
    }
}

impl GiftKeyRow {
    /// `position` tells the keys of one journal row apart.
    pub fn of(stocked: &StockedKey, seq: i64, position: i32) -> Self {
        Self {
            id: bytes(stocked.key.id.0),
            offer: bytes(stocked.offer.uuid()),
            seq,
            position,
            sealed: stocked.key.sealed.to_string(),
            purchase: None,
        }
    }
}

impl PurchaseRow {
    fn with_keys(purchase: &Purchase) -> (Self, Vec<Bytes>) {
        let row = Self {
            number: purchase.number,
            party: purchase.party.to_string(),
            buyer: purchase.buyer.to_string(),
            offer: bytes(purchase.offer.uuid()),
            paid: purchase.paid.minor(),
            keys: i32::try_from(purchase.keys.len()).unwrap_or(i32::MAX),
        };
        (row, all_bytes(purchase.keys.iter().map(|key| key.0)))
    }
}

fn parse_currency(text: &str) -> Result<Currency, StoreError> {
    Currency::parse(text).map_err(|error| damaged("currency", error))
}

pub(super) fn all_bytes(ids: impl IntoIterator<Item = Uuid>) -> Vec<Bytes> {
    ids.into_iter().map(bytes).collect()
}

/// Ids that one query names at the most: SQLite binds each as a parameter.
pub(super) const IDS_AT_ONCE: usize = 500;

/// The rows that one batch of partner acts writes.
#[derive(Debug, Default)]
pub struct PartnerRows {
    pub transactions: Vec<TransactionRow>,
    pub voids: Vec<VoidRow>,
    /// Player and level.
    pub vips: Vec<(Bytes, String)>,
    pub offers: Vec<OfferRow>,
    pub gift_keys: Vec<GiftKeyRow>,
    /// Each with the keys that it takes out of the stock.
    pub purchases: Vec<(PurchaseRow, Vec<Bytes>)>,
}

impl PartnerRows {
    pub fn of(batch: &Batch) -> Self {
        let Batch { transactions: changed, shop, .. } = batch;
        let mut positions: HashMap<i64, i32> = HashMap::new();
        let stocked = shop.stocked.iter().map(|(stocked, seq)| {
            let position = positions.entry(*seq).or_default();
            *position += 1;
            GiftKeyRow::of(stocked, *seq, *position)
        });
        Self {
            gift_keys: stocked.collect(),
            transactions: changed.transactions.values().map(TransactionRow::of).collect(),
            voids: changed.voids.values().map(VoidRow::of).collect(),
            vips: shop.vips.iter().map(|(player, level)| (bytes(player.uuid()), level.to_string())).collect(),
            offers: shop.offers.iter().map(|(id, change)| OfferRow::of(*id, change)).collect(),
            purchases: shop.purchases.iter().map(PurchaseRow::with_keys).collect(),
        }
    }
}
