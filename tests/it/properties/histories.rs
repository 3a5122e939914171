//! Random histories of a few players who bet, win, cancel and pay, and of what partners ask meanwhile.

use std::ops::Range;

use proptest::prelude::*;
use purser::ledger::accounts::{Cash, OpenPlayer};
use purser::ledger::command::{Command, KeyedCommand, Timestamp};
use purser::ledger::orders::OrderKey;
use purser::ledger::orders::{CancelOrder, GameResult, PlaceBet, SettleOrder, Terms};
use purser::ledger::player::Profile;
use purser::ledger::{
    AccountAct, Act, Amount, Bucket, Currency, ExternalId, Game, OrderAct, Party, PlayerId, Pocket, Wallet,
};

use super::partners::{self, Drawn};
use crate::memory::Memory;

/// Commands in one history.
const LENGTH: usize = 90;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The names that histories are made of: few, so that they meet.
const PLAYERS: [&str; 3] = ["alice", "bob", "ghost"];
const GAMES: [&str; 2] = ["wallstroulette", "weekendforex"];
const ORDERS: [&str; 4] = ["o1", "o2", "o3", "o4"];

/// A history: its commands, and where the batches end.
#[derive(Debug, Clone)]
pub struct History {
    acts: Vec<Drawn>,
    /// Whether a day passes before the command of the same place.
    nights: Vec<bool>,
    /// Lengths of batches, used in turn.
    batches: Vec<usize>,
}

impl History {
    /// The commands as `party`'s, told to an empty ledger.
    pub fn commands(&self, party: &str) -> Vec<KeyedCommand> {
        self.told(party, 0..self.acts.len(), &Memory::default())
    }

    /// Some of the commands as `party`'s, told to a ledger that has heard the ones before.
    pub fn told(&self, party: &str, range: Range<usize>, memory: &Memory) -> Vec<KeyedCommand> {
        let (party, mut memory, mut commands) = (Party::parse(party).expect("a party"), memory.clone(), Vec::new());
        for number in range {
            let nights = self.nights[..=number].iter().map(|night| i64::from(*night)).sum::<i64>();
            let at = Timestamp(nights * MICROS_PER_DAY + i64::try_from(number).expect("a short history"));
            let act = self.acts[number].told(&party, &memory.state);
            let keyed = Command { party: party.clone(), at, correlation: None, act }.keyed();
            memory.apply(std::slice::from_ref(&keyed));
            commands.push(keyed);
        }
        commands
    }

    /// Where its batches are.
    pub fn batches(&self) -> impl Iterator<Item = Range<usize>> {
        let (mut lengths, mut start) = (self.batches.iter().cycle(), 0);
        std::iter::from_fn(move || {
            let range = start..(start + *lengths.next()?).min(self.acts.len());
            start = range.end;
            (!range.is_empty()).then_some(range)
        })
    }
}

pub fn histories() -> impl Strategy<Value = History> {
    let again = any::<prop::sample::Index>();
    let act = prop_oneof![10 => acts().prop_map(|act| Ok(Drawn::from(act))), 10 => partners::acts().prop_map(Ok), 4 => again.prop_map(Err)];
    let nights = prop::collection::vec(prop::bool::weighted(0.05), LENGTH);
    let batches = prop::collection::vec(1..12_usize, 1..6);
    (prop::collection::vec(act, 1..LENGTH), nights, batches).prop_map(|(drawn, nights, batches)| {
        // Histories of nobody, or of no money, are dull: these two are always there and have some.
        let mut acts = [open("alice", None, Some("ally")), open("bob", None, None), gift("alice"), gift("bob")]
            .map(Drawn::from)
            .to_vec();
        for act in drawn {
            acts.push(act.unwrap_or_else(|again| again.get(&acts).clone()));
        }
        acts.truncate(LENGTH);
        History { acts, nights, batches }
    })
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => (player(), prop::option::of(Just("al")), prop::option::of(Just("ally")))
            .prop_map(|(player, nickname, username)| open(&player, nickname, username)),
        3 => cash().prop_map(|act| Act::Account(AccountAct::Deposit(act))),
        1 => cash().prop_map(|act| Act::Account(AccountAct::Withdraw(act))),
        6 => bet().prop_map(|act| Act::Order(OrderAct::PlaceBet(act))),
        5 => settle().prop_map(|act| Act::Order(OrderAct::SettleOrder(act))),
        3 => cancel().prop_map(|act| Act::Order(OrderAct::CancelOrder(act))),
    ]
}

