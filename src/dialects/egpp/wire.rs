//! The request objects, parsed and checked for shape: what passes is well-formed, whoever sent it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::Operation;
use crate::ledger::ids::is_printable;
use crate::ledger::orders::GameResult;
use crate::ledger::orders::OrderKey;
use crate::ledger::{Amount, Currency, ExternalId, Game, PlayerId, Wallet};

/// The largest body that is read, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// The longest plain `playerId`, in characters; a longer one can only be a token.
const MAX_PLAYER_ID: usize = 20;

/// Why a body is not a request. Reads as a sentence, and never repeats a value that might be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// Who the message is about, as the message itself says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlayerField {
    /// Whoever the token beside it is of (REST alone).
    Absent,
    Plain(PlayerId),
    /// A JWT in the place of the identifier: its subject is the player.
    Token(String),
}

/// A well-formed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgppRequest {
    pub player: PlayerField,
    pub wallet: Option<Wallet>,
    pub act: RequestedAct,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedAct {
    Balance {
        currency: Currency,
    },
    Bet {
        order: OrderKey,
        round: i64,
        stake: Amount,
        currency: Currency,
    },
    /// REST may leave the currency out.
    Result {
        order: OrderKey,
        round: i64,
        result: GameResult,
        currency: Option<Currency>,
    },
    Cancel {
        order: OrderKey,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BalanceGet {
    currency: String,
    player_id: String,
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
    player_id: String,
    #[serde(default, deserialize_with = "present")]
    wallet_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OrderBetResult {
    result: String,
    amount: i64,
    currency: String,
    game: String,
    round: i64,
    external_id: String,
    player_id: String,
    #[serde(default, deserialize_with = "present")]
    wallet_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OrderBetCancel {
    game: String,
    external_id: String,
    player_id: String,
    #[serde(default, deserialize_with = "present")]
    wallet_id: Option<String>,
}

/// A field that may be left out, but is not null where it is there.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Parses a request body. `currencies` are the party's.
pub fn parse(operation: Operation, body: &[u8], currencies: &[Currency]) -> Result<EgppRequest, Malformed> {
    if body.len() > MAX_BODY {
        return Err(Malformed(format!("the body is longer than {MAX_BODY} bytes")));
    }
    match operation {
        Operation::BalanceGet => balance_get(object(body)?, currencies),
        Operation::OrderBet => order_bet(object(body)?, currencies),
        Operation::OrderBetResult => order_bet_result(object(body)?, currencies),
        Operation::OrderBetCancel => order_bet_cancel(object(body)?),
    }
}

fn balance_get(wire: BalanceGet, currencies: &[Currency]) -> Result<EgppRequest, Malformed> {
    let act = RequestedAct::Balance { currency: currency(&wire.currency, currencies)? };
    Ok(EgppRequest { player: player(wire.player_id)?, wallet: wallet(wire.wallet_id)?, act })
}

fn order_bet(wire: OrderBet, currencies: &[Currency]) -> Result<EgppRequest, Malformed> {
    let act = RequestedAct::Bet {
        order: order(&wire.game, &wire.external_id)?,
        round: round(wire.round)?,
        stake: amount(wire.amount)?,
        currency: currency(&wire.currency, currencies)?,
    };
    Ok(EgppRequest { player: player(wire.player_id)?, wallet: wallet(wire.wallet_id)?, act })
}

fn order_bet_result(wire: OrderBetResult, currencies: &[Currency]) -> Result<EgppRequest, Malformed> {
    let act = RequestedAct::Result {
        order: order(&wire.game, &wire.external_id)?,
        round: round(wire.round)?,
        result: result(&wire.result, Some(amount(wire.amount)?))?,
        currency: Some(currency(&wire.currency, currencies)?),
    };
    Ok(EgppRequest { player: player(wire.player_id)?, wallet: wallet(wire.wallet_id)?, act })
}

fn order_bet_cancel(wire: OrderBetCancel) -> Result<EgppRequest, Malformed> {
    let act = RequestedAct::Cancel { order: order(&wire.game, &wire.external_id)? };
    Ok(EgppRequest { player: player(wire.player_id)?, wallet: wallet(wire.wallet_id)?, act })
}

/// Decodes a JSON object. Serde would take an array for a struct as well; the interface does not.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return Err(Malformed("the body must be a JSON object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error))
}

/// Says what is wrong without repeating values: decodes once more, to learn the field's name.
fn explain<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> Malformed {
    if !error.is_data() {
        return Malformed(format!("not valid JSON at line {}, column {}", error.line(), error.column()));
    }
    let text = error.to_string();
    for known in ["missing field", "duplicate field", "unknown field"] {
        if text.starts_with(known) {
            let name = text.split('`').nth(1).unwrap_or_default();
            return Malformed(format!("{known} {}", shortened(name)));
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => Malformed(format!("{} has the wrong type or is out of range", error.path())),
        Ok(_) => Malformed("not as expected".to_owned()),
    }
}

/// At most 40 characters of a name that came from outside.
pub(super) fn shortened(name: &str) -> String {
    name.chars().filter(|c| is_printable(*c)).take(40).collect()
}

pub(super) fn invalid(field: &'static str) -> impl FnOnce(&dyn std::fmt::Display) -> Malformed {
    move |why| Malformed(format!("{field} {why}"))
}

pub(super) fn currency(text: &str, currencies: &[Currency]) -> Result<Currency, Malformed> {
    let currency = Currency::parse(text).map_err(|error| invalid("currency")(&error))?;
    match currencies.contains(&currency) {
        true => Ok(currency),
        false => Err(Malformed(format!("currency {currency} is not one of this party's"))),
    }
}

pub(super) fn amount(minor: i64) -> Result<Amount, Malformed> {
    Amount::new(minor).map_err(|error| invalid("amount")(&error))
}

pub(super) fn round(round: i64) -> Result<i64, Malformed> {
    if round >= 1 { Ok(round) } else { Err(Malformed("round must be an integer of at least 1".to_owned())) }
}

pub(super) fn order(game: &str, external_id: &str) -> Result<OrderKey, Malformed> {
    Ok(OrderKey {
        game: Game::parse(game).map_err(|error| invalid("game")(&error))?,
        external_id: ExternalId::parse(external_id).map_err(|error| invalid("externalId")(&error))?,
    })
}

/// Over REST the amount may be left out where nothing is won.
pub(super) fn result(symbol: &str, amount: Option<Amount>) -> Result<GameResult, Malformed> {
    match (symbol, amount) {
        ("win", Some(amount)) => Ok(GameResult::Win(amount)),
        ("win", None) => Err(Malformed("missing field amount".to_owned())),
        ("tie", amount) => Ok(GameResult::Tie(amount)),
        ("lose", amount) => Ok(GameResult::Lose(amount)),
        _ => Err(Malformed("result must be one of win, tie, lose".to_owned())),
    }
}

pub(super) fn wallet(text: Option<String>) -> Result<Option<Wallet>, Malformed> {
    match text {
        None => Ok(None),
        Some(text) if text.is_empty() => Err(Malformed("walletId must be 1 to 30 characters long".to_owned())),
        Some(text) => Wallet::parse(&text).map(Some).map_err(|error| invalid("walletId")(&error)),
    }
}

fn player(text: String) -> Result<PlayerField, Malformed> {
    if text.chars().nth(MAX_PLAYER_ID).is_some() && is_token_shaped(&text) {
        return Ok(PlayerField::Token(text));
    }
    plain_player(&text)
}

pub(super) fn plain_player(text: &str) -> Result<PlayerField, Malformed> {
    PlayerId::parse(text).map(PlayerField::Plain).map_err(|error| invalid("playerId")(&error))
}

/// Three base64url parts between dots; a JWT has no padding.
fn is_token_shaped(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    text.split('.').count() == 3 && text.split('.').all(is_part)
}
