//! Movements by hand that are too much for one person: one asks, and another one approves or rejects.
//!
//! What is asked for waits in a table of its own, written with its entry of the trail. Once it is approved it goes to the
//! ledger under the approval's id, so it is moved once, whoever approves it again and wherever the program ended in
//! between: the journal says whether it was.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::redaction::without_tokens;
use super::refusals::Kind;
use super::shown::{self, Exact};
use super::trail::{Actor, BEGUN, Deed, concluded, entry};
use crate::clock;
use crate::config::Config;
use crate::ledger::command::{Act, Cash, Timestamp};
use crate::ledger::{Currency, Party, PlayerId, PlayerKey};
pub use crate::storage::approvals::Approval;
use crate::storage::approvals::{self, ApprovalState};
use crate::storage::queries::{self, AnyConnection};
use crate::storage::{Reader, StoreError, trail};

/// A movement that somebody asks for.
#[derive(Debug, Clone)]
pub struct Request {
    pub party: Party,
    pub player: PlayerId,
    /// In the ledger's words, under the caller's own key.
    pub act: Act,
    /// What the caller calls it. The same again is the same request.
    pub key: String,
    /// What it is judged by.
    pub currency: Currency,
    pub amount_minor: i64,
    pub reason: String,
    /// As the trail has it.
    pub deed: Deed,
}

/// Where a movement that is asked for has to go.
#[derive(Debug, Clone)]
pub enum Road {
    /// To the ledger: one person may.
    Open,
    /// To a second person.
    Waits(Box<Approval>),
    /// It was approved and moved: the approval's command gives the answer again.
    Moved(Box<Approval>),
    Closed(Kind, String),
}

/// Why somebody may not decide on an approval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    #[error("there is no such approval")]
    Unknown,
    #[error("{0} asked for it, and whoever asks does not decide")]
    OwnRequest(String),
    #[error("{0}")]
    Conflict(String),
}

/// An approval, as it is shown.
#[derive(Debug, Serialize)]
pub struct Shown {
    pub id: Uuid,
    /// `pending`, `approved` (and not moved yet), `moved`, `rejected` or `expired`.
    pub state: &'static str,
    pub act: String,
    pub party: Party,
    pub player: PlayerId,
    pub currency: Currency,
    pub amount: String,
    pub amount_minor: Exact,
    pub bucket: Option<&'static str>,
    /// The transaction that a void is about.
    pub transaction: Option<Exact>,
    pub key: String,
    pub reason: String,
    pub asked_by: String,
    pub asked_from: String,
    pub asked_at: String,
    pub expires_at: String,
    pub decided_by: Option<String>,
    pub decided_at: Option<String>,
}

/// The columns of a table of them.
pub const COLUMNS: [&str; 18] = [
    "id",
    "state",
    "act",
    "party",
    "player",
    "currency",
    "amount",
    "amount_minor",
    "bucket",
    "transaction",
    "key",
    "reason",
    "asked_by",
    "asked_from",
    "asked_at",
    "expires_at",
    "decided_by",
    "decided_at",
];

/// How it stands at this time. `rows` are those of the journal under its key.
pub fn shown(config: &Config, approval: &Approval, rows: &[i64], at: Timestamp) -> Shown {
    let (bucket, transaction) = match &approval.command {
        Act::Deposit(cash) | Act::Withdraw(cash) => (Some(cash.pocket.bucket.as_str()), None),
        Act::ResolveVoid(resolve) => (None, Some(Exact(resolve.source))),
        Act::OpenPlayer(_)
        | Act::PlaceBet(_)
        | Act::SettleOrder(_)
        | Act::CancelOrder(_)
        | Act::Adjust(_)
        | Act::QueueVoid(_)
        | Act::BuyVip(_)
        | Act::StockOffers(_)
        | Act::BuyKeys(_) => (None, None),
    };
    let (decided_by, decided_at) = approval.decided.clone().unzip();
    Shown {
        id: approval.id,
        state: state(approval, rows, at),
        act: approval.act.clone(),
        party: approval.party.clone(),
        player: approval.player.clone(),
        currency: approval.currency,
        amount: shown::amount(config, approval.amount_minor, approval.currency),
        amount_minor: Exact(approval.amount_minor),
        bucket,
        transaction,
        key: without_tokens(&approval.key),
        reason: without_tokens(&approval.reason),
        asked_by: approval.asked_by.clone(),
        asked_from: approval.asked_from.clone(),
        asked_at: shown::moment(approval.asked_at),
        expires_at: shown::moment(approval.expires_at),
        decided_by,
        decided_at: decided_at.map(shown::moment),
    }
}

