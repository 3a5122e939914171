//! Bets that one session has received, and which of them are still undecided.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::mpsc;

/// What a session's bet queue counts.
#[derive(Debug)]
pub struct BetTally(Mutex<Counting>);

#[derive(Debug)]
struct Counting {
    /// Bets that came for the first time, by the broker.
    received: u64,
    current: Arc<Cohort>,
    /// Ends when the current cohort is decided.
    decided: mpsc::Receiver<Infallible>,
}

/// Bets received between two counts. Each holds its cohort until it is decided, and each cohort holds the next one: when
/// one is gone, all before it are gone.
#[derive(Debug)]
pub struct Cohort {
    _undecided: mpsc::Sender<Infallible>,
    next: OnceLock<Arc<Cohort>>,
}

impl Cohort {
    fn new() -> (Arc<Self>, mpsc::Receiver<Infallible>) {
        // Nothing is ever sent; that the last sender is gone is what is told.
        let (undecided, decided) = mpsc::channel(1);
        (Arc::new(Self { _undecided: undecided, next: OnceLock::new() }), decided)
    }
}

impl Default for BetTally {
    fn default() -> Self {
        let (current, decided) = Cohort::new();
        Self(Mutex::new(Counting { received: 0, current, decided }))
    }
}

impl BetTally {
    /// Counts a bet. What is returned is dropped when the bet has been decided.
    pub fn receive(&self, is_redelivered: bool) -> Arc<Cohort> {
        let mut counting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counting.received += u64::from(!is_redelivered);
        Arc::clone(&counting.current)
    }

    /// How many came for the first time, told once all that have come by now are decided.
    pub fn count(&self) -> impl Future<Output = u64> + Send + use<> {
        let (next, decided) = Cohort::new();
        let mut counting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It is the first to be set: only here is it, and only for the current one.
        let _ = counting.current.next.set(Arc::clone(&next));
        counting.current = next;
        let mut decided = std::mem::replace(&mut counting.decided, decided);
        let received = counting.received;
        async move {
            while decided.recv().await.is_some() {}
            received
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_count_is_told_when_all_before_it_are_decided() {
        let tally = BetTally::default();
        assert_eq!(tally.count().now_or_never(), Some(0));
        let (first, again) = (tally.receive(false), tally.receive(true));
        let mut one = Box::pin(tally.count());
        let later = tally.receive(false);
        let mut two = Box::pin(tally.count());
        drop(later);
        assert_eq!(((&mut one).now_or_never(), (&mut two).now_or_never()), (None, None));
        drop(first);
        assert_eq!((&mut one).now_or_never(), None);
        drop(again);
        assert_eq!((one.now_or_never(), two.now_or_never()), (Some(1), Some(2)));
    }
}
