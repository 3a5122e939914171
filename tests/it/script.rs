//! Scenarios as text: one step a line, `<what is asked> -> <what is answered>`.
//!
//! ```text
//! open alice CHF                     -> 200 opened
//! deposit alice 1000 CHF             -> 200 deposited 1000
//! withdraw alice 1000 CHF            -> 200 withdrawn 0
//! bet alice o1 r1 100 CHF            -> 201 placed
//! win alice o1 r1 250 CHF            -> 200 settled 250      the currency may be left out
//! tie alice o1 r1 stake              -> 200 settled 100      or an amount
//! lose alice o1 r1 250 CHF           -> 200 settled 0        amount and currency may be left out
//! cancel alice o1                    -> 200 cancelled 100
//! balance alice CHF                  -> 1000                 not a command: what the ledger holds then
//! order o1                           -> won, paid 250        likewise
//! ```
//!
//! What partners ask names transactions; where the ledger has a number for one, a scenario has its name. Amounts may be
//! of several buckets, as `60,bonus:40`, and a transaction of no round is of `-`:
//!
//! ```text
//! stake alice s1 g1 100 CHF          -> 200 adjusted s1 900          from=real,bonus
//! pay alice p1 g1 50 CHF             -> 200 adjusted p1 950          source=s1
//! void alice v1 s1 100 CHF           -> 200 adjusted v1 1000
//! prize alice w1 g1 250 CHF          -> 200 adjusted w1 1150         a round's win
//! refund alice f1 g1 100 CHF         -> 200 adjusted f1 1000
//! rollback alice b1 s1 CHF           -> 200 adjusted b1 1000
//! queue alice s1                     -> 200 void_queued
//! approve alice s1                   -> 200 void_approved approved:s1
//! dismiss alice s1                   -> 200 void_dismissed
//! vip alice gold 100 CHF             -> 200 vip_bought 900           ladder=silver,gold
//! stock card 30 CHF k1,k2            -> 200 offers_stocked 2         or several: card 30 CHF k1 and game 5 CHF -
//! buy alice b1 card 2 30 CHF         -> 200 keys_bought b1 940       buyer=
//! transaction s1                     -> voided by v1, real -100      not a command, like the next three
//! queued s1                          -> pending
//! level alice                        -> gold
//! offer card                         -> 2 at 30 CHF
//! ```
//!
//! Options stand at the end: `wallet=` `bucket=` `product=` `game=` `offered=no` `max=` `daymax=` `key=` `external=`
//! `scope=` `kind=` `memo=` `said=` `worth=` `token=` `at=<day>` or `at=<day>+<microseconds>`. Amounts are minor units; `MAX` is
//! the largest.

mod partners;

use std::collections::HashMap;

use purser::dialects::egpp::status;
use purser::ledger::accounts::{Cash, OpenPlayer};
use purser::ledger::command::{KeyedCommand, Timestamp};
use purser::ledger::orders::OrderKey;
use purser::ledger::orders::{CancelOrder, GameResult, PlaceBet, SettleOrder, Terms};
use purser::ledger::player::Profile;
use purser::ledger::shop::OfferId;
use purser::ledger::{
    AccountAct, AccountDone, AccountRefusal, Act, Amount, Bucket, Command, CommandKey, Currency, Done, ExternalId,
    Game, OrderAct, OrderDone, OrderId, OrderIds, OrderRefusal, Outcome, Party, PlayerId, PlayerKey, Pocket, Refusal,
    ShopDone, ShopRefusal, State, TransactionDone, TransactionRefusal, Wallet,
};

use crate::memory::Memory;
pub use partners::{Names, UNKNOWN, key_id, set_source};

/// The game of a step that names none.
const GAME: &str = "wallstroulette";

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// One line of a scenario.
#[derive(Debug, Clone)]
pub struct Step {
    pub text: String,
    pub asked: Asked,
    /// The transaction that the step is about, where it is known by its number.
    about: Option<String>,
    /// What scenarios call the number that the command is given.
    name: Option<String>,
}

impl Step {
    /// The command, with the number of what it is about.
    pub fn command(&self, names: &Names) -> Option<KeyedCommand> {
        let Asked::Command(keyed) = &self.asked else { return None };
        let Some(about) = &self.about else { return Some((**keyed).clone()) };
        let mut command = keyed.command.clone();
        partners::set_source(&mut command.act, names.number(about));
        Some(command.keyed())
    }
}

#[derive(Debug, Clone)]
pub enum Asked {
    Command(Box<KeyedCommand>),
    Balance(PlayerKey, Pocket),
    Order(OrderId),
    Transaction(CommandKey),
    /// The void of the transaction with this name.
    Queued(String),
    Level(PlayerKey),
    Offer(OfferId),
}

