//! What is asked about orders.

use serde::{Deserialize, Serialize};

use super::{OrderId, OrderKey, OrderOperation};
use crate::ledger::account::Pocket;
use crate::ledger::command::CommandKey;
use crate::ledger::{Amount, Currency, Party, PlayerId, Wallet};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum OrderAct {
    PlaceBet(PlaceBet),
    SettleOrder(SettleOrder),
    CancelOrder(CancelOrder),
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

impl OrderAct {
    pub fn player(&self) -> &PlayerId {
        match self {
            Self::PlaceBet(bet) => &bet.player,
            Self::SettleOrder(settle) => &settle.player,
            Self::CancelOrder(cancel) => &cancel.player,
        }
    }

    /// The order that it is about, by its party's own words.
    pub fn order(&self) -> &OrderKey {
        match self {
            Self::PlaceBet(bet) => &bet.order,
            Self::SettleOrder(settle) => &settle.order,
            Self::CancelOrder(cancel) => &cancel.order,
        }
    }

    pub fn operation(&self) -> OrderOperation {
        match self {
            Self::PlaceBet(_) => OrderOperation::Place,
            Self::SettleOrder(_) => OrderOperation::Settle,
            Self::CancelOrder(_) => OrderOperation::Cancel,
        }
    }

    pub(in crate::ledger) fn key(&self, party: &Party) -> CommandKey {
        CommandKey::of_order(OrderId::of(party, self.order()), self.operation())
    }
}
