use std::collections::{BTreeSet, VecDeque};

use purser::config::Role;
use serde_json::json;
use url::Url;

use super::{attributes, get, page, sign_in};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::e2e::wire::{Wire, bet, code};
use crate::http::admin::looks::{MARKUP, adjustment, rpc};
use crate::http::admin::open;

/// How paths end that take forms alone.
const FORMS: [&str; 7] = ["/deposits", "/withdrawals", "/players", "/plans", "/approve", "/dismiss", "/sign-out"];

/// What [`MARKUP`] is written as.
const ESCAPED: &str = "&#60;b&#62;=1+1&#60;/b&#62;&#34;&#39;&#38;";

/// A bet of alice's, a dead letter, and a payment with a name that is markup whose partner asks to take it back.
async fn play(stage: &Stage) -> i64 {
    let mut wire = Wire::connect(stage).await;
    assert_eq!(code(&wire.ask(bet("one")).await), "201");
    crate::e2e::dead::park(&wire, MARKUP).await;
    stage
        .done(&["player", "add", "--party", "acme", "--player", "77", "--currency", "GBP", "--nickname", MARKUP])
        .await;
    stage.deposit("acme", "77", "10.00", "GBP").await;
    let staked = rpc(stage, "AdjustBalance", adjustment(2, "stake", "-1", &json!(0))).await;
    let source = &staked["bet365_games_transaction_id"];
    let paid = rpc(stage, "AdjustBalance", adjustment(3, MARKUP, "2.5", source)).await;
    let number = paid["bet365_games_transaction_id"].clone();
    let queued = json!({ "transaction_type_id": 6, "source_bet365_games_transaction_id": number });
    rpc(stage, "QueueManualVoidReturn", queued).await;
    number.as_i64().expect("a number")
}

