//! The database of a simulated world: what was committed, in the order of the commits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use purser::ledger::state::{Decided, PastCommand, PlayerState};
use purser::ledger::{Batch, CommandKey, JournalEntry, OrderId, PlayerKey, ReadSet, State};
use purser::storage::StoreError;
use tokio::sync::Mutex;

/// What a transaction has read, and when: whatever of it changed since is a conflict.
pub struct Read {
    orders: BTreeSet<OrderId>,
    commands: BTreeSet<CommandKey>,
    version: u64,
}

pub struct Books {
    pub state: State,
    /// The journal's next number. Numbers that a transaction was given and did not use are lost, as Postgres does it.
    next: i64,
    /// In the order of the commits, each with the time of it.
    pub journal: Vec<(JournalEntry, Duration)>,
    /// Commands that the database refuses, whatever they come with.
    pub poison: BTreeSet<CommandKey>,
    commits: u64,
    changed_orders: HashMap<OrderId, u64>,
    changed_commands: HashMap<CommandKey, u64>,
    locks: BTreeMap<PlayerKey, Arc<Mutex<()>>>,
}

impl Books {
    pub fn new(poison: BTreeSet<CommandKey>) -> Self {
        Self {
            state: State::default(),
            next: 1,
            journal: Vec::new(),
            poison,
            commits: 0,
            changed_orders: HashMap::new(),
            changed_commands: HashMap::new(),
            locks: BTreeMap::new(),
        }
    }

    /// The locks of the players that `keys` names, in key order.
    pub fn locks(&mut self, keys: &ReadSet) -> Vec<Arc<Mutex<()>>> {
        keys.players.iter().map(|player| Arc::clone(self.locks.entry(*player).or_default())).collect()
    }

    /// What `keys` names, and nothing else.
    pub fn load(&mut self, keys: &ReadSet) -> (State, Read) {
        let mut state = State::default();
        let players = keys.players.iter().filter_map(|key| Some((*key, self.state.players.get(key)?.clone())));
        state.players.extend(players);
        let orders = keys.orders.iter().filter_map(|id| Some((*id, self.state.orders.get(id)?.clone())));
        state.orders.extend(orders);
        let commands: BTreeSet<_> = keys.commands.union(&keys.order_commands).copied().collect();
        let decided = commands.iter().filter_map(|key| Some((*key, self.state.decided.get(key)?.clone())));
        state.decided.extend(decided);
        state.numbers = (self.next..).take(keys.rows).collect();
        self.next += i64::try_from(keys.rows).expect("a short batch");
        (state, Read { orders: keys.orders.clone(), commands, version: self.commits })
    }

    /// Commits so far.
    pub fn commits(&self) -> i64 {
        i64::try_from(self.commits).expect("a short history")
    }

    /// Those of `orders` that are known.
    pub fn known(&self, orders: &[OrderId]) -> Vec<OrderId> {
        orders.iter().filter(|order| self.state.orders.contains_key(order)).copied().collect()
    }

    /// Writes all of a batch, or says why nothing of it.
    pub fn write(&mut self, batch: Batch, read: &Read, now: Duration) -> Result<(), StoreError> {
        if batch.entries.iter().any(|entry| self.poison.contains(&entry.keyed.key)) {
            return Err(StoreError::Rejected("poison".to_owned()));
        }
        let is_new = |version: Option<&u64>| version.is_some_and(|version| *version > read.version);
        if read.orders.iter().any(|id| is_new(self.changed_orders.get(id)))
            || read.commands.iter().any(|key| is_new(self.changed_commands.get(key)))
        {
            return Err(StoreError::Conflict("another writer was here".to_owned()));
        }
        self.commits += 1;
        for player in batch.players {
            self.state.players.insert(player.key(), PlayerState::new(player));
        }
        for account in batch.accounts {
            let player = self.state.players.get_mut(&account.player).expect("an account's player was opened before");
            player.keep(account);
        }
        for (order, _) in batch.orders {
            self.changed_orders.insert(order.id(), self.commits);
            self.state.orders.insert(order.id(), order);
        }
        for entry in batch.entries {
            if entry.kept {
                let key = entry.keyed.kept_key(entry.outcome);
                self.changed_commands.insert(key, self.commits);
                let decided =
                    Decided { asked: PastCommand::Whole(entry.keyed.command.clone()), outcome: entry.outcome };
                let before = self.state.decided.insert(key, decided);
                assert!(before.is_none(), "a key is kept twice: {entry:?}");
            }
            self.journal.push((entry, now));
        }
        Ok(())
    }
}
