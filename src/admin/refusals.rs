//! Why the ledger refused an operator's act, in words that say what to do.

use super::shown;
use crate::config::Config;
use crate::ledger::command::Act;
use crate::ledger::{Currency, Refusal};

/// How a refusal stands to what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It names something that is not there.
    Unknown,
    /// It cannot be done as things are.
    Conflict,
}

/// A refusal, told. `currency` is what amounts in it are of.
pub fn told(config: &Config, act: &Act, currency: Option<Currency>, refusal: Refusal) -> (Kind, String) {
    let conflict = |text: &str| (Kind::Conflict, text.to_owned());
    let amount = |minor| match currency {
        Some(currency) => format!("{} {currency}", shown::amount(config, minor, currency)),
        None => format!("{minor} minor units"),
    };
    match refusal {
        Refusal::PlayerUnknown => (Kind::Unknown, "there is no such player".to_owned()),
        Refusal::KeyReused => match act {
            Act::OpenPlayer(_) => conflict("the player exists with other values; nothing was changed"),
            Act::ResolveVoid(_) => conflict("the void was resolved before"),
            Act::Deposit(_)
            | Act::Withdraw(_)
            | Act::PlaceBet(_)
            | Act::SettleOrder(_)
            | Act::CancelOrder(_)
            | Act::Adjust(_)
            | Act::QueueVoid(_)
            | Act::BuyVip(_)
            | Act::StockOffers(_)
            | Act::BuyKeys(_) => conflict("this key was used before for another movement"),
        },
        Refusal::InsufficientFunds { balance } => {
            (Kind::Conflict, format!("the balance is {}, too little; nothing was moved", amount(balance)))
        }
        Refusal::BalanceOverflow => conflict("the balance would be more than an account can hold"),
        Refusal::VoidUnknown | Refusal::TransactionUnknown => {
            (Kind::Unknown, "there is no void of this transaction".to_owned())
        }
        Refusal::VoidResolved => conflict("the void was resolved before"),
        Refusal::TransactionEnded => {
            conflict("the transaction was given back meanwhile, by the partner; dismiss its void")
        }
        Refusal::DiffersFromBet
        | Refusal::GameUnknown
        | Refusal::OrderUnknown
        | Refusal::OrderNotTheirs
        | Refusal::OrderSettled
        | Refusal::OrderCancelled
        | Refusal::OrderRefused
        | Refusal::RoundDiffers
        | Refusal::MaxBet { .. }
        | Refusal::MaxStakePerDay { .. }
        | Refusal::TransactionUndone
        | Refusal::AmountsDisagree
        | Refusal::VipNotHigher
        | Refusal::OfferUnknown
        | Refusal::OfferCurrencyDiffers
        | Refusal::OfferPriceDiffers { .. }
        | Refusal::OutOfStock { .. } => (Kind::Conflict, format!("refused: {refusal:?}")),
    }
}
