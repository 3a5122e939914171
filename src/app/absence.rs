//! Parties that are not served from the ledger that the configuration puts them in, since they move to another or have
//! moved (`purser party move`), or since another ledger has their players.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use super::ledgers;
use crate::config::{Config, DatabaseUrl};
use crate::ledger::{LedgerName, Party};
use crate::storage::party_moves::{self, MoveState, PartyMove};
use crate::storage::{Reader, StoreError};
use crate::wallet::AbsentParties;

/// How often a ledger is asked. A mover waits longer than this before it copies what no writer guards.
pub const LOOK: Duration = Duration::from_secs(1);

/// Tells who is absent, until the program drains. `elsewhere` are those whose players are in another ledger.
pub async fn watch(
    reader: Reader,
    (parties, elsewhere): (Vec<Party>, AbsentParties),
    absent: watch::Sender<AbsentParties>,
    mut draining: watch::Receiver<bool>,
) {
    loop {
        // While the database is away, what was known last stands: nothing is decided meanwhile.
        if let Ok(moves) = reader.ask(party_moves::all).await {
            let now = with(&parties, elsewhere.clone(), moves);
            absent.send_if_modified(|known| {
                let has_changed = *known != now;
                if has_changed {
                    now.iter().for_each(|(party, why)| tracing::warn!(%party, why, "a party is not served"));
                    *known = now;
                }
                has_changed
            });
        }
        let drained = draining.wait_for(|draining| *draining);
        if tokio::time::timeout(LOOK, drained).await.is_ok() {
            return;
        }
    }
}

/// Those of a ledger's parties at this moment.
pub async fn now(reader: &Reader, parties: &[Party], elsewhere: AbsentParties) -> Result<AbsentParties, StoreError> {
    Ok(with(parties, elsewhere, reader.ask(party_moves::all).await?))
}

/// Whoever moves and is configured for another ledger is nobody's business here.
fn with(parties: &[Party], elsewhere: AbsentParties, moves: Vec<PartyMove>) -> AbsentParties {
    let mut absent = elsewhere;
    let moves = moves.into_iter().filter(|moved| parties.contains(&moved.party));
    absent.extend(moves.map(|moved| {
        let why = told(&moved);
        (moved.party, why)
    }));
    absent
}

/// Why a party is not served, for people.
pub fn told(PartyMove { party, state, other, .. }: &PartyMove) -> String {
    match state {
        MoveState::Leaving => {
            format!("moves to ledger {other}; `purser party move` carries it on where it was broken off")
        }
        MoveState::Arriving => {
            format!("arrives from ledger {other}; `purser party move` carries it on where it was broken off")
        }
        MoveState::Left => {
            format!("has moved to ledger {other}: set parties.{party}.ledger = \"{other}\", and start again")
        }
    }
}

/// Those of a ledger's parties that have players in another ledger and have not left it: served from here, everybody would
/// be unknown. Ledgers that cannot be asked are passed over.
pub async fn elsewhere(config: &Config, ledger: &LedgerName, parties: &[Party]) -> AbsentParties {
    let mut found = BTreeMap::new();
    let others = std::iter::once(LedgerName::default_ledger()).chain(config.ledgers.keys().cloned());
    for other in others.filter(|other| other != ledger) {
        // Opened, a file would be made.
        let is_made = match config.ledger_url(&other) {
            Some(DatabaseUrl::Sqlite(path)) => path.exists(),
            Some(DatabaseUrl::Postgres(_)) => true,
            None => false,
        };
        let Some(database) = ledgers::database(config, &other).filter(|_| is_made) else { continue };
        let theirs = parties.to_vec();
        let asked = database.query(move |conn| {
            let gone = party_moves::all(conn)?;
            let has_left =
                |party: &Party| gone.iter().any(|moved| moved.party == *party && moved.state != MoveState::Leaving);
            let mut there = Vec::new();
            for party in theirs.into_iter().filter(|party| !has_left(party)) {
                if party_moves::has_players(conn, &party)? {
                    there.push(party);
                }
            }
            Ok(there)
        });
        for party in asked.await.unwrap_or_default() {
            let why = format!(
                "its players are in ledger {other}: `purser party move --party {party} --to {ledger}` brings them"
            );
            found.insert(party, why);
        }
    }
    found
}
