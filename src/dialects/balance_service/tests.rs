use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
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

#[test]
fn a_call_without_one_of_the_keys_is_unauthorized_before_anything_else() {
    type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], bool, u16);
    let cases: [Case; 9] = [
        (&[], &[], true, 200),
        (&[], &[], false, 401),
        (&["k1", "k2"], &[("x-api-key", "k1")], false, 200),
        (&["k1", "k2"], &[("x-api-key", "k2")], true, 200),
        (&["k1", "k2"], &[("authorization", "Bearer k2")], false, 200),
        (&["k1", "k2"], &[("authorization", "Basic k2")], false, 401),
        (&["k1", "k2"], &[("x-api-key", "k3")], false, 401),
        (&["k1", "k2"], &[("x-api-key", "k3"), ("authorization", "Bearer k1")], false, 401),
        (&["k1", "k2"], &[], true, 401),
    ];
    for (keys, headers, is_local, status) in cases {
        let request = Request { is_local, ..request("GET", "nothing", headers, b"") };
        let reply = answer(&handler_with(keys), &request);
        assert_eq!(reply.status, status, "{headers:?}");
        assert_eq!(refused(&reply).0, if status == 200 { 1 } else { 401 }, "{headers:?}");
    }
}

#[test]
fn what_is_wrong_with_a_request_is_told_in_the_order_of_the_codes() {
    let body = |text: &str| text.as_bytes().to_vec();
    let [content_type, accept] = HEADERS;
    let method = "GetUserBalance";
    let cases = [
        ("GET", method, vec![], body(""), 1),
        ("PUT", method, vec![content_type, accept], body("{}"), 1),
        ("HEAD", method, vec![content_type, accept], body("{}"), 1),
        ("POST", method, vec![accept], body(""), 2),
        ("POST", method, vec![("content-type", "text/plain")], body(""), 2),
        ("POST", method, vec![content_type], body(""), 3),
        ("POST", method, vec![content_type, ("accept", "text/html")], body(""), 3),
        ("POST", method, vec![("content-type", "application/json; charset=utf-8"), ("accept", "*/*")], body(""), 4),
        ("POST", method, HEADERS.to_vec(), body("{"), 4),
        ("POST", method, HEADERS.to_vec(), body("[]"), 4),
        ("POST", method, HEADERS.to_vec(), body("null"), 4),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"a\"}{}"), 4),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"a\",\"Method\":\"b\",\"params\":{}}"), 4),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"a\",\"params\":{\"a\":1,\"A\":1}}"), 4),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"\u{7f}"), 4),
        ("POST", method, HEADERS.to_vec(), vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}'], 4),
        ("POST", method, HEADERS.to_vec(), body("{}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"nonsense\"}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"params\":{}}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":null,\"params\":{}}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"x\",\"params\":null}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"x\",\"params\":[]}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"nonsense\",\"params\":{}}"), 6),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":7,\"params\":{}}"), 6),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"AdjustBalance\",\"params\":{}}"), 6),
        ("POST", "nonsense", HEADERS.to_vec(), body("{\"method\":\"GetUserBalance\",\"params\":{}}"), 6),
        ("POST", "nonsense", HEADERS.to_vec(), body("{\"method\":\"nonsense\",\"params\":{}}"), 6),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"GetUserBalance\",\"params\":{}}"), 7),
        (
            "POST",
            "getuserbalance",
            HEADERS.to_vec(),
            body(" {\"METHOD\":\"GETUSERBALANCE\",\"Params\":{},\"Id\":5}"),
            7,
        ),
    ];
    for (verb, address, headers, body, code) in cases {
        let (is, message) = code_of(answer(&handler(), &request(verb, address, &headers, &body)));
        assert_eq!(is, code, "{verb} {address} {} {message}", String::from_utf8_lossy(&body));
    }
}

