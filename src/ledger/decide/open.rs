//! Opening a player.

use super::{Command, Done, Effects, Player};
use crate::ledger::command::OpenPlayer;

pub(super) fn decide(command: &Command, open: &OpenPlayer) -> (Done, Effects) {
    let player = Player { party: command.party.clone(), id: open.player.clone(), profile: open.profile.clone() };
    (Done::PlayerOpened, Effects { opened: Some(player), ..Effects::default() })
}
