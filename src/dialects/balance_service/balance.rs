//! `GetUserBalance`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::call::Members;
use super::code::{Code, Refused};
use super::decimal::written;
use super::desk::{Desk, result, then};
use super::params::{self, Params, UserBalance};
use crate::dialects::http::Next;
use crate::ledger::state::PlayerState;
use crate::ledger::{Bucket, PlayerKey, Pocket};

/// Amounts are major units, as text.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UserBalance", extend("additionalProperties" = false))]
pub struct Balances {
    user_id: i32,
    /// Real money.
    balance: String,
    /// Bonus, or GBT bonus where that was asked for.
    bonus: String,
    ring_fenced: String,
}

pub fn get(desk: &Arc<Desk>, params: &Members) -> Result<Next, Refused> {
    let asked = UserBalance::of(params)?;
    let player = PlayerKey::of(&desk.party, &params::player(asked.user_id)?);
    if let Some(id) = asked.currency_id {
        desk.currency(id)?;
    }
    Ok(Next::Player(player, then(desk, move |desk, found| balances(desk, &asked, found))))
}

fn balances(desk: &Arc<Desk>, asked: &UserBalance, found: Option<PlayerState>) -> Result<Next, Refused> {
    let player = found.ok_or(Code::UserUnknown)?;
    check_home(desk, asked.currency_id, &player)?;
    let currency = player.player.profile.home_currency;
    let exponent = desk.exponent(currency);
    let balance = |bucket| {
        let pocket = Pocket { bucket, product: asked.product_id, ..Pocket::real(currency) };
        written(player.account(&pocket).balance, exponent)
    };
    let bonus = if asked.has_gbt_bonus { Bucket::GbtBonus } else { Bucket::Bonus };
    Ok(result(Balances {
        user_id: asked.user_id,
        balance: balance(Bucket::Real),
        bonus: balance(bonus),
        ring_fenced: balance(Bucket::RingFenced),
    }))
}

/// A user has one currency here; a call that names another is about somebody else's money.
pub fn check_home(desk: &Desk, currency_id: Option<i32>, player: &PlayerState) -> Result<(), Refused> {
    match currency_id {
        Some(id) if desk.currency(id)? != player.player.profile.home_currency => {
            Err(Code::Value.because("currency_id is not the user's currency"))
        }
        _ => Ok(()),
    }
}
