//! Judging providers with `purser conform provider`: one that is right conforms, by either kind of reply queue, and each that is
//! wrong on purpose breaks its clause.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use jsonwebtoken::{EncodingKey, Header};
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use purser::ledger::orders::OrderKey;
use purser::ledger::{ExternalId, Game, OrderId, Party};
use purser::transport::amqp::topology::{REQUESTS, short};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::stage::{Base, Stage};
use crate::http::client::now;

/// How a provider behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Right,
    RightAndDirect,
    ChangesTheBody,
    HasNoCorrelationId,
    ReusesCorrelationIds,
    IsTransient,
    NeverSettles,
    SettlesOverRest,
    NeverAsksAgain,
    InsistsAfterRefusal,
    IsMalformed,
}

/// Each manner, and the cases that it breaks: whoever is never answered settles nothing either.
const MANNERS: [(Manner, &[&str]); 11] = [
    (Manner::Right, &[]),
    (Manner::RightAndDirect, &[]),
    (Manner::ChangesTheBody, &["provider_same_body", "provider_retries", "provider_settlement"]),
    (Manner::HasNoCorrelationId, &["provider_correlation_ids"]),
    (Manner::ReusesCorrelationIds, &["provider_unique_ids"]),
    (Manner::IsTransient, &["provider_persistence"]),
    (Manner::NeverSettles, &["provider_settlement"]),
    (Manner::SettlesOverRest, &[]),
    (Manner::NeverAsksAgain, &["provider_retries", "provider_settlement"]),
    (Manner::InsistsAfterRefusal, &["provider_new_ids"]),
    (Manner::IsMalformed, &["provider_well_formed"]),
];

/// How long a provider waits for a reply, and how often it asks: replies that are late are 1 second late.
const PATIENCE: Duration = Duration::from_millis(1_500);
const ATTEMPTS: usize = 8;

/// Between two rounds: ten providers at once leave room for whatever else is tested.
const PACE: Duration = Duration::from_millis(100);

/// Between a refusal and the same bet once more: longer than both can have crossed.
const SULK: Duration = Duration::from_millis(2_500);

/// A watch that sees some of everything: of five new messages of an operation the first is withheld, once.
const WATCH: [&str; 10] =
    ["--for", "30s", "--retry-within", "10s", "--settle-within", "15s", "--delay", "1s", "--seed", "5"];

fn party_of(manner: usize) -> String {
    format!("party{manner}")
}

fn secret(party: &str) -> String {
    format!("a secret of well over thirty-two bytes, shared with {party} alone")
}

/// A sandbox for each manner.
fn parties() -> String {
    let party = |manner| {
        let rules =
            "currencies = [\"CHF\"]\ngames = [\"wallstroulette\"]\nplayer_tokens = \"trusted\"\nsandbox = true\n";
        let party = party_of(manner);
        format!("[parties.{party}]\n{rules}[parties.{party}.jwt]\nhmac_secret = \"{}\"\n", secret(&party))
    };
    (0..MANNERS.len()).map(party).collect()
}

/// A provider of one party.
struct Provider {
    party: String,
    manner: Manner,
    channel: Channel,
    /// Where REST is spoken.
    http: String,
    reply_to: String,
    replies: Consumer,
    /// Messages that have a correlation id.
    sent: u64,
    _connection: Connection,
}

impl Provider {
    async fn connect(stage: &Stage, party: String, manner: Manner) -> Self {
        let (url, http) = (stage.vhost.amqp_url(), stage.url(""));
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.expect("a connection");
        let channel = connection.create_channel().await.expect("a channel");
        let reply_to = if manner == Manner::RightAndDirect {
            "amq.rabbitmq.reply-to".to_owned()
        } else {
            let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
            let queue = channel.queue_declare(short(""), options, FieldTable::default()).await.expect("a queue");
            queue.name().to_string()
        };
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = channel.basic_consume(short(&reply_to), short(""), options, FieldTable::default());
        let replies = consuming.await.expect("a consumer");
        Self { party, manner, channel, http, reply_to, replies, sent: 0, _connection: connection }
    }

