//! Transfers by hand that are too much for one person: one asks, and another one approves or rejects.
//!
//! What is asked for waits in a table of its own, written with its entry of the trail. Once it is approved it goes to the
//! ledger under the approval's id, so it is moved once, whoever approves it again and wherever the program ended in
//! between: the journal says whether it was.
//!
//! Reading order: what both have in common, below; [`asking`], [`deciding`].

mod asking;
mod deciding;

use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::shown::{self, Exact};
use crate::clock;
use crate::config::Config;
use crate::ledger::accounts::Cash;
use crate::ledger::command::{Act, Timestamp};
use crate::ledger::{AccountAct, Currency, LedgerName, Party, PlayerId, TransactionAct};
use crate::redaction::without_tokens;
use crate::storage::StoreError;
use crate::storage::approvals::{self, ApprovalState};
use crate::storage::queries::AnyConnection;

pub use self::asking::{ApprovalRequest, Road, road};
pub use self::deciding::{Denial, approve, is_same_person, reject};
pub use crate::storage::approvals::Approval;

/// An approval, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct ApprovalShown {
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
pub(crate) const COLUMNS: [&str; 18] = [
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
pub(crate) fn shown(config: &Config, approval: &Approval, rows: &[i64], at: Timestamp) -> ApprovalShown {
    let (bucket, transaction) = match &approval.command {
        Act::Account(AccountAct::Deposit(cash) | AccountAct::Withdraw(cash)) => {
            (Some(cash.pocket.bucket.as_str()), None)
        }
        Act::Transaction(TransactionAct::ResolveVoid(resolve)) => (None, Some(Exact(resolve.source))),
        Act::Account(AccountAct::OpenPlayer(_))
        | Act::Transaction(TransactionAct::Adjust(_) | TransactionAct::QueueVoid(_))
        | Act::Order(_)
        | Act::Shop(_) => (None, None),
    };
    let (decided_by, decided_at) = approval.decided.clone().unzip();
    ApprovalShown {
        id: approval.id,
        state: Standing::of(approval, rows, at).as_str(),
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

/// How an approval stands, once the journal and the clock are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Pending,
    /// And not moved yet.
    Approved,
    Moved,
    Rejected,
    Expired,
}

impl Standing {
    /// `rows` are those of the journal under its transfer's key.
    fn of(approval: &Approval, rows: &[i64], at: Timestamp) -> Self {
        let is_over = approval.expires_at <= at;
        match approval.state {
            ApprovalState::Moved => Self::Moved,
            ApprovalState::Rejected => Self::Rejected,
            ApprovalState::Approved if !rows.is_empty() => Self::Moved,
            ApprovalState::Pending | ApprovalState::Approved if is_over => Self::Expired,
            ApprovalState::Pending => Self::Pending,
            ApprovalState::Approved => Self::Approved,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => ApprovalState::Pending.as_str(),
            Self::Approved => ApprovalState::Approved.as_str(),
            Self::Moved => ApprovalState::Moved.as_str(),
            Self::Rejected => ApprovalState::Rejected.as_str(),
            Self::Expired => "expired",
        }
    }
}

/// A page of a ledger's approvals, oldest first: all, or those that wait.
pub(crate) fn list(
    conn: &mut AnyConnection,
    config: &Config,
    ledger: &LedgerName,
    all: bool,
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<ApprovalShown>, StoreError> {
    let at = clock::now();
    let elsewhere: Vec<Party> = config.parties_outside(ledger).cloned().collect();
    let found = approvals::page(conn, &elsewhere, (!all).then_some(at), after, most)?;
    found.iter().map(|approval| standing(conn, config, approval, at)).collect()
}

/// The approval of this id; `None` where there is none.
pub(crate) fn find(conn: &mut AnyConnection, config: &Config, id: Uuid) -> Result<Option<ApprovalShown>, StoreError> {
    let found = approvals::find(conn, id)?;
    found.map(|approval| standing(conn, config, &approval, clock::now())).transpose()
}

fn standing(
    conn: &mut AnyConnection,
    config: &Config,
    approval: &Approval,
    at: Timestamp,
) -> Result<ApprovalShown, StoreError> {
    // Whether it was moved is the journal's to say, where the program may have ended before it was written here.
    let rows = if approval.state == ApprovalState::Approved { approval.rows(conn)? } else { Vec::new() };
    Ok(shown(config, approval, &rows, at))
}

/// The transfer under another key.
fn under(act: &Act, key: &str) -> Act {
    let key: Arc<str> = key.into();
    let with_key = |cash: &Cash| Cash { key: Arc::clone(&key), ..cash.clone() };
    match act {
        Act::Account(AccountAct::Deposit(cash)) => Act::Account(AccountAct::Deposit(with_key(cash))),
        Act::Account(AccountAct::Withdraw(cash)) => Act::Account(AccountAct::Withdraw(with_key(cash))),
        // A void has a key of its own: it is resolved once.
        other => other.clone(),
    }
}

/// Whether something was moved under the caller's own key, as one person could: that answer stands, whatever the threshold
/// says by now.
fn is_decided(conn: &mut AnyConnection, approval: &Approval) -> Result<bool, StoreError> {
    let asked = Approval { command: under(&approval.command, &approval.key), ..approval.clone() };
    Ok(!asked.rows(conn)?.is_empty())
}
