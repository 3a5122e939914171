//! From the dialects' routes to one router: reads requests whole and within bounds, and answers in the dialect's words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, any, on};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tracing::{Instrument as _, Span};

use super::operating::RETRY_AFTER;
use super::origin::{self, Origins};
use super::server::ConnectedClient;
use crate::clock;
use crate::dialects::http::{Dialect, Failure, Mount, MountError, PartyNote, Reply, Request, Route};
use crate::ledger::Party;
use crate::metrics;
use crate::redaction::without_tokens;
use crate::telemetry::{self, RequestFacts, RequestTrace};
use crate::wallet::SharedWallet;

/// How long a client may take to send a body.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A route without a method of its own stands for each.
const ANY: &str = "any";

/// The longest correlation id that is taken from a header, in characters.
const MAX_CORRELATION: usize = 128;

/// What requests are answered with.
pub struct Serving {
    pub wallet: SharedWallet,
    pub mounts: Vec<Mount>,
    /// Answers where no mount does.
    pub elsewhere: &'static Dialect,
    pub origins: Origins,
    /// How long a request may take once it is read. Longer than a result may wait for its bet.
    pub patience: Duration,
}

/// One route with what its requests share.
struct BoundRoute {
    wallet: SharedWallet,
    dialect: &'static Dialect,
    party: Option<Party>,
    /// With `{name}` for what differs.
    path: String,
    route: Route,
    origins: Origins,
    patience: Duration,
}

/// Two routes that would answer the same request are a mistake of the configuration.
pub fn check(mounts: &[Mount]) -> Result<(), MountError> {
    let mut known: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for mount in mounts {
        for route in &mount.routes {
            // Whatever a segment is called, it stands for the same.
            let path = full_path(mount, route);
            let shape = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
            let shape = shape.collect::<Vec<_>>().join("/");
            let method = route.method.as_ref().map_or(ANY, |method| method.as_str());
            let methods = known.entry(shape).or_default();
            let is_taken = methods.contains(ANY) || (method == ANY && !methods.is_empty());
            if is_taken || !methods.insert(method) {
                let (dialect, party) = (mount.dialect.name, mount.party.as_ref().map_or("all", |party| party.as_str()));
                let problem = format!("{dialect} of party {party}: {path} is another dialect's or party's, too");
                return Err(MountError(problem));
            }
        }
    }
    Ok(())
}

fn full_path(mount: &Mount, route: &Route) -> String {
    format!("{}{}", mount.path, route.path)
}

