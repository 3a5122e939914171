//! The embedded ledger: one SQLite file, one writer, on a thread of its own since SQLite blocks.
//!
//! Write-ahead log and `synchronous = FULL`: a commit is on the disk before it is answered. Other processes (the
//! command line) may write between batches; `BEGIN IMMEDIATE` takes turns.

pub(crate) mod order_index;
mod partners;
mod shop;
mod statements;
mod usernames;

use std::path::{Path, PathBuf};
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use super::batch_rows::{BatchRows, Found};
use super::party_moves::{self, PartyAdmission};
use super::queries::AnyConnection;
use super::rows::{AccountRow, DecidedRow, OrderRow, PlayerRow, WriterRow, bytes, not_its_own, state_of};
use super::schema::{accounts, journal, players, purchases, transactions, writers};
use super::{Store, StoreError};
use crate::ledger::{Batch, OrderId, Party, ReadSet, State};
use order_index::OrderIndex;
use statements::{InsertAccount, InsertJournal, InsertPlayer, NameHouseAccount, UpdateAccount};

/// What the library is compiled with for the ledger's sake (`.cargo/config.toml`).
const COMPILED_WITH: [&str; 3] = ["DEFAULT_MEMSTATUS=0", "ENABLE_QPSG", "THREADSAFE=2"];

/// How long a transaction waits for another process's before it is called an outage.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// The only writer's number: whoever writes to the file continues the same chain.
const WRITER: i32 = 1;

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

enum Job {
    Load(Box<ReadSet>, oneshot::Sender<Result<State, StoreError>>),
    Commit(Box<Batch>, oneshot::Sender<Result<(), StoreError>>),
    Abandon(oneshot::Sender<()>),
    CommitsOfOthers(oneshot::Sender<Result<i64, StoreError>>),
    KnownOrders(Vec<OrderId>, oneshot::Sender<Result<Vec<OrderId>, StoreError>>),
}

impl SqliteStore {
    pub fn open(path: PathBuf) -> std::io::Result<Self> {
        Self::start(path, order_index::LONGEST_TAIL, PartyAdmission::default())
    }

    /// One that may write what a party brings that arrives.
    pub fn open_for_arrival(path: PathBuf, party: Party) -> std::io::Result<Self> {
        Self::start(path, order_index::LONGEST_TAIL, PartyAdmission::of_arriving(party))
    }

    /// The same with a shorter tail of orders. For tests: else they would need a hundred thousand orders.
    #[doc(hidden)]
    pub fn open_with_tail(path: PathBuf, longest: usize) -> std::io::Result<Self> {
        Self::start(path, longest, PartyAdmission::default())
    }

    fn start(path: PathBuf, longest: usize, admission: PartyAdmission) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel(JOBS);
        let (row, orders) = (WriterRow::start(WRITER), OrderIndex::new(longest));
        let writer = Writer { path, conn: None, row, reserved: 0, admission, orders, found: Found::default() };
        thread::Builder::new().name("purser-sqlite".to_owned()).spawn(move || writer.work(inbox))?;
        Ok(Self { jobs })
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let gone = |_| StoreError::Outage("the SQLite thread has ended".to_owned());
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))
    }
}

impl Store for SqliteStore {
    async fn load(&mut self, keys: &ReadSet) -> Result<State, StoreError> {
        let keys = Box::new(keys.clone());
        self.ask(|answer| Job::Load(keys, answer)).await?
    }

    async fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.ask(|answer| Job::Commit(Box::new(batch), answer)).await?
    }

    async fn abandon(&mut self) {
        // Nothing to tell: a thread that has ended has no transaction either.
        let _ = self.ask(Job::Abandon).await;
    }

    async fn commits_of_others(&mut self) -> Result<i64, StoreError> {
        self.ask(Job::CommitsOfOthers).await?
    }

    async fn known_orders(&mut self, orders: &[OrderId]) -> Result<Vec<OrderId>, StoreError> {
        let orders = orders.to_vec();
        self.ask(|answer| Job::KnownOrders(orders, answer)).await?
    }
}

