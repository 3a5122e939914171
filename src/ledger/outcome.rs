//! What was decided, refusals included. Outcomes are stored facts: a repeat gets the same answer.

use serde::{Deserialize, Deserializer, Serialize};

use super::accounts::{AccountDone, AccountRefusal};
use super::command::Act;
use super::nested::{self, AreaReader, OfAreas};
use super::orders::{OrderDone, OrderRefusal};
use super::shop::{ShopDone, ShopRefusal};
use super::transactions::{TransactionDone, TransactionRefusal};

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done(Done),
    Refused(Refusal),
}

/// What was done, by the area whose act it was. See [`Act`] for how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Done {
    Account(AccountDone),
    Order(OrderDone),
    Transaction(TransactionDone),
    Shop(ShopDone),
}

/// Why nothing was done. An act is refused for reasons of its own area, or of [`AccountRefusal`]. See [`Act`] for how it
/// is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Refusal {
    Account(AccountRefusal),
    Order(OrderRefusal),
    Transaction(TransactionRefusal),
    Shop(ShopRefusal),
}

/// What the journal keeps of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Under its key: the same command again gets this outcome.
    Idempotent,
    /// For the record only: the same command again is judged afresh.
    RecordOnly,
    /// Not at all: a repeat is in the journal already, and a misused key says nothing about the ledger.
    None,
}

impl Refusal {
    /// How a refusal is kept: every one that moved nothing and blocks nothing is for the record only.
    pub fn retention(self, act: &Act) -> Retention {
        match (self, act) {
            (Self::Account(AccountRefusal::KeyReused | AccountRefusal::BalanceOverflow), _)
            | (Self::Order(OrderRefusal::DiffersFromBet), _) => Retention::None,
            (_, Act::Order(act)) => act.retention(self),
            (_, Act::Transaction(act)) => act.retention(self),
            (_, Act::Account(_) | Act::Shop(_)) => Retention::RecordOnly,
        }
    }
}

impl From<AccountRefusal> for Refusal {
    fn from(refusal: AccountRefusal) -> Self {
        Self::Account(refusal)
    }
}

impl From<OrderRefusal> for Refusal {
    fn from(refusal: OrderRefusal) -> Self {
        Self::Order(refusal)
    }
}

impl From<TransactionRefusal> for Refusal {
    fn from(refusal: TransactionRefusal) -> Self {
        Self::Transaction(refusal)
    }
}

impl From<ShopRefusal> for Refusal {
    fn from(refusal: ShopRefusal) -> Self {
        Self::Shop(refusal)
    }
}

impl<'de> OfAreas<'de> for Done {
    fn readers<D: Deserializer<'de>>() -> [AreaReader<'de, Self, D>; 4] {
        [
            |text| OrderDone::deserialize(text).map(Self::Order),
            |text| AccountDone::deserialize(text).map(Self::Account),
            |text| TransactionDone::deserialize(text).map(Self::Transaction),
            |text| ShopDone::deserialize(text).map(Self::Shop),
        ]
    }
}

impl<'de> OfAreas<'de> for Refusal {
    fn readers<D: Deserializer<'de>>() -> [AreaReader<'de, Self, D>; 4] {
        [
            |text| OrderRefusal::deserialize(text).map(Self::Order),
            |text| AccountRefusal::deserialize(text).map(Self::Account),
            |text| TransactionRefusal::deserialize(text).map(Self::Transaction),
            |text| ShopRefusal::deserialize(text).map(Self::Shop),
        ]
    }
}

impl<'de> Deserialize<'de> for Done {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        nested::read_variant(deserializer)
    }
}

impl<'de> Deserialize<'de> for Refusal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        nested::read_variant(deserializer)
    }
}
