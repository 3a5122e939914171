//! A backlog is answered rightly: no result or cancel is refused while its bet lies in the queue, or in another process's
//! hands.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lapin::types::{AMQPValue, FieldTable};
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::{request_queue, short};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::ordering::{PLAYERS, message};
use super::services::{Addresses, Own};
use super::stage::{Base, Stage, on_both, party};
use super::wire::{Message, Wire, code, correlation, publish};
use crate::patience::{until, within_deadline};

/// Bets in the backlog of an ordinary run; `PURSER_BACKLOG` makes it larger.
const BETS: u32 = 1200;

/// A grace so short that whoever counted on it alone would refuse nearly everything.
fn config(prefetch: u32, grace: &str) -> String {
    format!(
        r#"
prefetch = {prefetch}
[ledger]
max_batch = {max_batch}
ordering_grace = "{grace}"
[parties.acme]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
"#,
        max_batch = prefetch.min(512)
    )
}

fn bets() -> u32 {
    std::env::var("PURSER_BACKLOG").map_or(BETS, |text| text.parse().expect("a number of bets"))
}

/// Bets, after each of 60 % of them its result and after 25 % its cancel, a place or twenty behind.
fn backlog(bets: u32, rng: &mut StdRng) -> Vec<Message> {
    let mut placed: Vec<(u32, Message)> = Vec::new();
    for order in 0..bets {
        placed.push((order, message(Operation::OrderBet, order)));
        let followed = rng.random_range(0..100);
        let follower = match followed {
            0..60 => Some(Operation::OrderBetResult),
            60..85 => Some(Operation::OrderBetCancel),
            _ => None,
        };
        placed.extend(follower.map(|operation| (order + rng.random_range(1..=20), message(operation, order))));
    }
    // Stable: what was put in first comes first among equals, and a follower never stands before its bet.
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, message)| message).collect()
}

struct Scene {
    stage: Stage,
    wire: Wire,
}

impl Scene {
    /// With queues, players and money, and nobody who serves.
    async fn set(base: Base, prefetch: u32) -> Self {
        Self::set_with(base, &config(prefetch, "100ms")).await
    }

    async fn set_with(base: Base, config: &str) -> Self {
        Self::set_on(base, config, &Addresses::shared()).await
    }

    async fn set_on(base: Base, config: &str, addresses: &Addresses) -> Self {
        let mut stage = Stage::prepare(base, config, addresses).await;
        stage.serve();
        stage.until_ready().await;
        for player in PLAYERS {
            stage.add_player("acme", player).await;
            stage.deposit("acme", player, "10000000.00", "CHF").await;
        }
        let wire = Wire::connect(&stage).await;
        stage.stop().await;
        Self { stage, wire }
    }

    /// Puts a request among the dead letters, as if Purser had.
    async fn bury(&self, message: Message) {
        let mut headers = FieldTable::default();
        let home = request_queue(&party("acme"), message.operation);
        for (name, value) in [("x-purser-queue", home.as_str()), ("x-purser-reason", "fault")] {
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        }
        let properties = message.properties.with_reply_to(short(&self.wire.replies)).with_headers(headers);
        publish(&self.wire.channel, "v1.0.dead", "v1.0.acme.dead", &message.body, properties).await;
    }

    /// Awaits an answer to everything, and asks that all is taken.
    async fn everything_is_taken(&mut self, messages: usize, why: &str) {
        let mut codes: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
        let mut answered = BTreeMap::new();
        while answered.len() < messages {
            let reply = within_deadline(why, self.wire.next_reply()).await;
            let (id, code) = (correlation(&reply).to_owned(), code(&reply));
            let before = answered.insert(id.clone(), code.clone());
            assert!(before.as_ref().is_none_or(|before| *before == code), "{id}: {before:?}, then {code}");
            let operation = id.rsplit_once('-').expect("an operation").0.to_owned();
            *codes.entry(operation).or_default().entry(code).or_default() += 1;
        }
        let refused = answered.values().filter(|code| !["200", "201"].contains(&code.as_str())).count();
        assert_eq!(refused, 0, "{why}: {codes:?}");
    }
}

