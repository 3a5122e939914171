//! The embedded ledger: one SQLite file, one writer, on a thread of its own since SQLite blocks.
//!
//! Write-ahead log and `synchronous = FULL`: a commit is on the disk before it is answered. Other processes (the
//! command line) may write between batches; `BEGIN IMMEDIATE` takes turns.

pub(crate) mod order_index;
mod partners;
mod shop;
mod statements;
mod usernames;
mod writer;

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use super::party_moves::PartyAdmission;
use super::queries::AnyConnection;
use super::{Loaded, Store, StoreError, StoreTransaction};
use crate::ledger::{Batch, OrderId, Party, ReadSet};
use writer::{CommitJob, Job};

/// What the library is compiled with for the ledger's sake (`.cargo/config.toml`).
const COMPILED_WITH: [&str; 3] = ["DEFAULT_MEMSTATUS=0", "ENABLE_QPSG", "THREADSAFE=2"];

/// How long a transaction waits for another process's before it is called an outage.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// Jobs on their way to the thread. A store is used by one lane that awaits each answer, so one is enough.
const JOBS: usize = 1;

/// Opens the file, creating it where it is not there.
pub fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut conn = establish(path)?;
    let pragmas = format!(
        "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;"
    );
    conn.batch_execute(&pragmas).map_err(classify)?;
    Ok(conn)
}

/// Opens a file that is there, to look at what it is: its mode stays as it is, too.
pub(crate) fn look_at(path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut conn = establish(path)?;
    conn.batch_execute(&format!("PRAGMA busy_timeout = {BUSY_TIMEOUT_MS};")).map_err(classify)?;
    Ok(conn)
}

fn establish(path: &Path) -> Result<SqliteConnection, StoreError> {
    let path = path.to_str().ok_or_else(|| StoreError::Outage("the database's path is not UTF-8".to_owned()))?;
    SqliteConnection::establish(path).map_err(|error| StoreError::Outage(error.to_string()))
}

/// Of what it should have been compiled with, what it was not; on Postgres nothing.
pub fn compiled_without(conn: &mut AnyConnection) -> Result<Vec<&'static str>, StoreError> {
    #[derive(QueryableByName)]
    struct CompileOption {
        #[diesel(sql_type = Text)]
        compile_options: String,
    }
    let AnyConnection::Sqlite(conn) = conn else { return Ok(Vec::new()) };
    let sql = "SELECT compile_options FROM pragma_compile_options";
    let has: Vec<CompileOption> = diesel::sql_query(sql).load(conn).map_err(classify)?;
    let is_missing = |wanted: &&str| !has.iter().any(|option| option.compile_options == *wanted);
    Ok(COMPILED_WITH.into_iter().filter(is_missing).collect())
}

/// Sorts SQLite's errors by what is to be done. Diesel tells constraints apart and drops the code of everything else, so
/// the rest is told by the text. That is the library's own, which is compiled into this program: it is the same
/// everywhere, whatever the language, and begins like this (adr/0011).
pub(crate) fn classify(error: Error) -> StoreError {
    const OUTAGES: [&str; 11] = [
        "database is locked",
        "database table is locked",
        "database schema is locked",
        "disk I/O error",
        "database or disk is full",
        "attempt to write a readonly database",
        "unable to open database",
        "database disk image is malformed",
        "file is not a database",
        "locking protocol",
        "out of memory",
    ];
    let text = error.to_string();
    match error {
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => StoreError::Conflict(text),
        Error::BrokenTransactionManager => StoreError::Outage(text),
        _ if OUTAGES.iter().any(|outage| text.starts_with(outage)) => StoreError::Outage(text),
        _ => StoreError::Rejected(text),
    }
}

/// The writer's handle; its thread ends when this is dropped.
pub struct SqliteStore {
    jobs: mpsc::Sender<Job>,
}

/// What a transaction that is open on the thread waits for. Where nobody has it any more, the thread rolls back.
pub struct SqliteTransaction<'store> {
    decided: oneshot::Sender<CommitJob>,
    /// The thread does nothing else meanwhile.
    _store: PhantomData<&'store mut SqliteStore>,
}

impl SqliteStore {
    pub fn open(path: PathBuf) -> std::io::Result<Self> {
        Self::start(path, order_index::LONGEST_TAIL, PartyAdmission::default())
    }

    /// One that may write what a party brings that arrives.
    pub(crate) fn open_for_arrival(path: PathBuf, party: Party) -> std::io::Result<Self> {
        Self::start(path, order_index::LONGEST_TAIL, PartyAdmission::of_arriving(party))
    }

    /// The same with a shorter tail of orders. For tests: else they would need a hundred thousand orders.
    #[doc(hidden)]
    pub fn open_with_tail(path: PathBuf, longest: usize) -> std::io::Result<Self> {
        Self::start(path, longest, PartyAdmission::default())
    }

    fn start(path: PathBuf, longest: usize, admission: PartyAdmission) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel(JOBS);
        writer::start(path, longest, admission, inbox)?;
        Ok(Self { jobs })
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| thread_ended())?;
        answered.await.map_err(|_| thread_ended())
    }
}

fn thread_ended() -> StoreError {
    StoreError::Outage("the SQLite thread has ended".to_owned())
}

impl StoreTransaction for SqliteTransaction<'_> {
    async fn commit(self, batch: Batch) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.decided.send((Box::new(batch), answer)).map_err(|_| thread_ended())?;
        answered.await.map_err(|_| thread_ended())?
    }

    /// What is there to be read is on the disk.
    async fn confirm(self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Store for SqliteStore {
    type Transaction<'store> = SqliteTransaction<'store>;

    async fn load(&mut self, keys: &ReadSet) -> Result<Loaded<SqliteTransaction<'_>>, StoreError> {
        let keys = Box::new(keys.clone());
        let (state, decided) = self.ask(|answer| Job::Load(keys, answer)).await??;
        Ok(Loaded::new(state, SqliteTransaction { decided, _store: PhantomData }))
    }

    async fn commits_of_others(&mut self) -> Result<i64, StoreError> {
        self.ask(Job::CommitsOfOthers).await?
    }

    async fn known_orders(&mut self, orders: &[OrderId]) -> Result<Vec<OrderId>, StoreError> {
        let orders = orders.to_vec();
        self.ask(|answer| Job::KnownOrders(orders, answer)).await?
    }
}