/// The thread's side.
struct Writer {
    path: PathBuf,
    conn: Option<SqliteConnection>,
    row: WriterRow,
    /// The journal's last number, read inside the transaction.
    reserved: i64,
    admission: PartyAdmission,
    orders: OrderIndex,
    /// Of the batch that is loaded.
    found: Found,
}

impl Writer {
    fn work(mut self, mut inbox: mpsc::Receiver<Job>) {
        // Answers that nobody waits for any more are dropped: the lane was stopped.
        while let Some(job) = inbox.blocking_recv() {
            match job {
                Job::Load(keys, answer) => {
                    let loaded = self.load(&keys);
                    let _ = answer.send(self.settle(loaded));
                }
                Job::Commit(batch, answer) => {
                    let committed = self.commit(&batch);
                    let _ = answer.send(self.settle(committed));
                }
                Job::Abandon(answer) => {
                    self.rollback();
                    let _ = answer.send(());
                }
                Job::CommitsOfOthers(answer) => {
                    let asked = self.connection().and_then(|conn| data_version(conn).map_err(classify));
                    let _ = answer.send(self.settle(asked));
                }
                Job::KnownOrders(orders, answer) => {
                    let asked = self.known_orders(orders);
                    let _ = answer.send(self.settle(asked));
                }
            }
        }
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => connect(&self.path)?,
        };
        Ok(self.conn.insert(conn))
    }

    /// Leaves no transaction open behind an error, and no connection behind an outage.
    fn settle<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.rollback();
            if matches!(error, StoreError::Outage(_)) {
                // The file may be another one when it can be opened again.
                (self.conn, self.orders) = (None, self.orders.afresh());
            }
        }
        result
    }

    fn rollback(&mut self) {
        if let Some(conn) = &mut self.conn {
            // Fails where there is no transaction, which is as good.
            let _ = conn.batch_execute("ROLLBACK");
        }
    }

    fn load(&mut self, keys: &ReadSet) -> Result<State, StoreError> {
        // The connection is the writer's own, borrowed apart from the rest.
        self.connection()?;
        let Some(conn) = &mut self.conn else {
            return Err(StoreError::Outage("not connected".to_owned()));
        };
        conn.batch_execute("BEGIN IMMEDIATE").map_err(classify)?;
        self.row = writer_row(conn).map_err(classify)?;
        self.admission.check(keys, &party_moves::states(conn).map_err(classify)?)?;
        self.reserved = last_seq(conn).map_err(classify)?;
        let (players, accounts) = load_players(conn, keys).map_err(classify)?;
        self.orders.catch_up(conn)?;
        let mut orders = Vec::new();
        for id in &keys.orders {
            orders.extend(self.orders.load(conn, id.uuid().into_bytes())?);
        }
        let decided = load_decided(conn, keys, &orders)?;
        let mut state = state_of(players, accounts, orders, decided)?;
        self.found = Found::in_state(&state);
        state.usernames = usernames::load(conn, &keys.usernames)?;
        state.numbers = (self.reserved + 1..).take(keys.rows).collect();
        partners::load(conn, keys)?.add_to(&mut state)?;
        Ok(state)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let Some(conn) = &mut self.conn else {
            return Err(StoreError::Outage("not connected".to_owned()));
        };
        let rows = BatchRows::of(batch, &self.row, &self.found)?;
        write(conn, &rows)?;
        partners::write(conn, &rows.partners)?;
        let changes = self.orders.write(conn, &rows.orders, &rows.changed_orders)?;
        conn.batch_execute("COMMIT").map_err(classify)?;
        self.orders.apply(changes);
        Ok(())
    }

    fn known_orders(&mut self, orders: Vec<OrderId>) -> Result<Vec<OrderId>, StoreError> {
        self.connection()?;
        let Some(conn) = &mut self.conn else {
            return Err(StoreError::Outage("not connected".to_owned()));
        };
        self.orders.catch_up(conn)?;
        let mut known = Vec::new();
        for order in orders {
            let found = self.orders.find(conn, order.uuid().as_bytes())?;
            known.extend(found.map(|_| order));
        }
        Ok(known)
    }
}

