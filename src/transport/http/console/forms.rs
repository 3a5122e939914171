//! What the pages' forms do: the acts of `/admin/v1`, called by the same paths.

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::sessions::Notice;
use super::{Console, PATH, Visitor, approvals, audit, dead, frame, new_player, plan, player, see, voids};
use crate::admin::search::encoded;
use crate::dialects::http::Reply;
use crate::transport::http::admin::problem::Problem;
use crate::transport::http::admin::routes::{self, AdminCall, AdminRoute, FoundRoute, PathParameters};
use crate::transport::http::admin::{self, Caller};

/// A form that did nothing, with what was typed.
pub struct FailedForm {
    /// The last segment of where it went.
    pub act: &'static str,
    pub party: String,
    pub target: String,
    pub why: String,
    form: Vec<(String, String)>,
}

impl FailedForm {
    pub fn value(&self, name: &str) -> &str {
        value(&self.form, name)
    }
}

/// A form's pairs.
pub async fn read(parts: &Parts, body: Body) -> Result<Vec<(String, String)>, Problem> {
    let body = admin::read(parts, body, "application/x-www-form-urlencoded").await?;
    Ok(form_urlencoded::parse(&body).into_owned().collect())
}

/// What a form says; empty where it says nothing.
pub fn value<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}

impl Console {
    pub(super) async fn change(
        self: &Arc<Self>,
        parts: &Parts,
        body: Body,
        visitor: &Visitor,
        operation: &mut &'static str,
    ) -> Result<Reply, Problem> {
        let below = parts.uri.path().strip_prefix(PATH).unwrap_or_default();
        if parts.method == "POST" && below == "/sign-out" {
            *operation = "sign out";
            return Ok(self.sign_out(parts, visitor.session.as_ref()));
        }
        let (route, parameters) = match routes::find(parts.method.as_str(), &format!("{}{below}", routes::PATH)) {
            FoundRoute::Route(route, parameters) => (route, parameters),
            FoundRoute::Methods(_) | FoundRoute::Nothing => {
                let is_page = matches!(super::pages::find(parts.uri.path()), super::pages::FoundPage::Page(..));
                let problem = if is_page {
                    Problem::method_not_allowed(&["GET"])
                } else {
                    Problem::not_found("there is no such form")
                };
                return Err(problem);
            }
        };
        *operation = route.operation;
        let call = Caller {
            operator: visitor.operator.clone(),
            address: visitor.address,
            correlation: Arc::clone(&visitor.correlation),
        };
        // Before anything is read of the form: whoever may not send it sees neither what is wrong with it nor its page.
        self.api.check_caller(&call, route, &parameters).await?;
        let form = read(parts, body).await?;
        let asked = match object(route, &form) {
            Ok(asked) => self.api.take_for(call, route, parameters.clone(), &asked).await,
            Err(problem) => Err(problem),
        };
        match asked {
            Ok(reply) => Ok(self.done(route, &parameters, visitor, &reply)),
            Err(problem) => self.failed(parts, visitor, (route, parameters), form, problem).await,
        }
    }

    /// Leads back to where the form was, which then says what it did.
    fn done(&self, route: &AdminRoute, parameters: &PathParameters, visitor: &Visitor, reply: &Reply) -> Reply {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let notice = said(route.call, parameters, reply.status, &body);
        if let (Some(session), Some(notice)) = (&visitor.session, notice) {
            self.sessions.say(session, notice);
        }
        see(way_back(route.call, parameters, &body))
    }

    /// The page that the form was on, with what was typed and why that did nothing.
    async fn failed(
        self: &Arc<Self>,
        parts: &Parts,
        visitor: &Visitor,
        (route, parameters): (&AdminRoute, PathParameters),
        form: Vec<(String, String)>,
        problem: Problem,
    ) -> Result<Reply, Problem> {
        let is_told_there = matches!(problem.status, 400 | 404 | 409 | 503);
        let failed = FailedForm {
            act: route.path.rsplit('/').next().unwrap_or_default(),
            party: parameters.get("party").to_owned(),
            target: parameters.target(),
            why: problem.detail.clone(),
            form,
        };
        let asked = self.asked(parts, visitor, parameters);
        if !is_told_there {
            return Err(problem);
        }
        let html = match route.call {
            AdminCall::Deposit | AdminCall::Withdraw => player::show(self, asked, Some(&failed)).await,
            AdminCall::AddPlayer => new_player::show(asked, Some(&failed)),
            AdminCall::ApproveVoid | AdminCall::DismissVoid => voids::show(self, asked, Some(&failed)).await,
            AdminCall::Approve | AdminCall::Reject => approvals::show_one(self, asked, Some(&failed)).await,
            AdminCall::MakePlan => dead::show(self, asked, Some(&failed)).await,
            AdminCall::RunPlan => plan::show(self, asked, Some(&failed)),
            AdminCall::StartAudit => audit::show(self, asked, Some(&failed)).await,
            AdminCall::Search
            | AdminCall::Parties
            | AdminCall::Player
            | AdminCall::History
            | AdminCall::Order
            | AdminCall::Transaction
            | AdminCall::Entry
            | AdminCall::Voids
            | AdminCall::Approvals
            | AdminCall::Audit
            | AdminCall::DeadLetters
            | AdminCall::DeadGroups
            | AdminCall::Plan
            | AdminCall::Trail
            | AdminCall::Live => return Err(problem),
        };
        // Where the page cannot be shown either, what stood in the form's way is the better answer.
        html.map(|html| frame::page(problem.status, html)).map_err(|_| problem)
    }
}

