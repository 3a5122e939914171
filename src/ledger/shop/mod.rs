//! The shop: what players and partners buy with players' money: VIP levels (GoPlay) and keys of offers (CodeGames).
//!
//! What is asked, done and refused is listed here, once; everything else about an act is in its own file. What a batch reads
//! and changes of all of it is in [`stock`].

mod stock;
mod vip;
mod offers;

pub use offers::{BuyKeys, KeyId, Offer, OfferId, OfferState, Purchase, SealedKey, StockOffers, StockedKey, Stocking};
pub(crate) use offers::{ExpectedPurchase, ExpectedStock};
pub use stock::{OfferChange, Shop, ShopChanges, ShopEffects, ShopKeys};
pub use vip::BuyVip;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::{CommandKey, KeyedCommand};
use super::decide::AreaDecision;
use super::player::PlayerKey;
use super::recorded::DoneRow;
use super::state::State;
use super::{Party, PlayerId};

/// What is asked of the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum ShopAct {
    BuyVip(BuyVip),
    StockOffers(StockOffers),
    BuyKeys(BuyKeys),
}

/// What was done. Amounts are minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShopDone {
    VipBought {
        balance: i64,
    },
    /// How many keys were not known before.
    OffersStocked {
        added: i64,
    },
    KeysBought {
        order: i64,
        balance: i64,
    },
}

/// Why nothing was done, in the order in which the reasons are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShopRefusal {
    /// The player has this level or a higher one.
    VipNotHigher,
    OfferUnknown,
    /// The offer is in another currency.
    OfferCurrencyDiffers,
    OfferPriceDiffers {
        price: i64,
    },
    OutOfStock {
        stock: i64,
    },
}

/// What must be stored after one journal row: what `decide` did, from the journal's side, for whoever audits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExpectedShop {
    /// The player has this level, unless a later row says another.
    Level(PlayerKey, Arc<str>),
    Stock(ExpectedStock),
    Purchase(ExpectedPurchase),
}

impl ShopAct {
    /// Who buys; stocking offers is nobody's.
    pub fn player(&self) -> Option<&PlayerId> {
        match self {
            Self::BuyVip(buy) => Some(&buy.player),
            Self::BuyKeys(buy) => Some(&buy.player),
            Self::StockOffers(_) => None,
        }
    }

    /// The number that it brings, where its kind of act may bring one.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::BuyKeys(buy) => buy.number,
            Self::BuyVip(_) | Self::StockOffers(_) => None,
        }
    }

    pub(super) fn number_mut(&mut self) -> Option<&mut Option<i64>> {
        match self {
            Self::BuyKeys(buy) => Some(&mut buy.number),
            Self::BuyVip(_) | Self::StockOffers(_) => None,
        }
    }

    pub(super) fn key(&self, party: &Party) -> CommandKey {
        match self {
            Self::BuyVip(buy) => CommandKey::of_text("buy_vip", party, &buy.key),
            Self::StockOffers(stock) => CommandKey::of_text("stock_offers", party, &stock.key),
            Self::BuyKeys(buy) => CommandKey::of_buy_keys(party, &buy.buyer, &buy.reference),
        }
    }
}

impl ShopDone {
    /// The number that an order of keys was given.
    pub(super) fn given(self) -> Option<i64> {
        match self {
            Self::KeysBought { order, .. } => Some(order),
            Self::VipBought { .. } | Self::OffersStocked { .. } => None,
        }
    }
}

impl ShopKeys {
    pub(super) fn add(&mut self, keyed: &KeyedCommand, act: &ShopAct) {
        match act {
            ShopAct::BuyVip(_) => self.levels.extend([keyed.player]),
            ShopAct::StockOffers(stock) => offers::read_to_stock(self, &keyed.command.party, stock),
            ShopAct::BuyKeys(buy) => offers::read_to_buy(self, &keyed.command.party, buy),
        }
    }
}

/// `number` is what an order of keys is called by.
pub(super) fn decide(state: &State, keyed: &KeyedCommand, act: &ShopAct, number: i64) -> AreaDecision<ShopDone> {
    match act {
        ShopAct::BuyVip(buy) => vip::decide(state, keyed, buy),
        ShopAct::StockOffers(stock) => Ok(offers::stock(state, keyed, stock)),
        ShopAct::BuyKeys(buy) => offers::buy(state, keyed, buy, act.number().unwrap_or(number)),
    }
}

pub(super) fn is_same(now: &ShopAct, then: &ShopAct) -> bool {
    match (now, then) {
        (ShopAct::BuyVip(now), ShopAct::BuyVip(then)) => vip::is_same(now, then),
        (ShopAct::StockOffers(now), ShopAct::StockOffers(then)) => offers::is_same_stock(now, then),
        (ShopAct::BuyKeys(now), ShopAct::BuyKeys(then)) => offers::is_same_purchase(now, then),
        (ShopAct::BuyVip(_) | ShopAct::StockOffers(_) | ShopAct::BuyKeys(_), _) => false,
    }
}

/// `None` where a row says that something was done that its act does not do.
pub(crate) fn expected(row: &DoneRow, act: &ShopAct, done: ShopDone) -> Option<ExpectedShop> {
    let party = &row.keyed.command.party;
    match (act, done) {
        (ShopAct::BuyVip(buy), ShopDone::VipBought { .. }) => {
            Some(ExpectedShop::Level(row.keyed.player, Arc::clone(&buy.level)))
        }
        (ShopAct::StockOffers(stock), ShopDone::OffersStocked { added }) => {
            Some(ExpectedShop::Stock(ExpectedStock::of(party, stock, added)))
        }
        (ShopAct::BuyKeys(buy), ShopDone::KeysBought { order, .. }) => {
            Some(ExpectedShop::Purchase(ExpectedPurchase::of(party, buy, order)))
        }
        (ShopAct::BuyVip(_) | ShopAct::StockOffers(_) | ShopAct::BuyKeys(_), _) => None,
    }
}
