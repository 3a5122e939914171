//! Every code, and which goes first.

use serde_json::{Value, json};

use super::{QuickPlay, SECRET, code, open, sign, token};
use crate::e2e::stage::on_both;
use crate::http::client::{Call, now};

/// A transaction with some members changed; null takes one away.
fn with(kind: i32, id: &str, changes: Value) -> Value {
    let mut data = QuickPlay::transaction(kind, id);
    for (name, value) in changes.as_object().expect("changes") {
        let members = data.as_object_mut().expect("an object");
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    data
}

/// What is changed in an entry that would succeed, and the code that it then gets.
fn shapes() -> Vec<(Value, u64)> {
    let long = "x".repeat(129);
    vec![
        (json!({"partner": "other"}), 1),
        (json!({"partner": null}), 1),
        (json!({"partner": {}}), 7),
        (json!({"token": null}), 2),
        (json!({"token": 7}), 2),
        (json!({"token": "a.b.c"}), 2),
        (json!({"token": ""}), 2),
        (json!({"token": token("other", 3600)}), 2),
        (
            json!({"token": sign(&json!({"sub": "555", "exp": now() + 3600}), b"another secret, of more than thirty-two bytes")}),
            2,
        ),
        (json!({"token": sign(&json!({"sub": "555", "nbf": now() + 3600, "exp": now() + 7200}), SECRET)}), 2),
        (json!({"token": sign(&json!({"sub": "555", "party": "zenith"}), SECRET)}), 2),
        (json!({"token": token("555", -1)}), 6),
        (json!({"user_id": null}), 3),
        (json!({"user_id": "no such player at all, ever"}), 3),
        (json!({"user_id": "nobody", "token": token("nobody", 3600)}), 3),
        (json!({"user_id": true}), 7),
        (json!({"type": null}), 7),
        (json!({"type": 4}), 7),
        (json!({"type": -1}), 7),
        (json!({"type": 0.0}), 7),
        (json!({"type": "enter"}), 7),
        (json!({"amount": null}), 7),
        (json!({"amount": "10,00"}), 7),
        (json!({"amount": "1e1"}), 7),
        (json!({"amount": -0.01}), 7),
        (json!({"amount": 0.001}), 7),
        (json!({"amount": [10]}), 7),
        (json!({"amount": 100.01}), 4),
        (json!({"contest_id": null}), 7),
        (json!({"contest_id": ""}), 7),
        (json!({"contest_id": long}), 7),
        (json!({"transaction_id": null}), 7),
        (json!({"transaction_id": "a\u{0}b"}), 7),
        (json!({"transaction_id": long}), 7),
        (json!({"reference": {}}), 7),
        (json!({"type": 3, "reference": null}), 7),
        (json!({"type": 1, "amount": null}), 7),
        (json!({"type": 2, "contest_id": null}), 7),
        // The shape goes before the partner, the partner before the token, the token before the user.
        (json!({"amount": "?", "partner": "other"}), 7),
        (json!({"partner": "other", "token": null}), 1),
        (json!({"token": token("555", -1), "user_id": "other"}), 6),
        // Types 1 to 3 do not look at the token.
        (json!({"type": 2, "token": "a.b.c"}), 7),
        (json!({"type": 1, "token": "a.b.c", "user_id": "nobody"}), 3),
        (json!({"type": 1, "token": {"a": 1}, "contest_id": "won"}), 0),
        (json!({"type": 3, "token": token("555", -1), "amount": null, "contest_id": null}), 0),
        // An unknown member is none of our business.
        (json!({"amount": "0", "game": {"deep": [1]}}), 0),
        (json!({"amount": 1e1, "contest_id": 7, "type": "0"}), 0),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transaction_that_lacks_something_gets_its_code() {
    on_both(async |base| {
        let quickplay = open(base).await;
        for (at, (changes, expected)) in shapes().into_iter().enumerate() {
            let data = with(0, &format!("shape-{at}"), changes.clone());
            let response = quickplay.call("transaction", &data).await;
            assert_eq!(code(&response), expected, "{changes}: {}", response.text());
        }
        // The win and the rollback moved +10, the last entry -10.
        assert_eq!(quickplay.stage.balance("acme", "555", "EUR").await, 10_000);
        quickplay.stage.audit().await;
    })
    .await;
}

/// The body with a field's name for each `FIELD`.
fn in_field(body: &[u8], field: &str) -> Vec<u8> {
    let mut body = body.to_vec();
    while let Some(at) = body.windows(5).position(|word| word == b"FIELD") {
        body.splice(at..at + 5, field.bytes());
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_calls_are_refused() {
    let bodies: &[&[u8]] = &[
        b"",
        b"{}",
        b"null",
        b"[]",
        b"{\"data\": null}",
        b"{\"data\": []}",
        b"[{\"token\": \"x\"}]",
        b"{\"data\": {\"FIELD\": 1, \"FIELD\": 2}}",
        b"{\"data\": {}, \"data\": {}}",
        b"{\"data\": {}} {}",
        b"{\"data\": {\"FIELD\": \"\xff\"}}",
        b"{\"data\": {\"FIELD\": \"\\ud800\"}}",
    ];
    on_both(async |base| {
        let quickplay = open(base).await;
        for (operation, field) in [("auth", "token"), ("user-details", "user_id"), ("transaction", "user_id")] {
            for body in bodies {
                let body = in_field(body, field);
                let response = quickplay.send(operation, body.clone()).await;
                assert_eq!(code(&response), 7, "{operation} {}", String::from_utf8_lossy(&body));
            }
            let deep = format!("{{\"data\": {}{}}}", "[".repeat(20_000), "]".repeat(20_000));
            assert_eq!(code(&quickplay.send(operation, deep).await), 7);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_told_by_token_and_by_id() {
    on_both(async |base| {
        let quickplay = open(base).await;
        let seen = r#"{"data":{"id":"555","balance":100,"username":"Testuser"}}"#;
        for (operation, data) in [
            ("auth", json!({"token": token("555", 60)})),
            ("user-details", json!({"user_id": "555"})),
            ("user-details", json!({"user_id": 555})),
            ("user-details", json!({"user": 555})),
            ("user-details", json!({"user_id": "555", "user": "other"})),
        ] {
            let response = quickplay.call(operation, &data).await;
            assert_eq!((response.status, &*response.text()), (200, seen), "{operation} {data}");
        }
        for (operation, data, expected) in [
            ("auth", json!({}), 2),
            ("auth", json!({"token": "x"}), 2),
            ("auth", json!({"token": token("555", -1)}), 6),
            ("auth", json!({"token": token("nobody", 60)}), 3),
            ("user-details", json!({}), 3),
            ("user-details", json!({"user_id": "nobody"}), 3),
            ("user-details", json!({"user_id": ""}), 3),
            ("user-details", json!({"user_id": "far too long to be a player's id"}), 3),
            ("user-details", json!({"user_id": "5\u{0}5"}), 3),
        ] {
            let response = quickplay.call(operation, &data).await;
            assert_eq!(code(&response), expected, "{operation} {data}");
        }
        // No username: the nickname, else the id.
        let add = ["player", "add", "--party", "acme", "--player"];
        quickplay.stage.done(&[&add[..], &["nick", "--nickname", "Nick"]].concat()).await;
        quickplay.stage.add_player("acme", "plain").await;
        for (player, username) in [("nick", "Nick"), ("plain", "plain")] {
            let told = quickplay.call("user-details", &json!({"user_id": player})).await.json();
            assert_eq!(told, json!({"data": {"id": player, "balance": 0, "username": username}}));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_may_come_as_a_header() {
    on_both(async |base| {
        let quickplay = open(base).await;
        let body = json!({"data": {}}).to_string();
        let asked = quickplay.signed("auth", body).header("token", token("555", 60)).send(&quickplay.stage).await;
        assert_eq!(code(&asked), 0);
        let mut entry = QuickPlay::transaction(0, "by-header");
        entry["token"] = Value::Null;
        let body = json!({ "data": entry }).to_string();
        let call = quickplay.signed("transaction", body.clone()).header("token", token("555", -1));
        assert_eq!(code(&call.send(&quickplay.stage).await), 6);
        let call = quickplay.signed("transaction", body).header("token", token("555", 60));
        assert_eq!(code(&call.send(&quickplay.stage).await), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_answered_in_the_same_shape() {
    on_both(async |base| {
        let quickplay = open(base).await;
        let huge = json!({"data": {"user_id": "555", "padding": "x".repeat(70_000)}}).to_string();
        for (call, status) in [
            (Call::new("GET", "/quickplay/auth"), 405),
            (Call::new("POST", "/quickplay/nothing"), 404),
            (quickplay.signed("user-details", huge), 413),
        ] {
            let response = call.send(&quickplay.stage).await;
            assert_eq!((response.status, response.json()["error"]["code"].as_u64()), (status, Some(u64::from(status))));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_tokens_nor_signatures_are_logged() {
    on_both(async |base| {
        let quickplay = open(base).await;
        let token = token("555", 60);
        let body = json!({"data": {"token": token}}).to_string();
        let signature = quickplay.signer.sign(body.as_bytes(), "sha256");
        assert_eq!(code(&quickplay.send("auth", body).await), 0);
        let log = quickplay.stage.log();
        assert!(log.contains("quickplay") && !log.contains(&token) && !log.contains(&signature), "{log}");
    })
    .await;
}
