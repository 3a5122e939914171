//! A provider at work: it plays orders with duplicates and in disorder, through whatever happens to Purser, broker and
//! database meanwhile, and checks in the end that every answer fits the others and the balances.
//!
//! It publishes persistent messages with confirms, sends again what was not confirmed, and has its replies in a durable
//! queue: so whatever the broker has confirmed must be answered without being asked again.

mod plan;
mod provider;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::{REQUESTS, request_queue, short};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use self::plan::Event;
pub use self::plan::Plan;
use self::provider::{Lost, collect_for_ever, connect, publish_all, publish_chunk};
use super::stage::{Stage, party};
use super::wire::Wire;
use crate::patience::{pause, until};

const PLAYERS: [&str; 6] = ["p0", "p1", "p2", "p3", "p4", "p5"];

/// What each player begins with, in minor units and as the command line takes it. Most can pay for all their bets.
const MONEY: (i64, &str) = (100_000_000, "1000000.00");

/// The last player can pay for a few bets only, so that some are refused.
const SHORT_MONEY: (i64, &str) = (1_000, "10.00");

const REPLIES: &str = "provider.replies";

/// The seed of this run: `PURSER_SEED`, or a new one; shown where the test fails.
pub fn seed() -> u64 {
    let given = std::env::var("PURSER_SEED").ok();
    let seed = given.map_or_else(rand::random, |text| text.parse().expect("PURSER_SEED is a number"));
    println!("PURSER_SEED={seed}");
    seed
}

/// What was sent and what came back, by correlation id.
#[derive(Default)]
struct Ledger {
    /// How often the broker confirmed it.
    confirmed: BTreeMap<String, usize>,
    answers: BTreeMap<String, Vec<Vec<u8>>>,
}

/// A play that is under way.
pub struct Play {
    plan: Arc<Plan>,
    ledger: Arc<Mutex<Ledger>>,
    /// `None` once everything is published.
    publishing: Option<JoinHandle<()>>,
    url: String,
    /// Whether messages that the broker had confirmed were lost with their queue.
    has_lost: AtomicBool,
    collecting: JoinHandle<()>,
}

/// Opens the players.
pub async fn invite(stage: &Stage) {
    for (index, player) in PLAYERS.iter().enumerate() {
        stage.add_player("acme", player).await;
        stage.deposit("acme", player, money(index).1, "CHF").await;
    }
}

fn money(player: usize) -> (i64, &'static str) {
    if player + 1 == PLAYERS.len() { SHORT_MONEY } else { MONEY }
}

impl Play {
    /// Begins to publish and to collect.
    pub async fn begin(stage: &Stage, plan: Plan) -> Self {
        let (url, plan, ledger) = (stage.vhost.amqp_url(), Arc::new(plan), Arc::new(Mutex::default()));
        connect(&url).await.expect("a broker with a reply queue");
        let collecting = tokio::spawn(collect_for_ever(url.clone(), Arc::clone(&ledger)));
        let publishing = Some(tokio::spawn(publish_all(url.clone(), Arc::clone(&plan), Arc::clone(&ledger))));
        Self { plan, ledger, publishing, url, has_lost: AtomicBool::new(false), collecting }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("nobody panics with it")
    }

    /// How many events are played.
    pub fn len(&self) -> usize {
        self.plan.len()
    }

    pub fn answered(&self) -> usize {
        self.ledger().answers.len()
    }

    /// Whether everything is published and every confirmed message answered: nothing more will happen by itself.
    pub fn is_over(&self) -> bool {
        self.publishing.as_ref().is_none_or(JoinHandle::is_finished) && self.missing().is_empty()
    }

    /// Waits until so many events are answered, or all where that is less.
    pub async fn until_answered(&self, events: usize) {
        let events = events.min(self.len());
        until(&format!("{events} events are answered"), async || self.answered() >= events).await;
    }

    /// Waits until everything is published and every confirmed message answered.
    pub async fn until_complete(&mut self) {
        if let Some(publishing) = self.publishing.take() {
            until("everything is published", async || publishing.is_finished()).await;
            publishing.await.expect("the publisher did not panic");
        }
        if self.has_lost.load(Ordering::Relaxed) {
            // What was confirmed just before, and told just after, is known only now.
            self.ask_again().await;
        }
        until(&format!("everything is answered; {}", self.missing()), async || self.missing().is_empty()).await;
    }

    /// Deletes a queue with whatever is in it, waits until it is there again, and asks again for what has no answer.
    pub async fn lose_queue(&self, stage: &Stage, operation: Operation) {
        let (queue, wire) = (request_queue(&party("acme"), operation), Wire::connect(stage).await);
        wire.channel.queue_delete(short(&queue), QueueDeleteOptions::default()).await.expect("deleted");
        until("the queue is there again", async || wire.consumers(&queue).await.is_some()).await;
        self.ask_again().await;
    }

