//! What a provider asks in a history, and when: few players and orders, so that they meet.

use std::time::Duration;

use purser::ledger::accounts::{Cash, OpenPlayer};
use purser::ledger::command::{KeyedCommand, Timestamp};
use purser::ledger::orders::OrderKey;
use purser::ledger::orders::{CancelOrder, GameResult, PlaceBet, SettleOrder, Terms};
use purser::ledger::player::Profile;
use purser::ledger::{AccountAct, Act, Amount, Command, Currency, ExternalId, Game, OrderAct, Party, PlayerId, Pocket};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Queues by number: as many as there are kinds of messages.
pub const CASH: usize = 0;
pub const BETS: usize = 1;
pub const RESULTS: usize = 2;
pub const CANCELS: usize = 3;

const PLAYERS: [&str; 3] = ["alice", "bob", "carol"];

/// When the last message is published for the first time.
pub const LENGTH: Duration = Duration::from_secs(6);

/// A message as it lies in its queue: a copy is the same again.
#[derive(Debug)]
pub struct Message {
    pub number: usize,
    pub queue: usize,
    pub act: Act,
}

impl Message {
    /// The command that a delivery of this message becomes.
    pub fn command(&self, at: Timestamp, correlation: &str) -> KeyedCommand {
        let party = acme();
        Command { party, at, correlation: Some(correlation.into()), act: self.act.clone() }.keyed()
    }
}

/// The only party.
pub fn acme() -> Party {
    Party::parse("acme").expect("a party")
}

/// A message, and when its copies are published.
pub struct Planned {
    pub queue: usize,
    pub act: Act,
    pub at: Vec<Duration>,
    pub poisoned: bool,
}

pub struct Plan {
    pub messages: Vec<Planned>,
    /// Whether bets have daily limits. Those are kept by the day, so that the clock may not be set meanwhile.
    pub has_day_limits: bool,
    /// How many more may be poisoned: so few that a lane never takes them for a database in trouble.
    poison: usize,
}

impl Plan {
    pub fn draw(rng: &mut StdRng) -> Self {
        let poison = if rng.random_bool(0.4) { rng.random_range(1..=2) } else { 0 };
        let mut plan = Self { messages: Vec::new(), has_day_limits: rng.random_bool(0.3), poison };
        for player in PLAYERS {
            // Now and then a player is opened after the first bets.
            let at = if rng.random_bool(0.9) { 0 } else { rng.random_range(0..2000) };
            plan.add(rng, CASH, open(player), at);
            plan.add(rng, CASH, deposit(player, 100, &format!("first {player}")), at);
        }
        for number in 0..rng.random_range(0..5) {
            let (player, amount, at) = (one_of(rng, &PLAYERS), rng.random_range(1..120), time(rng));
            let act = if rng.random_bool(0.5) { deposit } else { withdraw };
            plan.add(rng, CASH, act(player, amount, &format!("cash {number}")), at);
        }
        for number in 0..rng.random_range(3..14) {
            plan.add_order(rng, &format!("o{number}"));
        }
        plan
    }

    /// A bet, and what may become of it: results and cancels that come before or after it, too late, or alone.
    fn add_order(&mut self, rng: &mut StdRng, order: &str) {
        let (player, at) = (one_of(rng, &PLAYERS), time(rng));
        if rng.random_bool(0.9) {
            let bet = self.bet(rng, player, order);
            self.add(rng, BETS, bet, at);
        }
        if rng.random_bool(0.05) {
            // The same name for something else.
            let (player, at) = (one_of(rng, &PLAYERS), at + rng.random_range(0..300));
            let bet = self.bet(rng, player, order);
            self.add(rng, BETS, bet, at);
        }
        let others = |rng: &mut StdRng| if rng.random_bool(0.05) { one_of(rng, &PLAYERS) } else { player };
        if rng.random_bool(0.75) {
            let (player, at) = (others(rng), after(rng, at));
            let settle = settle(rng, player, order);
            self.add(rng, RESULTS, settle, at);
        }
        if rng.random_bool(0.3) {
            let (cancel, at) = (cancel(others(rng), order), after(rng, at));
            self.add(rng, CANCELS, cancel, at);
        }
    }

