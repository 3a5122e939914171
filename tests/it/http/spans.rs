//! The spans of the log: what is said of a command, and whose it is.

use serde_json::json;

use super::client::Call;
use super::server;
use crate::e2e::services::Addresses;
use crate::e2e::stage::{ACME, Base, Stage};
use crate::e2e::wire::{Message, Wire, bet, code};
use crate::patience::until;
use purser::dialects::egpp::Operation;

/// {"alg":"none"} and {"sub":"alice"}, in place of a correlation id.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2ln";

async fn open(parties: &str, level: &str) -> Stage {
    let mut stage = Stage::prepare(Base::Sqlite, parties, &Addresses::shared()).await;
    stage.starter = vec!["env".to_owned(), format!("RUST_LOG=purser={level}")];
    stage.serve();
    stage.until_ready().await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10.00", "CHF").await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_from_a_queue_is_told_within_its_span() {
    let stage = open(ACME, "debug").await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet("one")).await), "201");
    let balance = json!({ "currency": "CHF", "playerId": "alice" });
    wire.ask(Message::new(Operation::BalanceGet, TOKEN, &balance)).await;
    wire.ask(Message::new(Operation::OrderBet, "a\u{1b}[31mb\"", &json!([]))).await;
    for (operation, correlation, code) in [
        ("order.bet", r#""one""#, "201"),
        ("balance.get", r#""(token)""#, "200"),
        ("order.bet", r#""a\u{1b}[31mb\"""#, "400"),
    ] {
        let span =
            format!(r#"command{{party="acme" dialect="egpp" operation="{operation}" correlation_id={correlation}}}:"#);
        let says = format!(r#"answered code="{code}""#);
        until(&format!("{span} {says}"), async || {
            stage.log().lines().any(|line| line.contains("DEBUG") && line.contains(&span) && line.ends_with(&says))
        })
        .await;
    }
    assert!(!stage.log().contains("eyJzdWIi") && !stage.log().contains('\u{1b}'), "{}", stage.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_told_within_its_span_and_nobody_is_told_of_spans_who_did_not_ask() {
    for (level, is_told) in [("debug", true), ("info", false)] {
        let stage = open(server::PARTIES, level).await;
        let call: Call = server::bet("one").header("x-correlation-id", "mine");
        assert_eq!(call.send(&stage).await.status, 201);
        until("the line is there", async || stage.log().contains("took_ms")).await;
        let log = stage.log();
        let line = log.lines().find(|line| line.contains("took_ms")).expect("a line");
        for field in [r#"party="acme""#, r#"dialect="rest""#, r#"operation="order.bet""#, r#"correlation_id="mine""#] {
            assert_eq!(line.matches(field).count(), if is_told { 2 } else { 1 }, "{field}: {line}");
        }
        assert_eq!(log.contains("command{"), is_told, "{log}");
    }
}
