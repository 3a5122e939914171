//! The broker's permissions as `docs/SECURITY.md` has them: its very lines are run, and then a provider tries what he
//! must not be able to do.

use std::process::Command;

use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeBindOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use serde_json::json;
use tempfile::TempDir;

use super::process::{Serving, purser};
use super::services::{Own, free_port};
use super::wire::{code, consume, next};
use crate::patience::until;

const DOCUMENT: &str = include_str!("../../../docs/SECURITY.md");

/// The lines of the document's first shell block.
fn documented() -> &'static str {
    let (_, rest) = DOCUMENT.split_once("```sh\n").expect("a shell block");
    rest.split_once("```").expect("its end").0
}

/// The settings that go with them.
fn documented_settings() -> &'static str {
    let (_, rest) = DOCUMENT.split_once("```toml\n[parties.acme]\n").expect("settings");
    rest.split_once("```").expect("their end").0
}

/// Whoever shares the virtual host against all advice is there to be attacked.
const PARTIES: &str = r#"
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
[parties.other]
amqp_vhost = "acme"
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
[parties.third]
amqp_vhost = "third"
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
"#;

/// For the party whose virtual host nobody else is in.
const THIRD: [&[&str]; 2] = [
    &["rabbitmqctl", "add_vhost", "third"],
    &["rabbitmqctl", "set_permissions", "-p", "third", "purser", "^v1\\.0", "^(v1\\.0.*|amq\\.default)$", "^v1\\.0"],
];

/// What a provider may try: an exchange and routing key to publish to, or something to do with a queue.
enum Attempt {
    Publish(&'static str, &'static str),
    Consume(&'static str),
    Declare(&'static str),
    /// His own queue, to this exchange, by this key.
    Bind(&'static str, &'static str),
}

impl Attempt {
    /// On a channel of its own, which a refusal closes.
    async fn on(&self, connection: &Connection) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        match self {
            Self::Publish(exchange, key) => {
                publish(&channel, exchange, key, b"{}", BasicProperties::default()).await?;
            }
            Self::Consume(queue) => {
                let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
                channel.basic_consume((*queue).into(), "".into(), options, none).await?;
            }
            Self::Declare(queue) => declare(&channel, queue).await?,
            Self::Bind(exchange, key) => {
                declare(&channel, "acme-games.replies").await?;
                let (options, none) = (QueueBindOptions::default(), FieldTable::default());
                let (queue, exchange, key) = ("acme-games.replies".into(), (*exchange).into(), (*key).into());
                channel.queue_bind(queue, exchange, key, options, none).await?;
            }
        }
        channel.close(200, "done".into()).await
    }
}

async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> lapin::Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish(exchange.into(), key.into(), options, body, properties).await?;
    assert!(matches!(sent.await?, Confirmation::Ack(_)));
    Ok(())
}

async fn declare(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.map(drop)
}

