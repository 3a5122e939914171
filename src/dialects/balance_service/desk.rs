//! One party's counter: what a request asks for, and the steps to its answer.

use std::sync::Arc;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;

use super::call::{self, Call, Method};
use super::code::{Code, Refused};
use super::decimal;
use super::{adjust, balance, find, gate, queue};
use crate::config::{BalanceService, Config};
use crate::dialects::http::{Next, Reply, Request, Then};
use crate::ledger::command::{Act, Command, Timestamp};
use crate::ledger::transactions::{FindBy, Finding};
use crate::ledger::{Currency, Party};

/// Whose words transactions of this dialect's are labelled with.
pub const SCOPE: &str = "balance_service";

/// Decimal places of `total_amount_gbp`.
const GBP_PLACES: u32 = 4;

/// A party's counter.
pub struct Desk {
    pub party: Party,
    pub settings: BalanceService,
    /// Says how many places a currency has.
    pub config: Config,
}

/// What a command needs beside its act.
#[derive(Debug, Clone)]
pub struct Asked {
    pub at: Timestamp,
    pub correlation: Arc<str>,
}

#[derive(Serialize)]
struct Success<T> {
    /// Always null.
    id: (),
    result: T,
}

impl Desk {
    /// Takes a request as far as it goes without waiting; `address` is the method that its address names.
    pub fn answer(self: &Arc<Self>, address: &str, request: &Request) -> Next {
        next(self.open(address, request))
    }

    fn open(self: &Arc<Self>, address: &str, request: &Request) -> Result<Next, Refused> {
        gate::check_key(&self.settings.api_keys, request)?;
        gate::check_headers(request)?;
        let Call { method, params } = call::parse(address, &request.body)?;
        let asked = Asked { at: request.at, correlation: request.correlation.clone() };
        match method {
            Method::GetUserBalance => balance::get(self, &params),
            Method::AdjustBalance => adjust::adjust(self, &params, asked),
            Method::QueueManualVoidReturn => queue::queue_void(self, &params, asked),
            Method::GetTransactionsByGameRound => find::by_round(self, &params),
            Method::GetTransactionById => find::by_id(self, &params),
            Method::GetTransactionsByPartnerTransactionId => find::by_reference(self, &params),
            Method::GetLatestTransactionByTransactionTypeId => find::latest(self, &params),
        }
    }

    pub fn command(&self, asked: Asked, act: Act) -> Box<Command> {
        let Asked { at, correlation } = asked;
        Box::new(Command { party: self.party.clone(), at, correlation: Some(correlation), act })
    }

    pub fn finding(&self, by: FindBy) -> Finding {
        Finding { party: self.party.clone(), scope: SCOPE.into(), by }
    }

    pub fn exponent(&self, currency: Currency) -> u32 {
        self.config.exponent(currency)
    }

    /// The currency that a `currency_id` stands for.
    pub fn currency(&self, id: i32) -> Result<Currency, Refused> {
        let known = self.settings.currency_ids.get(&id).copied();
        known.ok_or_else(|| Code::Value.because("currency_id is not one of this party's currencies"))
    }

    /// What an amount is worth in GBP by the rates of the moment; GBP itself is the amount.
    pub fn in_gbp(&self, minor: i64, currency: Currency) -> Result<String, Refused> {
        let exponent = self.exponent(currency);
        if currency.as_str() == "GBP" {
            return Ok(decimal::written(minor, exponent));
        }
        let rate = self.settings.gbp_rates.get(&currency);
        let rate = rate.ok_or_else(|| Code::Calculation.because(format!("there is no GBP rate for {currency}")))?;
        let amount = Decimal::try_from_i128_with_scale(i128::from(minor), exponent).ok();
        let worth = amount.and_then(|amount| amount.checked_mul(*rate));
        let worth = worth.ok_or_else(|| Code::Calculation.because("the amount in GBP has too many digits"))?;
        let rounded = worth.round_dp_with_strategy(GBP_PLACES, RoundingStrategy::MidpointNearestEven);
        Ok(decimal::trimmed(rounded.to_string()))
    }
}

/// A result: what a call is answered with when it is not refused.
pub fn result(result: impl Serialize) -> Next {
    Next::Reply(Reply::json(200, "0", &Success { id: (), result }))
}

/// The step that follows: a refusal is a reply as well.
pub fn next(step: Result<Next, Refused>) -> Next {
    step.unwrap_or_else(|refused| Next::Reply(refused.reply()))
}

/// Goes on with what came of a step, on the same desk.
pub fn then<T: Send + 'static>(
    desk: &Arc<Desk>,
    go_on: impl FnOnce(&Arc<Desk>, T) -> Result<Next, Refused> + Send + 'static,
) -> Then<T> {
    let desk = desk.clone();
    Box::new(move |found| next(go_on(&desk, found)))
}
