//! A sandbox party's replies, handed to whoever judges its provider.
//!
//! A watcher says once a second, among the party's sessions, that it watches. For as long as it does, each session sends to
//! the watcher's queue what it would have sent to the provider: the reply, and where it was to go, with the request as it
//! came. The watcher sends it on, late, twice, or not at all. Requests are decided and acked as ever, so nothing of what is
//! promised about them depends on it; a watcher that is gone is forgotten after [`LEASE`], and what it had was withheld.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::ShortString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::message::{self, Publication};
use super::publisher::Parked;
use super::topology::short;

/// How long a watcher has the replies after it was heard of. It calls every second; five calls may be lost.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// What is shown of a request's body: more than any request may have.
const MAX_SHOWN_BODY: usize = 128 * 1024;

/// Who has the replies of one session.
#[derive(Default)]
pub struct ReplyWatch {
    watcher: Mutex<Option<(ShortString, Instant)>>,
}

impl ReplyWatch {
    /// Notes the watcher's queue, for as long as [`LEASE`]; none: nobody watches any more.
    pub(super) fn note(&self, queue: Option<ShortString>) {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        *watcher = queue.map(|queue| (queue, Instant::now() + LEASE));
    }

    pub(super) fn watcher(&self) -> Option<ShortString> {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        watcher.as_ref().filter(|(_, until)| *until > Instant::now()).map(|(queue, _)| queue.clone())
    }
}

/// What a watcher's queue gets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum ToWatcher {
    /// A session has heard of the watcher.
    Heard {
        session: Uuid,
    },
    Exchange(Box<WatchedExchange>),
}

/// A request that was dealt with, and what is to be said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WatchedExchange {
    pub request: WatchedRequest,
    pub reply: Option<WatchedReply>,
    pub parked: Option<WatchedParking>,
}

/// A request as it came, but for its tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WatchedRequest {
    pub exchange: String,
    pub routing_key: String,
    pub correlation_id: Option<String>,
    pub message_id: Option<String>,
    pub reply_to: Option<String>,
    pub delivery_mode: Option<u8>,
    pub timestamp: Option<u64>,
    pub has_token: bool,
    pub is_redelivered: bool,
    /// In base64: what is malformed may be any bytes.
    body: String,
}

impl WatchedRequest {
    /// The body, or its beginning where it is longer than any request may be.
    pub fn body(&self) -> Vec<u8> {
        STANDARD.decode(&self.body).unwrap_or_default()
    }
}

/// A reply, and where it is to go.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WatchedReply {
    pub exchange: String,
    pub routing_key: String,
    pub correlation_id: Option<String>,
    pub kind: String,
    pub delivery_mode: u8,
    pub traceparent: Option<String>,
    pub body: String,
}

/// Why the request is among the dead letters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WatchedParking {
    pub reason: String,
    pub error: String,
}

/// What is sent to the watcher in the place of the reply.
pub(super) fn handed_over(
    watcher: ShortString,
    delivery: &Delivery,
    reply: Option<Publication>,
    parked: Option<&Parked>,
) -> Publication {
    let exchange = ToWatcher::Exchange(Box::new(WatchedExchange {
        request: request(delivery),
        reply: reply.map(watched_reply),
        parked: parked.map(|(reason, error)| WatchedParking { reason: (*reason).to_owned(), error: error.clone() }),
    }));
    let body = serde_json::to_vec(&exchange).unwrap_or_default();
    let properties = BasicProperties::default().with_content_type("application/json".into());
    Publication { exchange: ShortString::default(), routing_key: watcher, body, properties }
}

fn request(delivery: &Delivery) -> WatchedRequest {
    let properties = &delivery.properties;
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    WatchedRequest {
        exchange: delivery.exchange.to_string(),
        routing_key: delivery.routing_key.to_string(),
        correlation_id: text(properties.correlation_id()),
        message_id: text(properties.message_id()),
        reply_to: text(properties.reply_to()),
        delivery_mode: *properties.delivery_mode(),
        timestamp: *properties.timestamp(),
        has_token: message::header(properties, "authorization").is_some(),
        is_redelivered: delivery.redelivered,
        body: STANDARD.encode(&delivery.data[..delivery.data.len().min(MAX_SHOWN_BODY)]),
    }
}

fn watched_reply(reply: Publication) -> WatchedReply {
    let Publication { exchange, routing_key, body, properties } = reply;
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    WatchedReply {
        exchange: exchange.to_string(),
        routing_key: routing_key.to_string(),
        correlation_id: text(properties.correlation_id()),
        kind: text(properties.kind()).unwrap_or_default(),
        delivery_mode: properties.delivery_mode().unwrap_or(1),
        traceparent: message::header(&properties, "traceparent").map(str::to_owned),
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

impl From<&WatchedReply> for Publication {
    /// The reply as the provider would have got it.
    fn from(reply: &WatchedReply) -> Self {
        let mut properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_type(short(&reply.kind))
            .with_delivery_mode(reply.delivery_mode);
        if let Some(id) = &reply.correlation_id {
            properties = properties.with_correlation_id(short(id));
        }
        if let Some(traceparent) = &reply.traceparent {
            properties = properties.with_headers(message::traced(traceparent));
        }
        let (exchange, routing_key) = (short(&reply.exchange), short(&reply.routing_key));
        Self { exchange, routing_key, body: reply.body.clone().into_bytes(), properties }
    }
}
