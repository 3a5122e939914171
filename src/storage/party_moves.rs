//! Parties that move from one ledger to another, or have moved: while a party's row stands, this ledger decides nothing of
//! it. The writers look at the table in every transaction, after the row of their own that [`barrier`] waits for: so once the
//! barrier is passed, whatever began before a row was put there has ended, and whatever begins later sees it.
//!
//! What a party has beside the journal is in [`beside`]; [`tally`] is for comparing the two ledgers.

pub(crate) mod beside;
pub(crate) mod tally;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::StoreError;
use super::grants::in_transaction;
use super::journal::BY_INDEX;
use super::migrations::has_table;
use super::queries::{AnyConnection, classify, on, snapshot};
use super::rows::damaged;
use super::schema::{journal, offers, party_moves, players, purchases, transactions};
use crate::ledger::command::Timestamp;
use crate::ledger::{LedgerName, Party, ReadSet};

/// Waits until every batch that has begun has ended, and keeps others from beginning until the transaction ends.
/// It gives up before a writer that hangs has held up everybody for long; whoever wants it tries again.
const LET_BATCHES_END: &str = "SET LOCAL lock_timeout = '2s'; LOCK TABLE writers IN EXCLUSIVE MODE";

/// Keeps two from changing a party's row at once; readers are not held up.
const ONE_AT_A_TIME: &str = "SET LOCAL lock_timeout = '2s'; LOCK TABLE party_moves IN SHARE ROW EXCLUSIVE MODE";

/// Numbers that are looked at together.
const NAMES: i64 = 500;

/// Where a party's move stands, as seen from one of the two ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveState {
    /// It is being copied to the other, and served by neither.
    Leaving,
    /// It is served from the other.
    Left,
    /// It is being copied from the other.
    Arriving,
}

impl MoveState {
    const ALL: [Self; 3] = [Self::Leaving, Self::Left, Self::Arriving];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::Arriving => "arriving",
        }
    }
}

/// A party's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyMove {
    pub party: Party,
    pub state: MoveState,
    /// The ledger on the other side.
    pub other: LedgerName,
    pub since: Timestamp,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = party_moves)]
struct MoveRow {
    party: String,
    state: String,
    other: String,
    since: i64,
}

impl MoveRow {
    fn party_move(self) -> Result<PartyMove, StoreError> {
        let wrong = |error: String| damaged(&format!("the move of party {}", self.party), error);
        let state = MoveState::ALL.into_iter().find(|state| state.as_str() == self.state);
        Ok(PartyMove {
            party: Party::recorded(&self.party).map_err(|error| wrong(error.to_string()))?,
            state: state.ok_or_else(|| wrong(format!("there is no state {}", self.state)))?,
            other: LedgerName::recorded(&self.other).map_err(|error| wrong(error.to_string()))?,
            since: Timestamp(self.since),
        })
    }
}

/// Of whom a writer decides nothing.
#[derive(Debug, Clone, Default)]
pub struct PartyAdmission {
    arriving: Option<Party>,
}

impl PartyAdmission {
    /// Lets in what a party brings that arrives.
    pub fn of_arriving(party: Party) -> Self {
        Self { arriving: Some(party) }
    }

    /// `moves` are the table's parties and states, read in the batch's own transaction.
    pub(super) fn check(&self, keys: &ReadSet, moves: &[(String, String)]) -> Result<(), StoreError> {
        let is_let_in =
            |party: &Party, state: &str| state == MoveState::Arriving.as_str() && self.arriving.as_ref() == Some(party);
        let is_shut_out =
            |party: &&Party| moves.iter().any(|(moved, state)| moved == party.as_str() && !is_let_in(party, state));
        // Whoever brings a party that nobody lets in any more has come too late.
        let has_arrived = |party: &Party| !moves.iter().any(|(moved, _)| moved == party.as_str());
        let late = self.arriving.iter().filter(|party| keys.parties.contains(party) && has_arrived(party));
        let shut_out: Vec<Party> = keys.parties.iter().filter(is_shut_out).chain(late).cloned().collect();
        if shut_out.is_empty() { Ok(()) } else { Err(StoreError::PartyMoved(shut_out)) }
    }
}

