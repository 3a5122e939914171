//! The token endpoint: every error, and that codes and refresh tokens work once, whoever races for them.

use futures_util::future::join_all;
use serde_json::json;

use super::partner::{
    ASKING, Page, REDIRECT, SECRET, VERIFIER, ask_token, basic, challenge_of, change, code_of, encode, error, execute,
    form, open, pair, profile, redeeming, refreshing, revoke, tokens_of, with,
};
use crate::e2e::stage::{Base, Stage, on_both, party};
use crate::http::client::Call;
use crate::patience::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_code_becomes_tokens_for_the_client_that_proves_itself_in_either_way() {
    on_both(async |base| {
        let stage = open(base).await;
        let encoded = "Basic dmlwLXNob3A6cyUyQmNyJTI1ZXQlM0ErMSUyNjIlM0Qz";
        for authorization in [encoded, &basic("vip-shop", SECRET), ""] {
            let in_header = !authorization.is_empty();
            let mut pairs = redeeming(&code_of(&stage, "alice", &[]).await);
            if in_header {
                pairs = change(&pairs, &[("client_secret", "")]);
            }
            let mut call = form("/oauth/token", &pairs);
            if in_header {
                call = call.header("authorization", authorization);
            }
            let response = call.send(&stage).await;
            let (access, refresh) = pair(&response);
            let expected = json!({
                "access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh,
                "scope": "profile vip",
            });
            assert_eq!(response.json(), expected);
            assert_eq!((response.header("cache-control"), response.header("pragma")), ("no-store", "no-cache"));
            assert_eq!((access.len(), refresh.len()), (43, 43), "256 bits each");
            assert_eq!(profile(&stage, &access).await.status, 200);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_the_client_gets_nothing() {
    on_both(async |base| {
        let stage = open(base).await;
        let good = redeeming(&code_of(&stage, "alice", &[]).await);
        let bare = change(&good, &[("client_id", ""), ("client_secret", "")]);
        let (request, client) = ((400, "invalid_request"), (401, "invalid_client"));
        for (name, pairs, authorization, expected) in [
            ("nobody", bare.clone(), None, client),
            ("no secret", change(&good, &[("client_secret", "")]), None, client),
            ("wrong secret", change(&good, &[("client_secret", "wrong")]), None, client),
            ("unknown", change(&good, &[("client_id", "nobody")]), None, client),
            ("wrong basic", bare.clone(), Some(basic("vip-shop", "wrong")), client),
            ("unknown basic", bare.clone(), Some(basic("nobody", SECRET)), client),
            ("no colon", bare.clone(), Some("Basic YWJj".to_owned()), client),
            ("not base64", bare.clone(), Some("Basic ???".to_owned()), client),
            ("bearer", bare.clone(), Some("Bearer x".to_owned()), client),
            ("two ways", good.clone(), Some(basic("vip-shop", SECRET)), request),
            ("two ids", change(&bare, &[("client_id", "other-shop")]), Some(basic("vip-shop", SECRET)), request),
        ] {
            for path in ["/oauth/token", "/oauth/revoke"] {
                let mut call = form(path, &pairs);
                if let Some(authorization) = &authorization {
                    call = call.header("authorization", authorization);
                }
                let (status, code) = error(&call.send(&stage).await);
                assert_eq!((status, code.as_str()), expected, "{name} {path}");
            }
        }
        assert_eq!(ask_token(&stage, &good).await.status, 200, "the code is still good");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_of_the_rfc_has_its_name() {
    on_both(async |base| {
        let stage = open(base).await;
        let good = redeeming(&code_of(&stage, "alice", &[]).await);
        let other = [("client_id", "other-shop"), ("client_secret", "another secret")];
        for (name, changes, expected) in [
            ("no grant type", vec![("grant_type", "")], "invalid_request"),
            ("another grant type", vec![("grant_type", "password")], "unsupported_grant_type"),
            ("no code", vec![("code", "")], "invalid_request"),
            ("no redirect_uri", vec![("redirect_uri", "")], "invalid_request"),
            ("no verifier", vec![("code_verifier", "")], "invalid_request"),
            ("unknown code", vec![("code", "x")], "invalid_grant"),
            ("another client's", other.to_vec(), "invalid_grant"),
            ("redirect", vec![("redirect_uri", "http://127.0.0.1:9000/callback")], "invalid_grant"),
            ("verifier", vec![("code_verifier", &challenge_of(VERIFIER))], "invalid_grant"),
            ("short verifier", vec![("code_verifier", "x")], "invalid_grant"),
            ("no refresh token", vec![("grant_type", "refresh_token")], "invalid_request"),
        ] {
            let (status, code) = error(&ask_token(&stage, &change(&good, &changes)).await);
            assert_eq!((status, code.as_str()), (400, expected), "{name}");
        }
        let twice = format!("{}&code=x", encode(&good));
        let call = Call::new("POST", "/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(error(&call.body(twice).send(&stage).await), (400, "invalid_request".to_owned()));
        let call = Call::new("POST", "/oauth/token").json(&json!({ "grant_type": "authorization_code" }));
        assert_eq!(error(&call.send(&stage).await), (400, "invalid_request".to_owned()));
        let elsewhere = form("/emca/oauth/token", &good).send(&stage).await;
        assert_eq!(error(&elsewhere), (400, "invalid_grant".to_owned()), "another party's client of the same name");
        let (_, refresh) = pair(&ask_token(&stage, &good).await);
        for (scope, expected) in [("admin", "invalid_scope"), ("vip admin", "invalid_scope")] {
            let (status, code) = error(&ask_token(&stage, &change(&refreshing(&refresh), &[("scope", scope)])).await);
            assert_eq!((status, code.as_str()), (400, expected), "{scope}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_use_of_a_code_ends_what_the_first_has_given() {
    on_both(async |base| {
        let stage = open(base).await;
        let code = code_of(&stage, "alice", &[]).await;
        let (access, refresh) = pair(&ask_token(&stage, &redeeming(&code)).await);
        let (newer, newest) = pair(&ask_token(&stage, &refreshing(&refresh)).await);
        assert_eq!(profile(&stage, &access).await.status, 200);
        let other = change(&redeeming(&code), &[("client_id", "other-shop"), ("client_secret", "another secret")]);
        assert_eq!(error(&ask_token(&stage, &other).await).1, "invalid_grant");
        assert_eq!(profile(&stage, &access).await.status, 200, "another client cannot end it");
        // Without the right verifier, too: it is the same code.
        let again = change(&redeeming(&code), &[("code_verifier", &"x".repeat(43))]);
        assert_eq!(error(&ask_token(&stage, &again).await), (400, "invalid_grant".to_owned()));
        for token in [access, newer] {
            assert_eq!(profile(&stage, &token).await.status, 401);
        }
        assert_eq!(error(&ask_token(&stage, &refreshing(&newest)).await).1, "invalid_grant");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_comes_again_ends_its_whole_family() {
    on_both(async |base| {
        let stage = open(base).await;
        let (first_access, first) = tokens_of(&stage, "alice", &[]).await;
        let (other_access, other) = tokens_of(&stage, "alice", &[]).await;
        let response = ask_token(&stage, &change(&refreshing(&first), &[("scope", "profile")])).await;
        assert_eq!(response.json()["scope"], "profile");
        let (second_access, second) = pair(&response);
        assert_eq!(ask_token(&stage, &refreshing(&second)).await.json()["scope"], "profile vip", "as it was granted");
        for token in [&first_access, &second_access] {
            assert_eq!(profile(&stage, token).await.status, 200);
        }
        assert_eq!(error(&ask_token(&stage, &refreshing(&first)).await), (400, "invalid_grant".to_owned()));
        for token in [&first_access, &second_access] {
            let response = profile(&stage, token).await;
            assert_eq!((response.status, response.json()["success"].as_bool()), (401, Some(false)));
        }
        assert_eq!(error(&ask_token(&stage, &refreshing(&second)).await).1, "invalid_grant");
        assert_eq!(profile(&stage, &other_access).await.status, 200, "another grant lives on");
        pair(&ask_token(&stage, &refreshing(&other)).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_ends_an_access_token_alone_and_a_refresh_token_with_its_family() {
    on_both(async |base| {
        let stage = open(base).await;
        let (access, refresh) = tokens_of(&stage, "alice", &[]).await;
        let (newer, newest) = pair(&ask_token(&stage, &refreshing(&refresh)).await);
        let others = [("token", newest.as_str()), ("client_id", "other-shop"), ("client_secret", "another secret")];
        let foreign = form("/oauth/revoke", &with(&others, &[])).send(&stage).await;
        assert_eq!((foreign.status, profile(&stage, &access).await.status), (200, 200), "not another client's to end");
        for token in [access.as_str(), &access, "unknown"] {
            let response = revoke(&stage, token).await;
            assert_eq!((response.status, response.text()), (200, String::new()));
        }
        assert_eq!((profile(&stage, &access).await.status, profile(&stage, &newer).await.status), (401, 200));
        assert_eq!(revoke(&stage, &newest).await.status, 200);
        assert_eq!(profile(&stage, &newer).await.status, 401);
        assert_eq!(error(&ask_token(&stage, &refreshing(&newest)).await).1, "invalid_grant");
        let nothing = [("client_id", "vip-shop"), ("client_secret", SECRET)];
        let response = form("/oauth/revoke", &with(&nothing, &[])).send(&stage).await;
        assert_eq!(error(&response), (400, "invalid_request".to_owned()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_tokens_have_their_time_and_are_forgotten_after_it() {
    on_both(async |base| {
        let stage = open(base).await;
        let late = code_of(&stage, "alice", &[]).await;
        execute(&stage, "UPDATE grant_tokens SET expires_at = expires_at - 60000000").await;
        assert_eq!(error(&ask_token(&stage, &redeeming(&late)).await), (400, "invalid_grant".to_owned()));
        let (access, refresh) = tokens_of(&stage, "alice", &[]).await;
        execute(&stage, "UPDATE grant_tokens SET expires_at = expires_at - 3600000000").await;
        assert_eq!(profile(&stage, &access).await.status, 401);
        let (access, refresh) = pair(&ask_token(&stage, &refreshing(&refresh)).await);
        execute(&stage, "UPDATE grant_tokens SET expires_at = expires_at - 2592000000000").await;
        assert_eq!(error(&ask_token(&stage, &refreshing(&refresh)).await).1, "invalid_grant");
        execute(&stage, "UPDATE grants SET expires_at = expires_at - 2600000000000").await;
        let page = Page::open(&stage, "", &with(&ASKING, &[])).await;
        assert_eq!(page.sign_in(&stage, "alice", super::partner::PASSWORD).await.status, 303);
        assert_eq!((rows(&stage, "grants").await, rows(&stage, "grant_tokens").await), (1, 1), "the new code alone");
        assert_eq!(profile(&stage, &access).await.status, 401);
    })
    .await;
}

/// The database took it, and the connection broke before it could say so: the program asks again.
#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_whose_answer_was_lost_is_a_repeat() {
    use purser::identity::grants::{Client, Exchange, GrantAct, GrantRefusal, Proof, TokenHash};
    use purser::identity::pkce::Challenge;
    on_both(async |base| {
        let stage = open(base).await;
        let code = code_of(&stage, "alice", &[]).await;
        let exchange = |access: &str| {
            let challenge = Challenge::of_verifier(VERIFIER);
            GrantAct::Exchange(Exchange {
                given: TokenHash::of(&code),
                proof: Proof::Code { redirect_uri: REDIRECT.to_owned(), challenge },
                client: Client { party: party("acme"), id: "vip-shop".into() },
                access: TokenHash::of(access),
                refresh: TokenHash::of("refresh"),
                at: purser::clock::now(),
            })
        };
        let carry_out = async |act: GrantAct| {
            let carrying = stage.database.query(move |conn| purser::storage::grants::carry_out(conn, &act));
            carrying.await.expect("an answer").map(|granted| granted.scope.to_string())
        };
        for _ in 0..2 {
            assert_eq!(carry_out(exchange("access")).await, Ok("profile vip".to_owned()));
            assert_eq!(profile(&stage, "access").await.status, 200);
        }
        assert_eq!(carry_out(exchange("another")).await, Err(GrantRefusal::Spent));
        assert_eq!(profile(&stage, "access").await.status, 401);
    })
    .await;
}

async fn rows(stage: &Stage, table: &'static str) -> i64 {
    use diesel::prelude::*;
    use purser::storage::queries::AnyConnection;
    use purser::storage::schema::{grant_tokens, grants};
    let counting = stage.database.query(move |conn| {
        let counted: QueryResult<i64> = match (conn, table) {
            (AnyConnection::Sqlite(conn), "grants") => grants::table.count().get_result(conn),
            (AnyConnection::Sqlite(conn), _) => grant_tokens::table.count().get_result(conn),
            (AnyConnection::Postgres(conn), "grants") => grants::table.count().get_result(conn),
            (AnyConnection::Postgres(conn), _) => grant_tokens::table.count().get_result(conn),
        };
        Ok(counted.expect("counted"))
    });
    counting.await.expect("counted")
}

/// Everybody at once, spread over two processes on one database.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_exchange_the_same_text_at_once_one_is_first() {
    on_both(async |base| {
        let stage = open(base).await;
        let (second, address) = second_process(&stage).await;
        for round in 0..3 {
            let code = code_of(&stage, "bob", &[]).await;
            let given = race(&stage, &address, &redeeming(&code)).await;
            assert_eq!(given.len(), 1, "{base:?} {round}: a code");
            assert_eq!(profile(&stage, &given[0].0).await.status, 401, "the others' use has ended it");
            let (_, refresh) = tokens_of(&stage, "bob", &[]).await;
            let given = race(&stage, &address, &refreshing(&refresh)).await;
            assert_eq!(given.len(), 1, "{base:?} {round}: a refresh token");
            assert_eq!(error(&ask_token(&stage, &refreshing(&given[0].1)).await).1, "invalid_grant");
        }
        assert_eq!(second.terminate().await.code(), Some(0));
    })
    .await;
}

async fn second_process(stage: &Stage) -> (crate::e2e::process::Serving, String) {
    let second = stage.another_process("second");
    let config = std::fs::read_to_string(stage.file("second.toml")).expect("its configuration");
    let listen = config.split("listen = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
    let address = format!("http://{listen}");
    until("the second process is ready", async || {
        reqwest::get(format!("{address}/readyz")).await.is_ok_and(|response| response.status() == 200)
    })
    .await;
    (second, address)
}

/// The pairs of tokens that eight callers at once were given.
async fn race(stage: &Stage, second: &str, pairs: &[(String, String)]) -> Vec<(String, String)> {
    let body = encode(pairs);
    let client = reqwest::Client::new();
    let addresses = [stage.url("/oauth/token"), format!("{second}/oauth/token")];
    let calls = (0..8).map(|number| {
        let form = "application/x-www-form-urlencoded";
        let call = client.post(&addresses[number % 2]).header("content-type", form).body(body.clone());
        async move { call.send().await.expect("an answer").bytes().await.expect("a body") }
    });
    let bodies = join_all(calls).await.into_iter();
    let read = bodies.map(|body| serde_json::from_slice::<serde_json::Value>(&body).expect("JSON"));
    read.filter_map(|body| {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        assert!(body["access_token"].is_string() || body["error"] == "invalid_grant", "{body}");
        text("access_token").zip(text("refresh_token"))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_handed_out_is_kept_or_logged() {
    let stage = open(Base::Sqlite).await;
    let code = code_of(&stage, "alice", &[]).await;
    let (access, refresh) = pair(&ask_token(&stage, &redeeming(&code)).await);
    let query = format!("/partner/1/profile?access_token={access}");
    assert_eq!(Call::new("GET", query).send(&stage).await.status, 200);
    let mut kept = std::fs::read(stage.file("purser.db")).expect("the database");
    kept.extend(std::fs::read(stage.file("purser.db-wal")).unwrap_or_default());
    let (log, kept) = (stage.log(), String::from_utf8_lossy(&kept).into_owned());
    for secret in [&code, &access, &refresh, SECRET, VERIFIER] {
        assert!(!log.contains(secret) && !kept.contains(secret));
    }
    assert!(kept.contains("vip-shop"), "what is looked at is the database");
}
