//! `/admin/v1`: the JSON face of what operators ask and do.
//!
//! A request is looked at in this order: who it is (401, 429), whether there is such a call (404, 405), whether the role
//! will do (403), and only then the body and what is asked for. Like the operating routes it is answered while every other
//! place is taken, through connections of its own to the database.
//!
//! Reading order: [`routes`], [`looks`], [`acts`], [`decisions`], [`dead`], [`listing`], [`problem`].

pub mod routes;
mod looks;
mod acts;
mod decisions;
pub mod dead;
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
use self::listing::Listing;
use self::problem::Problem;
use self::routes::{AdminCall, AdminRoute, FoundRoute, PATH, PathParameters};
use super::live::Live;
use super::mounts::{self, BODY_TIMEOUT};
use super::operating::Readiness;
use super::origin::{self, Origins};
use super::server::ConnectedClient;
use crate::admin::Viewing;
use crate::admin::audits::Audits;
use crate::admin::trail::{self, Actor, Deed};
use crate::clock;
use crate::config::{Config, Role};
use crate::dialects::http::{Failure, Reply};
use crate::identity::operators::{Operators, SignedIn};
use crate::ledger::Party;
use crate::metrics;
use crate::storage::Reader;
use crate::wallet::SharedWallet;

/// The longest body that is read, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// How long a call may take once it is read.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// In logs and metrics, beside the dialects.
const NAME: &str = "admin";

/// What operators' calls are answered with.
pub struct Api {
    pub config: Arc<Config>,
    /// Shared with the console, so that guesses count wherever they are made.
    pub operators: Arc<Operators>,
    /// Its own: nobody else's questions keep an operator waiting.
    pub reader: Reader,
    pub audits: Audits,
    pub dead: DeadLetters,
    pub wallet: SharedWallet,
    pub readiness: Readiness,
    pub origins: Origins,
    pub live: Arc<Live>,
}