/// Parses a scenario; its players and orders are `party`'s.
pub fn parse(party: &str, text: &str) -> Vec<Step> {
    let party = Party::parse(party).expect("a party");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.enumerate().map(|(number, line)| Line::parse(&party, number, line).step(line)).collect()
}

/// The commands of a scenario that has no answers beside them, for a ledger that is empty.
pub fn commands(party: &str, text: &str) -> Vec<KeyedCommand> {
    written_for(&parse(party, text), 1).0
}

/// The commands of a scenario as they are where the journal's next number is `next`, and what the numbers are called.
pub fn written_for(steps: &[Step], next: i64) -> (Vec<KeyedCommand>, Names) {
    let (mut memory, mut names, mut commands) = (Memory::from(next), Names::default(), Vec::new());
    for step in steps {
        let Some(keyed) = step.command(&names) else { continue };
        let (_, outcomes) = memory.apply(std::slice::from_ref(&keyed));
        names.learn(step, outcomes[0]);
        commands.push(keyed);
    }
    (commands, names)
}

/// A scenario with its spacing evened out, for comparing.
pub fn tidied(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let tidy = lines.map(|line| match line.split_once("->") {
        Some((asked, answer)) => written(asked, answer),
        None => panic!("a step without an answer: {line}"),
    });
    tidy.collect::<Vec<_>>().join("\n")
}

/// One line of a scenario, with its spacing evened out.
pub fn written(asked: &str, answer: &str) -> String {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{} -> {}", words(asked), words(answer))
}

/// An outcome as scenarios write it: the status code that a provider sees, and why. A partner's refusal has none.
pub fn told(outcome: Outcome) -> String {
    let why = match outcome {
        Outcome::Done(done) => match done {
            Done::Account(AccountDone::PlayerOpened) => "opened".to_owned(),
            Done::Account(AccountDone::Deposited { balance }) => format!("deposited {balance}"),
            Done::Account(AccountDone::Withdrawn { balance }) => format!("withdrawn {balance}"),
            Done::Order(OrderDone::BetPlaced) => "placed".to_owned(),
            Done::Order(OrderDone::OrderSettled { paid }) => format!("settled {paid}"),
            Done::Order(OrderDone::OrderCancelled { refunded }) => format!("cancelled {refunded}"),
            Done::Transaction(TransactionDone::Adjusted { transaction, balance }) => {
                format!("adjusted {transaction} {balance}")
            }
            Done::Transaction(TransactionDone::AlreadyVoided { transaction }) => {
                format!("already_voided {transaction}")
            }
            Done::Transaction(TransactionDone::NothingUndone { balance }) => format!("nothing_undone {balance}"),
            Done::Transaction(TransactionDone::VoidQueued) => "void_queued".to_owned(),
            Done::Transaction(TransactionDone::VoidApproved { transaction }) => format!("void_approved {transaction}"),
            Done::Transaction(TransactionDone::VoidDismissed) => "void_dismissed".to_owned(),
            Done::Shop(ShopDone::VipBought { balance }) => format!("vip_bought {balance}"),
            Done::Shop(ShopDone::OffersStocked { added }) => format!("offers_stocked {added}"),
            Done::Shop(ShopDone::KeysBought { order, balance }) => format!("keys_bought {order} {balance}"),
        },
        Outcome::Refused(refusal) => match refusal {
            Refusal::Account(AccountRefusal::KeyReused) => "key_reused".to_owned(),
            Refusal::Order(OrderRefusal::DiffersFromBet) => "differs_from_bet".to_owned(),
            Refusal::Order(OrderRefusal::GameUnknown) => "game_unknown".to_owned(),
            Refusal::Account(AccountRefusal::PlayerUnknown) => "player_unknown".to_owned(),
            Refusal::Account(AccountRefusal::UsernameTaken) => "username_taken".to_owned(),
            Refusal::Order(OrderRefusal::OrderUnknown) => "order_unknown".to_owned(),
            Refusal::Order(OrderRefusal::OrderNotTheirs) => "order_not_theirs".to_owned(),
            Refusal::Order(OrderRefusal::OrderSettled) => "order_settled".to_owned(),
            Refusal::Order(OrderRefusal::OrderCancelled) => "order_cancelled".to_owned(),
            Refusal::Order(OrderRefusal::OrderRefused) => "order_refused".to_owned(),
            Refusal::Order(OrderRefusal::RoundDiffers) => "round_differs".to_owned(),
            Refusal::Order(OrderRefusal::MaxBet { max }) => format!("max_bet {max}"),
            Refusal::Order(OrderRefusal::MaxStakePerDay { max, staked }) => format!("max_stake_per_day {max} {staked}"),
            Refusal::Account(AccountRefusal::InsufficientFunds { balance }) => format!("insufficient_funds {balance}"),
            Refusal::Account(AccountRefusal::BalanceOverflow) => "balance_overflow".to_owned(),
            Refusal::Transaction(TransactionRefusal::TransactionUnknown) => "transaction_unknown".to_owned(),
            Refusal::Transaction(TransactionRefusal::TransactionEnded) => "transaction_ended".to_owned(),
            Refusal::Transaction(TransactionRefusal::TransactionUndone) => "transaction_undone".to_owned(),
            Refusal::Transaction(TransactionRefusal::AmountsDisagree) => "amounts_disagree".to_owned(),
            Refusal::Transaction(TransactionRefusal::VoidUnknown) => "void_unknown".to_owned(),
            Refusal::Transaction(TransactionRefusal::VoidResolved) => "void_resolved".to_owned(),
            Refusal::Shop(ShopRefusal::VipNotHigher) => "vip_not_higher".to_owned(),
            Refusal::Shop(ShopRefusal::OfferUnknown) => "offer_unknown".to_owned(),
            Refusal::Shop(ShopRefusal::OfferCurrencyDiffers) => "offer_currency_differs".to_owned(),
            Refusal::Shop(ShopRefusal::OfferPriceDiffers { price }) => format!("offer_price_differs {price}"),
            Refusal::Shop(ShopRefusal::OutOfStock { stock }) => format!("out_of_stock {stock}"),
        },
    };
    match status::of_outcome(outcome).code {
        "500" => format!("refused {why}"),
        code => format!("{code} {why}"),
    }
}

