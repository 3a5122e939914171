//! VIP memberships: a level that a player has bought (GoPlay `POST /partner/1/vip`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{Currency, PlayerId};
use super::money::Amount;

/// Buys a level, with real money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyVip {
    pub player: PlayerId,
    pub level: Arc<str>,
    pub price: Amount,
    pub currency: Currency,
    /// The levels that the party offered at the time, from the lowest to the highest. Terms: not compared.
    pub ladder: Vec<Arc<str>>,
    /// The caller's own name for this purchase; the same again is a repeat.
    pub key: Arc<str>,
}

impl BuyVip {
    /// How high a level is: one that is not offered any more is below all that are.
    pub fn rank(&self, level: &str) -> Option<usize> {
        self.ladder.iter().position(|rung| **rung == *level)
    }
}
