//! The partner API proper: profile and VIP.

use serde_json::json;

use super::partner::{form, open, profile, tokens_of, with};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::http::client::{Call, Response};

async fn buy(stage: &Stage, token: &str, level: &str, key: Option<&str>) -> Response {
    let mut call = form("/partner/1/vip", &with(&[("access_token", token), ("level", level)], &[]));
    if let Some(key) = key {
        call = call.header("idempotency-key", key);
    }
    call.send(stage).await
}

/// Whether it was done, and what was said.
fn said(response: &Response) -> (u16, bool, String) {
    let body = response.json();
    let members: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["message", "success"]);
    let message = body["message"].as_str().expect("a text").to_owned();
    let success = body["success"].as_bool().expect("a truth");
    assert_eq!(success, message.is_empty(), "what is refused says why");
    (response.status, success, message)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_tells_balances_as_exact_numbers() {
    on_both(async |base| {
        let stage = open(base).await;
        let (alice, _) = tokens_of(&stage, "alice", &[]).await;
        let response = profile(&stage, &alice).await;
        let expected = "{\"success\":true,\"message\":\"\",\"nickname\":\"Ali\",\"email\":\"ali@example.com\",\
                        \"gender\":\"female\",\"vip\":null,\"goplay_token\":30,\"free_goplay_token\":5}";
        assert_eq!((response.status, response.text()), (200, expected.to_owned()));
        assert_eq!(
            (response.header("content-type"), response.header("cache-control")),
            ("application/json", "no-store")
        );
        let (bob, _) = tokens_of(&stage, "bob", &[]).await;
        stage.deposit("acme", "bob", "92233720368547758.07", "GPT").await;
        let expected = "{\"success\":true,\"message\":\"\",\"nickname\":\"\",\"email\":\"\",\"gender\":\"\",\
                        \"vip\":null,\"goplay_token\":92233720368547758.07,\"free_goplay_token\":0}";
        assert_eq!(
            profile(&stage, &bob).await.text(),
            expected,
            "no float on the way, and what was not given is empty"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_comes_in_one_way_of_three() {
    on_both(async |base| {
        let stage = open(base).await;
        let (token, _) = tokens_of(&stage, "bob", &[]).await;
        let path = |query: &str| format!("/partner/1/profile?{query}");
        let (bearer, query) = (format!("Bearer {token}"), format!("access_token={token}"));
        let twice = format!("{query}&{query}");
        for (name, query, authorization, status) in [
            ("query", query.as_str(), None, 200),
            ("header", "", Some(bearer.as_str()), 200),
            ("none", "", None, 401),
            ("empty", "access_token=", None, 401),
            ("unknown", "access_token=x", None, 401),
            ("unknown bearer", "", Some("Bearer x"), 401),
            ("query and header", query.as_str(), Some(bearer.as_str()), 400),
            ("twice in the query", twice.as_str(), None, 400),
            ("another scheme", "", Some("Basic x"), 400),
            ("another scheme beside", query.as_str(), Some("Basic x"), 400),
        ] {
            let mut call = Call::new("GET", path(query));
            if let Some(authorization) = authorization {
                call = call.header("authorization", authorization);
            }
            let response = call.send(&stage).await;
            assert_eq!(response.status, status, "{name}: {}", response.text());
            if status != 200 {
                assert!(!said(&response).1);
                assert!(response.header("www-authenticate").starts_with("Bearer "), "{name}");
            }
        }
        let both = form(&format!("/partner/1/vip?{query}"), &with(&[("access_token", &token), ("level", "gold")], &[]));
        assert_eq!(said(&both.send(&stage).await).0, 400);
        for call in [
            form(&format!("/partner/1/vip?{query}"), &with(&[("level", "gold")], &[])),
            form("/partner/1/vip", &with(&[("level", "gold")], &[])).bearer(&token),
        ] {
            assert_eq!(said(&call.send(&stage).await), (200, false, "The player has too few GoPlay Tokens".to_owned()));
        }
        let elsewhere = Call::new("GET", "/emca/partner/1/profile").bearer(&token).send(&stage).await;
        assert_eq!(said(&elsewhere).0, 401, "a party's tokens are good with that party alone");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_it_was_granted_for() {
    on_both(async |base| {
        let stage = open(base).await;
        let (looks, _) = tokens_of(&stage, "alice", &[("scope", "profile")]).await;
        let (buys, _) = tokens_of(&stage, "alice", &[("scope", "vip")]).await;
        assert_eq!(profile(&stage, &looks).await.status, 200);
        let (refused, bought) = (profile(&stage, &buys).await, buy(&stage, &looks, "gold", None).await);
        for (response, scope) in [(refused, "profile"), (bought, "vip")] {
            assert_eq!(said(&response).0, 403);
            let challenge = response.header("www-authenticate");
            assert!(challenge.contains("insufficient_scope") && challenge.contains(scope), "{challenge}");
        }
        assert_eq!(said(&buy(&stage, &buys, "gold", None).await), (200, true, String::new()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_higher_level_is_bought_or_nothing_is_spent() {
    on_both(async |base| {
        let stage = open(base).await;
        let (token, _) = tokens_of(&stage, "alice", &[]).await;
        let not_higher = "The player has this VIP level or a higher one";
        for (level, message, balance, vip) in [
            ("platinum", "There is no such VIP level", 3000, None),
            ("", "There is no such VIP level", 3000, None),
            ("Gold", "There is no such VIP level", 3000, None),
            ("standard", "", 2000, Some("standard")),
            ("standard", not_higher, 2000, Some("standard")),
            ("gold", "The player has too few GoPlay Tokens", 2000, Some("standard")),
        ] {
            let (status, success, said) = said(&buy(&stage, &token, level, None).await);
            assert_eq!((status, success, said.as_str()), (200, message.is_empty(), message), "{level}");
            let shown = profile(&stage, &token).await.json();
            assert_eq!((shown["vip"].as_str(), stage.balance("acme", "alice", "GPT").await), (vip, balance), "{level}");
        }
        stage.deposit("acme", "alice", "5.00", "GPT").await;
        assert_eq!(said(&buy(&stage, &token, "gold", None).await), (200, true, String::new()));
        assert_eq!(said(&buy(&stage, &token, "standard", None).await).2, not_higher);
        let shown = profile(&stage, &token).await.json();
        assert_eq!((shown["vip"].as_str(), shown["goplay_token"].as_i64()), (Some("gold"), Some(0)));
        assert_eq!(shown["free_goplay_token"], 5, "free tokens pay for nothing");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_with_a_key_happens_once() {
    on_both(async |base| {
        let stage = open(base).await;
        let (alice, _) = tokens_of(&stage, "alice", &[]).await;
        let (bob, _) = tokens_of(&stage, "bob", &[]).await;
        stage.deposit("acme", "bob", "10.00", "GPT").await;
        for _ in 0..3 {
            assert_eq!(said(&buy(&stage, &alice, "standard", Some("order 7")).await), (200, true, String::new()));
        }
        assert_eq!(stage.balance("acme", "alice", "GPT").await, 2000);
        let reused = "This Idempotency-Key was used for another level";
        assert_eq!(said(&buy(&stage, &alice, "gold", Some("order 7")).await), (200, false, reused.to_owned()));
        assert!(said(&buy(&stage, &bob, "standard", Some("order 7")).await).1, "another player's key is another key");
        assert!(!said(&buy(&stage, &bob, "gold", Some("order 8")).await).1);
        stage.deposit("acme", "bob", "25.00", "GPT").await;
        assert!(said(&buy(&stage, &bob, "gold", Some("order 8")).await).1, "what was refused may be asked again");
        for key in [&"k".repeat(256), "", "é"] {
            assert_eq!(said(&buy(&stage, &alice, "gold", Some(key)).await).0, 400, "{key}");
        }
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_form_is_told_so() {
    let stage = open(Base::Sqlite).await;
    let (token, _) = tokens_of(&stage, "alice", &[]).await;
    let call = Call::new("POST", "/partner/1/vip").bearer(&token).json(&json!({ "level": "gold" }));
    assert_eq!(said(&call.send(&stage).await).0, 400);
    let long = form("/partner/1/vip", &with(&[("level", "gold"), ("else", &"x".repeat(70_000))], &[]));
    let response = long.bearer(&token).send(&stage).await;
    assert_eq!((response.status, response.json()["success"].as_bool()), (413, Some(false)));
}
