//! One lane: collect what is waiting, load, fold, commit, answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::backlog::BetBacklogs;
use super::fair_queue::FairQueue;
use super::health::label;
use super::item::{Item, log_culprit, mark_who_may_wait};
use super::look::OrderLook;
use super::waiting::{Patience, WaitingRoom};
use super::{Answer, Bounds, Health, LedgerView, Submission};
use crate::ledger::{FoldVerdict, LedgerName, OrderIds, ReadSet, fold};
use crate::metrics::{self, LedgerLabel};
use crate::storage::{NextTry, RetriedWork, RetryBudget, Store, StoreError};
use crate::telemetry::BatchTrace;

/// The longest pause between tries of a batch or command that was refused.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// After so many culprits without a single commit between them, on whichever lane, it is the database that is at fault.
const CULPRITS_IN_A_ROW: u32 = 5;

/// The shortest and the longest pause while the database is away.
const MIN_OUTAGE_PAUSE: Duration = Duration::from_millis(50);
const MAX_OUTAGE_PAUSE: Duration = Duration::from_secs(1);

/// The share of a batch that those who wait for a bet may take from new ones: looking at a crowd again and again must
/// not keep the new ones out.
const DUE_SHARE_OF_ROOM: usize = 2;

/// What came of one item of a batch that is committed. Boxed, since a batch of the queues' has none of the second.
type Judged = (FoldVerdict, Option<Box<LedgerView>>);

/// What all lanes of a process share.
#[derive(Clone)]
pub struct Shared {
    pub ledger: LedgerName,
    pub bounds: Bounds,
    pub backlogs: BetBacklogs,
    pub health: Arc<watch::Sender<Health>>,
}

pub struct Lane<S> {
    store: S,
    inbox: mpsc::UnboundedReceiver<Submission>,
    /// The new ones.
    fair_queue: FairQueue<Submission>,
    label: LedgerLabel,
    bounds: Bounds,
    health: Arc<watch::Sender<Health>>,
    backlogs: BetBacklogs,
    waiting: WaitingRoom<Item>,
    /// When to look for bets that others have committed.
    look: OrderLook,
    /// Whose bet has become known: first in the next batch.
    released: Vec<Item>,
    start: Instant,
    /// Of all lanes, since any of them has committed.
    culprits: Arc<AtomicU32>,
    /// Draws the lengths of pauses, so that lanes which met once do not meet again.
    jitter: StdRng,
}

impl<S: Store> Lane<S> {
    pub fn new(
        store: S,
        inbox: mpsc::UnboundedReceiver<Submission>,
        shared: Shared,
        culprits: Arc<AtomicU32>,
        jitter: StdRng,
    ) -> Self {
        let Shared { ledger, bounds, backlogs, health } = shared;
        let label = label(&ledger);
        let http_limit = bounds.crowding_limit.min(bounds.requests_at_once / 2);
        let waiting = WaitingRoom::new(bounds.ordering_grace, bounds.crowding_limit).with_http_limit(http_limit);
        let (fair_queue, look, released, start) =
            (FairQueue::default(), OrderLook::default(), Vec::new(), Instant::now());
        Self {
            store,
            inbox,
            fair_queue,
            label,
            bounds,
            health,
            backlogs,
            waiting,
            look,
            released,
            start,
            culprits,
            jitter,
        }
    }

