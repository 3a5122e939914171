//! Transfers by hand that wait for a second person.
//!
//! Whoever asks for one or decides on one does so in turn with whoever writes to the trail ([`super::trail::in_turn`]): row and
//! entry are there together. Whether money moved is the journal's to say: the transfer's key is the approval's id.

use diesel::prelude::*;
use uuid::Uuid;

use super::StoreError;
use super::lookups;
use super::party_moves;
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, bytes, damaged, uuid};
use super::schema::approvals;
use crate::ledger::command::{Act, Command, Timestamp};
use crate::ledger::{Currency, Party, PlayerId};

/// How far one has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalState {
    /// Nobody has decided on it. It may have expired.
    Pending,
    /// A second person wants it. Where the program ended right after that, the journal may have the transfer or not.
    Approved,
    /// The ledger has moved it.
    Moved,
    Rejected,
}

impl ApprovalState {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Approved, Self::Moved, Self::Rejected];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Moved => "moved",
            Self::Rejected => "rejected",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One transfer that waits, or has waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The transfer's key, where the transfer has one.
    pub id: Uuid,
    pub party: Party,
    /// As the trail calls it: `deposit`, `withdraw`, `void approve`.
    pub act: String,
    /// What whoever asked calls it.
    pub key: String,
    pub player: PlayerId,
    pub currency: Currency,
    /// What it is judged by, in minor units.
    pub amount_minor: i64,
    /// What is decided once it is approved.
    pub command: Act,
    pub reason: String,
    pub asked_by: String,
    pub asked_from: String,
    pub asked_at: Timestamp,
    pub expires_at: Timestamp,
    pub state: ApprovalState,
    /// Who approved or rejected it, and when.
    pub decided: Option<(String, Timestamp)>,
}

impl Approval {
    /// What the ledger is asked once it is approved.
    pub fn command(&self, at: Timestamp) -> Command {
        Command { party: self.party.clone(), at, correlation: None, act: self.command.clone() }
    }

    /// The numbers of the journal rows that are kept under its transfer's key: one at the most.
    pub fn rows(&self, conn: &mut AnyConnection) -> Result<Vec<i64>, StoreError> {
        lookups::kept_under(conn, &[self.command(self.asked_at).keyed().key])
    }

    fn row(&self) -> Result<ApprovalRow, StoreError> {
        let (decided_by, decided_at) = self.decided.clone().unwrap_or((String::new(), Timestamp(0)));
        Ok(ApprovalRow {
            id: bytes(self.id),
            party: self.party.to_string(),
            act: self.act.clone(),
            key: self.key.clone(),
            player: self.player.to_string(),
            currency: self.currency.to_string(),
            amount: self.amount_minor,
            command: serde_json::to_string(&self.command).map_err(|error| StoreError::Rejected(error.to_string()))?,
            reason: self.reason.clone(),
            asked_by: self.asked_by.clone(),
            asked_from: self.asked_from.clone(),
            asked_at: self.asked_at.0,
            expires_at: self.expires_at.0,
            state: self.state.as_str().to_owned(),
            decided_by,
            decided_at: decided_at.0,
        })
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = approvals)]
pub(super) struct ApprovalRow {
    id: Bytes,
    party: String,
    act: String,
    key: String,
    player: String,
    currency: String,
    amount: i64,
    command: String,
    reason: String,
    asked_by: String,
    asked_from: String,
    asked_at: i64,
    expires_at: i64,
    state: String,
    decided_by: String,
    decided_at: i64,
}

impl ApprovalRow {
    fn approval(self) -> Result<Approval, StoreError> {
        let id = uuid(&self.id)?;
        let wrong = |field: &str, error: String| damaged(&format!("approval {id}: {field}"), error);
        Ok(Approval {
            id,
            party: Party::parse(&self.party).map_err(|error| wrong("party", error.to_string()))?,
            act: self.act,
            key: self.key,
            player: PlayerId::recorded(&self.player).map_err(|error| wrong("player", error.to_string()))?,
            currency: Currency::parse(&self.currency).map_err(|error| wrong("currency", error.to_string()))?,
            amount_minor: self.amount,
            command: serde_json::from_str(&self.command).map_err(|error| wrong("command", error.to_string()))?,
            reason: self.reason,
            asked_by: self.asked_by,
            asked_from: self.asked_from,
            asked_at: Timestamp(self.asked_at),
            expires_at: Timestamp(self.expires_at),
            state: ApprovalState::parse(&self.state).ok_or_else(|| wrong("state", self.state.clone()))?,
            decided: Some((self.decided_by, Timestamp(self.decided_at))).filter(|(by, _)| !by.is_empty()),
        })
    }
}

