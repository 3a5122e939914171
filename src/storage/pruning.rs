//! Pruning the journal: what it says of long ago is brought down to what repeats and the audit need.
//!
//! | row | what is left of it |
//! |---|---|
//! | a kept bet, result, cancel, deposit or withdrawal | its key, its outcome and its [`PrunedCommand`]; what it moved is added to what its account carries |
//! | a refusal that was for the record only | nothing |
//! | an opened player, an act of a partner | all: what it made is compared with it |
//!
//! It goes along the journal in steps of one transaction each, and the ledger is sound between any two of them. What is
//! left is sealed row by row; each chain goes on from the last of its rows that were pruned.

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Text};

use super::StoreError;
use super::checkpoint::{self, CHECKPOINT, CarriedRow, CheckpointRow, PrunedHead};
use super::journal::BY_INDEX;
use super::pruned_command::PrunedCommand;
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, JournalRow, damaged, uuid};
use super::schema::{carried, checkpoints, journal, writers};
use super::transfers::{self, TransferBytes};
use crate::ledger::chain::{self, Hash};
use crate::ledger::command::{CommandKey, Timestamp};
use crate::ledger::{Act, Command, Outcome, accounts, orders};

/// Journal rows that one transaction prunes.
const STEP: i64 = 1_000;

/// Journal numbers are taken while a batch holds its writer's row, so whoever gets this lock sees every row up to the
/// last one that is there: nothing can be committed before it later. Batches that come meanwhile wait behind it, so it
/// gives up before a writer that hangs has held up everybody for long.
const LET_BATCHES_END: &str = "SET LOCAL lock_timeout = '2s'; LOCK TABLE writers IN EXCLUSIVE MODE";

/// The look for the first row that is too young passes over the journal.
const PATIENT: &str = "SET statement_timeout = 0";

/// What pruning did, in journal rows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Pruned {
    /// Brought down to their remains.
    pub shortened: u64,
    pub dropped: u64,
    /// Left as they were.
    pub whole: u64,
}

impl Pruned {
    /// All that were looked at.
    pub fn rows(&self) -> u64 {
        self.shortened + self.dropped + self.whole
    }
}

impl std::ops::AddAssign for Pruned {
    fn add_assign(&mut self, step: Self) {
        self.shortened += step.shortened;
        self.dropped += step.dropped;
        self.whole += step.whole;
    }
}

/// The rows that can be pruned: so many, up to and with this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    pub last: i64,
    pub rows: i64,
}

/// Finds the rows that were received before `before`. It ends at the first one that was not, whatever comes after: a
/// clock that was wrong for a while must not have too much pruned.
pub fn reach(conn: &mut AnyConnection, before: Timestamp) -> Result<Reach, StoreError> {
    if let AnyConnection::Postgres(conn) = conn {
        conn.batch_execute(PATIENT).map_err(classify)?;
    }
    let last = last_for_certain(conn)?;
    let reached = checkpoint::read(conn)?.seq;
    let unpruned = || journal::table.filter(journal::seq.gt(reached)).filter(journal::seq.le(last));
    let young = unpruned().filter(journal::at.ge(before.0)).select(diesel::dsl::min(journal::seq));
    let young: Option<i64> = on!(conn, conn => young.first(conn)).map_err(classify)?;
    let old = unpruned().filter(journal::seq.lt(young.unwrap_or(i64::MAX)));
    let old = old.select((diesel::dsl::max(journal::seq), diesel::dsl::count_star()));
    let (last, rows): (Option<i64>, i64) = on!(conn, conn => old.first(conn)).map_err(classify)?;
    Ok(Reach { last: last.unwrap_or(reached), rows })
}

/// The last row before which none can be committed any more.
fn last_for_certain(conn: &mut AnyConnection) -> Result<i64, StoreError> {
    transaction(conn, |conn| {
        if let AnyConnection::Postgres(conn) = conn {
            conn.batch_execute(LET_BATCHES_END).map_err(classify)?;
        }
        let last = journal::table.select(diesel::dsl::max(journal::seq));
        let last: Option<i64> = on!(conn, conn => last.first(conn)).map_err(classify)?;
        Ok(last.unwrap_or(0))
    })
}

/// Prunes the next rows, none beyond `last`; `None` where there are none left.
pub fn step(conn: &mut AnyConnection, last: i64) -> Result<Option<Pruned>, StoreError> {
    transaction(conn, |conn| {
        let checkpoint = lock(conn)?;
        let next = journal::table.filter(journal::seq.gt(checkpoint.seq)).filter(journal::seq.le(last));
        let next = next.order(journal::seq).limit(STEP);
        let rows: Vec<JournalRow> = on!(conn, conn => next.load(conn)).map_err(classify)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut step = Step::after(checkpoint)?;
        for row in rows {
            step.take(row)?;
        }
        step.write(conn).map(Some)
    })
}

