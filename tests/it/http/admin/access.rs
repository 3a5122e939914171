use purser::config::Role;
use purser::transport::http::admin::routes::{AdminCall, ROUTES};
use serde_json::{Value, json};

use super::{get, open, post, problem, shown, token};
use crate::e2e::stage::{ACME, Base, Stage, on_both};
use crate::http::client::Call;

/// A path that fits the route, of things that are not there.
fn path(pattern: &str) -> String {
    let named = pattern.replace("{party}", "acme").replace("{player}", "nobody");
    named
        .replace("{order}", "00000000-0000-0000-0000-000000000000")
        .replace("{number}", "9000000000")
        .replace("{approval}", "00000000-0000-0000-0000-000000000000")
        .replace("{plan}", "00000000-0000-0000-0000-000000000000")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_without_a_token_and_no_role_beyond_its_own() {
    let stage = open(Base::Sqlite).await;
    for route in &ROUTES {
        let whole = format!("/admin/v1{}", path(route.path));
        // From loopback, as everything here.
        let bare = Call::new(route.method(), whole.clone()).send(&stage).await;
        assert_eq!(problem(&bare).0, 401, "{} {whole}", route.method());
        assert_eq!((bare.header("www-authenticate"), bare.header("cache-control")), ("Bearer", "no-store"));
        let basic = Call::new(route.method(), whole.clone()).header("authorization", "Basic YTpi").send(&stage).await;
        assert_eq!(problem(&basic).0, 401, "{} {whole}", route.method());
        // A stream does not end: see `live`.
        for role in Role::ALL.into_iter().filter(|role| route.operation != "live" || *role < route.role) {
            let call = Call::new(route.method(), whole.clone()).bearer(&token(role));
            let response = call.json(&Value::Null).send(&stage).await;
            if role < route.role {
                let (status, detail) = problem(&response);
                assert_eq!(status, 403, "{role} {} {whole}", route.method());
                assert!(detail.contains(route.role.as_str()), "{detail}");
                assert_eq!(response.json()["needed_role"], route.role.as_str());
            } else {
                assert!(![401, 403, 500].contains(&response.status), "{role} {whole}: {}", response.text());
            }
        }
    }
    for path in ["/admin/v1", "/admin/v1/", "/admin/v1/nothing", "/admin/v1/parties/acme"] {
        assert_eq!(problem(&Call::new("GET", path).send(&stage).await).0, 401, "{path}");
        let known = Call::new("GET", path).bearer(&token(Role::Viewer)).send(&stage).await;
        assert_eq!(problem(&known).0, 404, "{path}");
    }
    let method = Call::new("DELETE", "/admin/v1/trail").bearer(&token(Role::Admin)).send(&stage).await;
    assert_eq!((problem(&method).0, method.header("allow")), (405, "GET"));
    // What nobody of the sort asked for is in no trail: the acts that a role was too low for are.
    let trail = shown(&stage, Role::Admin, "/trail?limit=200").await;
    let refused =
        trail["items"].as_array().expect("a list").iter().filter(|entry| {
            entry["outcome"].as_str().is_some_and(|outcome| outcome.starts_with("refused: the role is"))
        });
    let acts: usize = ROUTES
        .iter()
        .filter(|route| matches!(route.call, AdminCall::Act(_)))
        .map(|route| Role::ALL.iter().filter(|role| **role < route.role).count())
        .sum();
    assert_eq!(refused.count(), acts);
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_waits_and_an_operator_who_was_there_does_not() {
    let stage = open(Base::Sqlite).await;
    shown(&stage, Role::Viewer, "/parties").await;
    let guess = |number: usize| {
        let call = Call::new("GET", "/admin/v1/parties").bearer(&format!("a guess of many, number {number}"));
        async { call.send(&stage).await }
    };
    let mut statuses = Vec::new();
    for number in 0..70 {
        statuses.push(guess(number).await.status);
    }
    assert_eq!((statuses[0], statuses[59], statuses[69]), (401, 401, 429), "{statuses:?}");
    let waits = guess(71).await;
    assert_eq!(problem(&waits).0, 429);
    assert!(waits.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds <= 60), "{:?}", waits.headers);
    shown(&stage, Role::Viewer, "/parties").await;
    let log = stage.log();
    assert!(!log.contains("a guess of many") && !log.contains(&token(Role::Viewer)), "a token is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_operators_there_is_no_such_path() {
    let stage = Stage::open(Base::Sqlite, ACME).await;
    for path in ["/admin/v1", "/admin/v1/parties", "/admin/v1/trail"] {
        assert_eq!(Call::new("GET", path).bearer(&token(Role::Admin)).send(&stage).await.status, 404, "{path}");
    }
    let (_, document) = stage.get("/openapi.json").await.expect("an answer");
    assert!(!document.to_string().contains("/admin/v1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_a_problem_that_says_why() {
    on_both(async |base| {
        let stage = open(base).await;
        let deposits = "/parties/acme/players/alice/deposits";
        let good = json!({ "amount": "1.00", "currency": "CHF", "key": "k", "reason": "r" });
        let with = |name: &str, value: Value| {
            let mut body = good.clone();
            body[name] = value;
            post(Role::Operator, deposits, &body)
        };
        let plain = Call::new("POST", format!("/admin/v1{deposits}")).bearer(&token(Role::Operator));
        let plain = plain.header("content-type", "text/plain").body(good.to_string());
        for (call, status, says) in [
            (get(Role::Viewer, "/parties?limit=201"), 400, "limit must be a whole number from 1 to 200"),
            (get(Role::Viewer, "/parties?colour=red"), 400, "the query may say limit, after"),
            (get(Role::Viewer, "/parties?limit=1&limit=2"), 400, "twice"),
            (get(Role::Viewer, "/search"), 400, "q must be"),
            (get(Role::Viewer, "/orders/5"), 400, "UUID"),
            (get(Role::Viewer, "/journal/x"), 400, "number"),
            (get(Role::Viewer, "/journal/9000000000"), 404, "no such journal row"),
            (get(Role::Viewer, "/parties/nobody/players/alice"), 404, "no such party"),
            (get(Role::Viewer, "/parties/acme/players/nobody"), 404, "no such player"),
            (with("amount", json!("0")), 400, "amount must be more than nothing"),
            (with("amount", json!("1.001")), 400, "amount"),
            (with("amount", json!(1)), 400, "amount"),
            (with("currency", json!("EUR")), 400, "not one of party acme's"),
            (with("bucket", json!("pocket")), 400, "bucket must be one of"),
            (with("key", json!("")), 400, "key must be"),
            (with("reason", json!(" ")), 400, "reason must be"),
            (with("reason", json!("two\nlines")), 400, "reason must be"),
            (with("colour", json!("red")), 400, "colour"),
            (post(Role::Operator, "/parties/acme/players/nobody/deposits", &good), 404, "no such player"),
            (post(Role::Operator, "/parties/nobody/players/alice/deposits", &good), 404, "no such party"),
            (plain, 415, "application/json"),
            (post(Role::Operator, deposits, &json!({ "reason": "x".repeat(20_000) })), 413, "longer"),
            (post(Role::Approver, "/parties/acme/voids/9000000000/approve", &json!({})), 404, "no void"),
        ] {
            let response = call.send(&stage).await;
            let (found, detail) = problem(&response);
            assert_eq!((found, detail.contains(says)), (status, true), "{base:?}: {detail}, not {says}");
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_000);
    })
    .await;
}
