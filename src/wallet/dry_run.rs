//! A replay that writes nothing: what it would have written is kept in memory, so that later commands see it.
//!
//! Its size is that of everything that the commands touch: about half a KiB a command.

use crate::ledger::shop::ShopKeys;
use crate::ledger::{ReadSet, State};

/// The ledger as the replayed commands would have left it, as far as they have looked.
#[derive(Default)]
pub struct DryRun {
    state: State,
}

impl DryRun {
    /// What to load for a batch: no numbers, since nothing is written, and the whole stock of an offer, since what has
    /// been sold of it meanwhile is only known here.
    pub fn wider(keys: &ReadSet) -> ReadSet {
        let offers = keys.shop.offers.keys().map(|offer| (*offer, i64::MAX)).collect();
        ReadSet { rows: 0, shop: ShopKeys { offers, ..keys.shop.clone() }, ..keys.clone() }
    }

    /// The state to decide against. What was loaded before is newer here than in the database.
    pub fn recall(&mut self, loaded: State) -> &mut State {
        let state = &mut self.state;
        for (key, player) in loaded.players {
            state.players.entry(key).or_insert(player);
        }
        for (username, owner) in loaded.usernames {
            state.usernames.entry(username).or_insert(owner);
        }
        for (id, order) in loaded.orders {
            state.orders.entry(id).or_insert(order);
        }
        for (key, decided) in loaded.decided {
            state.decided.entry(key).or_insert(decided);
        }
        state.shop.keep_unknown(loaded.shop);
        state.transactions.keep_unknown(loaded.transactions);
        state
    }
}
