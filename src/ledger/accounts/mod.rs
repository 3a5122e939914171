//! Accounts: opening a player, and money that comes from or goes to the outside world.
//!
//! What an act of any area may be refused for is here as well ([`AccountRefusal`]): a key that was used before, a player
//! who is not known, too little money, too much. All of it is about whose account an act is for, and what is in it.

mod acts;
mod cash;
mod open;
mod outcome;
pub mod expected;

pub use acts::{AccountAct, Cash, OpenPlayer};
pub use outcome::{AccountDone, AccountRefusal};

use super::command::KeyedCommand;
use super::decide::{AreaDecision, Effects};
use super::state::State;

pub(super) fn decide(state: &State, keyed: &KeyedCommand, act: &AccountAct) -> AreaDecision<AccountDone> {
    match act {
        AccountAct::OpenPlayer(open) => open::decide(state, keyed, open),
        AccountAct::Deposit(cash) => cash::deposit(state, keyed, cash),
        AccountAct::Withdraw(cash) => cash::withdraw(state, keyed, cash),
    }
}

/// What follows from an act that was done when its area refused less than it does now; `None` where it is refused all the
/// same.
pub(super) fn as_recorded(
    keyed: &KeyedCommand,
    act: &AccountAct,
    refusal: AccountRefusal,
) -> Option<(AccountDone, Effects)> {
    match (act, refusal) {
        (AccountAct::OpenPlayer(open), AccountRefusal::UsernameTaken) => Some(open::as_recorded(keyed, open)),
        (AccountAct::OpenPlayer(_) | AccountAct::Deposit(_) | AccountAct::Withdraw(_), _) => None,
    }
}

pub(super) fn is_same(now: &AccountAct, then: &AccountAct) -> bool {
    now == then
}
