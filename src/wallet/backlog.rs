//! Whether a bet may still lie in its party's queue: what a result or cancel without its bet waits for.
//!
//! A lane that parks such a command takes a [`Mark`] of its party. Whoever reads the party's queues measures the bet
//! queue from time to time, by [`super::survey`]: a mark is passed when every bet that was in the queue when it was
//! taken has been decided, by this process or by another. Only then does the command's patience begin.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::ledger::Party;

/// A moment in the life of a party's bet queue. Marks of one party are ordered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// One party's bet queue, as far as it has been measured.
#[derive(Debug)]
struct BetQueue {
    /// The mark of whoever asks now. A measurement that begins makes the next one of it.
    next: AtomicU64,
    /// The highest mark that anybody has.
    asked: AtomicU64,
    /// The highest mark that is passed.
    passed: AtomicU64,
    /// Whether nothing will be passed any more.
    is_closed: AtomicBool,
    /// Told when somebody asks.
    wanted: Notify,
}

impl Default for BetQueue {
    fn default() -> Self {
        let [next, asked, passed] = [1, 0, 0].map(AtomicU64::new);
        Self { next, asked, passed, is_closed: AtomicBool::new(false), wanted: Notify::new() }
    }
}

/// The bet queues of all parties whose queues this process reads.
#[derive(Debug, Clone, Default)]
pub struct BetBacklogs(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    queues: HashMap<Party, BetQueue>,
    /// Told when a mark is passed or a party is closed.
    changed: Notify,
}

impl BetBacklogs {
    /// Of these parties; others have no queue, and nothing to wait for.
    pub fn of(parties: impl IntoIterator<Item = Party>) -> Self {
        let queues = parties.into_iter().map(|party| (party, BetQueue::default())).collect();
        Self(Arc::new(Inner { queues, changed: Notify::new() }))
    }

    /// A mark of now; `None` where the party has no queue here.
    pub fn mark(&self, party: &Party) -> Option<Mark> {
        let queue = self.0.queues.get(party)?;
        let mark = queue.next.load(Ordering::SeqCst);
        queue.asked.fetch_max(mark, Ordering::SeqCst);
        queue.wanted.notify_one();
        Some(Mark(mark))
    }

    /// Whether every bet that was in the party's queue when the mark was taken has been decided.
    pub fn is_passed(&self, party: &Party, mark: Mark) -> bool {
        self.0.queues.get(party).is_none_or(|queue| queue.passed.load(Ordering::SeqCst) >= mark.0)
    }

    /// Whether the party's queues are not read any more: no mark will be passed.
    pub fn is_closed(&self, party: &Party) -> bool {
        self.0.queues.get(party).is_some_and(|queue| queue.is_closed.load(Ordering::SeqCst))
    }

    /// Ends when a mark is passed or a party closed. Enable it before looking, so that no change is missed.
    pub fn changed(&self) -> Notified<'_> {
        self.0.changed.notified()
    }

    /// Waits until somebody has a mark that is not passed.
    pub async fn wanted(&self, party: &Party) {
        let Some(queue) = self.0.queues.get(party) else { return std::future::pending().await };
        while queue.asked.load(Ordering::SeqCst) <= queue.passed.load(Ordering::SeqCst) {
            queue.wanted.notified().await;
        }
    }

    /// Waits until nobody has a mark that is not passed.
    pub async fn settled(&self, party: &Party) {
        let Some(queue) = self.0.queues.get(party) else { return };
        loop {
            let mut changed = std::pin::pin!(self.changed());
            changed.as_mut().enable();
            if queue.asked.load(Ordering::SeqCst) <= queue.passed.load(Ordering::SeqCst) {
                return;
            }
            changed.await;
        }
    }

    /// Begins a measurement: it is of everybody who has a mark by now. Whoever asks from here on gets a later one.
    pub fn measure(&self, party: &Party) -> Mark {
        Mark(self.0.queues.get(party).map_or(0, |queue| queue.next.fetch_add(1, Ordering::SeqCst)))
    }

    /// Says that all marks up to this one are passed.
    pub fn pass(&self, party: &Party, mark: Mark) {
        if let Some(queue) = self.0.queues.get(party) {
            queue.passed.fetch_max(mark.0, Ordering::SeqCst);
            self.0.changed.notify_waiters();
        }
    }

    /// Says that the party's queues are read.
    pub fn open(&self, party: &Party) {
        if let Some(queue) = self.0.queues.get(party) {
            queue.is_closed.store(false, Ordering::SeqCst);
        }
    }

    /// Says that the party's queues are not read any more. Whoever still waits for a bet comes again with his message.
    pub fn close(&self, party: &Party) {
        if let Some(queue) = self.0.queues.get(party) {
            queue.is_closed.store(true, Ordering::SeqCst);
            self.0.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> Party {
        Party::parse("acme").unwrap()
    }

    #[test]
    fn a_measurement_is_of_those_who_asked_before_it() {
        let (backlogs, acme) = (BetBacklogs::of([acme()]), acme());
        let before = backlogs.mark(&acme).unwrap();
        let measured = backlogs.measure(&acme);
        let after = backlogs.mark(&acme).unwrap();
        assert!(before <= measured && measured < after);
        backlogs.pass(&acme, measured);
        assert!(backlogs.is_passed(&acme, before) && !backlogs.is_passed(&acme, after));
    }

    #[test]
    fn without_a_queue_there_is_nothing_to_wait_for() {
        assert_eq!(BetBacklogs::default().mark(&acme()), None);
    }
}
