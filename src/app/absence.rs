//! Parties that are not served from the ledger that the configuration puts them in: they move to another or have moved
//! (`purser party move`), or another ledger has their players, or it cannot be told.

use std::collections::{BTreeMap, BTreeSet};
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

/// What other ledgers say of a party.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Elsewhere {
    /// It is in this one.
    In(LedgerName),
    /// It may be in this one, which does not say, and why not.
    Unsaid(LedgerName, String),
}

/// Looks who is absent from a ledger.
pub struct Absence {
    config: Arc<Config>,
    ledger: LedgerName,
    parties: Vec<Party>,
    reader: Reader,
    /// Parties that belong here: they are here and nowhere else, or nowhere.
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
        let (moves, here) = self
            .reader
            .ask(move |conn| {
                let mut here = BTreeSet::new();
                for party in &parties {
                    if party_moves::has_anything(conn, party)? {
                        here.insert(party.clone());
                    }
                }
                Ok((party_moves::all(conn)?, here))
            })
            .await?;
        let moves = moves.into_iter().filter(|moved| self.parties.contains(&moved.party));
        let mut absent: AbsentParties = moves.map(|moved| (moved.party.clone(), told(&self.ledger, &moved))).collect();
        let is_new = |party: &&Party| !self.at_home.contains(*party) && !absent.contains_key(*party);
        let new: Vec<Party> = self.parties.iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            let elsewhere = elsewhere(&self.config, &self.ledger, &new).await;
            for party in new {
                match why_absent(&self.ledger, &party, here.contains(&party), elsewhere.get(&party)) {
                    Some(why) => _ = absent.insert(party, why),
                    None => _ = self.at_home.insert(party),
                }
            }
        }
        Ok(absent)
    }
}

/// Why nothing of a party is to be changed in the ledger that it is configured for: from another `serve` would not know
/// of it. A party that is in its ledger is not looked for elsewhere: a command has no time for ledgers that are away.
pub async fn of_changed(
    config: &Config,
    ledger: &LedgerName,
    database: &Database,
    party: &Party,
) -> Result<Option<String>, StoreError> {
    let asked = party.clone();
    if database.query(move |conn| party_moves::has_anything(conn, &asked)).await? {
        return Ok(None);
    }
    let elsewhere = elsewhere(config, ledger, std::slice::from_ref(party)).await;
    Ok(why_absent(ledger, party, false, elsewhere.get(party)))
}

/// Those of the parties that another ledger has, or might have. Served from a ledger without their players, everybody would
/// be unknown, and every bet refused for good.
async fn elsewhere(config: &Config, ledger: &LedgerName, parties: &[Party]) -> BTreeMap<Party, Elsewhere> {
    let others = config.all_ledgers();
    let others: Vec<LedgerName> = others.into_iter().filter(|other| other != ledger).collect();
    let asking = others.iter().filter_map(|other| {
        // A file that was never made has nobody's.
        config.ledger_url(other).filter(|url| url.is_made())?;
        let (database, parties) = (ledgers::database(config, other)?, parties.to_vec());
        let asked = async move { database.query(move |conn| party_moves::those_in(conn, &parties)).await };
        Some(async move { (other, tokio::time::timeout(OTHERS_PATIENCE, asked).await) })
    });
    let mut elsewhere = BTreeMap::new();
    for (other, asked) in join_all(asking).await {
        let why = match asked {
            Ok(Ok(there)) => {
                elsewhere.extend(there.into_iter().map(|party| (party, Elsewhere::In(other.clone()))));
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        };
        for party in parties {
            elsewhere.entry(party.clone()).or_insert_with(|| Elsewhere::Unsaid(other.clone(), why.clone()));
        }
    }
    elsewhere
}

/// Why a party that no move is told of is not served from this ledger, by what the others say of it.
fn why_absent(ledger: &LedgerName, party: &Party, is_here: bool, elsewhere: Option<&Elsewhere>) -> Option<String> {
    let command = |from, to| format!("purser party move --party {party} --from {from} --to {to}");
    match (is_here, elsewhere?) {
        (false, Elsewhere::In(other)) => {
            Some(format!("its players are in ledger {other}: `{}` brings them", command(other, ledger)))
        }
        (false, Elsewhere::Unsaid(other, why)) => {
            Some(format!("it is new here, and ledger {other} does not say whether it has its players: {why}"))
        }
        (true, Elsewhere::In(other)) => Some(format!(
            "ledger {other} has players of it, too, and no move is between them: `{} --abandon` keeps it in {ledger}, and \
             never serves what is in {other}",
            command(ledger, other)
        )),
        // Parties are served whatever becomes of other ledgers.
        (true, Elsewhere::Unsaid(..)) => None,
    }
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
