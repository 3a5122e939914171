//! What is asked of the ledger, in the ledger's own words.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::accounts::AccountAct;
use super::ids::{Party, PlayerId};
use super::nested::{self, AreaReader, OfAreas};
use super::orders::{OrderAct, OrderId, OrderIds, OrderKey, OrderOperation};
use super::outcome::Outcome;
use super::player::{PlayerKey, digest};
use super::shop::ShopAct;
use super::transactions::TransactionAct;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// When a command was received: microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// A whole second since 1970-01-01 UTC, or the end of time.
    pub(crate) fn of_second(second: i64) -> Self {
        Self(second.saturating_mul(MICROS_PER_SECOND))
    }

    /// Seconds since 1970-01-01 UTC.
    pub fn second(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

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

/// The acts that the ledger knows, by their areas. In the journal they are one flat list: an act is written as its area
/// writes it, and read by whichever area has one of its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Act {
    Account(AccountAct),
    Order(OrderAct),
    Transaction(TransactionAct),
    Shop(ShopAct),
}

impl<'de> OfAreas<'de> for Act {
    fn readers<D: Deserializer<'de>>() -> [AreaReader<'de, Self, D>; 4] {
        [
            |text| OrderAct::deserialize(text).map(Self::Order),
            |text| AccountAct::deserialize(text).map(Self::Account),
            |text| TransactionAct::deserialize(text).map(Self::Transaction),
            |text| ShopAct::deserialize(text).map(Self::Shop),
        ]
    }
}

impl<'de> Deserialize<'de> for Act {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        nested::read_tagged(deserializer, "act")
    }
}

impl Act {
    /// Whose it is; stocking offers is nobody's.
    fn player(&self) -> Option<&PlayerId> {
        match self {
            Self::Account(act) => Some(act.player()),
            Self::Order(act) => Some(act.player()),
            Self::Transaction(act) => Some(act.player()),
            Self::Shop(act) => act.player(),
        }
    }

    fn key(&self, party: &Party) -> CommandKey {
        match self {
            Self::Account(act) => act.key(party),
            Self::Order(act) => act.key(party),
            Self::Transaction(act) => act.key(party),
            Self::Shop(act) => act.key(party),
        }
    }

    fn order(&self) -> Option<&OrderKey> {
        match self {
            Self::Order(act) => Some(act.order()),
            Self::Account(_) | Self::Transaction(_) | Self::Shop(_) => None,
        }
    }
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
    pub(crate) fn of_order(id: OrderId, operation: OrderOperation) -> Self {
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
    pub(crate) fn of_order_commands(order: OrderId) -> [Self; 3] {
        OrderOperation::ALL.map(|operation| Self::of_order(order, operation))
    }

    pub(super) fn of_text(kind: &str, party: &Party, key: &str) -> Self {
        Self(digest(&[kind.as_bytes(), party.as_str().as_bytes(), key.as_bytes()]))
    }
}

/// A command with the keys that everything about it is found by, computed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedCommand {
    pub command: Command,
    /// What it is kept under when it is done. See [`KeyedCommand::kept_key`].
    pub key: CommandKey,
    pub player: PlayerKey,
    pub order: Option<OrderIds>,
}

impl KeyedCommand {
    /// What the command is kept under with this outcome: an order's refusal is its player's own.
    pub fn kept_key(&self, outcome: Outcome) -> CommandKey {
        match outcome {
            Outcome::Refused(_) => self.refused_key().unwrap_or(self.key),
            Outcome::Done(_) => self.key,
        }
    }

    /// The order that it places, where it is a bet.
    pub fn bet(&self) -> Option<OrderIds> {
        self.order.filter(|_| matches!(self.command.act, Act::Order(OrderAct::PlaceBet(_))))
    }

    /// What an order's command is kept under when it is refused.
    pub fn refused_key(&self) -> Option<CommandKey> {
        let order = self.order?;
        Some(CommandKey::of_order(order.refused, self.key.operation()?))
    }
}

impl Command {
    pub fn keyed(self) -> KeyedCommand {
        let player = self.player().map_or_else(PlayerKey::nobody, |player| PlayerKey::of(&self.party, player));
        let key = self.act.key(&self.party);
        let order = self.act.order().map(|_| OrderIds::of(key.order(), player));
        KeyedCommand { command: self, key, player, order }
    }

    /// Whose command it is; stocking offers is nobody's.
    pub fn player(&self) -> Option<&PlayerId> {
        self.act.player()
    }

    /// The order that it is about, should it be accepted.
    pub fn order(&self) -> Option<OrderId> {
        self.act.order().map(|key| OrderId::of(&self.party, key))
    }
}
