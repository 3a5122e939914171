//! What waits for a second person, and what that one decides.

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

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
    let config = asked.viewing.config;
    let found = api.reader.ask(move |conn| approvals::list(conn, &config, all, after, most)).await?;
    Ok(AdminAnswer::List(Listing::new(&approvals::COLUMNS, &page, &found, |shown| shown.id.to_string())?))
}

pub(super) async fn approve(api: &Api, asked: &AdminRequest) -> Result<Reply, Problem> {
    let id = asked.approval()?;
    let moving = async |approval: &Approval| api.carry_out(asked, approval).await;
    let (approval, movement) = approvals::approve(&api.reader, &asked.actor, id, moving).await?;
    Ok(decided(api, &approval, movement))
}

pub(super) async fn reject(api: &Api, asked: &AdminRequest) -> Result<Reply, Problem> {
    let approval = approvals::reject(&api.reader, &asked.actor, asked.approval()?).await??;
    Ok(decided(api, &approval, Value::Null))
}

fn decided(api: &Api, approval: &Approval, movement: Value) -> Reply {
    let approval = approvals::shown(&api.config, approval, &[], clock::now());
    Reply::json(200, "200", &Decided { approval, movement })
}

impl Api {
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