/// Whoever prunes holds the checkpoint; whoever else would prune waits.
fn lock(conn: &mut AnyConnection) -> Result<CheckpointRow, StoreError> {
    let row = checkpoints::table.find(CHECKPOINT);
    match conn {
        AnyConnection::Sqlite(conn) => row.select(CheckpointRow::as_select()).first(conn),
        AnyConnection::Postgres(conn) => row.for_update().select(CheckpointRow::as_select()).first(conn),
    }
    .map_err(classify)
}

/// One step, as it is gathered.
struct Step {
    checkpoint: CheckpointRow,
    seals: Hash,
    pruned: Pruned,
    /// What is left, with other hashes and mostly other commands.
    rewritten: Vec<JournalRow>,
    dropped: Vec<i64>,
    /// By account and counterpart: what the account received, less what it gave.
    moved: BTreeMap<(Bytes, Bytes), i128>,
    /// Where each writer's chain will go on.
    heads: BTreeMap<i32, PrunedHead>,
}

impl Step {
    fn after(checkpoint: CheckpointRow) -> Result<Self, StoreError> {
        let mut seals = checkpoint.seals()?;
        checkpoint.toggle(&mut seals);
        Ok(Self {
            checkpoint,
            seals,
            pruned: Pruned::default(),
            rewritten: Vec::new(),
            dropped: Vec::new(),
            moved: BTreeMap::new(),
            heads: BTreeMap::new(),
        })
    }

    fn take(&mut self, mut row: JournalRow) -> Result<(), StoreError> {
        let head = PrunedHead { writer: row.writer, seq: row.seq, head: row.hash.clone() };
        self.heads.insert(row.writer, head);
        self.checkpoint.seq = row.seq;
        self.checkpoint.until = self.checkpoint.until.max(row.at.saturating_add(1));
        if row.key.is_none() && row.transfers.is_empty() {
            self.pruned.dropped += 1;
            self.dropped.push(row.seq);
            return Ok(());
        }
        match remains(&row)? {
            Some((command, text)) => {
                self.carry(&command.act, &transfers::decode(row.seq, &row.transfers)?);
                self.pruned.shortened += 1;
                (row.command, row.transfers) = (text, Bytes::new());
            }
            None => self.pruned.whole += 1,
        }
        let seal = checkpoint::sealed(&row)?;
        chain::toggle(&mut self.seals, &seal);
        row.hash = seal.to_vec();
        self.checkpoint.rows_left = self.checkpoint.rows_left.saturating_add(1);
        self.rewritten.push(row);
        Ok(())
    }

