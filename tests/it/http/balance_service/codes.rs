use serde_json::{Value, json};

use super::{OTHER, PRODUCT, USER, adjustment, body, code, fund, number, open, payment, post, request, stake, with};
use crate::e2e::stage::{Base, on_both};
use crate::http::client::Call;

const JSON: &str = "application/json";

/// What is wrong, the call, and the code that it is refused with.
fn frames() -> Vec<(&'static str, Call, i64)> {
    let balance = json!({ "method": "GetUserBalance", "params": { "user_id": USER, "product_id": 4 } });
    let path = "/api/GetUserBalance";
    let raw = |text: &str| Call::new("POST", path).header("accept", JSON).header("content-type", JSON).body(text);
    let bare = |method: &str| Call::new(method, path);
    vec![
        ("nothing but the address", bare("GET"), 1),
        ("another verb", bare("PUT").header("accept", JSON).json(&balance), 1),
        ("yet another", bare("DELETE"), 1),
        ("no content type", bare("POST").header("accept", JSON), 2),
        ("another content type", bare("POST").header("accept", JSON).header("content-type", "text/json").body("{}"), 2),
        ("a form", bare("POST").header("content-type", "application/x-www-form-urlencoded").body("a=b"), 2),
        ("no accept", bare("POST").header("accept", "").json(&balance), 3),
        ("another accept", bare("POST").header("accept", "text/html").json(&balance), 3),
        ("no JSON accepted", bare("POST").header("accept", "application/json;q=0, */*").json(&balance), 3),
        ("no body", raw(""), 4),
        ("half a body", raw("{\"method\":"), 4),
        ("an array", raw("[]"), 4),
        ("a long body", raw(&format!("{{\"method\":\"{}\"}}", "x".repeat(70_000))), 4),
        ("no members", raw("{}"), 5),
        ("no params", raw("{\"method\":\"GetUserBalance\"}"), 5),
        ("no method", raw("{\"params\":{}}"), 5),
        ("an unknown method", post("/api/GetNothing", &json!({ "method": "GetNothing", "params": {} })), 6),
        ("another method than the address's", post("/api/AdjustBalance", &balance), 6),
        ("no parameters", post(path, &json!({ "method": "GetUserBalance", "params": {} })), 7),
        ("a text for a number", request("GetUserBalance", &json!({ "user_id": "1030979", "product_id": 4 })), 1011),
        (
            "a number too big",
            request("GetUserBalance", &json!({ "user_id": 2_147_483_648_i64, "product_id": 4 })),
            1011,
        ),
        ("any accept", bare("POST").header("accept", "*/*").json(&balance), 0),
        ("a charset", bare("POST").header("accept", JSON).json(&balance).body(balance.to_string()), 0),
        ("other cases", post("/api/getUSERbalance", &with_names(&balance, "GETUSERBALANCE")), 0),
    ]
}

