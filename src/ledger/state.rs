//! What a batch of commands needs to know, loaded at once.

use std::collections::{BTreeSet, HashMap};

use super::account::{Account, Pocket};
use super::command::{Command, CommandKey, Keyed};
use super::order::{Order, OrderId};
use super::outcome::Outcome;
use super::player::{Player, PlayerKey};

/// What to load for a batch: every key that its decisions may look up. Sorted, since rows are locked in key order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    pub players: BTreeSet<PlayerKey>,
    pub orders: BTreeSet<OrderId>,
    pub commands: BTreeSet<CommandKey>,
    /// Journal rows that the batch may need: a key that is asked for twice may be written about twice.
    pub rows: usize,
}

impl Keys {
    pub fn of<'a>(commands: impl IntoIterator<Item = &'a Keyed>) -> Self {
        let mut keys = Self::default();
        for keyed in commands {
            keys.players.insert(keyed.player);
            keys.orders.extend(keyed.order);
            keys.commands.insert(keyed.key);
            keys.rows = keys.rows.saturating_add(1);
        }
        keys
    }
}

/// A command that was decided before, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub command: Command,
    pub outcome: Outcome,
}

/// A player with all of the accounts that were ever used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerState {
    pub player: Player,
    pub accounts: Vec<Account>,
}

/// The part of the ledger that a batch sees. What is absent here is absent from the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub players: HashMap<PlayerKey, PlayerState>,
    pub orders: HashMap<OrderId, Order>,
    pub decided: HashMap<CommandKey, Decided>,
}

impl PlayerState {
    /// The account of this pocket. It exists as soon as its player does: one never used has balance 0.
    pub fn account(&self, pocket: &Pocket) -> Account {
        let used = self.accounts.iter().find(|account| account.pocket == *pocket);
        used.cloned().unwrap_or_else(|| Account::unused(self.player.party.clone(), self.player.key(), pocket.clone()))
    }

    /// Minor units that the player has staked on `day` in the currency of `pocket`, over all wallets.
    /// `None` where the sum passes 64 bits.
    pub fn staked_on(&self, day: i32, pocket: &Pocket) -> Option<i64> {
        let same_currency = self.accounts.iter().filter(|account| account.pocket.currency == pocket.currency);
        same_currency.map(|account| account.staked_on(day)).try_fold(0_i64, i64::checked_add)
    }

    /// Puts an account back, changed.
    pub fn keep(&mut self, account: Account) {
        match self.accounts.iter_mut().find(|kept| kept.id == account.id) {
            Some(kept) => *kept = account,
            None => self.accounts.push(account),
        }
    }
}
