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
use crate::transport::http::admin::routes::{self, AdminAct, AdminCall, FoundRoute, PathParameters};
use crate::transport::http::admin::{self, Caller, FoundAct, RequestLog};

/// The field of every form that says to whom its page was shown.
const SHOWN_TO: &str = "shown_to";

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

    /// Of a name that may be there several times.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.form.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
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

/// A form without what says to whom its page was shown. Whoever signs in from another tab takes that one's place there, too, and is not to
/// do what the other one had filled in. A script says nothing of it.
fn of_its_reader(form: Vec<(String, String)>, reader: &str) -> Result<Vec<(String, String)>, Problem> {
    let (shown_to, form): (Vec<_>, Vec<_>) = form.into_iter().partition(|(name, _)| name == SHOWN_TO);
    match shown_to.iter().find(|(_, name)| name != reader) {
        Some((_, name)) => Err(Problem::page_of_another(name, reader)),
        None => Ok(form),
    }
}

/// The act that a form was sent to, which has the same path.
fn find(parts: &Parts, below: &str) -> Result<FoundAct, Problem> {
    if let FoundRoute::Route(route, parameters) =
        routes::find(parts.method.as_str(), &format!("{}{below}", routes::PATH))
        && let AdminCall::Act(act) = route.call
    {
        return Ok(FoundAct { act, route, parameters, ledger: admin::named_ledger(parts) });
    }
    let is_page = matches!(super::pages::find(parts.uri.path()), super::pages::FoundPage::Page(..));
    Err(if is_page { Problem::method_not_allowed(&["GET"]) } else { Problem::not_found("there is no such form") })
}

impl Console {
    pub(super) async fn change(
        self: &Arc<Self>,
        parts: &Parts,
        body: Body,
        visitor: &Visitor,
        log: &mut RequestLog,
    ) -> Result<Reply, Problem> {
        let below = parts.uri.path().strip_prefix(PATH).unwrap_or_default();
        if parts.method == "POST" && below == "/sign-out" {
            log.found("sign out", format!("{PATH}/sign-out"));
            return self.sign_out(parts, visitor.session.as_ref()).await;
        }
        let sent = find(parts, below)?;
        log.found(sent.route.operation, format!("{PATH}{}", sent.route.path));
        let call = Caller {
            operator: visitor.operator.clone(),
            address: visitor.address,
            correlation: Arc::clone(&visitor.correlation),
        };
        // Before anything is read of the form: whoever may not send it sees neither what is wrong with it nor its page.
        self.api.check_caller(&call, &sent).await?;
        let form = of_its_reader(read(parts, body).await?, &visitor.operator.name)?;
        let asked = match object(sent.act, &form) {
            Ok(asked) => self.api.act_for(call, sent.clone(), &asked).await,
            Err(problem) => Err(problem),
        };
        match asked {
            Ok(reply) => Ok(self.done(&sent, visitor, &reply).await),
            Err(problem) => self.failed(parts, visitor, sent, form, problem).await,
        }
    }

    /// Leads back to where the form was, which then says what it did.
    async fn done(&self, sent: &FoundAct, visitor: &Visitor, reply: &Reply) -> Reply {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let notice = said(sent.act, &sent.parameters, reply.status, &body);
        if let (Some(session), Some(notice)) = (&visitor.session, notice) {
            self.sessions.say(session, &notice).await;
        }
        see(way_back(sent, &body))
    }

    /// The page that the form was on, with what was typed and why that did nothing.
    async fn failed(
        self: &Arc<Self>,
        parts: &Parts,
        visitor: &Visitor,
        sent: FoundAct,
        form: Vec<(String, String)>,
        problem: Problem,
    ) -> Result<Reply, Problem> {
        let FoundAct { act, route, parameters, .. } = sent;
        let is_told_there = matches!(problem.status, 400 | 404 | 409 | 503);
        if !is_told_there {
            return Err(problem);
        }
        let failed = FailedForm {
            act: route.path.rsplit('/').next().unwrap_or_default(),
            party: parameters.get("party").to_owned(),
            target: parameters.target(),
            why: problem.detail.clone(),
            form,
        };
        let asked = self.asked(parts, visitor, parameters)?;
        let html = match act {
            AdminAct::Deposit | AdminAct::Withdraw => player::show(asked, Some(&failed)).await,
            AdminAct::AddPlayer => new_player::show(asked, Some(&failed)),
            AdminAct::ApproveVoid | AdminAct::DismissVoid => voids::show(self, asked, Some(&failed)).await,
            AdminAct::Approve | AdminAct::Reject => approvals::show_one(self, asked, Some(&failed)).await,
            AdminAct::MakePlan => dead::show(self, asked, Some(&failed)).await,
            AdminAct::RunPlan => plan::show(self, asked, Some(&failed)).await,
            AdminAct::StartAudit => audit::show(asked, Some(&failed)).await,
        };
        // Where the page cannot be shown either, what stood in the form's way is the better answer.
        html.map(|html| frame::page(problem.status, html)).map_err(|_| problem)
    }
}

