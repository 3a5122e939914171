//! A world from a seed: everything that a history shares, and the course of the history.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use purser::ledger::Batch;
use purser::ledger::command::Timestamp;
use purser::storage::StoreError;
use purser::wallet::Bounds;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep_until};

use super::books::{Books, Read};
use super::broker::Broker;
use super::fault_plan::Weather;
use super::judge::{self, Judge};
use super::peers::Sessions;
use super::plan::{CASH, LENGTH, Message, Plan, heartbeat};
use super::process::Process;

/// How long a result or cancel waits for its bet.
const GRACE: Duration = Duration::from_secs(2);

/// Longer than any history needs once nothing goes wrong any more.
const PATIENCE: Duration = Duration::from_secs(60);

const BEAT: Duration = Duration::from_millis(500);

/// Noon, so that small steps of the clock stay within the day.
const NOON_MICROS: i64 = (20_000 * 24 + 12) * HOUR_MICROS;
const HOUR_MICROS: i64 = 3_600_000_000;

/// Processes that may be at work at the same time, those that drain included.
const CROWD_OF_PROCESSES: u64 = 5;

pub struct World {
    start: Instant,
    rng: Mutex<StdRng>,
    books: Mutex<Books>,
    judge: Mutex<Judge>,
    log: Mutex<Log>,
    pub broker: Broker,
    pub sessions: Sessions,
    pub weather: Weather,
    pub bounds: Bounds,
    /// Lanes of each process.
    pub lanes: usize,
    /// Unacked messages of each queue in each process, at most.
    pub prefetch: usize,
    clock_step_micros: AtomicI64,
    processes: AtomicUsize,
    /// Copies of messages that are published in all, heartbeats apart.
    pub copies: usize,
}

/// What is remembered of a history.
#[derive(Default)]
struct Log {
    digest: DefaultHasher,
    /// The history in words, where somebody wants to read it.
    lines: Option<Vec<String>>,
    seen: BTreeMap<&'static str, u64>,
    findings: Vec<String>,
    troubles: Vec<(Duration, Duration)>,
}

/// What came of a history.
pub struct Told {
    pub findings: Vec<String>,
    pub digest: u64,
    pub seen: BTreeMap<&'static str, u64>,
    pub lines: Vec<String>,
}

enum Event {
    Publish(Arc<Message>),
    Crash(usize),
    Start(usize),
    /// A new process comes, and the old one drains.
    TakeOver(usize),
    SetClock(i64),
}

/// Runs the history of a seed: the same again for the same seed.
pub fn run(seed: u64, aloud: bool) -> Told {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    // Whatever looks at the clock must do so within.
    runtime.block_on(async { History::draw(seed, aloud).run().await })
}

struct History {
    world: Arc<World>,
    events: Vec<(Duration, Event)>,
    processes: Vec<Option<Process>>,
    drains: Vec<tokio::task::JoinHandle<()>>,
    messages: usize,
}

impl History {
    fn draw(seed: u64, aloud: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let plan = Plan::draw(&mut rng);
        let slots = rng.random_range(1..=3);
        let mut events = Vec::new();
        draw_accidents(&mut rng, slots, plan.has_day_limits, &mut events);
        let (mut poison, messages) = (BTreeSet::new(), plan.messages.len());
        for (number, planned) in plan.messages.into_iter().enumerate() {
            let message = Arc::new(Message { number, queue: planned.queue, act: planned.act });
            if planned.poisoned {
                poison.insert(message.command(Timestamp(0), "").key);
            }
            events.extend(planned.at.into_iter().map(|at| (at, Event::Publish(Arc::clone(&message)))));
        }
        events.sort_by_key(|(at, _)| *at);
        let world = Arc::new(World {
            start: Instant::now(),
            books: Mutex::new(Books::new(poison)),
            judge: Mutex::default(),
            log: Mutex::new(Log { lines: aloud.then(Vec::new), ..Log::default() }),
            broker: Broker::default(),
            sessions: Sessions::default(),
            weather: Weather::draw(&mut rng, LENGTH + GRACE),
            bounds: Bounds {
                max_batch: *[1, 4, 512, 512].choose(&mut rng).expect("some"),
                ordering_grace: GRACE,
                crowding_limit: *[2, 8, 1000].choose(&mut rng).expect("some"),
                requests_at_once: 1000,
            },
            lanes: rng.random_range(1..=2),
            prefetch: *[8, 1000].choose(&mut rng).expect("some"),
            clock_step_micros: AtomicI64::new(0),
            processes: AtomicUsize::new(0),
            copies: events.len(),
            rng: Mutex::new(rng),
        });
        let processes = (0..slots).map(|_| None).collect();
        Self { world, events, processes, drains: Vec::new(), messages }
    }

