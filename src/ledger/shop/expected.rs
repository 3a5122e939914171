//! What must be stored of what was bought and stocked: what `decide` did, from the journal's side, for whoever audits.

use std::collections::HashSet;
use std::sync::Arc;

use super::{BuyKeys, Offer, OfferId, ShopAct, ShopDone, StockOffers, StockedKey};
use crate::ledger::Party;
use crate::ledger::player::PlayerKey;
use crate::ledger::recorded::DoneRow;

/// What follows from one journal row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedShop {
    /// The player has this level, unless a later row says another.
    Level(PlayerKey, Arc<str>),
    Stock(ExpectedStock),
    Purchase(ExpectedPurchase),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedStock {
    /// As they are, unless a later row says otherwise.
    pub offers: Vec<(OfferId, Offer)>,
    /// Keys that entered the stock, or were known before, in the order in which they were brought.
    pub brought: Vec<StockedKey>,
    /// How many of them were not known before.
    pub added: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPurchase {
    pub number: i64,
    pub party: Party,
    pub buyer: Arc<str>,
    pub offer: OfferId,
    /// Minor units, for all keys; `None` where 64 bits do not hold it, which nobody can have paid.
    pub paid: Option<i64>,
    pub keys: u32,
}

/// `None` where a row says that something was done that its act does not do.
pub fn expected(row: &DoneRow, act: &ShopAct, done: ShopDone) -> Option<ExpectedShop> {
    let party = &row.keyed.command.party;
    match (act, done) {
        (ShopAct::BuyVip(buy), ShopDone::VipBought { .. }) => {
            Some(ExpectedShop::Level(row.keyed.player, Arc::clone(&buy.level)))
        }
        (ShopAct::StockOffers(stock), ShopDone::OffersStocked { added }) => {
            Some(ExpectedShop::Stock(stocked(party, stock, added)))
        }
        (ShopAct::BuyKeys(buy), ShopDone::KeysBought { order, .. }) => {
            Some(ExpectedShop::Purchase(bought(party, buy, order)))
        }
        (ShopAct::BuyVip(_) | ShopAct::StockOffers(_) | ShopAct::BuyKeys(_), _) => None,
    }
}

fn stocked(party: &Party, stock: &StockOffers, added: i64) -> ExpectedStock {
    let (mut offers, mut brought, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for stocking in &stock.offers {
        let offer = OfferId::of(party, &stocking.offer.id);
        let keys = stocking.keys.iter().filter(|key| seen.insert(key.id));
        brought.extend(keys.map(|key| StockedKey { key: key.clone(), offer }));
        offers.push((offer, stocking.offer.clone()));
    }
    ExpectedStock { offers, brought, added }
}

fn bought(party: &Party, buy: &BuyKeys, number: i64) -> ExpectedPurchase {
    ExpectedPurchase {
        number,
        party: party.clone(),
        buyer: Arc::clone(&buy.buyer),
        offer: OfferId::of(party, &buy.offer),
        paid: buy.price.minor().checked_mul(i64::from(buy.count)),
        keys: buy.count,
    }
}