/// Every mount's routes. The mounts are checked.
pub fn router(serving: Serving) -> Router {
    let Serving { wallet, mounts, elsewhere, origins, patience } = serving;
    let mut prefixes: Vec<(String, &'static Dialect)> =
        mounts.iter().map(|mount| (mount.path.clone(), mount.dialect)).filter(|(path, _)| !path.is_empty()).collect();
    prefixes.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    let mut router = Router::new();
    for mount in mounts {
        let party = mount.party.clone();
        let paths: Vec<String> = mount.routes.iter().map(|route| full_path(&mount, route)).collect();
        for (path, route) in paths.into_iter().zip(mount.routes) {
            let (wallet, party) = (Arc::clone(&wallet), party.clone());
            let (dialect, origins) = (mount.dialect, origins.clone());
            let bound = BoundRoute { wallet, dialect, party, path: path.clone(), route, origins, patience };
            router = router.route(&path, bound.method_router());
        }
    }
    let dialect_of = move |uri: &Uri| {
        let within =
            |path: &str| uri.path().strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        prefixes.iter().find(|(path, _)| within(path)).map_or(elsewhere, |(_, dialect)| dialect)
    };
    let (not_found, not_allowed) = (dialect_of.clone(), dialect_of);
    router
        .fallback(async move |uri: Uri| response(failed(not_found(&uri), Failure::NotFound)))
        .method_not_allowed_fallback(async move |uri: Uri| {
            response(failed(not_allowed(&uri), Failure::MethodNotAllowed))
        })
}

impl BoundRoute {
    fn method_router(self) -> MethodRouter {
        let bound = Arc::new(self);
        let method = bound.route.method.clone();
        let handler = move |parameters: Result<RawPathParams, RawPathParamsRejection>,
                            request: axum::extract::Request| {
            let bound = Arc::clone(&bound);
            async move {
                match parameters {
                    Ok(parameters) => bound.answer(&parameters, request).await,
                    // A segment that is no UTF-8 names nothing.
                    Err(_) => response(failed(bound.dialect, Failure::NotFound)),
                }
            }
        };
        match method.and_then(|method| MethodFilter::try_from(method).ok()) {
            Some(filter) => on(filter, handler),
            None => any(handler),
        }
    }

    async fn answer(&self, parameters: &RawPathParams, request: axum::extract::Request) -> Response {
        let began = Instant::now();
        let trace = header_text(&request, "traceparent").filter(|text| telemetry::is_traceparent(text));
        let correlation = correlation(&request);
        let whose = PartyNote::of(self.party.as_ref());
        let span = self.span(&correlation);
        let reply = match request.extensions().get::<ConnectedClient>().cloned() {
            Some(client) => {
                let (peer, caller) = (client.address.ip(), (Arc::clone(&correlation), whose.clone()));
                let read = self.read(parameters, request, peer, caller).await;
                match read.and_then(|request| Ok((request, client.place.work().ok_or(Failure::Unavailable)?))) {
                    Ok((request, _work)) => self.handle(request).instrument(span.clone()).await,
                    Err(failure) => failed(self.dialect, failure),
                }
            }
            // The server puts one into every request.
            None => failed(self.dialect, Failure::Fault),
        };
        if let Some(current) = RequestTrace::current() {
            current.tell(self.facts(&reply, whose.get(), &correlation));
        }
        let party = whose.get().map_or("-", Party::as_str);
        span.record("party", party);
        span.in_scope(|| self.tell(&reply, (party, &correlation, trace.as_deref()), began.elapsed()));
        let mut response = response(reply);
        let own = [("x-correlation-id", Some(correlation.to_string())), ("traceparent", trace)];
        for (name, value) in own {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    /// A span of the log's around one call. Whose it is may be known at its end only.
    fn span(&self, correlation: &str) -> Span {
        tracing::debug_span!(
            "command",
            party = tracing::field::Empty,
            dialect = self.dialect.name,
            operation = self.route.operation,
            correlation_id = without_tokens(correlation),
        )
    }

    async fn handle(&self, request: Request) -> Reply {
        let handling = (self.route.handle)(Arc::clone(&self.wallet), request);
        match tokio::time::timeout(self.patience, handling).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(failure)) => failed(self.dialect, failure),
            Err(_) => failed(self.dialect, Failure::Unavailable),
        }
    }

    async fn read(
        &self,
        parameters: &RawPathParams,
        request: axum::extract::Request,
        peer: IpAddr,
        (correlation, whose): (Arc<str>, PartyNote),
    ) -> Result<Request, Failure> {
        let (parts, body) = request.into_parts();
        // Said before it is sent: nothing of it has to be read.
        if body.size_hint().lower() > self.route.max_body as u64 {
            return Err(Failure::TooLarge);
        }
        let reading = Limited::new(body, self.route.max_body).collect();
        let body = match tokio::time::timeout(BODY_TIMEOUT, reading).await {
            Ok(Ok(body)) => body.to_bytes().to_vec(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Failure::TooLarge),
            Ok(Err(_)) | Err(_) => return Err(Failure::Unreadable),
        };
        let parameters = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let address = origin::address(peer, &parts.headers, &self.origins.trusted);
        let is_local = self.origins.is_loopback && origin::is_local(peer, &parts.headers);
        Ok(Request {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            parameters,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body,
            at: clock::now(),
            correlation,
            address,
            is_local,
            whose,
        })
    }

    fn facts(&self, reply: &Reply, party: Option<&Party>, correlation: &str) -> RequestFacts {
        RequestFacts {
            route: Some(self.path.clone()),
            party: party.map(ToString::to_string),
            dialect: self.dialect.name,
            operation: self.route.operation,
            code: reply.code.to_string(),
            correlation: correlation.to_owned(),
        }
    }

    /// One line a request: never its address or body, which may hold tokens.
    fn tell(&self, reply: &Reply, about: (&str, &str, Option<&str>), took: Duration) {
        let (dialect, operation) = (self.dialect.name, self.route.operation);
        let (party, correlation, trace) = about;
        let took_ms = took.as_secs_f64() * 1e3;
        tracing::info!(
            party,
            dialect,
            operation,
            correlation_id = without_tokens(correlation),
            traceparent = trace,
            status = reply.status,
            code = %reply.code,
            took_ms,
            "answered"
        );
        metrics::http_answered(party, dialect, operation, &reply.code, took);
    }
}

/// The dialect's own words for what went wrong.
fn failed(dialect: &'static Dialect, failure: Failure) -> Reply {
    let reply = (dialect.failure)(failure);
    if reply.status == 503 { reply.with_header("retry-after", RETRY_AFTER) } else { reply }
}

pub(super) fn response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !reply.content_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    }
    for (name, value) in reply.headers {
        // A value that is no header's is left out rather than the whole reply.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    response
}