#[test]
fn every_required_parameter_is_missed_by_name_before_any_value_is_judged() {
    for family in Family::ALL {
        let (kind, _) = family.kinds().next().unwrap();
        for missing in family.required() {
            let mut params = with(adjustment(kind), &[("flake_id", json!("wrong"))]);
            params[missing] = Value::Null;
            let (code, message) = code_of(answer(&handler(), &call("AdjustBalance", &params)));
            assert_eq!((code, message.ends_with(&format!(": {missing}"))), (7, true), "{kind}: {message}");
            params.as_object_mut().unwrap().remove(missing);
            assert_eq!(code_of(answer(&handler(), &call("AdjustBalance", &params))).0, 7, "{kind}: {missing}");
        }
    }
    let others: [(&str, &[&str]); 6] = [
        ("GetUserBalance", UserBalance::REQUIRED),
        ("QueueManualVoidReturn", QueueVoidParams::REQUIRED),
        ("GetTransactionsByGameRound", ByRound::REQUIRED),
        ("GetTransactionById", ById::REQUIRED),
        ("GetTransactionsByPartnerTransactionID", ByReference::REQUIRED),
        ("GetLatestTransactionByTransactionTypeId", Latest::REQUIRED),
    ];
    for (method, required) in others {
        for missing in required {
            let present = required.iter().filter(|name| *name != missing);
            let params: BTreeMap<&str, &str> = present.map(|name| (*name, "wrong")).collect();
            let (code, message) = code_of(answer(&handler(), &call(method, &json!(params))));
            assert_eq!((code, message.ends_with(&format!(": {missing}"))), (7, true), "{method}: {message}");
        }
    }
}

#[test]
fn a_value_of_the_wrong_type_or_out_of_range_is_1011_and_named() {
    let cases = [
        ("flake_id", json!("1")),
        ("flake_id", json!(9_223_372_036_854_775_808_u64)),
        ("flake_id", json!(1.5)),
        ("user_id", json!(2_147_483_648_i64)),
        ("user_id", json!(-2_147_483_649_i64)),
        ("user_id", json!(true)),
        ("user_id", json!("1030979")),
        ("game_round_id", json!([1])),
        ("allow_bonus", json!("true")),
        ("allow_bonus", json!(1)),
        ("token", json!(7)),
        ("token", json!("t".repeat(256))),
        ("partner_transaction_id", json!("")),
        ("partner_transaction_id", json!("x".repeat(101))),
        ("partner_transaction_id", json!("a\u{0}b")),
        ("bonus_game_type", json!({})),
        ("partner_timestamp_utc", json!("yesterday")),
        ("partner_timestamp_utc", json!(1_628_073_764)),
        ("total_amount", json!("1.001")),
        ("total_amount", json!("1,00")),
        ("total_amount", json!("")),
        ("total_amount", json!("1e2")),
        ("total_amount", json!(true)),
        ("total_amount", json!("92233720368547758.08")),
        ("total_amount", json!("-92233720368547758.08")),
        ("real_amount", json!("0.0000000000000000000000000000000000000001")),
        ("currency_id", json!(9)),
        ("external_balance_change", json!(5)),
        ("external_balance_change", json!({ "bonus_amount": true })),
        ("external_balance_change", json!({ "bonus_amount": "0.001" })),
        ("user_bonus_id", json!("x")),
    ];
    for (name, value) in cases {
        let params = with(adjustment(2), &[(name, value.clone())]);
        let (code, message) = code_of(answer(&handler(), &call("AdjustBalance", &params)));
        assert_eq!((code, message.contains(name)), (1011, true), "{name} {value}: {message}");
    }
}

#[test]
fn other_types_are_1009_and_named_before_what_else_is_missing() {
    for kind in [6, 0, 1, 5, -2, 48, 129, i32::MAX] {
        let params = json!({ "transaction_type_id": kind });
        assert_eq!(code_of(answer(&handler(), &call("AdjustBalance", &params))).0, 1009, "{kind}");
        let params = json!({ "transaction_type_id": kind, "source_bet365_games_transaction_id": 1 });
        let wallet = MemoryWallet::default();
        let reply = answer_with(&wallet, &handler(), &call("QueueManualVoidReturn", &params));
        let (code, asked) = if kind == 6 { (1010, &["transactions"][..]) } else { (1009, &[][..]) };
        assert_eq!((code_of(reply).0, &*wallet.take_asked()), (code, asked), "{kind}");
    }
}

