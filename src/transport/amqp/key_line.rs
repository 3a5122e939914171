//! Those whose tokens name a key that is not known (yet). They wait for newer keys, in the order in which they came.
//!
//! Fetching keys may take seconds; the others in the queue do not wait for it. Once there is another key set, whoever
//! waited for it goes first, so that a player's commands stay in their order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::subscriber::Taken;
use crate::dialects::egpp::EgppHandler;

/// Pause between attempts to fetch a party's first keys.
const KEYS_PAUSE: Duration = Duration::from_secs(1);

/// One queue's. The prefetch bounds it.
pub struct KeyLine {
    handler: Arc<EgppHandler>,
    waiting: VecDeque<Taken>,
    /// The key set that they were last compared with.
    version: u64,
    fetching: Option<JoinHandle<()>>,
}

impl KeyLine {
    pub fn new(handler: Arc<EgppHandler>) -> Self {
        Self { handler, waiting: VecDeque::new(), version: 0, fetching: None }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether there are other keys by now than those who wait were compared with.
    pub fn may_go_on(&self) -> bool {
        !self.is_empty() && self.handler.keys_version() != self.version
    }

    /// Lets somebody wait whose key is none of this set's.
    pub fn push(&mut self, taken: Taken, version: u64) {
        if self.is_empty() {
            self.version = version;
        }
        self.waiting.push_back(taken);
        if self.fetching.is_none() {
            self.fetch_after(Duration::ZERO);
        }
    }

    /// All who wait, to be compared with the keys that there are now.
    pub fn take(&mut self) -> VecDeque<Taken> {
        self.version = self.handler.keys_version();
        std::mem::take(&mut self.waiting)
    }

    /// Waits until keys were asked for; for ever where nobody waits for any. While none were ever had, a token can be
    /// neither taken nor refused: that is an outage, and it is asked again.
    pub async fn fetched(&mut self) {
        while let Some(fetching) = &mut self.fetching {
            // A fetch that panicked has brought nothing.
            drop(fetching.await);
            self.fetching = None;
            if self.handler.keys_version() > 0 {
                return;
            }
            self.fetch_after(KEYS_PAUSE);
        }
        std::future::pending().await
    }

    /// A task of its own, so that it gets on while the queue's next delivery waits for room.
    fn fetch_after(&mut self, pause: Duration) {
        let handler = Arc::clone(&self.handler);
        self.fetching = Some(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            handler.fetch_newer_keys().await;
        }));
    }

    /// Whoever still waits when the queue is read no more.
    pub fn left(self) -> VecDeque<Taken> {
        self.waiting
    }
}
