//! A sequencer on a store that goes wrong on cue.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use purser::ledger::command::KeyedCommand;
use purser::ledger::{Batch, LedgerName, OrderId, Party, ReadSet};
use purser::storage::{Loaded, Store, StoreError, StoreTransaction, Writer};
use purser::wallet::{Answer, Answering, BetBacklogs, Bounds, CommandSource, Health, Sequencer, Shared, Submission};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

use super::QUEUE;
use crate::databases::Fresh;
use crate::patience::within_deadline;
use crate::script::{commands, told};

/// HTTP requests that may be under way.
pub const REQUESTS_AT_ONCE: usize = 8;

/// What happens to one commit that is to go wrong.
#[derive(Debug, Clone, Copy)]
pub enum Mishap {
    /// Another writer was faster.
    Conflict,
    /// The database ended it for another's sake.
    Contention,
    /// The database was gone before it wrote.
    AwayBefore,
    /// The database wrote, and was gone before it said so.
    AwayAfter,
    /// The party has begun to move to another ledger.
    Moved,
}

/// What a test does to a store from outside.
pub struct Cues {
    /// As many batches may begin as there are permits.
    pub gate: Semaphore,
    pub mishaps: Mutex<VecDeque<Mishap>>,
    pub batches: AtomicU32,
}

/// A real store that goes wrong on cue.
pub struct OnCue {
    store: Writer,
    cues: Arc<Cues>,
}

/// A real transaction, of such a store.
pub struct OnCueTransaction<'store> {
    transaction: <Writer as Store>::Transaction<'store>,
    cues: &'store Cues,
}

impl StoreTransaction for OnCueTransaction<'_> {
    async fn commit(self, batch: Batch) -> Result<(), StoreError> {
        let mishap = self.cues.mishaps.lock().expect("nobody panics with it").pop_front();
        let why = || "on cue".to_owned();
        match mishap {
            None => {
                self.cues.batches.fetch_add(1, Ordering::Relaxed);
                self.transaction.commit(batch).await
            }
            Some(Mishap::Conflict) => Err(StoreError::Conflict(why())),
            Some(Mishap::Contention) => Err(StoreError::Contention(why())),
            Some(Mishap::AwayBefore) => Err(StoreError::Outage(why())),
            Some(Mishap::Moved) => Err(StoreError::PartyMoved(vec![Party::parse("acme").expect("a party")])),
            Some(Mishap::AwayAfter) => {
                self.transaction.commit(batch).await?;
                Err(StoreError::Outage(why()))
            }
        }
    }

    async fn confirm(self) -> Result<(), StoreError> {
        self.transaction.confirm().await
    }
}

impl Store for OnCue {
    type Transaction<'store> = OnCueTransaction<'store>;

    async fn load(&mut self, keys: &ReadSet) -> Result<Loaded<OnCueTransaction<'_>>, StoreError> {
        self.cues.gate.acquire().await.expect("the gate is never closed").forget();
        let cues = &self.cues;
        let loaded = self.store.load(keys).await?;
        Ok(loaded.within(|transaction| OnCueTransaction { transaction, cues }))
    }

    async fn commits_of_others(&mut self) -> Result<i64, StoreError> {
        self.store.commits_of_others().await
    }

    async fn known_orders(&mut self, orders: &[OrderId]) -> Result<Vec<OrderId>, StoreError> {
        self.store.known_orders(orders).await
    }
}

/// A running sequencer with one lane on a database of its own, where alice and bob have 1000 CHF each.
pub struct Stage {
    pub fresh: Fresh,
    pub sequencer: Sequencer,
    pub tasks: Vec<JoinHandle<()>>,
    pub health: watch::Receiver<Health>,
    pub cues: Arc<Cues>,
}

/// What was asked, and where the answer comes.
pub type Asked = (String, oneshot::Receiver<Answer>);

impl Stage {
    /// With no queue: patience begins at once.
    pub async fn set(ordering_grace: Duration) -> Self {
        Self::set_with(ordering_grace, BetBacklogs::default()).await
    }

