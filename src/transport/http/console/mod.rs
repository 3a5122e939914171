//! `/console`: the operators' pages, the same acts as `/admin/v1`.
//!
//! A request is looked at in this order: whether it is a form from elsewhere (403), who sends it (401 with the sign-in form,
//! 429), whether there is such a page (404, 405), whether the role will do (403), and only then what is asked for. Pages
//! are written by the server, show nothing that their reader may not do, and link to each other relatively, so that they
//! work below whatever path a proxy shows them. What changes something goes through `/admin/v1`'s own acts.
//!
//! Reading order: [`sessions`] (who is signed in), [`same_site`] (where forms come from), [`sign_in`], [`frame`] (what every
//! page has), [`pages`] (which there are), [`overview`], [`find`], [`player`], [`records`] (orders, transactions, journal
//! rows), [`told`] (commands and outcomes in words), [`new_player`], [`dead`] (dead letters), [`plan`] (what is done with them),
//! [`voids`], [`approvals`], [`audit`], [`trail`], [`health`], [`plots`], [`forms`].

mod sessions;
mod same_site;
mod sign_in;
mod frame;
mod pages;
mod overview;
mod find;
mod player;
mod records;
mod told;
mod new_player;
mod dead;
mod plan;
mod voids;
mod approvals;
mod audit;
mod trail;
mod health;
mod plots;
mod forms;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::any;

use self::frame::Frame;
use self::pages::{FoundPage, PageRequest};
use self::sessions::{Notice, Sessions, Ticket};
use super::admin::problem::Problem;
use super::admin::{self, Api, PATIENCE, RequestLog};
use super::mounts;
use super::origin;
use super::server::ConnectedClient;
use crate::admin::Viewing;
use crate::clock;
use crate::dialects::http::{Failure, Reply};
use crate::identity::operators::SignedIn;

/// Where the pages begin.
const PATH: &str = "/console";

/// In logs and metrics, beside the dialects.
const NAME: &str = "console";

const STYLE: &str = include_str!("console.css");
const SCRIPT: &str = include_str!("console.js");

/// Sent by a page's script that looks again at what goes on: nobody sees the rest of such an answer, and so not what a form in another tab
/// has left to be said.
const REFRESH: &str = "purser-refresh";

/// Nothing but the page's own style, script and forms. (`data:` is its empty icon.)
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What pages are answered with.
pub struct Console {
    api: Arc<Api>,
    sessions: Sessions,
}

/// Whoever is signed in, and by what.
struct Visitor {
    operator: SignedIn,
    address: IpAddr,
    correlation: Arc<str>,
    /// `None`: by a bearer token.
    session: Option<Ticket>,
    /// What is to be said on the next page.
    notice: Option<Notice>,
}

/// The routes, where there are operators.
pub fn router(console: Console) -> Router {
    let console = Arc::new(console);
    let handler = move |request: Request| {
        let console = Arc::clone(&console);
        async move { console.answer(request).await }
    };
    // One for all, so that nothing below the path is answered to whoever is not signed in.
    let below = format!("{PATH}/{{*rest}}");
    let with_slash = format!("{PATH}/");
    Router::new().route(PATH, any(handler.clone())).route(&with_slash, any(handler.clone())).route(&below, any(handler))
}

