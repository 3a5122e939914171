//! The fold: many commands decided one after another against one loaded state, as one thing to commit.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::account::{Account, AccountId, HouseAccount};
use super::command::{CommandKey, KeyedCommand};
use super::decide::{Decision, Effects, decide, decide_recorded};
use super::ids::Party;
use super::orders::{Order, OrderId, OrderIds, OrderNumbers, OrderRefusal};
use super::outcome::{Outcome, Refusal, Retention};
use super::player::{Player, PlayerKey, Username};
use super::posting::Side;
use super::shop::ShopChanges;
use super::state::{Decided, PastCommand, PlayerState, State};
use super::transactions::TransactionChanges;

/// A transfer with its accounts named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferEntry {
    pub debit: AccountId,
    pub credit: AccountId,
    /// Minor units, at least 1.
    pub amount: i64,
}

/// One journal row to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// The journal's number.
    pub seq: i64,
    pub keyed: KeyedCommand,
    pub outcome: Outcome,
    /// Whether the outcome answers the same command again.
    pub kept: bool,
    /// The transfers of what it moved, in the order in which they are hashed.
    pub transfers: Vec<TransferEntry>,
}

impl JournalEntry {
    /// The key that the journal keeps the entry under.
    pub fn kept_key(&self) -> Option<CommandKey> {
        self.kept.then(|| self.keyed.kept_key(self.outcome))
    }
}

/// Everything that one transaction writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub entries: Vec<JournalEntry>,
    pub players: Vec<Player>,
    /// What they sign in by, in the order in which others write theirs.
    pub usernames: BTreeMap<Username, PlayerKey>,
    /// Final values, in key order, so that rows are written in the order in which others lock them.
    pub accounts: Vec<Account>,
    /// Final values, each with the numbers of the entries that are kept about it.
    pub orders: Vec<(Order, OrderNumbers)>,
    pub house: BTreeMap<HouseAccount, AccountId>,
    pub transactions: TransactionChanges,
    pub shop: ShopChanges,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// What the fold says about one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoldVerdict {
    Decided {
        outcome: Outcome,
        /// Whether it was decided before, and this is the answer again.
        repeated: bool,
    },
    /// Its bet is not known yet, and there is still time.
    Waits(OrderIds),
}

/// Decides `commands` in order, each seeing what the ones before it did. A command whose flag says that it may wait
/// is left undecided while its order is unknown; where its bet comes later in the same batch, it is decided right
/// after the bet, before anything that came after.
pub fn fold<'a>(
    state: &mut State,
    commands: impl IntoIterator<Item = (&'a KeyedCommand, bool)>,
) -> (Batch, Vec<FoldVerdict>) {
    let mut folding = Folding::default();
    let mut verdicts = Vec::new();
    let mut waiting: HashMap<OrderId, Vec<(usize, &KeyedCommand)>> = HashMap::new();
    for (keyed, may_wait) in commands {
        let verdict = folding.take(state, keyed, may_wait);
        if let FoldVerdict::Waits(order) = verdict {
            waiting.entry(order.accepted).or_default().push((verdicts.len(), keyed));
        }
        verdicts.push(verdict);
        let placed = keyed.bet().map(|order| order.accepted);
        for (position, overtook) in placed.and_then(|order| waiting.remove(&order)).unwrap_or_default() {
            verdicts[position] = folding.take(state, overtook, true);
        }
    }
    (folding.finish(), verdicts)
}

/// Decides `commands`, each with what is recorded of it, in order, and lets only those take effect that `takes` says yes
/// to when it sees what is decided of them. For a replay: nothing waits.
pub fn fold_where<'a>(
    state: &mut State,
    commands: impl IntoIterator<Item = (&'a KeyedCommand, Outcome)>,
    mut takes: impl FnMut(&KeyedCommand, &Decision) -> bool,
) -> Batch {
    let mut folding = Folding::default();
    for (keyed, recorded) in commands {
        let seq = folding.next_seq(state);
        let decision = decide_recorded(state, keyed, seq, recorded);
        if takes(keyed, &decision) && decision.retention != Retention::None {
            folding.record(state, keyed, decision, seq);
        }
    }
    folding.finish()
}

#[derive(Default)]
struct Folding {
    batch: Batch,
    /// Final values so far.
    accounts: BTreeMap<AccountId, Account>,
    orders: BTreeMap<OrderId, (Order, OrderNumbers)>,
}

