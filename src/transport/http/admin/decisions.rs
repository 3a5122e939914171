//! What waits for a second person, and what that one decides.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ledgers::OperatedLedger;
use super::listing::{ListPage, Listing};
use super::problem::Problem;
use super::{AdminAnswer, AdminRequest, Api};
use crate::admin::approvals::{self, Approval, ApprovalShown, Denial};
use crate::admin::cash::{self, Direction};
use crate::admin::shown::Exact;
use crate::clock;
use crate::dialects::http::{Failure, Reply};
use crate::ledger::command::Act;
use crate::ledger::{AccountAct, TransactionAct};
use crate::storage::StoreError;

/// An approval with what it moved.
#[derive(Serialize)]
struct Decided {
    #[serde(flatten)]
    approval: ApprovalShown,
    movement: Value,
}

impl AdminRequest {
    /// The approval in the path.
    fn approval(&self) -> Result<Uuid, Problem> {
        let id = Uuid::try_parse(self.parameters.get("approval"));
        id.map_err(|_| Problem::bad_request("an approval is named by a UUID"))
    }
}

pub(super) async fn list(api: &Api, asked: AdminRequest) -> Result<AdminAnswer, Problem> {
    let page = ListPage::read(&asked.query)?;
    let after = page.after.as_deref().map(Uuid::try_parse).transpose();
    let after = after.map_err(|_| Problem::bad_request("after must be what `next` of the page before says"))?;
    let (all, most) = (asked.all()?, page.one_more());
    let found = api.approvals(all, after, most).await?;
    Ok(AdminAnswer::List(Listing::new(&approvals::COLUMNS, &page, &found, |shown| shown.id.to_string())?))
}

pub(super) async fn approve(api: &Api, asked: &AdminRequest) -> Result<Reply, Problem> {
    let id = asked.approval()?;
    let moving = async |approval: &Approval| api.carry_out(asked, approval).await;
    let ledger = api.ledger_of_approval(id).await?;
    let (approval, movement) = approvals::approve(&ledger.reader, &asked.actor, id, moving).await?;
    Ok(decided(api, &approval, movement))
}

pub(super) async fn reject(api: &Api, asked: &AdminRequest) -> Result<Reply, Problem> {
    let id = asked.approval()?;
    let ledger = api.ledger_of_approval(id).await?;
    let approval = approvals::reject(&ledger.reader, &asked.actor, id).await??;
    Ok(decided(api, &approval, Value::Null))
}

fn decided(api: &Api, approval: &Approval, movement: Value) -> Reply {
    let approval = approvals::shown(&api.config, approval, &[], clock::now());
    Reply::json(200, "200", &Decided { approval, movement })
}

impl Api {
    /// A page of all ledgers', one ledger's behind another's.
    pub(in crate::transport::http) async fn approvals(
        &self,
        all: bool,
        after: Option<Uuid>,
        most: i64,
    ) -> Result<Vec<ApprovalShown>, StoreError> {
        let (mut found, mut after) = (Vec::new(), after);
        for ledger in self.ledgers.iter() {
            if let Some(id) = after
                && self.ledgers.are_several()
                && !self.has_approval(ledger, id).await?
            {
                continue;
            }
            let (config, start) = (Arc::clone(&self.config), after.take());
            let left = most.saturating_sub(i64::try_from(found.len()).unwrap_or(i64::MAX));
            let page = ledger.reader.ask(move |conn| approvals::list(conn, &config, all, start, left)).await?;
            found.extend(page.into_iter().filter(|shown| self.ledgers.is_of(ledger, shown.party.as_str())));
        }
        Ok(found)
    }

    /// The ledger whose approval it is; where there is no such one, any says so.
    pub(in crate::transport::http) async fn ledger_of_approval(&self, id: Uuid) -> Result<&OperatedLedger, StoreError> {
        let mut away = None;
        for ledger in self.ledgers.iter() {
            match self.has_approval(ledger, id).await {
                Ok(true) => return Ok(ledger),
                Ok(false) => {}
                Err(error) => away = Some(error),
            }
        }
        away.map_or_else(|| Ok(self.ledgers.first()), Err)
    }

    async fn has_approval(&self, ledger: &OperatedLedger, id: Uuid) -> Result<bool, StoreError> {
        let config = Arc::clone(&self.config);
        let found = ledger.reader.ask(move |conn| approvals::find(conn, &config, id)).await?;
        // What a party left behind that has moved is decided on where it is now.
        Ok(found.is_some_and(|shown| self.ledgers.is_of(ledger, shown.party.as_str())))
    }

    /// Moves what was approved, and tells the answer with the words for the trail.
    async fn carry_out(&self, asked: &AdminRequest, approval: &Approval) -> Result<(Value, String), Problem> {
        let party = &approval.party;
        let direction = match &approval.command {
            Act::Account(AccountAct::Deposit(_)) => Direction::Deposit,
            Act::Account(AccountAct::Withdraw(_)) => Direction::Withdraw,
            Act::Transaction(TransactionAct::ResolveVoid(resolve)) => {
                let act = approval.command.clone();
                let (transaction, outcome) = self.resolve(asked, party, act, approval.currency).await?;
                let (number, transaction) = (Exact(resolve.source), transaction.map(Exact));
                return Ok((json!({ "number": number, "state": "approved", "transaction": transaction }), outcome));
            }
            Act::Account(AccountAct::OpenPlayer(_))
            | Act::Transaction(TransactionAct::Adjust(_) | TransactionAct::QueueVoid(_))
            | Act::Order(_)
            | Act::Shop(_) => return Err(Failure::Fault.into()),
        };
        let movement = cash::of(approval.command.clone()).ok_or(Failure::Fault)?;
        let (answer, outcome) = self.move_cash(asked, party, direction, &movement).await?;
        Ok((serde_json::to_value(answer).map_err(|_| Failure::Fault)?, outcome))
    }
}

impl From<Denial> for Problem {
    fn from(denial: Denial) -> Self {
        let detail = denial.to_string();
        match denial {
            Denial::Unknown => Self::not_found(detail),
            Denial::OwnRequest(_) => Self::forbidden(detail),
            Denial::Conflict(_) => Self::refused(crate::admin::refusals::RefusalKind::Conflict, detail),
        }
    }
}
