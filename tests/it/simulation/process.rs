//! One process of a simulated world: what takes from the queues, its lanes, and what replies and acks.

use std::sync::Arc;
use std::time::Duration;

use purser::ledger::LedgerName;
use purser::transport::amqp::tally::Cohort;
use purser::wallet::{Answer, Answering, BetBacklogs, CommandSource, Health, Lanes, Shared, Submission};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::broker::{Delivery, QUEUES};
use super::judge::Promise;
use super::peers::{self, Session};
use super::plan::{BETS, CANCELS, RESULTS, acme};
use super::store::BadLine;
use super::world::World;

/// Longer than any drain: every patience, every outage, and what is still to be done.
const DRAIN: Duration = Duration::from_secs(60);

/// How long replying takes at most, and acking.
const REPLYING_MS: u64 = 30;

/// How long opening a delivery takes at most.
const OPENING_MS: u64 = 5;

/// A delivery with its answer.
struct Answered {
    delivery: Delivery,
    answer: Answer,
    _place: OwnedSemaphorePermit,
}

pub struct Process {
    world: Arc<World>,
    number: usize,
    lanes: Vec<JoinHandle<()>>,
    consumers: Vec<JoinHandle<()>>,
    publisher: JoinHandle<()>,
    surveyor: JoinHandle<()>,
    session: Arc<Session>,
    backlogs: BetBacklogs,
    /// Closed when the process is to stop. (A watch would wake those who wait in an order that no seed decides.)
    stop: Arc<Semaphore>,
}

impl Process {
    pub fn start(world: &Arc<World>, number: usize) -> Self {
        let stores = (0..world.lanes).map(|_| BadLine::new(Arc::clone(world))).collect();
        let backlogs = BetBacklogs::of([acme()]);
        let health = Arc::new(watch::channel(Health::Ready).0);
        let shared =
            Shared { ledger: LedgerName::default_ledger(), bounds: world.bounds, backlogs: backlogs.clone(), health };
        let (handle, lanes) = Lanes::start(stores, shared, world.pick(0..=u64::MAX));
        let session = world.sessions.join(number);
        let stop = Arc::new(Semaphore::new(0));
        let (answers, answered) = mpsc::unbounded_channel();
        let consumer = |queue| Consumer {
            world: Arc::clone(world),
            process: number,
            queue,
            lanes: handle.clone(),
            answers: answers.clone(),
            session: Arc::clone(&session),
            places: Arc::new(Semaphore::new(world.prefetch)),
            stop: Arc::clone(&stop),
        };
        let consumers = (0..QUEUES).map(|queue| tokio::spawn(consumer(queue).run())).collect();
        let publisher = tokio::spawn(publish(Arc::clone(world), number, answered));
        let surveyor = tokio::spawn(peers::survey(Arc::clone(world), Arc::clone(&session), backlogs.clone()));
        world.note(|| format!("process {number} starts"));
        let world = Arc::clone(world);
        Self { world, number, lanes, consumers, publisher, surveyor, session, backlogs, stop }
    }

    /// Ends without another word.
    pub async fn crash(self) {
        self.world.judge().crashed(self.number);
        // From here on it says nothing; its messages are the broker's again when it is seen to be gone.
        self.session.die();
        let tasks = self.lanes.into_iter().chain(self.consumers).chain([self.publisher, self.surveyor]);
        let tasks: Vec<_> = tasks.inspect(JoinHandle::abort).collect();
        for task in tasks {
            // Whether it was aborted or had ended by itself is all the same.
            drop(task.await);
        }
        self.world.sessions.remove(self.number);
        let back = self.world.broker.take_back(self.number).len();
        self.world.note(|| format!("process {} crashed with {back} unacked", self.number));
        self.world.saw(if back > 0 { "crashed with unacked" } else { "crashed idle" });
    }

    /// Stops taking, finishes what it took, and ends.
    pub async fn drain(self) {
        self.world.note(|| format!("process {} drains", self.number));
        self.session.leave();
        self.stop.close();
        self.backlogs.close(&acme());
        self.world.judge().drains(self.number);
        let number = self.number;
        let tasks = self.consumers.into_iter().chain(self.lanes).chain([self.publisher]);
        for task in tasks {
            match tokio::time::timeout(DRAIN, task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.world.find(format!("a task of process {number} failed: {error}")),
                Err(_) => self.world.find(format!("process {number} does not end")),
            }
        }
        self.surveyor.abort();
        self.world.sessions.remove(number);
        let back = self.world.broker.take_back(number);
        if back.iter().any(|queue| ![RESULTS, CANCELS].contains(queue)) {
            self.world.find(format!("process {number} drained and left unacked what does not wait, in {back:?}"));
        }
        if !back.is_empty() {
            self.world.saw("given back at a drain");
        }
        self.world.note(|| format!("process {number} ended"));
        self.world.saw("drained");
    }
}

/// What a delivery holds until it is answered.
type Held = (OwnedSemaphorePermit, Option<Arc<Cohort>>);

struct Consumer {
    world: Arc<World>,
    process: usize,
    queue: usize,
    lanes: Lanes,
    answers: mpsc::UnboundedSender<Answered>,
    session: Arc<Session>,
    places: Arc<Semaphore>,
    stop: Arc<Semaphore>,
}

impl Consumer {
    async fn run(self) {
        while let Some((place, delivery)) = self.next().await {
            let undecided = (self.queue == BETS).then(|| self.session.tally.receive(delivery.is_redelivered));
            self.world.pass_up_to(OPENING_MS).await;
            self.pass_on((place, undecided), delivery).await;
        }
    }

    async fn next(&self) -> Option<(OwnedSemaphorePermit, Delivery)> {
        let taking = async {
            let place = Arc::clone(&self.places).acquire_owned().await.expect("never closed");
            (place, self.world.broker.take(self.queue, self.process).await)
        };
        tokio::select! {
            biased;
            _ = self.stop.acquire() => None,
            taken = taking => Some(taken),
        }
    }

    async fn pass_on(&self, (place, undecided): Held, delivery: Delivery) {
        let promise = Promise::of(&self.world, self.process, &delivery);
        let (number, keyed) = (promise.number(), promise.keyed());
        let answers = self.answers.clone();
        let answering = Answering::WithOutcome(Box::new(move |answer| {
            promise.keep(answer);
            // The publisher outlives its senders, but for a crash.
            drop(answers.send(Answered { delivery, answer, _place: place }));
            drop(undecided);
        }));
        let source = CommandSource(u32::try_from(self.queue).expect("few queues"));
        let taken = self.lanes.submit(Submission { keyed, source, answering, trace: None }).is_ok();
        if taken {
            self.world.judge().accepted(number, self.world.now());
        } else {
            self.world.find(format!("the lanes of process {} ended early", self.process));
        }
    }
}

async fn publish(world: Arc<World>, process: usize, mut answered: mpsc::UnboundedReceiver<Answered>) {
    while let Some(Answered { delivery, answer, _place }) = answered.recv().await {
        world.pass_up_to(REPLYING_MS).await;
        world.note(|| format!("process {process} replies to message {}: {answer:?}", delivery.message.number));
        world.judge().replied(&delivery.message, answer);
        world.pass_up_to(REPLYING_MS).await;
        world.broker.ack(delivery.tag);
    }
}