fn open(player: &str, nickname: Option<&str>, username: Option<&str>) -> Act {
    let profile = Profile {
        home_currency: currency("CHF"),
        username: username.map(str::to_owned),
        nickname: nickname.map(str::to_owned),
        email: None,
        gender: None,
    };
    Act::Account(AccountAct::OpenPlayer(OpenPlayer { player: PlayerId::parse(player).expect("a player"), profile }))
}

fn gift(player: &str) -> Act {
    let (player, key) = (PlayerId::parse(player).expect("a player"), player.into());
    Act::Account(AccountAct::Deposit(Cash {
        player,
        pocket: Pocket::real(currency("CHF")),
        amount: Amount::new(100).expect("money"),
        key,
    }))
}

fn player() -> impl Strategy<Value = String> {
    prop_oneof![10 => Just(PLAYERS[0]), 3 => Just(PLAYERS[1]), 1 => Just(PLAYERS[2])].prop_map(str::to_owned)
}

pub fn player_id() -> impl Strategy<Value = PlayerId> {
    player().prop_map(|player| PlayerId::parse(&player).expect("a player"))
}

fn currency(code: &str) -> Currency {
    Currency::parse(code).expect("a currency")
}

pub fn currencies() -> impl Strategy<Value = Currency> {
    prop_oneof![7 => Just("CHF"), 1 => Just("EUR")].prop_map(currency)
}

fn wallets() -> impl Strategy<Value = Wallet> {
    prop_oneof![5 => Just(""), 1 => Just("w")].prop_map(|name| Wallet::parse(name).expect("a wallet"))
}

/// Small, so that balances and limits are met; now and then as large as can be.
fn amounts() -> impl Strategy<Value = Amount> {
    let minor = prop_oneof![40 => 1..=30_i64, 1 => Just(i64::MAX), 1 => Just(i64::MAX - 20)];
    minor.prop_map(|minor| Amount::new(minor).expect("an amount"))
}

fn orders() -> impl Strategy<Value = OrderKey> {
    let game = prop_oneof![6 => Just(GAMES[0]), 1 => Just(GAMES[1])];
    (game, prop::sample::select(ORDERS.to_vec())).prop_map(|(game, id)| OrderKey {
        game: Game::parse(game).expect("a game"),
        external_id: ExternalId::parse(id).expect("an externalId"),
    })
}

fn rounds() -> impl Strategy<Value = i64> {
    prop_oneof![9 => Just(1_i64), 1 => Just(2_i64)]
}

fn terms() -> impl Strategy<Value = Terms> {
    let max_bet = prop::option::weighted(0.3, Just(25_i64));
    let max_stake_per_day = prop::option::weighted(0.4, Just(30_i64));
    (prop::bool::weighted(0.95), max_bet, max_stake_per_day)
        .prop_map(|(game_offered, max_bet, max_stake_per_day)| Terms { game_offered, max_bet, max_stake_per_day })
}

fn cash() -> impl Strategy<Value = Cash> {
    let bucket = prop_oneof![5 => Just(Bucket::Real), 1 => Just(Bucket::Bonus)];
    let pocket = (currencies(), bucket, wallets());
    (player_id(), pocket, amounts(), 0..12_u8).prop_map(|(player, (currency, bucket, wallet), amount, key)| Cash {
        player,
        pocket: Pocket { currency, bucket, wallet, product: 0 },
        amount,
        key: key.to_string().into(),
    })
}

fn bet() -> impl Strategy<Value = PlaceBet> {
    (player_id(), orders(), rounds(), amounts(), (currencies(), wallets()), terms()).prop_map(
        |(player, order, round, stake, (currency, wallet), terms)| {
            let pocket = Pocket::real_in(currency, wallet);
            PlaceBet { player, order, round, stake, pocket, terms }
        },
    )
}

fn settle() -> impl Strategy<Value = SettleOrder> {
    let named = || prop::option::weighted(0.8, amounts());
    let result = prop_oneof![
        amounts().prop_map(GameResult::Win),
        named().prop_map(GameResult::Tie),
        named().prop_map(GameResult::Lose),
    ];
    let stated = (prop::option::of(currencies()), prop::option::weighted(0.2, wallets()));
    (player_id(), orders(), rounds(), result, stated, terms()).prop_map(
        |(player, order, round, result, (currency, wallet), terms)| SettleOrder {
            player,
            order,
            round,
            result,
            currency,
            wallet,
            terms,
        },
    )
}

fn cancel() -> impl Strategy<Value = CancelOrder> {
    (player_id(), orders(), prop::option::weighted(0.3, wallets()), terms())
        .prop_map(|(player, order, wallet, terms)| CancelOrder { player, order, wallet, terms })
}
