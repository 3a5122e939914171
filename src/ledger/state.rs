//! What a batch of commands needs to know, loaded at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::account::{Account, Pocket};
use super::command::{Act, Command, CommandKey, Keyed};
use super::essence::Essence;
use super::offer::{KeyId, OfferId, OfferState};
use super::order::{Order, OrderId};
use super::outcome::Outcome;
use super::player::{Player, PlayerKey};
use super::transaction::{Change, ManualVoid, Transaction};

/// What to load for a batch: every key that its decisions may look up. Sorted, since rows are locked in key order:
/// first players, then offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    pub players: BTreeSet<PlayerKey>,
    pub orders: BTreeSet<OrderId>,
    /// What orders' commands are kept under. They are found by the order, which whatever was kept about it left, too:
    /// where that is unknown, so is the command.
    pub order_commands: BTreeSet<CommandKey>,
    /// What other commands are kept under.
    pub commands: BTreeSet<CommandKey>,
    /// Journal rows that the batch may need: a key that is asked for twice may be written about twice.
    pub rows: usize,
    /// Transactions by their number, by their key, and all that a player has in a round. Those that a transaction
    /// found by its key names as its source are loaded with it.
    pub transactions: BTreeSet<i64>,
    pub named: BTreeSet<CommandKey>,
    pub rounds: BTreeSet<(PlayerKey, Arc<str>)>,
    /// Manual voids, by the number of the transaction that they are about.
    pub voids: BTreeSet<i64>,
    /// Offers, and how many keys of each may be sold.
    pub offers: BTreeMap<OfferId, usize>,
    /// Gift-card keys that may be in stock already.
    pub gift_keys: BTreeSet<KeyId>,
}

impl Keys {
    pub fn of<'a>(commands: impl IntoIterator<Item = &'a Keyed>) -> Self {
        let mut keys = Self::default();
        for keyed in commands {
            keys.players.insert(keyed.player);
            keys.orders.extend(keyed.order.iter().flat_map(|order| order.both()));
            match keyed.refused_key() {
                Some(refused) => keys.order_commands.extend([keyed.key, refused]),
                None => keys.commands.extend([keyed.key]),
            }
            keys.rows = keys.rows.saturating_add(1);
            keys.add_partners(keyed);
        }
        keys.players.remove(&PlayerKey::nobody());
        keys
    }

    /// What only the acts of partner dialects look up.
    fn add_partners(&mut self, keyed: &Keyed) {
        let party = &keyed.command.party;
        match &keyed.command.act {
            Act::Adjust(adjust) => {
                self.named.insert(keyed.key);
                match &adjust.change {
                    Change::Stake { .. } => {}
                    Change::Pay { source, .. } => self.transactions.extend(*source),
                    Change::Void { source, .. } => self.transactions.extend([*source]),
                    Change::Win { .. } | Change::Refund { .. } => {
                        self.rounds.extend(adjust.label.round.clone().map(|round| (keyed.player, round)));
                    }
                    Change::Rollback { name } => self.named.extend([CommandKey::of_adjust(party, name)]),
                }
            }
            Act::QueueVoid(queue) => self.add_void(queue.source),
            Act::ResolveVoid(resolve) => self.add_void(resolve.source),
            Act::StockOffers(stock) => {
                for stocking in &stock.offers {
                    self.offers.entry(OfferId::of(party, &stocking.offer.id)).or_default();
                    self.gift_keys.extend(stocking.keys.iter().map(|key| key.id));
                }
            }
            Act::BuyKeys(buy) => {
                let wanted = self.offers.entry(OfferId::of(party, &buy.offer)).or_default();
                *wanted = wanted.saturating_add(usize::try_from(buy.count).unwrap_or(usize::MAX));
            }
            Act::OpenPlayer(_)
            | Act::Deposit(_)
            | Act::Withdraw(_)
            | Act::PlaceBet(_)
            | Act::SettleOrder(_)
            | Act::CancelOrder(_)
            | Act::BuyVip(_) => {}
        }
    }

    fn add_void(&mut self, source: i64) {
        self.transactions.insert(source);
        self.voids.insert(source);
    }

    /// Whether anything is to be loaded but players, orders and commands.
    pub fn has_partners(&self) -> bool {
        let transactions = !(self.transactions.is_empty() && self.named.is_empty() && self.rounds.is_empty());
        transactions || !self.voids.is_empty() || !self.offers.is_empty()
    }
}

/// A command that was decided before, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub asked: Asked,
    pub outcome: Outcome,
}

/// A command that was decided, or what pruning the journal has left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "pruned ones are as rare as repeats of old commands")]
pub enum Asked {
    Whole(Command),
    Pruned(Essence),
}

/// A player with all of the accounts that were ever used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerState {
    pub player: Player,
    pub accounts: Vec<Account>,
    /// The VIP level that the player has bought.
    pub vip: Option<Arc<str>>,
}

/// The part of the ledger that a batch sees. What is absent here is absent from the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub players: HashMap<PlayerKey, PlayerState>,
    pub orders: HashMap<OrderId, Order>,
    pub decided: HashMap<CommandKey, Decided>,
    /// The journal's numbers for the batch's entries, in their order. An entry's number names what it makes, too.
    pub numbers: Vec<i64>,
    pub transactions: Transactions,
    pub voids: HashMap<i64, ManualVoid>,
    pub offers: HashMap<OfferId, OfferState>,
    /// Those of [`Keys::gift_keys`] that are in stock, or were.
    pub gift_keys: HashSet<KeyId>,
}

/// Transactions, by number and by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transactions {
    by_number: BTreeMap<i64, Transaction>,
    by_key: HashMap<CommandKey, i64>,
    by_round: HashMap<(PlayerKey, Arc<str>), BTreeSet<i64>>,
}

impl Transactions {
    pub fn get(&self, number: i64) -> Option<&Transaction> {
        self.by_number.get(&number)
    }

    pub fn named(&self, key: CommandKey) -> Option<&Transaction> {
        self.get(*self.by_key.get(&key)?)
    }

    /// What a player has in a round of a scope, oldest first.
    pub fn in_round<'a>(
        &'a self,
        player: PlayerKey,
        scope: &'a str,
        round: &'a str,
    ) -> impl Iterator<Item = &'a Transaction> {
        let in_round = self.by_round.get(&(player, round.into())).into_iter().flatten();
        let in_round = in_round.filter_map(|number| self.by_number.get(number));
        in_round.filter(move |transaction| *transaction.label.scope == *scope)
    }

    pub fn keep(&mut self, transaction: Transaction) {
        self.by_key.insert(transaction.key, transaction.number);
        if let Some(round) = &transaction.label.round {
            let in_round = self.by_round.entry((transaction.player, Arc::clone(round))).or_default();
            in_round.insert(transaction.number);
        }
        self.by_number.insert(transaction.number, transaction);
    }

    /// Takes those of `others` that are not here.
    pub fn keep_unknown(&mut self, others: Self) {
        for (number, transaction) in others.by_number {
            if !self.by_number.contains_key(&number) {
                self.keep(transaction);
            }
        }
    }
}

impl PlayerState {
    pub fn new(player: Player) -> Self {
        Self { player, accounts: Vec::new(), vip: None }
    }

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