async fn run_the_documented_lines(own: &Own) {
    let services = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services");
    let script = format!("set -e\nrabbitmqctl() {{ {services} rabbitmqctl \"$@\"; }}\n{}", documented());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).envs(own.environment());
    command.env("PURSER_PASSWORD", "purser-secret").env("ACME_PASSWORD", "acme-secret");
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("bash runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_with_the_documented_permissions_reaches_his_own_party_alone() {
    let own = Own::start(&["broker"]).await;
    run_the_documented_lines(&own).await;
    for line in THIRD {
        own.run(line).await;
    }
    let directory = TempDir::new().expect("a directory");
    let (config, log) = (directory.path().join("purser.toml"), directory.path().join("purser.log"));
    let (amqp, http) = (own.amqp_url("purser:purser-secret", "elsewhere"), free_port());
    let text = format!(
        "[database]\nurl = \"sqlite://{}/p.db\"\n[amqp]\nurl = \"{amqp}\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n[parties.acme]\n{}{PARTIES}",
        directory.path().display(),
        documented_settings()
    );
    std::fs::write(&config, &text).expect("written");
    // Purser's own permissions are enough: to check, and to serve. The provider's are not.
    let check = |config: &std::path::Path| {
        let checked = purser(config, &["check"]).output().expect("purser runs");
        (checked.status.success(), String::from_utf8_lossy(&checked.stdout).into_owned())
    };
    let (fit, said) = check(&config);
    assert!(fit && said.matches("ok    topology: `purser serve` will declare v1.0, ").count() == 2, "{said}");
    let of_provider = directory.path().join("provider.toml");
    std::fs::write(&of_provider, text.replace("purser:purser-secret", "acme-games:acme-secret")).expect("written");
    let (fit, said) = check(&of_provider);
    assert!(!fit && said.contains("FAIL  topology v1.0: ACCESS_REFUSED"), "{said}");
    assert!(said.contains("FAIL  topology v1.0.acme.order.bet: ACCESS_REFUSED"), "{said}");
    for party in ["acme", "other"] {
        let (party, player) = (["--party", party], ["--player", "alice"]);
        let money = ["--currency", "CHF", "--amount", "10.00"];
        for arguments in [
            [["player", "add"].as_slice(), &party, &player].concat(),
            [["deposit"].as_slice(), &party, &player, &money].concat(),
        ] {
            assert!(purser(&config, &arguments).output().expect("purser runs").status.success(), "{arguments:?}");
        }
    }
    let serving = Serving::start(&config, &log);
    until("purser is ready", async || {
        let answer = reqwest::get(format!("http://127.0.0.1:{http}/readyz")).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    let (fit, said) = check(&config);
    assert!(fit && said.contains("as expected for 2 parties") && said.contains("as expected for 1 parties"), "{said}");
    let connect = async |user: &str, vhost: &str| {
        Connection::connect(&own.amqp_url(user, vhost), ConnectionProperties::default()).await
    };
    let provider = connect("acme-games:acme-secret", "acme").await.expect("a connection");
    he_plays(&provider).await;
    he_reaches_nothing_else(&provider).await;
    for vhost in ["third", "%2f"] {
        assert!(connect("acme-games:acme-secret", vhost).await.is_err(), "virtual host {vhost}");
    }
    let purser = connect("purser:purser-secret", "acme").await.expect("a connection");
    he_is_answered_nowhere_else(&provider, &purser).await;
    he_cannot_ask_in_anothers_name(&provider).await;
    let ways = he_goes_past_his_permissions(&provider).await;
    until("all of it is parked", async || waiting(&purser, "v1.0.other.dead").await == ways).await;
    let told = |arguments: &[&str]| {
        let ran = purser_command(&config, arguments);
        serde_json::from_slice::<serde_json::Value>(&ran).expect("JSON")
    };
    assert_eq!(told(&["dead", "redrive", "--party", "other", "--json"])["homeless"], ways);
    let balances = told(&["balance", "--party", "other", "--player", "alice", "--json"]);
    assert!(balances.to_string().contains("\"balance_minor\":1000"), "{balances}");
    assert_eq!(serving.terminate().await.code(), Some(0));
}

/// Through the exchange, with replies straight to him, and to a queue of his own.
async fn he_plays(provider: &Connection) {
    let channel = provider.create_channel().await.expect("a channel");
    declare(&channel, "acme-games.mine").await.expect("his own queue");
    for (order, replies) in [("one", "amq.rabbitmq.reply-to"), ("two", "acme-games.mine")] {
        let mut consumer = consume(&channel, replies).await;
        let bet = json!({ "amount": 100, "currency": "CHF", "game": "wallstroulette", "round": 1,
                          "externalId": order, "playerId": "alice" });
        let properties = his(order).with_reply_to(replies.into());
        let body = bet.to_string().into_bytes();
        publish(&channel, "v1.0", "v1.0.acme.order.bet", &body, properties).await.expect("published");
        assert_eq!(code(&next(&mut consumer).await), "201", "{order}");
    }
    let status = Attempt::Bind("v1.0.status", "v1.0.acme.#");
    status.on(provider).await.expect("the status of his own party");
}

async fn he_reaches_nothing_else(provider: &Connection) {
    let attempts = [
        ("another party's bets", Attempt::Publish("v1.0", "v1.0.other.order.bet")),
        ("a key that only begins like his", Attempt::Publish("v1.0", "v1.0.acme-2.order.bet")),
        ("another party's queue", Attempt::Publish("", "v1.0.other.order.bet")),
        ("his party's queue, around the exchange", Attempt::Publish("", "v1.0.acme.order.bet")),
        ("replies in Purser's name", Attempt::Publish("v1.0.status", "v1.0.acme.order.bet")),
        ("dead letters", Attempt::Publish("v1.0.dead", "v1.0.acme.dead")),
        ("requests of his own party", Attempt::Consume("v1.0.acme.order.bet")),
        ("dead letters with tokens in them", Attempt::Consume("v1.0.acme.dead")),
        ("a queue in Purser's place", Attempt::Declare("v1.0.third.order.bet")),
        ("all requests", Attempt::Bind("v1.0", "#")),
        ("another party's replies", Attempt::Bind("v1.0.status", "v1.0.other.#")),
        ("all parties' replies", Attempt::Bind("v1.0.status", "v1.0.#")),
    ];
    for (what, attempt) in attempts {
        let error = attempt.on(provider).await.expect_err(what).to_string();
        assert!(error.contains("ACCESS_REFUSED") || error.contains("403"), "{what}: {error}");
    }
}

/// Properties as he may set them.
fn his(correlation: &str) -> BasicProperties {
    BasicProperties::default().with_correlation_id(correlation.into()).with_user_id("acme-games".into())
}

fn bet(order: &str) -> Vec<u8> {
    let bet = json!({ "amount": 100, "currency": "CHF", "game": "wallstroulette", "round": 1,
                      "externalId": order, "playerId": "alice" });
    bet.to_string().into_bytes()
}

fn purser_command(config: &std::path::Path, arguments: &[&str]) -> Vec<u8> {
    let ran = purser(config, arguments).output().expect("purser runs");
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

async fn waiting(connection: &Connection, queue: &str) -> u32 {
    let channel = connection.create_channel().await.expect("a channel");
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
    declared.expect("the queue is there").message_count()
}

/// A reply to a queue that is not his goes to the status exchange.
async fn he_is_answered_nowhere_else(provider: &Connection, purser: &Connection) {
    const VICTIM: &str = "v1.0.victims.replies";
    declare(&purser.create_channel().await.expect("a channel"), VICTIM).await.expect("another's queue");
    let channel = provider.create_channel().await.expect("a channel");
    declare(&channel, "acme-games.statuses").await.expect("his own queue");
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    let binding =
        channel.queue_bind("acme-games.statuses".into(), "v1.0.status".into(), "v1.0.acme.#".into(), options, none);
    binding.await.expect("bound");
    let mut statuses = consume(&channel, "acme-games.statuses").await;
    let properties = his("elsewhere").with_reply_to(VICTIM.into());
    publish(&channel, "v1.0", "v1.0.acme.order.bet", &bet("elsewhere"), properties).await.expect("published");
    assert_eq!(code(&next(&mut statuses).await), "201");
    assert_eq!(waiting(purser, VICTIM).await, 0);
}

async fn he_cannot_ask_in_anothers_name(provider: &Connection) {
    let channel = provider.create_channel().await.expect("a channel");
    let properties = BasicProperties::default().with_user_id("purser".into());
    let refused = publish(&channel, "v1.0", "v1.0.acme.order.bet", b"{}", properties).await;
    assert!(refused.expect_err("refused").to_string().contains("user_id"));
}

/// Every way that the broker leaves him into the neighbour's queue; how many there are.
async fn he_goes_past_his_permissions(provider: &Connection) -> u32 {
    const VICTIM: &str = "v1.0.other.order.bet";
    let channel = provider.create_channel().await.expect("a channel");
    let text = |text: &str| AMQPValue::LongString(text.into());
    let table = |fields: &[(&str, AMQPValue)]| {
        let mut table = FieldTable::default();
        for (name, value) in fields {
            table.insert((*name).into(), value.clone());
        }
        table
    };
    let exchange = async |name: &str, arguments: FieldTable| {
        let options = ExchangeDeclareOptions::default();
        channel.exchange_declare(name.into(), ExchangeKind::Fanout, options, arguments).await.expect("an exchange");
    };
    exchange("acme-games.alternate", table(&[("alternate-exchange", text("v1.0"))])).await;
    exchange("acme-games.bound", FieldTable::default()).await;
    exchange("acme-games.in", FieldTable::default()).await;
    let bound = channel.exchange_bind(
        "v1.0".into(),
        "acme-games.bound".into(),
        "".into(),
        ExchangeBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.expect("bound");
    let arguments = table(&[
        ("x-message-ttl", AMQPValue::LongInt(0)),
        ("x-dead-letter-exchange", text("v1.0")),
        ("x-dead-letter-routing-key", text(VICTIM)),
    ]);
    let passing = "acme-games.passing";
    channel.queue_declare(passing.into(), QueueDeclareOptions::default(), arguments).await.expect("a queue");
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(passing.into(), "acme-games.in".into(), "".into(), options, none).await.expect("bound");
    let copies = |name: &str| table(&[(name, AMQPValue::FieldArray(FieldArray::from(vec![text(VICTIM)])))]);
    let ways = [
        ("v1.0", "v1.0.acme.nothing", copies("CC")),
        ("v1.0", "v1.0.acme.nothing", copies("BCC")),
        ("acme-games.alternate", VICTIM, FieldTable::default()),
        ("acme-games.bound", VICTIM, FieldTable::default()),
        ("acme-games.in", "", FieldTable::default()),
    ];
    let mut through = 0;
    for (number, (exchange, key, headers)) in ways.into_iter().enumerate() {
        let order = format!("past-{number}");
        let copied = headers != FieldTable::default();
        let channel = provider.create_channel().await.expect("a channel");
        match publish(&channel, exchange, key, &bet(&order), his(&order).with_headers(headers)).await {
            Ok(()) => through += 1,
            // RabbitMQ 4 holds copies against the topic permissions, too.
            Err(refusal) => assert!(copied && refusal.to_string().contains("ACCESS_REFUSED"), "{order}: {refusal}"),
        }
    }
    through
}
