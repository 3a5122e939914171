//! What comes of acts about accounts, and what an act of any area may be refused for.

use serde::{Deserialize, Serialize};

/// What was done. Amounts are minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountDone {
    PlayerOpened,
    Deposited { balance: i64 },
    Withdrawn { balance: i64 },
}

/// Why nothing was done, whatever the area of the act, in the order in which the reasons are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountRefusal {
    /// The same key was used before with other data.
    KeyReused,
    PlayerUnknown,
    /// Another player of the party signs in by this username.
    UsernameTaken,
    InsufficientFunds {
        balance: i64,
    },
    /// A balance would pass what 64 bits hold.
    BalanceOverflow,
}
