//! Opening a player.

use super::{AccountDone, AccountRefusal, OpenPlayer};
use crate::ledger::command::KeyedCommand;
use crate::ledger::decide::{AreaDecision, Effects};
use crate::ledger::state::State;
use crate::ledger::{Party, Player};

pub(super) fn decide(state: &State, keyed: &KeyedCommand, open: &OpenPlayer) -> AreaDecision<AccountDone> {
    let player = player(&keyed.command.party, open);
    let owner = player.username().and_then(|username| state.usernames.get(&username));
    if owner.is_some_and(|owner| *owner != keyed.player) {
        return Err(AccountRefusal::UsernameTaken.into());
    }
    Ok(opened(player))
}

/// The same for a player who was opened when a username could still be given twice: whoever had it first keeps it.
pub(super) fn as_recorded(keyed: &KeyedCommand, open: &OpenPlayer) -> (AccountDone, Effects) {
    opened(player(&keyed.command.party, open))
}

pub(super) fn player(party: &Party, open: &OpenPlayer) -> Player {
    Player { party: party.clone(), id: open.player.clone(), profile: open.profile.clone() }
}

fn opened(player: Player) -> (AccountDone, Effects) {
    (AccountDone::PlayerOpened, Effects { opened: Some(player), ..Effects::default() })
}
