use purser::config::Role;
use serde_json::{Value, json};

use super::{form, get, input, page, post, sign_in};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::http::admin::looks::{adjustment, rpc};
use crate::http::admin::{open, shown};

const DEPOSITS: &str = "/parties/acme/players/alice/deposits";

#[tokio::test(flavor = "multi_thread")]
async fn a_form_from_another_site_does_nothing() {
    let stage = open(Base::Sqlite).await;
    let cookie = sign_in(&stage, Role::Admin).await;
    let pairs = [("amount", "1.00"), ("currency", "CHF"), ("key", "k"), ("reason", "a test")];
    let own = stage.url("");
    for headers in [
        &[][..],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", &*own)],
    ] {
        for path in [DEPOSITS, "/sign-out"] {
            let call = headers.iter().fold(form(path, &pairs), |call, (name, value)| call.header(name, *value));
            let response = call.header("cookie", &*cookie).send(&stage).await;
            assert_eq!(response.status, 403, "{path} {headers:?}");
        }
    }
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_000);
    page(&stage, &cookie, "/").await;
    let signed_in = form("/sign-in", &[("token", &crate::http::admin::token(Role::Viewer))]);
    assert_eq!(signed_in.header("sec-fetch-site", "cross-site").send(&stage).await.status, 403);

    let with_origin = form(DEPOSITS, &pairs).header("cookie", &*cookie).header("origin", own).send(&stage).await;
    assert_eq!(with_origin.status, 303, "{}", with_origin.text());
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_twice_moves_once() {
    on_both(async |base| {
        let stage = open(base).await;
        let cookie = sign_in(&stage, Role::Operator).await;
        let path = "/parties/acme/players/alice";
        let key = input(&page(&stage, &cookie, path).await, "key");
        assert_ne!(key, input(&page(&stage, &cookie, path).await, "key"), "each page's form is another");
        let pairs =
            [("amount", "12.50"), ("currency", "CHF"), ("bucket", "real"), ("key", &key), ("reason", "goodwill")];
        let clicks = (0..4).map(|_| post(&cookie, DEPOSITS, &pairs).send(&stage));
        for response in futures_util::future::join_all(clicks).await {
            assert_eq!((response.status, response.header("location")), (303, "../alice"), "{}", response.text());
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 11_250);
        let said = "Deposited 12.50 CHF (real). The balance was 112.50 CHF right after it.";
        assert!(page(&stage, &cookie, path).await.contains(said));
        assert!(!page(&stage, &cookie, path).await.contains(said), "it is said once");

        let too_much =
            [("amount", "500"), ("currency", "CHF"), ("bucket", "real"), ("key", "w"), ("reason", "clos<ing")];
        let withdrawals = format!("{path}/withdrawals");
        let refused = post(&cookie, &withdrawals, &too_much).send(&stage).await;
        let text = refused.text();
        assert_eq!(refused.status, 409, "{text}");
        assert!(text.contains("too little; nothing was moved") && text.contains("clos&#60;ing"), "{text}");
        assert!(text.contains("value=\"500\"") && text.contains("value=\"w\""), "what was typed is kept: {text}");
        let malformed =
            post(&cookie, DEPOSITS, &[("amount", "1.001"), ("currency", "CHF"), ("key", "m"), ("reason", "r")]);
        assert_eq!(malformed.send(&stage).await.status, 400);
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 11_250);
        let trail = shown(&stage, Role::Admin, "/trail").await;
        let done = |entry: &&Value| entry["who"] == "the-operator" && entry["detail"]["key"] == *key;
        let outcomes: Vec<&str> = trail["items"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(done)
            .filter_map(|e| e["outcome"].as_str())
            .collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.starts_with("done:")).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| outcome.starts_with("was done before")).count(), 3, "{outcomes:?}");
        stage.audit().await;
    })
    .await;
}

