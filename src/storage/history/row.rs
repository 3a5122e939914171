//! Rows of the journal as people look at them: what was asked, what was decided, where the row stands in its chain, and what
//! it moved.

use diesel::prelude::*;
use uuid::Uuid;

use super::in_snapshot;
use super::marks::Marks;
use super::pages::HistoryKind;
use crate::ledger::command::Timestamp;
use crate::ledger::{Command, CommandKey, OrderIds, OrderState, Outcome, Party, PlayerKey};
use crate::storage::StoreError;
use crate::storage::lookups::{self, ChainPlace, JournalLookup, TransferWithNames};
use crate::storage::pruned_command::PrunedCommand;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, JournalRow, damaged, parse_party};
use crate::storage::schema::journal;

/// Rows among which a chain's neighbour is looked for: other writers' lie between.
const MOST_BETWEEN: i64 = 100_000;

/// A command with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    pub number: i64,
    pub writer: i32,
    pub at: Timestamp,
    pub party: Party,
    /// Whether the outcome answers the same command again; else it is for the record only, and a repeat is judged afresh.
    pub is_kept: bool,
    pub command: RecordedCommand,
    pub outcome: Outcome,
    pub hash: Bytes,
    pub(super) marks: Marks,
}

/// What the journal says was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedCommand {
    Whole(Box<Command>),
    /// Pruned: the state in which it left its order, where it changed one.
    Pruned(Option<OrderState>),
}

/// A row with what it stands between, and what it moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    pub row: HistoryRow,
    pub chain: ChainPlace,
    pub transfers: Vec<TransferWithNames>,
}

impl HistoryRow {
    /// What an older program pruned says nothing of whose it was, and passes as anybody's.
    pub fn is_of_player(&self, player: PlayerKey) -> bool {
        self.is_marked(HistoryKind::Player, player.uuid())
    }

    pub(super) fn is_marked(&self, kind: HistoryKind, digest: Uuid) -> bool {
        let mark = self.marks.get(kind);
        mark == Some(digest) || (mark.is_none() && self.marks.is_pruned)
    }

    fn of(row: &JournalRow) -> Result<Self, StoreError> {
        let wrong = |error: serde_json::Error| damaged(&format!("journal row {}", row.seq), error);
        let command = match PrunedCommand::read(&row.command) {
            Some(remains) => RecordedCommand::Pruned(remains.map_err(wrong)?.state),
            None => RecordedCommand::Whole(Box::new(serde_json::from_str(&row.command).map_err(wrong)?)),
        };
        Ok(Self {
            number: row.seq,
            writer: row.writer,
            at: Timestamp(row.at),
            party: parse_party(&row.party)?,
            is_kept: row.key.is_some(),
            command,
            outcome: serde_json::from_str(&row.outcome).map_err(wrong)?,
            hash: row.hash.clone(),
            marks: Marks::of(&row.party, &row.command),
        })
    }
}

/// The rows with these numbers, the highest first; those that pruning dropped are not among them.
pub(super) fn load(conn: &mut AnyConnection, numbers: &[i64]) -> Result<Vec<HistoryRow>, StoreError> {
    let rows = journal::table.filter(journal::seq.eq_any(numbers)).order(journal::seq.desc());
    let rows: Vec<JournalRow> = on!(conn, conn => rows.load(conn)).map_err(classify)?;
    rows.iter().map(HistoryRow::of).collect()
}

/// What is kept of a player's order, oldest first: its bet, its result and its cancel, whether done or refused.
pub fn of_order(conn: &mut AnyConnection, order: OrderIds) -> Result<Vec<Detail>, StoreError> {
    let keys: Vec<CommandKey> = order.both().into_iter().flat_map(CommandKey::of_order_commands).collect();
    let kept = lookups::kept_under(conn, &keys)?;
    let details = kept.into_iter().filter_map(|number| detail(conn, number).transpose());
    details.collect()
}

/// The row with this number, and all that the ledger knows of it; `None` where there is none, or pruning dropped it.
pub fn detail(conn: &mut AnyConnection, number: i64) -> Result<Option<Detail>, StoreError> {
    in_snapshot(conn, |conn| {
        let found = lookups::entry(conn, number, MOST_BETWEEN)?;
        let detail =
            |JournalLookup { row, chain, transfers }| Ok(Detail { row: HistoryRow::of(&row)?, chain, transfers });
        found.map(detail).transpose()
    })
}
