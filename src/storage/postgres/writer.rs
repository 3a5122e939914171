//! The session that a lane's batches are written in: what it reads of one, and what it writes.

use std::collections::HashMap;

use diesel::{QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::{join, join_all};
use futures_util::{FutureExt, join};

use super::partners::{self, UpsertTransactions, UpsertVoids};
use super::records::RowTypes;
use super::session::{away, classify_read, classify_write, connect};
use super::shop;
use super::statements::{
    AdvanceWriter, ChangeOrders, CommitsOfOthers, InsertAccounts, InsertJournal, InsertOrders, InsertPlayers,
    KnownOrders, LockPlayers, NameHouseAccounts, ReadAccounts, ReadDecided, ReadNumbered, ReadOrders, ReadWriter,
    TakeSeqs,
};
use super::usernames::{self, InsertUsernames};
use crate::ledger::player::Username;
use crate::ledger::state::PastCommand;
use crate::ledger::{Batch, OrderId, Outcome, PlayerKey, ReadSet, State};
use crate::storage::StoreError;
use crate::storage::batch_rows::{BatchRows, Found};
use crate::storage::partners::LoadedPartners;
use crate::storage::party_moves::PartyAdmission;
use crate::storage::rows::{
    AccountRow, Bytes, DecidedRow, NumberedRow, OrderRow, PlayerRow, WriterRow, bytes, not_its_own, state_of, uuid,
};
use crate::storage::schema::party_moves;

/// Advisory locks of this class say which writer numbers are taken ("PURS").
const WRITER_LOCKS: i32 = 0x5055_5253;

/// Numbers that are taken one by one to get past those that a replay brings: a second's worth.
const MOST_PASSED: i64 = 1_000_000;

/// The planner must not change its mind: on a table that has just grown from empty, a prepared `= ANY($1)` would keep
/// a sequential scan for the session's life.
/// Nor must it join otherwise than by looking up what it has.
const WRITER_SETTINGS: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; \
     SET enable_mergejoin = off; SET jit = off";

/// A session that writes, and what it knows of the batch that is loaded.
pub struct Session {
    conn: AsyncPgConnection,
    types: RowTypes,
    admission: PartyAdmission,
    writer: WriterRow,
    /// Of the batch that is loaded.
    found: Found,
    /// The last of the journal numbers that were taken for the batch that is loaded.
    last_taken: Option<i64>,
}

/// What a batch reads.
struct ReadRows {
    players: Vec<PlayerRow>,
    usernames: HashMap<Username, PlayerKey>,
    accounts: Vec<AccountRow>,
    orders: Vec<OrderRow>,
    decided: Vec<DecidedRow>,
    partners: LoadedPartners,
    /// The journal's, for the rows that the batch may need.
    numbers: Vec<i64>,
}

impl Session {
    pub async fn begin(url: &str, admission: PartyAdmission) -> Result<Self, StoreError> {
        let mut conn = connect(url).await?;
        conn.batch_execute(WRITER_SETTINGS).await.map_err(classify_read)?;
        let id = take_writer_number(&mut conn).await.map_err(classify_read)?;
        let insert = format!(
            "INSERT INTO writers (id, last_seq, head) VALUES ({id}, 0, decode(repeat('00', 32), 'hex')) \
             ON CONFLICT (id) DO NOTHING"
        );
        conn.batch_execute(&insert).await.map_err(classify_read)?;
        let types = RowTypes::read(&mut conn).await.map_err(classify_read)?;
        let (writer, found) = (WriterRow::start(id), Found::default());
        let mut session = Self { conn, types, admission, writer, found, last_taken: None };
        session.prepare().await?;
        Ok(session)
    }

    /// Prepares every statement, one after another: pipelined statements keep their order only where none of them
    /// has to be prepared first. The first to go out is the BEGIN of what is read, which needs no preparation.
    async fn prepare(&mut self) -> Result<(), StoreError> {
        self.read(&ReadSet::default()).await?;
        let (conn, types) = (&mut self.conn, &self.types);
        ReadNumbered::default().load::<NumberedRow>(conn).await.map_err(classify_read)?;
        let writes = async {
            InsertJournal::of(types, Vec::new()).execute(conn).await?;
            InsertPlayers::of(types, Vec::new()).execute(conn).await?;
            NameHouseAccounts::of(types, Vec::new()).execute(conn).await?;
            InsertAccounts::of(types, Vec::new()).execute(conn).await?;
            InsertOrders::of(types, Vec::new()).execute(conn).await?;
            ChangeOrders::of(types, Vec::new()).execute(conn).await?;
            usernames::prepare(conn, types).await?;
            partners::prepare(conn, types).await?;
            AdvanceWriter::default().execute(conn).await
        };
        writes.await.map_err(classify_read)?;
        self.execute("ROLLBACK").await
    }

    pub async fn execute(&mut self, sql: &str) -> Result<(), StoreError> {
        self.conn.batch_execute(sql).await.map_err(classify_read)
    }

    /// Whether it can still write: what tells a refused batch from a database in trouble. It ends the transaction.
    pub async fn probe(&mut self) -> Result<(), StoreError> {
        let writer = self.writer.id;
        let touch = format!("ROLLBACK; UPDATE writers SET last_seq = last_seq WHERE id = {writer}");
        self.conn.batch_execute(&touch).await.map_err(away)
    }

    pub async fn load(&mut self, keys: &ReadSet) -> Result<State, StoreError> {
        let read = self.read(keys).await?;
        // Mostly every player was there to be locked, and nothing can be torn.
        let unknown_players = read.players.len() < keys.players.len();
        let mut state = state_of(read.players, read.accounts, read.orders, read.decided)?;
        self.found = Found::in_state(&state);
        state.usernames = read.usernames;
        read.partners.add_to(&mut state)?;
        self.last_taken = read.numbers.iter().copied().max();
        state.numbers = read.numbers;
        if unknown_players && is_torn(keys, &state) {
            return Err(StoreError::Conflict("a player was opened while the batch was read".to_owned()));
        }
        Ok(state)
    }

    /// One round trip: each statement after the locks sees what was committed before they were granted. Numbers are taken
    /// when players and offers are locked: purchases of different players are numbered in the order in which they take keys
    /// out of the stock, so that whoever replays them by their numbers sells the same keys.
    async fn read(&mut self, keys: &ReadSet) -> Result<ReadRows, StoreError> {
        let too_many = |_| StoreError::Rejected(format!("a batch of {} rows", keys.rows));
        let count = i64::try_from(keys.rows).map_err(too_many)?;
        let players: Vec<_> = keys.players.iter().map(|key| bytes(key.uuid())).collect();
        let orders = keys.orders.iter().map(|id| bytes(id.uuid())).collect();
        let commands = keys.commands.iter().map(|key| bytes(key.uuid())).collect();
        let conn = &self.conn;
        let [mut c0, mut c1, mut c2, mut c3, mut c4, mut c5, mut c6, mut c7, mut c8] = [conn; 9];
        let (begun, players, accounts, orders, decided, usernames, partners, writer, moves, numbers) = join!(
            c0.batch_execute("BEGIN"),
            LockPlayers { ids: players.clone() }.load::<PlayerRow>(&mut c1),
            ReadAccounts { players }.load::<AccountRow>(&mut c2),
            ReadOrders { ids: orders }.load::<OrderRow>(&mut c3),
            ReadDecided { keys: commands }.load::<DecidedRow>(&mut c4),
            usernames::load(&mut c5, &keys.usernames),
            partners::load(conn, keys),
            ReadWriter { id: self.writer.id }.get_result::<WriterRow>(&mut c6),
            // After the writer's row: whoever moves a party waits for that.
            party_moves::table.select((party_moves::party, party_moves::state)).load::<(String, String)>(&mut c7),
            TakeSeqs { count }.load::<i64>(&mut c8),
        );
        // Of several errors the first statement's tells why: the others only say that the transaction has failed.
        begun.map_err(classify_read)?;
        let players = players.map_err(classify_read)?;
        let accounts = accounts.map_err(classify_read)?;
        let orders = orders.map_err(classify_read)?;
        let mut decided = decided.map_err(classify_read)?;
        let (usernames, partners) = (usernames?, partners?);
        self.writer = writer.map_err(classify_read)?;
        self.admission.check(keys, &moves.map_err(classify_read)?)?;
        let numbers = numbers.map_err(classify_read)?;
        decided.extend(self.read_numbered(keys, &orders).await?);
        Ok(ReadRows { players, usernames, accounts, orders, decided, partners, numbers })
    }

    /// What was decided of orders' commands. Where there is any, a command is asked for again: only repeats cost this round
    /// trip more.
    async fn read_numbered(&mut self, keys: &ReadSet, orders: &[OrderRow]) -> Result<Vec<DecidedRow>, StoreError> {
        let mut numbered = Vec::new();
        for order in orders {
            let asked = order.commands()?.filter(|(key, _)| keys.order_commands.contains(key));
            numbered.extend(asked.map(|(key, seq)| (order, bytes(key.uuid()), seq)));
        }
        if numbered.is_empty() {
            return Ok(Vec::new());
        }
        let seqs = numbered.iter().map(|(_, _, seq)| *seq).collect();
        let rows = ReadNumbered { seqs }.load::<NumberedRow>(&mut self.conn).await.map_err(classify_read)?;
        let rows: HashMap<i64, DecidedRow> = rows.into_iter().map(|row| (row.seq, row.decided_row())).collect();
        let own = |(order, key, seq): (&OrderRow, Bytes, i64)| {
            let row = rows.get(&seq).filter(|row| row.key.as_ref() == Some(&key));
            row.cloned().ok_or_else(|| not_its_own(&order.id, seq))
        };
        numbered.into_iter().map(own).collect()
    }

    pub async fn commits_of_others(&mut self) -> Result<i64, StoreError> {
        CommitsOfOthers { id: self.writer.id }.get_result::<i64>(&mut self.conn).await.map_err(classify_read)
    }

    pub async fn known_orders(&mut self, orders: &[OrderId]) -> Result<Vec<OrderId>, StoreError> {
        let ids = orders.iter().map(|order| bytes(order.uuid())).collect();
        let known = KnownOrders { ids }.load::<Bytes>(&mut self.conn).await.map_err(classify_read)?;
        known.iter().map(|id| Ok(OrderId::from_uuid(uuid(id)?))).collect()
    }

    async fn take_seqs(&mut self, count: i64) -> QueryResult<Vec<i64>> {
        TakeSeqs { count }.load::<i64>(&mut self.conn).await
    }

    /// A replay brings names that were given elsewhere: the sequence must never come upon one of them. It moves by
    /// taking numbers, since setting it might set it back behind what another session takes meanwhile; by so much
    /// that it would take long, nobody else moves it.
    async fn pass(&mut self, highest: i64) -> Result<(), StoreError> {
        let without =
            || StoreError::Rejected(format!("number {highest} is written for a batch that none was taken for"));
        let ahead = highest.saturating_sub(self.last_taken.ok_or_else(without)?);
        if ahead > MOST_PASSED {
            return self.execute(&format!("SELECT setval('journal_seq', {highest})")).await;
        }
        if ahead > 0 {
            self.take_seqs(ahead).await.map_err(classify_write)?;
        }
        Ok(())
    }

    /// One round trip as well. Where a statement fails, the ones after it fail with it, and the commit rolls back.
    pub async fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut rows = BatchRows::of(batch, &self.writer, &self.found)?;
        let Some(writer) = rows.writer else {
            return Err(StoreError::Rejected("a batch without a writer".to_owned()));
        };
        if let Some(highest) = rows.partners.highest_number() {
            self.pass(highest).await?;
        }
        let types = &self.types;
        if !rows.partners.shop.is_empty() {
            if !rows.players.is_empty() {
                // One who is opened and buys a level in the same batch must be there to be given it.
                let opened = InsertPlayers::of(types, std::mem::take(&mut rows.players));
                opened.execute(&mut self.conn).await.map_err(classify_write)?;
            }
            shop::write(&self.conn, types, rows.partners.shop).await?;
        }
        let conns = [&self.conn; 10];
        let [mut c0, mut c1, mut c2, mut c3, mut c4, mut c5, mut c6, mut c7, mut c8, mut c9] = conns;
        let mut writes = Vec::with_capacity(conns.len());
        writes.push(InsertJournal::of(types, rows.journal).execute(&mut c0).boxed());
        if !rows.players.is_empty() {
            writes.push(InsertPlayers::of(types, rows.players).execute(&mut c1).boxed());
        }
        if !rows.usernames.is_empty() {
            writes.push(InsertUsernames::of(types, rows.usernames).execute(&mut c2).boxed());
        }
        if !rows.house.is_empty() {
            writes.push(NameHouseAccounts::of(types, rows.house).execute(&mut c3).boxed());
        }
        if !rows.accounts.is_empty() {
            writes.push(InsertAccounts::of(types, rows.accounts).execute(&mut c4).boxed());
        }
        if !rows.orders.is_empty() {
            writes.push(InsertOrders::of(types, rows.orders).execute(&mut c5).boxed());
        }
        if !rows.changed_orders.is_empty() {
            writes.push(ChangeOrders::of(types, rows.changed_orders).execute(&mut c6).boxed());
        }
        if !rows.partners.transactions.is_empty() {
            writes.push(UpsertTransactions::of(types, rows.partners.transactions).execute(&mut c7).boxed());
        }
        if !rows.partners.voids.is_empty() {
            writes.push(UpsertVoids::of(types, rows.partners.voids).execute(&mut c8).boxed());
        }
        writes.push(AdvanceWriter::of(writer, rows.changed_accounts).execute(&mut c9).boxed());
        let mut last = &self.conn;
        let (written, committed) = join(join_all(writes), last.batch_execute("COMMIT")).await;
        // In their order: the first error tells why, and those after it only that the transaction has failed.
        let failed = written.into_iter().find_map(Result::err);
        failed.map_or(committed, Err).map_err(classify_write)
    }
}

