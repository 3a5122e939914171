//! One party's handler: what a request asks for, and which method answers it.

use std::sync::Arc;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;

use super::call::{self, Method, ParsedCall};
use super::code::{BalanceServiceCode, CallRefused};
use super::{adjust, balance, find, gate, queue};
use crate::config::{BalanceService, Config};
use crate::dialects::http::{HandlerError, Reply, Request, exact};
use crate::ledger::command::{Act, Command, Timestamp};
use crate::ledger::transactions::{FindBy, Transaction, TransactionQuery};
use crate::ledger::{Currency, Party};
use crate::wallet::WalletPort;

/// Whose words transactions of this dialect's are labelled with.
pub const SCOPE: &str = "balance_service";

/// Decimal places of `total_amount_gbp`.
const GBP_PLACES: u32 = 4;

/// Answers the calls of one party.
pub struct BalanceServiceHandler {
    pub party: Party,
    pub settings: BalanceService,
    /// Says how many places a currency has.
    pub config: Config,
}

/// What a command needs beside its act.
#[derive(Debug, Clone)]
pub struct CallContext {
    pub at: Timestamp,
    pub correlation: Arc<str>,
}

#[derive(Serialize)]
struct Success<T> {
    /// Always null.
    id: (),
    result: T,
}

impl BalanceServiceHandler {
    /// Answers a request; `address` is the method that its address names.
    pub async fn answer(
        &self,
        address: &str,
        wallet: &dyn WalletPort,
        request: &Request,
    ) -> Result<Reply, HandlerError> {
        gate::check_key(&self.settings.api_keys, request)?;
        gate::check_headers(request)?;
        let ParsedCall { method, params } = call::parse(address, &request.body)?;
        let asked = CallContext { at: request.at, correlation: request.correlation.clone() };
        match method {
            Method::GetUserBalance => balance::get(self, wallet, &params).await,
            Method::AdjustBalance => adjust::adjust(self, wallet, &params, asked).await,
            Method::QueueManualVoidReturn => queue::queue_void(self, wallet, &params, asked).await,
            Method::GetTransactionsByGameRound => find::by_round(self, wallet, &params).await,
            Method::GetTransactionById => find::by_id(self, wallet, &params).await,
            Method::GetTransactionsByPartnerTransactionId => find::by_reference(self, wallet, &params).await,
            Method::GetLatestTransactionByTransactionTypeId => find::latest(self, wallet, &params).await,
        }
    }

    pub fn command(&self, asked: CallContext, act: Act) -> Command {
        let CallContext { at, correlation } = asked;
        Command { party: self.party.clone(), at, correlation: Some(correlation), act }
    }

    /// This dialect's transactions of the party's, oldest first.
    pub async fn transactions(&self, wallet: &dyn WalletPort, by: FindBy) -> Result<Vec<Transaction>, HandlerError> {
        Ok(wallet.transactions(TransactionQuery { party: self.party.clone(), scope: SCOPE.into(), by }).await?)
    }

    pub fn exponent(&self, currency: Currency) -> u32 {
        self.config.exponent(currency)
    }

    /// The currency that a `currency_id` stands for.
    pub fn currency(&self, id: i32) -> Result<Currency, CallRefused> {
        let known = self.settings.currency_ids.get(&id).copied();
        known.ok_or_else(|| BalanceServiceCode::Value.because("currency_id is not one of this party's currencies"))
    }

    /// What an amount is worth in GBP by the rates of the moment; GBP itself is the amount.
    pub fn in_gbp(&self, minor: i64, currency: Currency) -> Result<String, CallRefused> {
        let exponent = self.exponent(currency);
        if currency.as_str() == "GBP" {
            return Ok(exact::written(minor, exponent));
        }
        let rate = self.settings.gbp_rates.get(&currency);
        let rate = rate
            .ok_or_else(|| BalanceServiceCode::Calculation.because(format!("there is no GBP rate for {currency}")))?;
        let amount = Decimal::try_from_i128_with_scale(i128::from(minor), exponent).ok();
        let worth = amount.and_then(|amount| amount.checked_mul(*rate));
        let worth =
            worth.ok_or_else(|| BalanceServiceCode::Calculation.because("the amount in GBP has too many digits"))?;
        let rounded = worth.round_dp_with_strategy(GBP_PLACES, RoundingStrategy::MidpointNearestEven);
        Ok(exact::trimmed(rounded.to_string()))
    }
}

/// A result: what a call is answered with when it is not refused.
pub fn result(result: impl Serialize) -> Reply {
    Reply::json(200, "0", &Success { id: (), result })
}
