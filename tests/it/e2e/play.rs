//! A provider at work: it plays orders with duplicates and in disorder, through whatever happens to Purser, broker and
//! database meanwhile, and checks in the end that every answer fits the others and the balances.
//!
//! It publishes persistent messages with confirms, sends again what was not confirmed, and has its replies in a durable
//! queue: so whatever the broker has confirmed must be answered without being asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::StreamExt;
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

use super::stage::{Stage, party};
use super::wire::Wire;
use crate::patience::{pause, until};

const PLAYERS: [&str; 6] = ["p0", "p1", "p2", "p3", "p4", "p5"];

/// What each player begins with, in minor units and as the command line takes it. Most can pay for all their bets.
const MONEY: (i64, &str) = (100_000_000, "1000000.00");

/// The last player can pay for a few bets only, so that some are refused.
const SHORT_MONEY: (i64, &str) = (1_000, "10.00");

const REPLIES: &str = "provider.replies";

/// Events that may be unanswered at a time: the play lasts while things happen, and is quick where nothing does.
const UNANSWERED: usize = 400;

/// Messages confirmed together.
const CHUNK: usize = 40;

/// How long the broker may take to answer before the provider connects again.
const PATIENCE: Duration = Duration::from_secs(10);

/// By how many places a message may be late.
const DISORDER: u32 = 40;

/// The seed of this run: `PURSER_SEED`, or a new one; shown where the test fails.
pub fn seed() -> u64 {
    let given = std::env::var("PURSER_SEED").ok();
    let seed = given.map_or_else(rand::random, |text| text.parse().expect("PURSER_SEED is a number"));
    println!("PURSER_SEED={seed}");
    seed
}

/// One thing asked; its correlation id is `<operation>-<order>`.
#[derive(Debug, Clone)]
struct Event {
    operation: Operation,
    order: u32,
    player: usize,
    /// What the player gains where this succeeds, minor units; a bet's stake is negative.
    gain: i64,
    body: Vec<u8>,
}

impl Event {
    fn correlation(&self) -> String {
        format!("{}-{}", self.operation.name(), self.order)
    }
}

/// What is to be played, and in which order it is published; an event that stands there twice is a duplicate.
pub struct Plan {
    events: Vec<Event>,
    publications: Vec<usize>,
}

impl Plan {
    pub fn new(orders: u32, rng: &mut StdRng) -> Self {
        let mut plan = Self { events: Vec::new(), publications: Vec::new() };
        (0..orders).for_each(|order| plan.add_order(order, rng));
        plan.shuffle(rng);
        plan
    }

    /// The same events, published in another order and with other duplicates.
    pub fn reshuffled(&self, rng: &mut StdRng) -> Self {
        let mut plan = Self { events: self.events.clone(), publications: Vec::new() };
        plan.shuffle(rng);
        plan
    }

    fn add_order(&mut self, order: u32, rng: &mut StdRng) {
        let player = rng.random_range(0..PLAYERS.len());
        let stake = rng.random_range(50..150);
        let paid = rng.random_range(1..300);
        let mut add = |operation, gain, more: Value| {
            let mut body =
                json!({ "game": "wallstroulette", "externalId": format!("o-{order}"), "playerId": PLAYERS[player] });
            let Value::Object(more) = more else { panic!("an object") };
            body.as_object_mut().expect("an object").extend(more);
            self.events.push(Event { operation, order, player, gain, body: body.to_string().into_bytes() });
        };
        let fate = rng.random_range(0..100);
        if fate < 96 {
            add(Operation::OrderBet, -stake, json!({ "amount": stake, "currency": "CHF", "round": 1 }));
        }
        // Some are settled and cancelled, and only one of the two can be; some have no bet at all; some stay open.
        if (10..90).contains(&fate) || fate == 98 {
            let (result, gain) = [("win", paid), ("tie", paid), ("lose", 0)][rng.random_range(0..3)];
            let more = json!({ "result": result, "amount": paid, "currency": "CHF", "round": 1 });
            add(Operation::OrderBetResult, gain, more);
        }
        if fate < 15 || fate == 99 {
            add(Operation::OrderBetCancel, stake, json!({}));
        }
    }

