//! One lane's writer in a simulated world: the database as it is reached over a bad line.

use std::sync::Arc;
use std::time::Duration;

use purser::ledger::{Batch, OrderId, ReadSet};
use purser::storage::{Loaded, Store, StoreError, StoreTransaction};
use tokio::sync::OwnedMutexGuard;

use super::books::Read;
use super::fault_plan::Mishap;
use super::world::World;

/// How long a commit may still be under way when the line to its client is gone.
const LONGEST_FLIGHT_MS: u64 = 400;

/// How long a slow answer takes, at most.
const SLOWEST_MS: u64 = 3000;

pub struct BadLine {
    world: Arc<World>,
    /// Conflicts on cue since the last commit.
    conflicts: u32,
}

/// Its locks are given back with it.
pub struct BadLineTransaction<'store> {
    line: &'store mut BadLine,
    read: Read,
    locks: Vec<OwnedMutexGuard<()>>,
}

/// A lane tries a batch eleven times before it tries its commands apart, each of them as often. What a lane must bear
/// comes on cue, and some is left to what happens by itself.
const CONFLICTS_IN_A_ROW: u32 = 11;
const CONFLICTS_ALONE: u32 = 9;

/// The chance that a conflict follows upon another.
const CONFLICT_AGAIN: f64 = 0.85;

impl BadLine {
    pub fn new(world: Arc<World>) -> Self {
        Self { world, conflicts: 0 }
    }

    async fn travel(&self) {
        let mut millis = self.world.pick(0..=self.world.weather.latency_ms);
        if self.world.strikes(self.world.weather.slow) {
            self.world.saw("slow");
            millis += self.world.pick(0..=SLOWEST_MS);
            self.world.trouble(Duration::from_millis(millis));
        }
        World::pass(Duration::from_millis(millis)).await;
    }

    /// What happens to a commit of so many rows, if anything does.
    fn mishap(&mut self, rows: usize) -> Option<Mishap> {
        if self.world.is_away() {
            return Some(Mishap::AwayBefore);
        }
        let weather = &self.world.weather;
        let strikes = |mishap: &Mishap| match mishap {
            // Where one conflict comes, more come.
            Mishap::Conflict if self.conflicts > 0 => self.world.strikes(CONFLICT_AGAIN),
            _ => self.world.strikes(weather.commit[*mishap as usize]),
        };
        let mishap = Mishap::ALL.into_iter().find(strikes);
        let bearable = if rows == 1 { CONFLICTS_ALONE } else { CONFLICTS_IN_A_ROW };
        if mishap == Some(Mishap::Conflict) && self.conflicts >= bearable {
            return None;
        }
        self.conflicts += u32::from(mishap == Some(Mishap::Conflict));
        mishap
    }
}

fn away() -> StoreError {
    StoreError::Outage("away".to_owned())
}

impl StoreTransaction for BadLineTransaction<'_> {
    async fn commit(self, batch: Batch) -> Result<(), StoreError> {
        let Self { line, read, locks } = self;
        line.travel().await;
        let rows = batch.entries.len();
        match line.mishap(rows) {
            None => {
                let written = line.world.write(batch, &read);
                match &written {
                    Ok(()) => {
                        line.conflicts = 0;
                        line.travel().await;
                    }
                    Err(StoreError::Rejected(_)) => line.world.failed("rejected", rows),
                    Err(_) => line.world.failed("conflict by itself", rows),
                }
                written
            }
            Some(Mishap::Conflict) => {
                line.world.failed("conflict", rows);
                Err(StoreError::Conflict("on cue".to_owned()))
            }
            Some(Mishap::Contention) => {
                line.world.failed("contention", rows);
                Err(StoreError::Contention("on cue".to_owned()))
            }
            Some(Mishap::AwayBefore) => {
                line.world.failed("away before the commit", rows);
                Err(away())
            }
            Some(Mishap::AwayAfter) => {
                line.world.write(batch, &read)?;
                line.world.failed("away after the commit", rows);
                Err(away())
            }
            Some(Mishap::InFlight) => {
                line.world.failed("away during the commit", rows);
                let flight = Duration::from_millis(line.world.pick(0..=LONGEST_FLIGHT_MS));
                line.world.trouble(flight);
                let world = Arc::clone(&line.world);
                // The database goes on by itself, whatever becomes of the process.
                tokio::spawn(async move {
                    // With its locks.
                    let _locks = locks;
                    World::pass(flight).await;
                    // Nobody is there to be told.
                    drop(world.write(batch, &read));
                });
                Err(away())
            }
        }
    }

    async fn confirm(self) -> Result<(), StoreError> {
        self.line.travel().await;
        Ok(())
    }
}

impl Store for BadLine {
    type Transaction<'store> = BadLineTransaction<'store>;

    async fn load(&mut self, keys: &ReadSet) -> Result<Loaded<BadLineTransaction<'_>>, StoreError> {
        self.travel().await;
        if self.world.is_away() || self.world.strikes(self.world.weather.load_away) {
            self.world.failed("away at load", 1);
            return Err(away());
        }
        let waited_for = self.world.books().locks(keys);
        let mut locks = Vec::new();
        for lock in waited_for {
            locks.push(lock.lock_owned().await);
        }
        let (state, read) = self.world.books().load(keys);
        self.travel().await;
        Ok(Loaded::new(state, BadLineTransaction { line: self, read, locks }))
    }

    async fn commits_of_others(&mut self) -> Result<i64, StoreError> {
        self.travel().await;
        if self.world.is_away() { Err(away()) } else { Ok(self.world.books().commits()) }
    }

    async fn known_orders(&mut self, orders: &[OrderId]) -> Result<Vec<OrderId>, StoreError> {
        self.travel().await;
        if self.world.is_away() { Err(away()) } else { Ok(self.world.books().known(orders)) }
    }
}