    async fn run(mut self) -> Told {
        for slot in 0..self.processes.len() {
            self.start(slot);
        }
        for (at, event) in std::mem::take(&mut self.events) {
            sleep_until(self.world.start + at).await;
            self.happen(event).await;
        }
        for slot in 0..self.processes.len() {
            self.start(slot);
        }
        sleep_until(self.world.start + self.world.weather.fair_from).await;
        self.until_answered().await;
        let last = self.processes.iter_mut().filter_map(Option::take);
        self.drains.extend(last.map(|process| tokio::spawn(process.drain())));
        for drain in self.drains {
            drain.await.expect("draining does not panic");
        }
        judge::conclude(&self.world);
        self.world.told()
    }

    fn start(&mut self, slot: usize) {
        if self.processes[slot].is_none() {
            let number = self.world.processes.fetch_add(1, Ordering::Relaxed);
            self.processes[slot] = Some(Process::start(&self.world, number));
        }
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Publish(message) => {
                self.world.note(|| format!("published {message:?}"));
                self.world.judge().published(&message, self.world.now());
                self.world.broker.publish(message, self.world.now());
            }
            Event::Crash(slot) => {
                if let Some(process) = self.processes[slot].take() {
                    process.crash().await;
                }
            }
            Event::Start(slot) => self.start(slot),
            Event::TakeOver(slot) => {
                let old = self.processes[slot].take();
                self.start(slot);
                self.drains.extend(old.map(|process| tokio::spawn(process.drain())));
            }
            Event::SetClock(micros) => {
                self.world.saw("clock set");
                self.world.clock_step_micros.fetch_add(micros, Ordering::Relaxed);
            }
        }
    }

    /// Waits until the queues are empty and everything is acked, while a little goes on.
    async fn until_answered(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let mut beat = 0;
        while !self.world.broker.is_done() {
            if Instant::now() > deadline {
                return self.world.find("messages are left without an answer".to_owned());
            }
            for act in heartbeat(beat) {
                let message = Arc::new(Message { number: self.messages, queue: CASH, act });
                self.world.broker.publish(message, self.world.now());
                self.messages += 1;
            }
            beat += 1;
            World::pass(BEAT).await;
        }
    }
}

/// Crashes, processes that take over from others, and steps of the clock.
fn draw_accidents(rng: &mut StdRng, slots: usize, clock_stands: bool, events: &mut Vec<(Duration, Event)>) {
    let end = u64::try_from(LENGTH.as_millis()).expect("a short history");
    for _ in 0..rng.random_range(0..4) {
        let (slot, at) = (rng.random_range(0..slots), rng.random_range(0..end));
        let down = *[0, 0, 300, 2500].choose(rng).expect("some");
        events.push((Duration::from_millis(at), Event::Crash(slot)));
        events.push((Duration::from_millis(at + down), Event::Start(slot)));
    }
    for _ in 0..rng.random_range(0..2) {
        let (slot, at) = (rng.random_range(0..slots), rng.random_range(0..end));
        events.push((Duration::from_millis(at), Event::TakeOver(slot)));
    }
    for _ in 0..if clock_stands { 0 } else { rng.random_range(0..3) } {
        let step = rng.random_range(-48..=48) * HOUR_MICROS;
        events.push((Duration::from_millis(rng.random_range(0..end)), Event::SetClock(step)));
    }
}

