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
use crate::ledger::{AccountAct, LedgerName, TransactionAct};
use crate::storage::queries::AnyConnection;

/// An approval with what it moved.
#[derive(Serialize)]
struct Decided {
    #[serde(flatten)]
    approval: ApprovalShown,
    transfer: Value,
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
    let listed = api.approvals(all, after, most).await?;
    let listing = Listing::new(&approvals::COLUMNS, &page, &listed.found, |shown| shown.id.to_string())?;
    Ok(AdminAnswer::List(listing.without(&listed.away)))
}

pub(super) async fn approve(api: &Api, asked: &AdminRequest) -> Result<Reply, Problem> {
    let id = asked.approval()?;
    let moving = async |approval: &Approval| api.carry_out(asked, approval).await;
    let ledger = api.ledger_of_approval(id).await?;
    let (approval, transfer) = approvals::approve(&ledger.reader, &asked.actor, id, moving).await?;
    Ok(decided(api, &approval, transfer))
}

pub(super) async fn reject(api: &Api, asked: &AdminRequest) -> Result<Reply, Problem> {
    let id = asked.approval()?;
    let ledger = api.ledger_of_approval(id).await?;
    let approval = approvals::reject(&ledger.reader, &asked.actor, id).await??;
    Ok(decided(api, &approval, Value::Null))
}

fn decided(api: &Api, approval: &Approval, transfer: Value) -> Reply {
    let approval = approvals::shown(&api.config, approval, &[], clock::now());
    Reply::json(200, "200", &Decided { approval, transfer })
}

/// A page of approvals.
#[derive(Default)]
pub(in crate::transport::http) struct ApprovalsFound {
    pub found: Vec<ApprovalShown>,
    /// Ledgers that could not be looked at.
    pub away: Vec<LedgerName>,
}

impl Api {
    /// A page of all ledgers', one ledger's behind another's.
    pub(in crate::transport::http) async fn approvals(
        &self,
        all: bool,
        after: Option<Uuid>,
        most: i64,
    ) -> Result<ApprovalsFound, Problem> {
        let begins_in = match after {
            None => None,
            Some(id) => match self.with_approval(id).await? {
                Some(ledger) => Some(ledger.name.clone()),
                // There is none of that id: nothing comes after it.
                None => return Ok(ApprovalsFound::default()),
            },
        };
        let listing = |ledger: &OperatedLedger| {
            let (config, name) = (Arc::clone(&self.config), ledger.name.clone());
            let is_passed = begins_in.as_ref().is_some_and(|first| name < *first);
            let after = after.filter(|_| begins_in.as_ref() == Some(&name));
            move |conn: &mut AnyConnection| {
                if is_passed { Ok(Vec::new()) } else { approvals::list(conn, &config, &name, all, after, most) }
            }
        };
        let listed = self.ledgers.ask_each(listing).await?;
        let found = listed.answers.into_iter().flat_map(|(_, page)| page);
        let found = found.take(usize::try_from(most).unwrap_or(usize::MAX)).collect();
        Ok(ApprovalsFound { found, away: listed.away })
    }

    /// The ledger whose approval it is; where there is no such one, any says so.
    pub(in crate::transport::http) async fn ledger_of_approval(&self, id: Uuid) -> Result<&OperatedLedger, Problem> {
        Ok(self.with_approval(id).await?.unwrap_or(self.ledgers.first()))
    }

    /// What a party left behind that has moved is decided on where it is now.
    async fn with_approval(&self, id: Uuid) -> Result<Option<&OperatedLedger>, Problem> {
        let finding = |_: &OperatedLedger| {
            let config = Arc::clone(&self.config);
            move |conn: &mut AnyConnection| approvals::find(conn, &config, id)
        };
        let found = self.ledgers.ask_each(finding).await?;
        let found = found.first(|ledger, shown| self.ledgers.is_of(ledger, shown.party.as_str()))?;
        Ok(found.map(|(ledger, _)| ledger))
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
        let transfer = cash::of(approval.command.clone()).ok_or(Failure::Fault)?;
        let (answer, outcome) = self.move_cash(asked, party, direction, &transfer).await?;
        Ok((serde_json::to_value(answer).map_err(|_| Failure::Fault)?, outcome))
    }
}

impl From<Denial> for Problem {
    fn from(denial: Denial) -> Self {
        let detail = denial.to_string();
        match denial {
            Denial::Unknown => Self::not_found(detail),
            Denial::OwnRequest(_) | Denial::Nameless(_) | Denial::AskedByNameless(_) => Self::forbidden(detail),
            Denial::Conflict(_) => Self::refused(crate::admin::refusals::RefusalKind::Conflict, detail),
        }
    }
}
