//! What is asked of the shop.

use serde::{Deserialize, Serialize};

use super::{BuyKeys, BuyVip, StockOffers};
use crate::ledger::command::CommandKey;
use crate::ledger::{Party, PlayerId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum ShopAct {
    BuyVip(BuyVip),
    StockOffers(StockOffers),
    BuyKeys(BuyKeys),
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

    pub(in crate::ledger) fn number_mut(&mut self) -> Option<&mut Option<i64>> {
        match self {
            Self::BuyKeys(buy) => Some(&mut buy.number),
            Self::BuyVip(_) | Self::StockOffers(_) => None,
        }
    }

    pub(in crate::ledger) fn key(&self, party: &Party) -> CommandKey {
        match self {
            Self::BuyVip(buy) => CommandKey::of_text("buy_vip", party, &buy.key),
            Self::StockOffers(stock) => CommandKey::of_text("stock_offers", party, &stock.key),
            Self::BuyKeys(buy) => CommandKey::of_buy_keys(party, &buy.buyer, &buy.reference),
        }
    }
}
