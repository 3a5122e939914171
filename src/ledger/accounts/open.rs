//! Opening a player.

use super::{AccountDone, OpenPlayer};
use crate::ledger::decide::Effects;
use crate::ledger::{Party, Player};

pub(super) fn decide(party: &Party, open: &OpenPlayer) -> (AccountDone, Effects) {
    let player = Player { party: party.clone(), id: open.player.clone(), profile: open.profile.clone() };
    (AccountDone::PlayerOpened, Effects { opened: Some(player), ..Effects::default() })
}