/// Whether a player who was not there to be locked was there for a later statement. Such a state holds answers that
/// the player was given, and not the player.
fn is_torn(keys: &ReadSet, state: &State) -> bool {
    let is_unknown = |key: &PlayerKey| keys.players.contains(key) && !state.players.contains_key(key);
    let served = state.decided.values().filter(|decided| matches!(decided.outcome, Outcome::Done(_)));
    // A player whose command is old enough to have been pruned was there long before this batch.
    let mut served = served.filter_map(|decided| match &decided.asked {
        PastCommand::Whole(command) => Some(PlayerKey::of(&command.party, command.player()?)),
        PastCommand::Pruned(_) => None,
    });
    served.any(|key| is_unknown(&key))
}

/// The lowest number that no other session writes under. The server gives it back when the session ends.
async fn take_writer_number(conn: &mut AsyncPgConnection) -> QueryResult<i32> {
    use diesel::sql_types::{Bool, Integer};
    let mut id = 1;
    loop {
        let locked = diesel::select(
            diesel::dsl::sql::<Bool>("pg_try_advisory_lock(")
                .bind::<Integer, _>(WRITER_LOCKS)
                .sql(", ")
                .bind::<Integer, _>(id)
                .sql(")"),
        );
        if locked.get_result::<bool>(conn).await? {
            return Ok(id);
        }
        id += 1;
    }
}
