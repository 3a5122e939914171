//! The ledgers that parties are in. Each has a database, lanes, readers and a follower of its own, and is brought up by
//! itself: while one is away, the parties of the others are served.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::absence::{self, Absence};
use super::{counts, history};
use crate::admin::audits::Audits;
use crate::config::{Config, DatabaseUrl};
use crate::ledger::{LedgerName, Party};
use crate::storage::{Database, NextTry, Reader, RetriedWork, RetryBudget, sqlite};
use crate::transport::http::admin::ledgers::{OperatedLedger, OperatedLedgers};
use crate::transport::http::places;
use crate::wallet::{AbsentParties, BetBacklogs, Bounds, DatabaseHealth, Health, LiveWallet, Sequencer, Shared, label};

/// Writers on Postgres. Two would decide one batch while the other commits, but halve the batches: on two cores that
/// took a fifth more processor time for each command (see `docs/PERFORMANCE.md`).
const POSTGRES_LANES: usize = 1;

/// Pause between attempts to reach the database at the start.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// Waiting results and cancels of a queue above which it counts as crowded: this share of its prefetch.
const CROWD_SHARE_OF_PREFETCH: usize = 2;

/// A ledger's database, by its name; none where the configuration has no such ledger.
pub fn database(config: &Config, ledger: &LedgerName) -> Option<Database> {
    Some(match config.ledger_url(ledger)? {
        DatabaseUrl::Sqlite(path) => Database::Sqlite(path.clone()),
        DatabaseUrl::Postgres(url) => Database::Postgres(url.expose().to_owned()),
    })
}

/// The ledgers as operators reach them: those that parties are in, then those that all have left, or were never in.
pub fn operated(config: &Config) -> Option<OperatedLedgers> {
    let in_use = config.ledgers_in_use();
    let others = config.all_ledgers().into_iter().filter(|name| !in_use.contains(name));
    OperatedLedgers::of(in_use.iter().cloned().chain(others).filter_map(|name| {
        let (database, parties) = (database(config, &name)?, config.parties_in(&name).cloned().collect());
        let (reader, audits) = (Reader::new(database.clone()), Audits::new(database));
        Some((OperatedLedger { has_parties: in_use.contains(&name), name, reader, audits }, parties))
    }))
}

/// A ledger that is served.
pub struct ServedLedger {
    pub name: LedgerName,
    pub database: Database,
    pub parties: Vec<Party>,
    pub sequencer: Sequencer,
    pub backlogs: BetBacklogs,
    pub reader: Reader,
    pub health: DatabaseHealth,
    lanes_health: watch::Sender<Health>,
    /// Those of its parties that are not served from it.
    absent: watch::Sender<AbsentParties>,
}

impl ServedLedger {
    /// Starts its lanes, which reach for the database when there is something to do.
    pub fn start(config: &Config, name: LedgerName) -> anyhow::Result<(Self, Vec<JoinHandle<()>>)> {
        let database = database(config, &name).with_context(|| format!("there is no ledger {name}"))?;
        let parties: Vec<Party> = config.parties_in(&name).cloned().collect();
        let (lanes_health, lanes) = watch::channel(Health::Away("not connected yet".to_owned()));
        let (reader_health, reader) = watch::channel(Health::Ready);
        let health = DatabaseHealth { lanes, reader };
        let bounds = Bounds {
            max_batch: config.ledger.max_batch,
            ordering_grace: config.ledger.ordering_grace,
            crowding_limit: usize::from(config.amqp.prefetch) / CROWD_SHARE_OF_PREFETCH,
            requests_at_once: places::WORKING,
        };
        let backlogs = BetBacklogs::of(parties.iter().filter(|_| !config.amqp.urls.is_empty()).cloned());
        let lanes_are = Arc::new(lanes_health.clone());
        let shared = Shared { ledger: name.clone(), bounds, backlogs: backlogs.clone(), health: lanes_are };
        let lanes = match &database {
            Database::Sqlite(_) => 1,
            Database::Postgres(_) => POSTGRES_LANES,
        };
        let stores = (0..lanes).map(|_| database.writer()).collect::<std::io::Result<Vec<_>>>()?;
        let (sequencer, tasks) = Sequencer::start(stores, database.balances(), shared, reader_health);
        let reader = Reader::new(database.clone());
        let absent = watch::Sender::new(absence::unknown(&parties));
        Ok((Self { name, database, parties, sequencer, backlogs, reader, health, lanes_health, absent }, tasks))
    }

    pub fn wallet(&self) -> LiveWallet {
        LiveWallet::new(self.sequencer.clone(), self.reader.clone(), self.health.clone(), places::WORKING)
    }

    /// Its parties that are not served from it, and why.
    pub fn absent(&self) -> watch::Receiver<AbsentParties> {
        self.absent.subscribe()
    }

    /// Begins what goes on beside the lanes, once the schema is there.
    pub fn keep_company(&self, config: &Arc<Config>, draining: &watch::Receiver<bool>) {
        let (label, draining) = (label(&self.name), draining.clone());
        // Nobody is served before it is known who is absent.
        let (name, parties, reader) = (self.name.clone(), self.parties.clone(), self.reader.clone());
        let absence = Absence::new(Arc::clone(config), name, parties, reader);
        tokio::spawn(absence.watch(self.absent.clone(), draining.clone()));
        if config.http.listen.is_some() {
            let reader = self.reader.clone();
            tokio::spawn(counts::keep(reader, label.clone(), self.parties.clone(), draining.clone()));
        }
        if config.ledger.history {
            tokio::spawn(history::follow(self.database.clone(), label, draining));
        }
    }

    /// Brings the schema up to date; waits for a database that is not there yet.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        let ledger = &self.name;
        let mut budget = RetryBudget::new(RetriedWork::Schema);
        loop {
            match self.database.migrate().await {
                Ok(applied) => {
                    tracing::info!(%ledger, applied = applied.len(), "the database schema is up to date");
                    if let Ok(missing @ [_, ..]) = self.database.query(sqlite::compiled_without).await.as_deref() {
                        tracing::warn!(
                            ?missing,
                            "SQLite was compiled otherwise than .cargo/config.toml says, and may be slower"
                        );
                    }
                    self.lanes_health.send_replace(Health::Ready);
                    return Ok(());
                }
                Err(error) if budget.after(&error) == NextTry::Wait => {
                    let why = error.why();
                    tracing::warn!(%ledger, error = why, "the database is away; trying again");
                    self.lanes_health.send_replace(Health::Away(why));
                    tokio::time::sleep(DATABASE_PAUSE).await;
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("bringing the schema of ledger {ledger} up to date"));
                }
            }
        }
    }
}
