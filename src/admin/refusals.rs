//! Why the ledger refused an operator's act, in words that say what to do.

use super::shown;
use crate::config::Config;
use crate::ledger::{AccountAct, AccountRefusal, Act, Currency, Refusal, TransactionAct, TransactionRefusal};

/// How a refusal stands to what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// It names something that is not there.
    Unknown,
    /// It cannot be done as things are.
    Conflict,
}

/// A refusal, told. `currency` is what amounts in it are of.
pub fn told(config: &Config, act: &Act, currency: Option<Currency>, refusal: Refusal) -> (RefusalKind, String) {
    let conflict = |text: &str| (RefusalKind::Conflict, text.to_owned());
    let amount = |minor| match currency {
        Some(currency) => format!("{} {currency}", shown::amount(config, minor, currency)),
        None => format!("{minor} minor units"),
    };
    let otherwise = || (RefusalKind::Conflict, format!("refused: {refusal:?}"));
    match refusal {
        Refusal::Account(refusal) => match refusal {
            AccountRefusal::PlayerUnknown => (RefusalKind::Unknown, "there is no such player".to_owned()),
            AccountRefusal::KeyReused => conflict(key_reused(act)),
            AccountRefusal::UsernameTaken => {
                conflict("the username is another player's name to sign in by; nothing was changed")
            }
            AccountRefusal::InsufficientFunds { balance } => {
                (RefusalKind::Conflict, insufficient(act, &amount(balance)))
            }
            AccountRefusal::BalanceOverflow => conflict("the balance would be more than an account can hold"),
        },
        Refusal::Transaction(refusal) => match refusal {
            TransactionRefusal::VoidUnknown | TransactionRefusal::TransactionUnknown => {
                (RefusalKind::Unknown, resolved(act).map_or_else(|| "there is no such void".to_owned(), no_void))
            }
            TransactionRefusal::VoidResolved => conflict(VOID_RESOLVED),
            TransactionRefusal::TransactionEnded => {
                conflict("the transaction was given back meanwhile, by the partner; dismiss its void")
            }
            TransactionRefusal::TransactionUndone | TransactionRefusal::AmountsDisagree => otherwise(),
        },
        Refusal::Order(_) | Refusal::Shop(_) => otherwise(),
    }
}

/// Nobody has asked to take this transaction back.
pub fn no_void(source: i64) -> String {
    format!("there is no void of transaction {source}")
}

/// The transaction whose void an act answers.
fn resolved(act: &Act) -> Option<i64> {
    if let Act::Transaction(TransactionAct::ResolveVoid(resolve)) = act { Some(resolve.source) } else { None }
}

fn insufficient(act: &Act, balance: &str) -> String {
    match act {
        Act::Transaction(TransactionAct::ResolveVoid(resolve)) => format!(
            "player {} has only {balance} left in one of the buckets that transaction {} was paid into; nothing was moved, \
             and the void still waits",
            resolve.player, resolve.source
        ),
        Act::Transaction(TransactionAct::Adjust(_) | TransactionAct::QueueVoid(_))
        | Act::Account(_)
        | Act::Order(_)
        | Act::Shop(_) => format!("the balance is {balance}, too little; nothing was moved"),
    }
}

const VOID_RESOLVED: &str = "the void was resolved before";

fn key_reused(act: &Act) -> &'static str {
    match act {
        Act::Account(AccountAct::OpenPlayer(_)) => "the player exists with other values; nothing was changed",
        Act::Transaction(TransactionAct::ResolveVoid(_)) => VOID_RESOLVED,
        Act::Account(AccountAct::Deposit(_) | AccountAct::Withdraw(_))
        | Act::Transaction(TransactionAct::Adjust(_) | TransactionAct::QueueVoid(_))
        | Act::Order(_)
        | Act::Shop(_) => "this key was used before for another transfer",
    }
}