/// What a state holds, as scenarios write it. The state has what the question is about, or the ledger does not.
pub fn held(state: &State, asked: &Asked, names: &Names) -> String {
    match asked {
        Asked::Command(_) => panic!("a command is not a question"),
        Asked::Balance(player, pocket) => match state.players.get(player) {
            Some(player) => player.account(pocket).balance.to_string(),
            None => "nobody".to_owned(),
        },
        Asked::Order(id) => match state.orders.get(id) {
            Some(order) => format!("{}, paid {}", order.state().as_str(), order.paid()),
            None => "unknown".to_owned(),
        },
        Asked::Transaction(key) => match state.transactions.named(*key) {
            Some(transaction) => partners::written(transaction, names),
            None => "unknown".to_owned(),
        },
        Asked::Queued(name) => match state.transactions.voids.get(&names.number(name)) {
            Some(void) => void.state.as_str().to_owned(),
            None => "unknown".to_owned(),
        },
        Asked::Level(player) => state.shop.levels.get(player).map_or("none", |level| &**level).to_owned(),
        Asked::Offer(id) => match state.shop.offers.get(id) {
            Some(known) => format!("{} at {} {}", known.stock, known.offer.price.minor(), known.offer.currency),
            None => "unknown".to_owned(),
        },
    }
}

/// A line's words and options.
struct Line<'a> {
    party: &'a Party,
    number: usize,
    words: Vec<&'a str>,
    options: HashMap<&'a str, &'a str>,
}

impl<'a> Line<'a> {
    fn parse(party: &'a Party, number: usize, line: &'a str) -> Self {
        let asked = line.split_once("->").map_or(line, |(asked, _)| asked);
        let (options, words): (Vec<&str>, Vec<&str>) = asked.split_whitespace().partition(|word| word.contains('='));
        Self { party, number, words, options: options.iter().filter_map(|option| option.split_once('=')).collect() }
    }

    fn step(&self, line: &str) -> Step {
        let asked = match self.words[0] {
            "balance" => Asked::Balance(PlayerKey::of(self.party, &self.player()), self.pocket(2)),
            "order" => Asked::Order(self.order_id()),
            "transaction" => Asked::Transaction(self.transaction_key(self.words[1])),
            "queued" => Asked::Queued(self.words[1].to_owned()),
            "level" => Asked::Level(PlayerKey::of(self.party, &self.player())),
            "offer" => Asked::Offer(OfferId::of(self.party, self.words[1])),
            _ => Asked::Command(Box::new(self.command().keyed())),
        };
        let text = line.split_once("->").map_or(line, |(asked, _)| asked).to_owned();
        Step { text, asked, about: self.about(), name: self.name() }
    }

