//! What was decided, refusals included. Outcomes are stored facts: a repeat gets the same answer.

use serde::{Deserialize, Serialize};

use super::command::Act;

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done(Done),
    Refused(Refusal),
}

/// What was done. Amounts are minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    PlayerOpened,
    Deposited { balance: i64 },
    Withdrawn { balance: i64 },
    BetPlaced,
    OrderSettled { paid: i64 },
    OrderCancelled { refunded: i64 },
}

/// Why nothing was done, in the order in which the reasons are looked for (`decide`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The same key was used before with other data.
    KeyReused,
    /// A result or cancel names another currency or wallet than its bet.
    DiffersFromBet,
    GameUnknown,
    PlayerUnknown,
    OrderUnknown,
    /// The order is another player's.
    OrderNotTheirs,
    OrderSettled,
    OrderCancelled,
    /// The order's bet was refused.
    OrderRefused,
    RoundDiffers,
    MaxBet {
        max: i64,
    },
    MaxStakePerDay {
        max: i64,
        staked: i64,
    },
    InsufficientFunds {
        balance: i64,
    },
    /// A balance would pass what 64 bits hold.
    BalanceOverflow,
}

/// What the journal keeps of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Under its key: the same command again gets this outcome.
    Kept,
    /// For the record only: the same command again is judged afresh.
    Noted,
    /// Not at all: a repeat is in the journal already, and a misused key says nothing about the ledger.
    Ignored,
}

impl Refusal {
    /// How a refusal is kept. A refused bet must stay refused, since the provider has seen the "no"; a cancel that
    /// found no bet leaves a tombstone; every other refusal moved nothing and blocks nothing.
    pub fn keeping(self, act: &Act) -> Keeping {
        match (self, act) {
            (Self::KeyReused | Self::DiffersFromBet | Self::BalanceOverflow, _) => Keeping::Ignored,
            (Self::OrderUnknown, Act::CancelOrder(_)) | (_, Act::PlaceBet(_)) => Keeping::Kept,
            (
                _,
                Act::OpenPlayer(_) | Act::Deposit(_) | Act::Withdraw(_) | Act::SettleOrder(_) | Act::CancelOrder(_),
            ) => Keeping::Noted,
        }
    }
}
