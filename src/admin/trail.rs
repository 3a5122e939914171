//! The trail of acts: nothing is done by hand before it is written down who does it.
//!
//! An act is an entry `begun` before anything happens, and one that concludes it. Where the second is missing, the program
//! ended in between, and the journal tells what was done.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::redaction;
use super::shown::{self, Exact};
use crate::clock;
use crate::ledger::Party;
use crate::ledger::command::Timestamp;
use crate::redaction::without_tokens;
use crate::storage::trail::{self, NewEntry, TrailRow};
use crate::storage::{Reader, StoreError};

/// The outcome of an act that is about to be done.
pub(super) const BEGUN: &str = "begun";

/// Begins the name of a user of the system's, who acts on the command line.
pub(crate) const OS_USER: &str = "os:";

/// Begins what stands for the name of a user who has none, before the number.
pub(crate) const UID: &str = "uid ";

/// Characters of a target or an outcome that are kept.
const MAX_TEXT: usize = 1_000;

/// Whoever acts.
#[derive(Debug, Clone)]
pub struct Actor {
    /// An operator's name, or the system's user.
    pub who: Arc<str>,
    pub role: &'static str,
    /// An address, or the command line of a machine.
    pub origin: String,
}

/// What is done.
#[derive(Debug, Clone)]
pub struct Deed {
    /// `deposit`, `void approve`: the same from everywhere.
    pub act: &'static str,
    pub party: Option<Party>,
    /// On what: a player, a transaction's number.
    pub target: String,
    /// What else was asked for. No secret.
    pub detail: Value,
}

/// An entry, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct TrailShown {
    pub number: Exact,
    pub at: String,
    pub who: String,
    pub role: String,
    pub from: String,
    pub act: String,
    pub party: Option<String>,
    pub on: String,
    pub detail: Value,
    pub outcome: String,
    /// The entry whose act ended so.
    pub concludes: Option<Exact>,
    pub hash: String,
}

/// The columns of a table of them.
pub(crate) const COLUMNS: [&str; 12] =
    ["number", "at", "who", "role", "from", "act", "party", "on", "detail", "outcome", "concludes", "hash"];

impl TrailShown {
    pub fn of(row: TrailRow) -> Self {
        Self {
            number: Exact(row.number),
            at: shown::moment(Timestamp(row.at)),
            who: row.who,
            role: row.role,
            from: row.origin,
            act: row.act,
            party: Some(row.party).filter(|party| !party.is_empty()),
            on: row.target,
            detail: serde_json::from_str(&row.detail).map_or(Value::Null, redaction::exact),
            outcome: row.outcome,
            concludes: row.concludes.map(Exact),
            hash: shown::hex(&row.hash),
        }
    }
}

/// How far an act of several steps has come. Where it breaks off, what is told here is done and stays so.
#[derive(Debug, Clone, Default)]
pub(crate) struct DoneSoFar(Arc<Mutex<String>>);

impl DoneSoFar {
    /// Says what is done by now: `3 applied`.
    pub fn tell(&self, done: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = done;
    }

    fn outcome(&self, error: &impl Display) -> String {
        let done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if done.is_empty() { format!("not done: {error}") } else { format!("broken off after {done}: {error}") }
    }
}

/// Does something, once it is written down who is about to. What it ends with is written down, too: `Ok` with the words
/// that go with it.
pub async fn recorded<T, E: From<StoreError> + Display>(
    reader: &Reader,
    actor: &Actor,
    deed: &Deed,
    work: impl Future<Output = Result<(T, String), E>>,
) -> Result<T, E> {
    recorded_in_steps(reader, actor, deed, &DoneSoFar::default(), work).await
}

/// The same for an act of several steps, which tells each that is done.
pub(crate) async fn recorded_in_steps<T, E: From<StoreError> + Display>(
    reader: &Reader,
    actor: &Actor,
    deed: &Deed,
    so_far: &DoneSoFar,
    work: impl Future<Output = Result<(T, String), E>>,
) -> Result<T, E> {
    let begun = append(reader, entry(actor, deed, BEGUN, None)).await?;
    let worked = work.await;
    let outcome = match &worked {
        Ok((_, outcome)) => outcome.clone(),
        Err(error) => so_far.outcome(error),
    };
    concluded(append(reader, entry(actor, deed, &outcome, Some(begun))).await, begun, &outcome);
    worked.map(|(done, _)| done)
}

/// Says where it could not be written down how an act ended. It is done: whoever asked is told so, and the entry that began
/// it stands.
pub(super) fn concluded(written: Result<i64, StoreError>, begun: i64, outcome: &str) {
    if let Err(error) = written {
        tracing::error!(%error, entry = begun, outcome, "how an act ended could not be written to the trail");
    }
}

/// Writes down what was asked for and not even begun.
pub(crate) async fn refused(reader: &Reader, actor: &Actor, deed: &Deed, why: &str) -> Result<(), StoreError> {
    append(reader, entry(actor, deed, &format!("refused: {why}"), None)).await.map(drop)
}

pub(super) fn entry(actor: &Actor, deed: &Deed, outcome: &str, concludes: Option<i64>) -> NewEntry {
    NewEntry {
        id: Uuid::new_v4(),
        at: clock::now(),
        who: actor.who.to_string(),
        role: actor.role.to_owned(),
        origin: actor.origin.clone(),
        act: deed.act.to_owned(),
        party: deed.party.as_ref().map(ToString::to_string).unwrap_or_default(),
        target: kept(&deed.target),
        detail: deed.detail.to_string(),
        outcome: kept(outcome),
        concludes,
    }
}

/// A text of bounded length, without the one character that Postgres takes for damage.
fn kept(text: &str) -> String {
    without_tokens(text).chars().filter(|c| *c != '\0').take(MAX_TEXT).collect()
}

async fn append(reader: &Reader, entry: NewEntry) -> Result<i64, StoreError> {
    reader.ask(move |conn| trail::append(conn, &entry)).await
}
