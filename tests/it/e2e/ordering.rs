//! Order across queues is not given: results and cancels that overtake their bets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use purser::dialects::egpp::Operation;
use serde_json::{Value, json};

use super::stage::{Base, Stage, on_both};
use super::wire::{Message, Wire, code, correlation};
use crate::patience::until;

/// Long enough to tell waiting from being held up.
const GRACE: Duration = Duration::from_secs(4);

const PATIENT: &str = r#"
[ledger]
ordering_grace = "4s"
[parties.acme]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
"#;

/// Several players, so that both lanes of Postgres have work.
pub const PLAYERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// What each begins with: 100,000.00
const MONEY: i64 = 10_000_000;

struct Scene {
    stage: Stage,
    wire: Wire,
}

impl Scene {
    async fn open(base: Base) -> Self {
        let stage = Stage::open(base, PATIENT).await;
        for player in PLAYERS {
            stage.add_player("acme", player).await;
            stage.deposit("acme", player, "100000.00", "CHF").await;
        }
        let wire = Wire::connect(&stage).await;
        Self { stage, wire }
    }

    async fn ask(&mut self, operation: Operation, order: u32) -> String {
        code(&self.wire.ask(message(operation, order)).await)
    }

    /// Returns when Purser has all of these messages.
    async fn send(&self, operation: Operation, orders: impl IntoIterator<Item = u32>) {
        self.wire.send_all(orders.into_iter().map(|order| message(operation, order))).await;
        let queue = format!("v1.0.acme.{}", operation.name());
        until("purser has taken the messages", async || self.wire.ready(&queue).await == 0).await;
    }

    /// The next replies, by correlation id.
    async fn replies(&mut self, count: usize) -> BTreeMap<String, String> {
        let mut replies = BTreeMap::new();
        while replies.len() < count {
            let reply = self.wire.next_reply().await;
            replies.insert(correlation(&reply).to_owned(), code(&reply));
        }
        replies
    }

    /// What all players have, more than they began with.
    async fn gain(&self) -> i64 {
        let mut sum = 0;
        for player in PLAYERS {
            sum += self.stage.balance("acme", player, "CHF").await - MONEY;
        }
        sum
    }
}

/// A bet of 1.00, its win of 1.50 or its cancel.
pub fn message(operation: Operation, order: u32) -> Message {
    let player = PLAYERS[order as usize % PLAYERS.len()];
    let mut body = json!({ "game": "wallstroulette", "externalId": format!("o-{order}"), "playerId": player });
    let more = match operation {
        Operation::OrderBet => json!({ "amount": 100, "currency": "CHF", "round": 1 }),
        Operation::OrderBetResult => json!({ "result": "win", "amount": 150, "currency": "CHF", "round": 1 }),
        Operation::OrderBetCancel | Operation::BalanceGet => json!({}),
    };
    let Value::Object(more) = more else { panic!("an object") };
    body.as_object_mut().expect("an object").extend(more);
    Message::new(operation, &id(operation, order), &body)
}

fn id(operation: Operation, order: u32) -> String {
    format!("{}-{order}", operation.name())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_or_cancel_that_overtook_its_bet_waits_for_it() {
    on_both(async |base| {
        let mut scene = Scene::open(base).await;
        for (order, early) in [(1, Operation::OrderBetResult), (2, Operation::OrderBetCancel)] {
            let sent = Instant::now();
            scene.send(early, [order]).await;
            scene.send(Operation::OrderBet, [order]).await;
            let replies = scene.replies(2).await;
            assert_eq!((&*replies[&id(Operation::OrderBet, order)], &*replies[&id(early, order)]), ("201", "200"));
            assert!(sent.elapsed() < GRACE, "{early:?} was answered after {:?}", sent.elapsed());
        }
        assert_eq!(scene.gain().await, 50);
        scene.stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_up_does_so_after_the_grace_and_only_a_cancel_leaves_a_tombstone() {
    on_both(async |base| {
        let mut scene = Scene::open(base).await;
        let sent = Instant::now();
        scene.send(Operation::OrderBetResult, [1]).await;
        scene.send(Operation::OrderBetCancel, [2]).await;
        let gave_up = scene.replies(2).await;
        let took = sent.elapsed();
        assert!(gave_up.values().all(|code| code == "493"), "{gave_up:?}");
        assert!(took >= GRACE && took < GRACE * 2, "{took:?}");

        assert_eq!(scene.ask(Operation::OrderBet, 1).await, "201", "a result that gave up leaves nothing");
        assert_eq!(scene.ask(Operation::OrderBetResult, 1).await, "200", "asked again, it is judged afresh");
        let sent = Instant::now();
        assert_eq!(scene.ask(Operation::OrderBet, 2).await, "493", "a tombstone");
        assert_eq!(scene.ask(Operation::OrderBetResult, 2).await, "493");
        assert_eq!(scene.ask(Operation::OrderBetCancel, 2).await, "493");
        assert!(sent.elapsed() < GRACE, "nobody waits for a bet that cannot come any more");
        assert_eq!(scene.gain().await, 50);
        scene.stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_results_without_bets_does_not_hold_up_a_good_one() {
    const FLOOD: u32 = 3000;
    on_both(async |base| {
        let mut scene = Scene::open(base).await;
        assert_eq!(scene.ask(Operation::OrderBet, FLOOD).await, "201");
        scene.wire.send_all((0..FLOOD).map(|order| message(Operation::OrderBetResult, order))).await;
        let mut provider = Wire::connect(&scene.stage).await;
        let asked = Instant::now();
        assert_eq!(code(&provider.ask(message(Operation::OrderBetResult, FLOOD)).await), "200");
        let took = asked.elapsed();
        assert!(took < GRACE / 2, "{base:?}: {took:?}");
        let flood = scene.replies(FLOOD as usize).await;
        assert!(flood.values().all(|code| code == "493"));
        scene.stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_results_before_their_bets_end_well_or_are_paid_when_asked_again() {
    const ORDERS: u32 = 5000;
    on_both(async |base| {
        let mut scene = Scene::open(base).await;
        scene.wire.send_all((0..ORDERS).map(|order| message(Operation::OrderBetResult, order))).await;
        scene.wire.send_all((0..ORDERS).map(|order| message(Operation::OrderBet, order))).await;
        let replies = scene.replies(2 * ORDERS as usize).await;
        let mut gave_up = Vec::new();
        for order in 0..ORDERS {
            assert_eq!(replies[&id(Operation::OrderBet, order)], "201");
            match replies[&id(Operation::OrderBetResult, order)].as_str() {
                "200" => {}
                // A crowd is given a part of the grace.
                "493" => gave_up.push(order),
                other => panic!("order {order}: {other}"),
            }
        }
        println!("{base:?}: {} of {ORDERS} gave up", gave_up.len());
        scene.wire.send_all(gave_up.iter().map(|order| message(Operation::OrderBetResult, *order))).await;
        let again = scene.replies(gave_up.len()).await;
        assert!(again.values().all(|code| code == "200"));
        assert_eq!(scene.gain().await, 50 * i64::from(ORDERS));
        scene.stage.audit().await;
    })
    .await;
}
