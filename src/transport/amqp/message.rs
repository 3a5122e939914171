//! A delivery as the subscriber sees it, and the reply or dead letter that it becomes.

use std::collections::BTreeMap;

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::admission::Admission;
use super::direct;
use super::topology::{self, STATUS, short};
use crate::dialects::egpp::handler::Channel;
use crate::dialects::egpp::{EgppReply, Envelope, Operation};
use crate::ledger::Party;
use crate::ledger::command::Timestamp;

/// The AMQP delivery mode that survives a restart of the broker.
pub(super) const PERSISTENT: u8 = 2;

/// Headers of a message above this size are left behind when it becomes a dead letter: with ours added, the table
/// would have to fit into one frame.
const MAX_KEPT_HEADERS: usize = 64 * 1024;

/// Bytes of a frame that a dead letter's other properties and our own headers may take: ten names of 255 bytes, and an error.
const BESIDE_HEADERS: usize = 6 * 1024;

/// Headers that a message is judged by when it is put back.
const NEEDED_HEADERS: [&str; 2] = ["authorization", "traceparent"];

/// Headers that would act again when the message is published again.
pub(super) const ROUTING_HEADERS: [&str; 3] = ["CC", "BCC", COPY_TO];

/// What a dead letter says of its death: why, what exactly, where from, and when (seconds since 1970).
pub(crate) const DEAD_REASON: &str = "x-purser-reason";
pub(crate) const DEAD_ERROR: &str = "x-purser-error";
pub(crate) const DEAD_QUEUE: &str = "x-purser-queue";
pub(crate) const DEAD_AT: &str = "x-purser-dead-at";

/// The reason of a dead letter that was no request to the queue that it was found in.
pub(crate) const MISROUTED: &str = "misrouted";

/// And of one that nobody could read as it came.
pub(crate) const UNREADABLE: &str = "unreadable";

/// Who sent the message first: the broker refuses another's `user_id`.
pub(crate) const ORIGINAL_USER: &str = "x-purser-user-id";

/// How often a dead letter has been put back.
pub(crate) const REDRIVEN: &str = "x-purser-redriven";

/// A queue that gets a copy of the reply: whoever puts a dead letter back wants to know what became of it.
pub(crate) const COPY_TO: &str = "x-purser-copy-to";

/// The length of a W3C `traceparent`.
const TRACEPARENT: usize = 55;

/// The correlation identifier: `message_id` stands in where it is absent.
pub fn correlation(properties: &BasicProperties) -> Option<&ShortString> {
    let given = |id: &&ShortString| !id.as_str().is_empty();
    properties.correlation_id().as_ref().filter(given).or(properties.message_id().as_ref().filter(given))
}

fn header_value<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    let headers = properties.headers().as_ref()?.inner();
    headers.iter().find(|(key, _)| key.as_str().eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A header by its exact name: Purser's own, and the broker's. A provider's that is spelt otherwise is none of them.
pub(super) fn exact_header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

/// The text of a header of this exact name.
pub(super) fn exact_text<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a str> {
    text_of(exact_header(properties, name)?)
}

/// The text of a header.
pub(super) fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a str> {
    text_of(header_value(properties, name)?)
}

fn text_of(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => Some(std::str::from_utf8(text.as_bytes()).unwrap_or_default()),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        // Present, but no text: not a token either.
        _ => Some(""),
    }
}

pub fn envelope(properties: &BasicProperties, received_at: Timestamp) -> Envelope<'_> {
    Envelope {
        channel: Channel::Queue,
        correlation: correlation(properties).map(ShortString::as_str),
        authorization: header(properties, "authorization"),
        sent_at: properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok()),
        received_at,
    }
}

/// A message ready to be published.
#[derive(Debug)]
pub struct Publication {
    pub exchange: ShortString,
    pub routing_key: ShortString,
    pub body: Vec<u8>,
    pub properties: BasicProperties,
}

/// The queue that a delivery came from: whose it is, and for which operation.
pub(crate) type QueuePlace<'a> = (&'a Party, Operation);

/// The reply to a delivery: to its reply queue, or to the status exchange where it names none that a reply may go to.
pub fn reply(
    delivery: &Delivery,
    (party, operation): QueuePlace<'_>,
    admission: &Admission,
    reply: EgppReply,
) -> Publication {
    let request = &delivery.properties;
    let mut properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_type(short(reply.kind(operation)))
        .with_delivery_mode(if *request.delivery_mode() == Some(PERSISTENT) { PERSISTENT } else { 1 });
    if let Some(correlation) = correlation(request) {
        properties = properties.with_correlation_id(correlation.clone());
    }
    if let Some(traceparent) = header(request, "traceparent").filter(|text| text.len() == TRACEPARENT) {
        properties = properties.with_headers(traced(traceparent));
    }
    let may_go_to = |queue: &&ShortString| {
        let queue = queue.as_str();
        is_safe(queue) && (direct::is_direct(queue) || admission.may_reply_to(queue, request))
    };
    let (exchange, routing_key) = match request.reply_to().as_ref().filter(may_go_to) {
        Some(queue) => (ShortString::default(), queue.clone()),
        None => status_route(party, operation),
    };
    Publication { exchange, routing_key, body: reply.body, properties }
}

/// The headers of a reply that passes a trace on.
pub(super) fn traced(traceparent: &str) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.into()));
    headers
}

/// Where replies go that have no queue to go to.
pub(crate) fn status_route(party: &Party, operation: Operation) -> (ShortString, ShortString) {
    (STATUS.into(), short(&topology::request_queue(party, operation)))
}