    /// Works until every handle is dropped and everything taken is answered.
    pub async fn run(mut self) {
        while let Some(batch) = self.collect().await {
            self.work(batch).await;
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The next batch: the released first, then those whose time has come, then the new in turns. `None` at the end.
    async fn collect(&mut self) -> Option<Vec<Item>> {
        // A handle of its own, so that nothing of the lane is borrowed while it listens.
        let backlogs = self.backlogs.clone();
        loop {
            let mut changed = std::pin::pin!(backlogs.changed());
            // Before anything is looked at, or a change in between would be missed.
            changed.as_mut().enable();
            self.mind_the_waiting().await;
            metrics::waiting(&self.label, self.waiting.len());
            // After the look, which may take a while: a bet that came meanwhile is there before anybody gives up.
            while let Ok(submission) = self.inbox.try_recv() {
                self.put_in(submission);
            }
            let batch = self.fill();
            if !batch.is_empty() {
                return Some(batch);
            }
            let due = self.next_due();
            tokio::select! {
                // Either way the next look begins with those whose time has come: nobody is put off by the order.
                biased;
                received = self.inbox.recv() => match received {
                    Some(submission) => self.put_in(submission),
                    // Who still waits for a queue to be measured comes again: nobody measures any more.
                    None => sleep_until(self.start + self.waiting.next_due()?).await,
                },
                () = changed => {}
                () = sleep_until(due.unwrap_or(self.start)), if due.is_some() => {}
            }
        }
    }

    fn fill(&mut self) -> Vec<Item> {
        let (max, now) = (self.bounds.max_batch, self.now());
        let mut batch = Vec::new();
        let released: Vec<Item> = self.released.drain(..self.released.len().min(max)).collect();
        released.into_iter().for_each(|item| self.enlist(&mut batch, item));
        let room = max.saturating_sub(batch.len());
        let share = if self.fair_queue.is_empty() { room } else { room.div_ceil(DUE_SHARE_OF_ROOM) };
        batch.extend(self.waiting.due(now, share).into_iter().map(Item::due));
        while batch.len() < max
            && let Some(submission) = self.fair_queue.pop()
        {
            self.enlist(&mut batch, Item::new(submission));
        }
        mark_who_may_wait(&mut batch);
        batch
    }

    /// What has come to pass for those who wait: queues were measured, or are not read any more, or another process has
    /// committed a bet.
    async fn mind_the_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        self.waiting.begin_patience(&self.backlogs, self.start.elapsed());
        // Dropped without an answer: nothing was promised, and the message comes again.
        drop(self.waiting.give_back(&self.backlogs));
        if self.look.is_due(Instant::now()) {
            // Whoever asked over HTTP and went away asks again: where many wait, his place is another's.
            if self.waiting.len() > self.bounds.crowding_limit.min(self.bounds.requests_at_once) / 2 {
                drop(self.waiting.let_go(Item::is_abandoned));
            }
            for order in self.look.at(&mut self.store, &self.waiting).await {
                self.released.extend(self.waiting.release(order).into_iter().map(Item::back));
            }
        }
    }

    /// When there is something to do even if nobody asks.
    fn next_due(&self) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        let due = self.waiting.next_due().map(|due| self.start + due);
        Some(due.map_or(self.look.next(), |due| due.min(self.look.next())))
    }

    fn put_in(&mut self, submission: Submission) {
        self.fair_queue.push(submission.keyed.command.party.clone(), submission);
    }

    /// Adds a command to a batch; before a bet, those who wait for it, since they came first.
    fn enlist(&mut self, batch: &mut Vec<Item>, item: Item) {
        if let (Some(order), false) = (item.bet(), self.waiting.is_empty()) {
            batch.extend(self.waiting.release(order).into_iter().map(Item::back));
        }
        batch.push(item);
    }

    /// Lets a command wait for its bet. Only from here on it is asked how much the queue holds, which costs the broker
    /// something; whoever finds his bet never asks.
    fn park(&mut self, item: Item, order: OrderIds, now: Duration) {
        let (source, party) = (item.submission.source, item.submission.keyed.command.party.clone());
        let patience = item.patience.unwrap_or_else(|| match self.backlogs.mark(&party) {
            Some(mark) => Patience::From(mark),
            None => Patience::Since(now),
        });
        self.waiting.park(item, source, (party, order), patience);
    }

    /// Brings a batch to its end, however long that takes.
    async fn work(&mut self, mut batch: Vec<Item>) {
        match self.persist(&mut batch, RetriedWork::LaneBatch).await {
            Ok(judged) => self.answer(batch, judged),
            Err(why) => {
                tracing::warn!(commands = batch.len(), error = why, "a batch failed; trying its commands apart");
                self.isolate(batch).await;
            }
        }
    }

    /// Tries each command of a failed batch alone: only the culprit is parked, its neighbours go through.
    async fn isolate(&mut self, batch: Vec<Item>) {
        for item in batch {
            let mut alone = vec![item];
            match self.persist(&mut alone, RetriedWork::LaneCommand).await {
                Ok(judged) => self.answer(alone, judged),
                Err(why) if self.culprits.load(Ordering::Relaxed) < CULPRITS_IN_A_ROW => {
                    self.culprits.fetch_add(1, Ordering::Relaxed);
                    self.note_answer();
                    for item in alone {
                        log_culprit(&item, &why);
                        item.submission.answering.tell(Answer::Failed, None);
                    }
                }
                Err(why) => {
                    // So many in a row: rather than park everything that comes, try it again with what comes next.
                    self.note_trouble(Health::Refusing(why));
                    self.outage_pause().await;
                    self.released.extend(alone.into_iter().map(|item| Item { is_refused: true, ..item }));
                }
            }
        }
    }