/// Parties and states of all rows, for the writer on SQLite.
pub(super) fn states(conn: &mut SqliteConnection) -> QueryResult<Vec<(String, String)>> {
    party_moves::table.select((party_moves::party, party_moves::state)).load(conn)
}

/// Every party that this ledger does not serve.
pub fn all(conn: &mut AnyConnection) -> Result<Vec<PartyMove>, StoreError> {
    let rows = party_moves::table.order(party_moves::party);
    let rows: Vec<MoveRow> = on!(conn, conn => rows.select(MoveRow::as_select()).load(conn)).map_err(classify)?;
    rows.into_iter().map(MoveRow::party_move).collect()
}

/// Where the party's move stands here; `None` where it is served from here, or was never here.
pub fn of_party(conn: &mut AnyConnection, party: &Party) -> Result<Option<PartyMove>, StoreError> {
    Ok(all(conn)?.into_iter().find(|known| known.party == *party))
}

/// What a change of a party's row came upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    Yes,
    /// Something else stands there, which does not allow it.
    No(Option<PartyMove>),
}

/// Changes the party's row, or takes it away, where what stands there allows it. Of two who change it one is first, and the
/// other sees what that one has left.
pub fn change(
    conn: &mut AnyConnection,
    party: &Party,
    to: Option<&PartyMove>,
    allows: impl Fn(Option<&PartyMove>) -> bool,
) -> Result<Changed, StoreError> {
    in_transaction(conn, |conn| {
        if let AnyConnection::Postgres(conn) = conn {
            conn.batch_execute(ONE_AT_A_TIME).map_err(classify)?;
        }
        let stands = of_party(conn, party)?;
        if !allows(stands.as_ref()) {
            return Ok(Changed::No(stands));
        }
        match to {
            Some(moved) => set(conn, moved)?,
            None => clear(conn, party)?,
        }
        Ok(Changed::Yes)
    })
}

/// An error where the party is not served from here: for what is written beside the journal, which no writer guards.
pub(super) fn refuse(conn: &mut AnyConnection, party: &Party) -> Result<(), StoreError> {
    match of_party(conn, party)? {
        Some(_) => Err(StoreError::PartyMoved(vec![party.clone()])),
        None => Ok(()),
    }
}

fn set(conn: &mut AnyConnection, party_move: &PartyMove) -> Result<(), StoreError> {
    let PartyMove { party, state, other, since } = party_move;
    let row = || MoveRow {
        party: party.to_string(),
        state: state.as_str().to_owned(),
        other: other.to_string(),
        since: since.0,
    };
    let insert = diesel::insert_into(party_moves::table).values(row());
    let upsert = insert.on_conflict(party_moves::party).do_update().set(row());
    on!(conn, conn => upsert.execute(conn)).map(drop).map_err(classify)
}

fn clear(conn: &mut AnyConnection, party: &Party) -> Result<(), StoreError> {
    let row = diesel::delete(party_moves::table.find(party.as_str()));
    on!(conn, conn => row.execute(conn)).map(drop).map_err(classify)
}

/// Waits until every batch that had begun has ended. Returns the journal's last number then: no row of a lower number will
/// ever come.
pub fn barrier(conn: &mut AnyConnection) -> Result<i64, StoreError> {
    in_transaction(conn, |conn| {
        if let AnyConnection::Postgres(conn) = conn {
            conn.batch_execute(LET_BATCHES_END).map_err(classify)?;
        }
        let last = journal::table.select(diesel::dsl::max(journal::seq));
        let last: Option<i64> = on!(conn, conn => last.get_result(conn)).map_err(classify)?;
        Ok(last.unwrap_or(0))
    })
}

