//! Ways past a broker's permissions into a queue that one may not write to, and bindings that would make a loop.

use std::collections::BTreeMap;

use lapin::BasicProperties;
use lapin::ExchangeKind;
use lapin::options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::short;
use serde_json::{Value, json};

use super::stage::{ACME, Base, Stage};
use super::wire::{Message, Wire, bet, code, correlation, header, publish};
use crate::patience::until;

const OTHER: &str = r#"
[parties.other]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
"#;

const VICTIM: &str = "v1.0.other.order.bet";
const OWN: &str = "v1.0.acme.order.bet";

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn table<const N: usize>(fields: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert(short(name), value);
    }
    table
}

fn list<const N: usize>(values: [AMQPValue; N]) -> AMQPValue {
    AMQPValue::FieldArray(FieldArray::from(values.to_vec()))
}

async fn open(parties: &str) -> (Stage, Wire) {
    let stage = Stage::open(Base::Sqlite, parties).await;
    for party in ["acme", "other"].into_iter().filter(|party| parties.contains(&format!("[parties.{party}]"))) {
        stage.add_player(party, "alice").await;
        stage.deposit(party, "alice", "10.00", "CHF").await;
    }
    let wire = Wire::connect(&stage).await;
    (stage, wire)
}

async fn exchange(wire: &Wire, name: &str, arguments: FieldTable) {
    let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    wire.channel.exchange_declare(short(name), ExchangeKind::Fanout, options, arguments).await.expect("an exchange");
}

async fn bind_exchange(wire: &Wire, destination: &str, source: &str) {
    let (options, none) = (ExchangeBindOptions::default(), FieldTable::default());
    wire.channel.exchange_bind(short(destination), short(source), short("#"), options, none).await.expect("bound");
}

async fn bind(wire: &Wire, queue: &str, exchange: &str) {
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    wire.channel.queue_bind(short(queue), short(exchange), short("#"), options, none).await.expect("bound");
}

/// A queue that passes on to `v1.0` what it gets, at once.
async fn passing_queue(wire: &Wire, name: &str, routing_key: &str) {
    let arguments = table([
        ("x-message-ttl", AMQPValue::LongInt(0)),
        ("x-dead-letter-exchange", text("v1.0")),
        ("x-dead-letter-routing-key", text(routing_key)),
    ]);
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    wire.channel.queue_declare(short(name), options, arguments).await.expect("a queue");
}

/// What `/metrics` counts of a party's unfit messages, by kind.
async fn unfit(stage: &Stage, party: &str) -> BTreeMap<String, u64> {
    let metrics = reqwest::get(stage.url("/metrics")).await.expect("an answer").text().await.expect("text");
    let prefix = format!("purser_unfit_messages_total{{party=\"{party}\",kind=\"");
    let count = |line: &str| {
        let (kind, count) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
        Some((kind.to_owned(), count.parse().expect("a count")))
    };
    // Each kind is there from the start.
    metrics.lines().filter_map(count).filter(|(_, count)| *count > 0).collect()
}

async fn until_unfit(stage: &Stage, party: &str, kind: &str, count: u64) {
    until("it is counted", async || unfit(stage, party).await.get(kind) == Some(&count)).await;
}

async fn reasons(stage: &Stage, party: &str) -> Vec<String> {
    let told = stage.done(&["dead", "list", "--party", party, "--json"]).await;
    let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.map(|line| line["reason"].as_str().expect("a reason").to_owned()).collect()
}

async fn redriven(stage: &Stage, party: &str) -> Value {
    let told = stage.done(&["dead", "redrive", "--party", party, "--json"]).await;
    serde_json::from_str(&told).expect("JSON")
}

