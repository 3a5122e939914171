//! Several addresses for one broker, or one database: some are silent, some gone, and one is well.

use std::time::{Duration, Instant};

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;

use super::proxy::{Proxy, Weather};
use super::services::{Addresses, Own, execute, free_port};
use super::stage::{ACME, Base, Stage};
use super::wire::{Wire, bet, code};
use crate::patience::until;

/// Longer than everything that has to be waited for here, on a busy machine, and shorter than what a single silent node
/// would take of it: fifteen seconds, and twice that for a lost connection that nobody notices.
const SOON: Duration = Duration::from_secs(12);

/// What the broker's nodes are called in the configuration, where they have these ports.
fn nodes(stage: &Stage, ports: &[u16]) -> String {
    let port = format!(":{}/", stage.amqp_port());
    let urls = ports.iter().map(|other| stage.vhost.amqp_url().replace(&port, &format!(":{other}/")));
    format!("url = {:?}", urls.collect::<Vec<_>>())
}

/// A stage whose Purser reaches the broker by these ports.
async fn stage_by(ports: &[u16]) -> Stage {
    let stage = Stage::prepare(Base::Sqlite, ACME, &Addresses::shared()).await;
    stage.replace_in_config(&format!("url = {:?}", stage.vhost.amqp_url()), &nodes(&stage, ports));
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_node_and_one_that_is_gone_cost_a_moment_each() {
    let port = Addresses::shared().amqp_port();
    let silent = Proxy::before(port).await;
    silent.set(Weather::BlackHole);
    let gone = free_port();
    let mut stage = stage_by(&[silent.address.port(), gone, port]).await;
    let began = Instant::now();
    stage.serve();
    stage.until_ready().await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet("one")).await), "201");
    let ran = stage.run(&["check"]).await;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}");
    let vhost = stage.vhost.amqp_url().rsplit_once('/').expect("a path").1.to_owned();
    for (port, level, says) in [
        (
            silent.address.port(),
            "warn  broker: ",
            "cannot be reached: no answer within 3 s; the others are used meanwhile",
        ),
        (gone, "warn  broker: ", "; the others are used meanwhile"),
        (port, "ok    broker: ", "is reachable (no TLS)"),
    ] {
        let start = format!("{level}amqp://127.0.0.1:{port}/{vhost} ");
        assert!(said.lines().any(|line| line.starts_with(&start) && line.ends_with(says)), "{start}{says}\n{said}");
    }
    assert!(!said.contains("guest:guest"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_one_node_is_on_the_next_at_once() {
    let port = Addresses::shared().amqp_port();
    let (one, two) = (Proxy::before(port).await, Proxy::before(port).await);
    let mut stage = stage_by(&[one.address.port(), two.address.port()]).await;
    stage.serve();
    stage.until_ready().await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    for (number, (lost, other)) in [(&one, &two), (&two, &one), (&one, &two)].into_iter().enumerate() {
        other.set(Weather::Fair);
        let began = Instant::now();
        lost.set(Weather::Cut);
        let place = format!("connected to {}", lost.address);
        until("the loss is noticed", async || stage.log().matches(&place).count() > number / 2).await;
        assert_eq!(code(&wire.ask(bet(&format!("bet-{number}"))).await), "201");
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_that_are_somebody_elses_in_what_does_no_harm_are_served() {
    let mut stage = Stage::prepare(Base::Sqlite, ACME, &Addresses::shared()).await;
    let wire = Wire::connect(&stage).await;
    let text = |value: &str| AMQPValue::LongString(value.into());
    let strange = [
        ("x-quorum-initial-group-size", AMQPValue::LongLongInt(1)),
        ("x-queue-leader-locator", text("balanced")),
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-consumer-disconnected-timeout", AMQPValue::LongInt(30_000)),
    ];
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    for (queue, limit, strange) in [
        ("v1.0.acme.order.bet", 20, strange.as_slice()),
        ("v1.0.acme.order.bet.result", 19, &strange[..1]),
        ("v1.0.acme.dead", i32::MAX, &strange[2..3]),
    ] {
        let mut arguments = FieldTable::default();
        let limit = AMQPValue::LongInt(limit);
        for (name, value) in [("x-queue-type", text("quorum")), ("x-delivery-limit", limit)] {
            arguments.insert(name.into(), value);
        }
        if queue != "v1.0.acme.dead" {
            for (name, value) in [
                ("x-dead-letter-exchange", "v1.0.dead"),
                ("x-dead-letter-routing-key", "v1.0.acme.dead"),
                ("x-dead-letter-strategy", "at-least-once"),
                ("x-overflow", "reject-publish"),
            ] {
                arguments.insert(name.into(), text(value));
            }
        }
        for (name, value) in strange {
            arguments.insert((*name).into(), value.clone());
        }
        wire.channel.queue_declare(queue.into(), durable, arguments).await.expect("declared");
    }
    // Ours differ from the queue's in either direction.
    stage.replace_in_config("[amqp]\n", "[amqp]\nqueue_leader_locator = \"client-local\"\nqueue_group_size = 3\n");
    let ran = stage.run(&["check"]).await;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let adopted = "served as somebody else has declared it: v1.0.acme.order.bet (";
    let adopted = said.lines().find_map(|line| line.split_once(adopted)).unwrap_or_else(|| panic!("{said}")).1;
    for argument in ["x-quorum-initial-group-size", "x-queue-leader-locator", "x-single-active-consumer"] {
        assert!(adopted.contains(argument), "{said}");
    }
    for (queue, differs) in [
        ("v1.0.acme.order.bet.result", "inequivalent arg 'x-delivery-limit'"),
        ("v1.0.acme.dead", "inequivalent arg 'x-single-active-consumer'"),
    ] {
        let is_this = |line: &&str| line.starts_with(&format!("FAIL  topology {queue}: "));
        let line = said.lines().find(is_this).unwrap_or_else(|| panic!("{queue}: {said}"));
        assert!(line.contains(differs), "{line}");
    }
    stage.serve();
    until("the bets are served", async || wire.consumers("v1.0.acme.order.bet").await == Some(1)).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet("one")).await), "201");
    assert_eq!(wire.consumers("v1.0.acme.order.bet.result").await, Some(0), "left alone");
    let queues = stage.vhost.queues().await;
    let arguments = |queue: &str, name: &str| queues[queue]["arguments"][name].clone();
    assert_eq!(arguments("v1.0.acme.balance.get", "x-quorum-initial-group-size"), 3);
    assert_eq!(arguments("v1.0.acme.order.bet", "x-quorum-initial-group-size"), 1);
    assert_eq!(arguments("v1.0.acme.balance.get", "x-queue-leader-locator"), "client-local");
    assert_eq!(arguments("v1.0.acme.balance.get", "x-single-active-consumer"), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_that_takes_writes_is_found_behind_one_that_is_silent_and_one_that_does_not() {
    let standby = Own::start(&["postgres"]).await;
    let read_only = "ALTER SYSTEM SET default_transaction_read_only = on";
    let mut stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
    let url = stage.postgres.as_ref().expect("Postgres").url();
    let database = url.rsplit_once('/').expect("a path").1.to_owned();
    let on_standby = purser::storage::Database::Postgres(standby.plain_postgres_url());
    execute(&on_standby, format!("CREATE DATABASE {database}")).await;
    execute(&on_standby, read_only).await;
    execute(&on_standby, "SELECT pg_reload_conf()").await;
    let port = stage.postgres_port().expect("Postgres");
    let silent = Proxy::before(port).await;
    silent.set(Weather::BlackHole);
    let (own, silent_port) = (standby.postgres_port(), silent.address.port());
    let hosts = format!("127.0.0.1:{silent_port},127.0.0.1:{own},127.0.0.1:{port}/");
    stage.replace_in_config(&format!("127.0.0.1:{port}/"), &hosts);
    let began = Instant::now();
    stage.serve();
    stage.until_ready().await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet("one")).await), "201");
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 900);
    assert!(!stage.log().contains("without TLS"), "{}", stage.log());
    // Only the standby is left, and it is told what is wrong with each.
    let others = format!("127.0.0.1:{silent_port},127.0.0.1:{own}/");
    stage.replace_in_config(&hosts, &others);
    let ran = stage.run(&["check"]).await;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(said.contains(&format!("127.0.0.1:{silent_port}: no answer to the connection attempt")), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{own}: ")) && said.contains("does not allow writes"), "{said}");
}
