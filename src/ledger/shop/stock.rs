//! What the shop's acts need to know, what a batch knows of it, and what changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{KeyId, Offer, OfferId, OfferState, Purchase, StockedKey};
use crate::ledger::batch::loaded;
use crate::ledger::player::PlayerKey;
use crate::ledger::{Party, State};

/// What to load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShopKeys {
    /// Players whose levels matter.
    pub levels: BTreeSet<PlayerKey>,
    /// Offers, and how many keys of each may be sold.
    pub offers: BTreeMap<OfferId, i64>,
    /// Keys that may be in stock already.
    pub known_keys: BTreeSet<KeyId>,
}

impl ShopKeys {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is known of what is sold and what was bought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shop {
    /// The level that each player has bought, of those of [`ShopKeys::levels`] who have.
    pub levels: HashMap<PlayerKey, Arc<str>>,
    pub offers: HashMap<OfferId, OfferState>,
    /// Those of [`ShopKeys::known_keys`] that are in stock, or were.
    pub known_keys: HashSet<KeyId>,
}

impl Shop {
    /// Takes what `others` know and this does not.
    pub fn keep_unknown(&mut self, others: Self) {
        for (player, level) in others.levels {
            self.levels.entry(player).or_insert(level);
        }
        for (id, offer) in others.offers {
            self.offers.entry(id).or_insert(offer);
        }
        self.known_keys.extend(others.known_keys);
    }
}

/// What one decision changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShopEffects {
    /// The player's new level.
    pub level: Option<(PlayerKey, Arc<str>)>,
    /// Final values of new and changed offers.
    pub offers: Vec<(OfferId, OfferState)>,
    /// Keys that enter the stock.
    pub stocked: Vec<StockedKey>,
    pub purchase: Option<Purchase>,
}

/// What a batch changes: final values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShopChanges {
    pub levels: BTreeMap<PlayerKey, Arc<str>>,
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

    /// `seq` is the number of the entry that it is of.
    pub(in crate::ledger) fn apply(&mut self, state: &mut State, effects: ShopEffects, party: &Party, seq: i64) {
        if let Some((player, level)) = effects.level {
            loaded(state, player);
            state.shop.levels.insert(player, Arc::clone(&level));
            self.levels.insert(player, level);
        }
        let known = &mut state.shop;
        for (id, after) in effects.offers {
            let before = known.offers.get(&id).map_or(0, |known| known.stock);
            let changed = self.offers.get(&id).map_or(0, |known| known.stock_change);
            let stock_change = changed.saturating_add(after.stock.saturating_sub(before));
            let change = OfferChange { party: party.clone(), offer: after.offer.clone(), stock_change };
            self.offers.insert(id, change);
            known.offers.insert(id, after);
        }
        known.known_keys.extend(effects.stocked.iter().map(|stocked| stocked.key.id));
        self.stocked.extend(effects.stocked.into_iter().map(|stocked| (stocked, seq)));
        self.purchases.extend(effects.purchase);
    }
}
