//! Rows of the journal as people look at them: what was asked, what was decided, where the row stands in its chain, and what
//! it moved.

use std::collections::HashMap;

use diesel::prelude::*;
use uuid::Uuid;

use super::in_snapshot;
use super::marks::Marks;
use super::pages::HistoryKind;
use crate::ledger::chain;
use crate::ledger::command::Timestamp;
use crate::ledger::{Command, CommandKey, Currency, OrderIds, OrderState, Outcome, Party, PlayerKey};
use crate::storage::StoreError;
use crate::storage::pruned_command::PrunedCommand;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, JournalRow, damaged, parse_party};
use crate::storage::schema::{accounts, journal, players, writers};
use crate::storage::transfers::{self, TransferBytes};
use crate::storage::{checkpoint, lookups};

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
    pub chain: ChainNeighbours,
    /// In their order. What a pruned row moved is carried by account, and no more told by row.
    pub transfers: Vec<TransferRecord>,
}

/// Another row of the same chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    pub number: i64,
    pub hash: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainNeighbours {
    /// `None` where it is the chain's first, or too far away.
    pub previous: Option<Neighbour>,
    pub next: Option<Neighbour>,
    /// Pruning has sealed the row in place of its link.
    pub is_sealed: bool,
    /// Whether the hash is that of the row after its predecessor, or its seal; `None` where the predecessor is too far away.
    pub holds: Option<bool>,
}

/// One transfer, with its accounts by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRecord {
    pub debit: AccountName,
    pub credit: AccountName,
    /// Minor units, above zero.
    pub amount: i64,
}

/// What tells an account apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName {
    /// The player, or the house's side.
    pub owner: String,
    pub is_players: bool,
    pub currency: Currency,
    pub bucket: String,
    pub wallet: String,
    pub product: i32,
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
        let row: Option<JournalRow> =
            on!(conn, conn => journal::table.find(number).first(conn)).optional().map_err(classify)?;
        let Some(row) = row else { return Ok(None) };
        let chain = chain_of(conn, &row)?;
        let transfers = named(conn, &transfers::decode(number, &row.transfers)?)?;
        Ok(Some(Detail { row: HistoryRow::of(&row)?, chain, transfers }))
    })
}

fn chain_of(conn: &mut AnyConnection, row: &JournalRow) -> Result<ChainNeighbours, StoreError> {
    let is_sealed = row.seq <= checkpoint::read(conn)?.seq;
    let (previous, next) = (previous(conn, row)?, next(conn, row)?);
    let holds = if is_sealed {
        Some(checkpoint::sealed(row)?.as_slice() == row.hash)
    } else {
        let before = previous.as_ref().map_or(Ok(chain::START), |(_, before)| checkpoint::hash(before))?;
        let linked = checkpoint::hashed(row, |hashed| chain::link(&before, hashed))?;
        // One whose predecessor was not found may be the first of its chain.
        let is_linked = linked.as_slice() == row.hash;
        (is_linked || previous.is_some()).then_some(is_linked)
    };
    let previous = previous.and_then(|(number, hash)| Some(Neighbour { number: number?, hash }));
    Ok(ChainNeighbours { previous, next, is_sealed, holds })
}

/// What the row follows: a row of its writer's, or the chain's beginning, which has no number. `None` where it is too far.
fn previous(conn: &mut AnyConnection, row: &JournalRow) -> Result<Option<(Option<i64>, Bytes)>, StoreError> {
    let before = journal::table
        .filter(journal::seq.lt(row.seq))
        .filter(journal::seq.ge(row.seq.saturating_sub(MOST_BETWEEN)))
        .filter(journal::writer.eq(row.writer))
        .order(journal::seq.desc())
        .select((journal::seq, journal::hash));
    let before: Option<(i64, Bytes)> = on!(conn, conn => before.first(conn)).optional().map_err(classify)?;
    let writer = writers::table.find(row.writer).select((writers::pruned_seq, writers::pruned_head));
    let pruned: Option<(i64, Bytes)> = on!(conn, conn => writer.first(conn)).optional().map_err(classify)?;
    Ok(match (before, pruned) {
        // Pruning has sealed the row before: the chain goes on from the hash that it had.
        (before, Some((number, head)))
            if (1..row.seq).contains(&number) && before.as_ref().is_none_or(|(before, _)| *before <= number) =>
        {
            Some((Some(number), head))
        }
        (Some((number, hash)), _) => Some((Some(number), hash)),
        (None, _) if row.seq <= MOST_BETWEEN => Some((None, chain::START.to_vec())),
        (None, _) => None,
    })
}

fn next(conn: &mut AnyConnection, row: &JournalRow) -> Result<Option<Neighbour>, StoreError> {
    let after = journal::table
        .filter(journal::seq.gt(row.seq))
        .filter(journal::seq.le(row.seq.saturating_add(MOST_BETWEEN)))
        .filter(journal::writer.eq(row.writer))
        .order(journal::seq)
        .select((journal::seq, journal::hash));
    let after: Option<(i64, Bytes)> = on!(conn, conn => after.first(conn)).optional().map_err(classify)?;
    Ok(after.map(|(number, hash)| Neighbour { number, hash }))
}

/// `side`, `player`, `currency`, `bucket`, `wallet`, `product`.
type AccountColumns = (Bytes, String, Option<Bytes>, String, String, String, i32);

fn named(conn: &mut AnyConnection, moved: &[TransferBytes<'_>]) -> Result<Vec<TransferRecord>, StoreError> {
    let ids: Vec<&[u8]> = moved.iter().flat_map(|moved| [&moved.debit[..], &moved.credit[..]]).collect();
    let columns = (
        accounts::id,
        accounts::side,
        accounts::player,
        accounts::currency,
        accounts::bucket,
        accounts::wallet,
        accounts::product,
    );
    let known = accounts::table.filter(accounts::id.eq_any(ids)).select(columns);
    let known: Vec<AccountColumns> = on!(conn, conn => known.load(conn)).map_err(classify)?;
    let owners: Vec<&Bytes> = known.iter().filter_map(|row| row.2.as_ref()).collect();
    let owners = players::table.filter(players::id.eq_any(owners)).select((players::id, players::player));
    let owners: Vec<(Bytes, String)> = on!(conn, conn => owners.load(conn)).map_err(classify)?;
    let owners: HashMap<Bytes, String> = owners.into_iter().collect();
    let mut names = HashMap::new();
    for (id, side, player, currency, bucket, wallet, product) in known {
        let currency = Currency::parse(&currency).map_err(|error| damaged("currency", error))?;
        let is_players = player.is_some();
        let owner = player.and_then(|player| owners.get(&player).cloned()).unwrap_or(side);
        names.insert(id, AccountName { owner, is_players, currency, bucket, wallet, product });
    }
    let name = |id: &[u8; 16]| names.get(&id[..]).cloned().ok_or_else(|| damaged("transfer", "is of no account"));
    let record = |moved: &TransferBytes<'_>| {
        Ok(TransferRecord { debit: name(moved.debit)?, credit: name(moved.credit)?, amount: moved.amount })
    };
    moved.iter().map(record).collect()
}