    /// Plays rounds for ever: some are won, some are cancelled, and some bets are refused.
    async fn play(mut self) {
        for round in 1.. {
            crate::patience::delay(PACE).await;
            let id = format!("e-{round}");
            let order = json!({ "game": "wallstroulette", "externalId": id, "playerId": "alice" });
            let mut bet = order.clone();
            (bet["amount"], bet["currency"], bet["round"]) = (10.into(), "CHF".into(), round.into());
            if round % 3 == 0 {
                bet["playerId"] = "test-492".into();
            }
            let code = self.ask("order.bet", &mut bet).await;
            if code == "492" && self.manner == Manner::InsistsAfterRefusal {
                crate::patience::delay(SULK).await;
                self.ask("order.bet", &mut bet).await;
            }
            if code == "201" && self.manner == Manner::SettlesOverRest {
                self.cancel_over_rest(&order).await;
            } else if code == "201" && self.manner != Manner::NeverSettles {
                if round % 2 == 0 {
                    self.ask("order.bet.cancel", &mut order.clone()).await;
                } else {
                    let mut result = bet.clone();
                    (result["result"], result["amount"]) = ("win".into(), 15.into());
                    self.ask("order.bet.result", &mut result).await;
                }
            }
        }
    }

    async fn cancel_over_rest(&self, order: &Value) {
        let text = |name: &str| order[name].as_str().expect("text");
        let key = OrderKey {
            game: Game::parse(text("game")).expect("a game"),
            external_id: ExternalId::parse(text("externalId")).expect("an id"),
        };
        let id = OrderId::of(&Party::parse(&self.party).expect("a party"), &key).uuid();
        let claims = json!({ "sub": text("playerId"), "party": self.party, "exp": now() + 3600 });
        let secret = EncodingKey::from_secret(secret(&self.party).as_bytes());
        let token = jsonwebtoken::encode(&Header::default(), &claims, &secret).expect("a token");
        let body = json!({ "game": text("game"), "externalId": text("externalId") });
        let call = reqwest::Client::new().delete(format!("{}/v1/order/{id}", self.http)).bearer_auth(token);
        let cancelled = call.json(&body).send().await.expect("an answer");
        assert_eq!(cancelled.status().as_u16(), 200);
    }

    /// Asks until there is a reply, with its code.
    async fn ask(&mut self, operation: &str, body: &mut Value) -> String {
        let is_odd_bet = operation == "order.bet" && self.sent.is_multiple_of(2);
        if self.manner == Manner::IsMalformed && is_odd_bet {
            body["colour"] = "red".into();
        }
        self.sent += 1;
        let lacks_id = self.manner == Manner::HasNoCorrelationId && is_odd_bet;
        let shares_id = self.manner == Manner::ReusesCorrelationIds && body["playerId"] == "test-492";
        let id = if shares_id { "c-refused".to_owned() } else { format!("c-{}", self.sent) };
        let attempts = if self.manner == Manner::NeverAsksAgain { 1 } else { ATTEMPTS };
        for _ in 0..attempts {
            self.send(operation, body, Some(&id).filter(|_| !lacks_id)).await;
            let code = self.reply(&id).await;
            if let Some(code) = code {
                return code;
            }
            if self.manner == Manner::ChangesTheBody && operation == "order.bet" {
                body["amount"] = (body["amount"].as_i64().expect("a number") + 1).into();
            }
            if lacks_id {
                break;
            }
        }
        String::new()
    }

    async fn send(&self, operation: &str, body: &Value, id: Option<&String>) {
        let mut properties = BasicProperties::default()
            .with_reply_to(short(&self.reply_to))
            .with_delivery_mode(if self.manner == Manner::IsTransient { 1 } else { 2 });
        if let Some(id) = id {
            properties = properties.with_correlation_id(short(id));
        }
        let (key, options) = (short(&format!("v1.0.{}.{operation}", self.party)), BasicPublishOptions::default());
        let body = body.to_string();
        self.channel.basic_publish(short(REQUESTS), key, options, body.as_bytes(), properties).await.expect("sent");
    }

    /// The code of the reply with this correlation id; others are late ones, or second ones.
    async fn reply(&mut self, id: &str) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        while let Ok(Some(Ok(reply))) = timeout_at(until, self.replies.next()).await {
            if reply.properties.correlation_id().as_ref().is_some_and(|its| its.as_str() == id) {
                let body: Value = serde_json::from_slice(&reply.data).expect("JSON");
                return body["code"].as_str().map(str::to_owned);
            }
        }
        None
    }
}

fn told(ran: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
}

