//! Practising as a provider: one act at a time with `purser play`, and a sandbox's test players.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use lapin::types::{AMQPValue, FieldTable};
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::short;
use serde_json::{Value, json};

use super::stage::{ACME, Base, Stage, on_both};
use super::wire::{Message, Wire, code, correlation};
use crate::http::client::{Call, now};
use crate::patience::until;

const SECRET: &str = "a secret of well over thirty-two bytes, shared with nobody";

/// Two parties that differ in one being a sandbox.
const PARTIES: &str = r#"
[ledger]
ordering_grace = "200ms"
[parties.acme]
currencies = ["CHF"]
games = ["wallstroulette"]
sandbox = true
jwt = { hmac_secret = "a secret of well over thirty-two bytes, shared with nobody" }
[parties.earnest]
currencies = ["CHF"]
games = ["wallstroulette"]
jwt = { hmac_secret = "a secret of well over thirty-two bytes, shared with nobody", issuer = "earnest" }
"#;

async fn play(stage: &Stage, arguments: &[&str]) -> Output {
    stage.run(&[&["play"], arguments].concat()).await
}

/// Plays; answers with the exit status and what `--json` says.
async fn played(stage: &Stage, arguments: &[&str]) -> (Option<i32>, Value) {
    let ran = play(stage, &[arguments, &["--json"]].concat()).await;
    let said = serde_json::from_slice(&ran.stdout);
    (ran.status.code(), said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr))))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_played_from_its_bet_to_its_end() {
    on_both(async |base| {
        let stage = Stage::open(base, PARTIES).await;
        let (status, bet) = played(&stage, &["bet", "--fund", "10"]).await;
        assert_eq!((status, &bet["code"]), (Some(0), &json!("201")), "{bet}");
        let id = bet["request"]["externalId"].as_str().expect("an id").to_owned();
        // The round is found in the id again.
        for _ in 0..2 {
            let (status, won) = played(&stage, &["win", "--external-id", &id, "--amount", "250"]).await;
            assert_eq!((status, &won["reply"]), (Some(0), &json!({ "code": "200" })), "{won}");
        }
        let (status, cancel) = played(&stage, &["cancel", "--external-id", &id]).await;
        assert_eq!((status, &cancel["code"]), (Some(1), &json!("493")), "{cancel}");
        let (status, balance) = played(&stage, &["balance"]).await;
        assert_eq!((status, &balance["reply"]["balance"]), (Some(0), &json!(1_150)), "{balance}");
        let (status, poor) = played(&stage, &["bet", "--amount", "1151"]).await;
        assert_eq!((status, &poor["code"]), (Some(1), &json!("492")), "{poor}");
        // A second time it is funded again.
        played(&stage, &["balance", "--fund", "1.00"]).await;
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 1_250);
        assert_eq!(play(&stage, &["win"]).await.status.code(), Some(2));
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_only_where_that_is_asked_for() {
    let stage = Stage::open(Base::Sqlite, PARTIES).await;
    let token = stage.done(&["token", "--party", "acme", "--player", "alice"]).await;
    let token = token.trim();
    let hidden = play(&stage, &["bet", "--token", token, "--show", "--dry-run"]).await;
    let hidden = String::from_utf8(hidden.stdout).expect("UTF-8");
    assert!(!hidden.contains(token) && hidden.contains("Bearer (hidden)") && hidden.contains("not sent"), "{hidden}");
    let shown = play(&stage, &["bet", "--token", token, "--show", "--show-token", "--dry-run"]).await;
    assert_eq!(String::from_utf8(shown.stdout).expect("UTF-8").matches(token).count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_is_shown_as_python_and_for_a_shell() {
    let stage = Stage::open(Base::Sqlite, ACME).await;
    let odd = ["--player", "it's \"al\\ice\"", "--external-id", "a'b\"c\\d é"];
    for act in ["bet", "win", "cancel", "balance"] {
        let (status, said) = played(&stage, &[&[act, "--show", "--dry-run"], odd.as_slice()].concat()).await;
        assert_eq!((status, &said["sent"]), (Some(0), &json!(false)));
        let python = said["show"]["python"].as_str().expect("Python");
        // What is called `body` there is what is sent here.
        let check = "import ast, json, sys\ntree = ast.parse(sys.argv[1])\n\
                     body = [node for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == 'body']\n\
                     print(json.dumps(ast.literal_eval(body[0].value)))";
        let checked = Command::new("python3").args(["-c", check, python]).output().expect("python3 runs");
        let body: Value = serde_json::from_slice(&checked.stdout)
            .unwrap_or_else(|_| panic!("{python}{}", String::from_utf8_lossy(&checked.stderr)));
        assert_eq!(body, said["request"]);
        // The shell's words, with a program of that name which prints the last one.
        for (tool, show) in [("amqp-publish", "amqp_publish"), ("curl", "curl")] {
            let line = said["show"][show].as_str().expect("a line");
            let script = format!(
                "{}() {{ for word; do :; done; printf %s \"$word\"; }}\n{}",
                "tool",
                line.replacen(tool, "tool", 1)
            );
            let last = Command::new("sh").args(["-c", &script]).output().expect("sh runs").stdout;
            if tool == "amqp-publish" || act != "balance" {
                assert_eq!(serde_json::from_slice::<Value>(&last).expect("JSON"), said["request"], "{line}");
            }
        }
    }
}

fn bet(party: &'static str, player: &str, id: &str) -> Message {
    let body = json!({ "amount": 100, "currency": "CHF", "game": "wallstroulette", "round": 1,
                       "externalId": id, "playerId": player });
    let message = Message::new(Operation::OrderBet, id, &body);
    let mut headers = FieldTable::default();
    headers.insert(short("authorization"), AMQPValue::LongString(format!("Bearer {}", token(party, player)).into()));
    Message { party, properties: message.properties.with_headers(headers), ..message }
}

fn token(party: &str, player: &str) -> String {
    let mut claims = json!({ "sub": player, "party": party, "exp": now() + 3600 });
    if party == "earnest" {
        claims["iss"] = party.into();
    }
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token")
}

#[tokio::test(flavor = "multi_thread")]
async fn test_players_behave_as_they_are_named_in_a_sandbox_and_nowhere_else() {
    on_both(async |base| {
        let stage = Stage::open(base, PARTIES).await;
        stage.add_player("acme", "test-slow").await;
        stage.deposit("acme", "test-slow", "1.00", "CHF").await;
        for player in ["test-491", "test-492", "test-495", "test-500", "test-slow", "test-silent"] {
            let added = stage.run(&["player", "add", "--party", "earnest", "--player", player]).await;
            let why = String::from_utf8_lossy(&added.stderr);
            assert!(added.status.code() == Some(2) && why.contains("is for sandboxes"), "{why}");
        }
        let mut wire = Wire::connect(&stage).await;
        for (player, expected) in [("test-491", "491"), ("test-492", "492"), ("test-495", "495"), ("test-500", "500")] {
            let reply = wire.ask(bet("acme", player, player)).await;
            assert_eq!(code(&reply), expected);
            let reply = wire.ask(bet("earnest", player, player)).await;
            assert_eq!(code(&reply), "495", "{player} is nobody where it is earnest");
            for (party, expected) in [("acme", expected), ("earnest", "495")] {
                let call = Call::new("POST", "/v1/order").bearer(&token(party, player));
                let body = json!({ "amount": 1, "currency": "CHF", "game": "wallstroulette", "round": 1, "externalId": "rest" });
                assert_eq!(call.json(&body).send(&stage).await.status.to_string(), expected, "{player} of {party}");
            }
        }
        let sent = Instant::now();
        assert_eq!(code(&wire.ask(bet("acme", "test-slow", "slow")).await), "201");
        assert!(sent.elapsed() >= Duration::from_secs(2), "{:?}", sent.elapsed());
        assert_eq!(code(&wire.ask(bet("earnest", "test-slow", "slow")).await), "495");
        assert_eq!(stage.balance("acme", "test-slow", "CHF").await, 0);
        // Never answered, and parked; whoever asks after it is.
        let mut silent = bet("acme", "test-silent", "silent");
        silent.properties = silent.properties.with_reply_to(short(&wire.replies));
        wire.send(silent).await;
        until("both are parked", async || wire.ready("v1.0.acme.dead").await == 2).await;
        let next = wire.ask(bet("acme", "test-495", "next")).await;
        assert_eq!(correlation(&next), "next");
        assert_eq!(code(&wire.ask(bet("earnest", "test-silent", "silent")).await), "495");
        assert_eq!(wire.ready("v1.0.earnest.dead").await, 0);
        let parked = stage.done(&["dead", "list", "--party", "acme", "--json"]).await;
        let reasons: Vec<Value> =
            parked.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["reason"].clone()).collect();
        assert_eq!(reasons, ["fault", "sandbox"]);
        let checked = stage.done(&["check"]).await;
        assert!(checked.contains("ok    sandboxes: acme: "), "{checked}");
        stage.audit().await;
    })
    .await;
}
