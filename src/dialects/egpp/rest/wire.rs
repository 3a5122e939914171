//! REST bodies and queries, parsed and checked for shape (`schemas/v1.0/egpp-*-req-rest.json`).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::dialects::egpp::wire::{
    EgppRequest, Malformed, PlayerField, RequestedAct, amount, currency, object, order, plain_player, present, result,
    round, shortened, wallet,
};
use crate::ledger::{Currency, Wallet};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BalanceGet {
    currency: String,
    #[serde(default, deserialize_with = "present")]
    wallet_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OrderBet {
    amount: i64,
    currency: String,
    game: String,
    round: i64,
    external_id: String,
    #[serde(default, deserialize_with = "present")]
    player_id: Option<String>,
    #[serde(default, deserialize_with = "present")]
    wallet_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OrderBetResult {
    result: String,
    #[serde(default, deserialize_with = "present")]
    amount: Option<i64>,
    #[serde(default, deserialize_with = "present")]
    currency: Option<String>,
    game: String,
    round: i64,
    external_id: String,
    #[serde(default, deserialize_with = "present")]
    player_id: Option<String>,
    #[serde(default, deserialize_with = "present")]
    wallet_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OrderBetCancel {
    game: String,
    external_id: String,
    #[serde(default, deserialize_with = "present")]
    player_id: Option<String>,
    #[serde(default, deserialize_with = "present")]
    wallet_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Token {
    token: String,
    #[serde(default, deserialize_with = "present")]
    wallet_id: Option<String>,
}

/// Who a token is of, and what they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenQuestion {
    pub token: String,
    pub wallet: Option<Wallet>,
}

/// `GET /v1/balance/{playerId}`.
pub(crate) fn balance_get(
    path_player: &str,
    query: &[(String, String)],
    currencies: &[Currency],
) -> Result<EgppRequest, Malformed> {
    let wire: BalanceGet = object(&query_object(query)?)?;
    let act = RequestedAct::Balance { currency: currency(&wire.currency, currencies)? };
    Ok(EgppRequest { player: plain_player(path_player)?, wallet: wallet(wire.wallet_id)?, act })
}

/// `POST /v1/order`.
pub fn order_bet(body: &[u8], currencies: &[Currency]) -> Result<EgppRequest, Malformed> {
    let wire: OrderBet = object(body)?;
    let act = RequestedAct::Bet {
        order: order(&wire.game, &wire.external_id)?,
        round: round(wire.round)?,
        stake: amount(wire.amount)?,
        currency: currency(&wire.currency, currencies)?,
    };
    Ok(EgppRequest { player: player_field(wire.player_id)?, wallet: wallet(wire.wallet_id)?, act })
}

/// `PUT /v1/order/{betId}`.
pub fn order_bet_result(body: &[u8], currencies: &[Currency]) -> Result<EgppRequest, Malformed> {
    let wire: OrderBetResult = object(body)?;
    let paid = wire.amount.map(amount).transpose()?;
    if wire.currency.is_some() != paid.is_some() {
        return Err(Malformed("amount and currency must be given together".to_owned()));
    }
    let act = RequestedAct::Result {
        order: order(&wire.game, &wire.external_id)?,
        round: round(wire.round)?,
        result: result(&wire.result, paid)?,
        currency: wire.currency.map(|code| currency(&code, currencies)).transpose()?,
    };
    Ok(EgppRequest { player: player_field(wire.player_id)?, wallet: wallet(wire.wallet_id)?, act })
}

/// `DELETE /v1/order/{betId}` with a body.
pub fn order_bet_cancel(body: &[u8]) -> Result<EgppRequest, Malformed> {
    let wire: OrderBetCancel = object(body)?;
    let act = RequestedAct::Cancel { order: order(&wire.game, &wire.external_id)? };
    Ok(EgppRequest { player: player_field(wire.player_id)?, wallet: wallet(wire.wallet_id)?, act })
}

/// `DELETE /v1/order/{betId}` with query parameters.
pub(crate) fn cancel_by_query(query: &[(String, String)]) -> Result<EgppRequest, Malformed> {
    order_bet_cancel(&query_object(query)?)
}

/// `POST /v1/token`.
pub fn token(body: &[u8]) -> Result<TokenQuestion, Malformed> {
    let wire: Token = object(body)?;
    if wire.token.is_empty() {
        return Err(Malformed("token must not be empty".to_owned()));
    }
    Ok(TokenQuestion { token: wire.token, wallet: wallet(wire.wallet_id)? })
}

/// A token has a place of its own.
fn player_field(text: Option<String>) -> Result<PlayerField, Malformed> {
    text.map_or(Ok(PlayerField::Absent), |text| plain_player(&text))
}

/// The query as the object that a body would be.
fn query_object(query: &[(String, String)]) -> Result<Vec<u8>, Malformed> {
    let mut object = Map::new();
    for (name, value) in query {
        if object.insert(name.clone(), Value::String(value.clone())).is_some() {
            return Err(Malformed(format!("duplicate field {}", shortened(name))));
        }
    }
    Ok(Value::Object(object).to_string().into_bytes())
}
