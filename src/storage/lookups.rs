//! What operators look for: single rows by their keys, and what stands beside them. Nothing here reads a whole table.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use uuid::Uuid;

use super::StoreError;
use super::checkpoint::{self, hash, hashed, sealed};
use super::partners::TransactionRow;
use super::queries::{AnyConnection, classify, on, order_row};
use super::rows::{AccountRow, Bytes, JournalRow, OrderRow, bytes, damaged, uuid};
use super::schema::{accounts, journal, players, transactions, writers};
use super::transfers::{self, TransferBytes};
use crate::ledger::chain::{self, START};
use crate::ledger::command::CommandKey;
use crate::ledger::transactions::Transaction;
use crate::ledger::{Currency, OrderId, Party, PlayerId, PlayerKey};

/// Things of one name that are told at the most.
pub(crate) const MOST_FOUND: i64 = 50;

/// A row of the journal, and what stands beside it.
#[derive(Debug, Clone)]
pub struct JournalLookup {
    pub row: JournalRow,
    pub chain: ChainPlace,
    /// In their order. What a pruned row moved is carried by account, and no more told by row.
    pub transfers: Vec<TransferWithNames>,
}

/// Where a row stands in its writer's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainPlace {
    /// The writer's rows that are nearest on each side, as they are stored; `None` where none is near.
    pub previous: Option<NeighbourRow>,
    pub next: Option<NeighbourRow>,
    /// The row that it follows, with the hash that this one had before it was pruned (before a row that is itself sealed: the
    /// previous one); `None` where it is the chain's first, or what it follows is not near.
    pub follows: Option<NeighbourRow>,
    /// Whether pruning has been past the row: it stands by itself, sealed.
    pub is_sealed: bool,
    /// Whether its hash is what it must be; `None` where what it follows is not near.
    pub holds: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct NeighbourRow {
    pub seq: i64,
    pub hash: Bytes,
}

/// One transfer, with the names of its accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferWithNames {
    pub debit: NamedAccount,
    pub credit: NamedAccount,
    /// Minor units, above zero.
    pub amount: i64,
}

/// An account by the words that it is a digest of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAccount {
    pub id: Uuid,
    /// `player`, `house` or `cashier`.
    pub side: String,
    pub player: Option<String>,
    pub currency: Currency,
    pub bucket: String,
    pub wallet: String,
    pub product: i32,
}

/// The journal row of this number. Its neighbours in the chain are looked for among so many numbers on each side: with many
/// writers one's rows may stand far apart.
pub fn entry(conn: &mut AnyConnection, seq: i64, reach: i64) -> Result<Option<JournalLookup>, StoreError> {
    let found: Option<JournalRow> =
        on!(conn, conn => journal::table.find(seq).select(JournalRow::as_select()).first(conn))
            .optional()
            .map_err(classify)?;
    let Some(row) = found else { return Ok(None) };
    let chain = chain_of(conn, &row, reach)?;
    let transfers = named(conn, &transfers::decode(seq, &row.transfers)?)?;
    Ok(Some(JournalLookup { row, chain, transfers }))
}

fn chain_of(conn: &mut AnyConnection, row: &JournalRow, reach: i64) -> Result<ChainPlace, StoreError> {
    let theirs = || journal::table.filter(journal::writer.eq(row.writer)).select((journal::seq, journal::hash));
    let earlier = theirs().filter(journal::seq.lt(row.seq)).filter(journal::seq.ge(row.seq.saturating_sub(reach)));
    let earlier = earlier.order(journal::seq.desc());
    let previous: Option<NeighbourRow> = on!(conn, conn => earlier.first(conn)).optional().map_err(classify)?;
    let later = theirs().filter(journal::seq.gt(row.seq)).filter(journal::seq.le(row.seq.saturating_add(reach)));
    let later = later.order(journal::seq);
    let next: Option<NeighbourRow> = on!(conn, conn => later.first(conn)).optional().map_err(classify)?;
    if row.seq <= checkpoint::read(conn)?.seq {
        let holds = Some(sealed(row)?.as_slice() == row.hash);
        return Ok(ChainPlace { follows: previous.clone(), previous, next, is_sealed: true, holds });
    }
    let follows = predecessor(conn, row, previous.as_ref(), reach)?;
    let follows_from = |before: &NeighbourRow| {
        let before = hash(&before.hash)?;
        Ok::<_, StoreError>(hashed(row, |row| chain::link(&before, row))?.as_slice() == row.hash)
    };
    let holds = follows.as_ref().map(follows_from).transpose()?;
    // The chain's beginning is no row.
    let follows = follows.filter(|before| before.seq > 0);
    Ok(ChainPlace { previous, next, follows, is_sealed: false, holds })
}

/// What a row follows that is not pruned; where it is the chain's first, that is number 0.
fn predecessor(
    conn: &mut AnyConnection,
    row: &JournalRow,
    previous: Option<&NeighbourRow>,
    reach: i64,
) -> Result<Option<NeighbourRow>, StoreError> {
    let writer = writers::table.find(row.writer).select((writers::pruned_seq, writers::pruned_head));
    let pruned: Option<NeighbourRow> = on!(conn, conn => writer.first(conn)).optional().map_err(classify)?;
    let pruned = pruned.unwrap_or_else(|| NeighbourRow { seq: 0, hash: START.to_vec() });
    Ok(match previous {
        Some(previous) if previous.seq > pruned.seq => Some(previous.clone()),
        // The first after what was pruned, or the writer's first of all; unless there is more than was looked through.
        Some(_) | None => (row.seq.saturating_sub(reach) <= pruned.seq.max(1)).then_some(pruned),
    })
}

