//! Transfers by hand that wait for a second person: the list, and one of them with the forms that decide on it.

use askama::Template;
use uuid::Uuid;

use super::Console;
use super::forms::FailedForm;
use super::frame::Frame;
use super::pages::PageRequest;
use crate::admin::approvals::{self, ApprovalShown};
use crate::admin::search;
use crate::config::Role;
use crate::transport::http::admin::listing::ListPage;
use crate::transport::http::admin::problem::Problem;

struct Line {
    approval: ApprovalShown,
    /// The player's page.
    player: String,
}

#[derive(Template)]
#[template(path = "console/approvals.html")]
struct ApprovalsPage {
    frame: Frame,
    all: bool,
    lines: Vec<Line>,
    is_first: bool,
    next: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "console/approval.html")]
struct ApprovalPage {
    frame: Frame,
    approval: ApprovalShown,
    player: String,
    /// Whether its reader has asked for it, and so does not decide.
    is_own: bool,
    may_approve: bool,
    may_reject: bool,
    /// Why the last form did nothing.
    error: Option<String>,
}

pub async fn show(console: &Console, mut asked: PageRequest) -> Result<String, Problem> {
    let page = ListPage::read(&asked.query)?;
    let after = page.after.as_deref().map(Uuid::try_parse).transpose();
    let after = after.map_err(|_| Problem::bad_request("after must be what the page before says"))?;
    let (all, most) = (asked.value("all") == "true", page.one_more());
    let listed = console.api.approvals(all, after, most).await?;
    asked.frame.away = listed.away;
    let mut found = listed.found;
    let next = (found.len() > page.limit).then(|| found[page.limit - 1].id);
    found.truncate(page.limit);
    let lines = found.into_iter().map(|approval| Line { player: player(&approval), approval }).collect();
    Ok(ApprovalsPage { frame: asked.frame, all, lines, is_first: after.is_none(), next }.render()?)
}

/// The page of one, with the form that did nothing where there is one. Below the role that decides it is for whoever asked.
pub async fn show_one(console: &Console, asked: PageRequest, failed: Option<&FailedForm>) -> Result<String, Problem> {
    let id = Uuid::try_parse(asked.parameters.get("approval"));
    let id = id.map_err(|_| Problem::bad_request("an approval is named by a UUID"))?;
    let (config, role) = (asked.viewing.config, asked.viewing.role);
    let ledger = console.api.ledger_of_approval(id).await?;
    let found = ledger.reader.ask(move |conn| approvals::find(conn, &config, id)).await?;
    let is_own = |found: &ApprovalShown| approvals::is_same_person(&found.asked_by, &asked.frame.operator.name);
    let is_own = found.as_ref().is_some_and(is_own);
    if !is_own && role < Role::Approver {
        return Err(Problem::role_too_low(role, Role::Approver));
    }
    let approval = found.ok_or_else(|| Problem::not_found("there is no such approval"))?;
    let may_decide = role >= Role::Approver && !is_own;
    let page = ApprovalPage {
        player: player(&approval),
        is_own,
        may_approve: may_decide && matches!(approval.state, "pending" | "approved"),
        may_reject: may_decide && approval.state == "pending",
        approval,
        error: failed.map(|failed| failed.why.clone()),
        frame: asked.frame,
    };
    Ok(page.render()?)
}

fn player(approval: &ApprovalShown) -> String {
    format!("parties/{}/players/{}", approval.party, search::encoded(approval.player.as_str()))
}