/// A call of somebody who may make it.
#[derive(Clone)]
struct Asked {
    route: &'static AdminRoute,
    parameters: PathParameters,
    query: Vec<(String, String)>,
    accept: String,
    body: Vec<u8>,
    viewing: Viewing,
    actor: Actor,
    correlation: Arc<str>,
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

/// What a call ends with.
enum Answer {
    Shown(Reply),
    List(Listing),
}

/// The routes, where there are operators.
pub fn router(api: Arc<Api>) -> Router {
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
        let (mut operation, mut who) = ("-", None);
        let mut events = None;
        let answered = match request.extensions().get::<ConnectedClient>().cloned() {
            Some(client) => {
                // A place keeps the connection from making room for others; where there is none, it goes without.
                let _work = client.place.work();
                let told = (&mut operation, &mut who, &mut events);
                self.take(request, &client, Arc::clone(&correlation), told).await
            }
            // The server puts one into every request.
            None => Err(Failure::Fault.into()),
        };
        let reply = answered.unwrap_or_else(Problem::reply);
        tell(&reply, operation, who.as_ref(), &correlation, began.elapsed());
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
        (operation, who, events): (&mut &'static str, &mut Option<SignedIn>, &mut Option<Body>),
    ) -> Result<Reply, Problem> {
        let (parts, body) = request.into_parts();
        let address = origin::address(client.address.ip(), &parts.headers, &self.origins.trusted);
        let operator = self.operators.sign_in(bearer(&parts.headers), address, clock::now())?;
        *who = Some(operator.clone());
        let (route, parameters) = match routes::find(parts.method.as_str(), parts.uri.path()) {
            FoundRoute::Route(route, parameters) => (route, parameters),
            FoundRoute::Methods(methods) => return Err(Problem::method_not_allowed(&methods)),
            FoundRoute::Nothing => return Err(Problem::not_found("there is no such call")),
        };
        *operation = route.operation;
        let actor = Actor { who: operator.name, role: operator.role.as_str(), origin: address.to_string() };
        self.check_role(route, &parameters, operator.role, &actor).await?;
        let body = read(&parts, body, "application/json").await?;
        let viewing = Viewing { config: Arc::clone(&self.config), role: operator.role };
        let (accept, query) = (text_of(&parts.headers, "accept"), query(route, &parts)?);
        let asked = Asked { route, parameters, query, accept, body, viewing, actor, correlation };
        if route.call == AdminCall::Live {
            // What is away is told, too.
            *events = Some(self.live.stream().ok_or_else(Problem::too_many_streams)?);
            return Ok(Reply { content_type: "text/event-stream", ..Reply::empty(200, "200") });
        }
        if self.readiness.databases.are_all_away() {
            return Err(Problem::unavailable());
        }
        self.within_time(asked).await
    }

    /// Whether whoever has come by another face may make this call; in the trail, where not.
    pub(super) async fn check_caller(
        &self,
        caller: &Caller,
        route: &AdminRoute,
        parameters: &PathParameters,
    ) -> Result<(), Problem> {
        self.check_role(route, parameters, caller.operator.role, &caller.actor()).await
    }

    /// Takes a call that came by another face, as if it had come here.
    pub(super) async fn take_for(
        self: &Arc<Self>,
        caller: Caller,
        route: &'static AdminRoute,
        parameters: PathParameters,
        body: &Value,
    ) -> Result<Reply, Problem> {
        self.check_caller(&caller, route, &parameters).await?;
        let actor = caller.actor();
        let Caller { operator, correlation, .. } = caller;
        if self.readiness.databases.are_all_away() {
            return Err(Problem::unavailable());
        }
        let viewing = Viewing { config: Arc::clone(&self.config), role: operator.role };
        let (accept, query, body) = (String::new(), Vec::new(), body.to_string().into_bytes());
        self.within_time(Asked { route, parameters, query, accept, body, viewing, actor, correlation }).await
    }

    /// On a task of its own: an act that has begun is carried to its end, and into the trail, whoever goes away meanwhile.
    async fn within_time(self: &Arc<Self>, asked: Asked) -> Result<Reply, Problem> {
        let (api, accept) = (Arc::clone(self), asked.accept.clone());
        let calling = tokio::spawn(async move {
            if asked.route.method == "GET" { looks::take(&api, asked).await } else { acts::take(&api, asked).await }
        });
        match tokio::time::timeout(PATIENCE, calling).await {
            Ok(Ok(Ok(Answer::Shown(reply)))) => Ok(reply),
            Ok(Ok(Ok(Answer::List(listing)))) => Ok(listing.reply(&accept)),
            Ok(Ok(Err(problem))) => Err(problem),
            Ok(Err(_)) => Err(Failure::Fault.into()),
            Err(_) => Err(Problem::unavailable()),
        }
    }

    /// An act that the role is too low for is in the trail, too.
    async fn check_role(
        &self,
        route: &AdminRoute,
        parameters: &PathParameters,
        has: Role,
        actor: &Actor,
    ) -> Result<(), Problem> {
        if has >= route.role {
            return Ok(());
        }
        let problem = Problem::role_too_low(has, route.role);
        if route.method != "GET" {
            let party = Party::parse(parameters.get("party")).ok();
            let target = parameters.target();
            let deed = Deed { act: route.operation, party, target, detail: serde_json::Value::Null };
            trail::refused(&self.reader, actor, &deed, &format!("the role is {has}, and {} is needed", route.role))
                .await?;
        }
        Err(problem)
    }
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

pub(super) fn text_of(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
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
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !body.is_empty() && !essence.eq_ignore_ascii_case(expected) {
        return Err(Problem::unsupported_media_type(expected));
    }
    Ok(body)
}

/// One line a request: never its address or body.
fn tell(reply: &Reply, operation: &'static str, who: Option<&SignedIn>, correlation: &str, took: Duration) {
    let operator = who.map_or("-", |operator| &*operator.name);
    let took_ms = took.as_secs_f64() * 1e3;
    let status = reply.status;
    tracing::info!(dialect = NAME, operation, operator, correlation_id = correlation, status, took_ms, "answered");
    metrics::http_answered("-", NAME, operation, &reply.code, took);
}