/// Whether a reply may be sent to this queue: not to one of Purser's own, since nobody may have it write to a party whom
/// he may not write to himself; nor by a direct reply-to name that the broker cannot have given out.
fn is_safe(queue: &str) -> bool {
    match direct::is_direct(queue) {
        true => direct::DirectName::parse(queue).is_some(),
        false => !queue.is_empty() && !topology::is_ours(queue),
    }
}

/// How a delivery became a dead letter.
#[derive(Debug, Clone, Copy)]
pub struct Died<'a> {
    pub reason: &'a str,
    pub error: &'a str,
    /// Seconds since 1970.
    pub at: i64,
    /// Bytes of a frame on the connection that the letter goes over.
    pub frame_max: u32,
}

/// The reply once more, for whoever has put a dead letter back; nobody waits for it.
pub fn copy(delivery: &Delivery, admission: &Admission, reply: &Publication) -> Option<Publication> {
    if !admission.may_have_copy(&delivery.properties) {
        return None;
    }
    let queue =
        exact_text(&delivery.properties, COPY_TO).filter(|queue| is_safe(queue) && !direct::is_direct(queue))?;
    let (body, properties) = (reply.body.clone(), reply.properties.clone());
    Some(Publication { exchange: ShortString::default(), routing_key: short(queue), body, properties })
}

/// A delivery as a dead letter: the body and properties as they came, with headers that say why and where from.
pub fn dead_letter(
    delivery: &Delivery,
    (party, operation): QueuePlace<'_>,
    admission: &Admission,
    died: Died<'_>,
) -> Publication {
    let Died { reason, error, at, frame_max } = died;
    let came_with = &delivery.properties;
    let mut headers = kept_headers(came_with, frame_max);
    let mut note = |name: &str, value: &str| {
        headers.insert(short(name), AMQPValue::LongString(value.into()));
    };
    note(DEAD_REASON, reason);
    note(DEAD_ERROR, error);
    note(DEAD_AT, &at.to_string());
    note(DEAD_QUEUE, &topology::request_queue(party, operation));
    // These two would act on the dead letter itself, so they are kept as headers.
    if let Some(user) = admission.sender(came_with) {
        note(ORIGINAL_USER, user);
    }
    if let Some(expiration) = came_with.expiration() {
        note("x-purser-expiration", expiration.as_str());
    }
    Publication {
        exchange: topology::DEAD.into(),
        routing_key: short(&topology::dead_queue(party)),
        body: delivery.data.clone(),
        properties: without_effects(came_with).with_headers(headers).with_delivery_mode(PERSISTENT),
    }
}

/// All of them, or no more than it takes to be asked again and a note that says so: the broker ends the connection over a frame
/// that is too long.
fn kept_headers(properties: &BasicProperties, frame_max: u32) -> FieldTable {
    let Some(headers) = properties.headers() else { return FieldTable::default() };
    let room = usize::try_from(frame_max).unwrap_or(usize::MAX).saturating_sub(BESIDE_HEADERS);
    let fits = |table: &FieldTable| size_of_table(table) <= MAX_KEPT_HEADERS.min(room);
    if fits(headers) {
        return chosen(headers, |name, _| !ROUTING_HEADERS.contains(&name) && name != ORIGINAL_USER);
    }
    let is_needed = |name: &str| NEEDED_HEADERS.iter().any(|needed| name.eq_ignore_ascii_case(needed));
    let needed = chosen(headers, |name, value| is_needed(name) && matches!(value, AMQPValue::LongString(_)));
    let mut kept = Some(needed).filter(fits).unwrap_or_default();
    kept.insert("x-purser-headers-dropped".into(), AMQPValue::Boolean(true));
    kept
}

fn chosen(headers: &FieldTable, is_kept: impl Fn(&str, &AMQPValue) -> bool) -> FieldTable {
    let kept = headers.inner().iter().filter(|(name, value)| is_kept(name.as_str(), value));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect::<BTreeMap<_, _>>().into()
}

/// The properties that are safe to publish again: without `user_id` (the broker refuses another's) and `expiration`.
pub(super) fn without_effects(properties: &BasicProperties) -> BasicProperties {
    let mut kept = BasicProperties::default();
    let copy = |value: &Option<ShortString>| value.clone();
    if let Some(value) = copy(properties.content_type()) {
        kept = kept.with_content_type(value);
    }
    if let Some(value) = copy(properties.content_encoding()) {
        kept = kept.with_content_encoding(value);
    }
    if let Some(value) = copy(properties.correlation_id()) {
        kept = kept.with_correlation_id(value);
    }
    if let Some(value) = copy(properties.reply_to()) {
        kept = kept.with_reply_to(value);
    }
    if let Some(value) = copy(properties.message_id()) {
        kept = kept.with_message_id(value);
    }
    if let Some(value) = copy(properties.kind()) {
        kept = kept.with_type(value);
    }
    if let Some(value) = copy(properties.app_id()) {
        kept = kept.with_app_id(value);
    }
    if let Some(value) = *properties.timestamp() {
        kept = kept.with_timestamp(value);
    }
    kept
}

/// About how many bytes a table takes on the wire.
fn size_of_table(table: &FieldTable) -> usize {
    table.inner().iter().map(|(name, value)| name.as_str().len() + 2 + size_of_value(value)).sum()
}

fn size_of_value(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::LongString(text) => text.as_bytes().len() + 4,
        AMQPValue::ShortString(text) => text.as_str().len() + 1,
        AMQPValue::ByteArray(bytes) => bytes.len() + 4,
        AMQPValue::FieldTable(table) => size_of_table(table) + 4,
        AMQPValue::FieldArray(array) => array.as_slice().iter().map(size_of_value).sum::<usize>() + 4,
        _ => 16,
    }
}
