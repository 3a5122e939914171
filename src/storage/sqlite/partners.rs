//! What partners' acts read and write, row by row: each statement is prepared once, and there is no round trip to save.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::statements::{fragment, insert};
use super::{classify, shop};
use crate::ledger::ReadSet;
use crate::ledger::transactions::TransactionKeys;
use crate::storage::StoreError;
use crate::storage::partners::{LoadedPartners, PartnerRows, TransactionRow, VoidRow};
use crate::storage::rows::bytes;
use crate::storage::schema::{transactions, voids};

insert!(
    /// A transaction that is there can only meet its fate. A number that is another's makes `key` null, which the table
    /// refuses.
    UpsertTransaction(TransactionRow) into "transactions" (
        number: BigInt, key: Binary, party: Text, player: Binary, scope: Text, kind: Integer, region: Integer,
        partner: Integer, reference: Text, round: Nullable<Text>, currency: Text, product: Integer, moved_real: BigInt,
        moved_bonus: BigInt, moved_ring_fenced: BigInt, moved_gbt_bonus: BigInt, external: BigInt,
        source: Nullable<BigInt>, state: Text, ended_by: Nullable<BigInt>, memo: Text, worth: Nullable<Text>,
        token: Nullable<Text>
    ) ") ON CONFLICT (number) DO UPDATE SET state = excluded.state, ended_by = excluded.ended_by, \
        key = CASE key WHEN excluded.key THEN key END"
);

insert!(UpsertVoid(VoidRow) into "voids" (
    source: BigInt, party: Text, player: Binary, kind: Integer, state: Text, queued_at: BigInt, attempt: Integer
) ") ON CONFLICT (source) DO UPDATE SET state = excluded.state, kind = excluded.kind, queued_at = excluded.queued_at, \
   attempt = excluded.attempt");

/// Reads what the acts of a batch need.
pub fn load(conn: &mut SqliteConnection, keys: &ReadSet) -> Result<LoadedPartners, StoreError> {
    let mut loaded = LoadedPartners::default();
    load_transactions(conn, &keys.transactions, &mut loaded).map_err(classify)?;
    loaded.shop = shop::load(conn, &keys.shop).map_err(classify)?;
    Ok(loaded)
}

fn load_transactions(
    conn: &mut SqliteConnection,
    keys: &TransactionKeys,
    loaded: &mut LoadedPartners,
) -> QueryResult<()> {
    let mut found: HashMap<i64, TransactionRow> = HashMap::new();
    for key in &keys.named {
        let named = transactions::table.filter(transactions::key.eq(bytes(key.uuid())));
        let row = named.select(TransactionRow::as_select()).get_result(conn).optional()?;
        found.extend(row.map(|row| (row.number, row)));
    }
    // What rolls a transaction back may open the one that it had ended.
    let sources: Vec<i64> = found.values().filter_map(|row| row.source).collect();
    for number in keys.numbers.iter().copied().chain(sources) {
        if !found.contains_key(&number) {
            let numbered = transactions::table.find(number).select(TransactionRow::as_select());
            found.extend(numbered.get_result(conn).optional()?.map(|row| (row.number, row)));
        }
    }
    for (player, round) in &keys.rounds {
        let theirs = transactions::table.filter(transactions::player.eq(bytes(player.uuid())));
        let in_round = theirs.filter(transactions::round.eq(&**round)).select(TransactionRow::as_select());
        found.extend(in_round.load(conn)?.into_iter().map(|row| (row.number, row)));
    }
    loaded.transactions = found.into_values().collect();
    for source in &keys.voids {
        loaded.voids.extend(voids::table.find(source).select(VoidRow::as_select()).get_result(conn).optional()?);
    }
    Ok(())
}

/// Writes what the acts decided.
pub fn write(conn: &mut SqliteConnection, rows: &PartnerRows) -> Result<(), StoreError> {
    write_transactions(conn, rows).map_err(classify)?;
    shop::write(conn, &rows.shop)
}

fn write_transactions(conn: &mut SqliteConnection, rows: &PartnerRows) -> QueryResult<()> {
    for row in &rows.transactions {
        UpsertTransaction(row).execute(conn)?;
    }
    for row in &rows.voids {
        UpsertVoid(row).execute(conn)?;
    }
    Ok(())
}
