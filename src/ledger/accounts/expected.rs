//! What must be stored once an act about accounts was done: what `decide` did, from the journal's side, for whoever audits or
//! prunes.

use super::{AccountAct, AccountDone, open};
use crate::ledger::Player;
use crate::ledger::command::KeyedCommand;

/// What follows from one journal row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedAccount {
    /// The player is stored so, but for the level that may be bought later, and signs in by the username, unless another
    /// had it before.
    Opened(Player),
    /// Nothing but what its transfers say: balances are their sums.
    Moved,
}

/// `None` where a row says that something was done that its act does not do.
pub fn expected(keyed: &KeyedCommand, act: &AccountAct, done: AccountDone) -> Option<ExpectedAccount> {
    match (act, done) {
        (AccountAct::OpenPlayer(open), AccountDone::PlayerOpened) => {
            Some(ExpectedAccount::Opened(open::player(&keyed.command.party, open)))
        }
        (AccountAct::Deposit(_), AccountDone::Deposited { .. })
        | (AccountAct::Withdraw(_), AccountDone::Withdrawn { .. }) => Some(ExpectedAccount::Moved),
        (AccountAct::OpenPlayer(_) | AccountAct::Deposit(_) | AccountAct::Withdraw(_), _) => None,
    }
}

/// Whether what an act moves is taken from its player; else it is given.
pub fn takes(act: &AccountAct) -> bool {
    match act {
        AccountAct::Withdraw(_) => true,
        AccountAct::OpenPlayer(_) | AccountAct::Deposit(_) => false,
    }
}
