//! The fault table: what breaks, and that nobody who plays through it notices more than a pause.

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use purser::dialects::egpp::Operation;
use purser::storage::Database;

use purser::transport::amqp::topology::short;
use serde_json::json;

use super::play::{Plan, Play, invite, rng, seed};
use super::services::{Addresses, Own};
use super::stage::{ACME, Base, Stage, on_both};
use super::wire::{Message, Wire, bet, code};
use crate::patience::until;

/// Long enough for what happens in the middle of it.
const ORDERS: u32 = 2000;

/// A stage with a play under way.
pub async fn under_load(base: Base) -> (Stage, Play) {
    let stage = Stage::open(base, ACME).await;
    invite(&stage).await;
    let plan = Plan::new(ORDERS, &mut rng(seed()));
    let play = Play::begin(&stage, plan).await;
    play.until_answered(100).await;
    (stage, play)
}

/// A stage where Alice has 1000.00 CHF.
pub async fn with_alice(base: Base) -> Stage {
    let stage = Stage::open(base, ACME).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "1000.00", "CHF").await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_broker_closes_is_opened_again() {
    on_both(async |base| {
        let (stage, play) = under_load(base).await;
        let mut closed = 0;
        until("the broker lists and closes the connection", async || {
            closed += stage.vhost.close_connections_of_purser().await;
            closed > 0
        })
        .await;
        until("purser notices", async || stage.log().contains("the session with the broker ended")).await;
        play.finish(&stage).await;
        until("purser is ready again", async || stage.is_ready().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_is_declared_again() {
    on_both(async |base| {
        let mut stage = with_alice(base).await;
        let mut wire = Wire::connect(&stage).await;
        assert_eq!(code(&wire.ask(bet("one")).await), "201");
        for queue in ["v1.0.acme.order.bet", "v1.0.acme.balance.get"] {
            wire.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted");
        }
        until("the queues are there again and served", async || {
            let queues = ["v1.0.acme.order.bet", "v1.0.acme.balance.get"];
            wire.consumers(queues[0]).await == Some(1) && wire.consumers(queues[1]).await == Some(1)
        })
        .await;
        assert_eq!(code(&wire.ask(bet("one")).await), "201");
        assert_eq!(code(&wire.ask(bet("two")).await), "201");
        stage.until_ready().await;
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000 - 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_that_are_deleted_under_load_are_served_again_and_what_was_lost_with_them_can_be_asked_again() {
    on_both(async |base| {
        let (mut stage, play) = under_load(base).await;
        for operation in [Operation::OrderBet, Operation::OrderBetResult, Operation::OrderBetCancel] {
            play.until_answered(play.answered() + 100).await;
            play.lose_queue(&stage, operation).await;
        }
        play.finish(&stage).await;
        stage.until_ready().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stops_or_is_killed_comes_back_to_a_purser_that_waited() {
    let own = Own::start(&["broker"]).await;
    let addresses = own.addresses.with_postgres_of(&Addresses::shared());
    let mut stages = Vec::new();
    for base in [Base::Sqlite, Base::Postgres] {
        let mut stage = Stage::prepare(base, ACME, &addresses).await;
        stage.serve();
        stage.until_ready().await;
        invite(&stage).await;
        let play = Play::begin(&stage, Plan::new(2 * ORDERS, &mut rng(seed()))).await;
        play.until_answered(100).await;
        stages.push((stage, play));
    }
    for way in [["stop", "broker"], ["kill", "broker"]] {
        own.run(&way).await;
        for (stage, _) in &stages {
            until("/readyz says that the broker is away", async || stage.readyz_says("broker", "away: ").await).await;
            assert_eq!(stage.get("/healthz").await.expect("it lives").0, 200);
        }
        own.run(&["start", "broker"]).await;
        for (stage, play) in &mut stages {
            stage.until_ready().await;
            play.until_answered(play.answered() + 100).await;
        }
    }
    for (stage, play) in stages {
        play.finish(&stage).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_crashes_comes_back_to_a_purser_that_waited() {
    let own = Own::start(&["postgres"]).await;
    let addresses = Addresses::shared().with_postgres_of(&own.addresses);
    let mut stage = Stage::prepare(Base::Postgres, ACME, &addresses).await;
    stage.serve();
    stage.until_ready().await;
    invite(&stage).await;
    let play = Play::begin(&stage, Plan::new(ORDERS, &mut rng(seed()))).await;
    for _ in 0..2 {
        play.until_answered(play.answered() + 200).await;
        own.run(&["stop", "--immediate", "postgres"]).await;
        until("/readyz says that the database is away", async || stage.readyz_says("database", "away: ").await).await;
        assert_eq!(stage.get("/healthz").await.expect("it lives").0, 200);
        own.run(&["start", "postgres"]).await;
        stage.until_ready().await;
    }
    play.finish(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readyz_notices_a_database_that_goes_away_while_nobody_asks_for_it() {
    let own = Own::start(&["postgres"]).await;
    let addresses = Addresses::shared().with_postgres_of(&own.addresses);
    let mut stage = Stage::prepare(Base::Postgres, ACME, &addresses).await;
    stage.serve();
    stage.until_ready().await;
    own.run(&["stop", "postgres"]).await;
    until("/readyz says that the database is away", async || stage.readyz_says("database", "away: ").await).await;
    own.run(&["start", "postgres"]).await;
    stage.until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terminated_backends_are_replaced() {
    let (stage, play) = under_load(Base::Postgres).await;
    for _ in 0..3 {
        play.until_answered(play.answered() + 100).await;
        stage.postgres.as_ref().expect("a database").terminate_backends().await;
    }
    play.finish(&stage).await;
    until("purser is ready again", async || stage.is_ready().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_sqlite_file_is_waited_for() {
    let (stage, play) = under_load(Base::Sqlite).await;
    let Database::Sqlite(path) = stage.database.clone() else { panic!("a file") };
    let (release, released) = std::sync::mpsc::channel::<()>();
    let holding = std::thread::spawn(move || {
        use diesel::connection::SimpleConnection;
        let mut conn = purser::storage::sqlite::connect(&path).expect("a connection");
        conn.batch_execute("BEGIN IMMEDIATE").expect("the lock");
        released.recv().expect("released");
        conn.batch_execute("ROLLBACK").expect("the lock is given back");
    });
    until("/readyz says that the database is away", async || stage.readyz_says("database", "away: ").await).await;
    release.send(()).expect("held until now");
    holding.join().expect("the lock was held");
    until("purser is ready again", async || stage.is_ready().await).await;
    play.finish(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_what_was_taken_and_takes_no_more() {
    on_both(async |base| {
        let (mut stage, mut play) = under_load(base).await;
        for _ in 0..2 {
            play.until_answered(play.answered() + 100).await;
            stage.stop().await;
            stage.serve();
        }
        play.until_complete().await;
        stage.stop().await;
        let (confirmed, answers) = play.counts();
        assert_eq!(answers, confirmed, "a drained message is acked, so it does not come again");
        assert_eq!(stage.log().matches("drained").count(), 3);
        play.finish(&stage).await;
    })
    .await;
}

/// A queue of Purser's name, with an argument that it does not have.
async fn declare_otherwise(wire: &Wire, queue: &str) {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(7));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    wire.channel.queue_declare(queue.into(), options, arguments).await.expect("a queue");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_arguments_is_named_and_left_alone_while_the_others_are_served() {
    on_both(async |base| {
        let queue = "v1.0.acme.order.bet.cancel";
        let mut stage = Stage::prepare(base, ACME, &Addresses::shared()).await;
        let mut wire = Wire::connect(&stage).await;
        declare_otherwise(&wire, queue).await;

        let checked = stage.run(&["check"]).await;
        let told = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert_eq!(checked.status.code(), Some(1), "{told}");
        let failed: Vec<&str> = told.lines().filter(|line| line.starts_with("FAIL")).collect();
        assert!(failed.len() == 1 && failed[0].contains(queue) && failed[0].contains("inequivalent arg"), "{told}");

        stage.serve();
        until("/readyz names the queue", async || stage.readyz_says("broker", queue).await).await;
        stage.add_player("acme", "alice").await;
        stage.deposit("acme", "alice", "1000.00", "CHF").await;
        for order in 0..200 {
            assert_eq!(code(&wire.ask(bet(&format!("o-{order}"))).await), "201");
        }
        let log = stage.log();
        let named: Vec<&str> = log.lines().filter(|line| line.contains(queue)).collect();
        assert!(named.len() == 1 && named[0].contains("ERROR") && named[0].contains("inequivalent arg"), "{log}");
        assert_eq!(log.matches("subscribed").count(), 1, "{log}");
        assert_eq!(wire.consumers(queue).await, Some(0));
        assert_eq!(stage.get("/healthz").await.expect("it lives").0, 200);
    })
    .await;
}

/// Whoever waits for a bet finds out that none can be in a queue that nobody reads and that holds none.
#[tokio::test(flavor = "multi_thread")]
async fn a_party_without_its_bet_queue_is_served_by_the_others_and_its_results_are_told() {
    on_both(async |base| {
        let queue = "v1.0.acme.order.bet";
        let mut stage = Stage::prepare(base, ACME, &Addresses::shared()).await;
        let mut wire = Wire::connect(&stage).await;
        declare_otherwise(&wire, queue).await;
        stage.serve();
        until("/readyz names the queue", async || stage.readyz_says("broker", queue).await).await;
        stage.add_player("acme", "alice").await;
        let question = json!({ "currency": "CHF", "playerId": "alice" });
        let told = wire.ask(Message::new(Operation::BalanceGet, "balance", &question)).await;
        assert_eq!(told.data, br#"{"balance":0,"currency":"CHF","playerId":"alice"}"#);
        let order = json!({ "game": "wallstroulette", "externalId": "never", "playerId": "alice" });
        let cancel = Message::new(Operation::OrderBetCancel, "cancel", &order);
        assert_eq!(code(&wire.ask(cancel).await), "493");
        assert_eq!(stage.log().matches("subscribed").count(), 1, "{}", stage.log());
        stage.stop().await;
    })
    .await;
}

/// What an operator does about queues of another kind: he deletes them.
#[tokio::test(flavor = "multi_thread")]
async fn queues_that_cannot_be_served_be_it_all_or_some_are_served_once_they_can() {
    for first in [0, 2] {
        are_served_once_they_can(first).await;
    }
}

/// The party's queues from this one on have other arguments at first.
async fn are_served_once_they_can(first: usize) {
    let mut stage = Stage::prepare(Base::Sqlite, ACME, &Addresses::shared()).await;
    let mut wire = Wire::connect(&stage).await;
    let queues = Operation::ALL.map(|operation| format!("v1.0.acme.{}", operation.name()));
    let queues = &queues[first..];
    for queue in queues {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(7));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        wire.channel.queue_declare(short(queue), options, arguments).await.expect("a queue");
    }
    stage.serve();
    until("/readyz names a queue", async || stage.readyz_says("broker", &queues[0]).await).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10.00", "CHF").await;
    for queue in queues {
        wire.channel.queue_delete(short(queue), QueueDeleteOptions::default()).await.expect("deleted");
    }
    stage.until_ready().await;
    assert_eq!(code(&wire.ask(bet("o-1")).await), "201");
    assert!(!stage.log().contains("panicked"), "{}", stage.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fit_installation_passes_the_check() {
    on_both(async |base| {
        let stage = Stage::prepare(base, ACME, &Addresses::shared()).await;
        let told = stage.done(&["check"]).await;
        assert!(!told.contains("FAIL"), "{told}");
    })
    .await;
}
