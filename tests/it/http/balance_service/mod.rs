//! The Balance Service from outside: every method, every type, every code.

mod codes;
mod money;
mod shown;
mod voids;
mod crowd;
mod away;
mod examples;

use serde_json::{Value, json};

use super::client::{Call, Response};
use crate::e2e::stage::{Base, Stage};

const PARTIES: &str = r#"
[parties.acme]
currencies = ["GBP", "EUR", "USD", "JPY"]
games = []
player_tokens = "trusted"
[parties.acme.balance_service]
path = "/api"
currency_ids = { 1 = "GBP", 2 = "EUR", 3 = "USD", 4 = "JPY" }
gbp_rates = { EUR = "0.8571", USD = "0.78183" }
spend_order = ["ring_fenced", "real", "bonus"]
[parties.keyed]
currencies = ["GBP"]
games = []
player_tokens = "trusted"
[parties.keyed.balance_service]
path = "/keyed"
api_keys = ["the first key", "the second key"]
currency_ids = { 1 = "GBP" }
"#;

/// The player of most scenarios: GBP, and in product 19 three kinds of money.
const USER: i32 = 1_030_979;

/// Another one of the same party's.
const OTHER: i32 = 1_030_980;

/// Where the player's money is.
const PRODUCT: i32 = 19;

async fn open(base: Base) -> Stage {
    let stage = Stage::open(base, PARTIES).await;
    for (user, currency) in [(USER, "GBP"), (OTHER, "USD")] {
        let user = user.to_string();
        stage.done(&["player", "add", "--party", "acme", "--player", &user, "--currency", currency]).await;
    }
    stage
}

/// Puts money into a bucket of the player's.
async fn fund(stage: &Stage, bucket: &str, amount: &str) {
    fund_of(stage, USER, "GBP", bucket, amount).await;
}

async fn fund_of(stage: &Stage, user: i32, currency: &str, bucket: &str, amount: &str) {
    let (user, product) = (user.to_string(), PRODUCT.to_string());
    let whose = ["--party", "acme", "--player", &user, "--currency", currency, "--product", &product];
    stage.done(&[&["deposit"], whose.as_slice(), &["--bucket", bucket, "--amount", amount]].concat()).await;
}

/// A well-formed call, to be spoilt.
fn post(path: &str, body: &Value) -> Call {
    Call::new("POST", path).header("accept", "application/json").json(body)
}

fn request(method: &str, params: &Value) -> Call {
    post(&format!("/api/{method}"), &json!({ "Id": null, "Method": method, "Params": params }))
}

/// What is answered, once its frame is as it should be.
fn body(response: &Response) -> Value {
    let body = response.json();
    assert_eq!(response.header("content-type"), "application/json", "{body}");
    assert_eq!(body["id"], Value::Null, "{body}");
    assert!(body["result"].is_null() != body["error"].is_null(), "{body}");
    body
}

/// A call's result.
async fn call(stage: &Stage, method: &str, params: &Value) -> Value {
    let response = request(method, params).send(stage).await;
    let body = body(&response);
    assert!(response.status == 200 && body["error"].is_null(), "{method} {params}: {body}");
    body["result"].clone()
}

/// A call's error code, 0 for none.
async fn code(stage: &Stage, method: &str, params: &Value) -> i64 {
    let response = request(method, params).send(stage).await;
    assert_eq!(response.status, 200, "{method} {params}");
    body(&response)["error"]["code"].as_i64().unwrap_or_default()
}

/// An adjustment with everything that any type needs, of nothing.
fn adjustment(kind: i32, reference: &str) -> Value {
    json!({
        "flake_id": 9_148_077_483_121_591_870_i64, "real_amount": "0", "bonus_amount": 0, "ring_fenced_amount": "0.00",
        "total_amount": 0, "bonus_game_type": "G", "user_id": USER, "cmscore_game_id": 2885,
        "regulated_game_id": 6403, "transaction_type_id": kind, "partner_transaction_id": reference,
        "partner_timestamp_utc": "2021-08-04T10:42:44.393Z", "partner_id": 100, "game_round_id": 1,
        "product_id": PRODUCT, "token": "99faa686-3189-4eea-b789-bf828ed78a34", "action_type_id": 1,
        "provider_region_id": 20, "allow_bonus": true, "allow_ring_fenced": true, "currency_id": 1,
        "bet365_transaction_id": 5_000_390_220_i64, "source_bet365_games_transaction_id": 0,
    })
}

fn with(mut params: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        params[name] = value;
    }
    params
}

fn stake(reference: &str, total: &str) -> Value {
    with(adjustment(2, reference), json!({ "total_amount": total }))
}

/// A return of real money.
fn payment(reference: &str, amount: &str, source: &Value) -> Value {
    let changes = json!({
        "real_amount": amount, "total_amount": amount, "source_bet365_games_transaction_id": source,
    });
    with(adjustment(3, reference), changes)
}

/// `real bonus ring_fenced`, as `GetUserBalance` tells them.
async fn held(stage: &Stage) -> String {
    held_with(stage, false).await
}

/// The same with the GBT bonus in place of the bonus.
async fn held_with(stage: &Stage, has_gbt_bonus: bool) -> String {
    let params = json!({ "user_id": USER, "product_id": PRODUCT, "has_gbt_bonus": has_gbt_bonus });
    let told = call(stage, "GetUserBalance", &params).await;
    let amount = |name: &str| told[name].as_str().expect("text").to_owned();
    format!("{} {} {}", amount("balance"), amount("bonus"), amount("ring_fenced"))
}

/// A transaction's number.
fn number(transaction: &Value) -> Value {
    let number = transaction["bet365_games_transaction_id"].clone();
    assert!(number.as_i64().is_some_and(|number| number > 0), "{transaction}");
    number
}
