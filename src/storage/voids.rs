//! The manual voids of a party, for the operators who decide on them.

use std::collections::HashMap;

use diesel::prelude::*;

use super::StoreError;
use super::partners::{TransactionRow, VoidRow, of_row};
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, damaged};
use super::schema::{players, transactions, voids};
use crate::ledger::transactions::{ManualVoid, Transaction, VoidState};
use crate::ledger::{Party, PlayerId};

/// Voids that are listed at the most; an operator decides on the oldest first.
const MOST_LISTED: i64 = 1000;

/// A void with the transaction that it is about, and the name of its player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    pub void: ManualVoid,
    pub source: Transaction,
    pub player: PlayerId,
}

/// A party's voids, oldest first: all of them, or those that wait.
pub fn list(conn: &mut AnyConnection, party: &Party, resolved_too: bool) -> Result<Vec<Queued>, StoreError> {
    let states = VoidState::ALL.into_iter().filter(|state| resolved_too || *state == VoidState::Pending);
    let states: Vec<&str> = states.map(VoidState::as_str).collect();
    let theirs = voids::table.filter(voids::party.eq(party.as_str())).filter(voids::state.eq_any(states));
    let oldest = theirs.order((voids::queued_at, voids::source)).limit(MOST_LISTED);
    let rows: Vec<VoidRow> = on!(conn, conn => oldest.load(conn)).map_err(classify)?;
    with_sources(conn, rows)
}

/// A page of a party's voids, oldest first, after the one of the transaction `after`; all of them, or those that wait.
pub fn page(
    conn: &mut AnyConnection,
    party: &Party,
    resolved_too: bool,
    after: Option<i64>,
    most: i64,
) -> Result<Vec<Queued>, StoreError> {
    let begun = match after {
        None => (i64::MIN, i64::MIN),
        Some(source) => {
            let of_source = voids::table.find(source).select(voids::queued_at);
            let queued_at: Option<i64> = on!(conn, conn => of_source.first(conn)).optional().map_err(classify)?;
            // There is none of that transaction: nothing comes after it.
            let Some(queued_at) = queued_at else { return Ok(Vec::new()) };
            (queued_at, source)
        }
    };
    let at_once = voids::queued_at.eq(begun.0).and(voids::source.gt(begun.1));
    // The first is where the index begins to be read.
    let later = voids::queued_at.ge(begun.0).and(voids::queued_at.gt(begun.0).or(at_once));
    let theirs = voids::table.filter(voids::party.eq(party.as_str())).filter(later);
    let page = theirs.order((voids::queued_at, voids::source)).limit(most);
    let waiting = page.filter(voids::state.eq(VoidState::Pending.as_str()));
    let rows: QueryResult<Vec<VoidRow>> = match resolved_too {
        true => on!(&mut *conn, conn => page.load(conn)),
        false => on!(&mut *conn, conn => waiting.load(conn)),
    };
    with_sources(conn, rows.map_err(classify)?)
}

/// The void of the transaction with this number; `None` where none was ever asked for.
pub fn find(conn: &mut AnyConnection, party: &Party, source: i64) -> Result<Option<Queued>, StoreError> {
    let of_source = voids::table.find(source).filter(voids::party.eq(party.as_str()));
    let rows: Vec<VoidRow> = on!(conn, conn => of_source.load(conn)).map_err(classify)?;
    Ok(with_sources(conn, rows)?.pop())
}

/// How many wait, by party; none of a party for which none does.
pub fn pending(conn: &mut AnyConnection) -> Result<Vec<(String, i64)>, StoreError> {
    let waiting = voids::table.filter(voids::state.eq(VoidState::Pending.as_str())).group_by(voids::party);
    let counted = waiting.select((voids::party, diesel::dsl::count_star()));
    on!(conn, conn => counted.load(conn)).map_err(classify)
}

fn with_sources(conn: &mut AnyConnection, rows: Vec<VoidRow>) -> Result<Vec<Queued>, StoreError> {
    let sources: Vec<i64> = rows.iter().map(|row| row.source).collect();
    let found = transactions::table.filter(transactions::number.eq_any(sources));
    let found: Vec<TransactionRow> = on!(conn, conn => found.load(conn)).map_err(classify)?;
    let mut sources: HashMap<i64, TransactionRow> = found.into_iter().map(|row| (row.number, row)).collect();
    let theirs: Vec<Bytes> = rows.iter().map(|row| row.player.clone()).collect();
    let named = players::table.filter(players::id.eq_any(theirs)).select((players::id, players::player));
    let named: Vec<(Bytes, String)> = on!(conn, conn => named.load(conn)).map_err(classify)?;
    let names: HashMap<Bytes, String> = named.into_iter().collect();
    let queued = rows.into_iter().map(|row| {
        let damaged = |column, why: &str| of_row("void of transaction", row.source, damaged(column, why));
        let source = sources.remove(&row.source).ok_or_else(|| damaged("source", "is no transaction"))?;
        let name = names.get(&row.player).ok_or_else(|| damaged("player", "is nobody"))?;
        let player = PlayerId::recorded(name).map_err(|error| damaged("player", &error.to_string()))?;
        Ok(Queued { void: row.void()?, source: source.transaction()?, player })
    });
    queued.collect()
}
