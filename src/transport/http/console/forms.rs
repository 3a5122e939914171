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
use crate::transport::http::admin::routes::{self, Call, Found, Parameters, Route};
use crate::transport::http::admin::{self, Caller};

/// A form that did nothing, with what was typed.
pub struct Failed {
    /// The last segment of where it went.
    pub act: &'static str,
    pub party: String,
    pub target: String,
    pub why: String,
    form: Vec<(String, String)>,
}

impl Failed {
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
            Found::Route(route, parameters) => (route, parameters),
            Found::Methods(_) | Found::Nothing => {
                let is_page = matches!(super::pages::find(parts.uri.path()), super::pages::Found::Page(..));
                let problem = if is_page {
                    Problem::method_not_allowed(&["GET"])
                } else {
                    Problem::not_found("there is no such form")
                };
                return Err(problem);
            }
        };
        *operation = route.operation;
        let form = read(parts, body).await?;
        let call = Caller {
            operator: visitor.operator.clone(),
            address: visitor.address,
            correlation: Arc::clone(&visitor.correlation),
        };
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
    fn done(&self, route: &Route, parameters: &Parameters, visitor: &Visitor, reply: &Reply) -> Reply {
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
        (route, parameters): (&Route, Parameters),
        form: Vec<(String, String)>,
        problem: Problem,
    ) -> Result<Reply, Problem> {
        let is_told_there = matches!(problem.status, 400 | 404 | 409 | 503);
        let failed = Failed {
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
            Call::Deposit | Call::Withdraw => player::show(self, asked, Some(&failed)).await,
            Call::AddPlayer => new_player::show(asked, Some(&failed)),
            Call::ApproveVoid | Call::DismissVoid => voids::show(self, asked, Some(&failed)).await,
            Call::Approve | Call::Reject => approvals::show_one(self, asked, Some(&failed)).await,
            Call::MakePlan => dead::show(self, asked, Some(&failed)).await,
            Call::RunPlan => plan::show(self, asked, Some(&failed)),
            Call::StartAudit => audit::show(self, asked, Some(&failed)).await,
            Call::Search
            | Call::Parties
            | Call::Player
            | Call::History
            | Call::Order
            | Call::Transaction
            | Call::Entry
            | Call::Voids
            | Call::Approvals
            | Call::Audit
            | Call::DeadLetters
            | Call::DeadGroups
            | Call::Plan
            | Call::Trail
            | Call::Live => return Err(problem),
        };
        // Where the page cannot be shown either, what stood in the form's way is the better answer.
        html.map(|html| frame::page(problem.status, html)).map_err(|_| problem)
    }
}

/// What an act wants, out of what a form says. From a page, an answer to a void has a reason.
fn object(route: &Route, form: &[(String, String)]) -> Result<Value, Problem> {
    if matches!(route.call, Call::ApproveVoid | Call::DismissVoid) && value(form, "reason").trim().is_empty() {
        return Err(Problem::bad_request("say why: the reason is kept in the trail"));
    }
    // A field that nothing was typed into is one that a script would leave out.
    let is_optional = |name: &str| match route.call {
        Call::AddPlayer => name != "player",
        Call::MakePlan => name != "act",
        _ => false,
    };
    let mut object = Map::new();
    for (name, value) in form.iter().map(|(name, value)| (name, value.trim())) {
        if value.is_empty() && is_optional(name) {
            continue;
        }
        if object.insert(name.clone(), value.into()).is_some() {
            return Err(Problem::bad_request("the form names something twice"));
        }
    }
    if route.call == Call::MakePlan {
        let act = object.remove("act").unwrap_or_default();
        return Ok(json!({ "act": act, "filter": object }));
    }
    Ok(Value::Object(object))
}

/// From where a form was sent to the page that shows what it did.
fn way_back(call: Call, parameters: &Parameters, reply: &Value) -> String {
    match call {
        Call::ApproveVoid | Call::DismissVoid => format!("../../../../voids?party={}", parameters.get("party")),
        Call::AddPlayer => format!("players/{}", encoded(reply["player"].as_str().unwrap_or_default())),
        Call::MakePlan => format!("plans/{}", reply["id"].as_str().unwrap_or_default()),
        Call::RunPlan => format!("../{}", parameters.get("plan")),
        Call::Approve | Call::Reject => format!("../{}", parameters.get("approval")),
        Call::StartAudit => "audit".to_owned(),
        // `…/players/{id}/deposits` goes back to `…/players/{id}`.
        _ => format!("../{}", encoded(parameters.get("player"))),
    }
}

/// What was done, for whoever did it; `None` where the page itself says it.
fn said(call: Call, parameters: &Parameters, status: u16, reply: &Value) -> Option<Notice> {
    let text = |name: &str| reply[name].as_str().unwrap_or_default();
    let number = parameters.get("number");
    Some(match call {
        Call::MakePlan | Call::RunPlan | Call::StartAudit => return None,
        // Accepted, and not done.
        Call::Deposit | Call::Withdraw | Call::ApproveVoid if status == 202 => waits(text("id")),
        Call::Deposit => Notice::of(format!("Deposited {}", moved(reply))),
        Call::Withdraw => Notice::of(format!("Withdrew {}", moved(reply))),
        Call::AddPlayer if status == 200 => Notice::of("There was this player already, just so."),
        Call::AddPlayer => Notice::of(format!("Added player {}.", text("player"))),
        Call::ApproveVoid => {
            Notice::of(format!("Approved the void of transaction {number}: what it moved was moved back."))
        }
        Call::DismissVoid => Notice::of(format!("Dismissed the void of transaction {number}: nothing was moved.")),
        Call::Approve => Notice::of(approved(text("act"), &reply["movement"])),
        Call::Reject => Notice::of("Rejected: nothing is moved."),
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
