//! What is asked of the ledger, in the ledger's own words.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::Pocket;
use super::ids::{Currency, Party, PlayerId, Wallet};
use super::membership::BuyVip;
use super::money::Amount;
use super::offer::{BuyKeys, StockOffers};
use super::order::{OrderId, OrderIds, OrderKey, OrderOperation};
use super::outcome::Outcome;
use super::player::{PlayerKey, Profile, digest};
use super::transaction::{Adjust, QueueVoid, ResolveVoid};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// When a command was received: microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Days since 1970-01-01 UTC.
    pub fn day(self) -> i32 {
        i32::try_from(self.0.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX)
    }
}

/// One thing asked of the ledger, with everything that deciding it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub party: Party,
    pub at: Timestamp,
    /// The caller's correlation identifier, for whoever looks at the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Arc<str>>,
    #[serde(flatten)]
    pub act: Act,
}

/// The acts that the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    OpenPlayer(OpenPlayer),
    Deposit(Cash),
    Withdraw(Cash),
    PlaceBet(PlaceBet),
    SettleOrder(SettleOrder),
    CancelOrder(CancelOrder),
    Adjust(Adjust),
    QueueVoid(QueueVoid),
    ResolveVoid(ResolveVoid),
    BuyVip(BuyVip),
    StockOffers(StockOffers),
    BuyKeys(BuyKeys),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPlayer {
    pub player: PlayerId,
    pub profile: Profile,
}

/// Money that comes from or goes to the outside world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cash {
    pub player: PlayerId,
    pub pocket: Pocket,
    pub amount: Amount,
    /// The caller's own name for this movement; the same again is a repeat.
    pub key: Arc<str>,
}

/// EGPP 5.1.2 `order.bet`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceBet {
    pub player: PlayerId,
    pub order: OrderKey,
    pub round: i64,
    pub stake: Amount,
    pub pocket: Pocket,
    pub terms: Terms,
}

/// EGPP 5.1.3 `order.bet.result`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleOrder {
    pub player: PlayerId,
    pub order: OrderKey,
    pub round: i64,
    pub result: GameResult,
    /// The bet's currency again, where the caller named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet: Option<Wallet>,
    pub terms: Terms,
}

/// EGPP 5.1.4 `order.bet.cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOrder {
    pub player: PlayerId,
    pub order: OrderKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet: Option<Wallet>,
    pub terms: Terms,
}

/// How a round ended for the player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GameResult {
    Win(Amount),
    /// Pays the amount, or the stake where none is named.
    Tie(Option<Amount>),
    /// Pays nothing, whatever amount came with it.
    Lose(Option<Amount>),
}

/// What the party's configuration said when the command came in. It travels with the command so that a replay
/// decides as the original did; it is not part of what makes two commands the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub game_offered: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bet: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stake_per_day: Option<i64>,
}

/// Names a command for ever: the same key again is a repeat, or a mistake of the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandKey(Uuid);

impl CommandKey {
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// An order's commands differ in the two bits that its id leaves clear.
    pub fn of_order(id: OrderId, operation: OrderOperation) -> Self {
        let mut bytes = id.uuid().into_bytes();
        bytes[15] |= operation as u8;
        Self(Uuid::from_bytes(bytes))
    }

    /// What an order's command does with it; of any other key, nothing that means anything.
    pub fn operation(self) -> Option<OrderOperation> {
        OrderOperation::ALL.into_iter().find(|operation| self.0.as_bytes()[15] & 0b11 == *operation as u8)
    }

    /// The accepted order that an order's command is about; of any other key, an order that there is none of.
    pub fn order(self) -> OrderId {
        let mut bytes = self.0.into_bytes();
        bytes[15] &= !0b11;
        OrderId::from_uuid(Uuid::from_bytes(bytes))
    }

    /// What an order's bet, result and cancel are kept under.
    pub fn of_order_commands(order: OrderId) -> [Self; 3] {
        OrderOperation::ALL.map(|operation| Self::of_order(order, operation))
    }

    fn of_text(kind: &str, party: &Party, key: &str) -> Self {
        Self(digest(&[kind.as_bytes(), party.as_str().as_bytes(), key.as_bytes()]))
    }

    /// The key of the adjustment with this name, which is its transaction's key, too.
    pub fn of_adjust(party: &Party, name: &str) -> Self {
        Self::of_text("adjust", party, name)
    }

    /// The key of a buyer's purchase of gift-card keys. The length keeps one buyer's names apart from another's.
    pub fn of_buy_keys(party: &Party, buyer: &str, reference: &str) -> Self {
        Self::of_text("buy_keys", party, &format!("{}:{buyer}:{reference}", buyer.len()))
    }
}

