//! The parameters of each method, as they are decoded and as they are documented.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Members;
use super::code::{BalanceServiceCode, CallRefused};
use super::timestamp::is_utc_timestamp;
use crate::dialects::http::exact::WireAmount;
use crate::ledger::PlayerId;

/// The longest `partner_transaction_id`, in characters.
const MAX_REFERENCE: usize = 100;

/// The longest of the other texts, in characters.
const MAX_TEXT: usize = 255;

/// Parameters that every call of a method must have.
pub trait Params: for<'a> Deserialize<'a> {
    const REQUIRED: &'static [&'static str];

    fn of(members: &Members) -> Result<Self, CallRefused> {
        members.decode(Self::REQUIRED)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "GetUserBalanceParams")]
pub struct UserBalance {
    pub user_id: i32,
    pub product_id: i32,
    /// Whether the bonus shown is the GBT bonus.
    #[serde(default)]
    pub has_gbt_bonus: bool,
    /// Where given, it must be the user's own currency.
    pub currency_id: Option<i32>,
}

impl Params for UserBalance {
    const REQUIRED: &'static [&'static str] = &["user_id", "product_id"];
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "AdjustBalanceParams")]
pub struct AdjustParams {
    pub flake_id: i64,
    pub transaction_type_id: i32,
    pub game_round_id: i64,
    #[schemars(length(min = 1, max = 100))]
    pub partner_transaction_id: String,
    pub total_amount: WireAmount,
    /// As in `2021-08-04T10:42:44.393Z`; returned as it was sent.
    #[schemars(extend("format" = "date-time"))]
    pub partner_timestamp_utc: String,
    pub user_id: i32,
    pub regulated_game_id: i32,
    pub partner_id: i32,
    pub provider_region_id: i32,
    #[schemars(length(max = 255))]
    pub token: String,
    pub action_type_id: i32,
    pub product_id: i32,
    pub currency_id: i32,
    pub cmscore_game_id: Option<i32>,
    #[schemars(length(max = 255))]
    pub bonus_game_type: Option<String>,
    pub allow_bonus: Option<bool>,
    pub allow_ring_fenced: Option<bool>,
    pub bet365_transaction_id: Option<i64>,
    pub real_amount: Option<WireAmount>,
    pub ring_fenced_amount: Option<WireAmount>,
    pub bonus_amount: Option<WireAmount>,
    pub source_bet365_games_transaction_id: Option<i64>,
    /// The bonus is GBT bonus, and this is its id.
    pub user_bonus_id: Option<i32>,
    #[serde(default)]
    pub external_balance_change: External,
}

/// What changed elsewhere: it counts towards the total and moves nothing here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(try_from = "Members")]
#[schemars(!try_from, rename = "ExternalBalanceChange")]
pub struct External {
    pub bonus_amount: Option<WireAmount>,
    pub ring_fenced_amount: Option<WireAmount>,
}

/// The same, decoded; member names come in any case here, too.
#[derive(Deserialize)]
struct ExternalMembers {
    bonus_amount: Option<WireAmount>,
    ring_fenced_amount: Option<WireAmount>,
}

impl TryFrom<Members> for External {
    type Error = &'static str;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        let decoded: ExternalMembers = members.decode(&[]).map_err(|_| "not an amount")?;
        Ok(Self { bonus_amount: decoded.bonus_amount, ring_fenced_amount: decoded.ring_fenced_amount })
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "QueueManualVoidReturnParams")]
pub struct QueueVoidParams {
    /// 6, and nothing else.
    pub transaction_type_id: i32,
    pub source_bet365_games_transaction_id: i64,
}

impl Params for QueueVoidParams {
    const REQUIRED: &'static [&'static str] = &["transaction_type_id", "source_bet365_games_transaction_id"];
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "GetTransactionsByGameRoundParams")]
pub struct ByRound {
    pub game_round_id: i64,
}

impl Params for ByRound {
    const REQUIRED: &'static [&'static str] = &["game_round_id"];
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "GetTransactionByIdParams")]
pub struct ById {
    pub id: i64,
}

impl Params for ById {
    const REQUIRED: &'static [&'static str] = &["id"];
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "GetTransactionsByPartnerTransactionIDParams")]
pub struct ByReference {
    pub user_id: i32,
    pub provider_region_id: i32,
    #[schemars(length(min = 1, max = 100))]
    pub partner_transaction_id: String,
}

impl Params for ByReference {
    const REQUIRED: &'static [&'static str] = &["user_id", "provider_region_id", "partner_transaction_id"];
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "GetLatestTransactionByTransactionTypeIdParams")]
pub struct Latest {
    pub user_id: i32,
    pub provider_region_id: i32,
    pub partner_id: i32,
    pub transaction_type_id: i32,
}

impl Params for Latest {
    const REQUIRED: &'static [&'static str] = &["user_id", "provider_region_id", "partner_id", "transaction_type_id"];
}

/// The party's player whom a `user_id` names: the same number, as text.
pub fn player(user_id: i32) -> Result<PlayerId, CallRefused> {
    PlayerId::parse(&user_id.to_string()).map_err(|error| BalanceServiceCode::Value.because(format!("user_id {error}")))
}

pub fn check_reference(reference: &str) -> Result<(), CallRefused> {
    if reference.is_empty() {
        return Err(BalanceServiceCode::Value.because("partner_transaction_id must not be empty"));
    }
    check_text("partner_transaction_id", reference, MAX_REFERENCE)
}

impl AdjustParams {
    /// Checks what the types do not.
    pub fn check_texts(&self) -> Result<(), CallRefused> {
        check_reference(&self.partner_transaction_id)?;
        check_text("token", &self.token, MAX_TEXT)?;
        check_text("bonus_game_type", self.bonus_game_type.as_deref().unwrap_or_default(), MAX_TEXT)?;
        if is_utc_timestamp(&self.partner_timestamp_utc) {
            return Ok(());
        }
        Err(BalanceServiceCode::Value
            .because("partner_timestamp_utc must be a UTC time such as 2021-08-04T10:42:44.393Z"))
    }
}

fn check_text(parameter: &str, text: &str, max: usize) -> Result<(), CallRefused> {
    if text.chars().nth(max).is_some() {
        return Err(BalanceServiceCode::Value.because(format!("{parameter} must be at most {max} characters long")));
    }
    if text.chars().any(char::is_control) {
        return Err(BalanceServiceCode::Value.because(format!("{parameter} must not contain control characters")));
    }
    Ok(())
}