    async fn ask_again(&self) {
        self.has_lost.store(true, Ordering::Relaxed);
        let lost: BTreeSet<String> = {
            let mut ledger = self.ledger();
            let Ledger { confirmed, answers } = &mut *ledger;
            let lost = confirmed.keys().filter(|id| !answers.contains_key(*id)).cloned().collect();
            // Nobody has to answer copies of what was answered, either.
            confirmed.retain(|id, _| answers.contains_key(id));
            confirmed.iter_mut().for_each(|(id, times)| *times = (*times).min(answers[id].len()));
            lost
        };
        let lost: Vec<&Event> = self.plan.events.iter().filter(|event| lost.contains(&event.correlation())).collect();
        until("what was lost is asked again", async || self.try_asking(&lost).await.is_ok()).await;
    }

    async fn try_asking(&self, events: &[&Event]) -> Result<(), Lost> {
        let (_connection, channel) = connect(&self.url).await?;
        publish_chunk(&channel, events.iter().copied(), &self.ledger).await
    }

    /// Confirmed messages that have no answer of their own.
    fn missing(&self) -> String {
        let ledger = self.ledger();
        let count = |id: &String| ledger.answers.get(id).map_or(0, Vec::len);
        let missing = ledger.confirmed.iter().filter(|(id, confirmed)| count(id) < **confirmed);
        missing.map(|(id, confirmed)| format!("{id}: {} of {confirmed}", count(id))).collect::<Vec<_>>().join(", ")
    }

    /// How many messages the broker has confirmed, and how many answers came.
    pub fn counts(&self) -> (usize, usize) {
        let ledger = self.ledger();
        (ledger.confirmed.values().sum(), ledger.answers.values().map(Vec::len).sum())
    }

    /// How many messages the broker has confirmed that have no answer of their own yet.
    pub fn unanswered(&self) -> usize {
        let (confirmed, answers) = self.counts();
        confirmed.saturating_sub(answers)
    }

    /// Completes the play and checks everything that can be checked from the outside.
    pub async fn finish(mut self, stage: &Stage) {
        self.until_complete().await;
        check(&[&self], stage).await;
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        if let Some(publishing) = &self.publishing {
            publishing.abort();
        }
        self.collecting.abort();
    }
}

/// Checks completed plays of the same events: all answers to one event are equal, they fit each other, and the balances
/// are what they say.
pub async fn check(plays: &[&Play], stage: &Stage) {
    let plan = &plays[0].plan;
    let mut balances: Vec<i64> = (0..PLAYERS.len()).map(|player| money(player).0).collect();
    let mut done = BTreeSet::new();
    for event in &plan.events {
        let answers: Vec<Vec<u8>> = plays
            .iter()
            .flat_map(|play| play.ledger().answers.get(&event.correlation()).cloned().unwrap_or_default())
            .collect();
        if verdict(event, answers) {
            balances[event.player] += event.gain;
            done.insert((event.order, event.operation));
        }
    }
    for (order, operation) in &done {
        let has = |operation| done.contains(&(*order, operation));
        let has_bet = *operation == Operation::OrderBet || has(Operation::OrderBet);
        assert!(has_bet, "order {order} was settled or cancelled without a bet");
        let both = has(Operation::OrderBetResult) && has(Operation::OrderBetCancel);
        assert!(!both, "order {order} was settled and cancelled");
    }
    for (player, balance) in PLAYERS.iter().zip(balances) {
        assert_eq!(stage.balance("acme", player, "CHF").await, balance, "what the answers say {player} has");
    }
    stage.audit().await;
}

/// Whether the event succeeded. All answers are equal, but for a refused result, which is judged afresh each time.
fn verdict(event: &Event, mut answers: Vec<Vec<u8>>) -> bool {
    let code = |answer: &Vec<u8>| {
        let body: Value = serde_json::from_slice(answer).expect("JSON");
        body["code"].as_str().expect("a code").to_owned()
    };
    assert!(!answers.is_empty(), "{} has no answer", event.correlation());
    let is_done = |answer: &Vec<u8>| matches!(code(answer).as_str(), "200" | "201");
    if event.operation == Operation::OrderBetResult && answers.iter().any(is_done) {
        answers.retain(|answer| code(answer) != "493");
    }
    answers.sort();
    answers.dedup();
    let all: Vec<_> = answers.iter().map(|answer| String::from_utf8_lossy(answer)).collect();
    let is_fresh_refusal = event.operation == Operation::OrderBetResult && answers.iter().all(|a| code(a) == "493");
    assert!(answers.len() == 1 || is_fresh_refusal, "{} has different answers: {all:?}", event.correlation());
    let expected: &[&str] = match event.operation {
        Operation::OrderBet => &["201", "492", "493"],
        _ => &["200", "493"],
    };
    assert!(expected.contains(&code(&answers[0]).as_str()), "{}: {all:?}", event.correlation());
    is_done(&answers[0])
}

/// A generator for this seed.
pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