/// What an act wants, out of what a form says. From a page, an answer to a void has a reason.
fn object(act: AdminAct, form: &[(String, String)]) -> Result<Value, Problem> {
    if matches!(act, AdminAct::ApproveVoid | AdminAct::DismissVoid) && value(form, "reason").trim().is_empty() {
        return Err(Problem::bad_request("say why: the reason is kept in the trail"));
    }
    if act == AdminAct::MakePlan {
        return planned(form);
    }
    // A field that nothing was typed into is one that a script would leave out.
    let is_optional = |name: &str| act == AdminAct::AddPlayer && name != "player";
    let fields = form.iter().map(|(name, value)| (name.as_str(), value.trim()));
    once_each(fields.filter(|(name, value)| !(value.is_empty() && is_optional(name)))).map(Value::Object)
}

/// A plan. A filter is compared to the letter, blanks included: without them it might name no letter, or all. A field that
/// is left empty fits everything, so `none` names those that shall be empty.
fn planned(form: &[(String, String)]) -> Result<Value, Problem> {
    let fields = form.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let (without, fields): (Vec<_>, Vec<_>) = fields.partition(|(name, _)| *name == "none");
    let typed = fields.into_iter().filter(|(name, value)| *name == "act" || !value.is_empty());
    let mut filter = once_each(typed.chain(without.into_iter().map(|(_, name)| (name, ""))))?;
    let act = filter.remove("act").unwrap_or_default();
    Ok(json!({ "act": act, "filter": filter }))
}

fn once_each<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Map<String, Value>, Problem> {
    let mut object = Map::new();
    for (name, value) in fields {
        if object.insert(name.to_owned(), value.into()).is_some() {
            return Err(Problem::bad_request(format!("the form says twice what {name} is")));
        }
    }
    Ok(object)
}

/// From where a form was sent to the page that shows what it did.
fn way_back(sent: &FoundAct, reply: &Value) -> String {
    let parameters = &sent.parameters;
    match sent.act {
        AdminAct::ApproveVoid | AdminAct::DismissVoid => {
            format!("../../../../voids?party={}", parameters.get("party"))
        }
        AdminAct::AddPlayer => format!("players/{}", encoded(reply["player"].as_str().unwrap_or_default())),
        AdminAct::MakePlan => format!("plans/{}", reply["id"].as_str().unwrap_or_default()),
        AdminAct::RunPlan => format!("../{}", parameters.get("plan")),
        AdminAct::Approve | AdminAct::Reject => format!("../{}", parameters.get("approval")),
        AdminAct::StartAudit => match &sent.ledger {
            Some(ledger) => format!("audit?ledger={}", encoded(ledger)),
            None => "audit".to_owned(),
        },
        // `…/players/{id}/deposits` goes back to `…/players/{id}`.
        AdminAct::Deposit | AdminAct::Withdraw => format!("../{}", encoded(parameters.get("player"))),
    }
}

/// What was done, for whoever did it; `None` where the page itself says it.
fn said(act: AdminAct, parameters: &PathParameters, status: u16, reply: &Value) -> Option<Notice> {
    let text = |name: &str| reply[name].as_str().unwrap_or_default();
    let number = parameters.get("number");
    Some(match act {
        AdminAct::MakePlan | AdminAct::RunPlan | AdminAct::StartAudit => return None,
        // Accepted, and not done.
        AdminAct::Deposit | AdminAct::Withdraw | AdminAct::ApproveVoid if status == 202 => waits(text("id")),
        AdminAct::Deposit => Notice::of(format!("Deposited {}", moved(reply))),
        AdminAct::Withdraw => Notice::of(format!("Withdrew {}", moved(reply))),
        AdminAct::AddPlayer if status == 200 => Notice::of("There was this player already, just so."),
        AdminAct::AddPlayer => Notice::of(format!("Added player {}.", text("player"))),
        AdminAct::ApproveVoid => {
            Notice::of(format!("Approved the void of transaction {number}: what it moved was moved back."))
        }
        AdminAct::DismissVoid => Notice::of(format!("Dismissed the void of transaction {number}: nothing was moved.")),
        AdminAct::Approve => Notice::of(approved(text("act"), &reply["transfer"])),
        AdminAct::Reject => Notice::of("Rejected: nothing is moved."),
    })
}

/// What has to wait for a second person. Whoever may move money may see what became of their own request.
fn waits(approval: &str) -> Notice {
    let notice = Notice::of("Nothing was moved yet: it waits for a second person.");
    notice.with_link(format!("approvals/{approval}"), format!("Approval {approval}"))
}

fn approved(act: &str, transfer: &Value) -> String {
    match act {
        "deposit" => format!("Approved: deposited {}", moved(transfer)),
        "withdraw" => format!("Approved: withdrew {}", moved(transfer)),
        _ => "Approved: what the transaction moved was moved back.".to_owned(),
    }
}

fn moved(reply: &Value) -> String {
    let text = |name: &str| reply[name].as_str().unwrap_or_default();
    let (amount, currency, bucket, balance) = (text("amount"), text("currency"), text("bucket"), text("balance"));
    format!("{amount} {currency} ({bucket}). The balance was {balance} {currency} right after it.")
}
