//! What is answered over REST: the queues' status objects with their code as the HTTP status, and the resources.

use http::header;
use serde::Serialize;

use crate::dialects::egpp::handler::{BalanceQuestion, Denied};
use crate::dialects::egpp::status;
use crate::dialects::egpp::status::EgppReply as Status;
use crate::dialects::http::Reply;
use crate::ledger::state::PlayerState;
use crate::ledger::{AccountRefusal, Order, OrderRefusal, OrderState, Outcome, PlayerId, Pocket, Refusal, Wallet};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Balance<'a> {
    balance: i64,
    currency: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wallet_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bet<'a> {
    bet_id: String,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    paid: Option<i64>,
    amount: i64,
    currency: &'a str,
    game: &'a str,
    round: i64,
    external_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wallet_id: Option<&'a str>,
    player_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Token<'a> {
    player_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nickname: Option<&'a str>,
    balance: i64,
    currency: &'a str,
    wallet_id: &'a str,
}

/// A status object, under its own code.
pub fn of_status(status: Status) -> Reply {
    let http = status.code.parse().unwrap_or(500);
    let reply = Reply {
        status: http,
        content_type: "application/json",
        headers: vec![],
        body: status.body,
        code: status.code.into(),
    };
    // RFC 9110, 15.5.2: whoever is turned away is told how to come back.
    if http == 401 { reply.with_header(header::WWW_AUTHENTICATE.as_str(), "Bearer") } else { reply }
}

/// `location` is of what was created.
pub fn of_outcome(outcome: Outcome, location: Option<String>) -> Reply {
    let status = status::of_outcome(outcome);
    match (outcome, location) {
        (Outcome::Done(_), Some(location)) => Reply::empty(201, "201").with_header(header::LOCATION.as_str(), location),
        (Outcome::Done(_), None) => Reply::empty(200, "200"),
        (Outcome::Refused(_), _) => of_status(status),
    }
}

/// `None`: there is no such player.
pub fn of_balance(question: &BalanceQuestion, balance: Option<i64>) -> Reply {
    let Some(balance) = balance else {
        return of_status(status::of_refusal(Refusal::Account(AccountRefusal::PlayerUnknown)));
    };
    let wallet_id = question.wallet_asked.as_ref().map(Wallet::name);
    Reply::json(200, "200", &Balance { balance, currency: question.pocket.currency.as_str(), wallet_id })
}

/// A bet as its own player sees it; one that is cancelled or was refused is not there.
pub fn of_order(found: Option<(Order, PlayerId)>, asking: &PlayerId) -> Reply {
    let Some((order, player)) = found else {
        return of_status(status::of_refusal(Refusal::Order(OrderRefusal::OrderUnknown)));
    };
    if player != *asking {
        return of_status(status::of_denied(&Denied::Forbidden));
    }
    let paid = match order.state() {
        OrderState::Open => None,
        OrderState::Won | OrderState::Lost | OrderState::Tied => Some(order.paid()),
        OrderState::Cancelled | OrderState::Tombstone => {
            return of_status(status::of_refusal(Refusal::Order(OrderRefusal::OrderCancelled)));
        }
        OrderState::Refused => return of_status(status::of_refusal(Refusal::Order(OrderRefusal::OrderRefused))),
    };
    let Some(stake) = order.stake() else {
        return of_status(status::of_refusal(Refusal::Order(OrderRefusal::OrderUnknown)));
    };
    let wallet = &stake.pocket.wallet;
    Reply::json(
        200,
        "200",
        &Bet {
            bet_id: order.id().uuid().to_string(),
            state: order.state().as_str(),
            paid,
            amount: stake.amount.minor(),
            currency: stake.pocket.currency.as_str(),
            game: order.key().game.as_str(),
            round: stake.round,
            external_id: order.key().external_id.as_str(),
            wallet_id: (!wallet.is_default()).then(|| wallet.name()),
            player_id: player.as_str(),
        },
    )
}

/// The player of a token, with what they have in their home currency.
pub fn of_token(found: Option<PlayerState>, wallet: Option<Wallet>) -> Reply {
    let Some(found) = found else {
        return of_status(status::of_refusal(Refusal::Account(AccountRefusal::PlayerUnknown)));
    };
    let profile = &found.player.profile;
    let wallet = wallet.unwrap_or_else(Wallet::default_wallet);
    let balance = found.account(&Pocket::real_in(profile.home_currency, wallet.clone())).balance;
    Reply::json(
        200,
        "200",
        &Token {
            player_id: found.player.id.as_str(),
            nickname: profile.nickname.as_deref(),
            balance,
            currency: profile.home_currency.as_str(),
            wallet_id: wallet.name(),
        },
    )
}
