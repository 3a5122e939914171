mod wire;
mod decisions;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::code::{BalanceServiceCode, failure, of_refusal};
use super::handler::BalanceServiceHandler;
use super::kind::Family;
use super::params::{ById, ByReference, ByRound, Latest, Params, QueueVoidParams, UserBalance};
use super::{DIALECT, document};
use crate::config::{BalanceService, Config, Environment, Secret};
use crate::dialects::http::{Failure, HandlerError, PartyNote, Reply, Request};
use crate::ledger::account::Bucket;
use crate::ledger::accounts::{Cash, OpenPlayer};
use crate::ledger::command::{Act, Command, Timestamp};
use crate::ledger::player::Profile;
use crate::ledger::transactions::Change;
use crate::ledger::{
    AccountAct, AccountRefusal, Amount, Currency, Done, OrderDone, OrderRefusal, Outcome, Party, PlayerId, Pocket,
    Refusal, TransactionAct, TransactionRefusal,
};
use crate::wallet::memory::MemoryWallet;

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn handler_with(api_keys: &[&str]) -> Arc<BalanceServiceHandler> {
    let settings = BalanceService {
        path: "/api".to_owned(),
        api_keys: api_keys.iter().map(|key| Secret::new(*key)).collect(),
        currency_ids: BTreeMap::from([
            (1, currency("GBP")),
            (2, currency("EUR")),
            (3, currency("USD")),
            (4, currency("JPY")),
        ]),
        gbp_rates: BTreeMap::from([
            (currency("EUR"), Decimal::new(8571, 4)),
            (currency("USD"), Decimal::new(78183, 5)),
        ]),
        spend_order: vec![Bucket::RingFenced, Bucket::Real, Bucket::Bonus],
    };
    let config = Config::load_from(None, &Environment::new()).unwrap();
    Arc::new(BalanceServiceHandler { party: Party::parse("acme").unwrap(), settings, config })
}

fn handler() -> Arc<BalanceServiceHandler> {
    handler_with(&[])
}

const HEADERS: [(&str, &str); 2] = [("content-type", "application/json"), ("accept", "application/json")];

fn request(method: &str, address: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let header =
        |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    Request {
        method: method.parse().unwrap(),
        path: format!("/api/{address}"),
        parameters: vec![("method".to_owned(), address.to_owned())],
        query: String::new(),
        headers: headers.iter().map(header).collect::<HeaderMap>(),
        body: body.to_vec(),
        at: Timestamp(0),
        correlation: "c".into(),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        is_local: true,
        whose: PartyNote::default(),
    }
}

fn call(method: &str, params: &Value) -> Request {
    let body = json!({ "method": method, "params": params }).to_string();
    request("POST", method, &HEADERS, body.as_bytes())
}

/// What a request is answered with, on a wallet that knows nobody.
fn answer(handler: &BalanceServiceHandler, request: &Request) -> Reply {
    answer_with(&MemoryWallet::default(), handler, request)
}

fn answer_with(wallet: &MemoryWallet, handler: &BalanceServiceHandler, request: &Request) -> Reply {
    let answer = handler.answer(request.parameter("method").unwrap(), wallet, request).now_or_never();
    match answer.expect("a wallet in memory answers at once") {
        Ok(reply) => reply,
        Err(HandlerError::Refused(reply)) => *reply,
        Err(HandlerError::Failed(failed)) => failure(failed),
    }
}

/// A refusal's code and message.
fn refused(reply: &Reply) -> (i64, String) {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.content_type, "application/json");
    assert_eq!(body["id"], Value::Null);
    let error = body["error"].as_object().unwrap_or_else(|| panic!("no error: {body}"));
    let code = error["code"].as_i64().unwrap();
    assert_eq!(reply.code, code.to_string());
    (code, error["message"].as_str().unwrap().to_owned())
}

fn code_of(reply: Reply) -> (i64, String) {
    assert_eq!(reply.status, 200);
    refused(&reply)
}

fn adjustment(kind: i32) -> Value {
    json!({
        "flake_id": 9148077483121591870_i64, "real_amount": "0", "bonus_amount": "0", "ring_fenced_amount": "0",
        "total_amount": "0", "bonus_game_type": "G", "user_id": 1030979, "cmscore_game_id": 2885,
        "regulated_game_id": 6403, "transaction_type_id": kind, "partner_transaction_id": "04/08/2021 Jason 1",
        "partner_timestamp_utc": "2021-08-04T10:42:44.393Z", "partner_id": 100, "game_round_id": 1, "product_id": 19,
        "token": "99faa686", "action_type_id": 1, "provider_region_id": 20, "allow_bonus": true,
        "allow_ring_fenced": true, "currency_id": 1, "bet365_transaction_id": 5000390220_i64,
        "source_bet365_games_transaction_id": 7,
    })
}

fn with(mut params: Value, changes: &[(&str, Value)]) -> Value {
    for (name, value) in changes {
        params[*name] = value.clone();
    }
    params
}
