//! What operators look for: single rows by their keys, and what stands beside them. Nothing here reads a whole table.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use uuid::Uuid;

use super::StoreError;
use super::checkpoint::{self, hash, hashed, sealed};
use super::partners::{PurchaseRow, TransactionRow};
use super::queries::{AnyConnection, classify, on, order_row};
use super::rows::{AccountRow, Bytes, JournalRow, OrderRow, bytes, damaged, uuid};
use super::schema::{accounts, journal, players, purchases, transactions, writers};
use super::transfers::{self, TransferBytes};
use crate::ledger::chain::{self, START};
use crate::ledger::command::CommandKey;
use crate::ledger::transactions::Transaction;
use crate::ledger::{Done, OrderId, Outcome, Party, PlayerId, PlayerKey, ShopDone};

/// Numbers on each side of a row within which its neighbours in the chain are looked for: with many writers one's rows
/// may stand far apart.
const NEIGHBOURHOOD: i64 = 10_000;

/// Things of one name that are told at the most.
pub(crate) const MOST_FOUND: i64 = 50;

/// A row of the journal, and what stands beside it.
#[derive(Debug, Clone)]
pub struct JournalLookup {
    pub row: JournalRow,
    pub transfers: Vec<TransferWithNames>,
    /// Those of the same writer, nearest on each side; `None` where none is near.
    pub previous: Option<NeighbourRow>,
    pub next: Option<NeighbourRow>,
    /// Whether pruning has been past the row: it stands by itself, sealed.
    pub is_sealed: bool,
    /// Whether its hash is what it must be; `None` where what it follows from is not near.
    pub holds: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct NeighbourRow {
    pub seq: i64,
    pub hash: Bytes,
}

/// One transfer, with the names of its accounts.
#[derive(Debug, Clone)]
pub struct TransferWithNames {
    pub debit: NamedAccount,
    pub credit: NamedAccount,
    /// Minor units.
    pub amount: i64,
}

/// An account by the words that it is a digest of.
#[derive(Debug, Clone)]
pub struct NamedAccount {
    pub id: Uuid,
    /// `player`, `house` or `cashier`.
    pub side: String,
    pub player: Option<String>,
    pub currency: String,
    pub bucket: String,
    pub wallet: String,
    pub product: i32,
}

/// The journal row of this number.
pub fn entry(conn: &mut AnyConnection, seq: i64) -> Result<Option<JournalLookup>, StoreError> {
    let found: Option<JournalRow> =
        on!(conn, conn => journal::table.find(seq).select(JournalRow::as_select()).first(conn))
            .optional()
            .map_err(classify)?;
    let Some(row) = found else { return Ok(None) };
    let theirs = || journal::table.filter(journal::writer.eq(row.writer)).select((journal::seq, journal::hash));
    let earlier = theirs().filter(journal::seq.lt(seq)).filter(journal::seq.ge(seq.saturating_sub(NEIGHBOURHOOD)));
    let earlier = earlier.order(journal::seq.desc());
    let previous: Option<NeighbourRow> = on!(conn, conn => earlier.first(conn)).optional().map_err(classify)?;
    let later = theirs().filter(journal::seq.gt(seq)).filter(journal::seq.le(seq.saturating_add(NEIGHBOURHOOD)));
    let later = later.order(journal::seq);
    let next: Option<NeighbourRow> = on!(conn, conn => later.first(conn)).optional().map_err(classify)?;
    let is_sealed = seq <= checkpoint::read(conn)?.seq;
    let must_be = if is_sealed {
        Some(sealed(&row)?)
    } else {
        let follows = follows(conn, &row, previous.as_ref())?;
        follows.map(|previous| hashed(&row, |row| chain::link(&previous, row))).transpose()?
    };
    let holds = must_be.map(|must_be| row.hash == must_be);
    let transfers = named(conn, &transfers::decode(seq, &row.transfers)?)?;
    Ok(Some(JournalLookup { row, transfers, previous, next, is_sealed, holds }))
}

/// The hash that a row which is not pruned follows from.
fn follows(
    conn: &mut AnyConnection,
    row: &JournalRow,
    previous: Option<&NeighbourRow>,
) -> Result<Option<chain::Hash>, StoreError> {
    let writer = writers::table.find(row.writer).select((writers::pruned_seq, writers::pruned_head));
    let writer: Option<(i64, Bytes)> = on!(conn, conn => writer.first(conn)).optional().map_err(classify)?;
    let (pruned_seq, pruned_head) = writer.unwrap_or((0, START.to_vec()));
    match previous {
        Some(previous) if previous.seq > pruned_seq => hash(&previous.hash).map(Some),
        // The first after what was pruned, or the writer's first of all; unless there is more than was looked through.
        _ if pruned_seq >= row.seq.saturating_sub(NEIGHBOURHOOD) || row.seq <= NEIGHBOURHOOD => {
            hash(&pruned_head).map(Some)
        }
        _ => Ok(None),
    }
}

fn named(conn: &mut AnyConnection, moved: &[TransferBytes<'_>]) -> Result<Vec<TransferWithNames>, StoreError> {
    let ids: Vec<&[u8]> = moved.iter().flat_map(|moved| [&moved.debit[..], &moved.credit[..]]).collect();
    let known = accounts::table.filter(accounts::id.eq_any(&ids));
    let known: Vec<AccountRow> =
        on!(conn, conn => known.select(AccountRow::as_select()).load(conn)).map_err(classify)?;
    let owners: Vec<Bytes> = known.iter().filter_map(|account| account.player.clone()).collect();
    let owners = players::table.filter(players::id.eq_any(owners)).select((players::id, players::player));
    let owners: Vec<(Bytes, String)> = on!(conn, conn => owners.load(conn)).map_err(classify)?;
    let owners: HashMap<Bytes, String> = owners.into_iter().collect();
    let known: HashMap<Bytes, AccountRow> = known.into_iter().map(|account| (account.id.clone(), account)).collect();
    let name = |id: &[u8; 16]| -> Result<NamedAccount, StoreError> {
        let account = known.get(&id[..]).ok_or_else(|| damaged("account", "is not stored"))?.clone();
        let player = account.player.and_then(|player| owners.get(&player).cloned());
        let AccountRow { side, currency, bucket, wallet, product, .. } = account;
        Ok(NamedAccount { id: uuid(id)?, side, player, currency, bucket, wallet, product })
    };
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

/// The order of gift-card keys of this number.
pub(crate) fn purchase(conn: &mut AnyConnection, number: i64) -> Result<Option<PurchaseRow>, StoreError> {
    on!(conn, conn => purchases::table.find(number).select(PurchaseRow::as_select()).first(conn))
        .optional()
        .map_err(classify)
}

/// Whether the journal row of this number is the one that made the order of gift-card keys of this number.
pub(crate) fn has_made_order(conn: &mut AnyConnection, number: i64) -> Result<bool, StoreError> {
    let outcome = journal::table.find(number).select(journal::outcome);
    let outcome: Option<String> = on!(conn, conn => outcome.first(conn)).optional().map_err(classify)?;
    let outcome = outcome.map(|outcome| serde_json::from_str(&outcome)).transpose();
    let outcome: Option<Outcome> = outcome.map_err(|error| damaged("outcome", error))?;
    Ok(matches!(outcome, Some(Outcome::Done(Done::Shop(ShopDone::KeysBought { order, .. }))) if order == number))
}

fn player_name(conn: &mut AnyConnection, key: PlayerKey) -> Result<Option<PlayerId>, StoreError> {
    let name = players::table.find(bytes(key.uuid())).select(players::player);
    let name: Option<String> = on!(conn, conn => name.first(conn)).optional().map_err(classify)?;
    name.map(|name| PlayerId::recorded(&name).map_err(|error| damaged("player", error))).transpose()
}
