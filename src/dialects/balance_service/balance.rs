//! `GetUserBalance`.

use schemars::JsonSchema;
use serde::Serialize;

use super::call::Members;
use super::code::{BalanceServiceCode, CallRefused};
use super::handler::{BalanceServiceHandler, result};
use super::params::{self, Params, UserBalance};
use crate::dialects::http::exact::written;
use crate::dialects::http::{HandlerError, Reply};
use crate::ledger::state::PlayerState;
use crate::ledger::{Bucket, Pocket};
use crate::wallet::WalletPort;

/// Amounts are major units, as text.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UserBalance", extend("additionalProperties" = false))]
pub struct BalanceResult {
    user_id: i32,
    /// Real money.
    balance: String,
    /// Bonus, or GBT bonus where that was asked for.
    bonus: String,
    ring_fenced: String,
}

pub async fn get(
    handler: &BalanceServiceHandler,
    wallet: &dyn WalletPort,
    params: &Members,
) -> Result<Reply, HandlerError> {
    let asked = UserBalance::of(params)?;
    let player = params::player(asked.user_id)?;
    if let Some(id) = asked.currency_id {
        handler.currency(id)?;
    }
    let player = wallet.player(handler.party.clone(), player).await?.ok_or(BalanceServiceCode::UserUnknown)?;
    check_home(handler, asked.currency_id, &player)?;
    let currency = player.player.profile.home_currency;
    let exponent = handler.exponent(currency);
    let balance = |bucket| {
        let pocket = Pocket { bucket, product: asked.product_id, ..Pocket::real(currency) };
        written(player.account(&pocket).balance, exponent)
    };
    let bonus = if asked.has_gbt_bonus { Bucket::GbtBonus } else { Bucket::Bonus };
    Ok(result(BalanceResult {
        user_id: asked.user_id,
        balance: balance(Bucket::Real),
        bonus: balance(bonus),
        ring_fenced: balance(Bucket::RingFenced),
    }))
}

/// A user has one currency here; a call that names another is about somebody else's money.
pub fn check_home(
    handler: &BalanceServiceHandler,
    currency_id: Option<i32>,
    player: &PlayerState,
) -> Result<(), CallRefused> {
    match currency_id {
        Some(id) if handler.currency(id)? != player.player.profile.home_currency => {
            Err(BalanceServiceCode::Value.because("currency_id is not the user's currency"))
        }
        _ => Ok(()),
    }
}
