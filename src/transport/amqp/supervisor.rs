//! One party's sessions one after another: growing, jittered pauses, for ever.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use super::session::{self, Context, SessionError};
use super::topology::Mismatch;

/// The first and the longest pause between sessions.
const INITIAL_RECONNECT_DELAY: Duration = Duration::from_millis(100);
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(5);

/// The shortest pause after one that ended over a message that was let go of: as often as moves are looked for.
const TURNED_AWAY_PAUSE: Duration = Duration::from_secs(2);

/// A session that lived this long was a good one: the next pause is the shortest again.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// How it stands with the broker, for one party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    Away(String),
    Connected {
        mismatches: Vec<Mismatch>,
    },
    /// Connected, but the broker takes no messages (a memory or disk alarm).
    Blocked {
        reason: String,
        mismatches: Vec<Mismatch>,
    },
}

impl Broker {
    pub(super) fn blocked(self, reason: String) -> Self {
        match self {
            Self::Connected { mismatches } | Self::Blocked { mismatches, .. } => Self::Blocked { reason, mismatches },
            Self::Away(_) => self,
        }
    }

    pub(super) fn unblocked(self) -> Self {
        match self {
            Self::Blocked { mismatches, .. } => Self::Connected { mismatches },
            Self::Away(_) | Self::Connected { .. } => self,
        }
    }
}

/// Keeps a session alive.
pub struct Supervisor {
    context: Context,
}

impl Supervisor {
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Runs until the program drains and everything that was taken is answered.
    pub async fn run(self) {
        self.context.backlogs.open(&self.context.handler.rules.party);
        self.serve().await;
        // However it ended, nothing is measured any more.
        self.context.backlogs.close(&self.context.handler.rules.party);
    }

    async fn serve(&self) {
        let mut pause = INITIAL_RECONNECT_DELAY;
        let mut moves = 0;
        let mut draining: watch::Receiver<bool> = self.context.draining.clone();
        while !*draining.borrow() {
            let began = Instant::now();
            let Err(error) = session::run(&self.context).await else { return };
            let party = &self.context.handler.rules.party;
            tracing::warn!(%party, %error, "the session with the broker ended; connecting again");
            self.context.broker.send_replace(Broker::Away(error.to_string()));
            if began.elapsed() > STABLE_AFTER {
                pause = INITIAL_RECONNECT_DELAY;
                moves = 0;
            }
            if error.is_turned_away() {
                // The next session would meet the same until it is known that the party moves.
                pause = pause.max(TURNED_AWAY_PAUSE);
                moves = self.context.settings.nodes.count();
            }
            // Other nodes may be well: each is tried once before anybody waits.
            if matches!(error, SessionError::Lost { .. }) && moves + 1 < self.context.settings.nodes.count() {
                moves += 1;
                continue;
            }
            tokio::select! {
                () = sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)) => {}
                () = session::drain_begun(&mut draining) => {}
            }
            pause = (pause * 2).min(MAX_RECONNECT_DELAY);
        }
    }
}
