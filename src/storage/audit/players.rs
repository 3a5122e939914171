//! Players' profiles, against the commands that opened them.

use std::collections::HashMap;

use diesel::prelude::*;

use super::AuditReport;
use crate::ledger::Player;
use crate::storage::StoreError;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, PlayerRow};
use crate::storage::schema::players;

/// Ids in one query.
const CHUNK: usize = 500;

/// A player whom a journal row opened.
pub(super) struct OpenedPlayer {
    pub seq: i64,
    pub player: Player,
}

/// Compares what is stored of the players who were opened.
pub(super) fn compare(
    conn: &mut AnyConnection,
    opened: &[OpenedPlayer],
    report: &mut AuditReport,
) -> Result<(), StoreError> {
    for opened in opened.chunks(CHUNK) {
        let rows: Vec<PlayerRow> = opened.iter().map(|opened| PlayerRow::of(&opened.player)).collect();
        let ids: Vec<&Bytes> = rows.iter().map(|row| &row.id).collect();
        let named = players::table.filter(players::id.eq_any(ids));
        let stored: Vec<PlayerRow> =
            on!(conn, conn => named.select(PlayerRow::as_select()).load(conn)).map_err(classify)?;
        let stored: HashMap<&Bytes, &PlayerRow> = stored.iter().map(|row| (&row.id, row)).collect();
        for row in &rows {
            let name = format!("{}/{}", row.party, row.player);
            match stored.get(&row.id) {
                None => report.findings.push(format!("{name} is a player who is missing")),
                Some(stored) if *stored != row => {
                    report.findings.push(format!("{name} is a player who is not as they were opened"));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}