impl World {
    /// Since the beginning of the world; no clock step touches it.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The time of day, as far as the clock can be trusted.
    pub fn time_of_day(&self) -> Timestamp {
        let micros = i64::try_from(self.now().as_micros()).expect("a short history");
        Timestamp(NOON_MICROS + self.clock_step_micros.load(Ordering::Relaxed) + micros)
    }

    /// Lets the world's time go by, which takes none of ours.
    pub async fn pass(time: Duration) {
        sleep_until(Instant::now() + time).await;
    }

    pub async fn pass_up_to(&self, millis: u64) {
        Self::pass(Duration::from_millis(self.pick(0..=millis))).await;
    }

    pub fn pick(&self, range: RangeInclusive<u64>) -> u64 {
        self.rng.lock().expect("nobody panics with it").random_range(range)
    }

    /// Whether something of this chance happens now; nothing does in fair weather.
    pub fn strikes(&self, chance: f64) -> bool {
        self.now() < self.weather.fair_from && self.rng.lock().expect("nobody panics with it").random_bool(chance)
    }

    pub fn is_away(&self) -> bool {
        self.weather.is_away(self.now())
    }

    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("nobody panics with it")
    }

    pub fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().expect("nobody panics with it")
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nobody panics with it")
    }

    pub fn write(&self, batch: Batch, read: &Read) -> Result<(), StoreError> {
        let entries = batch.entries.len();
        let written = self.books().write(batch, read, self.now());
        self.note(|| format!("{entries} entries written: {written:?}"));
        written
    }

    /// Remembers a step of the history.
    pub fn note(&self, step: impl FnOnce() -> String) {
        let (now, step) = (self.now(), step());
        let mut log = self.log();
        (now, &step).hash(&mut log.digest);
        if let Some(lines) = &mut log.lines {
            lines.push(format!("{:>6} ms  {step}", now.as_millis()));
        }
    }

    /// Counts what histories are to have reached.
    pub fn saw(&self, what: &'static str) {
        *self.log().seen.entry(what).or_default() += 1;
    }

    /// Remembers what ought not to be.
    pub fn find(&self, finding: String) {
        self.note(|| format!("FOUND: {finding}"));
        self.log().findings.push(finding);
    }

    /// An attempt on so many commands failed, which costs them time.
    pub fn failed(&self, how: &'static str, commands: usize) {
        self.saw(how);
        self.note(|| format!("{how}, {commands} commands"));
        let commands = u32::try_from(commands).expect("few commands");
        self.trouble(LONGEST_PAUSE + self.attempt() * (commands + 1));
    }

    /// Something takes longer than it should.
    pub fn trouble(&self, cost: Duration) {
        let now = self.now();
        self.log().troubles.push((now, cost));
    }

    /// How long one attempt takes at most, be it that every other lane has to be waited for.
    fn attempt(&self) -> Duration {
        Duration::from_millis((self.weather.latency_ms + 1) * 4 * CROWD_OF_PROCESSES)
    }

    /// How long a command that came at `from` may have been under way by now, waiting for its bet apart.
    pub fn allowance(&self, from: Duration) -> Duration {
        let now = self.now();
        let batches = self.copies.div_ceil(self.bounds.max_batch) + 4;
        let outages = self.weather.outages.iter().map(|(from, until)| (*from, *until - *from + LONGEST_PAUSE));
        let log = self.log();
        let troubles = log.troubles.iter().copied().chain(outages);
        let met = troubles.filter(|(at, cost)| *at <= now && *at + *cost >= from).map(|(_, cost)| cost);
        self.attempt() * u32::try_from(batches).expect("few batches") + met.sum::<Duration>()
    }

    fn told(&self) -> Told {
        let mut log = self.log();
        Told {
            findings: std::mem::take(&mut log.findings),
            digest: log.digest.finish(),
            seen: std::mem::take(&mut log.seen),
            lines: log.lines.take().unwrap_or_default(),
        }
    }
}

/// The longest pause that a lane makes after a failed attempt.
const LONGEST_PAUSE: Duration = Duration::from_millis(600);
