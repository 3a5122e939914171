//! A wallet in memory: the pure ledger folded over one state, with nothing behind it. Unit tests and fuzzing drive the
//! dialects with it.
//!
//! It notes what it was asked, so that a test can count questions; and a test may say what the next commands' outcomes
//! shall be, where it is about an outcome that is hard to come by.

mod grants;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::grants::GrantsInMemory;
use super::port::{DecidedCommand, WalletError, WalletFuture, WalletPort};
use crate::config::Secret;
use crate::identity::grants::{GrantAct, GrantAnswer};
use crate::ledger::player::Username;
use crate::ledger::shop::{KeyId, OfferId, OfferState, Purchase};
use crate::ledger::state::{PastCommand, PlayerState};
use crate::ledger::transactions::{FindBy, ManualVoid, Transaction, TransactionQuery};
use crate::ledger::{
    Command, CommandKey, FoldVerdict, Order, OrderId, Outcome, Party, PlayerId, PlayerKey, Pocket, State, fold,
};

/// A wallet of its own.
#[derive(Default)]
pub struct MemoryWallet {
    books: Mutex<Books>,
}

#[derive(Clone, Default)]
struct Books {
    ledger: State,
    /// The journal's number for what is decided next.
    next_number: i64,
    purchases: Vec<Purchase>,
    sealed_keys: HashMap<KeyId, Arc<str>>,
    password_hashes: HashMap<PlayerKey, Secret>,
    grants: GrantsInMemory,
    /// What commands are answered with before the ledger is asked.
    scripted: VecDeque<Outcome>,
    commands: Vec<Command>,
    asked: Vec<&'static str>,
}

impl Clone for MemoryWallet {
    /// A wallet that goes its own way from here.
    fn clone(&self) -> Self {
        Self { books: Mutex::new(self.lock().clone()) }
    }
}

impl MemoryWallet {
    /// Numbers what it decides from here on.
    pub fn with_numbers_from(first: i64) -> Self {
        Self { books: Mutex::new(Books { next_number: first, ..Books::default() }) }
    }

    /// Decides a command at once.
    pub fn apply(&self, command: Command) -> Result<DecidedCommand, WalletError> {
        self.lock().decide(command)
    }

    /// No panic can leave the books half changed but one in the ledger, which ends the test as well.
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(
        &self,
        name: &'static str,
        answer: impl FnOnce(&mut Books) -> Result<T, WalletError>,
    ) -> WalletFuture<'_, T> {
        let mut books = self.lock();
        books.asked.push(name);
        let answer = answer(&mut books);
        Box::pin(std::future::ready(answer))
    }
}

/// What the unit tests of handlers set and ask.
#[cfg(test)]
impl MemoryWallet {
    pub(crate) fn set_password_hash(&self, player: PlayerKey, hash: &str) {
        self.lock().password_hashes.insert(player, Secret::new(hash));
    }

    /// The next command is answered with this, whatever the ledger would say.
    pub(crate) fn answer_next(&self, outcome: Outcome) {
        self.lock().scripted.push_back(outcome);
    }

    /// What it was asked since this was last called, by the names of the port's methods.
    pub(crate) fn take_asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.lock().asked)
    }

    /// The commands that it was asked to decide, since this was last called.
    pub(crate) fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut self.lock().commands)
    }
}