    fn command(&self) -> Command {
        let act = match self.words[0] {
            "open" => {
                Act::Account(AccountAct::OpenPlayer(OpenPlayer { player: self.player(), profile: self.profile() }))
            }
            "deposit" => Act::Account(AccountAct::Deposit(self.cash())),
            "withdraw" => Act::Account(AccountAct::Withdraw(self.cash())),
            "bet" => Act::Order(OrderAct::PlaceBet(PlaceBet {
                player: self.player(),
                order: self.order(2),
                round: self.round(),
                stake: amount(self.words[4]),
                pocket: self.pocket(5),
                terms: self.terms(),
            })),
            "win" => self.settle(GameResult::Win(amount(self.words[4])), 5),
            "tie" if self.words[4] == "stake" => self.settle(GameResult::Tie(None), 5),
            "tie" => self.settle(GameResult::Tie(Some(amount(self.words[4]))), 5),
            "lose" => self.settle(GameResult::Lose(self.words.get(4).map(|text| amount(text))), 5),
            "cancel" => Act::Order(OrderAct::CancelOrder(CancelOrder {
                player: self.player(),
                order: self.order(2),
                wallet: self.wallet(),
                terms: self.terms(),
            })),
            verb => match self.partner_act() {
                Some(act) => act,
                None => panic!("line {}: what is {verb}?", self.number),
            },
        };
        Command { party: self.party.clone(), at: self.at(), correlation: None, act }
    }

    /// The accepted order, or what a player was refused (`of=`).
    fn order_id(&self) -> OrderId {
        let accepted = OrderId::of(self.party, &self.order(1));
        let Some(player) = self.options.get("of") else { return accepted };
        let player = PlayerId::parse(player).expect("a player");
        OrderIds::of(accepted, PlayerKey::of(self.party, &player)).refused
    }

    fn settle(&self, result: GameResult, currency_at: usize) -> Act {
        Act::Order(OrderAct::SettleOrder(SettleOrder {
            player: self.player(),
            order: self.order(2),
            round: self.round(),
            result,
            currency: self.words.get(currency_at).map(|text| currency(text)),
            wallet: self.wallet(),
            terms: self.terms(),
        }))
    }

    fn cash(&self) -> Cash {
        let key = self.options.get("key").map_or_else(|| format!("line {}", self.number), |key| (*key).to_owned());
        Cash { player: self.player(), pocket: self.pocket(3), amount: amount(self.words[2]), key: key.into() }
    }

    fn player(&self) -> PlayerId {
        PlayerId::parse(self.words[1]).expect("a player")
    }

    fn profile(&self) -> Profile {
        let option = |name| self.options.get(name).map(|text| (*text).to_owned());
        let (username, nickname) = (option("username"), option("nickname"));
        Profile { home_currency: currency(self.words[2]), username, nickname, email: None, gender: None }
    }

    fn order(&self, at: usize) -> OrderKey {
        let game = Game::parse(self.options.get("game").unwrap_or(&GAME)).expect("a game");
        OrderKey { game, external_id: ExternalId::parse(self.words[at]).expect("an externalId") }
    }

    fn round(&self) -> i64 {
        self.words[3].strip_prefix('r').and_then(|number| number.parse().ok()).expect("a round, as r1")
    }

    fn wallet(&self) -> Option<Wallet> {
        self.options.get("wallet").map(|wallet| Wallet::parse(wallet).expect("a wallet"))
    }

    fn pocket(&self, currency_at: usize) -> Pocket {
        Pocket {
            currency: currency(self.words[currency_at]),
            bucket: self.options.get("bucket").map_or(Bucket::Real, |name| Bucket::parse(name).expect("a bucket")),
            wallet: self.wallet().unwrap_or_else(Wallet::default_wallet),
            product: self.options.get("product").map_or(0, |number| number.parse().expect("a product")),
        }
    }

    fn terms(&self) -> Terms {
        let limit = |name| self.options.get(name).map(|minor| minor.parse().expect("a limit"));
        let game_offered = self.options.get("offered") != Some(&"no");
        Terms { game_offered, max_bet: limit("max"), max_stake_per_day: limit("daymax") }
    }

    fn at(&self) -> Timestamp {
        let (day, micros) = match self.options.get("at") {
            Some(at) => at.split_once('+').unwrap_or((at, "0")),
            None => ("0", "0"),
        };
        Timestamp(day.parse::<i64>().expect("a day") * MICROS_PER_DAY + micros.parse::<i64>().expect("microseconds"))
    }
}

fn amount(text: &str) -> Amount {
    let minor = if text == "MAX" { i64::MAX } else { text.parse().expect("minor units") };
    Amount::new(minor).expect("an amount")
}

fn currency(text: &str) -> Currency {
    Currency::parse(text).expect("a currency")
}