    /// What came of a batch that is committed, tried for as long as that may help; or why the database does not take it.
    /// Commands of parties that have moved are dropped from it.
    async fn persist(&mut self, batch: &mut Vec<Item>, work: RetriedWork) -> Result<Vec<Judged>, String> {
        let mut budget = RetryBudget::new(work);
        let was_refused = batch.iter().any(|item| item.is_refused);
        loop {
            let error = match self.attempt(batch).await {
                Ok(judged) => {
                    // It may have been decided elsewhere meanwhile: then nothing is left to be refused.
                    if was_refused {
                        self.note_ready();
                    }
                    return Ok(judged);
                }
                Err(error) => error,
            };
            match budget.after(&error) {
                NextTry::Again => self.retry_pause().await,
                NextTry::Wait => self.wait_for_database(error.why()).await,
                NextTry::Without(parties) => {
                    // Without an answer: nothing was promised, and whoever asked comes again, to whoever serves them then.
                    self.note_answer();
                    batch.retain(|item| !parties.contains(&item.submission.keyed.command.party));
                    if batch.is_empty() {
                        if was_refused {
                            self.note_ready();
                        }
                        return Ok(Vec::new());
                    }
                }
                NextTry::GiveUp => return Err(error.why()),
            }
        }
    }

    /// One transaction: load, decide, commit.
    async fn attempt(&mut self, batch: &[Item]) -> Result<Vec<Judged>, StoreError> {
        let mut trace = BatchTrace::begin(batch.len(), batch.iter().filter_map(|item| item.submission.trace.as_ref()));
        let attempted = self.transact(batch, &mut trace).await;
        trace.end(attempted.is_ok());
        attempted
    }

    async fn transact(&mut self, batch: &[Item], trace: &mut BatchTrace) -> Result<Vec<Judged>, StoreError> {
        let began = Instant::now();
        let keys = ReadSet::of(batch.iter().map(|item| &item.submission.keyed));
        let mut loaded = self.store.load(&keys).await?;
        trace.step("load");
        let commands = batch.iter().map(|item| (&item.submission.keyed, item.may_wait));
        // A panic in the core is a bug, but the batch is only data: treat it as a batch that cannot be applied.
        let folded = catch_unwind(AssertUnwindSafe(|| fold(&mut loaded.state, commands)));
        let Ok((decided, verdicts)) = folded else {
            return Err(StoreError::Rejected("deciding the batch panicked".to_owned()));
        };
        trace.step("decide");
        let state = if !decided.is_empty() {
            let state = loaded.commit(decided).await?;
            trace.step("commit");
            self.culprits.store(0, Ordering::Relaxed);
            self.note_ready();
            state
        } else if verdicts.iter().any(|verdict| matches!(verdict, FoldVerdict::Decided { .. })) {
            // A repeat is answered from a row: it must be no less safe than if it was written now.
            let state = loaded.confirm().await?;
            trace.step("commit");
            state
        } else {
            loaded.roll_back()
        };
        self.note_answer();
        metrics::batch(batch.len(), began.elapsed());
        let judged = verdicts.into_iter().zip(batch).map(|(verdict, item)| (verdict, item.view(&state)));
        Ok(judged.collect())
    }

    fn answer(&mut self, batch: impl IntoIterator<Item = Item>, judged: Vec<Judged>) {
        let now = self.now();
        let mut known = Vec::new();
        for (item, (verdict, view)) in batch.into_iter().zip(judged) {
            match verdict {
                FoldVerdict::Waits(order) => self.park(item, order, now),
                FoldVerdict::Decided { outcome, repeated } => {
                    known.extend(item.submission.keyed.order.map(|order| order.accepted));
                    item.submission.answering.tell(Answer::Decided { outcome, repeated }, view);
                }
            }
        }
        if !self.waiting.is_empty() {
            for order in known {
                self.released.extend(self.waiting.release(order).into_iter().map(Item::back));
            }
        }
    }

    /// The database has answered, whatever it said. That it takes what it is to write, only a commit shows.
    fn note_answer(&self) {
        self.health.send_if_modified(|health| {
            let was_away = health.is_away();
            if was_away {
                *health = Health::Ready;
            }
            was_away
        });
    }

    fn note_ready(&self) {
        self.health.send_if_modified(|health| std::mem::replace(health, Health::Ready) != Health::Ready);
    }

    /// Waits while the database is away, and says so.
    async fn wait_for_database(&mut self, why: String) {
        self.note_trouble(Health::Away(why));
        self.outage_pause().await;
    }

    fn note_trouble(&self, now: Health) {
        let is_news = self.health.send_if_modified(|health| std::mem::replace(health, now.clone()) != now);
        match now {
            Health::Away(error) if is_news => tracing::warn!(error, "the database is away; consumption pauses"),
            Health::Refusing(error) if is_news => {
                tracing::warn!(error, "the database refuses whatever it is to write; trying again");
            }
            _ => {}
        }
    }

    /// Of a drawn length, so that two writers which met do not meet again.
    async fn retry_pause(&mut self) {
        sleep(RETRY_PAUSE.mul_f64(self.jitter.random())).await;
    }

    async fn outage_pause(&mut self) {
        let more = (MAX_OUTAGE_PAUSE - MIN_OUTAGE_PAUSE).mul_f64(self.jitter.random::<f64>() / 2.0);
        sleep(MIN_OUTAGE_PAUSE + more).await;
    }
}