/// A page of the numbers that partners know the party's transactions and orders of keys by, upwards from one. All pages
/// together look at each row once, the other parties' as well: however long that takes, the party is served meanwhile.
pub fn names(conn: &mut AnyConnection, party: &Party, after: i64) -> Result<Vec<i64>, StoreError> {
    snapshot(conn, |conn| {
        if let AnyConnection::Postgres(conn) = conn {
            conn.batch_execute(BY_INDEX).map_err(classify)?;
        }
        page_of_names(conn, party, after)
    })
}

fn page_of_names(conn: &mut AnyConnection, party: &Party, after: i64) -> Result<Vec<i64>, StoreError> {
    let named = transactions::table.filter(transactions::party.eq(party.as_str()).and(transactions::number.gt(after)));
    let bought = purchases::table.filter(purchases::party.eq(party.as_str()).and(purchases::number.gt(after)));
    let (named, bought) = (named.select(transactions::number), bought.select(purchases::number));
    let named = named.order(transactions::number).limit(NAMES);
    let bought = bought.order(purchases::number).limit(NAMES);
    let mut names: Vec<i64> = on!(&mut *conn, conn => named.load(conn)).map_err(classify)?;
    let bought: Vec<i64> = on!(conn, conn => bought.load(conn)).map_err(classify)?;
    names.extend(bought);
    names.sort_unstable();
    // Beyond the page of either there may be more of the other.
    names.truncate(usize::try_from(NAMES).unwrap_or(usize::MAX));
    Ok(names)
}

/// The first of these numbers that somebody else's transaction or order of keys has here.
pub fn taken(conn: &mut AnyConnection, party: &Party, names: &[i64]) -> Result<Option<i64>, StoreError> {
    let named = transactions::table.filter(transactions::number.eq_any(names));
    let named = named.filter(transactions::party.ne(party.as_str())).select(transactions::number).limit(1);
    let bought = purchases::table.filter(purchases::number.eq_any(names));
    let bought = bought.filter(purchases::party.ne(party.as_str())).select(purchases::number).limit(1);
    let named: Option<i64> = on!(&mut *conn, conn => named.first(conn)).optional().map_err(classify)?;
    let bought: Option<i64> = on!(conn, conn => bought.first(conn)).optional().map_err(classify)?;
    Ok(named.or(bought))
}

/// Whether the ledger has anything of the party that a move brings along. Whoever has neither players nor offers can have
/// done nothing.
pub fn has_anything(conn: &mut AnyConnection, party: &Party) -> Result<bool, StoreError> {
    let theirs = players::table.filter(players::party.eq(party.as_str())).select(players::id).limit(1);
    let offered = offers::table.filter(offers::party.eq(party.as_str())).select(offers::id).limit(1);
    let player: Option<Vec<u8>> = on!(&mut *conn, conn => theirs.first(conn)).optional().map_err(classify)?;
    let offer: Option<Vec<u8>> = on!(conn, conn => offered.first(conn)).optional().map_err(classify)?;
    Ok(player.or(offer).is_some())
}

/// Those of the parties of whom the ledger has anything, and who have not left it nor still arrive. Its schema may be older
/// than this program, or not there at all.
pub fn those_in(conn: &mut AnyConnection, parties: &[Party]) -> Result<Vec<Party>, StoreError> {
    let mut there = Vec::new();
    if !has_table(conn, "players")? {
        return Ok(there);
    }
    for party in parties {
        if has_anything(conn, party)? {
            there.push(party.clone());
        }
    }
    let moves = if has_table(conn, "party_moves")? { all(conn)? } else { Vec::new() };
    let is_gone = |party: &Party| moves.iter().any(|moved| moved.party == *party && moved.state != MoveState::Leaving);
    there.retain(|party| !is_gone(party));
    Ok(there)
}