/// Where a page of the console leads, below a path that a proxy put before it.
fn links(html: &str, at: &Url) -> Vec<Url> {
    let names = ["href", "src", "action", "formaction"].iter().flat_map(|name| attributes(html, name));
    let led = names.filter(|link| !link.starts_with("data:") && !link.starts_with('#'));
    led.map(|link| {
        assert!(!link.starts_with('/') && !link.contains("://"), "{link} is not relative");
        at.join(&link).expect("a link")
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_leads_to_a_page_below_whatever_path_a_proxy_shows_it() {
    on_both(async |base| {
        let stage = open(base).await;
        play(&stage).await;
        let cookie = sign_in(&stage, Role::Admin).await;
        let start = ["/", "/search?q=one", "/search?q=77", "/trail?limit=2", "/parties/acme/players/alice?limit=1"];
        let shown_at = |path: &str| Url::parse(&format!("https://ops.example/purser/console{path}")).expect("a URL");
        let mut waiting: VecDeque<Url> = start.iter().map(|path| shown_at(path)).collect();
        let mut seen = BTreeSet::new();
        while let Some(at) = waiting.pop_front() {
            let mut whole = at.clone();
            whole.set_fragment(None);
            if !seen.insert(whole) || seen.len() > 120 {
                continue;
            }
            let query = at.query().map(|query| format!("?{query}")).unwrap_or_default();
            let below = at.path().strip_prefix("/purser/console").unwrap_or_else(|| panic!("{at} is elsewhere"));
            let response = get(&cookie, &format!("{below}{query}")).send(&stage).await;
            // What is sent, not asked for, says so.
            let is_form = FORMS.iter().any(|form| below.ends_with(form));
            assert_eq!(response.status, if is_form { 405 } else { 200 }, "{base:?} {at}: {}", response.text());
            if response.header("content-type").starts_with("text/html") && !is_form {
                waiting.extend(links(&response.text(), &at));
            }
        }
        let seen: Vec<&str> = seen.iter().map(Url::path).collect();
        for kind in [
            "/orders/",
            "/journal/",
            "/transactions/",
            "/players/77",
            "/console.js",
            "/approve",
            "/letters/",
            "/plans",
            "/audit",
            "/players",
        ] {
            assert!(seen.iter().any(|path| path.contains(kind)), "{kind} was not met: {seen:?}");
        }
        let moved = get(&cookie, "").send(&stage).await;
        assert_eq!((moved.status, moved.header("location")), (303, "console/"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_stays_text() {
    on_both(async |base| {
        let stage = open(base).await;
        let number = play(&stage).await;
        let cookie = sign_in(&stage, Role::Admin).await;
        let encoded: String = url::form_urlencoded::byte_serialize(MARKUP.as_bytes()).collect();
        for path in [
            "/parties/acme/players/77".to_owned(),
            format!("/search?q={encoded}"),
            "/voids?party=acme".to_owned(),
            format!("/transactions/{number}"),
        ] {
            let html = page(&stage, &cookie, &path).await;
            assert!(html.contains(ESCAPED) && !html.contains("<b>"), "{base:?} {path}: {html}");
        }
        let unsigned = crate::http::client::Call::new("GET", format!("/console/search?q={encoded}")).send(&stage).await;
        assert!(!unsigned.text().contains("<b>"), "{}", unsigned.text());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_what_came_and_what_a_repeat_is_answered() {
    on_both(async |base| {
        let stage = open(base).await;
        let mut wire = Wire::connect(&stage).await;
        let answered = wire.ask(bet("one")).await;
        let cookie = sign_in(&stage, Role::Viewer).await;
        let found = page(&stage, &cookie, "/search?q=one").await;
        let order = attributes(&found, "href").into_iter().find(|link| link.contains("orders/")).expect("the order");
        let order = page(&stage, &cookie, order.trim_start_matches('.')).await;
        let reply = String::from_utf8(answered.data.to_vec()).expect("text").replace('"', "&#34;");
        assert!(order.contains(&format!("<pre tabindex=\"0\">{reply}</pre>")), "{base:?} {reply}: {order}");
        assert!(order.contains("yes: it is what the row"), "{order}");
        assert!(order.contains("What all accounts gained together</th><td class=\"number\">0.00</td>"), "{order}");

        let player = page(&stage, &cookie, "/parties/acme/players/alice?limit=1").await;
        assert!(player.contains(">99.00</td>") && !player.contains("mail.example"), "{player}");
        assert!(player.contains("bet placed"), "{player}");
        let older =
            attributes(&player, "href").into_iter().find(|link| link.starts_with("?after=")).expect("a next page");
        let older = page(&stage, &cookie, &format!("/parties/acme/players/alice{older}")).await;
        assert!(older.contains("deposit") && !older.contains("bet placed"), "{older}");
        let operator = sign_in(&stage, Role::Operator).await;
        assert!(page(&stage, &operator, "/parties/acme/players/alice").await.contains("alice@mail.example"));
        for row in 1..=3 {
            assert!(!page(&stage, &cookie, &format!("/journal/{row}")).await.contains("mail.example"), "row {row}");
        }
        let health = page(&stage, &cookie, "/health").await;
        assert!(health.contains("<strong class=\"good\">ready</strong>"), "{health}");
        for (path, status) in [
            ("/nothing", 404),
            ("/parties/acme/players/nobody", 404),
            ("/parties/nobody/players/alice", 404),
            ("/orders/5", 400),
            ("/journal/x", 400),
            ("/journal/9000000000", 404),
            ("/parties/acme/players/alice?limit=201", 400),
        ] {
            let response = get(&cookie, path).send(&stage).await;
            assert_eq!((response.status, response.text().contains("class=\"error\"")), (status, true), "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_what_to_do_while_the_broker_is_away() {
    let mut stage =
        Stage::prepare(Base::Sqlite, &crate::http::admin::config(), &crate::e2e::services::Addresses::shared()).await;
    // Nobody listens there.
    stage.go_through(crate::e2e::services::free_port(), None);
    stage.serve();
    crate::patience::until("somebody is let in", async || {
        let asked = crate::http::client::Call::new("GET", "/console/").try_send(&stage).await;
        asked.is_ok_and(|asked| asked.status == 401)
    })
    .await;
    let cookie = sign_in(&stage, Role::Viewer).await;
    crate::patience::until("health tells of the broker", async || {
        page(&stage, &cookie, "/health").await.contains("The broker is away</h2>")
    })
    .await;
    let health = page(&stage, &cookie, "/health").await;
    assert!(health.contains("<strong>Do:</strong> bring the broker back</dd>"), "{health}");
    assert!(page(&stage, &cookie, "/").await.contains("Wants attention"));
}