fn header_text(request: &axum::extract::Request, name: &str) -> Option<String> {
    request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The caller's own name for the request, or a new one.
pub(super) fn correlation(request: &axum::extract::Request) -> Arc<str> {
    let theirs = ["x-correlation-id", "x-request-id"].into_iter().find_map(|name| header_text(request, name));
    let fits = |text: &String| !text.is_empty() && text.chars().count() <= MAX_CORRELATION;
    theirs.filter(fits).unwrap_or_else(|| uuid::Uuid::new_v4().to_string()).into()
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use serde_json::Value;

    use super::*;
    use crate::dialects::http::handled_by;

    #[test]
    fn whatever_would_answer_the_same_request_twice_is_a_mistake_of_the_configuration() {
        async fn nobody(_: Arc<()>, _: SharedWallet, _: Request) -> Result<Reply, Failure> {
            Err(Failure::NotFound)
        }
        let route = |method, path| {
            let (handle, document) = (handled_by(&Arc::new(()), nobody), Value::default);
            Route { method, path, operation: "bet", max_body: 0, handle, document }
        };
        let mount = |path: &str, route| {
            let dialect = &crate::dialects::egpp::rest::DIALECT;
            Mount { dialect, party: Party::parse("acme").ok(), path: path.to_owned(), routes: vec![route] }
        };
        let (get, post) = (|| Some(Method::GET), || Some(Method::POST));
        for (one, other, is_mistake) in [
            (("/a", get(), "/bets"), ("/a", get(), "/bets"), true),
            (("/a", get(), "/bets"), ("/a", post(), "/bets"), false),
            (("/a", get(), "/bets"), ("/b", get(), "/bets"), false),
            (("/a", None, "/bets"), ("/a", None, "/bets"), true),
            (("/a", None, "/bets"), ("/a", post(), "/bets"), true),
            (("/a", post(), "/bets"), ("/a", None, "/bets"), true),
            (("/a", None, "/bets/{bet}"), ("/a/bets", get(), "/{order}"), true),
            (("/a", None, "/bets/{bet}"), ("/a/bets", get(), "/1"), false),
        ] {
            let mounts = [one, other].map(|(prefix, method, path)| mount(prefix, route(method, path)));
            let checked = check(&mounts);
            let why = checked.as_ref().map_err(ToString::to_string).err().unwrap_or_default();
            assert_eq!(why.contains("is another dialect's or party's, too"), is_mistake, "{why}");
            assert_eq!(checked.is_err(), is_mistake);
        }
    }
}