#[test]
fn amounts_of_the_wrong_sign_or_that_do_not_add_up_are_1006() {
    let external = |bonus: &str, ring_fenced: &str| json!({ "bonus_amount": bonus, "ring_fenced_amount": ring_fenced });
    let cases = [
        (2, vec![("total_amount", json!("0.01"))]),
        (2, vec![("total_amount", json!("-1")), ("external_balance_change", external("0.5", "0"))]),
        (2, vec![("total_amount", json!("-1")), ("external_balance_change", external("-1", "-0.01"))]),
        (
            2,
            vec![
                ("total_amount", json!("-1")),
                ("external_balance_change", external("-92233720368547758.07", "-92233720368547758.07")),
            ],
        ),
        (3, vec![("real_amount", json!("-1")), ("total_amount", json!("-1"))]),
        (3, vec![("real_amount", json!("-1")), ("bonus_amount", json!("1"))]),
        (3, vec![("real_amount", json!("1")), ("total_amount", json!("2"))]),
        (
            3,
            vec![
                ("real_amount", json!("1")),
                ("total_amount", json!("1")),
                ("external_balance_change", external("1", "0")),
            ],
        ),
        (3, vec![("real_amount", json!("92233720368547758.07")), ("bonus_amount", json!("92233720368547758.07"))]),
        (199, vec![("bonus_amount", json!("1"))]),
        (4, vec![("ring_fenced_amount", json!("1"))]),
    ];
    for (kind, changes) in cases {
        let params = with(adjustment(kind), &changes);
        assert_eq!(code_of(answer(&handler(), &call("AdjustBalance", &params))).0, 1006, "{kind} {changes:?}");
    }
}

/// A wallet whose one player has this home currency, and 100.00 of it.
fn wallet(home: &str) -> MemoryWallet {
    let wallet = MemoryWallet::with_numbers_from(1);
    let player = PlayerId::parse("1030979").unwrap();
    let profile = Profile { home_currency: currency(home), username: None, nickname: None, email: None, gender: None };
    // The calls' product, which has accounts of its own.
    let pocket = Pocket { product: 19, ..Pocket::real(currency(home)) };
    let cash = Cash { player: player.clone(), pocket, amount: Amount::new(10_000).unwrap(), key: "a".into() };
    for act in
        [Act::Account(AccountAct::OpenPlayer(OpenPlayer { player, profile })), Act::Account(AccountAct::Deposit(cash))]
    {
        let command = Command { party: Party::parse("acme").unwrap(), at: Timestamp(0), correlation: None, act };
        assert!(matches!(wallet.apply(command).unwrap().outcome, Outcome::Done(_)));
    }
    wallet
}

/// The command that an adjustment becomes, for a player with this home currency, and the reply to its outcome.
fn decided(params: &Value, home: &str, outcome: Outcome) -> (Command, Reply) {
    let wallet = wallet(home);
    wallet.answer_next(outcome);
    let reply = answer_with(&wallet, &handler(), &call("AdjustBalance", params));
    assert_eq!(wallet.take_asked(), ["player", "decide"]);
    (wallet.take_commands().remove(0), reply)
}

/// A result's transaction, and whether it is new.
fn inserted(reply: &Reply) -> (i64, bool) {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let result = &body["result"];
    let number = result["bet365_games_transaction_id"].as_i64().unwrap_or_else(|| panic!("no result: {body}"));
    (number, result["is_new"].as_bool().unwrap())
}

#[test]
fn an_adjustment_asks_one_question_beside_its_decision() {
    let (wallet, handler) = (wallet("GBP"), handler());
    let adjust = |params: &Value| inserted(&answer_with(&wallet, &handler, &call("AdjustBalance", params)));
    let stake = with(adjustment(2), &[("total_amount", json!("-3.5"))]);
    let (number, is_new) = adjust(&stake);
    assert!(is_new);
    assert_eq!(adjust(&stake), (number, false), "the same again");
    let void = |reference: &str| {
        let changes = [
            ("source_bet365_games_transaction_id", json!(number)),
            ("real_amount", json!("3.5")),
            ("total_amount", json!("3.5")),
            ("partner_transaction_id", json!(reference)),
        ];
        with(adjustment(4), &changes)
    };
    let (voided, is_new) = adjust(&void("first"));
    assert!(is_new && voided > number);
    assert_eq!(wallet.take_asked(), ["player", "decide"].repeat(3));
    assert_eq!(adjust(&void("second")), (voided, false), "given back before");
    assert_eq!(wallet.take_asked(), ["player", "decide", "transactions"], "by another command than this one");
}