/// The first attempt is called by the name alone.
fn with_attempt(name: String, attempt: i32) -> String {
    if attempt == 0 { name } else { format!("{name}:{attempt}") }
}

/// A command with the keys that everything about it is found by, computed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    pub command: Command,
    /// What it is kept under when it is done. See [`Keyed::kept_key`].
    pub key: CommandKey,
    pub player: PlayerKey,
    pub order: Option<OrderIds>,
}

impl Keyed {
    /// What the command is kept under with this outcome: an order's refusal is its player's own.
    pub fn kept_key(&self, outcome: Outcome) -> CommandKey {
        match outcome {
            Outcome::Refused(_) => self.refused_key().unwrap_or(self.key),
            Outcome::Done(_) => self.key,
        }
    }

    /// The order that it places, where it is a bet.
    pub fn bet(&self) -> Option<OrderIds> {
        self.order.filter(|_| matches!(self.command.act, Act::PlaceBet(_)))
    }

    /// What an order's command is kept under when it is refused.
    pub fn refused_key(&self) -> Option<CommandKey> {
        let order = self.order?;
        Some(CommandKey::of_order(order.refused, self.key.operation()?))
    }
}

impl Command {
    pub fn keyed(self) -> Keyed {
        let player = self.player().map_or_else(PlayerKey::nobody, |player| PlayerKey::of(&self.party, player));
        let key = self.key();
        let order = self.order_key().map(|_| OrderIds::of(key.order(), player));
        Keyed { command: self, key, player, order }
    }

    fn key(&self) -> CommandKey {
        let of_text = |kind, key: &str| CommandKey::of_text(kind, &self.party, key);
        match &self.act {
            Act::OpenPlayer(open) => of_text("open_player", open.player.as_str()),
            Act::Deposit(cash) => of_text("deposit", &cash.key),
            Act::Withdraw(cash) => of_text("withdraw", &cash.key),
            Act::PlaceBet(bet) => CommandKey::of_order(OrderId::of(&self.party, &bet.order), OrderOperation::Place),
            Act::SettleOrder(settle) => {
                CommandKey::of_order(OrderId::of(&self.party, &settle.order), OrderOperation::Settle)
            }
            Act::CancelOrder(cancel) => {
                CommandKey::of_order(OrderId::of(&self.party, &cancel.order), OrderOperation::Cancel)
            }
            Act::Adjust(adjust) => CommandKey::of_adjust(&self.party, &adjust.name),
            Act::QueueVoid(queue) => of_text("queue_void", &with_attempt(queue.source.to_string(), queue.attempt)),
            // Each of the two answers has a key of its own: the other one, given later, is no misuse of the key.
            Act::ResolveVoid(resolve) => {
                let answer = format!("{}:{}", resolve.source, resolve.approve);
                of_text("resolve_void", &with_attempt(answer, resolve.attempt))
            }
            Act::BuyVip(buy) => of_text("buy_vip", &buy.key),
            Act::StockOffers(stock) => of_text("stock_offers", &stock.key),
            Act::BuyKeys(buy) => CommandKey::of_buy_keys(&self.party, &buy.buyer, &buy.reference),
        }
    }

    /// Whose command it is; stocking offers is nobody's.
    pub fn player(&self) -> Option<&PlayerId> {
        match &self.act {
            Act::OpenPlayer(open) => Some(&open.player),
            Act::Deposit(cash) | Act::Withdraw(cash) => Some(&cash.player),
            Act::PlaceBet(bet) => Some(&bet.player),
            Act::SettleOrder(settle) => Some(&settle.player),
            Act::CancelOrder(cancel) => Some(&cancel.player),
            Act::Adjust(adjust) => Some(&adjust.player),
            Act::QueueVoid(queue) => Some(&queue.player),
            Act::ResolveVoid(resolve) => Some(&resolve.player),
            Act::BuyVip(buy) => Some(&buy.player),
            Act::BuyKeys(buy) => Some(&buy.player),
            Act::StockOffers(_) => None,
        }
    }

    /// The order that it is about, should it be accepted.
    pub fn order(&self) -> Option<OrderId> {
        self.order_key().map(|key| OrderId::of(&self.party, key))
    }

    fn order_key(&self) -> Option<&OrderKey> {
        match &self.act {
            Act::PlaceBet(bet) => Some(&bet.order),
            Act::SettleOrder(settle) => Some(&settle.order),
            Act::CancelOrder(cancel) => Some(&cancel.order),
            Act::OpenPlayer(_)
            | Act::Deposit(_)
            | Act::Withdraw(_)
            | Act::Adjust(_)
            | Act::QueueVoid(_)
            | Act::ResolveVoid(_)
            | Act::BuyVip(_)
            | Act::StockOffers(_)
            | Act::BuyKeys(_) => None,
        }
    }
}