fn writer_row(conn: &mut SqliteConnection) -> QueryResult<WriterRow> {
    let known = writers::table.find(WRITER).select(WriterRow::as_select()).get_result(conn).optional()?;
    match known {
        Some(row) => Ok(row),
        None => {
            let row = WriterRow::start(WRITER);
            diesel::insert_into(writers::table).values(&row).execute(conn)?;
            Ok(row)
        }
    }
}

/// The highest number that names anything, or did: what a replay brings may be numbered higher than its journal rows,
/// and the last of these may have been pruned.
fn last_seq(conn: &mut SqliteConnection) -> QueryResult<i64> {
    use diesel::dsl::max;
    let journal: Option<i64> = journal::table.select(max(journal::seq)).get_result(conn)?;
    let transactions: Option<i64> = transactions::table.select(max(transactions::number)).get_result(conn)?;
    let purchases: Option<i64> = purchases::table.select(max(purchases::number)).get_result(conn)?;
    let written: Option<i64> = writers::table.select(max(writers::last_seq)).get_result(conn)?;
    Ok([journal, transactions, purchases, written].into_iter().flatten().max().unwrap_or(0))
}

fn load_players(conn: &mut SqliteConnection, keys: &ReadSet) -> QueryResult<(Vec<PlayerRow>, Vec<AccountRow>)> {
    let (mut found, mut theirs) = (Vec::new(), Vec::new());
    for key in &keys.players {
        let id = bytes(key.uuid());
        let player = players::table.find(&id).select(PlayerRow::as_select()).get_result(conn).optional()?;
        if player.is_some() {
            let of_player = accounts::table.filter(accounts::player.eq(&id));
            theirs.extend(of_player.select(AccountRow::as_select()).load(conn)?);
        }
        found.extend(player);
    }
    Ok((found, theirs))
}

/// What is kept about the orders is read by the numbers that they tell, anything else by its key.
fn load_decided(
    conn: &mut SqliteConnection,
    keys: &ReadSet,
    orders: &[OrderRow],
) -> Result<Vec<DecidedRow>, StoreError> {
    let mut found = Vec::new();
    for order in orders {
        for (key, seq) in order.commands()?.filter(|(key, _)| keys.order_commands.contains(key)) {
            let by_number = journal::table.find(seq).filter(journal::key.eq(bytes(key.uuid())));
            let row = by_number.select(DecidedRow::as_select()).get_result(conn).optional().map_err(classify)?;
            found.push(row.ok_or_else(|| not_its_own(&order.id, seq))?);
        }
    }
    for key in &keys.commands {
        let by_key = journal::table.filter(journal::by_key).filter(journal::key.eq(bytes(key.uuid())));
        found.extend(by_key.select(DecidedRow::as_select()).get_result(conn).optional().map_err(classify)?);
    }
    Ok(found)
}

/// SQLite's own count of what other connections have committed.
fn data_version(conn: &mut SqliteConnection) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        data_version: i64,
    }
    let row: Row = diesel::sql_query("SELECT data_version FROM pragma_data_version").get_result(conn)?;
    Ok(row.data_version)
}

/// Row by row: each statement is prepared once, and there is no round trip to save.
fn write(conn: &mut SqliteConnection, rows: &BatchRows) -> Result<(), StoreError> {
    write_new(conn, rows).map_err(classify)?;
    for row in &rows.changed_accounts {
        if UpdateAccount(row).execute(conn).map_err(classify)? != 1 {
            return Err(StoreError::Conflict("an account that was read is gone".to_owned()));
        }
    }
    Ok(())
}

fn write_new(conn: &mut SqliteConnection, rows: &BatchRows) -> QueryResult<()> {
    for row in &rows.journal {
        InsertJournal(row).execute(conn)?;
    }
    for row in &rows.players {
        InsertPlayer(row).execute(conn)?;
    }
    usernames::write(conn, &rows.usernames)?;
    for row in &rows.house {
        NameHouseAccount(row).execute(conn)?;
    }
    for row in &rows.accounts {
        InsertAccount(row).execute(conn)?;
    }
    if let Some(writer) = &rows.writer {
        let changed = (writers::last_seq.eq(writer.last_seq), writers::head.eq(&writer.head));
        diesel::update(writers::table.find(writer.id)).set(changed).execute(conn)?;
    }
    Ok(())
}