    fn carry(&mut self, act: &Act, moved: &[TransferBytes<'_>]) {
        let takes = match act {
            Act::Account(act) => accounts::expected::takes(act),
            Act::Order(act) => orders::expected::takes(act),
            // Theirs stay in their rows.
            Act::Transaction(_) | Act::Shop(_) => return,
        };
        for TransferBytes { debit, credit, amount } in moved {
            let amount = i128::from(*amount);
            let (pair, amount) = if takes { ((debit, credit), -amount) } else { ((credit, debit), amount) };
            *self.moved.entry((pair.0.to_vec(), pair.1.to_vec())).or_default() += amount;
        }
    }

    fn write(mut self, conn: &mut AnyConnection) -> Result<Pruned, StoreError> {
        self.write_carried(conn)?;
        let drop_rows = diesel::delete(journal::table.filter(journal::seq.eq_any(&self.dropped)));
        on!(conn, conn => drop_rows.execute(conn)).map_err(classify)?;
        rewrite(conn, &self.rewritten).map_err(classify)?;
        self.write_heads(conn)?;
        self.checkpoint.toggle(&mut self.seals);
        self.checkpoint.seals = self.seals.to_vec();
        let advance = diesel::update(checkpoints::table.find(CHECKPOINT)).set(&self.checkpoint);
        on!(conn, conn => advance.execute(conn)).map_err(classify)?;
        Ok(self.pruned)
    }

    fn write_heads(&mut self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        for (writer, reached) in &self.heads {
            let row = writers::table.find(writer);
            let known = row.select((writers::pruned_seq, writers::pruned_head));
            let (seq, head): (i64, Bytes) = on!(conn, conn => known.first(conn)).map_err(classify)?;
            PrunedHead { writer: *writer, seq, head }.toggle(&mut self.seals)?;
            reached.toggle(&mut self.seals)?;
            let pruned = (writers::pruned_seq.eq(reached.seq), writers::pruned_head.eq(&reached.head));
            let advance = diesel::update(row).set(pruned);
            on!(conn, conn => advance.execute(conn)).map_err(classify)?;
        }
        Ok(())
    }

    /// Adds what was moved to what the accounts carry.
    fn write_carried(&mut self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        let mut ids: Vec<&Bytes> = self.moved.keys().map(|(account, _)| account).collect();
        ids.dedup();
        let known = carried::table.filter(carried::account.eq_any(&ids));
        let known: Vec<CarriedRow> = on!(conn, conn => known.load(conn)).map_err(classify)?;
        let forget = diesel::delete(carried::table.filter(carried::account.eq_any(&ids)));
        on!(conn, conn => forget.execute(conn)).map_err(classify)?;
        let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
        let before = count(known.len());
        let mut sums = std::mem::take(&mut self.moved);
        for row in known {
            chain::toggle(&mut self.seals, &checkpoint::hash(&row.seal)?);
            *sums.entry((row.account, row.counterpart)).or_default() += i128::from(row.amount);
        }
        let rows = sums.into_iter().map(|((account, counterpart), amount)| {
            let amount = i64::try_from(amount).ok().filter(|amount| *amount != i64::MIN);
            let amount = amount.ok_or_else(|| damaged("carried", "more than 64 bits were moved: prune less"))?;
            CarriedRow::new(account, counterpart, amount)
        });
        let rows = rows.collect::<Result<Vec<_>, StoreError>>()?;
        for row in &rows {
            chain::toggle(&mut self.seals, &checkpoint::hash(&row.seal)?);
        }
        let carried = &mut self.checkpoint.accounts_carried;
        *carried = carried.saturating_add(count(rows.len()).saturating_sub(before));
        insert(conn, &rows).map_err(classify)
    }
}

/// What is left of a row's command, if the row is one of those that are shortened.
fn remains(row: &JournalRow) -> Result<Option<(Command, String)>, StoreError> {
    let damaged = |error| damaged(&format!("journal row {}", row.seq), error);
    let command: Command = serde_json::from_str(&row.command).map_err(damaged)?;
    let outcome: Outcome = serde_json::from_str(&row.outcome).map_err(damaged)?;
    let keyed = command.keyed();
    let key = row.key.as_deref().map(uuid).transpose()?.map(CommandKey::from_uuid);
    let Some(remains) = PrunedCommand::of(row.seq, key, &keyed, outcome)? else { return Ok(None) };
    Ok(Some((keyed.command, remains.text().map_err(damaged)?)))
}

/// Row by row into SQLite: Diesel would begin a transaction of its own for several.
fn insert(conn: &mut AnyConnection, rows: &[CarriedRow]) -> QueryResult<()> {
    match conn {
        AnyConnection::Sqlite(conn) => {
            for row in rows {
                diesel::insert_into(carried::table).values(row).execute(conn)?;
            }
        }
        AnyConnection::Postgres(conn) => {
            diesel::insert_into(carried::table).values(rows).execute(conn)?;
        }
    }
    Ok(())
}

fn rewrite(conn: &mut AnyConnection, rows: &[JournalRow]) -> QueryResult<()> {
    match conn {
        AnyConnection::Sqlite(conn) => {
            for row in rows {
                let left = (
                    journal::command.eq(&row.command),
                    journal::transfers.eq(&row.transfers),
                    journal::hash.eq(&row.hash),
                );
                diesel::update(journal::table.find(row.seq)).set(left).execute(conn)?;
            }
        }
        AnyConnection::Postgres(conn) => {
            let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
            let commands: Vec<&str> = rows.iter().map(|row| row.command.as_str()).collect();
            let transfers: Vec<&[u8]> = rows.iter().map(|row| row.transfers.as_slice()).collect();
            let hashes: Vec<&[u8]> = rows.iter().map(|row| row.hash.as_slice()).collect();
            diesel::sql_query(
                "UPDATE journal SET command = r.command, transfers = r.transfers, hash = r.hash \
                 FROM unnest($1, $2, $3, $4) AS r (seq, command, transfers, hash) WHERE journal.seq = r.seq",
            )
            .bind::<Array<BigInt>, _>(seqs)
            .bind::<Array<Text>, _>(commands)
            .bind::<Array<Binary>, _>(transfers)
            .bind::<Array<Binary>, _>(hashes)
            .execute(conn)?;
        }
    }
    Ok(())
}

/// Runs `work` in a transaction that may write, and that goes along the indexes as an export does.
fn transaction<T>(
    conn: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    match conn {
        AnyConnection::Sqlite(conn) => conn.batch_execute("BEGIN IMMEDIATE"),
        AnyConnection::Postgres(conn) => conn.batch_execute(&format!("BEGIN; {BY_INDEX}")),
    }
    .map_err(classify)?;
    let worked = work(conn);
    let end = if worked.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = on!(conn, conn => conn.batch_execute(end)).map_err(classify);
    let done = worked?;
    ended.map(|()| done)
}