impl Folding {
    fn take(&mut self, state: &mut State, keyed: &KeyedCommand, may_wait: bool) -> FoldVerdict {
        let seq = self.next_seq(state);
        let decision = decide(state, keyed, seq);
        // A repeat waits for nothing: its cancel has given up on the bet before.
        let may_wait = may_wait && decision.retention != Retention::None;
        if let (true, Outcome::Refused(unknown), Some(order)) = (may_wait, decision.outcome, keyed.order)
            && unknown == Refusal::Order(OrderRefusal::OrderUnknown)
        {
            return FoldVerdict::Waits(order);
        }
        let (outcome, repeated) = (decision.outcome, decision.repeated);
        match decision.retention {
            Retention::Idempotent | Retention::RecordOnly => self.record(state, keyed, decision, seq),
            Retention::None => {}
        }
        FoldVerdict::Decided { outcome, repeated }
    }

    /// The journal's number for the next entry. Where none are reserved nothing will be written (a dry run): the store
    /// refuses a row that is numbered by its position.
    fn next_seq(&self, state: &State) -> i64 {
        let (position, reserved) = (self.batch.entries.len(), state.numbers.len());
        assert!(reserved == 0 || position < reserved, "entry {position} has no number: {reserved} were reserved");
        state.numbers.get(position).copied().unwrap_or_else(|| i64::try_from(position).unwrap_or(i64::MAX))
    }

    fn record(&mut self, state: &mut State, keyed: &KeyedCommand, decision: Decision, seq: i64) {
        let kept = decision.retention == Retention::Idempotent;
        if kept {
            let asked = PastCommand::Whole(keyed.command.clone());
            let decided = Decided { asked, outcome: decision.outcome };
            let key = keyed.kept_key(decision.outcome);
            state.decided.insert(key, decided);
        }
        let entries = decision.effects.transfers.iter().map(|transfer| TransferEntry {
            debit: self.account_id(&transfer.debit),
            credit: self.account_id(&transfer.credit),
            amount: transfer.amount.minor(),
        });
        let transfers = entries.collect();
        self.apply(state, decision.effects, &keyed.command.party, seq);
        if kept && keyed.order.is_some() {
            self.tell_order(state, keyed.kept_key(decision.outcome), seq);
        }
        let outcome = decision.outcome;
        self.batch.entries.push(JournalEntry { seq, keyed: keyed.clone(), outcome, kept, transfers });
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

    fn apply(&mut self, state: &mut State, effects: Effects, party: &Party, seq: i64) {
        if let Some(player) = effects.opened {
            self.name(state, &player);
            state.players.insert(player.key(), PlayerState::new(player.clone()));
            self.batch.players.push(player);
        }
        for account in effects.accounts {
            if let Some(player) = loaded(state, account.player) {
                player.keep(account.clone());
            }
            self.accounts.insert(account.id, account);
        }
        if let Some(order) = effects.order {
            state.orders.insert(order.id(), order);
        }
        self.batch.transactions.apply(&mut state.transactions, effects.transactions);
        self.batch.shop.apply(state, effects.shop, party, seq);
    }

    /// A username stays whoever's it is: only a player who was opened with it long ago can come second.
    fn name(&mut self, state: &mut State, player: &Player) {
        let Some(username) = player.username() else { return };
        if let Entry::Vacant(free) = state.usernames.entry(username.clone()) {
            free.insert(player.key());
            self.batch.usernames.insert(username, player.key());
        }
    }

    /// An order is what its commands are found by, so it tells their numbers, be it changed by them or not.
    fn tell_order(&mut self, state: &State, key: CommandKey, seq: i64) {
        let (id, operation, order) = (key.order(), key.operation(), state.orders.get(&key.order()));
        assert!(
            order.is_some() && operation.is_some(),
            "a command is kept about order {}, which is not known",
            id.uuid()
        );
        if let (Some(order), Some(operation)) = (order, operation) {
            let mut numbers = self.orders.remove(&id).map(|(_, numbers)| numbers).unwrap_or_default();
            numbers.set(operation, seq);
            self.orders.insert(id, (order.clone(), numbers));
        }
    }

    fn finish(mut self) -> Batch {
        self.batch.accounts = self.accounts.into_values().collect();
        self.batch.orders = self.orders.into_values().collect();
        self.batch
    }
}

/// A player whose money or standing was changed, so that it must have been loaded: what is not written is lost.
pub(super) fn loaded(state: &mut State, player: PlayerKey) -> Option<&mut PlayerState> {
    let loaded = state.players.get_mut(&player);
    assert!(loaded.is_some(), "player {player} was changed and is not known");
    loaded
}

#[cfg(test)]
mod tests;
