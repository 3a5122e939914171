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
    failed(why + &help(command, refusal))
}

fn help(command: &Command, refusal: Refusal) -> String {
    let party = &command.party;
    match &command.act {
        Act::Account(AccountAct::Deposit(cash) | AccountAct::Withdraw(cash)) => match refusal {
            Refusal::Account(AccountRefusal::PlayerUnknown) => {
                format!("; `purser player add --party {party} --player {}` makes one", cash.player)
            }
            Refusal::Account(
                AccountRefusal::KeyReused
                | AccountRefusal::UsernameTaken
                | AccountRefusal::InsufficientFunds { .. }
                | AccountRefusal::BalanceOverflow,
            )
            | Refusal::Order(_)
            | Refusal::Transaction(_)
            | Refusal::Shop(_) => String::new(),
        },
        Act::Transaction(TransactionAct::ResolveVoid(_)) => match refusal {
            Refusal::Account(AccountRefusal::KeyReused) | Refusal::Transaction(TransactionRefusal::VoidResolved) => {
                format!("; `purser voids list --all --party {party}` shows how")
            }
            Refusal::Account(
                AccountRefusal::PlayerUnknown
                | AccountRefusal::UsernameTaken
                | AccountRefusal::InsufficientFunds { .. }
                | AccountRefusal::BalanceOverflow,
            )
            | Refusal::Transaction(
                TransactionRefusal::VoidUnknown
                | TransactionRefusal::TransactionUnknown
                | TransactionRefusal::TransactionEnded
                | TransactionRefusal::TransactionUndone
                | TransactionRefusal::AmountsDisagree,
            )
            | Refusal::Order(_)
            | Refusal::Shop(_) => String::new(),
        },
        Act::Account(AccountAct::OpenPlayer(_))
        | Act::Transaction(TransactionAct::Adjust(_) | TransactionAct::QueueVoid(_))
        | Act::Order(_)
        | Act::Shop(_) => String::new(),
    }
}

/// There is nothing to answer.
pub fn no_void(party: &Party, source: i64) -> CommandFailure {
    failed(format!("{}; `purser voids list --party {party}` shows those that wait", refusals::no_void(source)))
}
