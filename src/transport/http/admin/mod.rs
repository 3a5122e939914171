//! `/admin/v1`: the JSON face of what operators ask and do.
//!
//! A request is looked at in this order: who it is (401, 429), whether there is such a call (404, 405), whether the role
//! will do (403), and only then the body and what is asked for. Like the operating routes it is answered while every other
//! place is taken, through connections of its own to the database.
//!
//! Reading order: [`routes`], [`ledgers`], [`looks`], [`acts`], [`decisions`], [`dead`], [`listing`], [`problem`].

pub mod routes;
mod looks;
mod acts;
mod decisions;
pub(crate) mod dead;
pub(crate) mod ledgers;
pub(super) mod listing;
pub(super) mod problem;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, header, request::Parts};
use axum::response::Response;
use axum::routing::any;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use url::form_urlencoded;

use self::dead::DeadLetters;
use self::ledgers::{OperatedLedger, OperatedLedgers};
use self::listing::Listing;
use self::problem::Problem;
use self::routes::{AdminAct, AdminCall, AdminLook, AdminRoute, FoundRoute, PATH, PathParameters};
use super::live::Live;
use super::mounts::{self, BODY_TIMEOUT};
use super::operating::Readiness;
use super::origin::{self, Origins};
use super::server::ConnectedClient;
use crate::admin::Viewing;
use crate::admin::trail::{self, Actor, Deed};
use crate::clock;
use crate::config::{Config, Role};
use crate::dialects::http::{Failure, Reply};
use crate::identity::operators::{Operators, SignedIn};
use crate::ledger::Party;
use crate::metrics;
use crate::redaction::without_tokens;
use crate::telemetry::{RequestFacts, RequestTrace};
use crate::wallet::SharedWallet;

/// The longest body that is read, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// How long a call may take once it is read.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What the query calls the ledger that a number is of.
const LEDGER: &str = "ledger";

/// In logs and metrics, beside the dialects.
const NAME: &str = "admin";

/// What operators' calls are answered with.
pub(crate) struct Api {
    pub config: Arc<Config>,
    /// Shared with the console, so that guesses count wherever they are made.
    pub operators: Arc<Operators>,
    pub ledgers: OperatedLedgers,
    pub dead: DeadLetters,
    pub wallet: SharedWallet,
    pub readiness: Readiness,
    pub origins: Origins,
    pub live: Arc<Live>,
}

/// A call of somebody who may make it.
#[derive(Clone)]
struct AdminRequest {
    route: &'static AdminRoute,
    parameters: PathParameters,
    query: Vec<(String, String)>,
    body: Vec<u8>,
    viewing: Viewing,
    actor: Actor,
    correlation: Arc<str>,
    /// The one that it is about.
    ledger: OperatedLedger,
}

/// Whoever makes a call, and where it comes from.
pub(super) struct Caller {
    pub operator: SignedIn,
    pub address: IpAddr,
    pub correlation: Arc<str>,
}

impl Caller {
    fn actor(&self) -> Actor {
        let SignedIn { name, role } = &self.operator;
        Actor { who: Arc::clone(name), role: role.as_str(), origin: self.address.to_string() }
    }
}

/// An act that was asked for by another face, by a path that fits its route.
#[derive(Clone)]
pub(super) struct FoundAct {
    pub act: AdminAct,
    pub route: &'static AdminRoute,
    pub parameters: PathParameters,
    /// The ledger that its path names, where it names one.
    pub ledger: Option<String>,
}

/// What was called, before it is known whether whoever calls may.
struct CalledRoute<'a> {
    route: &'static AdminRoute,
    parameters: &'a PathParameters,
    /// The ledger that is named, where one is.
    ledger: Option<&'a str>,
}

/// What a look ends with.
enum AdminAnswer {
    Shown(Reply),
    List(Listing),
    Events(Body),
}

/// What log, metrics and trace say of a request, as far as it came.
#[derive(Default)]
pub(super) struct RequestLog {
    /// `None`: there is no such call, or nobody who may make it.
    pub operation: Option<&'static str>,
    /// The path, with `{name}` for what differs.
    pub route: Option<String>,
    pub operator: Option<SignedIn>,
}

impl RequestLog {
    pub(super) fn found(&mut self, operation: &'static str, route: String) {
        self.operation = Some(operation);
        self.route = Some(route);
    }

