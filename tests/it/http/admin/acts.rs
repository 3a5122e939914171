use purser::config::Role;
use serde_json::{Value, json};

use super::{get, open, post, problem, shown};
use crate::e2e::stage::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_moves_money_once_whoever_comes_with_it() {
    on_both(async |base| {
        let stage = open(base).await;
        let path = "/parties/acme/players/alice/deposits";
        let body = json!({ "amount": "12.50", "currency": "CHF", "key": "ticket-7", "reason": "goodwill" });
        let first = post(Role::Operator, path, &body).send(&stage).await;
        assert_eq!(first.status, 201, "{}", first.text());
        let expected = json!({
            "party": "acme", "player": "alice", "currency": "CHF", "bucket": "real", "amount": "12.50",
            "amount_minor": 1250, "balance": "112.50", "balance_minor": 11_250, "key": "ticket-7",
        });
        assert_eq!(first.json(), expected);
        // At once, by others and in other words for the same amount.
        let again: Vec<_> = (0..4).map(|_| post(Role::Admin, path, &body).send(&stage)).collect();
        for again in futures_util::future::join_all(again).await {
            assert_eq!((again.status, &again.body), (201, &first.body));
        }
        let other = json!({ "amount": "12.51", "currency": "CHF", "key": "ticket-7", "reason": "goodwill" });
        let (status, detail) = problem(&post(Role::Operator, path, &other).send(&stage).await);
        assert_eq!((status, detail.as_str()), (409, "this key was used before for another transfer"));
        let bonus = json!({ "amount": "1", "currency": "CHF", "bucket": "bonus", "key": "b", "reason": "bonus" });
        assert_eq!(post(Role::Operator, path, &bonus).send(&stage).await.json()["balance_minor"], 100);

        let path = "/parties/acme/players/alice/withdrawals";
        let all = json!({ "amount": "112.50", "currency": "CHF", "key": "w", "reason": "closing" });
        let withdrawn = post(Role::Operator, path, &all).send(&stage).await;
        assert_eq!((withdrawn.status, withdrawn.json()["balance_minor"].as_i64()), (201, Some(0)));
        let more = json!({ "amount": "0.01", "currency": "CHF", "key": "w2", "reason": "closing" });
        let (status, detail) = problem(&post(Role::Operator, path, &more).send(&stage).await);
        assert_eq!((status, detail.contains("0.00 CHF")), (409, true), "{detail}");
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 0);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_is_made_once_and_names_are_nobody_elses() {
    on_both(async |base| {
        let stage = open(base).await;
        let add = |body: Value| post(Role::Operator, "/parties/acme/players", &body).send(&stage);
        let bob = json!({ "player": "bob", "username": "bobby", "email": "bob@mail.example" });
        let (first, again) = (add(bob.clone()).await, add(bob).await);
        assert_eq!((first.status, first.json()["created"].as_bool()), (201, Some(true)));
        assert_eq!((again.status, again.json()["created"].as_bool()), (200, Some(false)));
        for (body, status, says) in [
            (json!({ "player": "bob", "username": "other" }), 409, "exists with other values"),
            (json!({ "player": "robert", "username": "bobby" }), 409, "username bobby is another player's"),
            (json!({ "player": "bobby" }), 409, "player bobby is another player's"),
            (json!({ "player": "carol", "currency": "JPY" }), 400, "not one of party acme's"),
            (json!({ "player": "dave", "username": "a\u{0}b" }), 400, "username must not contain U+0000"),
            (json!({ "player": "dave", "nickname": "a\u{0}b" }), 400, "nickname must not contain U+0000"),
            (json!({ "player": "dave", "email": "x".repeat(255) }), 400, "email must be at most 254 characters long"),
            (json!({ "player": "" }), 400, "player"),
            (json!({}), 400, "player"),
        ] {
            let (found, detail) = problem(&add(body).await);
            assert_eq!((found, detail.contains(says)), (status, true), "{base:?}: {detail}, not {says}");
        }
        let shown = shown(&stage, Role::Operator, "/parties/acme/players/bob").await;
        assert_eq!((&shown["username"], &shown["home_currency"]), (&json!("bobby"), &json!("CHF")));
        assert_eq!(get(Role::Viewer, "/parties/acme/players/robert").send(&stage).await.status, 404);
        stage.audit().await;
    })
    .await;
}
