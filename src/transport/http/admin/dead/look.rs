//! A look at a party's dead letters, which goes on whoever waits for it: a broker may be far away, and letters many.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::snapshot::Snapshot;
use super::{PartyLetters, locked};
use crate::transport::amqp::dead::unless_lost;

/// How long whoever asks waits for a look. It goes on after that, and whoever asks again is told how far it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a look may take. What it holds nobody else sees meanwhile.
const LONGEST: Duration = Duration::from_secs(300);

/// For how long it is told that a look has failed, unless whoever asked has heard so: then the next one begins.
const FAILURE_TOLD: Duration = Duration::from_secs(60);

/// How far a look is.
#[derive(Debug, Clone)]
pub enum LookStage {
    /// Letters read so far, of how many once that is known. It may have to wait first for somebody who has the queue open.
    Looking {
        seen: u64,
        waiting: Option<u64>,
    },
    Seen(Arc<Snapshot>),
    /// At that time; the log says why.
    Failed(Instant),
}

/// A look, as far as whoever asks waits for it.
pub enum LettersLook {
    Over(Arc<Snapshot>),
    GoesOn(LookShown),
}

/// A look that goes on, as it is shown.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LookShown {
    /// As a plan's.
    pub state: &'static str,
    /// Letters read so far.
    pub seen: u64,
    /// Of how many; null where it has not begun to read.
    pub waiting: Option<u64>,
}

impl LookStage {
    const BEGUN: Self = Self::Looking { seen: 0, waiting: None };

    fn is_over(&self) -> bool {
        !matches!(self, Self::Looking { .. })
    }
}

impl PartyLetters {
    /// What was seen not long ago, else what is seen now. Whoever waits in vain is told how far it is, and asks again.
    pub async fn seen(self: &Arc<Self>) -> LookStage {
        if let Some(snapshot) = self.kept() {
            return LookStage::Seen(snapshot);
        }
        let mut look = self.look_under_way();
        // One that broke off has told nothing: that is a failure, too.
        let ended = timeout(PATIENCE, look.wait_for(LookStage::is_over)).await;
        let has_broken_off = matches!(ended, Ok(Err(_)));
        drop(ended);
        let stage = if has_broken_off { LookStage::Failed(Instant::now()) } else { look.borrow().clone() };
        if stage.is_over() {
            let mut under_way = locked(&self.under_way);
            if under_way.as_ref().is_some_and(|known| known.same_channel(&look)) {
                *under_way = None;
            }
        }
        stage
    }

    /// The look that goes on, or one that begins.
    fn look_under_way(self: &Arc<Self>) -> watch::Receiver<LookStage> {
        let mut under_way = locked(&self.under_way);
        let is_told = |look: &&watch::Receiver<LookStage>| match &*look.borrow() {
            LookStage::Looking { .. } => true,
            LookStage::Seen(_) => false,
            LookStage::Failed(at) => at.elapsed() < FAILURE_TOLD,
        };
        if let Some(look) = under_way.as_ref().filter(is_told) {
            return look.clone();
        }
        let (told, look) = watch::channel(LookStage::BEGUN);
        tokio::spawn(Arc::clone(self).look(told));
        *under_way = Some(look.clone());
        look
    }

    async fn look(self: Arc<Self>, told: watch::Sender<LookStage>) {
        let _turn = self.turn.lock().await;
        // Whoever had the queue open meanwhile may have seen all that is wanted.
        if let Some(snapshot) = self.kept() {
            told.send_replace(LookStage::Seen(snapshot));
            return;
        }
        let tell = |seen, waiting| {
            told.send_replace(LookStage::Looking { seen, waiting: Some(waiting) });
        };
        let taking = async {
            let queue = self.open().await?;
            unless_lost(queue.lost(), Snapshot::take(queue, tell)).await
        };
        let why = match timeout(LONGEST, taking).await {
            Ok(Ok(snapshot)) => {
                let snapshot = Arc::new(snapshot);
                *locked(&self.last) = Some((Instant::now(), Arc::clone(&snapshot)));
                told.send_replace(LookStage::Seen(snapshot));
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {} s", LONGEST.as_secs()),
        };
        tracing::warn!(party = %self.party, why, "the broker did not show an operator its dead letters");
        told.send_replace(LookStage::Failed(Instant::now()));
    }
}
