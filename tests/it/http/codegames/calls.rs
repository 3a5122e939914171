//! Every call, every code, and which goes first.

use purser::identity::password;
use serde_json::{Value, json};

use super::{KEYS_SECRET, PASSWORD, call, code, open, parties_with, pay, sign_in};
use crate::e2e::stage::{Base, on_both};
use crate::http::client::Call;

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_gives_a_token_or_says_why_not() {
    on_both(async |base| {
        let stage = open(base).await;
        let cases = [
            (json!({"login": "cc_user", "password": PASSWORD}), "200"),
            (json!({"login": "cc_user", "password": "wrong"}), "401 INVALID_CREDENTIALS"),
            (json!({"login": "CC_USER", "password": PASSWORD}), "404 USER_NOT_FOUND"),
            (json!({"login": "nobody", "password": PASSWORD}), "404 USER_NOT_FOUND"),
            (json!({"login": "cc_user"}), "400 BAD_REQUEST"),
            (json!({"login": "cc_user", "password": ""}), "401 INVALID_CREDENTIALS"),
            (json!({"login": "cc_user", "password": "x".repeat(257)}), "400 BAD_REQUEST"),
            (json!({"login": 7, "password": PASSWORD}), "400 BAD_REQUEST"),
            (json!(["cc_user", PASSWORD]), "400 BAD_REQUEST"),
            (Value::Null, "400 BAD_REQUEST"),
        ];
        for (body, expected) in cases {
            let response = Call::new("POST", "/api/v1/auth/sign-in").json(&body).send(&stage).await;
            assert_eq!(code(&response), expected, "{body}");
        }
    })
    .await;
}

