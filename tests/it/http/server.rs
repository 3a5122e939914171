//! What holds for every dialect: bounds, patience, outages, draining, and what is logged.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::client::{Call, now};
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Base, Stage};
use crate::patience::until;

pub const PARTIES: &str = r#"
[ledger]
ordering_grace = "1500ms"
[parties.acme]
currencies = ["CHF"]
games = ["wallstroulette"]
[parties.acme.jwt]
hmac_secret = "a secret of well over thirty-two bytes, shared with nobody"
"#;

fn token(player: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(b"a secret of well over thirty-two bytes, shared with nobody");
    let claims = json!({ "sub": player, "exp": now() + 3600 });
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token")
}

pub fn bet(id: &str) -> Call {
    let body = json!({ "amount": 1, "currency": "CHF", "game": "wallstroulette", "round": 1, "externalId": id });
    Call::new("POST", "/v1/order").bearer(&token("alice")).json(&body)
}

pub async fn open(base: Base, addresses: &Addresses) -> Stage {
    let mut stage = Stage::prepare(base, PARTIES, addresses).await;
    stage.serve();
    stage.until_ready().await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "1.00", "CHF").await;
    stage
}

/// Writes bytes to Purser and reads what comes until it closes the connection, or for as long as `patience`.
pub fn raw(stage: &Stage, request: &str, patience: Duration) -> String {
    let address = stage.url("").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(patience)).expect("a timeout");
    // Fails where the answer does not wait for all of it.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    // Ends with an error where the time is up; what came before it counts.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_one_request_after_another() {
    let stage = open(Base::Sqlite, &Addresses::shared()).await;
    let asked = "GET /v1/nothing HTTP/1.1\r\nhost: purser\r\n\r\n".repeat(3)
        + "GET /healthz HTTP/1.1\r\nhost: purser\r\nconnection: close\r\n\r\n";
    let answers = tokio::task::spawn_blocking(move || raw(&stage, &asked, Duration::from_secs(5))).await.expect("read");
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 3, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_no_text_names_nothing() {
    let stage = open(Base::Sqlite, &Addresses::shared()).await;
    let asked = "GET /v1/balance/%ff?currency=CHF HTTP/1.1\r\nhost: purser\r\nconnection: close\r\n\r\n";
    let answer = tokio::task::spawn_blocking(move || raw(&stage, asked, Duration::from_secs(5))).await.expect("read");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains(r#""code":"404""#), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_comes_is_waited_for_and_then_refused() {
    let stage = open(Base::Sqlite, &Addresses::shared()).await;
    let head =
        "POST /v1/order HTTP/1.1\r\nhost: purser\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{";
    let answer = tokio::task::spawn_blocking(move || raw(&stage, head, Duration::from_secs(20))).await.expect("read");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("REQUEST_TIMEOUT"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_callers_are_told_when_to_ask_again() {
    let services = crate::e2e::services::Own::start(&["postgres"]).await;
    let addresses = Addresses::shared().with_postgres_of(&services.addresses);
    let stage = open(Base::Postgres, &addresses).await;
    assert_eq!(bet("before").send(&stage).await.status, 201);
    services.run(&["stop", "postgres", "--immediate"]).await;
    for call in [bet("during"), Call::new("GET", "/v1/balance/alice?currency=CHF").bearer(&token("alice"))] {
        let away = call.send(&stage).await;
        assert_eq!((away.status, away.header("retry-after")), (503, "1"));
        assert_eq!(away.json()["error"], "TEMPORARILY_UNAVAILABLE");
    }
    services.run(&["start", "postgres"]).await;
    until("it is ready again", async || stage.is_ready().await).await;
    // The same request again: whether it went through before, this is its one answer.
    assert_eq!(bet("during").send(&stage).await.status, 201);
    assert_eq!(bet("before").send(&stage).await.status, 201);
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 98);
    stage.audit().await;
}

fn result_without_bet(stage: &Stage, order: &str) -> JoinHandle<reqwest::Result<reqwest::Response>> {
    let body = json!({ "result": "lose", "game": "wallstroulette", "round": 1, "externalId": order });
    let order = purser::ledger::orders::OrderKey {
        game: purser::ledger::Game::parse("wallstroulette").expect("a game"),
        external_id: purser::ledger::ExternalId::parse(order).expect("an id"),
    };
    let id = purser::ledger::OrderId::of(&crate::e2e::stage::party("acme"), &order).uuid().to_string();
    let url = stage.url(&format!("/v1/order/{id}"));
    tokio::spawn(reqwest::Client::new().put(url).bearer_auth(token("alice")).json(&body).send())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_counted_by_ledger_and_not_once_he_has_gone() {
    let mut stage = Stage::prepare(Base::Sqlite, "", &Addresses::shared()).await;
    let second = format!("[ledgers.second]\nurl = \"sqlite://{}\"\n[parties.acme]", stage.file("second.db").display());
    let parties = PARTIES.replace("[parties.acme]\n", &format!("{second}\nledger = \"second\"\n"));
    stage.reconfigure(&parties.replace("1500ms", "1m"));
    // So that one who has gone is looked for among a few.
    stage.replace_in_config("[amqp]", "[amqp]\nprefetch = 2");
    stage.add_player("acme", "alice").await;
    stage.serve();
    stage.until_ready().await;
    let are_waiting = async |commands: u32| {
        let metrics = reqwest::get(stage.url("/metrics")).await.expect("metrics").text().await.expect("text");
        metrics.contains(&format!("purser_waiting_commands{{ledger=\"second\"}} {commands}\n"))
    };
    let waiting = [result_without_bet(&stage, "one"), result_without_bet(&stage, "two")];
    until("both wait", async || are_waiting(2).await).await;
    waiting.iter().for_each(JoinHandle::abort);
    until("nobody waits", async || are_waiting(0).await).await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_before_the_program_ends() {
    let mut stage = open(Base::Sqlite, &Addresses::shared()).await;
    // A result without its bet waits for it; meanwhile the program is told to end.
    let waiting = result_without_bet(&stage, "never");
    until("it waits", async || {
        let metrics = reqwest::get(stage.url("/metrics")).await.expect("metrics").text().await.expect("text");
        metrics.contains("purser_waiting_commands 1")
    })
    .await;
    stage.stop().await;
    let answer = waiting.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status().as_u16(), 493);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_does_not_hold_up_the_end() {
    let mut stage = open(Base::Sqlite, &Addresses::shared()).await;
    let address = stage.url("").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.write_all(b"GET /hea").expect("written");
    let began = std::time::Instant::now();
    stage.stop().await;
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_log_line_and_none_tells_a_secret() {
    let stage = open(Base::Sqlite, &Addresses::shared()).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let secret = token("alice");
    let answered = bet("logged").header("x-correlation-id", "corr-77").header("traceparent", trace).send(&stage).await;
    assert_eq!((answered.header("x-correlation-id"), answered.header("traceparent")), ("corr-77", trace));
    Call::new("GET", format!("/v1/balance/alice?currency=CHF&secret={secret}")).bearer(&secret).send(&stage).await;
    let log = stage.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("corr-77")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for part in ["acme", "rest", "order.bet", "201", trace] {
        assert!(lines[0].contains(part), "{}", lines[0]);
    }
    assert!(!log.contains(&secret) && !log.contains("Bearer"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_and_names_every_route() {
    let stage = open(Base::Sqlite, &Addresses::shared()).await;
    let (status, document) = stage.get("/openapi.json").await.expect("an answer");
    assert_eq!(status, 200);
    let printed: Value = serde_json::from_str(&stage.done(&["schema", "openapi"]).await).expect("JSON");
    assert_eq!(document, printed);
    let paths: Vec<&String> = document["paths"].as_object().expect("paths").keys().collect();
    assert_eq!(paths, ["/v1/balance/{playerId}", "/v1/order", "/v1/order/{betId}", "/v1/token"]);
    let queues: Value = serde_json::from_str(&stage.done(&["schema", "asyncapi"]).await).expect("JSON");
    assert_eq!(queues["channels"]["acme-order-bet"]["address"], "v1.0.acme.order.bet");
    assert_eq!(stage.get("/asyncapi.json").await, Some((200, queues)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_are_one_page_for_people_that_loads_nothing() {
    let stage = open(Base::Sqlite, &Addresses::shared()).await;
    let page = reqwest::get(stage.url("/docs")).await.expect("an answer");
    let header = |name: &str| page.headers()[name].to_str().expect("a text").to_owned();
    assert_eq!((page.status().as_u16(), header("content-type")), (200, "text/html; charset=utf-8".to_owned()));
    assert!(header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"), "{page:?}");
    let html = page.text().await.expect("a page");
    for part in ["v1.0.acme.order.bet", "id=\"placeBet\"", "POST /v1/order", "externalId", "order-bet-request"] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    for outside in ["<script", "src=", "url(", "@import", "href=\"http"] {
        assert!(!html.contains(outside), "{outside}");
    }
    // Every link within the page leads somewhere.
    for target in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(html.contains(&format!("id=\"{target}\"")), "nothing is called {target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_players_cannot_sign_in_by_one_name() {
    let stage = open(Base::Sqlite, &Addresses::shared()).await;
    let add = |player: &'static str, username: &'static str| {
        let stage = &stage;
        async move {
            let arguments = ["player", "add", "--party", "acme", "--player", player, "--username", username];
            stage.run(&arguments).await.status.code()
        }
    };
    assert_eq!(add("bob", "bobby").await, Some(0));
    assert_eq!(add("bob", "bobby").await, Some(0));
    assert_eq!(add("robert", "bobby").await, Some(1));
    assert_eq!(add("carol", "alice").await, Some(1));
    assert_eq!(add("bobby", "other").await, Some(1));
}