/// The same call, everything in capitals.
fn with_names(call: &Value, method: &str) -> Value {
    json!({ "ID": 7, "METHOD": method, "PARAMS": { "USER_ID": call["params"]["user_id"], "Product_Id": 4 } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_call_has_the_first_code_that_applies() {
    let stage = open(Base::Sqlite).await;
    for (what, call, expected) in frames() {
        let response = call.send(&stage).await;
        let body = body(&response);
        assert_eq!(response.status, 200, "{what}: {body}");
        assert_eq!(body["error"]["code"].as_i64().unwrap_or_default(), expected, "{what}: {body}");
    }
    let nowhere = post("/api/GetUserBalance/4", &json!({})).send(&stage).await;
    assert_eq!((nowhere.status, body(&nowhere)["error"]["code"].clone()), (404, json!(6)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_with_keys_must_show_one() {
    let stage = open(Base::Sqlite).await;
    let ask = || post("/keyed/GetUserBalance", &json!({ "method": "GetUserBalance", "params": {} }));
    let cases = [
        (ask(), 401),
        (ask().header("x-api-key", "another key"), 401),
        (ask().header("x-api-key", "the second key"), 200),
        (ask().bearer("the first key"), 200),
        (Call::new("GET", "/keyed/nothing"), 401),
    ];
    for (call, status) in cases {
        let response = call.send(&stage).await;
        let told = body(&response)["error"]["code"].clone();
        assert_eq!((response.status, told), (status, json!(if status == 200 { 7 } else { 401 })));
    }
    assert!(!stage.log().contains("the second key") && !stage.log().contains("the first key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_this_machine_is_answered_and_nobody_through_a_proxy() {
    let stage = open(Base::Sqlite).await;
    let ask = || post("/api/GetUserBalance", &json!({ "method": "GetUserBalance", "params": { "user_id": USER } }));
    let cases = [
        (ask(), 200),
        (ask().header("host", "localhost:8080"), 200),
        (ask().header("host", "wallet.example"), 401),
        (ask().header("x-forwarded-for", "127.0.0.1"), 401),
        (ask().header("x-forwarded-host", "localhost"), 401),
        (ask().header("forwarded", "for=127.0.0.1"), 401),
        (ask().header("via", "1.1 proxy"), 401),
        (ask().header("x-real-ip", "127.0.0.1"), 401),
    ];
    for (number, (call, status)) in cases.into_iter().enumerate() {
        assert_eq!(call.send(&stage).await.status, status, "case {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_an_adjustment_has_its_code_and_moves_nothing() {
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "10").await;
        let staked = super::call(&stage, "AdjustBalance", &stake("staked", "-1")).await;
        let paid = super::call(&stage, "AdjustBalance", &payment("paid", "0", &number(&staked))).await;
        let (staked, paid) = (number(&staked), number(&paid));
        let unpaid = number(&super::call(&stage, "AdjustBalance", &stake("unpaid", "0")).await);
        let void =
            |source: &Value, amount: &str| with(payment("void", amount, source), json!({ "transaction_type_id": 4 }));
        let theirs = with(payment("theirs", "1", &staked), json!({ "user_id": OTHER, "currency_id": 3 }));
        let rich = "92233720368547758.07";
        let cases = [
            ("a type of the queue's", adjustment(6, "x"), 1009),
            ("an unknown type", adjustment(129, "x"), 1009),
            ("too many places", stake("x", "-1.001"), 1011),
            ("an unknown currency", with(stake("x", "-1"), json!({ "currency_id": 9 })), 1011),
            ("another currency than the user's", with(stake("x", "-1"), json!({ "currency_id": 2 })), 1011),
            ("a currency without a rate", with(stake("x", "-1"), json!({ "currency_id": 4 })), 1007),
            ("an unknown user", with(stake("x", "-1"), json!({ "user_id": 7 })), 1001),
            ("no user's number", with(stake("x", "-1"), json!({ "user_id": -7 })), 1001),
            ("the same again, with another amount", stake("staked", "-2"), 1004),
            ("the same again, with another flake id", with(stake("staked", "-1"), json!({ "flake_id": 1 })), 1004),
            ("the same again, in another round", with(stake("staked", "-1"), json!({ "game_round_id": 2 })), 1004),
            ("too little money", stake("poor", "-9.01"), 1005),
            ("too little money, again", stake("poor", "-9.01"), 1005),
            ("money of another product", with(stake("x", "-1"), json!({ "product_id": 1 })), 1005),
            ("a positive stake", stake("x", "1"), 1006),
            ("a negative return", payment("x", "-1", &staked), 1006),
            ("a return that does not add up", with(payment("x", "1", &staked), json!({ "total_amount": 2 })), 1006),
            ("a void of another amount", void(&unpaid, "0.99"), 1006),
            ("more than an account holds", payment("x", rich, &staked), 1007),
            ("a return for nothing", payment("x", "1", &json!(0)), 1010),
            ("a return for an unknown stake", payment("x", "1", &json!(i64::MAX)), 1010),
            ("a return for another's stake", theirs, 1010),
            (
                "an award for an unknown stake",
                with(payment("x", "1", &json!(12345)), json!({ "transaction_type_id": 199 })),
                1010,
            ),
            ("a void of nothing", void(&json!(0), "1"), 1010),
            ("a void of a return", void(&paid, "0"), 1010),
            ("a void of a stake that was paid for", void(&staked, "1"), 1010),
        ];
        for (what, params, expected) in cases {
            assert_eq!(code(&stage, "AdjustBalance", &params).await, expected, "{what}");
        }
        let balance =
            |user: i32, currency: i32| json!({ "user_id": user, "product_id": PRODUCT, "currency_id": currency });
        for (params, expected) in
            [(balance(USER, 1), 0), (balance(USER, 2), 1011), (balance(USER, 9), 1011), (balance(7, 1), 1001)]
        {
            assert_eq!(code(&stage, "GetUserBalance", &params).await, expected, "{params}");
        }
        assert_eq!(super::held(&stage).await, "9 0 0");
        stage.audit().await;
    })
    .await;
}