/// Puts a new one in its place; to be called in turn.
pub fn insert(conn: &mut AnyConnection, approval: &Approval) -> Result<(), StoreError> {
    party_moves::refuse(conn, &approval.party)?;
    let insert = diesel::insert_into(approvals::table).values(approval.row()?);
    on!(conn, conn => insert.execute(conn)).map(drop).map_err(classify)
}

/// Writes down how far it has come; to be called in turn.
pub fn update(conn: &mut AnyConnection, approval: &Approval) -> Result<(), StoreError> {
    party_moves::refuse(conn, &approval.party)?;
    let row = approval.row()?;
    let update = diesel::update(approvals::table.find(row.id.clone())).set(row);
    on!(conn, conn => update.execute(conn)).map(drop).map_err(classify)
}

pub fn find(conn: &mut AnyConnection, id: Uuid) -> Result<Option<Approval>, StoreError> {
    let found = approvals::table.find(bytes(id));
    let found: Option<ApprovalRow> =
        on!(conn, conn => found.select(ApprovalRow::as_select()).first(conn)).optional().map_err(classify)?;
    found.map(ApprovalRow::approval).transpose()
}

/// The newest of those that whoever asked calls by this key.
pub fn of_key(conn: &mut AnyConnection, party: &Party, act: &str, key: &str) -> Result<Option<Approval>, StoreError> {
    let called = approvals::table.filter(approvals::party.eq(party.as_str()));
    let called = called.filter(approvals::act.eq(act)).filter(approvals::key.eq(key));
    let newest = called.order((approvals::asked_at.desc(), approvals::id.desc()));
    let newest: Option<ApprovalRow> =
        on!(conn, conn => newest.select(ApprovalRow::as_select()).first(conn)).optional().map_err(classify)?;
    newest.map(ApprovalRow::approval).transpose()
}

/// A page of them, oldest first, after one: all, or those that are not done and do not expire before `at`. Those of
/// parties that are `elsewhere` now are left out: they are decided on there.
pub fn page(
    conn: &mut AnyConnection,
    elsewhere: &[Party],
    open_at: Option<Timestamp>,
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<Approval>, StoreError> {
    let begun = match after {
        None => (i64::MIN, Bytes::new()),
        Some(id) => {
            let asked_at = approvals::table.find(bytes(id)).select(approvals::asked_at);
            let asked_at: Option<i64> = on!(conn, conn => asked_at.first(conn)).optional().map_err(classify)?;
            (asked_at.unwrap_or(i64::MAX), bytes(id))
        }
    };
    let open = [ApprovalState::Pending, ApprovalState::Approved];
    let states = if open_at.is_some() { open.as_slice() } else { ApprovalState::ALL.as_slice() };
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    let later = approvals::asked_at.gt(begun.0).or(approvals::asked_at.eq(begun.0).and(approvals::id.gt(begun.1)));
    // Where the index begins to be read.
    let meant = approvals::table.filter(approvals::asked_at.ge(begun.0));
    let meant = meant.filter(approvals::state.eq_any(states)).filter(later);
    let meant = meant.filter(approvals::expires_at.gt(open_at.map_or(i64::MIN, |at| at.0)));
    let meant = meant.filter(approvals::party.ne_all(elsewhere.iter().map(Party::as_str)));
    let page = meant.order((approvals::asked_at, approvals::id)).limit(most);
    let page: Vec<ApprovalRow> =
        on!(conn, conn => page.select(ApprovalRow::as_select()).load(conn)).map_err(classify)?;
    page.into_iter().map(ApprovalRow::approval).collect()
}

/// How many wait for somebody to decide.
pub fn pending(conn: &mut AnyConnection, at: Timestamp) -> Result<i64, StoreError> {
    let waiting = approvals::table.filter(approvals::state.eq(ApprovalState::Pending.as_str()));
    let counted = waiting.filter(approvals::expires_at.gt(at.0)).count();
    on!(conn, conn => counted.get_result(conn)).map_err(classify)
}