    fn shuffle(&mut self, rng: &mut StdRng) {
        let mut places = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            let copies = [1, 1, 1, 1, 1, 1, 2, 3][rng.random_range(0..8)];
            for _ in 0..copies {
                places.push((event.order * 3 + rng.random_range(0..DISORDER), index));
            }
        }
        places.sort_unstable();
        self.publications = places.into_iter().map(|(_, index)| index).collect();
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }
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

/// Why the provider has to connect again; nobody looks at it.
#[derive(Debug)]
struct Lost;

impl From<lapin::Error> for Lost {
    fn from(_: lapin::Error) -> Self {
        Self
    }
}

/// Waits for the broker no longer than it may take: one that breaks off meanwhile leaves lapin waiting for ever.
async fn in_time<T>(asking: impl Future<Output = Result<T, lapin::Error>>) -> Result<T, Lost> {
    Ok(tokio::time::timeout(PATIENCE, asking).await.map_err(|_| Lost)??)
}

/// A channel that confirms, where the reply queue is; with the connection that it lives on.
async fn connect(url: &str) -> Result<(Connection, Channel), Lost> {
    in_time(async {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(short(REPLIES), options, FieldTable::default()).await?;
        Ok((connection, channel))
    })
    .await
}

async fn publish_all(url: String, plan: Arc<Plan>, ledger: Arc<Mutex<Ledger>>) {
    let mut published = 0;
    // What was not confirmed is sent again by the next connection.
    while publish_some(&url, &plan, &ledger, &mut published).await.is_err() {
        pause().await;
    }
}

async fn publish_some(url: &str, plan: &Plan, ledger: &Mutex<Ledger>, published: &mut usize) -> Result<(), Lost> {
    let (_connection, channel) = connect(url).await?;
    while *published < plan.publications.len() {
        while is_far_ahead(ledger) {
            pause().await;
        }
        let end = plan.publications.len().min(*published + CHUNK);
        let chunk = plan.publications[*published..end].iter().map(|index| &plan.events[*index]);
        publish_chunk(&channel, chunk, ledger).await?;
        *published = end;
    }
    Ok(())
}

fn is_far_ahead(ledger: &Mutex<Ledger>) -> bool {
    let ledger = ledger.lock().expect("nobody panics with it");
    ledger.confirmed.len() >= ledger.answers.len() + UNANSWERED
}

async fn publish_chunk(
    channel: &Channel,
    events: impl Iterator<Item = &Event>,
    ledger: &Mutex<Ledger>,
) -> Result<(), Lost> {
    let mut confirms = Vec::new();
    for event in events {
        let properties = BasicProperties::default()
            .with_correlation_id(short(&event.correlation()))
            .with_reply_to(short(REPLIES))
            .with_delivery_mode(2);
        let queue = short(&request_queue(&party("acme"), event.operation));
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publishing = channel.basic_publish(short(REQUESTS), queue, options, &event.body, properties);
        confirms.push((event.correlation(), publishing.await?));
    }
    for (correlation, confirm) in confirms {
        let confirmation = in_time(confirm).await?;
        if !matches!(confirmation, Confirmation::Ack(None)) {
            return Err(Lost);
        }
        *ledger.lock().expect("nobody panics with it").confirmed.entry(correlation).or_default() += 1;
    }
    Ok(())
}

/// Until the play is dropped.
async fn collect_for_ever(url: String, ledger: Arc<Mutex<Ledger>>) {
    loop {
        let _ = collect(&url, &ledger).await;
        pause().await;
    }
}

async fn collect(url: &str, ledger: &Mutex<Ledger>) -> Result<(), Lost> {
    let (_connection, channel) = connect(url).await?;
    let (replies, tag, options) = (short(REPLIES), short(""), BasicConsumeOptions::default());
    let mut consumer = in_time(channel.basic_consume(replies, tag, options, FieldTable::default())).await?;
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery?;
        // Acked first: a reply whose ack was lost comes again, and would count twice.
        let acked = delivery.ack(BasicAckOptions::default()).await;
        let correlation = delivery.properties.correlation_id().as_ref().expect("a correlation id").as_str().to_owned();
        ledger.lock().expect("nobody panics with it").answers.entry(correlation).or_default().push(delivery.data);
        acked?;
    }
    Ok(())
}

/// A generator for this seed.
pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
