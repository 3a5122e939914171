//! Orders by their ids, on either database, and what finds them on SQLite: the index and its tail
//! ([`crate::storage::sqlite::order_index`]).

use std::collections::BTreeMap;
use std::ops::Bound;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::storage::StoreError;
use crate::storage::audit::{AuditReport, Offender, PAGE, TOLD, hex};
use crate::storage::queries::{AnyConnection, classify};
use crate::storage::rows::{Bytes, OrderRow};
use crate::storage::schema::orders;
use crate::storage::sqlite::order_index::{self, ROW, numbered_orders};

/// Values that one statement names.
const NAMED: usize = 500;

/// Where orders are found.
pub enum Orders {
    Postgres,
    /// The numbers of those that the index need not have.
    Sqlite(BTreeMap<Bytes, i64>),
}

impl Orders {
    /// Checks the index against the rows, where there is one.
    pub fn begin(conn: &mut AnyConnection, report: &mut AuditReport) -> Result<Self, StoreError> {
        match conn {
            AnyConnection::Postgres(_) => Ok(Self::Postgres),
            AnyConnection::Sqlite(conn) => Ok(Self::Sqlite(check_index(conn, report).map_err(classify)?)),
        }
    }

    /// Those of these ids that are there.
    pub fn named(&self, conn: &mut AnyConnection, ids: &[Bytes]) -> Result<Vec<OrderRow>, StoreError> {
        let mut rows = Vec::new();
        for ids in ids.chunks(NAMED) {
            let found = match (self, &mut *conn) {
                (Self::Sqlite(tail), AnyConnection::Sqlite(conn)) => named(conn, tail, ids),
                (_, AnyConnection::Postgres(conn)) => orders::table.filter(orders::id.eq_any(ids)).load(conn),
                (Self::Postgres, AnyConnection::Sqlite(_)) => Ok(Vec::new()),
            };
            rows.extend(found.map_err(classify)?);
        }
        Ok(rows)
    }

    /// The next orders after this id, by id, and up to which; none where there are no more.
    pub fn page(&self, conn: &mut AnyConnection, after: &Bytes) -> Result<Option<(Vec<OrderRow>, Bytes)>, StoreError> {
        let paged = match (self, conn) {
            (Self::Sqlite(tail), AnyConnection::Sqlite(conn)) => page(conn, tail, after),
            (_, AnyConnection::Postgres(conn)) => {
                let page = orders::table.filter(orders::id.gt(after)).order(orders::id).limit(PAGE);
                let rows: QueryResult<Vec<OrderRow>> = page.load(conn);
                rows.map(|rows| rows.last().map(|last| last.id.clone()).map(|last| (rows, last)))
            }
            (Self::Postgres, AnyConnection::Sqlite(_)) => Ok(None),
        };
        paged.map_err(classify)
    }
}

fn named(conn: &mut SqliteConnection, tail: &BTreeMap<Bytes, i64>, ids: &[Bytes]) -> QueryResult<Vec<OrderRow>> {
    use order_index::order_index as index;
    let mut numbers: Vec<i64> = index::table.filter(index::id.eq_any(ids)).select(index::num).load(conn)?;
    numbers.extend(ids.iter().filter_map(|id| tail.get(id)));
    numbers.sort_unstable();
    numbers.dedup();
    numbered(conn, &numbers)
}

fn page(
    conn: &mut SqliteConnection,
    tail: &BTreeMap<Bytes, i64>,
    after: &Bytes,
) -> QueryResult<Option<(Vec<OrderRow>, Bytes)>> {
    use order_index::order_index as index;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let indexed: Vec<(Bytes, i64)> =
        index::table.filter(index::id.gt(after)).order(index::id).limit(PAGE).load(conn)?;
    let mut next: BTreeMap<Bytes, i64> = indexed.into_iter().collect();
    let later = (Bound::Excluded(after.clone()), Bound::Unbounded);
    next.extend(tail.range(later).take(page).map(|(id, num)| (id.clone(), *num)));
    let next: Vec<(Bytes, i64)> = next.into_iter().take(page).collect();
    let Some((last, _)) = next.last().cloned() else { return Ok(None) };
    let numbers: Vec<i64> = next.into_iter().map(|(_, num)| num).collect();
    let mut rows = Vec::new();
    for numbers in numbers.chunks(NAMED) {
        rows.extend(numbered(conn, numbers)?);
    }
    rows.sort_unstable_by(|one: &OrderRow, other| one.id.cmp(&other.id));
    Ok(Some((rows, last)))
}

fn numbered(conn: &mut SqliteConnection, numbers: &[i64]) -> QueryResult<Vec<OrderRow>> {
    numbered_orders::table.filter(numbered_orders::num.eq_any(numbers)).select(ROW).load(conn)
}

/// Each finds ids that would lead to another order, or to none. `CROSS JOIN` has SQLite go through the tail, not the index.
const MISLED: [(&str, &str); 2] = [
    (
        "SELECT i.id, CAST(i.num AS TEXT) AS detail FROM order_index i LEFT JOIN orders o ON o.num = i.num \
         WHERE o.id IS NULL OR o.id <> i.id",
        "is an order that its index finds elsewhere",
    ),
    (
        "SELECT o.id, CAST(o.num AS TEXT) AS detail FROM orders o CROSS JOIN order_index i ON i.id = o.id \
         WHERE o.num > COALESCE((SELECT num FROM order_index_end), 0) AND o.num <> i.num",
        "is an order that is there twice",
    ),
];

/// The tail.
fn check_index(conn: &mut SqliteConnection, report: &mut AuditReport) -> QueryResult<BTreeMap<Bytes, i64>> {
    use order_index::{order_index as index, order_index_end as end};
    for (sql, says) in MISLED {
        let rows: Vec<Offender> = diesel::sql_query(format!("{sql} LIMIT {TOLD}")).load(conn)?;
        report.findings.extend(rows.into_iter().map(|row| format!("{} {says} ({})", hex(&row.id), row.detail)));
    }
    let complete_to: Option<i64> = end::table.select(end::num).get_result(conn).optional()?;
    if complete_to.is_none() {
        report.findings.push("the index of orders does not tell how far it is complete".to_owned());
    }
    let complete_to = complete_to.unwrap_or(0);
    let last: Option<i64> = numbered_orders::table.select(diesel::dsl::max(numbered_orders::num)).get_result(conn)?;
    if complete_to > last.unwrap_or(0) {
        report.findings.push(format!("the index of orders is said to be complete to {complete_to}, where no order is"));
    }
    let indexed: i64 = index::table.filter(index::num.le(complete_to)).count().get_result(conn)?;
    let before = numbered_orders::table.filter(numbered_orders::num.le(complete_to));
    let stored: i64 = before.count().get_result(conn)?;
    if indexed != stored {
        report.findings.push(format!("{stored} orders stand where their index is complete, and it has {indexed}"));
    }
    let behind = numbered_orders::table.filter(numbered_orders::num.gt(complete_to));
    let behind: Vec<(Bytes, i64)> = behind.select((numbered_orders::id, numbered_orders::num)).load(conn)?;
    let mut tail = BTreeMap::new();
    for (id, num) in behind {
        if tail.insert(id.clone(), num).is_some() {
            report.findings.push(format!("{} is an order that is there twice ({num})", hex(&id)));
        }
    }
    Ok(tail)
}
