//! What has become of a player's commands, newest first, what pruning left of them included.

use serde::Serialize;
use serde_json::Value;

use super::shown::{self, Exact};
use super::{Viewing, redaction};
use crate::ledger::{Party, PlayerId};
use crate::storage::StoreError;
use crate::storage::history::{self, HistoryAnswer, HistoryRow, RecordedCommand};
use crate::storage::queries::AnyConnection;

pub const COLUMNS: [&str; 8] = ["number", "at", "act", "correlation", "outcome", "is_pruned", "is_kept", "command"];

/// A row of the journal, as far as a list of them tells.
#[derive(Debug, Serialize)]
pub struct HistoryShown {
    pub number: Exact,
    /// When the command was received.
    pub at: String,
    /// Null where pruning has not left it.
    pub act: Option<String>,
    pub correlation: Option<String>,
    /// What came, as far as it is left; tokens are no part of it, and keys are hidden.
    pub command: Option<Value>,
    pub outcome: Value,
    /// Whether the same command again is answered with this outcome.
    pub is_kept: bool,
    pub is_pruned: bool,
}

/// Rows of a player before a number, newest first; or by how many rows the index of histories is too far behind to tell.
pub fn of_player(
    conn: &mut AnyConnection,
    viewing: &Viewing,
    party: &Party,
    player: &PlayerId,
    before: Option<i64>,
    most: usize,
) -> Result<Result<Vec<HistoryShown>, i64>, StoreError> {
    Ok(match history::of_player(conn, party, player, before, most)? {
        HistoryAnswer::Rows(rows) => Ok(rows.iter().map(|row| shown(viewing, row)).collect::<Result<_, _>>()?),
        HistoryAnswer::Behind(by) => Err(by),
    })
}

fn shown(viewing: &Viewing, row: &HistoryRow) -> Result<HistoryShown, StoreError> {
    let damaged = |error: serde_json::Error| StoreError::Rejected(format!("journal row {}: {error}", row.number));
    let command = match &row.command {
        RecordedCommand::Whole(command) => {
            let command = serde_json::to_value(command).map_err(damaged)?;
            Some(redaction::command(command, viewing.sees_email()))
        }
        RecordedCommand::Pruned(_) => None,
    };
    let text = |name: &str| command.as_ref()?.get(name)?.as_str().map(str::to_owned);
    Ok(HistoryShown {
        number: Exact(row.number),
        at: shown::moment(row.at),
        act: text("act"),
        correlation: text("correlation"),
        outcome: redaction::exact(serde_json::to_value(row.outcome).map_err(damaged)?),
        is_kept: row.is_kept,
        is_pruned: command.is_none(),
        command,
    })
}
