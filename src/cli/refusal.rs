//! What the ledger refused, to somebody at a command line: the words of [`refusals`], and the command that helps.

use super::{CommandFailure, failed};
use crate::admin::refusals;
use crate::config::Config;
use crate::ledger::{
    AccountAct, AccountRefusal, Act, Command, Currency, Party, Refusal, TransactionAct, TransactionRefusal,
};

/// `currency` is what amounts are of.
pub fn refused(config: &Config, command: &Command, currency: Currency, refusal: Refusal) -> CommandFailure {
    let (_, why) = refusals::told(config, &command.act, Some(currency), refusal);
    let help = match (&command.act, refusal) {
        (
            Act::Account(AccountAct::Deposit(cash) | AccountAct::Withdraw(cash)),
            Refusal::Account(AccountRefusal::PlayerUnknown),
        ) => {
            let (party, player) = (&command.party, &cash.player);
            format!("; `purser player add --party {party} --player {player}` makes one")
        }
        (
            Act::Transaction(TransactionAct::ResolveVoid(_)),
            Refusal::Account(AccountRefusal::KeyReused) | Refusal::Transaction(TransactionRefusal::VoidResolved),
        ) => format!("; `purser voids list --all --party {}` shows how", command.party),
        _ => String::new(),
    };
    failed(why + &help)
}

/// There is nothing to answer.
pub fn no_void(party: &Party, source: i64) -> CommandFailure {
    failed(format!("{}; `purser voids list --party {party}` shows those that wait", refusals::no_void(source)))
}