fn failed(report: &Value) -> Vec<&str> {
    let cases = report["cases"].as_array().into_iter().flatten();
    let failed = cases.filter(|case| case["outcome"]["is"] == "failed");
    failed.filter_map(|case| case["id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_provider_conforms_and_each_wrong_one_breaks_its_clause() {
    let stage = Arc::new(Stage::open(Base::Sqlite, &parties()).await);
    let judging = MANNERS.into_iter().enumerate().map(|(number, (manner, broken))| {
        let stage = Arc::clone(&stage);
        async move {
            let party = party_of(number);
            stage.add_player(&party, "alice").await;
            stage.deposit(&party, "alice", "1000.00", "CHF").await;
            let provider = Provider::connect(&stage, party.clone(), manner).await;
            let playing = tokio::spawn(provider.play());
            let files = ["json", "html", "xml"].map(|kind| stage.file(&format!("{party}.{kind}")));
            let [json, html, junit] = files.each_ref().map(|path| path.to_str().expect("a path"));
            let files = ["--json", json, "--html", html, "--junit", junit];
            let watch = [&["conform", "provider", "--party", &party], WATCH.as_slice(), &files].concat();
            let ran = stage.run(&watch).await;
            assert!(!playing.is_finished(), "{manner:?}: the provider has ended");
            playing.abort();
            let report: Value =
                std::fs::read(json).map_or(Value::Null, |json| serde_json::from_slice(&json).expect("JSON"));
            assert_eq!(failed(&report), broken, "{manner:?}: {}", told(&ran));
            assert_eq!(ran.status.code(), Some(i32::from(!broken.is_empty())), "{manner:?}: {}", told(&ran));
            let again = format!("again: purser conform provider --party {party} --for 30s");
            assert_eq!(told(&ran).contains(&again), !broken.is_empty(), "{}", told(&ran));
            let read = |path| std::fs::read_to_string(path).expect("a report");
            assert!(read(html).contains("Provider of party") && read(junit).contains("purser conform provider"));
            let traffic = &report["head"]["traffic"];
            let elsewhere = traffic["settled_elsewhere"].as_u64() > Some(0);
            assert_eq!(elsewhere, manner == Manner::SettlesOverRest, "{manner:?}: {traffic}");
            let seen = ["withheld", "late", "doubled"].map(|name| traffic[name].as_u64());
            assert!(seen.iter().all(|count| *count > Some(0)), "{manner:?}: {traffic}");
        }
    });
    join_all(judging).await;
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_sandbox_that_is_served_is_watched() {
    let parties = "[parties.earnest]\ncurrencies = [\"CHF\"]\nplayer_tokens = \"trusted\"\n\
                   [parties.practice]\ncurrencies = [\"CHF\"]\nplayer_tokens = \"trusted\"\nsandbox = true\n";
    let mut stage = Stage::open(Base::Sqlite, parties).await;
    let watch = async |stage: &Stage, party: &str, run_for: &str| {
        let times = ["--for", run_for, "--retry-within", "1s", "--settle-within", "1s"];
        stage.run(&[&["conform", "provider", "--party", party], times.as_slice()].concat()).await
    };
    for (party, run_for, why) in [
        ("earnest", "3s", "party earnest is no sandbox"),
        ("practice", "1s", "--for must be longer"),
        ("practice", "3s", "no message came"),
        ("nobody", "3s", "nobody"),
    ] {
        let ran = watch(&stage, party, run_for).await;
        assert_eq!(ran.status.code(), Some(2), "{}", told(&ran));
        assert!(told(&ran).contains(why), "{}", told(&ran));
    }
    // A party in earnest is not watched, whatever the one who asks believes of it.
    let mistaken =
        parties.replacen("player_tokens = \"trusted\"\n", "player_tokens = \"trusted\"\nsandbox = true\n", 1);
    stage.reconfigure(&mistaken);
    let ran = watch(&stage, "earnest", "30s").await;
    assert!(told(&ran).contains("nobody serves party earnest as a sandbox"), "{}", told(&ran));
    assert_eq!(ran.status.code(), Some(2), "{}", told(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_go_straight_again_when_the_watcher_is_gone() {
    let stage = Stage::open(Base::Postgres, &parties()).await;
    let party = party_of(0);
    let watch = ["conform", "provider", "--party", &party, "--seed", "5"];
    let mut watcher = super::process::purser(&stage.config(), &watch).spawn().expect("it starts");
    let mut provider = Provider::connect(&stage, party, Manner::NeverAsksAgain).await;
    let mut number = 0;
    let mut code_of_new_bet = async || {
        number += 1;
        let mut bet = json!({ "game": "wallstroulette", "externalId": number.to_string(), "playerId": "test-492" });
        (bet["amount"], bet["currency"], bet["round"]) = (10.into(), "CHF".into(), 1.into());
        provider.ask("order.bet", &mut bet).await
    };
    crate::patience::until("a reply that is withheld", async || code_of_new_bet().await.is_empty()).await;
    watcher.kill().and_then(|()| watcher.wait()).expect("it is gone");
    crate::patience::until("a reply without a watcher", async || code_of_new_bet().await == "492").await;
    for _ in 0..10 {
        assert_eq!(code_of_new_bet().await, "492");
    }
}
