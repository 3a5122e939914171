//! The thread that writes: it has the connection, and does one job after another.

use std::path::PathBuf;
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use super::order_index::OrderIndex;
use super::statements::{InsertAccount, InsertJournal, InsertPlayer, NameHouseAccount, UpdateAccount};
use super::{classify, connect, partners, usernames};
use crate::ledger::{Batch, OrderId, ReadSet, State};
use crate::storage::StoreError;
use crate::storage::batch_rows::{BatchRows, Found};
use crate::storage::party_moves::{self, PartyAdmission};
use crate::storage::rows::{AccountRow, DecidedRow, OrderRow, PlayerRow, WriterRow, bytes, not_its_own, state_of};
use crate::storage::schema::{accounts, journal, players, purchases, transactions, writers};

/// The only writer's number: whoever writes to the file continues the same chain.
const WRITER: i32 = 1;

/// A batch that is to be committed, and who waits to hear of it.
pub type CommitJob = (Box<Batch>, oneshot::Sender<Result<(), StoreError>>);

/// What was loaded, and what decides its transaction.
type Undecided = (State, oneshot::Sender<CommitJob>);

/// What the thread is asked for.
pub enum Job {
    Load(Box<ReadSet>, oneshot::Sender<Result<Undecided, StoreError>>),
    CommitsOfOthers(oneshot::Sender<Result<i64, StoreError>>),
    KnownOrders(Vec<OrderId>, oneshot::Sender<Result<Vec<OrderId>, StoreError>>),
}

/// Starts the thread; it ends when nobody can ask it any more.
pub fn start(
    path: PathBuf,
    longest_tail: usize,
    admission: PartyAdmission,
    inbox: mpsc::Receiver<Job>,
) -> std::io::Result<()> {
    let (row, orders) = (WriterRow::start(WRITER), OrderIndex::new(longest_tail));
    let writer = Writer { path, conn: None, row, reserved: 0, admission, orders, found: Found::default() };
    thread::Builder::new().name("purser-sqlite".to_owned()).spawn(move || writer.work(inbox)).map(drop)
}

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
                Job::Load(keys, answer) => self.transact(&keys, answer),
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

    /// One transaction. It is open for as long as somebody may decide what comes of it.
    fn transact(&mut self, keys: &ReadSet, answer: oneshot::Sender<Result<Undecided, StoreError>>) {
        let loaded = self.load(keys);
        let (decide, decided) = oneshot::channel();
        // Where nobody waits for it any more, what decides is dropped with it; and where nothing was loaded, here.
        let _ = answer.send(self.settle(loaded).map(|state| (state, decide)));
        match decided.blocking_recv() {
            Ok((batch, answer)) => {
                let committed = self.commit(&batch);
                let _ = answer.send(self.settle(committed));
            }
            Err(_) => self.rollback(),
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
