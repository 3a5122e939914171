//! What is asked about accounts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ledger::account::Pocket;
use crate::ledger::command::CommandKey;
use crate::ledger::player::Profile;
use crate::ledger::{Amount, Party, PlayerId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum AccountAct {
    OpenPlayer(OpenPlayer),
    Deposit(Cash),
    Withdraw(Cash),
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
    /// The caller's own name for this transfer; the same again is a repeat.
    pub key: Arc<str>,
}

impl AccountAct {
    pub fn player(&self) -> &PlayerId {
        match self {
            Self::OpenPlayer(open) => &open.player,
            Self::Deposit(cash) | Self::Withdraw(cash) => &cash.player,
        }
    }

    pub(in crate::ledger) fn key(&self, party: &Party) -> CommandKey {
        match self {
            Self::OpenPlayer(open) => CommandKey::of_open_player(party, &open.player),
            Self::Deposit(cash) => CommandKey::of_text("deposit", party, &cash.key),
            Self::Withdraw(cash) => CommandKey::of_text("withdraw", party, &cash.key),
        }
    }
}

impl CommandKey {
    /// The key of the command that opened this player.
    pub fn of_open_player(party: &Party, player: &PlayerId) -> Self {
        Self::of_text("open_player", party, player.as_str())
    }
}
