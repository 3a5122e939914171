//! What every HTTP dialect is made of: mounts, routes, and the steps from a request to its reply.
//!
//! A dialect neither waits nor reads: a handler returns the [`Next`] step, and the transport takes it and goes on
//! with what came of it, until there is a [`Reply`]. So a dialect stays a pure translation, and whatever takes time
//! is bounded in one place.

pub mod exact;
pub mod html;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::Value;

use crate::config::{Config, PartyConfig, Secret};
use crate::identity::TokenVerifier;
use crate::identity::grants::{GrantAct, GrantAnswer};
use crate::ledger::command::{Command, Timestamp};
use crate::ledger::shop::{OfferId, OfferState};
use crate::ledger::state::PlayerState;
use crate::ledger::transactions::{Finding, ManualVoid, Transaction};
use crate::ledger::{Order, OrderId, Outcome, Party, PlayerId, PlayerKey};

/// A way of speaking HTTP with the ledger.
pub struct Dialect {
    /// As in configuration, logs and `schemas/`.
    pub name: &'static str,
    /// Its mounts for everybody who has configured it.
    pub mounts: fn(&Host<'_>) -> Result<Vec<Mount>, MountError>,
    /// What the dialect says where there is no answer.
    pub failure: fn(Failure) -> Reply,
}

/// What dialects are mounted with.
pub struct Host<'a> {
    pub config: &'a Config,
    pub parties: Vec<PartyHost<'a>>,
}

/// One party, with what checks its players' tokens: absent where it has configured no key.
pub struct PartyHost<'a> {
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

pub type Handler = Arc<dyn Fn(Request) -> Next + Send + Sync>;

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
    pub fn form_pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// Whether the body says that it is of this type, whatever parameters follow.
    pub fn is_content_type(&self, expected: &str) -> bool {
        let essence = self.header("content-type").and_then(|value| value.split(';').next());
        essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(expected))
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

/// Goes on with what came of a step.
pub type Then<T> = Box<dyn FnOnce(T) -> Next + Send>;

/// A command's outcome, and whether it was decided before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    pub outcome: Outcome,
    pub repeated: bool,
}

/// What is to be done next about a request. Where a step fails, the dialect's [`Failure`] is the reply.
pub enum Next {
    Reply(Reply),
    /// Note whose request it is, where the mount does not say, and go on.
    Of(Party, Box<Next>),
    /// Go on after this long: a sandbox keeps its callers waiting.
    Wait(Duration, Then<()>),
    /// Decide the command, and commit what follows.
    Decide(Box<Command>, Then<Decided>),
    /// Read a player with every account that was ever used.
    Player(PlayerKey, Then<Option<PlayerState>>),
    /// Read an order with its player's name.
    Order(OrderId, Then<Option<(Order, PlayerId)>>),
    /// Read transactions, oldest first.
    Transactions(Finding, Then<Vec<Transaction>>),
    /// Read the void that an operator decides, or decided, on for the transaction of this number.
    Void(Party, i64, Then<Option<ManualVoid>>),
    /// Read an offer and its stock.
    Offer(OfferId, Then<Option<OfferState>>),
    /// Read the sealed keys of an order, in the order of their sale; `None` where the buyer has no such order.
    SoldKeys {
        party: Party,
        buyer: Arc<str>,
        order: i64,
        then: Then<Option<Vec<Arc<str>>>>,
    },
    /// Fetch a party's token keys again. Where there are none at all, the reply is [`Failure::Unavailable`].
    RefreshKeys(Arc<TokenVerifier>, Then<()>),
    /// Compare a password with its hash. Takes as long where there is nothing to compare with.
    CheckPassword {
        password: Secret,
        against: PasswordHash,
        then: Then<bool>,
    },
    /// Find the player who signs in with this text: a player's id, else the one player of that username.
    PlayerOfLogin {
        party: Party,
        login: String,
        then: Then<Option<PlayerId>>,
    },
    /// Keep, exchange, end or look at what players have allowed partners.
    Grants(Box<GrantAct>, Then<GrantAnswer>),
}

/// Where a password's hash is.
#[derive(Debug, Clone)]
pub enum PasswordHash {
    Known(Secret),
    /// The one that was set for the player.
    OfPlayer(PlayerKey),
    /// Nowhere: nobody is known by that name.
    Nobody,
}