fn named(conn: &mut AnyConnection, moved: &[TransferBytes<'_>]) -> Result<Vec<TransferWithNames>, StoreError> {
    let ids: Vec<&[u8]> = moved.iter().flat_map(|moved| [&moved.debit[..], &moved.credit[..]]).collect();
    let known = accounts::table.filter(accounts::id.eq_any(&ids));
    let known: Vec<AccountRow> =
        on!(conn, conn => known.select(AccountRow::as_select()).load(conn)).map_err(classify)?;
    let owners: Vec<&Bytes> = known.iter().filter_map(|account| account.player.as_ref()).collect();
    let owners = players::table.filter(players::id.eq_any(owners)).select((players::id, players::player));
    let owners: Vec<(Bytes, String)> = on!(conn, conn => owners.load(conn)).map_err(classify)?;
    let owners: HashMap<Bytes, String> = owners.into_iter().collect();
    let mut names = HashMap::new();
    for AccountRow { id, side, player, currency, bucket, wallet, product, .. } in known {
        let owner = |player: Bytes| owners.get(&player).cloned().ok_or_else(|| damaged("account", "is of nobody"));
        let player = player.map(owner).transpose()?;
        let currency = Currency::parse(&currency).map_err(|error| damaged("currency", error))?;
        let account = NamedAccount { id: uuid(&id)?, side, player, currency, bucket, wallet, product };
        names.insert(id, account);
    }
    let name = |id: &[u8; 16]| names.get(&id[..]).cloned().ok_or_else(|| damaged("account", "is not stored"));
    let with_names = |moved: &TransferBytes<'_>| {
        Ok(TransferWithNames { debit: name(moved.debit)?, credit: name(moved.credit)?, amount: moved.amount })
    };
    moved.iter().map(with_names).collect()
}

/// The numbers of the journal rows that are kept under these keys, oldest first: those of orders' commands are told by the
/// order.
pub(crate) fn kept_under(conn: &mut AnyConnection, keys: &[CommandKey]) -> Result<Vec<i64>, StoreError> {
    let ids: BTreeSet<OrderId> = keys.iter().map(|key| key.order()).collect();
    let about = ids.iter().filter_map(|id| order_row(conn, id.uuid().as_bytes()).transpose());
    let about: Vec<OrderRow> = about.collect::<Result<_, _>>()?;
    let wanted: Vec<Bytes> = keys.iter().map(|key| bytes(key.uuid())).collect();
    let by_key = journal::table.filter(journal::by_key).filter(journal::key.eq_any(wanted)).select(journal::seq);
    let mut kept: Vec<i64> = on!(conn, conn => by_key.load(conn)).map_err(classify)?;
    for order in &about {
        kept.extend(order.commands()?.filter(|(key, _)| keys.contains(key)).map(|(_, number)| number));
    }
    kept.sort_unstable();
    Ok(kept)
}

/// The party of the journal row of this number.
pub(crate) fn party_of_entry(conn: &mut AnyConnection, seq: i64) -> Result<Option<String>, StoreError> {
    let party = journal::table.find(seq).select(journal::party);
    on!(conn, conn => party.first(conn)).optional().map_err(classify)
}

/// Players of a party who have this username.
pub(crate) fn players_named(
    conn: &mut AnyConnection,
    party: &Party,
    username: &str,
) -> Result<Vec<String>, StoreError> {
    let named = players::table.filter(players::party.eq(party.as_str())).filter(players::username.eq(username));
    let named = named.select(players::player).limit(MOST_FOUND);
    on!(conn, conn => named.load(conn)).map_err(classify)
}

/// The transaction of this number, whoever's words it has, with its player's name.
pub(crate) fn transaction(
    conn: &mut AnyConnection,
    number: i64,
) -> Result<Option<(Transaction, PlayerId)>, StoreError> {
    let found: Option<TransactionRow> =
        on!(conn, conn => transactions::table.find(number).select(TransactionRow::as_select()).first(conn))
            .optional()
            .map_err(classify)?;
    let Some(row) = found else { return Ok(None) };
    let transaction = row.transaction()?;
    let player = player_name(conn, transaction.player)?.ok_or_else(|| damaged("player", "is nobody"))?;
    Ok(Some((transaction, player)))
}

/// Transactions that their partner calls by this name, newest first: number and party.
pub(crate) fn transactions_called(conn: &mut AnyConnection, reference: &str) -> Result<Vec<(i64, String)>, StoreError> {
    let called = transactions::table.filter(transactions::reference.eq(reference));
    let called = called.order(transactions::number.desc()).limit(MOST_FOUND);
    let called = called.select((transactions::number, transactions::party));
    on!(conn, conn => called.load(conn)).map_err(classify)
}

fn player_name(conn: &mut AnyConnection, key: PlayerKey) -> Result<Option<PlayerId>, StoreError> {
    let name = players::table.find(bytes(key.uuid())).select(players::player);
    let name: Option<String> = on!(conn, conn => name.first(conn)).optional().map_err(classify)?;
    name.map(|name| PlayerId::recorded(&name).map_err(|error| damaged("player", error))).transpose()
}
