use purser::config::Role;
use serde_json::json;

use super::{cookie, form, get, input, page, post, sign_in};
use crate::e2e::stage::{ACME, Base, Stage};
use crate::http::admin::{open, shown, token};
use crate::http::client::Call;

const PAGES: [&str; 12] = [
    "/",
    "/search?q=alice",
    "/parties/acme/players/alice",
    "/orders/00000000-0000-0000-0000-000000000000",
    "/journal/1",
    "/new-player",
    "/dead-letters",
    "/voids",
    "/approvals",
    "/audit",
    "/trail",
    "/health",
];

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_anything_without_signing_in() {
    let stage = open(Base::Sqlite).await;
    let others = ["", "/transactions/1", "/console.css", "/console.js", "/nothing", "/sign-out", "/sign-in"];
    for path in PAGES.into_iter().chain(others) {
        for call in [
            // From loopback, as everything here.
            Call::new("GET", format!("/console{path}")),
            get("purser_console=made-up", path),
            get("", path).bearer(&format!("nobody's token, tried at {path}, 0123456789")),
        ] {
            let response = call.send(&stage).await;
            assert_eq!(response.status, 401, "{path}");
            assert_eq!((response.header("www-authenticate"), response.header("cache-control")), ("Bearer", "no-store"));
            let text = response.text();
            assert!(text.contains("name=\"token\"") && !text.contains("acme</") && !text.contains("alice@"), "{text}");
        }
    }
    for path in
        ["/sign-out", "/parties/acme/players/alice/deposits", "/parties/acme/voids/1/approve", "/audit", "/nothing"]
    {
        let sent = form(path, &[("amount", "1.00")]).header("sec-fetch-site", "same-origin").send(&stage).await;
        assert_eq!(sent.status, 401, "{path}");
    }
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_begins_with_a_token_and_ends_with_signing_out() {
    let stage = open(Base::Sqlite).await;
    let asked = Call::new("GET", "/console/search?q=a%26b").send(&stage).await.text();
    let to = input(&asked, "to");
    let pairs = [("token", &*token(Role::Viewer)), ("to", &to)];
    let signed_in = form("/sign-in", &pairs).send(&stage).await;
    assert_eq!((signed_in.status, signed_in.header("location")), (303, "./search?q=a%26b"));
    let set = signed_in.header("set-cookie");
    assert!(set.ends_with("; Max-Age=43200; HttpOnly; SameSite=Strict"), "{set}");
    let behind_tls = form("/sign-in", &pairs).header("x-forwarded-proto", "https").send(&stage).await;
    assert!(behind_tls.header("set-cookie").ends_with("; Secure"), "{:?}", behind_tls.headers);
    for to in ["https://evil.example/", "//evil.example", "/evil", "nothing"] {
        let led = form("/sign-in", &[("token", &token(Role::Viewer)), ("to", to)]).send(&stage).await;
        assert_eq!((led.status, led.header("location")), (303, "./"), "{to}");
    }
    let wrong = form("/sign-in", &[("token", "nobody's"), ("to", &to)]).send(&stage).await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, ""));
    assert!(wrong.text().contains("this token is nobody&#39;s"), "{}", wrong.text());
    assert_eq!(input(&wrong.text(), "to"), to);

    let (one, other) = (cookie(&signed_in), sign_in(&stage, Role::Viewer).await);
    page(&stage, &one, "/health").await;
    let out = post(&one, "/sign-out", &[]).send(&stage).await;
    assert_eq!((out.status, out.header("location")), (303, "./"));
    assert!(out.header("set-cookie").starts_with("purser_console=; Max-Age=0;"), "{:?}", out.headers);
    assert_eq!(get(&one, "/health").send(&stage).await.status, 401, "the session is over, whoever kept its cookie");
    page(&stage, &other, "/health").await;
    let log = stage.log();
    assert!(!log.contains(&token(Role::Viewer)) && !log.contains(other.split('=').nth(1).expect("an id")));
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_counted_with_those_of_the_api() {
    let stage = open(Base::Sqlite).await;
    let known = sign_in(&stage, Role::Viewer).await;
    let mut statuses = Vec::new();
    for number in 0..62 {
        let guess = format!("a guess of many, number {number}");
        statuses.push(form("/sign-in", &[("token", &guess)]).send(&stage).await.status);
    }
    assert_eq!((statuses[0], statuses[59], statuses[61]), (401, 401, 429), "{statuses:?}");
    let waits = form("/sign-in", &[("token", "another guess")]).send(&stage).await;
    assert!(waits.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds <= 60), "{:?}", waits.headers);
    assert!(waits.text().contains("name=\"token\""), "{}", waits.text());
    let by_api = Call::new("GET", "/admin/v1/parties").bearer("yet another guess").send(&stage).await;
    assert_eq!(by_api.status, 429);
    page(&stage, &known, "/").await;
    sign_in(&stage, Role::Viewer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_not_stored_framed_sniffed_or_scripted() {
    let stage = open(Base::Sqlite).await;
    let cookie = sign_in(&stage, Role::Admin).await;
    for path in PAGES.into_iter().chain(["/console.css", "/console.js", "/nothing", "/journal/x"]) {
        for response in [get(&cookie, path).send(&stage).await, get("", path).send(&stage).await] {
            let header = |name| response.header(name);
            assert_eq!((header("cache-control"), header("x-content-type-options")), ("no-store", "nosniff"), "{path}");
            assert_eq!(header("referrer-policy"), "same-origin", "{path}");
            let policy = header("content-security-policy");
            for part in ["default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
                assert!(policy.contains(part), "{path}: {policy}");
            }
            assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
        }
        let text = get(&cookie, path).send(&stage).await.text();
        let is_file = path.starts_with("/console.");
        assert!(
            is_file || (!text.contains("<style") && !text.contains(" style=") && !text.contains(" onclick")),
            "{path}"
        );
        assert!(is_file || text.matches("<script").count() == text.matches("<script src=").count(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_sees_what_it_may_do_and_does_no_more() {
    let stage = open(Base::Sqlite).await;
    for (role, moves, decides, sees_trail) in [
        (Role::Viewer, false, false, false),
        (Role::Operator, true, false, false),
        (Role::Approver, true, true, false),
        (Role::Admin, true, true, true),
    ] {
        let cookie = sign_in(&stage, role).await;
        let player = page(&stage, &cookie, "/parties/acme/players/alice").await;
        assert_eq!(player.contains("/deposits\""), moves, "{role}");
        assert_eq!(player.contains("trail\""), sees_trail, "{role}");
        let trail = get(&cookie, "/trail").send(&stage).await;
        assert_eq!(trail.status, if sees_trail { 200 } else { 403 }, "{role}");
        assert!(sees_trail || trail.text().contains("needs the role admin"), "{}", trail.text());

        let key = format!("of {role}");
        let pairs = [("amount", "1.00"), ("currency", "CHF"), ("key", &*key), ("reason", "a test")];
        let deposit = post(&cookie, "/parties/acme/players/alice/deposits", &pairs).send(&stage).await;
        assert_eq!(deposit.status, if moves { 303 } else { 403 }, "{role}: {}", deposit.text());
        assert!(moves || deposit.text().contains("needs the role operator"), "{}", deposit.text());
        let approve = post(&cookie, "/parties/acme/voids/9000000000/approve", &[("reason", "a test")]);
        let approve = approve.send(&stage).await;
        assert_eq!(approve.status, if decides { 404 } else { 403 }, "{role}: {}", approve.text());
        assert!(decides || approve.text().contains("needs the role approver"), "{}", approve.text());
    }
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_300, "once for each who may");
    let trail = shown(&stage, Role::Admin, "/trail?limit=200").await;
    let refused = trail["items"].as_array().expect("a list").iter().filter(|entry| entry["who"] == "the-viewer");
    let refused: Vec<_> = refused.map(|entry| (&entry["act"], &entry["outcome"])).collect();
    let why = |role: &str| json!(format!("refused: the role is viewer, and {role} is needed"));
    let (approve, deposit) = (json!("void approve"), json!("deposit"));
    assert_eq!(refused, [(&approve, &why("approver")), (&deposit, &why("operator"))]);
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_operators_there_is_no_console() {
    let stage = Stage::open(Base::Sqlite, ACME).await;
    for path in ["/console", "/console/", "/console/health", "/console/console.css"] {
        assert_eq!(Call::new("GET", path).send(&stage).await.status, 404, "{path}");
    }
}
