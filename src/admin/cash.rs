//! Money by hand: deposits and withdrawals, from words to the ledger's own and back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::shown::{self, Exact};
use crate::config::{Config, PartyConfig};
use crate::ledger::accounts::Cash;
use crate::ledger::command::Act;
use crate::ledger::ids::is_printable;
use crate::ledger::money::parse_decimal;
use crate::ledger::{
    AccountAct, AccountDone, Amount, Bucket, Currency, Done, Outcome, Party, PlayerId, Pocket, Wallet,
};

/// The longest key, in characters.
const MAX_KEY: usize = 128;
/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Deposit,
    Withdraw,
}

impl Direction {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdraw => "withdraw",
        }
    }

    pub fn act(self, cash: Cash) -> Act {
        match self {
            Self::Deposit => Act::Account(AccountAct::Deposit(cash)),
            Self::Withdraw => Act::Account(AccountAct::Withdraw(cash)),
        }
    }
}

/// What is to be moved, as it is asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CashRequest {
    /// In major units: 12.34
    pub amount: String,
    pub currency: String,
    #[serde(default = "real")]
    pub bucket: String,
    /// The caller's own name for this transfer: the same again moves nothing and gives the same answer.
    pub key: String,
    /// Why, for the trail.
    pub reason: String,
}

fn real() -> String {
    Bucket::Real.as_str().to_owned()
}

/// A transfer as it is told; the same whenever it is asked for again.
#[derive(Debug, Serialize)]
pub struct CashMoved {
    pub party: Party,
    pub player: PlayerId,
    pub currency: Currency,
    pub bucket: Bucket,
    pub amount: String,
    pub amount_minor: Exact,
    /// Right after it.
    pub balance: String,
    pub balance_minor: Exact,
    pub key: Arc<str>,
}

impl CashRequest {
    /// The transfer in the ledger's words. Errors name the field first.
    pub fn transfer(&self, config: &Config, party: &Party, player: PlayerId) -> Result<Cash, Invalid> {
        check_text("key", &self.key, MAX_KEY)?;
        check_reason(&self.reason)?;
        let settings = config.parties.get(party).ok_or_else(|| Invalid(format!("party {party} is not configured")))?;
        let currency = currency(party, settings, &self.currency)?;
        let pocket = Pocket { bucket: bucket(&self.bucket)?, ..Pocket::real(currency) };
        transfer(config, player, pocket, &self.amount, &self.key)
    }
}

/// A transfer of so many major units.
pub fn transfer(config: &Config, player: PlayerId, pocket: Pocket, amount: &str, key: &str) -> Result<Cash, Invalid> {
    let minor = parse_decimal(amount, config.exponent(pocket.currency));
    let minor = minor.map_err(|error| Invalid(format!("amount {error}")))?;
    let amount = Amount::new(minor).map_err(|_| Invalid("amount must be more than nothing".to_owned()))?;
    Ok(Cash { player, pocket, amount, key: key.into() })
}

/// The transfer that an act is, where it is one.
pub fn of(act: Act) -> Option<Cash> {
    if let Act::Account(AccountAct::Deposit(cash) | AccountAct::Withdraw(cash)) = act { Some(cash) } else { None }
}

/// One of a party's currencies.
pub fn currency(party: &Party, settings: &PartyConfig, code: &str) -> Result<Currency, Invalid> {
    let currency = Currency::parse(code).map_err(|error| Invalid(format!("currency {error}")))?;
    let is_known = settings.all_currencies().any(|known| known == currency);
    is_known.then_some(currency).ok_or_else(|| Invalid(format!("currency {currency} is not one of party {party}'s")))
}

pub fn bucket(name: &str) -> Result<Bucket, Invalid> {
    Bucket::parse(name)
        .ok_or_else(|| Invalid(format!("bucket must be one of {}", Bucket::ALL.map(Bucket::as_str).join(", "))))
}

pub fn wallet(name: &str) -> Result<Wallet, Invalid> {
    Wallet::parse(name).map_err(|error| Invalid(format!("wallet {error}")))
}

/// Whether a text may be a reason.
pub fn check_reason(reason: &str) -> Result<(), Invalid> {
    check_text("reason", reason, MAX_REASON)
}

fn check_text(field: &str, text: &str, most: usize) -> Result<(), Invalid> {
    let fits = !text.trim().is_empty() && text.chars().count() <= most && text.chars().all(is_printable);
    if fits { Ok(()) } else { Err(Invalid(format!("{field} must be 1 to {most} printable characters"))) }
}

/// What a transfer is answered with; `None` where it was refused.
pub fn answer(config: &Config, party: &Party, cash: &Cash, outcome: Outcome) -> Option<CashMoved> {
    let Outcome::Done(Done::Account(AccountDone::Deposited { balance } | AccountDone::Withdrawn { balance })) = outcome
    else {
        return None;
    };
    let currency = cash.pocket.currency;
    Some(CashMoved {
        party: party.clone(),
        player: cash.player.clone(),
        currency,
        bucket: cash.pocket.bucket,
        amount: shown::amount(config, cash.amount.minor(), currency),
        amount_minor: Exact(cash.amount.minor()),
        balance: shown::amount(config, balance, currency),
        balance_minor: Exact(balance),
        key: Arc::clone(&cash.key),
    })
}
