//! Deciding on a transfer that somebody else has asked for.

use serde_json::json;
use uuid::Uuid;

use super::{Approval, ApprovalState, Standing, is_decided};
use crate::admin::trail::{Actor, BEGUN, Deed, OS_USER, UID, concluded, entry};
use crate::clock;
use crate::ledger::command::Timestamp;
use crate::storage::queries::AnyConnection;
use crate::storage::{Reader, StoreError, approvals, trail};

/// What the trail calls the two decisions.
const APPROVE: &str = "approval approve";
const REJECT: &str = "approval reject";

/// Why somebody may not decide on an approval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    #[error("there is no such approval")]
    Unknown,
    #[error("{0} asked for it, and whoever asks does not decide")]
    OwnRequest(String),
    #[error("{}", nameless(.0))]
    Nameless(String),
    #[error("{0} asked for it, and the system had no name for that one: reject it, and ask again")]
    AskedByNameless(String),
    #[error("{0}")]
    Conflict(String),
}

fn deed(act: &'static str, approval: &Approval) -> Deed {
    let detail = json!({
        "act": approval.act, "player": approval.player, "currency": approval.currency,
        "amount_minor": approval.amount_minor, "key": approval.key, "asked_by": approval.asked_by,
    });
    Deed { act, party: Some(approval.party.clone()), target: approval.id.to_string(), detail }
}

/// Approves a transfer and lets `work` move it, once it is written down who does. `work` tells what it answers, and the
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

/// Rejects a transfer: it can be approved no more.
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
    // Whoever has no name may be the one who asked under one.
    if is_nameless(&actor.who) {
        return Ok(Some(Denial::Nameless(actor.who.to_string())));
    }
    if to == ApprovalState::Approved && is_nameless(&approval.asked_by) {
        return Ok(Some(Denial::AskedByNameless(approval.asked_by.clone())));
    }
    let rows = approval.rows(conn)?;
    let conflict = |why: String| Some(Denial::Conflict(why));
    let is_approving = to == ApprovalState::Approved;
    Ok(match Standing::of(approval, &rows, at) {
        // Asked for at the same moment, one of the two for so little that it did not wait.
        Standing::Pending if is_approving && is_decided(conn, approval)? => {
            conflict("something was moved under its key meanwhile: reject it".to_owned())
        }
        Standing::Pending => None,
        Standing::Approved | Standing::Moved if is_approving => None,
        Standing::Rejected if !is_approving => None,
        Standing::Expired => conflict("it has expired: nothing was moved, and it has to be asked for again".to_owned()),
        other @ (Standing::Approved | Standing::Moved | Standing::Rejected) => {
            conflict(format!("it was decided on before, and is {}", other.as_str()))
        }
    })
}

/// Whether both are the same person: an operator's name is the system user's of that name, and whoever became another
/// user is who signed in.
pub fn is_same_person(one: &str, other: &str) -> bool {
    person(one) == person(other)
}

fn person(who: &str) -> &str {
    let who = who.split_once(", signed in as ").map_or(who, |(_, signed_in)| signed_in);
    who.strip_prefix(OS_USER).unwrap_or(who)
}

/// Whether that is a number of the system's without a name: nobody can say which person it is.
pub fn is_nameless(who: &str) -> bool {
    who.starts_with(OS_USER) && person(who).starts_with(UID)
}

/// What somebody without a name is told who wants a part in what takes two.
pub fn nameless(who: &str) -> String {
    let uid = person(who).trim_start_matches(UID);
    format!(
        "this takes two people, and the system has no name for you ({who}): see that `getent passwd {uid}` finds you, or \
         do it over HTTP with a token of your own"
    )
}

#[cfg(test)]
mod tests {
    use super::{is_nameless, is_same_person, nameless};

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
    #[test]
    fn a_number_of_the_systems_is_nobodys_name() {
        for (who, expected) in [
            ("os:uid 1234", true),
            ("os:root, signed in as uid 1234", true),
            ("os:uid 1234, signed in as carol", false),
            ("os:carol", false),
            ("carol", false),
            ("uid 1234", false),
        ] {
            assert_eq!(is_nameless(who), expected, "{who}");
        }
        assert!(nameless("os:root, signed in as uid 1234").contains("`getent passwd 1234`"));
    }
}
