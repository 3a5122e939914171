//! Looking for bets that other processes have committed: the lane asks for the orders that are waited for.

use std::time::Duration;

use tokio::time::Instant;

use super::waiting::WaitingRoom;
use crate::ledger::OrderId;
use crate::storage::{Store, StoreError};

/// The pause between looks: a result is answered well within 100 ms of its bet's commit, by whichever process.
const PAUSE: Duration = Duration::from_millis(25);

/// A pause is at least so many times as long as the look before it took, so that a crowd that waits for nothing takes
/// no more than a tenth of the lane's time.
const PAUSE_PER_LOOK: u32 = 9;

/// Orders asked for in one look, two for each that waits. Where more are waited for, the next look goes on with them.
const ORDERS: usize = 4096;

/// When the next look is, and where it goes on. It takes several where many orders are waited for.
pub struct OrderLook {
    next: Instant,
    /// Where the last one ended, if more orders are behind.
    last: Option<OrderId>,
    /// What others had committed when the last round of looks began, and this one.
    seen: Option<i64>,
    seeing: Option<i64>,
}

impl Default for OrderLook {
    fn default() -> Self {
        Self { next: Instant::now(), last: None, seen: None, seeing: None }
    }
}

impl OrderLook {
    pub fn next(&self) -> Instant {
        self.next
    }

    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// The orders that have become known, of those that are waited for. While the database is away none has: whoever
    /// waits goes on waiting.
    pub async fn at<S: Store, T>(&mut self, store: &mut S, waiting: &WaitingRoom<T>) -> Vec<OrderId> {
        let began = Instant::now();
        let known = self.known(store, waiting).await.unwrap_or_default();
        let now = Instant::now();
        self.next = now + PAUSE.max((now - began) * PAUSE_PER_LOOK);
        known
    }

    async fn known<S: Store, T>(
        &mut self,
        store: &mut S,
        waiting: &WaitingRoom<T>,
    ) -> Result<Vec<OrderId>, StoreError> {
        if self.last.is_none() {
            // Asked first: what is committed after this is seen by the next round.
            let commits = store.commits_of_others().await?;
            if self.seen == Some(commits) {
                return Ok(Vec::new());
            }
            self.seeing = Some(commits);
        }
        let orders = waiting.orders_after(self.last, ORDERS);
        let known = store.known_orders(&orders).await?;
        self.last = orders.last().copied().filter(|_| orders.len() == ORDERS);
        if self.last.is_none() {
            self.seen = self.seeing;
        }
        Ok(known)
    }
}
