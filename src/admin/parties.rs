//! The parties that are configured.

use serde::Serialize;

use super::Viewing;
use crate::ledger::Party;

/// A party, as it is configured.
#[derive(Debug, Serialize)]
pub struct PartyShown {
    pub party: Party,
    /// The first is its players' home where none is named.
    pub currencies: Vec<String>,
    pub games: Vec<String>,
    /// The dialects that are mounted for it, each with its path.
    pub dialects: Vec<String>,
    pub is_sandbox: bool,
}

/// The columns of a table of them.
pub const COLUMNS: [&str; 5] = ["party", "currencies", "games", "dialects", "is_sandbox"];

/// Those after a name, so many at the most, by name.
pub fn list(viewing: &Viewing, after: Option<&str>, most: usize) -> Vec<PartyShown> {
    let later = viewing.config.parties.iter().filter(|(party, _)| after.is_none_or(|after| party.as_str() > after));
    let shown = later.take(most).map(|(party, settings)| PartyShown {
        party: party.clone(),
        currencies: settings.all_currencies().map(|currency| currency.to_string()).collect(),
        games: settings.games.iter().map(ToString::to_string).collect(),
        dialects: settings.paths().map(|(dialect, path)| format!("{dialect} {path}").trim_end().to_owned()).collect(),
        is_sandbox: settings.is_sandbox,
    });
    shown.collect()
}
