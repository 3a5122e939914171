//! What the pages' forms do: the acts of `/admin/v1`, called by the same paths.

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::sessions::Notice;
use super::{Console, PATH, Visitor, frame, player, see, voids};
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
        if let Some(session) = &visitor.session {
            self.sessions.say(session, Notice(said(route.call, parameters, reply)));
        }
        let party = parameters.get("party");
        see(match route.call {
            Call::ApproveVoid | Call::DismissVoid => format!("../../../../voids?party={party}"),
            // `…/players/{id}/deposits` goes back to `…/players/{id}`.
            _ => format!("../{}", crate::admin::search::encoded(parameters.get("player"))),
        })
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
        let html = match route.call {
            Call::Deposit | Call::Withdraw if is_told_there => player::show(self, asked, Some(&failed)).await,
            Call::ApproveVoid | Call::DismissVoid if is_told_there => voids::show(self, asked, Some(&failed)).await,
            _ => return Err(problem),
        };
        // Where the page cannot be shown either, what stood in the form's way is the better answer.
        html.map(|html| frame::page(problem.status, html)).map_err(|_| problem)
    }
}

/// What an act wants. From a page, an answer to a void has a reason.
fn object(route: &Route, form: &[(String, String)]) -> Result<Value, Problem> {
    if matches!(route.call, Call::ApproveVoid | Call::DismissVoid) && value(form, "reason").trim().is_empty() {
        return Err(Problem::bad_request("say why: the reason is kept in the trail"));
    }
    let mut object = Map::new();
    for (name, value) in form {
        if object.insert(name.clone(), value.trim().into()).is_some() {
            return Err(Problem::bad_request("the form names something twice"));
        }
    }
    Ok(Value::Object(object))
}

/// What was done, for whoever did it.
fn said(call: Call, parameters: &Parameters, reply: &Reply) -> String {
    // Accepted, and not done.
    if reply.status == 202 {
        return "Nothing was moved yet: it waits for a second person.".to_owned();
    }
    let reply: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let text = |name: &str| reply[name].as_str().unwrap_or_default();
    let moved = |verb: &str| {
        let (amount, currency, bucket, balance) = (text("amount"), text("currency"), text("bucket"), text("balance"));
        format!("{verb} {amount} {currency} ({bucket}). The balance was {balance} {currency} right after it.")
    };
    match call {
        Call::Deposit if reply["balance"].is_string() => moved("Deposited"),
        Call::Withdraw if reply["balance"].is_string() => moved("Withdrew"),
        Call::ApproveVoid => {
            format!("Approved the void of transaction {}: what it moved was moved back.", parameters.get("number"))
        }
        Call::DismissVoid => {
            format!("Dismissed the void of transaction {}: nothing was moved.", parameters.get("number"))
        }
        _ => "Done.".to_owned(),
    }
}
