//! Parties that are not served from the ledger that the configuration puts them in: they move to another or have moved
//! (`purser party move`), or another ledger has their players, or it cannot be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

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

/// Why nobody is served before anybody has been asked.
const UNKNOWN: &str = "it is not known yet whether it is served from here";

/// Before it is known who is absent, everybody is.
pub fn unknown(parties: &[Party]) -> AbsentParties {
    parties.iter().map(|party| (party.clone(), UNKNOWN.to_owned())).collect()
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
    /// What other ledgers have said of those that are not known to.
    said: BTreeMap<Party, Option<Elsewhere>>,
    asking: Option<Asking>,
}

/// What other ledgers were asked, who may take longer than a look: nobody's move is noticed later for that.
struct Asking {
    since: Instant,
    parties: Vec<Party>,
    /// Until it is there.
    answer: Option<JoinHandle<BTreeMap<Party, Elsewhere>>>,
}

impl Absence {
    pub fn new(config: Arc<Config>, ledger: LedgerName, parties: Vec<Party>, reader: Reader) -> Self {
        let (at_home, said) = (BTreeSet::new(), BTreeMap::new());
        Self { config, ledger, parties, reader, at_home, said, asking: None }
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
            tokio::select! {
                _ = draining.wait_for(|draining| *draining) => return,
                () = self.answered() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Ends when other ledgers have answered.
    async fn answered(&mut self) {
        let Some(Asking { parties, answer, .. }) = &mut self.asking else { return std::future::pending().await };
        let Some(asked) = answer else { return std::future::pending().await };
        // It ends without an answer with the program alone.
        if let Ok(mut elsewhere) = asked.await {
            self.said.extend(parties.drain(..).map(|party| (party.clone(), elsewhere.remove(&party))));
        }
        *answer = None;
    }

    /// Asks other ledgers of these, where they are not being asked and were not a moment ago.
    fn ask(&mut self, parties: Vec<Party>) {
        let is_soon =
            self.asking.as_ref().is_some_and(|asking| asking.answer.is_some() || asking.since.elapsed() < LOOK);
        if parties.is_empty() || is_soon {
            return;
        }
        let (config, ledger, asked) = (Arc::clone(&self.config), self.ledger.clone(), parties.clone());
        let answer = tokio::spawn(async move { elsewhere(&config, &ledger, &asked).await });
        self.asking = Some(Asking { since: Instant::now(), parties, answer: Some(answer) });
    }

    /// Why a party that no move is told of is absent, by what is known so far.
    fn why_absent(&self, party: &Party, is_here: bool) -> Option<String> {
        match self.said.get(party) {
            Some(elsewhere) => why_absent(&self.ledger, party, is_here, elsewhere.as_ref()),
            // Who is here is served whatever becomes of other ledgers.
            None if is_here && self.asking.as_ref().is_some_and(|asking| asking.since.elapsed() >= LOOK) => None,
            None => Some(UNKNOWN.to_owned()),
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
        let mut undecided = Vec::new();
        for party in new {
            match self.why_absent(&party, here.contains(&party)) {
                Some(why) => {
                    absent.insert(party.clone(), why);
                    undecided.push(party);
                }
                None => {
                    self.said.remove(&party);
                    self.at_home.insert(party);
                }
            }
        }
        self.ask(undecided);
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
            "ledger {other} has players of it, too, and no move is between them: if those in {ledger} are in earnest, \
             `{} --abandon` never serves what is in {other}; if those in {other} are, `{} --abandon`, and configure it for that",
            command(ledger, other),
            command(other, ledger)
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