/// Operation, body, and the answer; in order, in one world.
fn calls() -> Vec<(&'static str, Value, &'static str)> {
    let with = |changes: Value| {
        let mut body = pay("562", "with");
        for (name, value) in changes.as_object().expect("changes") {
            body[name] = value.clone();
        }
        body
    };
    let long = "x".repeat(129);
    vec![
        ("check", json!({"id": "562", "currency": "KZT"}), "200"),
        ("check", json!({"id": 562, "currency": "KZT", "more": {}}), "200"),
        ("check", json!({"id": "563", "currency": "KZT"}), "404 PRODUCT_OFFER_NOT_FOUND"),
        ("check", json!({"id": "sold-out", "currency": "KZT"}), "409 PRODUCT_OFFER_OUT_OF_STOCK"),
        ("check", json!({"id": "562", "currency": "EUR"}), "400 WRONG_CURRENCY"),
        ("check", json!({"id": "563", "currency": "EUR"}), "400 WRONG_CURRENCY"),
        ("check", json!({"id": "562", "currency": "kzt"}), "400 BAD_REQUEST"),
        ("check", json!({"id": "562"}), "400 BAD_REQUEST"),
        ("check", json!({"currency": "KZT"}), "400 BAD_REQUEST"),
        ("check", json!({"id": "", "currency": "KZT"}), "400 BAD_REQUEST"),
        ("check", json!({"id": long, "currency": "KZT"}), "400 BAD_REQUEST"),
        ("check", json!({"id": true, "currency": "KZT"}), "400 BAD_REQUEST"),
        ("check", json!(["562", "KZT"]), "400 BAD_REQUEST"),
        ("pay", pay("562", "one"), "201"),
        ("pay", pay("562", "one"), "409 PRODUCT_OFFER_TXN_DUPLICATE"),
        ("pay", pay("last-one", "one"), "409 PRODUCT_OFFER_TXN_DUPLICATE"),
        ("pay", with(json!({"txnId": "one", "count": 2})), "409 PRODUCT_OFFER_TXN_DUPLICATE"),
        // A price that no price can be does not hide it.
        ("pay", with(json!({"txnId": "one", "price": 956.301})), "409 PRODUCT_OFFER_TXN_DUPLICATE"),
        ("pay", with(json!({"txnId": "one", "price": 0, "id": "563"})), "409 PRODUCT_OFFER_TXN_DUPLICATE"),
        ("pay", pay("563", "two"), "404 PRODUCT_OFFER_NOT_FOUND"),
        ("pay", with(json!({"id": "563", "price": 1})), "404 PRODUCT_OFFER_NOT_FOUND"),
        ("pay", with(json!({"id": "563", "price": 0})), "404 PRODUCT_OFFER_NOT_FOUND"),
        ("pay", with(json!({"price": 956.31})), "409 PRODUCT_OFFER_WRONG_PRICE"),
        ("pay", with(json!({"price": 956.301})), "409 PRODUCT_OFFER_WRONG_PRICE"),
        ("pay", with(json!({"price": 0})), "409 PRODUCT_OFFER_WRONG_PRICE"),
        ("pay", with(json!({"price": -956.3})), "409 PRODUCT_OFFER_WRONG_PRICE"),
        ("pay", with(json!({"price": "99999999999999999999999999"})), "409 PRODUCT_OFFER_WRONG_PRICE"),
        ("pay", with(json!({"price": 1, "count": 99})), "409 PRODUCT_OFFER_WRONG_PRICE"),
        ("pay", with(json!({"price": "956,3"})), "400 BAD_REQUEST"),
        ("pay", with(json!({"price": null})), "400 BAD_REQUEST"),
        ("pay", with(json!({"currency": "EUR"})), "400 WRONG_CURRENCY"),
        ("pay", with(json!({"currency": "tenge"})), "400 BAD_REQUEST"),
        ("pay", with(json!({"txnId": ""})), "400 BAD_REQUEST"),
        ("pay", with(json!({"txnId": "a\u{0}"})), "400 BAD_REQUEST"),
        ("pay", with(json!({"txnId": long})), "400 BAD_REQUEST"),
        ("pay", with(json!({"txnId": null})), "400 BAD_REQUEST"),
        ("pay", with(json!({"count": 0})), "400 BAD_REQUEST"),
        ("pay", with(json!({"count": -1})), "400 BAD_REQUEST"),
        ("pay", with(json!({"count": 1.5})), "400 BAD_REQUEST"),
        ("pay", with(json!({"count": "2"})), "400 BAD_REQUEST"),
        ("pay", with(json!({"count": 101})), "400 BAD_REQUEST"),
        ("pay", with(json!({"count": 100})), "409 PRODUCT_OFFER_OUT_OF_STOCK"),
        ("pay", with(json!({"id": "sold-out", "price": 1})), "409 PRODUCT_OFFER_OUT_OF_STOCK"),
        // Six are left. What was refused may be asked again under the same txnId.
        ("pay", with(json!({"count": 7})), "409 PRODUCT_OFFER_OUT_OF_STOCK"),
        ("pay", with(json!({"count": 2, "price": "956.30"})), "201"),
        ("pay", with(json!({"count": null, "price": 9563e-1, "txnId": 1700220589699083777_u64})), "201"),
        ("check", json!({"id": "562", "currency": "KZT"}), "200"),
        ("keys", json!({"orderId": "1"}), "404 PRODUCT_OFFER_ORDER_NOT_FOUND"),
        ("keys", json!({"orderId": -1}), "404 PRODUCT_OFFER_ORDER_NOT_FOUND"),
        ("keys", json!({"orderId": "99999999999999999999"}), "404 PRODUCT_OFFER_ORDER_NOT_FOUND"),
        ("keys", json!({"orderId": 1.5}), "400 BAD_REQUEST"),
        ("keys", json!({"orderId": "one"}), "400 BAD_REQUEST"),
        ("keys", json!({"orderId": null}), "400 BAD_REQUEST"),
        ("keys", json!({}), "400 BAD_REQUEST"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_gets_its_code() {
    on_both(async |base| {
        let stage = open(base).await;
        let token = sign_in(&stage, "cc_user").await;
        for (operation, body, expected) in calls() {
            let response = call(&stage, &token, operation, &body).await;
            assert_eq!(code(&response), expected, "{operation} {body}: {}", response.text());
        }
        // One, two and one key were bought; everything else moved nothing.
        assert_eq!(stage.balance("acme", "cc_user", "KZT").await, 1_000_000 - 4 * 95_630);
        let left = call(&stage, &token, "check", &json!({"id": "562", "currency": "KZT"})).await;
        assert_eq!(left.text(), r#"{"count":3,"price":956.3}"#);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_bought_can_be_fetched_by_its_buyer_alone() {
    on_both(async |base| {
        let stage = open(base).await;
        let token = sign_in(&stage, "cc_user").await;
        let rival = sign_in(&stage, "rival").await;
        let one = call(&stage, &token, "pay", &pay("562", "one")).await.json();
        let mut two = pay("562", "two");
        two["count"] = 2.into();
        let two = call(&stage, &token, "pay", &two).await.json();
        for _ in 0..2 {
            let keys = call(&stage, &token, "keys", &one).await;
            assert_eq!(keys.text(), r#"{"keys":"XBBRF-MR09R-NX8V1"}"#);
            let keys = call(&stage, &token, "keys", &two).await;
            assert_eq!(keys.text(), r#"{"keys":["XBBRF-MR09R-NX8V2","XBBRF-MR09R-NX8V3"]}"#);
        }
        let theirs = call(&stage, &rival, "keys", &one).await;
        assert_eq!(code(&theirs), "404 PRODUCT_OFFER_ORDER_NOT_FOUND");
        // The message of a duplicate leads to an order whose reply was lost; but not for other data.
        let order = one["orderId"].to_string();
        let lost = call(&stage, &token, "pay", &pay("562", "one")).await.text();
        assert!(lost.contains(&format!("order {order}")), "{lost}");
        let other = call(&stage, &token, "pay", &pay("last-one", "one")).await.text();
        assert!(!other.contains(&order), "{other}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partners_pay_from_their_own_accounts_and_name_their_own_transactions() {
    on_both(async |base| {
        let stage = open(base).await;
        let (token, rival) = (sign_in(&stage, "cc_user").await, sign_in(&stage, "rival").await);
        assert_eq!(code(&call(&stage, &token, "pay", &pay("562", "same")).await), "201");
        let unopened = call(&stage, &rival, "pay", &pay("562", "same")).await;
        assert_eq!(code(&unopened), "409 INSUFFICIENT_FUNDS");
        stage.add_player("acme", "rival-pays").await;
        assert_eq!(code(&call(&stage, &rival, "pay", &pay("562", "same")).await), "409 INSUFFICIENT_FUNDS");
        stage.deposit("acme", "rival-pays", "956.29", "KZT").await;
        assert_eq!(code(&call(&stage, &rival, "pay", &pay("562", "same")).await), "409 INSUFFICIENT_FUNDS");
        stage.deposit("acme", "rival-pays", "0.01", "KZT").await;
        assert_eq!(code(&call(&stage, &rival, "pay", &pay("562", "same")).await), "201");
        assert_eq!(stage.balance("acme", "rival-pays", "KZT").await, 0);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nothing_is_read() {
    on_both(async |base| {
        let stage = open(base).await;
        let token = sign_in(&stage, "cc_user").await;
        let changed = format!("{}x", token);
        for operation in ["check", "pay", "keys"] {
            for bad in ["", "x", "a.b.c", &changed, &token.replace('.', ",")] {
                let response = call(&stage, bad, operation, &json!("no request")).await;
                assert_eq!(code(&response), "401 UNAUTHORIZED", "{operation} {bad}");
                assert_eq!(response.header("www-authenticate"), "Bearer");
            }
            let path = format!("/api/v1/partner/product-offers/{operation}");
            assert_eq!(code(&Call::new("POST", path.clone()).send(&stage).await), "401 UNAUTHORIZED");
            let basic = Call::new("POST", path).header("authorization", format!("Basic {token}"));
            assert_eq!(code(&basic.send(&stage).await), "401 UNAUTHORIZED");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_taken_out_or_given_a_new_password_is_signed_out() {
    let mut stage = open(Base::Sqlite).await;
    let (token, rival) = (sign_in(&stage, "cc_user").await, sign_in(&stage, "rival").await);
    let question = json!({"id": "562", "currency": "KZT"});
    for token in [&token, &rival] {
        assert_eq!(code(&call(&stage, token, "check", &question).await), "200");
    }
    stage.stop().await;
    let renewed = parties_with(&password::hash("new").expect("a hash"), KEYS_SECRET).replace("\"rival\"", "\"gone\"");
    stage.reconfigure(&renewed);
    stage.serve();
    stage.until_ready().await;
    for token in [&token, &rival] {
        assert_eq!(code(&call(&stage, token, "check", &question).await), "401 UNAUTHORIZED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_answered_in_the_same_shape() {
    let stage = open(Base::Sqlite).await;
    let token = sign_in(&stage, "cc_user").await;
    let huge = json!({ "id": "562", "currency": "KZT", "padding": "x".repeat(20_000) });
    for (response, expected) in [
        (Call::new("GET", "/api/v1/auth/sign-in").send(&stage).await, "405 METHOD_NOT_ALLOWED"),
        (Call::new("POST", "/api/v1/partner/nothing").send(&stage).await, "404 NOT_FOUND"),
        (call(&stage, &token, "check", &huge).await, "413 TOO_LARGE"),
    ] {
        assert_eq!(code(&response), expected);
    }
}
