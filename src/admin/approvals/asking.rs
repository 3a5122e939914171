//! Asking for a transfer: whether it may go to the ledger at once, or has to wait.

use uuid::Uuid;

use super::deciding::{is_nameless, nameless};
use super::{Approval, ApprovalState, Standing, is_decided, under};
use crate::admin::refusals::RefusalKind;
use crate::admin::trail::{Actor, Deed, entry};
use crate::clock;
use crate::config::Config;
use crate::ledger::command::{Act, Timestamp};
use crate::ledger::{Currency, Party, PlayerId, PlayerKey, TransactionAct};
use crate::storage::queries::{self, AnyConnection};
use crate::storage::{Reader, StoreError, approvals, trail};

/// A transfer that somebody asks for.
#[derive(Debug, Clone)]
pub struct ApprovalRequest {
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

/// Where a transfer that is asked for has to go.
#[derive(Debug, Clone)]
pub enum Road {
    /// To the ledger: one person may.
    Open,
    /// To a second person.
    Waits(Box<Approval>),
    /// It was approved and moved: the approval's command gives the answer again.
    Moved(Box<Approval>),
    Closed(RefusalKind, String),
}

/// Where a transfer has to go. What has to wait does so, with its entry of the trail, when this returns.
pub async fn road(
    reader: &Reader,
    config: &Config,
    actor: &Actor,
    request: ApprovalRequest,
) -> Result<Road, StoreError> {
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
        command: under(&request.act, &id.to_string()),
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
            if known.is_none() && (!is_held || is_decided(conn, &fresh)?) {
                let Some(why) = taken_key(conn, &request)? else { return Ok(Road::Open) };
                let outcome = format!("refused: {why}");
                let entry = trail::NewEntry { id: entry_id, ..entry(&actor, &request.deed, &outcome, None) };
                trail::append(conn, &entry)?;
                return Ok(Road::Closed(RefusalKind::Conflict, why.to_owned()));
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

/// Nobody moves anything under the key of an approval but whoever approves it: why a transfer is refused that would be.
fn taken_key(conn: &mut AnyConnection, request: &ApprovalRequest) -> Result<Option<&'static str>, StoreError> {
    let id = Uuid::try_parse(&request.key).ok();
    let is_taken = id.map(|id| approvals::find(conn, id)).transpose()?.flatten().is_some();
    Ok(is_taken.then_some("this key is the id of an approval: approve that, or take another key"))
}

/// The road of what is not simply open, with the words for the trail where there are some.
fn wait(
    conn: &mut AnyConnection,
    request: &ApprovalRequest,
    fresh: &Approval,
    is_held: bool,
) -> Result<(Road, Option<String>), StoreError> {
    let closed = |kind: RefusalKind, why: String| (Road::Closed(kind, why.clone()), Some(format!("refused: {why}")));
    if let Some(known) = approvals::of_key(conn, &fresh.party, &fresh.act, &fresh.key)? {
        if known.command != under(&request.act, &known.id.to_string()) {
            let why = format!("this key was used before for another transfer, approval {}", known.id);
            return Ok(closed(RefusalKind::Conflict, why));
        }
        let rows = known.rows(conn)?;
        match Standing::of(&known, &rows, fresh.asked_at) {
            Standing::Moved => return Ok((Road::Moved(Box::new(known)), None)),
            Standing::Pending | Standing::Approved => {
                let said = format!("waits for approval {}, as before", known.id);
                // The same again after an answer that was lost is told once.
                let said = (known.id != fresh.id).then_some(said);
                return Ok((Road::Waits(Box::new(known)), said));
            }
            // A void has no other key to be asked for again under.
            Standing::Rejected | Standing::Expired
                if matches!(request.act, Act::Transaction(TransactionAct::ResolveVoid(_))) => {}
            Standing::Rejected => {
                let why = format!("approval {} was rejected: ask again under another key", known.id);
                return Ok(closed(RefusalKind::Conflict, why));
            }
            Standing::Expired => {
                let why = format!("approval {} has expired: ask again under another key", known.id);
                return Ok(closed(RefusalKind::Conflict, why));
            }
        }
        if !is_held {
            return Ok((Road::Open, None));
        }
    }
    if queries::player(conn, PlayerKey::of(&fresh.party, &fresh.player))?.is_none() {
        return Ok(closed(RefusalKind::Unknown, "there is no such player".to_owned()));
    }
    if is_nameless(&fresh.asked_by) {
        // Nobody could tell whether the second person is another one.
        return Ok(closed(RefusalKind::Conflict, nameless(&fresh.asked_by)));
    }
    approvals::insert(conn, fresh)?;
    Ok((Road::Waits(Box::new(fresh.clone())), Some(format!("waits for approval {}", fresh.id))))
}