#[test]
fn a_stake_is_spent_from_the_allowed_buckets_in_the_partys_order() {
    use Bucket::{Bonus, GbtBonus, Real, RingFenced};
    let cases = [
        (true, true, None, vec![RingFenced, Real, Bonus]),
        (true, false, None, vec![Real, Bonus]),
        (false, true, None, vec![RingFenced, Real]),
        (false, false, None, vec![Real]),
        (true, true, Some(5), vec![RingFenced, Real, GbtBonus]),
        (false, false, Some(5), vec![Real]),
    ];
    for (allow_bonus, allow_ring_fenced, user_bonus_id, expected) in cases {
        let changes = [
            ("allow_bonus", json!(allow_bonus)),
            ("allow_ring_fenced", json!(allow_ring_fenced)),
            ("user_bonus_id", json!(user_bonus_id)),
            ("total_amount", json!(-3.5)),
        ];
        let params = with(adjustment(2), &changes);
        let (command, _) = decided(&params, "GBP", Outcome::Refused(Refusal::Account(AccountRefusal::BalanceOverflow)));
        let Act::Transaction(TransactionAct::Adjust(adjust)) = command.act else { panic!("another act") };
        assert_eq!(adjust.change, Change::Stake { total: 350, external: 0, from: expected });
        assert_eq!(&*adjust.name, "balance_service/1030979/20/2/04/08/2021 Jason 1");
        assert_eq!((adjust.worth.as_deref(), adjust.token.as_deref()), (Some("-3.5"), Some("99faa686")));
    }
}

#[test]
fn an_amount_is_worth_its_rate_in_gbp_rounded_half_to_even() {
    let cases = [
        (1, "GBP", "-3.50", "-3.5"),
        (2, "EUR", "-1.5", "-1.2856"),
        (3, "USD", "-1.2", "-0.9382"),
        (3, "USD", "0", "0"),
        (2, "EUR", "-92233720368547758.07", "-79053521727882283.4418"),
    ];
    for (id, home, total, worth) in cases {
        let params = with(adjustment(2), &[("currency_id", json!(id)), ("total_amount", json!(total))]);
        let (command, _) = decided(&params, home, Outcome::Refused(Refusal::Account(AccountRefusal::BalanceOverflow)));
        let Act::Transaction(TransactionAct::Adjust(adjust)) = command.act else { panic!("another act") };
        assert_eq!(adjust.worth.as_deref(), Some(worth), "{total} {home}");
    }
    let params = with(adjustment(2), &[("currency_id", json!(4))]);
    assert_eq!(code_of(answer(&handler(), &call("AdjustBalance", &params))).0, 1007, "there is no rate for JPY");
}

#[test]
fn every_refusal_of_the_ledger_has_its_code() {
    let cases = [
        (Refusal::Account(AccountRefusal::PlayerUnknown), 1001),
        (Refusal::Account(AccountRefusal::KeyReused), 1004),
        (Refusal::Account(AccountRefusal::InsufficientFunds { balance: 1 }), 1005),
        (Refusal::Transaction(TransactionRefusal::AmountsDisagree), 1006),
        (Refusal::Account(AccountRefusal::BalanceOverflow), 1007),
        (Refusal::Order(OrderRefusal::OrderUnknown), 1008),
        (Refusal::Transaction(TransactionRefusal::TransactionUndone), 1008),
        (Refusal::Transaction(TransactionRefusal::VoidResolved), 1008),
        (Refusal::Transaction(TransactionRefusal::TransactionUnknown), 1010),
        (Refusal::Transaction(TransactionRefusal::TransactionEnded), 1010),
    ];
    for (refusal, code) in cases {
        assert_eq!(i64::from(of_refusal(refusal).code.told().0), code, "{refusal:?}");
        let (_, reply) = decided(&adjustment(2), "GBP", Outcome::Refused(refusal));
        assert_eq!(code_of(reply).0, code, "{refusal:?}");
    }
    let (_, reply) = decided(&adjustment(2), "GBP", Outcome::Done(Done::Order(OrderDone::BetPlaced)));
    assert_eq!(code_of(reply).0, 1008);
}