/// A payment whose partner asks to take it back; its number.
async fn queue_void(stage: &Stage, source: &Value, reference: &str) -> i64 {
    let paid = rpc(stage, "AdjustBalance", adjustment(3, reference, "2.5", source)).await;
    let number = paid["bet365_games_transaction_id"].clone();
    let queued = json!({ "transaction_type_id": 6, "source_bet365_games_transaction_id": number });
    rpc(stage, "QueueManualVoidReturn", queued).await;
    number.as_i64().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn voids_are_decided_with_a_reason() {
    on_both(async |base| {
        let stage = open(base).await;
        stage.done(&["player", "add", "--party", "acme", "--player", "77", "--currency", "GBP"]).await;
        stage.deposit("acme", "77", "10.00", "GBP").await;
        let staked = rpc(&stage, "AdjustBalance", adjustment(2, "stake", "-1", &json!(0))).await;
        let source = &staked["bet365_games_transaction_id"];
        let numbers = [queue_void(&stage, source, "first").await, queue_void(&stage, source, "second").await];
        let [viewer, approver] = [sign_in(&stage, Role::Viewer).await, sign_in(&stage, Role::Approver).await];
        let voids = page(&stage, &viewer, "/voids?party=acme").await;
        assert!(voids.contains("first") && !voids.contains("/approve\""), "{voids}");
        assert!(page(&stage, &approver, "/voids?party=acme").await.contains("/approve\""));

        let path = |number: i64, how: &str| format!("/parties/acme/voids/{number}/{how}");
        let silent = post(&approver, &path(numbers[0], "approve"), &[("reason", " ")]).send(&stage).await;
        assert_eq!((silent.status, silent.text().contains("say why")), (400, true), "{}", silent.text());
        assert_eq!(stage.balance("acme", "77", "GBP").await, 1_400);
        for (number, how) in [(numbers[0], "approve"), (numbers[1], "dismiss")] {
            let decided = post(&approver, &path(number, how), &[("reason", "ticket 12")]).send(&stage).await;
            assert_eq!(decided.status, 303, "{}", decided.text());
            assert_eq!(decided.header("location"), "../../../../voids?party=acme");
        }
        let after = page(&stage, &approver, "/voids?party=acme").await;
        assert!(after.contains("nothing was moved") && after.contains("None waits."), "{after}");
        assert_eq!(stage.balance("acme", "77", "GBP").await, 1_150);
        let otherwise = post(&approver, &path(numbers[0], "dismiss"), &[("reason", "r")]).send(&stage).await;
        assert_eq!(otherwise.status, 409, "{}", otherwise.text());
        assert!(otherwise.text().contains("was resolved before"), "{}", otherwise.text());
        let trail = get(&sign_in(&stage, Role::Admin).await, "/trail").send(&stage).await.text();
        assert!(trail.contains("reason ticket 12"), "{trail}");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_is_added_by_a_form() {
    on_both(async |base| {
        let stage = open(base).await;
        let [viewer, operator] = [sign_in(&stage, Role::Viewer).await, sign_in(&stage, Role::Operator).await];
        let asked = page(&stage, &operator, "/new-player?party=zenith").await;
        assert!(asked.contains("action=\"./parties/zenith/players\""), "{asked}");
        assert_eq!(get(&viewer, "/new-player").send(&stage).await.status, 403);
        assert!(!page(&stage, &viewer, "/").await.contains("new-player"));

        let path = "/parties/acme/players";
        let pairs = [("player", " b/b "), ("currency", "GBP"), ("username", "bob"), ("nickname", ""), ("email", "")];
        assert_eq!(post(&viewer, path, &pairs).send(&stage).await.status, 403);
        let elsewhere = form(path, &pairs).header("cookie", &*operator).header("sec-fetch-site", "cross-site");
        assert_eq!(elsewhere.send(&stage).await.status, 403);
        for (said, pairs) in [("Added player b/b.", &pairs[..]), ("There was this player already", &pairs[..3])] {
            let added = post(&operator, path, pairs).send(&stage).await;
            assert_eq!((added.status, added.header("location")), (303, "players/b%2Fb"), "{}", added.text());
            let shown = page(&stage, &operator, "/parties/acme/players/b%2Fb").await;
            assert!(
                shown.contains(said) && shown.contains("<dd>GBP</dd>") && shown.contains("<dd>bob</dd>"),
                "{shown}"
            );
        }
        for (pairs, status, says) in [
            ([("player", "b/b"), ("username", "bob2")], 409, "value=\"bob2\""),
            ([("player", "carl"), ("username", "bob")], 409, "another player"),
            ([("player", "carl"), ("currency", "XXX")], 400, "value=\"carl\""),
            ([("player", ""), ("username", "carl")], 400, "value=\"carl\""),
        ] {
            let refused = post(&operator, path, &pairs).send(&stage).await;
            let text = refused.text();
            assert_eq!((refused.status, text.contains(says)), (status, true), "{text}");
            assert!(text.contains("role=\"alert\""), "{text}");
        }
        stage.audit().await;
    })
    .await;
}
