//! What the shop's acts need to know, what a batch knows of it, and what changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{KeyId, Offer, OfferId, OfferState, Purchase, ShopAct, StockedKey};
use crate::ledger::Party;
use crate::ledger::player::PlayerKey;

/// What to load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShopKeys {
    /// Offers, and how many keys of each may be sold.
    pub offers: BTreeMap<OfferId, i64>,
    /// Gift-card keys that may be in stock already.
    pub gift_keys: BTreeSet<KeyId>,
}

impl ShopKeys {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(in crate::ledger) fn add(&mut self, party: &Party, act: &ShopAct) {
        match act {
            ShopAct::BuyVip(_) => {}
            ShopAct::StockOffers(stock) => {
                for stocking in &stock.offers {
                    self.offers.entry(OfferId::of(party, &stocking.offer.id)).or_default();
                    self.gift_keys.extend(stocking.keys.iter().map(|key| key.id));
                }
            }
            ShopAct::BuyKeys(buy) => {
                let wanted = self.offers.entry(OfferId::of(party, &buy.offer)).or_default();
                // More than there can be is as good as all that there is.
                *wanted = wanted.saturating_add(i64::from(buy.count));
            }
        }
    }
}

/// What is known of offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shop {
    pub offers: HashMap<OfferId, OfferState>,
    /// Those of [`ShopKeys::gift_keys`] that are in stock, or were.
    pub gift_keys: HashSet<KeyId>,
}

impl Shop {
    /// Takes what `others` know and this does not.
    pub fn keep_unknown(&mut self, others: Self) {
        for (id, offer) in others.offers {
            self.offers.entry(id).or_insert(offer);
        }
        self.gift_keys.extend(others.gift_keys);
    }
}

/// What one decision changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShopEffects {
    /// The player's new VIP level.
    pub vip: Option<(PlayerKey, Arc<str>)>,
    /// Final values of new and changed offers.
    pub offers: Vec<(OfferId, OfferState)>,
    /// Keys that enter the stock.
    pub stocked: Vec<StockedKey>,
    pub purchase: Option<Purchase>,
}

/// What a batch changes: final values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShopChanges {
    pub vips: BTreeMap<PlayerKey, Arc<str>>,
    pub offers: BTreeMap<OfferId, OfferChange>,
    /// In the order in which they will be sold, each with the number of the entry that brought it.
    pub stocked: Vec<(StockedKey, i64)>,
    pub purchases: Vec<Purchase>,
}

/// An offer as it is now, and by how much its stock has changed: another writer may have begun the same offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferChange {
    pub party: Party,
    pub offer: Offer,
    pub stock_change: i64,
}

impl ShopChanges {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All but the player's own level, which is the player's. `seq` is the number of the entry that it is of.
    pub(in crate::ledger) fn apply(&mut self, known: &mut Shop, effects: ShopEffects, party: &Party, seq: i64) {
        self.vips.extend(effects.vip);
        for (id, after) in effects.offers {
            let before = known.offers.get(&id).map_or(0, |known| known.stock);
            let changed = self.offers.get(&id).map_or(0, |known| known.stock_change);
            let stock_change = changed.saturating_add(after.stock.saturating_sub(before));
            let change = OfferChange { party: party.clone(), offer: after.offer.clone(), stock_change };
            self.offers.insert(id, change);
            known.offers.insert(id, after);
        }
        known.gift_keys.extend(effects.stocked.iter().map(|stocked| stocked.key.id));
        self.stocked.extend(effects.stocked.into_iter().map(|stocked| (stocked, seq)));
        self.purchases.extend(effects.purchase);
    }
}
