//! The fold: many commands decided one after another against one loaded state, as one thing to commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::account::{Account, AccountId, HouseAccount};
use super::command::{Act, CommandKey, Keyed};
use super::decide::{Decision, Effects, Side, decide};
use super::order::{Order, OrderId};
use super::outcome::{Keeping, Outcome, Refusal};
use super::player::{Player, PlayerKey};
use super::state::{Decided, PlayerState, State};

/// A transfer with its accounts named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    pub debit: AccountId,
    pub credit: AccountId,
    /// Minor units, at least 1.
    pub amount: i64,
}

/// One journal row to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub keyed: Keyed,
    pub outcome: Outcome,
    /// Whether the outcome answers the same command again.
    pub kept: bool,
    pub movement: Option<Movement>,
    /// Whether the entry's order changes with it.
    pub changes_order: bool,
}

impl Entry {
    /// The key that the journal keeps the entry under.
    pub fn kept_key(&self) -> Option<CommandKey> {
        self.kept.then_some(self.keyed.key)
    }
}

/// Everything that one transaction writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub entries: Vec<Entry>,
    pub players: Vec<Player>,
    /// Final values, in key order, so that rows are written in the order in which others lock them.
    pub accounts: Vec<Account>,
    /// Final values, each with the position in `entries` of the entry that made it so.
    pub orders: Vec<(Order, usize)>,
    pub house: BTreeMap<HouseAccount, AccountId>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// What the fold says about one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Decided(Outcome),
    /// Its bet is not known yet, and there is still time.
    Waits(OrderId),
}

/// Decides `commands` in order, each seeing what the ones before it did. A command whose flag says that it may wait
/// is left undecided while its order is unknown; where its bet comes later in the same batch, it is decided right
/// after the bet, before anything that came after.
pub fn fold<'a>(state: &mut State, commands: impl IntoIterator<Item = (&'a Keyed, bool)>) -> (Batch, Vec<Verdict>) {
    let mut folding = Folding::default();
    let mut verdicts = Vec::new();
    let mut waiting: HashMap<OrderId, Vec<(usize, &Keyed)>> = HashMap::new();
    for (keyed, may_wait) in commands {
        let verdict = folding.take(state, keyed, may_wait);
        if let Verdict::Waits(order) = verdict {
            waiting.entry(order).or_default().push((verdicts.len(), keyed));
        }
        verdicts.push(verdict);
        let placed = keyed.order.filter(|_| matches!(keyed.command.act, Act::PlaceBet(_)));
        for (position, overtook) in placed.and_then(|order| waiting.remove(&order)).unwrap_or_default() {
            verdicts[position] = folding.take(state, overtook, true);
        }
    }
    (folding.finish(state), verdicts)
}

#[derive(Default)]
struct Folding {
    batch: Batch,
    touched_accounts: BTreeSet<(AccountId, PlayerKey)>,
    touched_orders: BTreeMap<OrderId, usize>,
}

impl Folding {
    fn take(&mut self, state: &mut State, keyed: &Keyed, may_wait: bool) -> Verdict {
        let decision = decide(state, keyed);
        // A repeat waits for nothing: its cancel has given up on the bet before.
        let may_wait = may_wait && decision.keeping != Keeping::Ignored;
        if let (true, Outcome::Refused(Refusal::OrderUnknown), Some(order)) = (may_wait, decision.outcome, keyed.order)
        {
            return Verdict::Waits(order);
        }
        let outcome = decision.outcome;
        match decision.keeping {
            Keeping::Kept => self.record(state, keyed, decision, true),
            Keeping::Noted => self.record(state, keyed, decision, false),
            Keeping::Ignored => {}
        }
        Verdict::Decided(outcome)
    }

    fn record(&mut self, state: &mut State, keyed: &Keyed, decision: Decision, kept: bool) {
        if kept {
            let decided = Decided { command: keyed.command.clone(), outcome: decision.outcome };
            state.decided.insert(keyed.key, decided);
        }
        let movement = decision.effects.transfer.as_ref().map(|transfer| Movement {
            debit: self.account_id(&transfer.debit),
            credit: self.account_id(&transfer.credit),
            amount: transfer.amount.minor(),
        });
        let changes_order = decision.effects.order.is_some();
        self.apply(state, decision.effects);
        let outcome = decision.outcome;
        self.batch.entries.push(Entry { keyed: keyed.clone(), outcome, kept, movement, changes_order });
    }

    fn account_id(&mut self, side: &Side) -> AccountId {
        match side {
            Side::Player(id) => *id,
            Side::House(house) => match self.batch.house.get(house) {
                Some(id) => *id,
                None => *self.batch.house.entry(house.clone()).or_insert_with(|| house.id()),
            },
        }
    }

    fn apply(&mut self, state: &mut State, effects: Effects) {
        if let Some(player) = effects.opened {
            let opened = PlayerState { player: player.clone(), accounts: Vec::new() };
            state.players.insert(player.key(), opened);
            self.batch.players.push(player);
        }
        if let Some(account) = effects.account {
            self.touched_accounts.insert((account.id, account.player));
            if let Some(player) = state.players.get_mut(&account.player) {
                player.keep(account);
            }
        }
        if let Some(order) = effects.order {
            self.touched_orders.insert(order.id, self.batch.entries.len());
            state.orders.insert(order.id, order);
        }
    }

    fn finish(mut self, state: &State) -> Batch {
        let accounts = self.touched_accounts.iter().filter_map(|(id, player)| {
            state.players.get(player)?.accounts.iter().find(|account| account.id == *id).cloned()
        });
        self.batch.accounts = accounts.collect();
        let orders = self.touched_orders.iter().filter_map(|(id, at)| Some((state.orders.get(id)?.clone(), *at)));
        self.batch.orders = orders.collect();
        self.batch
    }
}
