//! What acts about transactions need to know, and what a batch knows of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{Change, ManualVoid, Transaction, TransactionAct};
use crate::ledger::command::{CommandKey, KeyedCommand};
use crate::ledger::player::PlayerKey;

/// What to load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionKeys {
    /// Transactions by their number, by their key, and all that a player has in a round. Those that a transaction
    /// found by its key names as its source are loaded with it.
    pub numbers: BTreeSet<i64>,
    pub named: BTreeSet<CommandKey>,
    pub rounds: BTreeSet<(PlayerKey, Arc<str>)>,
    /// Manual voids, by the number of the transaction that they are about.
    pub voids: BTreeSet<i64>,
}

impl TransactionKeys {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(in crate::ledger) fn add(&mut self, keyed: &KeyedCommand, act: &TransactionAct) {
        match act {
            TransactionAct::Adjust(adjust) => {
                self.named.insert(keyed.key);
                match &adjust.change {
                    Change::Stake { .. } => {}
                    Change::Pay { source, .. } => self.numbers.extend(*source),
                    Change::Void { source, .. } => self.numbers.extend([*source]),
                    Change::Win { .. } | Change::Refund { .. } => {
                        self.rounds.extend(adjust.label.round.clone().map(|round| (keyed.player, round)));
                    }
                    Change::Rollback { name } => {
                        self.named.insert(CommandKey::of_adjust(&keyed.command.party, name));
                    }
                }
            }
            TransactionAct::QueueVoid(queue) => self.add_void(queue.source),
            TransactionAct::ResolveVoid(resolve) => self.add_void(resolve.source),
        }
    }

    fn add_void(&mut self, source: i64) {
        self.numbers.insert(source);
        self.voids.insert(source);
    }
}

/// What is known of transactions, by number and by key, and of voids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transactions {
    by_number: BTreeMap<i64, Transaction>,
    by_key: HashMap<CommandKey, i64>,
    by_round: HashMap<(PlayerKey, Arc<str>), BTreeSet<i64>>,
    /// By the number of the transaction that they are about.
    pub voids: HashMap<i64, ManualVoid>,
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
        for (source, void) in others.voids {
            self.voids.entry(source).or_insert(void);
        }
    }
}