impl Console {
    pub fn new(api: Arc<Api>) -> Self {
        let sessions = Sessions::new(api.ledgers.first().reader.apart(), Arc::clone(&api.operators));
        Self { api, sessions }
    }

    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let began = Instant::now();
        let correlation = mounts::correlation(&request);
        let mut log = RequestLog::default();
        let reply = match request.extensions().get::<ConnectedClient>().cloned() {
            Some(client) => {
                // As for `/admin/v1`: where there is no place, it goes without.
                let _work = client.place.work();
                let (parts, body) = request.into_parts();
                let address = origin::address(client.address.ip(), &parts.headers, &self.api.origins.trusted);
                let asked = (address, Arc::clone(&correlation));
                self.take(&parts, body, asked, &mut log).await
            }
            // The server puts one into every request.
            None => Reply::empty(500, "500"),
        };
        log.tell(NAME, &reply, &correlation, began.elapsed());
        mounts::response(guarded(reply, &correlation))
    }

    async fn take(
        self: &Arc<Self>,
        parts: &Parts,
        body: Body,
        (address, correlation): (IpAddr, Arc<str>),
        log: &mut RequestLog,
    ) -> Reply {
        let is_signing_in = parts.method == "POST" && parts.uri.path() == sign_in::PATH;
        if is_signing_in {
            log.found("sign in", sign_in::PATH.to_owned());
            return self.sign_in(parts, body, address, &mut log.operator).await;
        }
        let visitor = match self.visitor(parts, address, correlation).await {
            Ok(visitor) => visitor,
            Err(problem) => return sign_in::page(parts, &problem, ""),
        };
        log.operator = Some(visitor.operator.clone());
        let reply = self.serve(parts, body, &visitor, log).await;
        let is_seen = frame::is_page(&reply) && !parts.headers.contains_key(REFRESH);
        if let (Some(session), Some(notice), true) = (&visitor.session, &visitor.notice, is_seen) {
            self.sessions.said(session, notice).await;
        }
        reply
    }

    /// What whoever is signed in asks for.
    async fn serve(self: &Arc<Self>, parts: &Parts, body: Body, visitor: &Visitor, log: &mut RequestLog) -> Reply {
        let is_unsafe = is_unsafe(parts);
        if is_unsafe && visitor.session.is_some() && same_site::is_own(&parts.headers, self.public()) != Some(true) {
            let problem = Problem::form_from_elsewhere();
            return frame::problem_page(frame_of(parts, visitor), &problem);
        }
        let answered =
            if is_unsafe { self.change(parts, body, visitor, log).await } else { self.look(parts, visitor, log).await };
        answered.unwrap_or_else(|problem| frame::problem_page(frame_of(parts, visitor), &problem))
    }

    /// By the bearer token, where there is one, else by the cookie.
    async fn visitor(&self, parts: &Parts, address: IpAddr, correlation: Arc<str>) -> Result<Visitor, Problem> {
        let at = clock::now();
        if let Some(token) = admin::bearer(&parts.headers) {
            let operator = self.api.operators.sign_in(Some(token), address, at)?;
            return Ok(Visitor { operator, address, correlation, session: None, notice: None });
        }
        let is_form = is_unsafe(parts) && parts.uri.path() != sign_in::OUT;
        let nobody = || match Ticket::count(&parts.headers) {
            0 | 1 if is_form => Problem::form_without_session(),
            0 => Problem::not_signed_in(),
            1 => Problem::session_over(),
            _ => Problem::several_sessions(),
        };
        let session = Ticket::of(&parts.headers).ok_or_else(nobody)?;
        let found = self.sessions.find(&session, at).await.ok_or_else(nobody)?;
        Ok(Visitor { operator: found.operator, address, correlation, session: Some(session), notice: found.notice })
    }

    async fn look(self: &Arc<Self>, parts: &Parts, visitor: &Visitor, log: &mut RequestLog) -> Result<Reply, Problem> {
        let (route, parameters) = match pages::find(parts.uri.path()) {
            FoundPage::Page(route, parameters) => (route, parameters),
            FoundPage::File(content_type, text) => return Ok(file(content_type, text)),
            FoundPage::Moved(to) => return Ok(see(to)),
            FoundPage::Nothing if pages::is_form(parts.uri.path()) => {
                return Err(Problem::method_not_allowed(&["POST"]));
            }
            FoundPage::Nothing => return Err(Problem::not_found("there is no such page")),
        };
        log.found(route.operation, format!("{PATH}{}", route.path));
        if visitor.operator.role < route.role {
            return Err(Problem::role_too_low(visitor.operator.role, route.role));
        }
        if route.needs_database && self.api.readiness.databases.are_all_away() {
            return Err(Problem::unavailable());
        }
        let asked = self.asked(parts, visitor, parameters)?;
        asked.ledger.check().await?;
        let looking = pages::show(self, route, asked);
        let shown = tokio::time::timeout(PATIENCE, looking).await;
        shown.map_err(|_| Problem::unavailable())?.map(|html| frame::page(200, html))
    }

    fn asked(
        &self,
        parts: &Parts,
        visitor: &Visitor,
        parameters: admin::routes::PathParameters,
    ) -> Result<PageRequest, Problem> {
        let viewing = Viewing { config: Arc::clone(&self.api.config), role: visitor.operator.role };
        let (query, ledgers) = (pages::query(parts), &self.api.ledgers);
        let ledger = ledgers.meant(parameters.get("party"), admin::named_ledger(parts).as_deref())?.clone();
        let frame = frame_of(parts, visitor).within(ledgers, &ledger);
        Ok(PageRequest { parameters, query, viewing, ledger, frame })
    }

    fn public(&self) -> Option<&url::Url> {
        self.api.config.http.public_url.as_ref()
    }
}

/// Whether a request may change something.
fn is_unsafe(parts: &Parts) -> bool {
    !matches!(parts.method.as_str(), "GET" | "HEAD")
}

fn frame_of(parts: &Parts, visitor: &Visitor) -> Frame {
    Frame::new(parts.uri.path(), visitor.operator.clone(), visitor.notice.clone())
}

/// What keeps pages from being stored, framed, sniffed, or run with somebody else's script.
fn guarded(reply: Reply, correlation: &str) -> Reply {
    let has_policy = reply.headers.iter().any(|(name, _)| *name == "content-security-policy");
    let reply = if has_policy { reply } else { reply.with_header("content-security-policy", POLICY) };
    reply
        .with_header("cache-control", "no-store")
        .with_header("x-content-type-options", "nosniff")
        .with_header("x-frame-options", "DENY")
        .with_header("cross-origin-opener-policy", "same-origin")
        // Not `no-referrer`: with that, browsers would leave the origin out of our own forms, too.
        .with_header("referrer-policy", "same-origin")
        .with_header("x-correlation-id", correlation)
}

fn file(content_type: &'static str, text: &str) -> Reply {
    Reply { content_type, body: text.as_bytes().to_vec(), ..Reply::empty(200, "200") }
}

/// Leads to another page, relatively to this one.
fn see(to: impl Into<String>) -> Reply {
    Reply::empty(303, "303").with_header("location", to)
}

impl From<askama::Error> for Problem {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page could not be written");
        Failure::Fault.into()
    }
}
