//! What comes of acts about orders.

use serde::{Deserialize, Serialize};

use super::OrderAct;
use crate::ledger::outcome::{Refusal, Retention};

/// What was done. Amounts are minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderDone {
    BetPlaced,
    OrderSettled { paid: i64 },
    OrderCancelled { refunded: i64 },
}

/// Why nothing was done, in the order in which the reasons are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderRefusal {
    /// A result or cancel names another currency or wallet than its bet.
    DiffersFromBet,
    GameUnknown,
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
}

impl OrderAct {
    /// How the act's refusal is kept. A refused bet must stay refused, since the provider has seen the "no"; a cancel that
    /// found no bet leaves a tombstone.
    pub(in crate::ledger) fn retention(&self, refusal: Refusal) -> Retention {
        match (self, refusal) {
            (Self::PlaceBet(_), _) => Retention::Idempotent,
            (Self::CancelOrder(_), Refusal::Order(OrderRefusal::OrderUnknown)) => Retention::Idempotent,
            (Self::SettleOrder(_) | Self::CancelOrder(_), _) => Retention::RecordOnly,
        }
    }
}
