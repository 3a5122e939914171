//! Audits beside `serve`: of each ledger one at a time, on a connection and a thread of its own, started by an operator.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::redaction;
use super::shown::{self, Exact};
use super::trail::{self, Actor, Deed};
use crate::clock;
use crate::ledger::command::Timestamp;
use crate::storage::audit::{self, AuditReport, Progress};
use crate::storage::{Database, Reader, StoreError, last_audit};

/// Starts audits, and knows which runs.
#[derive(Clone)]
pub struct Audits {
    database: Database,
    running: Arc<Mutex<Option<Running>>>,
}

/// The audit that runs.
#[derive(Debug, Clone)]
struct Running {
    by: Arc<str>,
    began_at: Timestamp,
    progress: Arc<Progress>,
}

/// The audit that runs, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct RunningShown {
    pub by: Arc<str>,
    pub began_at: String,
    /// The journal row that it has reached, and the last one that there was when it began. What follows the journal takes a
    /// part of the time that the journal takes.
    pub reached: Exact,
    pub last: Exact,
}

/// What is known of audits.
#[derive(Debug, Serialize)]
pub struct AuditsShown {
    pub running: Option<RunningShown>,
    /// The last that has ended, in any process on this ledger.
    pub last: Option<EndedShown>,
    /// When one last found nothing wrong.
    pub succeeded_at: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct EndedShown {
    pub began_at: String,
    pub ended_at: String,
    pub is_sound: bool,
    pub digest: Value,
    /// As `purser audit --json` prints it. Where it could not be carried to its end `error`, and beside it the `findings` of
    /// the one before, if there were any.
    pub report: Value,
}

impl Running {
    fn shown(&self) -> RunningShown {
        let (reached, last) = self.progress.reached();
        RunningShown {
            by: Arc::clone(&self.by),
            began_at: shown::moment(self.began_at),
            reached: Exact(reached),
            last: Exact(last),
        }
    }
}

/// Why an audit was not started.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    #[error("an audit runs, which {} has started at {}", .0.by, .0.began_at)]
    Busy(RunningShown),
    #[error("an audit runs in another process on this ledger: its trail tells who has started it")]
    BusyElsewhere,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Audits {
    pub fn new(database: Database) -> Self {
        Self { database, running: Arc::default() }
    }

    /// Starts one, unless one runs: the trail has it before it begins and when it has ended.
    pub async fn start(&self, reader: &Reader, actor: &Actor, deed: Deed) -> Result<RunningShown, NotStarted> {
        let running = Running { by: Arc::clone(&actor.who), began_at: clock::now(), progress: Arc::default() };
        {
            let mut place = self.lock();
            if let Some(other) = &*place {
                return Err(NotStarted::Busy(other.shown()));
            }
            *place = Some(running.clone());
        }
        // However it ends, the next one may begin.
        let place = Place(Arc::clone(&self.running));
        let turn = self.database.audit_turn().await?.ok_or(NotStarted::BusyElsewhere)?;
        let (audits, reader, actor, shown) = (self.clone(), reader.clone(), actor.clone(), running.shown());
        tokio::spawn(async move {
            let work = audits.run(&reader, &running);
            if let Err(error) = trail::recorded(&reader, &actor, &deed, work).await {
                tracing::error!(%error, "an audit was not carried to its end");
            }
            // The turn alone keeps others waiting now, and may take a while where the database is away.
            drop(place);
            turn.release().await;
        });
        Ok(shown)
    }

    async fn run(&self, reader: &Reader, running: &Running) -> Result<((), String), StoreError> {
        let progress = Arc::clone(&running.progress);
        let audited = self.database.query(move |conn| audit::run_with(conn, &progress)).await;
        let times = (running.began_at.0, clock::now().0);
        let report = match audited {
            Ok(report) => report,
            Err(error) => {
                let why = error.to_string();
                reader.ask(move |conn| last_audit::write_broken_off(conn, times, &why)).await?;
                return Err(error);
            }
        };
        let (is_sound, outcome, report) = told(&report)?;
        if !is_sound {
            tracing::error!(outcome, "the ledger is not sound");
        }
        reader.ask(move |conn| last_audit::write(conn, times, report.clone(), is_sound)).await?;
        Ok(((), outcome))
    }

    /// What runs, and what the last one found.
    pub async fn show(&self, reader: &Reader) -> Result<AuditsShown, StoreError> {
        let last = reader.ask(last_audit::read).await?;
        let running = self.lock().as_ref().map(Running::shown);
        let succeeded_at = last.as_ref().map(|last| last.succeeded_at).filter(|at| *at > 0);
        let succeeded_at = succeeded_at.map(|at| shown::moment(Timestamp(at)));
        Ok(AuditsShown { running, last: last.map(ended), succeeded_at })
    }

    /// No panic can leave the place half taken, so a poisoned lock is as good as any.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of the one that runs, free again when this goes.
struct Place(Arc<Mutex<Option<Running>>>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn told(report: &AuditReport) -> Result<(bool, String, String), StoreError> {
    let is_sound = report.findings.is_empty();
    let outcome = if is_sound {
        format!("done: the ledger is sound, digest {}", report.digest)
    } else {
        format!("done: the ledger is NOT sound, {} findings", report.findings.len())
    };
    let report = serde_json::to_string(report).map_err(|error| StoreError::Rejected(error.to_string()))?;
    Ok((is_sound, outcome, report))
}

fn ended(last: last_audit::LastAudit) -> EndedShown {
    let report = serde_json::from_str(&last.report).map_or(Value::Null, redaction::exact);
    EndedShown {
        began_at: shown::moment(Timestamp(last.began_at)),
        ended_at: shown::moment(Timestamp(last.ended_at)),
        is_sound: last.succeeded_at == last.ended_at,
        digest: report["digest"].clone(),
        report,
    }
}