    /// One line a request: never its address or body.
    pub(super) fn tell(&self, dialect: &'static str, reply: &Reply, correlation: &str, took: Duration) {
        let operation = self.operation.unwrap_or("-");
        let operator = self.operator.as_ref().map_or("-", |operator| &*operator.name);
        let took_ms = took.as_secs_f64() * 1e3;
        let status = reply.status;
        let correlation_id = without_tokens(correlation);
        tracing::info!(dialect, operation, operator, correlation_id, status, took_ms, "answered");
        metrics::http_answered("-", dialect, operation, &reply.code, took);
        if let Some(current) = RequestTrace::current() {
            let (route, code, correlation) = (self.route.clone(), reply.code.to_string(), correlation.to_owned());
            current.tell(RequestFacts { route, party: None, dialect, operation, code, correlation });
        }
    }
}

/// The routes, where there are operators.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let handler = move |request: Request| {
        let api = Arc::clone(&api);
        async move { api.answer(request).await }
    };
    // One for all, so that nothing below the path is answered to whoever is not signed in.
    let below = format!("{PATH}/{{*rest}}");
    let with_slash = format!("{PATH}/");
    Router::new().route(PATH, any(handler.clone())).route(&with_slash, any(handler.clone())).route(&below, any(handler))
}

impl Api {
    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let began = Instant::now();
        let correlation = mounts::correlation(&request);
        let accept = text_of(request.headers(), "accept");
        let mut log = RequestLog::default();
        let answered = match request.extensions().get::<ConnectedClient>().cloned() {
            Some(client) => {
                // A place keeps the connection from making room for others; where there is none, it goes without.
                let _work = client.place.work();
                self.take(request, &client, Arc::clone(&correlation), &mut log).await
            }
            // The server puts one into every request.
            None => Err(Failure::Fault.into()),
        };
        let (reply, events) = match answered {
            Ok(AdminAnswer::Shown(reply)) => (reply, None),
            Ok(AdminAnswer::List(listing)) => (listing.reply(&accept), None),
            Ok(AdminAnswer::Events(body)) => {
                (Reply { content_type: "text/event-stream", ..Reply::empty(200, "200") }, Some(body))
            }
            Err(problem) => (problem.reply(), None),
        };
        log.tell(NAME, &reply, &correlation, began.elapsed());
        let reply = reply
            .with_header("cache-control", "no-store")
            .with_header("x-content-type-options", "nosniff")
            .with_header("referrer-policy", "no-referrer")
            .with_header("x-correlation-id", correlation.to_string());
        let mut response = mounts::response(reply);
        if let Some(events) = events {
            *response.body_mut() = events;
        }
        response
    }

    async fn take(
        self: &Arc<Self>,
        request: Request,
        client: &ConnectedClient,
        correlation: Arc<str>,
        log: &mut RequestLog,
    ) -> Result<AdminAnswer, Problem> {
        let (parts, body) = request.into_parts();
        let address = origin::address(client.address.ip(), &parts.headers, &self.origins.trusted);
        let operator = self.operators.sign_in(bearer(&parts.headers), address, clock::now())?;
        log.operator = Some(operator.clone());
        let (route, parameters) = match routes::find(parts.method.as_str(), parts.uri.path()) {
            FoundRoute::Route(route, parameters) => (route, parameters),
            FoundRoute::Methods(methods) => return Err(Problem::method_not_allowed(&methods)),
            FoundRoute::Nothing => return Err(Problem::not_found("there is no such call")),
        };
        log.found(route.operation, format!("{PATH}{}", route.path));
        let actor = Actor { who: operator.name, role: operator.role.as_str(), origin: address.to_string() };
        let named = named_ledger(&parts);
        let called = CalledRoute { route, parameters: &parameters, ledger: named.as_deref() };
        self.check_role(&called, operator.role, &actor).await?;
        let body = read(&parts, body, "application/json").await?;
        let viewing = Viewing { config: Arc::clone(&self.config), role: operator.role };
        let query = query(route, &parts)?;
        let ledger = self.ledgers.meant(parameters.get("party"), named.as_deref())?.clone();
        let asked = AdminRequest { route, parameters, query, body, viewing, actor, correlation, ledger };
        // What is away is told, too.
        if route.call != AdminCall::Look(AdminLook::Live) && self.readiness.databases.are_all_away() {
            return Err(Problem::unavailable());
        }
        asked.ledger.check().await?;
        let api = Arc::clone(self);
        match route.call {
            AdminCall::Look(look) => within_time(async move { looks::take(&api, look, asked).await }).await,
            AdminCall::Act(act) => {
                within_time(async move { acts::take(&api, act, asked).await }).await.map(AdminAnswer::Shown)
            }
        }
    }

    /// Whether whoever has come by another face may do this; in the trail, where not.
    pub(super) async fn check_caller(&self, caller: &Caller, found: &FoundAct) -> Result<(), Problem> {
        let FoundAct { route, parameters, ledger, .. } = found;
        let called = CalledRoute { route, parameters, ledger: ledger.as_deref() };
        self.check_role(&called, caller.operator.role, &caller.actor()).await
    }

    /// Carries out an act that came by another face, as if it had come here.
    pub(super) async fn act_for(
        self: &Arc<Self>,
        caller: Caller,
        found: FoundAct,
        body: &Value,
    ) -> Result<Reply, Problem> {
        self.check_caller(&caller, &found).await?;
        let actor = caller.actor();
        let FoundAct { act, route, parameters, ledger } = found;
        let Caller { operator, correlation, .. } = caller;
        let ledger = self.ledgers.meant(parameters.get("party"), ledger.as_deref())?.clone();
        if self.readiness.databases.are_all_away() {
            return Err(Problem::unavailable());
        }
        ledger.check().await?;
        let viewing = Viewing { config: Arc::clone(&self.config), role: operator.role };
        let (query, body) = (Vec::new(), body.to_string().into_bytes());
        let asked = AdminRequest { route, parameters, query, body, viewing, actor, correlation, ledger };
        let api = Arc::clone(self);
        within_time(async move { acts::take(&api, act, asked).await }).await
    }

    /// An act that the role is too low for is in the trail, too.
    async fn check_role(&self, called: &CalledRoute<'_>, has: Role, actor: &Actor) -> Result<(), Problem> {
        let CalledRoute { route, parameters, ledger } = called;
        if has >= route.role {
            return Ok(());
        }
        let problem = Problem::role_too_low(has, route.role);
        if let AdminCall::Act(_) = route.call {
            let party = Party::parse(parameters.get("party")).ok();
            let target = parameters.target();
            let deed = Deed { act: route.operation, party, target, detail: serde_json::Value::Null };
            let ledger = self.ledgers.meant_by_refused(parameters.get("party"), *ledger).await;
            let why = format!("the role is {has}, and {} is needed", route.role);
            trail::refused(&ledger.reader, actor, &deed, &why).await?;
        }
        Err(problem)
    }
}