#[test]
fn a_user_who_is_unknown_is_1001_and_another_currency_than_the_users_1011() {
    let balance = json!({ "user_id": 1030979, "product_id": 4, "currency_id": 1 });
    for (method, params) in [("GetUserBalance", balance), ("AdjustBalance", adjustment(2))] {
        for (wallet, code) in [(MemoryWallet::default(), 1001), (wallet("EUR"), 1011)] {
            wallet.take_asked();
            let reply = answer_with(&wallet, &handler(), &call(method, &params));
            assert_eq!((code_of(reply).0, wallet.take_asked()), (code, vec!["player"]), "{method}");
        }
    }
}

#[test]
fn a_failure_is_told_in_the_same_shape() {
    let cases = [
        (Failure::NotFound, 404, 6),
        (Failure::MethodNotAllowed, 200, 1),
        (Failure::TooLarge, 200, 4),
        (Failure::Unreadable, 200, 4),
        (Failure::Unavailable, 503, 1002),
        (Failure::Fault, 200, 1002),
    ];
    for (failed, status, code) in cases {
        let reply = failure(failed);
        assert_eq!((reply.status, refused(&reply).0), (status, code), "{failed:?}");
    }
    assert_eq!(DIALECT.name, "balance_service");
}

#[test]
fn codes_differ_and_say_what_they_mean() {
    let told: BTreeMap<i32, &str> = BalanceServiceCode::ALL.iter().map(|code| code.told()).collect();
    assert_eq!(told.len(), BalanceServiceCode::ALL.len());
    assert!(told.values().all(|description| !description.is_empty()));
}

/// What is decoded by one table and documented by another must be the same.
#[test]
fn the_documented_parameters_are_the_required_ones() {
    let schemas: BTreeMap<String, Value> = document::schemas().into_iter().collect();
    let documented = |name: &str| {
        let required = &schemas[&format!("{name}-req")]["properties"]["params"]["required"];
        required.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(documented("GetUserBalance"), UserBalance::REQUIRED);
    assert_eq!(documented("QueueManualVoidReturn"), QueueVoidParams::REQUIRED);
    assert_eq!(documented("GetTransactionsByGameRound"), ByRound::REQUIRED);
    assert_eq!(documented("GetTransactionById"), ById::REQUIRED);
    assert_eq!(documented("GetTransactionsByPartnerTransactionID"), ByReference::REQUIRED);
    assert_eq!(documented("GetLatestTransactionByTransactionTypeId"), Latest::REQUIRED);
    let always = documented("AdjustBalance");
    for family in Family::ALL {
        assert!(always.iter().all(|name| family.required().contains(&name.as_str())), "{family:?}");
    }
}

/// Bytes that are nearly a call: a good one with some of it replaced.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let good = json!({ "method": "AdjustBalance", "params": adjustment(3) }).to_string().into_bytes();
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        prop::sample::select(vec![
            "\"",
            "\\",
            "{",
            "}",
            "[",
            ",",
            ":",
            "null",
            "1e9",
            "-",
            "\\u0000",
            "\\ud800",
            "9999999999"
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..8_usize, piece), 1..4);
    edits.prop_map(move |edits| {
        let mut body = good.clone();
        for (at, length, piece) in edits {
            let from = at.index(body.len() + 1);
            let to = body.len().min(from + length);
            body.splice(from..to, piece);
        }
        body
    })
}

proptest! {
    /// Every request is either understood or answered with an error of the dialect's.
    #[test]
    fn no_bytes_make_it_panic(body in prop_oneof![prop::collection::vec(any::<u8>(), 0..256), nearly()]) {
        let reply = answer(&handler(), &request("POST", "AdjustBalance", &HEADERS, &body));
        let (code, message) = refused(&reply);
        // What is understood is of a user who is unknown here.
        prop_assert!([4, 5, 6, 7, 1001, 1006, 1009, 1011].contains(&code), "{code} {message}");
    }
}
