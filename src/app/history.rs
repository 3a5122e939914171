//! Keeps the index of histories close behind the journal while the program serves.
//!
//! It has a connection of its own and takes one step at a time, so the lanes meet it at the disk and nowhere else. While
//! the database is away it waits; whatever it held it reads again. Of several processes on one Postgres one leads.

use std::time::Duration;

use tokio::sync::watch;

use crate::metrics::{self, LedgerLabel};
use crate::storage::history::index::{self, IndexStep, Indexer, SEGMENT};
use crate::storage::queries::AnyConnection;
use crate::storage::{Database, StoreError, history};

/// The pause where there is nothing to do. Rows that are not in the index are few by then, and looked at one by one.
const IDLE: Duration = Duration::from_millis(500);

/// The pause between two steps that have more to do: a catch-up leaves others most of a processor.
const BUSY: Duration = Duration::from_millis(2);

/// The pause while another process leads, or the database is away.
const AWAY: Duration = Duration::from_secs(5);

/// Steps between two looks at how far the index is behind.
const STEPS_PER_LOOK: u32 = 64;

/// The ledger whose histories are followed.
struct Followed {
    database: Database,
    label: LedgerLabel,
}

/// A connection that leads, and what is gathered on it.
struct Follower {
    label: LedgerLabel,
    conn: AnyConnection,
    indexer: Indexer,
    steps: u32,
}

/// Runs until the program drains. Nothing is lost with a step that is under way.
pub async fn follow(database: Database, label: LedgerLabel, mut draining: watch::Receiver<bool>) {
    let followed = Followed { database, label };
    let following = async {
        let mut follower = None;
        loop {
            let (next, pause) = turn(&followed, follower.take()).await;
            follower = next;
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = following => {}
        _ = draining.wait_for(|draining| *draining) => {}
    }
}

/// One step; the follower that goes on, where all is well, and the pause before it does.
async fn turn(followed: &Followed, follower: Option<Follower>) -> (Option<Follower>, Duration) {
    let follower = match follower {
        Some(follower) => Ok(Some(follower)),
        None => lead(followed).await,
    };
    let stepped = match follower {
        Ok(Some(follower)) => step(follower).await,
        Ok(None) => return (None, AWAY),
        Err(error) => Err(error),
    };
    match stepped {
        Ok((follower, step)) => (Some(follower), if step.has_more { BUSY } else { IDLE }),
        Err(error) => {
            // The lanes meet the same outage, and say so.
            tracing::debug!(%error, "the index of histories waits");
            (None, AWAY)
        }
    }
}

/// `None` while another process leads.
async fn lead(followed: &Followed) -> Result<Option<Follower>, StoreError> {
    let (conn, label) = (followed.database.open().await?, followed.label.clone());
    blocking(move || {
        let mut conn = conn;
        metrics::history_behind(&label, history::behind(&mut conn)?);
        if !index::take_lead(&mut conn)? {
            return Ok(None);
        }
        index::prepare(&mut conn)?;
        Ok(Some(Follower { label, conn, indexer: Indexer::new(SEGMENT), steps: 0 }))
    })
    .await
}

async fn step(mut follower: Follower) -> Result<(Follower, IndexStep), StoreError> {
    blocking(move || {
        let step = follower.indexer.step(&mut follower.conn)?;
        follower.steps += 1;
        if !step.has_more || follower.steps >= STEPS_PER_LOOK {
            follower.steps = 0;
            metrics::history_behind(&follower.label, history::behind(&mut follower.conn)?);
        }
        Ok((follower, step))
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Rejected(error.to_string()))?
}