/// On a task of its own: an act that has begun is carried to its end, and into the trail, whoever goes away meanwhile.
async fn within_time<T: Send + 'static>(
    answering: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::time::timeout(PATIENCE, tokio::spawn(RequestTrace::covered(answering))).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(_)) => Err(Failure::Fault.into()),
        Err(_) => Err(Problem::unavailable()),
    }
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

pub(super) fn text_of(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// The ledger that the query names.
pub(super) fn named_ledger(parts: &Parts) -> Option<String> {
    let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned();
    pairs.into_iter().find(|(name, _)| name == LEDGER).map(|(_, value)| value)
}

/// A name that the route does not know would be passed over in silence.
fn query(route: &AdminRoute, parts: &Parts) -> Result<Vec<(String, String)>, Problem> {
    let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned();
    let pairs: Vec<(String, String)> = pairs.collect();
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Problem::bad_request("the query names something twice"));
    }
    if names.iter().any(|name| !route.query.contains(name)) {
        let known = if route.query.is_empty() { "nothing".to_owned() } else { route.query.join(", ") };
        return Err(Problem::bad_request(format!("the query may say {known}")));
    }
    Ok(pairs)
}

/// A body of this type, whole.
pub(super) async fn read(parts: &Parts, body: Body, expected: &str) -> Result<Vec<u8>, Problem> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(Failure::TooLarge.into());
    }
    let reading = Limited::new(body, MAX_BODY).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Failure::TooLarge.into()),
        Ok(Err(_)) | Err(_) => return Err(Failure::Unreadable.into()),
    };
    let content_type = text_of(&parts.headers, "content-type");
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !body.is_empty() && !media_type.eq_ignore_ascii_case(expected) {
        return Err(Problem::unsupported_media_type(expected));
    }
    Ok(body)
}
