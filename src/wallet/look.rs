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

/// While so few wait, a pause is no longer than this, or a database that is far away would make results late: at 10 ms for
/// each of the two questions, the bet is seen 65 ms after its commit.
const FEW: usize = 128;
const LONGEST_PAUSE_OF_FEW: Duration = Duration::from_millis(40);
const PAUSE_PER_LOOK_OF_FEW: u32 = 2;

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
        let took = now - began;
        let pause = PAUSE.max(took * PAUSE_PER_LOOK);
        // A database that is slow shall not spend its time on looks, however few wait.
        let few = LONGEST_PAUSE_OF_FEW.max(took * PAUSE_PER_LOOK_OF_FEW);
        self.next = now + if waiting.len() <= FEW { pause.min(few) } else { pause };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Batch, OrderIds, Party, ReadSet, State};
    use crate::storage::{Loaded, StoreTransaction};
    use crate::wallet::CommandSource;
    use crate::wallet::waiting::Patience;
    use uuid::Uuid;

    /// Half of what each question takes: there, and back again.
    const HALF_A_CALL: Duration = Duration::from_millis(5);

    /// What is left of 100 ms once the lane has loaded and committed at the same pace.
    const SEEN_AFTER: Duration = Duration::from_millis(80);

    /// A store that is far away, where another writer commits everything at once.
    struct FarAway {
        committed: Instant,
    }

    impl FarAway {
        async fn is_committed(&self) -> bool {
            tokio::time::sleep(HALF_A_CALL).await;
            let is_committed = Instant::now() >= self.committed;
            tokio::time::sleep(HALF_A_CALL).await;
            is_committed
        }
    }

    /// Nothing is loaded from there.
    struct Nothing;

    impl StoreTransaction for Nothing {
        async fn commit(self, _: Batch) -> Result<(), StoreError> {
            Ok(())
        }

        async fn confirm(self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    impl Store for FarAway {
        type Transaction<'store> = Nothing;

        async fn load(&mut self, _: &ReadSet) -> Result<Loaded<Nothing>, StoreError> {
            Ok(Loaded::new(State::default(), Nothing))
        }

        async fn commits_of_others(&mut self) -> Result<i64, StoreError> {
            Ok(i64::from(self.is_committed().await))
        }

        async fn known_orders(&mut self, orders: &[OrderId]) -> Result<Vec<OrderId>, StoreError> {
            Ok(if self.is_committed().await { orders.to_vec() } else { Vec::new() })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_bet_is_seen_soon_after_its_commit_in_a_database_that_is_far_away() {
        let mut waiting = WaitingRoom::new(Duration::from_secs(60), 1000);
        let order = |number| OrderId::from_uuid(Uuid::from_u128(number));
        let orders = OrderIds { accepted: order(1), refused: order(2) };
        let acme = Party::parse("acme").unwrap();
        waiting.park("result", CommandSource(1), (acme, orders), Patience::Since(Duration::ZERO));
        for after_ms in 0..200 {
            let committed = Instant::now() + Duration::from_millis(after_ms);
            let (mut store, mut look) = (FarAway { committed }, OrderLook::default());
            while look.at(&mut store, &waiting).await.is_empty() {
                tokio::time::sleep_until(look.next()).await;
            }
            let seen_after = Instant::now() - committed;
            assert!(seen_after < SEEN_AFTER, "committed after {after_ms} ms, seen {seen_after:?} later");
        }
    }
}