/// What an act wants, out of what a form says. From a page, an answer to a void has a reason.
fn object(route: &AdminRoute, form: &[(String, String)]) -> Result<Value, Problem> {
    if matches!(route.call, AdminCall::ApproveVoid | AdminCall::DismissVoid) && value(form, "reason").trim().is_empty()
    {
        return Err(Problem::bad_request("say why: the reason is kept in the trail"));
    }
    // A field that nothing was typed into is one that a script would leave out.
    let is_optional = |name: &str| match route.call {
        AdminCall::AddPlayer => name != "player",
        AdminCall::MakePlan => name != "act",
        _ => false,
    };
    let mut object = Map::new();
    for (name, value) in form {
        // A filter is compared to the letter, blanks included: without them it might name no letter, or all.
        let value = if route.call == AdminCall::MakePlan { value.as_str() } else { value.trim() };
        if value.is_empty() && is_optional(name) {
            continue;
        }
        if object.insert(name.clone(), value.into()).is_some() {
            return Err(Problem::bad_request("the form names something twice"));
        }
    }
    if route.call == AdminCall::MakePlan {
        let act = object.remove("act").unwrap_or_default();
        return Ok(json!({ "act": act, "filter": object }));
    }
    Ok(Value::Object(object))
}

/// From where a form was sent to the page that shows what it did.
fn way_back(call: AdminCall, parameters: &PathParameters, reply: &Value) -> String {
    match call {
        AdminCall::ApproveVoid | AdminCall::DismissVoid => {
            format!("../../../../voids?party={}", parameters.get("party"))
        }
        AdminCall::AddPlayer => format!("players/{}", encoded(reply["player"].as_str().unwrap_or_default())),
        AdminCall::MakePlan => format!("plans/{}", reply["id"].as_str().unwrap_or_default()),
        AdminCall::RunPlan => format!("../{}", parameters.get("plan")),
        AdminCall::Approve | AdminCall::Reject => format!("../{}", parameters.get("approval")),
        AdminCall::StartAudit => "audit".to_owned(),
        // `…/players/{id}/deposits` goes back to `…/players/{id}`.
        _ => format!("../{}", encoded(parameters.get("player"))),
    }
}

/// What was done, for whoever did it; `None` where the page itself says it.
fn said(call: AdminCall, parameters: &PathParameters, status: u16, reply: &Value) -> Option<Notice> {
    let text = |name: &str| reply[name].as_str().unwrap_or_default();
    let number = parameters.get("number");
    Some(match call {
        AdminCall::MakePlan | AdminCall::RunPlan | AdminCall::StartAudit => return None,
        // Accepted, and not done.
        AdminCall::Deposit | AdminCall::Withdraw | AdminCall::ApproveVoid if status == 202 => waits(text("id")),
        AdminCall::Deposit => Notice::of(format!("Deposited {}", moved(reply))),
        AdminCall::Withdraw => Notice::of(format!("Withdrew {}", moved(reply))),
        AdminCall::AddPlayer if status == 200 => Notice::of("There was this player already, just so."),
        AdminCall::AddPlayer => Notice::of(format!("Added player {}.", text("player"))),
        AdminCall::ApproveVoid => {
            Notice::of(format!("Approved the void of transaction {number}: what it moved was moved back."))
        }
        AdminCall::DismissVoid => Notice::of(format!("Dismissed the void of transaction {number}: nothing was moved.")),
        AdminCall::Approve => Notice::of(approved(text("act"), &reply["movement"])),
        AdminCall::Reject => Notice::of("Rejected: nothing is moved."),
        _ => Notice::of("Done."),
    })
}

/// What has to wait for a second person. Whoever may move money may see what became of their own request.
fn waits(approval: &str) -> Notice {
    let notice = Notice::of("Nothing was moved yet: it waits for a second person.");
    notice.with_link(format!("approvals/{approval}"), format!("Approval {approval}"))
}

fn approved(act: &str, movement: &Value) -> String {
    match act {
        "deposit" => format!("Approved: deposited {}", moved(movement)),
        "withdraw" => format!("Approved: withdrew {}", moved(movement)),
        _ => "Approved: what the transaction moved was moved back.".to_owned(),
    }
}

fn moved(reply: &Value) -> String {
    let text = |name: &str| reply[name].as_str().unwrap_or_default();
    let (amount, currency, bucket, balance) = (text("amount"), text("currency"), text("bucket"), text("balance"));
    format!("{amount} {currency} ({bucket}). The balance was {balance} {currency} right after it.")
}
