//! What the shop's acts read and write, as table rows, and what people ask about it: levels, gift-card offers with their keys,
//! and what was bought. How each database is asked for a batch is beside it (`postgres/shop.rs`, `sqlite/shop.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use diesel::prelude::*;

use super::StoreError;
use super::partners::{of_row, parse_currency};
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, bytes, damaged, uuid};
use super::schema::{gift_keys, journal, offers, players, purchases};
use crate::ledger::shop::{KeyId, Offer, OfferChange, OfferId, OfferState, Purchase, Shop, ShopChanges, StockedKey};
use crate::ledger::{Amount, Done, Outcome, Party, PlayerKey, ShopDone};

/// The level that a player has bought: a column of `players` that only the shop knows.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = players)]
pub struct LevelRow {
    #[diesel(column_name = vip)]
    pub level: Option<String>,
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

/// What was read for one batch of the shop's acts.
#[derive(Debug, Default)]
pub struct LoadedShop {
    /// Players and their levels.
    pub levels: Vec<(Bytes, String)>,
    pub offers: Vec<OfferRow>,
    /// Offers with keys of theirs, in the order in which they are sold.
    pub for_sale: Vec<(Bytes, Bytes)>,
    /// Keys that are in stock, or were.
    pub known_keys: Vec<Bytes>,
}

impl LoadedShop {
    pub(super) fn add_to(self, shop: &mut Shop) -> Result<(), StoreError> {
        for (player, level) in self.levels {
            shop.levels.insert(PlayerKey::from_uuid(uuid(&player)?), level.into());
        }
        for row in self.offers {
            let (id, offer) = row.offer()?;
            shop.offers.insert(id, offer);
        }
        for (offer, key) in self.for_sale {
            let id = OfferId::from_uuid(uuid(&offer)?);
            let offer = shop.offers.get_mut(&id).ok_or_else(|| stocked_meanwhile(id))?;
            offer.next.push(KeyId(uuid(&key)?));
        }
        for key in self.known_keys {
            shop.known_keys.insert(KeyId(uuid(&key)?));
        }
        Ok(())
    }
}

/// Offers are locked before their keys are read: one that is not among them was first stocked in between.
fn stocked_meanwhile(offer: OfferId) -> StoreError {
    StoreError::Conflict(format!("offer {} has keys, and was not there when the batch was read", offer.uuid()))
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

impl ShopRows {
    pub(super) fn of(changes: &ShopChanges) -> Result<Self, StoreError> {
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

    /// What purchases are called by.
    pub fn numbers(&self) -> impl Iterator<Item = i64> {
        self.purchases.iter().map(|row| row.number)
    }
}

/// The level that a player has bought; `None` where there is none.
pub(crate) fn level(conn: &mut AnyConnection, player: PlayerKey) -> Result<Option<Arc<str>>, StoreError> {
    let of_player = players::table.find(bytes(player.uuid())).select(players::vip);
    let level: Option<Option<String>> = on!(conn, conn => of_player.first(conn)).optional().map_err(classify)?;
    Ok(level.flatten().map(Into::into))
}

/// An offer and its stock; not which keys are next.
pub(crate) fn offer(conn: &mut AnyConnection, id: OfferId) -> Result<Option<OfferState>, StoreError> {
    let of_offer = offers::table.find(bytes(id.uuid()));
    let found: Option<OfferRow> = on!(conn, conn => of_offer.first(conn)).optional().map_err(classify)?;
    Ok(found.map(OfferRow::offer).transpose()?.map(|(_, offer)| offer))
}

/// The sealed keys of a buyer's order, in the order of their sale; `None` where the buyer has no such order.
pub(crate) fn sold_keys(
    conn: &mut AnyConnection,
    party: &Party,
    buyer: &str,
    order: i64,
) -> Result<Option<Vec<Arc<str>>>, StoreError> {
    let theirs = purchases::table
        .find(order)
        .filter(purchases::party.eq(party.as_str()))
        .filter(purchases::buyer.eq(buyer))
        .select(purchases::number);
    let known: Option<i64> = on!(conn, conn => theirs.first(conn)).optional().map_err(classify)?;
    let Some(order) = known else { return Ok(None) };
    let sold = gift_keys::table.filter(gift_keys::purchase.eq(order)).order((gift_keys::seq, gift_keys::position));
    let sold: Vec<String> = on!(conn, conn => sold.select(gift_keys::sealed).load(conn)).map_err(classify)?;
    Ok(Some(sold.into_iter().map(Into::into).collect()))
}

/// Every offer with its stock, in the order of their ids; which keys are in stock is left out.
pub fn offers_of(conn: &mut AnyConnection, party: &Party) -> Result<Vec<OfferState>, StoreError> {
    let theirs = offers::table.filter(offers::party.eq(party.as_str())).order(offers::offer);
    let rows: Vec<OfferRow> = on!(conn, conn => theirs.load(conn)).map_err(classify)?;
    rows.into_iter().map(|row| row.offer().map(|(_, state)| state)).collect()
}

/// The order of gift-card keys of this number.
pub(crate) fn purchase(conn: &mut AnyConnection, number: i64) -> Result<Option<PurchaseRow>, StoreError> {
    on!(conn, conn => purchases::table.find(number).select(PurchaseRow::as_select()).first(conn))
        .optional()
        .map_err(classify)
}

/// Whether the journal row of this number is the one that made the order of gift-card keys of this number.
pub(crate) fn has_made_order(conn: &mut AnyConnection, number: i64) -> Result<bool, StoreError> {
    let outcome = journal::table.find(number).select(journal::outcome);
    let outcome: Option<String> = on!(conn, conn => outcome.first(conn)).optional().map_err(classify)?;
    let outcome = outcome.map(|outcome| serde_json::from_str(&outcome)).transpose();
    let outcome: Option<Outcome> = outcome.map_err(|error| damaged("outcome", error))?;
    Ok(matches!(outcome, Some(Outcome::Done(Done::Shop(ShopDone::KeysBought { order, .. }))) if order == number))
}

/// What a ledger holds of a party's, added up: of each query, what it is and how much. See [`super::party_moves`].
pub(super) const SUMS: [&str; 2] = [
    "SELECT 'players ' || coalesce(vip, 'without a level') AS what, CAST(count(*) AS TEXT) AS held FROM players WHERE party = ",
    "SELECT 'offers ' || currency AS what, CAST(count(*) AS TEXT) || ' with ' || CAST(sum(stock) AS TEXT) || ' keys at ' \
     || CAST(sum(price) AS TEXT) AS held FROM offers WHERE party = ",
];
