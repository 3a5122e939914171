//! Parties that are not served from the ledger that the configuration puts them in: they move to another or have moved
//! (`purser party move`), or another ledger has their players, or it cannot be told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::ledgers;
use crate::config::Config;
use crate::ledger::{LedgerName, Party};
use crate::storage::party_moves::{self, MoveState, PartyMove};
use crate::storage::{Database, Reader, StoreError};
use crate::wallet::AbsentParties;

/// How often a ledger is asked. A mover waits longer than this before it copies what no writer guards.
pub const LOOK: Duration = Duration::from_secs(1);

/// How long another ledger may take to say whether it has a party's players.
const OTHERS_PATIENCE: Duration = Duration::from_secs(5);

/// Before it is known who is absent, everybody is.
pub fn unknown(parties: &[Party]) -> AbsentParties {
    parties
        .iter()
        .map(|party| (party.clone(), "it is not known yet whether it is served from here".to_owned()))
        .collect()
}

/// Looks who is absent from a ledger.
pub struct Absence {
    config: Arc<Config>,
    ledger: LedgerName,
    parties: Vec<Party>,
    reader: Reader,
    /// Parties that belong here: they have players here, or nowhere.
    at_home: BTreeSet<Party>,
}

impl Absence {
    pub fn new(config: Arc<Config>, ledger: LedgerName, parties: Vec<Party>, reader: Reader) -> Self {
        Self { config, ledger, parties, reader, at_home: BTreeSet::new() }
    }

    /// Tells who is absent, until the program drains. While the database is away, what was known last stands: nothing is
    /// decided meanwhile.
    pub async fn watch(mut self, absent: watch::Sender<AbsentParties>, mut draining: watch::Receiver<bool>) {
        loop {
            if let Ok(now) = self.look().await {
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

    /// Who is absent now, and why. Whoever moves and is configured for another ledger is nobody's business here.
    async fn look(&mut self) -> Result<AbsentParties, StoreError> {
        // Whoever was at home once stays so: hundreds of parties are not asked for again each second.
        let parties: Vec<Party> = self.parties.iter().filter(|party| !self.at_home.contains(*party)).cloned().collect();
        let (moves, settled) = self
            .reader
            .ask(move |conn| {
                let mut settled = Vec::new();
                for party in &parties {
                    if party_moves::has_players(conn, party)? {
                        settled.push(party.clone());
                    }
                }
                Ok((party_moves::all(conn)?, settled))
            })
            .await?;
        self.at_home.extend(settled);
        let moves = moves.into_iter().filter(|moved| self.parties.contains(&moved.party));
        let mut absent: AbsentParties = moves.map(|moved| (moved.party.clone(), told(&self.ledger, &moved))).collect();
        let is_new = |party: &&Party| !self.at_home.contains(*party) && !absent.contains_key(*party);
        let new: Vec<Party> = self.parties.iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            let elsewhere = self.elsewhere(&new).await;
            self.at_home.extend(new.into_iter().filter(|party| !elsewhere.contains_key(party)));
            absent.extend(elsewhere);
        }
        Ok(absent)
    }

    /// Those of parties without players here who have some in another ledger, or might: served from here, everybody would be
    /// unknown, and every bet refused for good.
    async fn elsewhere(&self, parties: &[Party]) -> AbsentParties {
        let others = self.config.all_ledgers();
        let others: Vec<LedgerName> = others.into_iter().filter(|other| *other != self.ledger).collect();
        let asking = others.iter().filter_map(|other| {
            // A file that was never made has nobody's.
            self.config.ledger_url(other).filter(|url| url.is_made())?;
            let database = ledgers::database(&self.config, other)?;
            Some(async move { (other, tokio::time::timeout(OTHERS_PATIENCE, players_in(&database, parties)).await) })
        });
        let mut absent = AbsentParties::new();
        for (other, asked) in join_all(asking).await {
            match asked {
                Ok(Ok(there)) => absent.extend(there.into_iter().map(|party| {
                    let command = format!("purser party move --party {party} --from {other} --to {}", self.ledger);
                    (party, format!("its players are in ledger {other}: `{command}` brings them"))
                })),
                Ok(Err(_)) | Err(_) => {
                    let why = format!("it is new here, and ledger {other} does not say whether it has its players");
                    absent.extend(parties.iter().map(|party| (party.clone(), why.clone())));
                }
            }
        }
        absent
    }
}

/// Those of the parties who have players in a ledger, and have not left it.
async fn players_in(database: &Database, parties: &[Party]) -> Result<Vec<Party>, StoreError> {
    let parties = parties.to_vec();
    let asked = database.query(move |conn| {
        let mut there = Vec::new();
        for party in parties {
            if party_moves::has_players(conn, &party)? {
                there.push(party);
            }
        }
        if there.is_empty() {
            return Ok(there);
        }
        // A ledger whose schema is older than the table has nobody who left it.
        let moves = match party_moves::all(conn) {
            Err(StoreError::Rejected(_)) => Vec::new(),
            moves => moves?,
        };
        let is_gone =
            |party: &Party| moves.iter().any(|moved| moved.party == *party && moved.state != MoveState::Leaving);
        there.retain(|party| !is_gone(party));
        Ok(there)
    });
    asked.await
}

/// Why a party is not served from this ledger, for people.
fn told(ledger: &LedgerName, PartyMove { party, state, other, .. }: &PartyMove) -> String {
    let command = |from: &LedgerName, to: &LedgerName| {
        format!("`purser party move --party {party} --from {from} --to {to}` carries it on where it was broken off")
    };
    match state {
        MoveState::Leaving => format!("moves to ledger {other}; {}", command(ledger, other)),
        MoveState::Arriving => format!("arrives from ledger {other}; {}", command(other, ledger)),
        MoveState::Left => {
            format!("has moved to ledger {other}: set parties.{party}.ledger = \"{other}\", and start again")
        }
    }
}
