//! Transactions as they are shown (Balance Service, "Response models"), and what is kept of them for that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::code::{BalanceServiceCode, CallRefused};
use super::handler::BalanceServiceHandler;
use crate::dialects::http::exact::written;
use crate::ledger::transactions::Transaction;

/// What a transaction is shown with beyond the ledger's own words: its `memo`. The ledger compares it, so the same
/// request makes the same text.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memo {
    pub user_id: i32,
    pub flake_id: i64,
    pub action_type_id: i32,
    pub partner_timestamp_utc: String,
    pub regulated_game_id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmscore_game_id: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonus_game_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bet365_transaction_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_bonus_id: Option<i32>,
    /// Minor units, of what changed elsewhere.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub external_bonus: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub external_ring_fenced: i64,
}

/// What the party's configuration makes a currency and the buckets of a stake of: an adjustment's `said`.
#[derive(Debug, Serialize)]
pub struct SaidOfAdjustment {
    pub currency_id: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_bonus: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_ring_fenced: Option<bool>,
}

fn is_zero(minor: &i64) -> bool {
    *minor == 0
}

impl Memo {
    pub fn of(transaction: &Transaction) -> Result<Self, CallRefused> {
        serde_json::from_str(&transaction.memo).map_err(|_| BalanceServiceCode::Unexpected.into())
    }
}

/// What both models show.
#[derive(Debug, Serialize, JsonSchema)]
struct Shown {
    /// Grows from transaction to transaction.
    bet365_games_transaction_id: i64,
    transaction_type_id: i32,
    action_type_id: i32,
    partner_transaction_id: String,
    /// What moved here, in major units; so are the amounts that follow. Signed as the user sees it.
    real_amount: String,
    ring_fenced_amount: String,
    /// Bonus or GBT bonus.
    bonus_amount: String,
    /// Everything that counted, with what changed elsewhere.
    total_amount: String,
    /// By the rates of the time at which the transaction was made, rounded half-even to four places.
    total_amount_gbp: String,
    currency_code: String,
    partner_timestamp_utc: String,
    game_round_id: i64,
    bet365_transaction_id: i64,
    provider_region_id: i32,
}

/// Balance Service, "Transaction insert response".
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Inserted {
    #[serde(flatten)]
    shown: Shown,
    /// Whether this request inserted it.
    is_new: bool,
}

/// Balance Service, "Transaction select response".
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Selected {
    #[serde(flatten)]
    shown: Shown,
    /// 0 where there is none.
    source_transaction_id: i64,
    regulated_game_id: i32,
    /// The private token; empty where it was not kept.
    user_token: String,
    flake_id: i64,
    /// Always false: looking inserts nothing.
    is_new: bool,
}

impl Inserted {
    pub fn of(handler: &BalanceServiceHandler, transaction: &Transaction, is_new: bool) -> Result<Self, CallRefused> {
        Ok(Self { shown: shown(handler, transaction, &Memo::of(transaction)?)?, is_new })
    }
}

impl Selected {
    pub fn of(handler: &BalanceServiceHandler, transaction: &Transaction) -> Result<Self, CallRefused> {
        let memo = Memo::of(transaction)?;
        Ok(Self {
            shown: shown(handler, transaction, &memo)?,
            source_transaction_id: transaction.source.unwrap_or_default(),
            regulated_game_id: memo.regulated_game_id,
            user_token: transaction.token.as_deref().unwrap_or_default().to_owned(),
            flake_id: memo.flake_id,
            is_new: false,
        })
    }
}

fn shown(handler: &BalanceServiceHandler, transaction: &Transaction, memo: &Memo) -> Result<Shown, CallRefused> {
    let (label, moved) = (&transaction.label, &transaction.moved);
    let exponent = handler.exponent(transaction.currency);
    let amount = |minor| written(minor, exponent);
    let total = transaction.total().ok_or(BalanceServiceCode::Unexpected)?;
    let bonus = moved.bonus.checked_add(moved.gbt_bonus).ok_or(BalanceServiceCode::Unexpected)?;
    // An operator's void has none of its own: it is worth what it is worth now.
    let worth = transaction.worth.as_deref().map(str::to_owned);
    let worth = worth.map_or_else(|| handler.in_gbp(total, transaction.currency), Ok)?;
    let round = label.round.as_deref().and_then(|round| round.parse().ok());
    Ok(Shown {
        bet365_games_transaction_id: transaction.number,
        transaction_type_id: label.kind,
        action_type_id: memo.action_type_id,
        partner_transaction_id: label.reference.to_string(),
        real_amount: amount(moved.real),
        ring_fenced_amount: amount(moved.ring_fenced),
        bonus_amount: amount(bonus),
        total_amount: amount(total),
        total_amount_gbp: worth,
        currency_code: transaction.currency.to_string(),
        partner_timestamp_utc: memo.partner_timestamp_utc.clone(),
        game_round_id: round.ok_or(BalanceServiceCode::Unexpected)?,
        bet365_transaction_id: memo.bet365_transaction_id.unwrap_or_default(),
        provider_region_id: label.region,
    })
}
