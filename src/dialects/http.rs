//! What every HTTP dialect is made of: mounts, routes, and handlers that make a request a reply.
//!
//! A handler is an `async fn`: it asks the wallet, and awaits the answer. How long it may take, what is answered where it
//! takes longer or the database is away, and what is counted and logged is the transport's, once for all of them.

pub mod exact;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::config::{Config, PartyConfig};
use crate::identity::TokenVerifier;
use crate::identity::password::{PasswordChecker, PasswordError};
use crate::ledger::Party;
use crate::ledger::command::Timestamp;
use crate::wallet::{SharedWallet, WalletError};

/// A way of speaking HTTP with the ledger.
pub struct Dialect {
    /// As in configuration, logs and `schemas/`.
    pub name: &'static str,
    /// Its mounts for everybody who has configured it.
    pub mounts: fn(&MountContext<'_>) -> Result<Vec<Mount>, MountError>,
    /// What the dialect says where there is no answer.
    pub failure: fn(Failure) -> Reply,
}

/// What dialects are mounted with.
pub struct MountContext<'a> {
    pub config: &'a Config,
    pub parties: Vec<PartyContext<'a>>,
    pub passwords: PasswordChecker,
}

/// One party, with what checks its players' tokens: absent where it has configured no key.
pub struct PartyContext<'a> {
    pub party: &'a Party,
    pub settings: &'a PartyConfig,
    pub verifier: Option<Arc<TokenVerifier>>,
}

/// Why a dialect cannot be mounted: the configuration is at fault.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MountError(pub String);

/// A dialect under its path, for one party or (where requests say whose they are) for all.
pub struct Mount {
    pub dialect: &'static Dialect,
    pub party: Option<Party>,
    /// Empty, or `/…` without a slash at the end.
    pub path: String,
    pub routes: Vec<Route>,
}

/// One operation of a mount.
pub struct Route {
    /// `None`: any, and the handler tells.
    pub method: Option<Method>,
    /// Below the mount's path; `{name}` stands for one segment, found by [`Request::parameter`].
    pub path: &'static str,
    /// As in logs and metrics.
    pub operation: &'static str,
    /// The longest body that is read, in bytes.
    pub max_body: usize,
    pub handle: Handler,
    /// The OpenAPI Operation object.
    pub document: fn() -> Value,
}

impl Route {
    /// One that takes POST and nothing else.
    pub fn post(
        path: &'static str,
        operation: &'static str,
        max_body: usize,
        handle: Handler,
        document: fn() -> Value,
    ) -> Self {
        Self { method: Some(Method::POST), path, operation, max_body, handle, document }
    }
}

/// Makes a request a reply. Where it fails, the dialect's [`Failure`] is the reply.
pub(crate) type Handler =
    Arc<dyn Fn(SharedWallet, Request) -> BoxFuture<'static, Result<Reply, Failure>> + Send + Sync>;

/// The handler of a route: an `async fn` of what the mount's requests share, the wallet, and the request.
pub fn handled_by<S, A, E>(
    shared: &Arc<S>,
    handle: impl Fn(Arc<S>, SharedWallet, Request) -> A + Send + Sync + 'static,
) -> Handler
where
    S: Send + Sync + 'static,
    A: Future<Output = Result<Reply, E>> + Send + 'static,
    E: Into<HandlerError>,
{
    let shared = Arc::clone(shared);
    Arc::new(move |wallet, request| {
        let handling = handle(Arc::clone(&shared), wallet, request);
        Box::pin(async move {
            handling.await.or_else(|error| match error.into() {
                HandlerError::Refused(reply) => Ok(*reply),
                HandlerError::Failed(failure) => Err(failure),
            })
        })
    })
}

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub path: String,
    /// The values of the route's `{name}` segments, decoded.
    pub parameters: Vec<(String, String)>,
    /// Undecoded, without the question mark.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub at: Timestamp,
    /// The caller's `x-correlation-id` or `x-request-id`, or one of our own.
    pub correlation: Arc<str>,
    /// Where it comes from: the sender's address, by the word of trusted proxies where there are such.
    pub address: IpAddr,
    /// Whether it can only have been sent from this machine: listener, peer and `Host` are loopback, and no proxy has
    /// left a header in it.
    pub is_local: bool,
    pub whose: PartyNote,
}

/// Whose request it is, for logs and metrics: the mount knows, or the handler finds out.
#[derive(Debug, Clone, Default)]
pub struct PartyNote(Arc<OnceLock<Party>>);

impl PartyNote {
    pub fn of(party: Option<&Party>) -> Self {
        let note = Self::default();
        party.into_iter().for_each(|party| note.set(party));
        note
    }

    /// The first word holds.
    pub fn set(&self, party: &Party) {
        let _ = self.0.set(party.clone());
    }

    pub fn get(&self) -> Option<&Party> {
        self.0.get()
    }
}

impl Request {
    /// A header's value where it is there once and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The query's pairs, decoded, in their order.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// The body's pairs where it is a form, decoded, in their order.
    pub(crate) fn form_pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// Whether the body says that it is of this type, whatever parameters follow.
    pub(crate) fn is_content_type(&self, expected: &str) -> bool {
        let media_type = self.header("content-type").and_then(|value| value.split(';').next());
        media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(expected))
    }

    /// The token of `Authorization: Bearer …`.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Empty: there is no body.
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The dialect's own code for what happened, as in logs and metrics.
    pub code: Cow<'static, str>,
}

impl Reply {
    /// A JSON reply. The values that dialects make hold texts and numbers alone, which always serialize.
    pub fn json(status: u16, code: impl Into<Cow<'static, str>>, value: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self { status, content_type: "application/json", headers: Vec::new(), body, code: code.into() }
    }

    pub fn empty(status: u16, code: impl Into<Cow<'static, str>>) -> Self {
        Self { status, content_type: "", headers: Vec::new(), body: Vec::new(), code: code.into() }
    }

    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Why a request gets no answer of its operation's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// There is nothing under this path.
    NotFound,
    MethodNotAllowed,
    /// The body is longer than the route reads.
    TooLarge,
    /// The body did not come in time, or not whole.
    Unreadable,
    /// The database is away, or busy beyond the time that a request is given; ask again.
    Unavailable,
    /// A fault of ours.
    Fault,
}

impl Failure {
    /// The HTTP status that fits, where the dialect has none of its own.
    pub fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooLarge => 413,
            Self::Unreadable => 408,
            Self::Unavailable => 503,
            Self::Fault => 500,
        }
    }
}

impl From<WalletError> for Failure {
    fn from(error: WalletError) -> Self {
        match error {
            WalletError::Unavailable => Self::Unavailable,
            WalletError::Fault => Self::Fault,
        }
    }
}

/// What ends a handler early: the dialect's own refusal, which is a reply as well, or a failure. Each dialect turns its
/// refusals into one, so that `?` is all that a handler needs.
#[derive(Debug)]
pub enum HandlerError {
    Refused(Box<Reply>),
    Failed(Failure),
}

impl From<Reply> for HandlerError {
    fn from(refusal: Reply) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<Failure> for HandlerError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<WalletError> for HandlerError {
    fn from(error: WalletError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<PasswordError> for HandlerError {
    fn from(_: PasswordError) -> Self {
        Self::Failed(Failure::Fault)
    }
}
