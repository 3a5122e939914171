//! The broker's permissions as `docs/SECURITY.md` has them: its very lines are run, and then a provider tries what he
//! must not be able to do.

use std::process::Command;

use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
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

const PARTIES: &str = r#"
[parties.acme]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
[parties.other]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
"#;

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
    let directory = TempDir::new().expect("a directory");
    let (config, log) = (directory.path().join("purser.toml"), directory.path().join("purser.log"));
    let (amqp, http) = (own.amqp_url("purser:purser-secret", "purser"), free_port());
    let text = format!(
        "[database]\nurl = \"sqlite://{}/p.db\"\n[amqp]\nurl = \"{amqp}\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n{PARTIES}",
        directory.path().display()
    );
    std::fs::write(&config, text).expect("written");
    // Purser's own permissions are enough: to check, and to serve.
    let checked = purser(&config, &["check"]).output().expect("purser runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && said.contains("as expected for 2 parties"), "{said}");
    for arguments in [
        ["player", "add", "--party", "acme", "--player", "alice"].as_slice(),
        &["deposit", "--party", "acme", "--player", "alice", "--currency", "CHF", "--amount", "10.00"],
    ] {
        assert!(purser(&config, arguments).output().expect("purser runs").status.success(), "{arguments:?}");
    }
    let serving = Serving::start(&config, &log);
    until("purser is ready", async || {
        let answer = reqwest::get(format!("http://127.0.0.1:{http}/readyz")).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    let url = own.amqp_url("acme-games:acme-secret", "purser");
    let provider = Connection::connect(&url, ConnectionProperties::default()).await.expect("a connection");
    he_plays(&provider).await;
    he_reaches_nothing_else(&provider).await;
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
        let properties = BasicProperties::default().with_correlation_id(order.into()).with_reply_to(replies.into());
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