    fn add(&mut self, rng: &mut StdRng, queue: usize, act: Act, at: u64) {
        let mut times = vec![at];
        while times.len() < 3 && rng.random_bool(0.15) {
            times.push(at + rng.random_range(0..1500));
        }
        let poisoned = self.poison > 0 && queue != CASH && rng.random_bool(0.2);
        if poisoned {
            self.poison -= 1;
            times.truncate(2);
        }
        let at = times.into_iter().map(Duration::from_millis).collect();
        self.messages.push(Planned { queue, act, at, poisoned });
    }

    fn bet(&self, rng: &mut StdRng, player: &str, order: &str) -> Act {
        let max_stake_per_day = self.has_day_limits.then_some(150);
        let max_bet = rng.random_bool(0.2).then_some(40);
        Act::Order(OrderAct::PlaceBet(PlaceBet {
            player: player_id(player),
            order: order_key(order),
            round: 1,
            stake: amount(rng.random_range(1..60)),
            pocket: pocket(),
            terms: Terms { game_offered: true, max_bet, max_stake_per_day },
        }))
    }
}

fn one_of(rng: &mut StdRng, names: &[&'static str]) -> &'static str {
    names.choose(rng).expect("there are some")
}

fn time(rng: &mut StdRng) -> u64 {
    let end = u64::try_from(LENGTH.as_millis()).expect("a short history");
    rng.random_range(0..end)
}

/// When something comes that should come after `at`, and mostly does.
fn after(rng: &mut StdRng, at: u64) -> u64 {
    match rng.random_range(0..10) {
        // It has overtaken it by a moment, by less than the patience, or by more than it.
        0..3 => at.saturating_sub(rng.random_range(0..60)),
        3..6 => at.saturating_sub(rng.random_range(0..2000)),
        6 => at.saturating_sub(rng.random_range(0..5000)),
        _ => at + rng.random_range(0..500),
    }
}

fn open(player: &str) -> Act {
    let profile =
        Profile { home_currency: pocket().currency, username: None, nickname: None, email: None, gender: None };
    Act::Account(AccountAct::OpenPlayer(OpenPlayer { player: player_id(player), profile }))
}

pub fn deposit(player: &str, minor: i64, key: &str) -> Act {
    Act::Account(AccountAct::Deposit(Cash {
        player: player_id(player),
        pocket: pocket(),
        amount: amount(minor),
        key: key.into(),
    }))
}

fn withdraw(player: &str, minor: i64, key: &str) -> Act {
    Act::Account(AccountAct::Withdraw(Cash {
        player: player_id(player),
        pocket: pocket(),
        amount: amount(minor),
        key: key.into(),
    }))
}

fn settle(rng: &mut StdRng, player: &str, order: &str) -> Act {
    let round = if rng.random_bool(0.95) { 1 } else { 2 };
    let result = match rng.random_range(0..6) {
        0 => GameResult::Lose(None),
        1 => GameResult::Tie(None),
        _ => GameResult::Win(amount(rng.random_range(1..90))),
    };
    let (player, order) = (player_id(player), order_key(order));
    Act::Order(OrderAct::SettleOrder(SettleOrder {
        player,
        order,
        round,
        result,
        currency: None,
        wallet: None,
        terms: TERMS,
    }))
}

fn cancel(player: &str, order: &str) -> Act {
    Act::Order(OrderAct::CancelOrder(CancelOrder {
        player: player_id(player),
        order: order_key(order),
        wallet: None,
        terms: TERMS,
    }))
}

const TERMS: Terms = Terms { game_offered: true, max_bet: None, max_stake_per_day: None };

fn player_id(player: &str) -> PlayerId {
    PlayerId::parse(player).expect("a player")
}

fn order_key(order: &str) -> OrderKey {
    OrderKey {
        game: Game::parse("wallstroulette").expect("a game"),
        external_id: ExternalId::parse(order).expect("an externalId"),
    }
}

fn amount(minor: i64) -> Amount {
    Amount::new(minor).expect("an amount")
}

fn pocket() -> Pocket {
    Pocket::real(Currency::parse("CHF").expect("a currency"))
}

/// A deposit for everybody: what goes on in the world while somebody still waits for an answer.
pub fn heartbeat(beat: usize) -> Vec<Act> {
    PLAYERS.iter().map(|player| deposit(player, 1, &format!("beat {beat} {player}"))).collect()
}
