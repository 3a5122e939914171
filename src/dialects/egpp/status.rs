//! What is answered: a balance, or a status object (EGPP section 5, "Status").

use serde::Serialize;

use super::Operation;
use super::handler::{BalanceQuestion, Denied};
use super::wire::Malformed;
use crate::ledger::ids::is_printable;
use crate::ledger::{AccountRefusal, Done, OrderDone, OrderRefusal, Outcome, Refusal, Wallet};

/// The longest `error`, in characters.
const MAX_ERROR: usize = 200;

/// A reply: its body, its status code, and the suffix of its `type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgppReply {
    pub code: &'static str,
    pub body: Vec<u8>,
    pub is_balance: bool,
}

impl EgppReply {
    /// The `type` property: `order.bet.status`, or `balance.get.balance` for a balance.
    pub fn kind(&self, operation: Operation) -> &'static str {
        if self.is_balance { "balance.get.balance" } else { operation.status() }
    }
}

#[derive(Serialize)]
struct Status<'a> {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Parameter>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Parameter {
    Balance(String),
    MaxBet(String),
    MaxStakePerDay(String),
    Staked(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Balance<'a> {
    balance: i64,
    currency: &'a str,
    player_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wallet_id: Option<&'a str>,
}

/// A recognised status: code, symbol and the English sentence of the document's table.
struct Recognised(&'static str, &'static str, &'static str);

const REQUEST_DATA_FORMAT: Recognised = Recognised("400", "REQUEST_DATA_FORMAT", "Request parameters not as expected");
const UNAUTHORIZED: Recognised = Recognised("401", "UNAUTHORIZED", "Player token is missing or not valid");
const FORBIDDEN: Recognised = Recognised("403", "FORBIDDEN", "Player token belongs to another player");
const GAMING_LIMITS_REACHED: Recognised = Recognised("491", "GAMING_LIMITS_REACHED", "Player spent max allowed money");
const OUT_OF_MONEY: Recognised = Recognised("492", "OUT_OF_MONEY", "Player is out of money");
const TRANSACTION_NOT_FOUND: Recognised = Recognised("493", "TRANSACTION_NOT_FOUND", "Transaction not found");
const ROUND_NOT_FOUND: Recognised = Recognised("494", "ROUND_NOT_FOUND", "Round not found");
const PLAYER_NOT_FOUND: Recognised = Recognised("495", "PLAYER_NOT_FOUND", "Player not found");
const GAME_NOT_FOUND: Recognised = Recognised("496", "GAME_NOT_FOUND", "Game not found");
const INTERNAL_SERVER_ERROR: Recognised =
    Recognised("500", "INTERNAL_SERVER_ERROR", "Server was unable to process the request");

/// The reply to a decided command.
pub fn of_outcome(outcome: Outcome) -> EgppReply {
    match outcome {
        Outcome::Done(Done::Order(OrderDone::BetPlaced)) => done("201"),
        Outcome::Done(Done::Order(OrderDone::OrderSettled { .. } | OrderDone::OrderCancelled { .. })) => done("200"),
        Outcome::Done(Done::Account(_) | Done::Transaction(_) | Done::Shop(_)) => done("200"),
        Outcome::Refused(refusal) => of_refusal(refusal),
    }
}

/// The reply to a command that was refused.
pub(crate) fn of_refusal(refusal: Refusal) -> EgppReply {
    match refusal {
        Refusal::Account(refusal) => of_account_refusal(refusal),
        Refusal::Order(refusal) => of_order_refusal(refusal),
        // No act of this dialect's is refused for these.
        Refusal::Transaction(_) | Refusal::Shop(_) => of_fault(),
    }
}

fn of_account_refusal(refusal: AccountRefusal) -> EgppReply {
    match refusal {
        AccountRefusal::KeyReused => {
            failed(REQUEST_DATA_FORMAT, Some("externalId was used before with other data"), vec![])
        }
        AccountRefusal::PlayerUnknown => failed(PLAYER_NOT_FOUND, None, vec![]),
        AccountRefusal::InsufficientFunds { balance } => {
            failed(OUT_OF_MONEY, None, vec![Parameter::Balance(balance.to_string())])
        }
        AccountRefusal::BalanceOverflow => {
            failed(REQUEST_DATA_FORMAT, Some("amount is more than a balance can hold"), vec![])
        }
        // No act of this dialect's is refused for it.
        AccountRefusal::UsernameTaken => of_fault(),
    }
}

fn of_order_refusal(refusal: OrderRefusal) -> EgppReply {
    match refusal {
        OrderRefusal::DiffersFromBet => {
            failed(REQUEST_DATA_FORMAT, Some("currency or walletId is not the bet's"), vec![])
        }
        OrderRefusal::GameUnknown => failed(GAME_NOT_FOUND, None, vec![]),
        OrderRefusal::OrderUnknown | OrderRefusal::OrderNotTheirs => failed(TRANSACTION_NOT_FOUND, None, vec![]),
        OrderRefusal::OrderSettled => failed(TRANSACTION_NOT_FOUND, Some("the order is settled"), vec![]),
        OrderRefusal::OrderCancelled => failed(TRANSACTION_NOT_FOUND, Some("the order is cancelled"), vec![]),
        OrderRefusal::OrderRefused => failed(TRANSACTION_NOT_FOUND, Some("the order's bet was refused"), vec![]),
        OrderRefusal::RoundDiffers => failed(ROUND_NOT_FOUND, None, vec![]),
        OrderRefusal::MaxBet { max } => failed(GAMING_LIMITS_REACHED, None, vec![Parameter::MaxBet(max.to_string())]),
        OrderRefusal::MaxStakePerDay { max, staked } => {
            let parameters = vec![Parameter::MaxStakePerDay(max.to_string()), Parameter::Staked(staked.to_string())];
            failed(GAMING_LIMITS_REACHED, None, parameters)
        }
    }
}

/// The reply to `balance.get`; `None` where there is no such player.
pub fn of_balance(question: &BalanceQuestion, balance: Option<i64>) -> EgppReply {
    let Some(balance) = balance else {
        return of_account_refusal(AccountRefusal::PlayerUnknown);
    };
    let body = json(&Balance {
        balance,
        currency: question.pocket.currency.as_str(),
        player_id: question.player.as_str(),
        wallet_id: question.wallet_asked.as_ref().map(Wallet::name),
    });
    EgppReply { code: "200", body, is_balance: true }
}

pub fn of_malformed(malformed: &Malformed) -> EgppReply {
    failed(REQUEST_DATA_FORMAT, Some(&malformed.0), vec![])
}

pub fn of_denied(denied: &Denied) -> EgppReply {
    match denied {
        Denied::Unauthorized(why) => failed(UNAUTHORIZED, Some(why), vec![]),
        Denied::Forbidden => failed(FORBIDDEN, None, vec![]),
    }
}

/// The reply to a token whose key is not among the party's, even after a refresh.
pub fn of_unknown_key() -> EgppReply {
    of_denied(&Denied::Unauthorized("the player token names an unknown key"))
}

/// The reply to a request that HTTP alone knows (section 5, "Status": "according to HTTP").
pub(crate) fn of_failure(http_status: u16) -> EgppReply {
    let status = match http_status {
        404 => Recognised("404", "NOT_FOUND", "There is nothing under this path"),
        405 => Recognised("405", "METHOD_NOT_ALLOWED", "This path does not take this method; see the Allow header"),
        408 => Recognised("408", "REQUEST_TIMEOUT", "The request did not come whole in time"),
        413 => Recognised("413", "CONTENT_TOO_LARGE", "The body is longer than is read"),
        415 => Recognised("415", "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json"),
        503 => Recognised("503", "TEMPORARILY_UNAVAILABLE", "The ledger is away; please ask again"),
        _ => INTERNAL_SERVER_ERROR,
    };
    failed(status, None, vec![])
}

/// The reply to a command that could not be applied for a fault of ours.
pub fn of_fault() -> EgppReply {
    failed(INTERNAL_SERVER_ERROR, None, vec![])
}

fn done(code: &'static str) -> EgppReply {
    let status = Status { code, error: None, description: None, parameters: vec![] };
    EgppReply { code, body: json(&status), is_balance: false }
}

fn failed(status: Recognised, detail: Option<&str>, parameters: Vec<Parameter>) -> EgppReply {
    let Recognised(code, symbol, description) = status;
    let error = match detail.map(one_line) {
        Some(detail) if !detail.is_empty() => format!("{symbol}: {detail}").chars().take(MAX_ERROR).collect(),
        _ => symbol.to_owned(),
    };
    let status = Status { code, error: Some(error), description: Some(description), parameters };
    EgppReply { code, body: json(&status), is_balance: false }
}

/// A detail may name a field that was sent; whoever logs it expects one line.
fn one_line(detail: &str) -> String {
    detail.chars().filter(|c| is_printable(*c)).collect()
}

/// These structs hold texts and numbers alone, which always serialize.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