    pub async fn set_with(ordering_grace: Duration, backlogs: BetBacklogs) -> Self {
        let fresh = Fresh::sqlite().await;
        let cues = Arc::new(Cues {
            gate: Semaphore::new(Semaphore::MAX_PERMITS / 2),
            mishaps: Mutex::default(),
            batches: AtomicU32::new(0),
        });
        let store = OnCue { store: fresh.writer(), cues: Arc::clone(&cues) };
        let bounds = Bounds { max_batch: 64, ordering_grace, crowding_limit: 20, requests_at_once: REQUESTS_AT_ONCE };
        let (lanes, health) = watch::channel(Health::Ready);
        let ledger = LedgerName::default_ledger();
        let shared = Shared { ledger, bounds, backlogs, health: Arc::new(lanes) };
        let balances = fresh.database.balances();
        let (sequencer, tasks) = Sequencer::start(vec![store], balances, shared, watch::channel(Health::Ready).0);
        let stage = Self { fresh, sequencer, tasks, health, cues };
        let known = "open alice CHF          -> 200 opened
                     deposit alice 1000 CHF key=a  -> 200 deposited 1000
                     open bob CHF            -> 200 opened
                     deposit bob 1000 CHF key=b    -> 200 deposited 1000";
        stage.plays(known).await;
        stage
    }

    pub async fn submit(&self, keyed: KeyedCommand, source: CommandSource) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        // Nobody listens any more where the test has failed already.
        let answering = Answering::WithOutcome(Box::new(move |answered| _ = answer.send(answered)));
        assert!(self.sequencer.submit(Submission { keyed, source, answering, trace: None }).is_ok(), "the lane takes");
        answered
    }

    /// Submits one line.
    pub async fn ask(&self, line: &str, source: CommandSource) -> oneshot::Receiver<Answer> {
        self.submit(commands("acme", line).remove(0), source).await
    }

    /// Submits the lines of a scenario in their order, without waiting for answers.
    pub async fn ask_all(&self, scenario: &str) -> Vec<Asked> {
        let mut asked = Vec::new();
        for line in scenario.lines().map(str::trim).filter(|line| !line.is_empty()) {
            asked.push((line.to_owned(), self.ask(line, QUEUE).await));
        }
        asked
    }

    /// Submits a scenario, and awaits the answers that it tells.
    pub async fn plays(&self, scenario: &str) {
        assert_answers(self.ask_all(scenario).await).await;
    }

    /// Submits a scenario as one batch: the lane looks only when all of it is there.
    pub async fn plays_at_once(&self, scenario: &str) {
        let permits = self.hold().await;
        let asked = self.ask_all(scenario).await;
        self.cues.gate.add_permits(permits);
        assert_answers(asked).await;
    }

    /// Keeps the lane from beginning another batch; returns the permits that let it go on.
    pub async fn hold(&self) -> usize {
        let permits = self.cues.gate.available_permits();
        self.cues.gate.forget_permits(permits)
    }

    pub fn go_wrong(&self, mishaps: &[Mishap]) {
        self.cues.mishaps.lock().expect("nobody panics with it").extend(mishaps);
    }

    pub async fn is(&self, ought: fn(&Health) -> bool) {
        let mut health = self.health.clone();
        within_deadline("the health", health.wait_for(ought)).await.expect("the lane runs");
    }

    pub async fn balance(&self, player: &str) -> i64 {
        let sql = "SELECT balance FROM accounts a JOIN players p ON p.id = a.player WHERE p.player";
        self.fresh.number(format!("{sql} = '{player}'")).await
    }

    /// Drains the sequencer, and audits what it left.
    pub async fn ends_well(self) {
        let Self { fresh, sequencer, tasks, .. } = self;
        drop(sequencer);
        for task in tasks {
            within_deadline("the sequencer ends", task).await.expect("no panic");
        }
        assert_eq!(fresh.audit().await.findings, Vec::<String>::new());
    }
}

pub async fn assert_answers(asked: Vec<Asked>) {
    for (line, answered) in asked {
        let (_, ought) = line.split_once("->").unwrap_or_else(|| panic!("{line} has no answer"));
        assert_eq!(answer(&line, answered).await, ought.trim(), "{line}");
    }
}

pub async fn answer(line: &str, answered: oneshot::Receiver<Answer>) -> String {
    match within_deadline(line, answered).await.unwrap_or_else(|_| panic!("{line} was dropped")) {
        Answer::Decided { outcome, .. } => told(outcome),
        Answer::Failed => "failed".to_owned(),
    }
}