fn state(approval: &Approval, rows: &[i64], at: Timestamp) -> &'static str {
    match approval.state {
        ApprovalState::Approved if !rows.is_empty() => ApprovalState::Moved.as_str(),
        ApprovalState::Pending | ApprovalState::Approved if approval.expires_at <= at => "expired",
        state => state.as_str(),
    }
}

/// A page of approvals, oldest first: all, or those that wait.
pub fn list(
    conn: &mut AnyConnection,
    config: &Config,
    all: bool,
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<Shown>, StoreError> {
    let at = clock::now();
    let found = approvals::page(conn, (!all).then_some(at), after, most)?;
    let one = |approval: &Approval| {
        let rows = if approval.state == ApprovalState::Approved { approval.rows(conn)? } else { Vec::new() };
        Ok(shown(config, approval, &rows, at))
    };
    found.iter().map(one).collect()
}

/// The movement under another key.
fn under(act: &Act, id: Uuid) -> Act {
    let key: Arc<str> = id.to_string().into();
    let with_key = |cash: &Cash| Cash { key: Arc::clone(&key), ..cash.clone() };
    match act {
        Act::Deposit(cash) => Act::Deposit(with_key(cash)),
        Act::Withdraw(cash) => Act::Withdraw(with_key(cash)),
        // A void has a key of its own: it is resolved once.
        other => other.clone(),
    }
}

/// Whether both are the same person: an operator's name is the system user's of that name, and whoever became another
/// user is who signed in.
fn is_same_person(one: &str, other: &str) -> bool {
    fn person(who: &str) -> &str {
        let who = who.split_once(", signed in as ").map_or(who, |(_, signed_in)| signed_in);
        who.strip_prefix("os:").unwrap_or(who)
    }
    person(one) == person(other)
}

/// Where a movement has to go. What has to wait does so, with its entry of the trail, when this returns.
pub async fn road(reader: &Reader, config: &Config, actor: &Actor, request: Request) -> Result<Road, StoreError> {
    let is_held = config.approvals.holds(request.currency, request.amount_minor);
    let at = clock::now();
    let expire_micros = i64::try_from(config.approvals.expire.as_micros()).unwrap_or(i64::MAX);
    let id = Uuid::new_v4();
    let fresh = Approval {
        id,
        party: request.party.clone(),
        act: request.deed.act.to_owned(),
        key: request.key.clone(),
        player: request.player.clone(),
        currency: request.currency,
        amount_minor: request.amount_minor,
        command: under(&request.act, id),
        reason: request.reason.clone(),
        asked_by: actor.who.to_string(),
        asked_from: actor.origin.clone(),
        asked_at: at,
        expires_at: Timestamp(at.0.saturating_add(expire_micros)),
        state: ApprovalState::Pending,
        decided: None,
    };
    let (actor, entry_id) = (actor.clone(), Uuid::new_v4());
    reader
        .ask(move |conn| {
            let known = approvals::of_key(conn, &fresh.party, &fresh.act, &fresh.key)?;
            if known.is_none() && (!is_held || is_decided(conn, &fresh, &request.act)?) {
                return open(conn, &request);
            }
            trail::in_turn(conn, |conn| {
                let (road, outcome) = wait(conn, &request, &fresh, is_held)?;
                if let Some(outcome) = outcome {
                    let entry = trail::NewEntry { id: entry_id, ..entry(&actor, &request.deed, &outcome, None) };
                    trail::append_within(conn, &entry)?;
                }
                Ok(road)
            })
        })
        .await
}

/// Whether it was moved before, as one person could: that answer stands, whatever the threshold says by now.
fn is_decided(conn: &mut AnyConnection, fresh: &Approval, act: &Act) -> Result<bool, StoreError> {
    let asked = Approval { command: act.clone(), ..fresh.clone() };
    Ok(!asked.rows(conn)?.is_empty())
}

/// Nobody moves anything under the key of an approval but whoever approves it.
fn open(conn: &mut AnyConnection, request: &Request) -> Result<Road, StoreError> {
    let id = Uuid::try_parse(&request.key).ok();
    let is_taken = id.map(|id| approvals::find(conn, id)).transpose()?.flatten().is_some();
    let why = "this key is the id of an approval: approve that, or take another key";
    Ok(if is_taken { Road::Closed(Kind::Conflict, why.to_owned()) } else { Road::Open })
}

/// The road of what is not simply open, with the words for the trail where there are some.
fn wait(
    conn: &mut AnyConnection,
    request: &Request,
    fresh: &Approval,
    is_held: bool,
) -> Result<(Road, Option<String>), StoreError> {
    let closed = |kind: Kind, why: String| (Road::Closed(kind, why.clone()), Some(format!("refused: {why}")));
    if let Some(known) = approvals::of_key(conn, &fresh.party, &fresh.act, &fresh.key)? {
        if known.command != under(&request.act, known.id) {
            let why = format!("this key was used before for another movement, approval {}", known.id);
            return Ok(closed(Kind::Conflict, why));
        }
        let rows = known.rows(conn)?;
        match state(&known, &rows, fresh.asked_at) {
            "moved" => return Ok((Road::Moved(Box::new(known)), None)),
            // A void has no other key to be asked for again under.
            "rejected" | "expired" if matches!(request.act, Act::ResolveVoid(_)) => {}
            ended @ ("rejected" | "expired") => {
                let why = format!("approval {} has been {ended}: ask again under another key", known.id);
                return Ok(closed(Kind::Conflict, why));
            }
            _ => {
                let said = format!("waits for approval {}, as before", known.id);
                // The same again after an answer that was lost is told once.
                let said = (known.id != fresh.id).then_some(said);
                return Ok((Road::Waits(Box::new(known)), said));
            }
        }
        if !is_held {
            return Ok((Road::Open, None));
        }
    }
    if queries::player(conn, PlayerKey::of(&fresh.party, &fresh.player))?.is_none() {
        return Ok(closed(Kind::Unknown, "there is no such player".to_owned()));
    }
    approvals::insert(conn, fresh)?;
    Ok((Road::Waits(Box::new(fresh.clone())), Some(format!("waits for approval {}", fresh.id))))
}

/// What the trail calls the two decisions.
pub const APPROVE: &str = "approval approve";
pub const REJECT: &str = "approval reject";

fn deed(act: &'static str, approval: &Approval) -> Deed {
    let detail = json!({
        "act": approval.act, "player": approval.player, "currency": approval.currency,
        "amount_minor": approval.amount_minor, "key": approval.key, "asked_by": approval.asked_by,
    });
    Deed { act, party: Some(approval.party.clone()), target: approval.id.to_string(), detail }
}

/// Approves a movement and lets `work` move it, once it is written down who does. `work` tells what it answers, and the
/// words for how it ended.
pub async fn approve<T, E: From<StoreError> + From<Denial> + std::fmt::Display>(
    reader: &Reader,
    actor: &Actor,
    id: Uuid,
    work: impl AsyncFnOnce(&Approval) -> Result<(T, String), E>,
) -> Result<(Approval, T), E> {
    let (approval, begun) = decide(reader, actor, id, ApprovalState::Approved).await??;
    let worked = work(&approval).await;
    let outcome = match &worked {
        Ok((_, outcome)) => outcome.clone(),
        Err(error) => format!("not done: {error}"),
    };
    let moved = Approval { state: ApprovalState::Moved, ..approval.clone() };
    let entry = entry(actor, &deed(APPROVE, &approval), &outcome, Some(begun));
    let (is_moved, written) = (worked.is_ok(), moved.clone());
    let concluding = reader.ask(move |conn| {
        trail::in_turn(conn, |conn| {
            if is_moved {
                approvals::update(conn, &written)?;
            }
            trail::append_within(conn, &entry)
        })
    });
    concluded(concluding.await, begun, &outcome);
    worked.map(|(done, _)| (moved, done))
}

/// Rejects a movement: it can be approved no more.
pub async fn reject(reader: &Reader, actor: &Actor, id: Uuid) -> Result<Result<Approval, Denial>, StoreError> {
    let decided = decide(reader, actor, id, ApprovalState::Rejected).await?;
    Ok(decided.map(|(approval, _)| approval))
}

/// Writes a decision down, with its entry, and returns the entry's number. One that is refused is in the trail, too.
async fn decide(
    reader: &Reader,
    actor: &Actor,
    id: Uuid,
    to: ApprovalState,
) -> Result<Result<(Approval, i64), Denial>, StoreError> {
    let (actor, at, entry_id) = (actor.clone(), clock::now(), Uuid::new_v4());
    let (act, done) = if to == ApprovalState::Approved { (APPROVE, BEGUN) } else { (REJECT, "done: nothing is moved") };
    reader
        .ask(move |conn| {
            trail::in_turn(conn, |conn| {
                let Some(mut approval) = approvals::find(conn, id)? else { return Ok(Err(Denial::Unknown)) };
                let denied = denial(conn, &approval, &actor, to, at)?;
                let outcome = denied.as_ref().map_or(done.to_owned(), |denial| format!("refused: {denial}"));
                let entry = trail::NewEntry { id: entry_id, ..entry(&actor, &deed(act, &approval), &outcome, None) };
                if denied.is_none() && approval.state == ApprovalState::Pending {
                    (approval.state, approval.decided) = (to, Some((actor.who.to_string(), at)));
                    approvals::update(conn, &approval)?;
                }
                let number = trail::append_within(conn, &entry)?;
                Ok(denied.map_or(Ok((approval, number)), Err))
            })
        })
        .await
}

/// Why it is not to be decided so. What was decided so before is no error: it is carried to its end, or stays as it is.
fn denial(
    conn: &mut AnyConnection,
    approval: &Approval,
    actor: &Actor,
    to: ApprovalState,
    at: Timestamp,
) -> Result<Option<Denial>, StoreError> {
    if is_same_person(&approval.asked_by, &actor.who) {
        return Ok(Some(Denial::OwnRequest(approval.asked_by.clone())));
    }
    let rows = approval.rows(conn)?;
    let conflict = |why: String| Some(Denial::Conflict(why));
    Ok(match (to, state(approval, &rows, at)) {
        (_, "pending") | (ApprovalState::Approved, "approved" | "moved") | (ApprovalState::Rejected, "rejected") => {
            None
        }
        (_, "expired") => conflict("it has expired: nothing was moved, and it has to be asked for again".to_owned()),
        (_, state) => conflict(format!("it was decided on before, and is {state}")),
    })
}

#[cfg(test)]
mod tests {
    use super::is_same_person;

    #[test]
    fn nobody_is_two_people_by_becoming_another_user() {
        for (one, other, same) in [
            ("carol", "carol", true),
            ("carol", "dave", false),
            ("carol", "os:carol", true),
            ("os:carol", "os:root, signed in as carol", true),
            ("os:root, signed in as carol", "os:root, signed in as dave", false),
            ("os:root", "os:root, signed in as dave", false),
        ] {
            assert_eq!((is_same_person(one, other), is_same_person(other, one)), (same, same), "{one} and {other}");
        }
    }
}
