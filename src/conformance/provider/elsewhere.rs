//! Bets for which nothing came over the queues: whether they were settled elsewhere, over REST.

use std::collections::HashMap;
use std::time::Duration;

use super::message::Bet;

/// What the wallet's ledger says of them.
#[derive(Debug)]
pub enum SettledElsewhere {
    /// Which were settled, and how long after they were placed. All others are open.
    Known(HashMap<Bet, Duration>),
    /// Nobody could look, and why.
    Unknown(String),
}

impl SettledElsewhere {
    pub fn count(&self) -> u64 {
        match self {
            Self::Known(settled) => settled.len() as u64,
            Self::Unknown(_) => 0,
        }
    }
}
