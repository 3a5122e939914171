//! What a batch of commands needs to know, loaded at once.

use std::collections::{BTreeSet, HashMap};

use super::account::{Account, Pocket};
use super::accounts::AccountAct;
use super::command::{Act, Command, CommandKey, KeyedCommand};
use super::command_digest::CommandDigest;
use super::ids::Party;
use super::orders::{Order, OrderId};
use super::outcome::Outcome;
use super::player::{Player, PlayerKey, Username};
use super::shop::{Shop, ShopKeys};
use super::transactions::{TransactionKeys, Transactions};

/// What to load for a batch: every key that its decisions may look up. Sorted, since rows are locked in key order:
/// first players, then offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// Whose commands they are.
    pub parties: BTreeSet<Party>,
    pub players: BTreeSet<PlayerKey>,
    /// What players are to be opened with, if nobody else has it.
    pub usernames: BTreeSet<Username>,
    pub orders: BTreeSet<OrderId>,
    /// What orders' commands are kept under. They are found by the order, which whatever was kept about it left, too:
    /// where that is unknown, so is the command.
    pub order_commands: BTreeSet<CommandKey>,
    /// What other commands are kept under.
    pub commands: BTreeSet<CommandKey>,
    /// Journal rows that the batch may need: a key that is asked for twice may be written about twice.
    pub rows: usize,
    pub transactions: TransactionKeys,
    pub shop: ShopKeys,
}

impl ReadSet {
    pub fn of<'a>(commands: impl IntoIterator<Item = &'a KeyedCommand>) -> Self {
        let mut keys = Self::default();
        for keyed in commands {
            if !keys.parties.contains(&keyed.command.party) {
                keys.parties.insert(keyed.command.party.clone());
            }
            keys.players.insert(keyed.player);
            keys.orders.extend(keyed.order.iter().flat_map(|order| order.both()));
            match keyed.refused_key() {
                Some(refused) => keys.order_commands.extend([keyed.key, refused]),
                None => keys.commands.extend([keyed.key]),
            }
            keys.rows = keys.rows.saturating_add(1);
            match &keyed.command.act {
                Act::Transaction(act) => keys.transactions.add(keyed, act),
                Act::Shop(act) => keys.shop.add(keyed, act),
                Act::Account(AccountAct::OpenPlayer(open)) => {
                    keys.usernames.extend(Username::of(&keyed.command.party, &open.profile));
                }
                // Their players and orders are all that they look up.
                Act::Account(AccountAct::Deposit(_) | AccountAct::Withdraw(_)) | Act::Order(_) => {}
            }
        }
        keys.players.remove(&PlayerKey::nobody());
        keys
    }
}

/// A command that was decided before, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub asked: PastCommand,
    pub outcome: Outcome,
}

/// A command that was decided, or what pruning the journal has left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "pruned ones are as rare as repeats of old commands")]
pub enum PastCommand {
    Whole(Command),
    Pruned(CommandDigest),
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
    /// Whose each username is.
    pub usernames: HashMap<Username, PlayerKey>,
    pub orders: HashMap<OrderId, Order>,
    pub decided: HashMap<CommandKey, Decided>,
    /// The journal's numbers for the batch's entries, in their order. An entry's number names what it makes, too.
    pub numbers: Vec<i64>,
    pub transactions: Transactions,
    pub shop: Shop,
}

impl PlayerState {
    pub fn new(player: Player) -> Self {
        Self { player, accounts: Vec::new() }
    }

    /// The account of this pocket. It exists as soon as its player does: one never used has balance 0.
    pub fn account(&self, pocket: &Pocket) -> Account {
        let used = self.accounts.iter().find(|account| account.pocket == *pocket);
        used.cloned().unwrap_or_else(|| Account::unused(self.player.party.clone(), self.player.key(), pocket.clone()))
    }

    /// Minor units that the player has staked on `day` in the currency of `pocket`, over all wallets.
    /// `None` where the sum passes 64 bits.
    pub(crate) fn staked_on(&self, day: i32, pocket: &Pocket) -> Option<i64> {
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