/// Plays the backlog to so many processes. `PURSER_SEED` repeats one.
async fn plays(base: Base, processes: usize, prefetch: u32) {
    let seed = std::env::var("PURSER_SEED").map_or_else(|_| rand::random(), |text| text.parse().expect("a seed"));
    let why = format!("{base:?}, {processes} processes, prefetch {prefetch}, PURSER_SEED={seed}");
    let mut scene = Scene::set(base, prefetch).await;
    let messages = backlog(bets(), &mut StdRng::seed_from_u64(seed));
    let count = messages.len();
    scene.wire.send_all(messages).await;
    let others: Vec<_> = (1..processes).map(|number| scene.stage.another_process(&format!("p{number}"))).collect();
    scene.stage.serve();
    scene.everything_is_taken(count, &why).await;
    drop(others);
    scene.stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_refuses_nothing_of_a_backlog() {
    on_both(async |base| {
        plays(base, 1, 2000).await;
        plays(base, 1, 10).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_refuse_nothing_of_a_backlog() {
    plays(Base::Postgres, 2, 2000).await;
    plays(Base::Postgres, 3, 10).await;
    plays(Base::Postgres, 3, 2000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_a_backlog_refuses_nothing() {
    on_both(async |base| {
        let mut scene = Scene::set(base, 100).await;
        let messages = backlog(bets(), &mut StdRng::seed_from_u64(7));
        let count = messages.len();
        scene.wire.send_all(messages).await;
        for is_drained in [true, false, true] {
            scene.stage.serve();
            let before = scene.wire.ready("v1.0.acme.order.bet").await;
            until("some bets are taken", async || scene.wire.ready("v1.0.acme.order.bet").await < before.max(1)).await;
            if is_drained {
                scene.stage.stop().await;
            } else {
                scene.stage.serving.take().expect("serving").kill();
            }
        }
        scene.stage.serve();
        scene.everything_is_taken(count, &format!("{base:?}")).await;
        scene.stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_bet_waits_for_the_backlog_that_he_found_and_no_longer() {
    on_both(async |base| {
        let mut scene = Scene::set(base, 2000).await;
        let bets: Vec<_> = (0..bets()).map(|order| message(Operation::OrderBet, order)).collect();
        let count = bets.len();
        scene.wire.send_all(bets).await;
        scene.wire.send_all([message(Operation::OrderBetResult, u32::MAX)]).await;
        scene.stage.serve();
        let (mut before, mut refused) = (0, false);
        // More bets come for as long as it waits.
        let mut order = u32::try_from(count).expect("few bets");
        let (began, mut sent) = (Instant::now(), count);
        while !refused {
            assert!(began.elapsed() < Duration::from_secs(100), "{base:?}: it waits for ever");
            scene.wire.send_all((order..order + 10).map(|order| message(Operation::OrderBet, order))).await;
            (order, sent) = (order + 10, sent + 10);
            for _ in 0..10 {
                let reply = scene.wire.next_reply().await;
                if correlation(&reply).starts_with("order.bet.result") {
                    assert_eq!(code(&reply), "493");
                    refused = true;
                    break;
                }
                before += 1;
            }
        }
        assert!(before >= count, "{base:?}: refused after {before} of {count} bets that lay before it");
        assert!(sent <= 20 * count, "{base:?}: {sent} bets");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_whose_bet_another_process_has_committed_is_answered_promptly() {
    const ROUNDS: u32 = 20;
    let mut scene = Scene::set_with(Base::Postgres, &config(2000, "20s")).await;
    scene.stage.serve();
    scene.stage.until_ready().await;
    // The other has the same database and queues of its own, so that what it takes is known.
    let mut elsewhere = scene.stage.another_vhost(&Addresses::shared()).await;
    elsewhere.serve();
    elsewhere.until_ready().await;
    let mut other = Wire::connect(&elsewhere).await;
    let mut waits = Vec::new();
    for order in 0..ROUNDS {
        scene.wire.send_all([message(Operation::OrderBetResult, order)]).await;
        until("it is taken", async || scene.wire.ready("v1.0.acme.order.bet.result").await == 0).await;
        assert_eq!(code(&other.ask(message(Operation::OrderBet, order)).await), "201");
        let committed = Instant::now();
        assert_eq!(code(&scene.wire.next_reply().await), "200");
        waits.push(committed.elapsed());
    }
    waits.sort();
    println!("answered after {waits:?}");
    assert!(waits[waits.len() / 2] < Duration::from_millis(100), "{waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bets_in_the_hands_of_a_frozen_process_are_waited_for() {
    let mut scene = Scene::set(Base::Postgres, 200).await;
    scene.stage.add_to_amqp_url("?heartbeat=2");
    let frozen = scene.stage.another_process("frozen");
    scene.stage.serve();
    scene.stage.until_ready().await;
    until("both consume", async || scene.wire.consumers("v1.0.acme.order.bet").await == Some(2)).await;
    frozen.signal("STOP");
    let messages = backlog(bets() / 2, &mut StdRng::seed_from_u64(11));
    let count = messages.len();
    scene.wire.send_all(messages).await;
    // It never goes on: the broker takes its messages back.
    scene.everything_is_taken(count, "one of two is frozen").await;
    scene.stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_results_without_bets_lets_a_backlog_through() {
    on_both(async |base| {
        let mut scene = Scene::set(base, 200).await;
        let mut rng = StdRng::seed_from_u64(3);
        let messages = backlog(bets() / 2, &mut rng);
        let count = messages.len();
        let mut flood: Vec<_> = (0..1000).map(|order| message(Operation::OrderBetResult, 1_000_000 + order)).collect();
        flood.shuffle(&mut rng);
        scene.wire.send_all(flood.into_iter().chain(messages)).await;
        scene.stage.serve();
        let mut answered = BTreeMap::new();
        while answered.len() < count + 1000 {
            let reply = within_deadline("the flood and the backlog", scene.wire.next_reply()).await;
            answered.insert(correlation(&reply).to_owned(), code(&reply));
        }
        let is_of_flood = |id: &str| id.rsplit_once('-').is_some_and(|(_, order)| order.len() == 7);
        let wrong: Vec<_> = answered.iter().filter(|(id, code)| is_of_flood(id) != (*code == "493")).collect();
        assert!(wrong.is_empty(), "{base:?}: {wrong:?}");
        scene.stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_put_back_bets_first() {
    on_both(async |base| {
        const ORDERS: u32 = 300;
        let mut scene = Scene::set(base, 2000).await;
        scene.stage.serve();
        scene.stage.until_ready().await;
        // In the worst order: every result and cancel before any bet.
        let followers = (0..ORDERS).map(|order| match order % 2 {
            0 => message(Operation::OrderBetResult, order),
            _ => message(Operation::OrderBetCancel, order),
        });
        for letter in followers.chain((0..ORDERS).map(|order| message(Operation::OrderBet, order))) {
            scene.bury(letter).await;
        }
        let done = scene.stage.done(&["dead", "redrive", "--party", "acme"]).await;
        assert!(done.contains(&format!("{} dead letters put back", 2 * ORDERS)), "{done}");
        scene.everything_is_taken(2 * ORDERS as usize, &format!("{base:?}: {done}")).await;
        scene.stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_and_connections_that_end_in_the_middle_of_a_backlog_refuse_nothing() {
    let own = Own::start(&["postgres"]).await;
    let addresses = Addresses::shared().with_postgres_of(&own.addresses);
    let mut scene = Scene::set_on(Base::Postgres, &config(100, "100ms"), &addresses).await;
    let messages = backlog(bets(), &mut StdRng::seed_from_u64(5));
    let count = messages.len();
    scene.wire.send_all(messages).await;
    let other = scene.stage.another_process("other");
    scene.stage.serve();
    for crashes in [false, true, false] {
        let before = scene.wire.ready("v1.0.acme.order.bet").await;
        until("some bets are taken", async || scene.wire.ready("v1.0.acme.order.bet").await < before.max(1)).await;
        if crashes {
            own.run(&["kill", "postgres"]).await;
            own.run(&["start", "postgres"]).await;
        } else {
            scene.stage.vhost.close_connections_of_purser().await;
        }
    }
    scene.everything_is_taken(count, "two processes, a crash of Postgres, connections that end").await;
    drop(other);
    scene.stage.audit().await;
}
