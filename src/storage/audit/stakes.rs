//! What accounts say that their players have staked today, against the orders: the daily limits go by it.

use std::collections::HashSet;

use diesel::prelude::*;

use super::{Offender, Report, TOLD, hex};
use crate::ledger::AccountId;
use crate::storage::StoreError;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, OrderRow, bytes};

/// Accounts that are remembered because a bet of theirs was decided after one of a later day.
const MOST_DISORDERED: usize = 100_000;

/// Follows the days of the bets. Where a clock went back over midnight, or several programs' clocks differ there, an
/// account may have begun the later day twice, and the orders do not tell what it counted: such accounts are left out.
#[derive(Default)]
pub(super) struct Stakes {
    latest: Option<i32>,
    disordered: HashSet<Bytes>,
}

impl Stakes {
    /// Takes note of an order when its bet comes by, in the journal's order.
    pub(super) fn bet(&mut self, row: &OrderRow) {
        let Some(day) = row.day else { return };
        if self.latest.is_none_or(|latest| day >= latest) {
            self.latest = Some(day);
            return;
        }
        let account = row.clone().order().ok().and_then(|order| Some((order.player, order.stake?.pocket)));
        if let (Some((player, pocket)), true) = (account, self.disordered.len() < MOST_DISORDERED) {
            self.disordered.insert(bytes(AccountId::of_player(player, &pocket).uuid()));
        }
    }

    /// Compares every account, unless clocks went back too often to say anything.
    pub(super) fn finish(self, conn: &mut AnyConnection, report: &mut Report) -> Result<(), StoreError> {
        let disordered = self.disordered.len();
        if disordered >= MOST_DISORDERED {
            return Ok(());
        }
        let most = TOLD.saturating_add(i64::try_from(disordered).unwrap_or(i64::MAX));
        let rows: Vec<Offender> =
            on!(conn, conn => diesel::sql_query(format!("{STAKED} LIMIT {most}")).load(conn)).map_err(classify)?;
        let wrong = rows.into_iter().filter(|row| !self.disordered.contains(&row.id));
        let tell = |row: Offender| {
            format!("{} is an account that has staked something else on its last day ({})", hex(&row.id), row.detail)
        };
        report.findings.extend(wrong.take(usize::try_from(TOLD).unwrap_or(usize::MAX)).map(tell));
        Ok(())
    }
}

/// Every account whose last day, or what was staked on it, is not what its orders say. A cancelled stake does not count,
/// but its day does. Sums are made of halves, so that none of them overflows.
const STAKED: &str = "WITH days AS (SELECT player, currency, bucket, wallet, product, day, \
     CAST(SUM(CASE WHEN state = 'cancelled' THEN 0 ELSE stake END >> 32) AS BIGINT) AS high, \
     CAST(SUM(CASE WHEN state = 'cancelled' THEN 0 ELSE stake END & 4294967295) AS BIGINT) AS low \
     FROM orders WHERE stake IS NOT NULL AND state <> 'refused' \
     GROUP BY player, currency, bucket, wallet, product, day), \
     latest AS (SELECT player, currency, bucket, wallet, product, MAX(day) AS day FROM days \
     GROUP BY player, currency, bucket, wallet, product) \
     SELECT a.id, a.party || ' ' || CAST(a.staked AS TEXT) || ' on day ' || CAST(a.staked_day AS TEXT) AS detail \
     FROM accounts a LEFT JOIN latest l ON l.player = a.player AND l.currency = a.currency AND l.bucket = a.bucket \
     AND l.wallet = a.wallet AND l.product = a.product \
     LEFT JOIN days d ON d.player = l.player AND d.currency = l.currency AND d.bucket = l.bucket \
     AND d.wallet = l.wallet AND d.product = l.product AND d.day = l.day \
     WHERE a.staked_day <> COALESCE(l.day, 0) OR a.staked >> 32 <> COALESCE(d.high + (d.low >> 32), 0) \
     OR a.staked & 4294967295 <> COALESCE(d.low & 4294967295, 0)";