fn forged(wire: &Wire, id: &str, headers: FieldTable) -> (Vec<u8>, BasicProperties) {
    let Message { properties, body, .. } = bet(id);
    (body, properties.with_reply_to(short(&wire.replies)).with_headers(headers))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_another_partys_queue_past_the_permissions_moves_nothing() {
    let (stage, mut wire) = open(&format!("{ACME}{OTHER}")).await;
    exchange(&wire, "acme-games.alternate", table([("alternate-exchange", text("v1.0"))])).await;
    exchange(&wire, "acme-games.bound", FieldTable::default()).await;
    bind_exchange(&wire, "v1.0", "acme-games.bound").await;
    passing_queue(&wire, "acme-games.passing", VICTIM).await;
    let ways = [
        ("CC", "v1.0", OWN, table([("CC", list([text(VICTIM)]))])),
        ("BCC", "v1.0", OWN, table([("BCC", list([text(VICTIM)]))])),
        ("CC past the exchange", "", "acme-games.passing", table([("CC", list([text(VICTIM)]))])),
        ("an alternate exchange", "acme-games.alternate", VICTIM, FieldTable::default()),
        ("an exchange bound to v1.0", "acme-games.bound", VICTIM, FieldTable::default()),
        ("a queue that dead-letters", "", "acme-games.passing", FieldTable::default()),
        ("the same, with no death of its own", "", "acme-games.passing", table([("x-death", list([]))])),
        ("the same, with a death that is none", "", "acme-games.passing", table([("x-death", text("none"))])),
    ];
    let mut misrouted = 0;
    for (what, exchange, key, headers) in ways {
        let (body, properties) = forged(&wire, what, headers);
        publish(&wire.channel, exchange, key, &body, properties).await;
        if exchange == "v1.0" {
            // His own party's bet is a good one.
            assert_eq!(code(&wire.next_reply().await), "201", "{what}");
        }
        // The third way leads there twice.
        misrouted += if what.starts_with("CC past") { 2 } else { 1 };
        until_unfit(&stage, "other", "misrouted", misrouted).await;
    }
    until("all are parked", async || wire.ready("v1.0.other.dead").await == u32::try_from(misrouted).expect("few"))
        .await;
    // Nobody was answered for them: the next reply is to the next bet.
    let mut message = bet("honest");
    message.party = "other";
    assert_eq!(correlation(&wire.ask(message).await), "honest");
    assert_eq!(stage.balance("other", "alice", "CHF").await, 900);
    assert!(stage.log().contains("messages that are no requests to this queue"));
    assert!(reasons(&stage, "other").await.iter().all(|reason| reason == "misrouted"));
    // Put back by Purser they would be requests.
    assert_eq!(redriven(&stage, "other").await["homeless"], misrouted);
    assert_eq!(stage.balance("other", "alice", "CHF").await, 900);
    stage.audit().await;
}

/// The broker's account of a death.
fn death(queue: &str, exchange: &str, routing_key: &str) -> FieldTable {
    let account = table([
        ("queue", text(queue)),
        ("exchange", text(exchange)),
        ("routing-keys", list([text(routing_key)])),
        ("reason", text("delivery_limit")),
    ]);
    table([
        ("x-death", list([AMQPValue::FieldTable(account)])),
        ("x-first-death-queue", text(queue)),
        ("x-first-death-reason", text("delivery_limit")),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_died_in_its_own_queue_is_put_back_and_one_that_came_astray_is_not() {
    let (stage, mut wire) = open(ACME).await;
    for (id, headers) in [
        ("through the exchange", death(OWN, "v1.0", OWN)),
        ("straight to the queue", death(OWN, "", OWN)),
        ("astray", death(OWN, "v1.0", "v1.0.other.order.bet")),
        ("from elsewhere", death(OWN, "acme-games.x", OWN)),
    ] {
        let (body, properties) = forged(&wire, id, headers);
        publish(&wire.channel, "v1.0.dead", "v1.0.acme.dead", &body, properties).await;
    }
    let told = redriven(&stage, "acme").await;
    assert_eq!((&told["answered"], &told["homeless"]), (&json!({ "201": 2 }), &json!(2)));
    for _ in 0..2 {
        assert_eq!(code(&wire.next_reply().await), "201");
    }
    // Whoever moves letters by other means leaves the account in them.
    let (body, properties) = forged(&wire, "moved", death(OWN, "v1.0", OWN));
    publish(&wire.channel, "", OWN, &body, properties).await;
    assert_eq!(code(&wire.next_reply().await), "201");
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 700);
}

/// Whoever may write to the default exchange reaches the dead letters by their name, and redriving them asks in the name of
/// their first sender.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_was_sent_straight_to_the_dead_letters_is_nobodys_word() {
    let restricted = ACME.replace("[parties.acme]\n", "[parties.acme]\namqp_users = [\"acme-games\"]\n");
    let (stage, mut wire) = open(&restricted).await;
    let say = [("x-purser-queue", OWN), ("x-purser-reason", "fault"), ("x-purser-user-id", "acme-games")];
    for (exchange, id) in [("", "forged"), ("v1.0.dead", "parked")] {
        let (body, properties) = forged(&wire, id, table(say.map(|(name, value)| (name, text(value)))));
        publish(&wire.channel, exchange, "v1.0.acme.dead", &body, properties).await;
    }
    let told = redriven(&stage, "acme").await;
    assert_eq!((&told["answered"], &told["homeless"]), (&json!({ "201": 1 }), &json!(1)));
    let reply = wire.next_reply().await;
    assert_eq!((correlation(&reply), code(&reply).as_str()), ("parked", "201"));
    let listed = stage.done(&["dead", "list", "--party", "acme", "--json"]).await;
    let left: Value = serde_json::from_str(&listed).expect("one line of JSON");
    assert_eq!((&left["id"], &left["reason"], &left["queue"]), (&json!("forged"), &json!("misrouted"), &json!("")));
    stage.done(&["dead", "drop", "--party", "acme", "--reason", "misrouted"]).await;
    assert_eq!(wire.ready("v1.0.acme.dead").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_binding_makes_a_loop() {
    let (stage, mut wire) = open(ACME).await;
    passing_queue(&wire, "passing", OWN).await;
    bind_exchange(&wire, "v1.0", "v1.0.status").await;
    bind_exchange(&wire, "v1.0", "v1.0.dead").await;
    bind(&wire, OWN, "v1.0.dead").await;
    bind(&wire, "passing", "v1.0.dead").await;
    bind(&wire, "passing", "v1.0.status").await;
    bind(&wire, "v1.0.acme.dead", "v1.0.status").await;
    wire.send(Message::new(Operation::OrderBet, "malformed", &json!([]))).await;
    // The dead letter straight and through the queue that passes it on; and its answer likewise.
    until_unfit(&stage, "acme", "echo", 4).await;
    assert_eq!(code(&wire.ask(bet("good")).await), "201");
    // The dead letter, and the answer that is bound to it.
    assert_eq!(wire.ready("v1.0.acme.dead").await, 2);
    let counted = unfit(&stage, "acme").await;
    assert_eq!(counted, BTreeMap::from([("echo".to_owned(), 4)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_reply_is_pursers_own_wish_alone() {
    let (_stage, mut wire) = open(ACME).await;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    wire.channel.queue_declare(short("victim"), options, FieldTable::default()).await.expect("a queue");
    let mut message = bet("copied");
    message.properties = message.properties.with_headers(table([("x-purser-copy-to", text("victim"))]));
    assert_eq!(code(&wire.ask(message).await), "201");
    // A copy is sent before the reply.
    assert_eq!(wire.ready("victim").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_with_users_and_reply_queues_hears_nobody_else_and_answers_nowhere_else() {
    let restricted = ACME.replace(
        "[parties.acme]\n",
        "[parties.acme]\namqp_users = [\"acme-games\"]\nreply_queues = [\"acme-games.\", \"amq.gen-\"]\n",
    );
    let (stage, mut wire) = open(&restricted).await;
    wire.send(bet("nobody's")).await;
    let dead = wire.take("v1.0.acme.dead").await.delivery.properties;
    assert_eq!(header(&dead, "x-purser-reason"), "misrouted");
    assert!(header(&dead, "x-purser-error").contains("amqp_users"));
    // The test signs in as Purser does; and Purser asks on its own account.
    let own = |id: &str| {
        let mut message = bet(id);
        message.properties = message.properties.with_user_id("guest".into());
        message
    };
    assert_eq!(code(&wire.ask(own("purser's")).await), "201");
    // What it puts back is judged by whoever sent it first.
    let redriven = |sender: &str, reply_to: &str| {
        let headers = table([("x-purser-redriven", AMQPValue::LongUInt(1)), ("x-purser-user-id", text(sender))]);
        let mut message = own(sender);
        message.properties = message.properties.with_headers(headers).with_reply_to(short(reply_to));
        message
    };
    wire.send(redriven("somebody", &wire.replies)).await;
    assert_eq!(header(&wire.take("v1.0.acme.dead").await.delivery.properties, "x-purser-user-id"), "somebody");
    let mut statuses = wire.status_queue("v1.0.acme.#").await;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    wire.channel.queue_declare(short("victim"), options, FieldTable::default()).await.expect("a queue");
    wire.send(redriven("acme-games", "victim")).await;
    assert_eq!(correlation(&super::wire::next(&mut statuses).await), "acme-games");
    assert_eq!(wire.ready("victim").await, 0);
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 800);
}
