//! What only the acts of partner dialects read and write, as table rows. How each database is asked is beside it
//! (`postgres/partners.rs`, `sqlite/partners.rs`): a batch without such acts runs none of it.

use std::collections::HashMap;

use diesel::prelude::*;
use uuid::Uuid;

use super::StoreError;
use super::rows::{Bytes, bytes, damaged, parse_party, uuid};
use super::schema::{gift_keys, offers, purchases, transactions, voids};
use crate::ledger::Batch;
use crate::ledger::command::{CommandKey, Timestamp};
use crate::ledger::shop::{KeyId, Offer, OfferChange, OfferId, OfferState, Purchase, ShopChanges, StockedKey};
use crate::ledger::transactions::{Buckets, Label, ManualVoid, Transaction, TransactionState, VoidState};
use crate::ledger::{Amount, Currency, PlayerKey, State};

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

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
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
        let name = format!("{}/{}", self.party, self.offer);
        self.parsed().map_err(|error| of_row("offer", name, error))
    }

    fn parsed(self) -> Result<(OfferId, OfferState), StoreError> {
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
    fn of(purchase: &Purchase) -> Result<Self, StoreError> {
        let (number, keys) = (purchase.number, purchase.keys.len());
        let too_many =
            || StoreError::Rejected(format!("purchase {number} is of {keys} keys, more than its row can tell"));
        Ok(Self {
            number,
            party: purchase.party.to_string(),
            buyer: purchase.buyer.to_string(),
            offer: bytes(purchase.offer.uuid()),
            paid: purchase.paid.minor(),
            keys: i32::try_from(keys).map_err(|_| too_many())?,
        })
    }
}

fn parse_currency(text: &str) -> Result<Currency, StoreError> {
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
    /// Players and their levels.
    pub levels: Vec<(Bytes, String)>,
    pub offers: Vec<OfferRow>,
    /// Offers with keys of theirs, in the order in which they are sold.
    pub for_sale: Vec<(Bytes, Bytes)>,
    /// Keys that are in stock, or were.
    pub known_keys: Vec<Bytes>,
}

impl LoadedPartners {
    pub(super) fn add_to(self, state: &mut State) -> Result<(), StoreError> {
        for row in self.transactions {
            state.transactions.keep(row.transaction()?);
        }
        for row in self.voids {
            state.transactions.voids.insert(row.source, row.void()?);
        }
        for (player, level) in self.levels {
            state.shop.levels.insert(PlayerKey::from_uuid(uuid(&player)?), level.into());
        }
        for row in self.offers {
            let (id, offer) = row.offer()?;
            state.shop.offers.insert(id, offer);
        }
        for (offer, key) in self.for_sale {
            let id = OfferId::from_uuid(uuid(&offer)?);
            let offer = state.shop.offers.get_mut(&id).ok_or_else(|| stocked_meanwhile(id))?;
            offer.next.push(KeyId(uuid(&key)?));
        }
        for key in self.known_keys {
            state.shop.known_keys.insert(KeyId(uuid(&key)?));
        }
        Ok(())
    }
}

/// Offers are locked before their keys are read: one that is not among them was first stocked in between.
fn stocked_meanwhile(offer: OfferId) -> StoreError {
    StoreError::Conflict(format!("offer {} has keys, and was not there when the batch was read", offer.uuid()))
}

/// The rows that one batch of partners' acts writes.
#[derive(Debug, Default)]
pub struct PartnerRows {
    pub transactions: Vec<TransactionRow>,
    pub voids: Vec<VoidRow>,
    pub shop: ShopRows,
}

/// What is written of what was bought and stocked.
#[derive(Debug, Default)]
pub struct ShopRows {
    /// Player and level.
    pub levels: Vec<(Bytes, String)>,
    pub offers: Vec<OfferRow>,
    pub gift_keys: Vec<GiftKeyRow>,
    pub purchases: Vec<PurchaseRow>,
    pub sold: Vec<SoldKey>,
}

/// A key that a purchase takes out of the stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoldKey {
    pub key: Bytes,
    pub purchase: i64,
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
        transactions.chain(self.shop.purchases.iter().map(|row| row.number)).max()
    }
}

impl ShopRows {
    fn of(changes: &ShopChanges) -> Result<Self, StoreError> {
        let mut positions: HashMap<i64, i32> = HashMap::new();
        let stocked = changes.stocked.iter().map(|(stocked, seq)| {
            let position = positions.entry(*seq).or_default();
            *position += 1;
            GiftKeyRow::of(stocked, *seq, *position)
        });
        let sold = changes.purchases.iter().flat_map(|purchase| {
            let purchased = |key: &KeyId| SoldKey { key: bytes(key.0), purchase: purchase.number };
            purchase.keys.iter().map(purchased)
        });
        Ok(Self {
            gift_keys: stocked.collect(),
            levels: changes.levels.iter().map(|(player, level)| (bytes(player.uuid()), level.to_string())).collect(),
            offers: changes.offers.iter().map(|(id, change)| OfferRow::of(*id, change)).collect(),
            purchases: changes.purchases.iter().map(PurchaseRow::of).collect::<Result<_, _>>()?,
            sold: sold.collect(),
        })
    }

    pub fn is_empty(&self) -> bool {
        self.levels.is_empty() && self.offers.is_empty() && self.gift_keys.is_empty() && self.purchases.is_empty()
    }
}