impl WalletPort for MemoryWallet {
    fn decide(&self, command: Command) -> WalletFuture<'_, DecidedCommand> {
        self.answer("decide", |books| {
            books.commands.push(command.clone());
            books.decide(command)
        })
    }

    fn kept_command(&self, party: Party, key: CommandKey) -> WalletFuture<'_, Option<Command>> {
        self.answer("kept_command", |books| {
            let kept = books.ledger.decided.get(&key).and_then(|decided| match &decided.asked {
                PastCommand::Whole(command) => Some(command.clone()),
                PastCommand::Pruned(_) => None,
            });
            Ok(kept.filter(|command| command.party == party))
        })
    }

    fn balance(&self, party: Party, player: PlayerId, pocket: Pocket) -> WalletFuture<'_, Option<i64>> {
        self.answer("balance", |books| {
            let player = books.ledger.players.get(&PlayerKey::of(&party, &player));
            Ok(player.map(|player| player.account(&pocket).balance))
        })
    }

    fn player(&self, party: Party, player: PlayerId) -> WalletFuture<'_, Option<PlayerState>> {
        let key = PlayerKey::of(&party, &player);
        self.answer("player", |books| Ok(books.ledger.players.get(&key).cloned()))
    }

    fn level(&self, party: Party, player: PlayerId) -> WalletFuture<'_, Option<Arc<str>>> {
        let key = PlayerKey::of(&party, &player);
        self.answer("level", |books| Ok(books.ledger.shop.levels.get(&key).cloned()))
    }

    fn order(&self, party: Party, id: OrderId) -> WalletFuture<'_, Option<(Order, PlayerId)>> {
        self.answer("order", |books| {
            let order = books.ledger.orders.get(&id).filter(|order| *order.party() == party);
            let Some(order) = order else { return Ok(None) };
            let player = books.ledger.players.get(&order.player());
            Ok(player.map(|player| (order.clone(), player.player.id.clone())))
        })
    }

    fn transactions(&self, finding: TransactionQuery) -> WalletFuture<'_, Vec<Transaction>> {
        self.answer("transactions", |books| Ok(books.transactions(&finding)))
    }

    fn void(&self, party: Party, source: i64) -> WalletFuture<'_, Option<ManualVoid>> {
        self.answer("void", |books| {
            let void = books.ledger.transactions.voids.get(&source);
            Ok(void.filter(|void| void.party == party).cloned())
        })
    }

    fn offer(&self, _party: Party, id: OfferId) -> WalletFuture<'_, Option<OfferState>> {
        self.answer("offer", |books| Ok(books.ledger.shop.offers.get(&id).cloned()))
    }

    fn sold_keys(&self, party: Party, buyer: Arc<str>, order: i64) -> WalletFuture<'_, Option<Vec<Arc<str>>>> {
        self.answer("sold_keys", |books| {
            let purchase = books.purchases.iter().find(|purchase| purchase.number == order);
            let theirs = purchase.filter(|purchase| purchase.party == party && purchase.buyer == buyer);
            let sealed = |key: &KeyId| books.sealed_keys.get(key).cloned();
            Ok(theirs.map(|purchase| purchase.keys.iter().filter_map(sealed).collect()))
        })
    }

    fn player_of_login(&self, party: Party, login: String) -> WalletFuture<'_, Option<PlayerId>> {
        self.answer("player_of_login", |books| Ok(books.player_of_login(&party, &login)))
    }

    fn password_hash(&self, _party: Party, player: PlayerKey) -> WalletFuture<'_, Option<Secret>> {
        self.answer("password_hash", |books| Ok(books.password_hashes.get(&player).cloned()))
    }

    fn grants(&self, _party: Party, act: GrantAct) -> WalletFuture<'_, GrantAnswer> {
        self.answer("grants", |books| Ok(books.grants.carry_out(&act)))
    }
}

impl Books {
    fn decide(&mut self, command: Command) -> Result<DecidedCommand, WalletError> {
        let keyed = command.keyed();
        let (outcome, repeated) = match self.scripted.pop_front() {
            Some(outcome) => (outcome, false),
            None => {
                self.ledger.numbers = vec![self.next_number];
                let (batch, verdicts) = fold(&mut self.ledger, [(&keyed, false)]);
                self.next_number = self.next_number.saturating_add(i64::from(!batch.entries.is_empty()));
                let stocked = batch.shop.stocked.into_iter().map(|(stocked, _)| stocked.key);
                self.sealed_keys.extend(stocked.map(|key| (key.id, key.sealed)));
                self.purchases.extend(batch.shop.purchases);
                let Some(FoldVerdict::Decided { outcome, repeated }) = verdicts.into_iter().next() else {
                    return Err(WalletError::Fault);
                };
                (outcome, repeated)
            }
        };
        let player = self.ledger.players.get(&keyed.player).cloned();
        let transaction = self.ledger.transactions.named(keyed.key).cloned();
        Ok(DecidedCommand { outcome, repeated, player, transaction })
    }

    fn transactions(&self, finding: &TransactionQuery) -> Vec<Transaction> {
        // Numbers are given out in a row, so these are all of them.
        let all = (0..self.next_number).filter_map(|number| self.ledger.transactions.get(number));
        let theirs =
            all.filter(|transaction| transaction.party == finding.party && transaction.label.scope == finding.scope);
        let mut found = theirs.filter(|transaction| is_found_by(transaction, &finding.by)).cloned();
        match finding.by {
            FindBy::Latest { .. } => found.next_back().into_iter().collect(),
            FindBy::Number(_) | FindBy::Round(_) | FindBy::RoundOf { .. } | FindBy::Reference { .. } => found.collect(),
        }
    }

    fn player_of_login(&self, party: &Party, login: &str) -> Option<PlayerId> {
        let by_id = PlayerId::parse(login).ok();
        if let Some(player) = by_id.filter(|player| self.ledger.players.contains_key(&PlayerKey::of(party, player))) {
            return Some(player);
        }
        let owner = self.ledger.usernames.get(&Username::named(party, login)?)?;
        Some(self.ledger.players.get(owner)?.player.id.clone())
    }
}

fn is_found_by(transaction: &Transaction, by: &FindBy) -> bool {
    let label = &transaction.label;
    match by {
        FindBy::Number(number) => transaction.number == *number,
        FindBy::Round(round) => label.round.as_ref() == Some(round),
        FindBy::RoundOf { player, round } => transaction.player == *player && label.round.as_ref() == Some(round),
        FindBy::Reference { player, region, reference } => {
            transaction.player == *player && label.region == *region && label.reference == *reference
        }
        FindBy::Latest { player, region, partner, kind } => {
            transaction.player == *player && label.region == *region && label.partner == *partner && label.kind == *kind
        }
    }
}
