//! The shop: what players and partners buy with players' money: VIP levels (GoPlay) and gift-card keys (CodeGames).

mod offer;
mod acts;
mod outcome;
mod stock;
mod vip;
mod gift_cards;
pub(crate) mod expected;

pub use acts::ShopAct;
pub use gift_cards::{BuyKeys, StockOffers, Stocking};
pub use offer::{KeyId, Offer, OfferId, OfferState, Purchase, SealedKey, StockedKey};
pub use outcome::{ShopDone, ShopRefusal};
pub use stock::{OfferChange, Shop, ShopChanges, ShopEffects, ShopKeys};
pub use vip::BuyVip;

use super::command::KeyedCommand;
use super::decide::AreaDecision;
use super::state::State;

/// `number` is what an order of keys is called by.
pub(super) fn decide(state: &State, keyed: &KeyedCommand, act: &ShopAct, number: i64) -> AreaDecision<ShopDone> {
    match act {
        ShopAct::BuyVip(buy) => vip::decide(state, keyed, buy),
        ShopAct::StockOffers(stock) => Ok(gift_cards::stock(state, keyed, stock)),
        ShopAct::BuyKeys(buy) => gift_cards::buy(state, keyed, buy, act.number().unwrap_or(number)),
    }
}

pub(super) fn is_same(now: &ShopAct, then: &ShopAct) -> bool {
    match (now, then) {
        (ShopAct::BuyVip(now), ShopAct::BuyVip(then)) => vip::is_same(now, then),
        (ShopAct::StockOffers(now), ShopAct::StockOffers(then)) => gift_cards::is_same_stock(now, then),
        (ShopAct::BuyKeys(now), ShopAct::BuyKeys(then)) => gift_cards::is_same_purchase(now, then),
        (ShopAct::BuyVip(_) | ShopAct::StockOffers(_) | ShopAct::BuyKeys(_), _) => false,
    }
}
