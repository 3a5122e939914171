//! The span of one message, from its receipt to its confirmed reply, and that of the reply within it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};

use super::command::CommandTrace;
use super::{Ended, Spans, context, new_id};
use crate::redaction::without_tokens;

/// What is known of a message when it comes.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    pub queue: &'a str,
    pub exchange: &'a str,
    pub party: &'a str,
    pub operation: &'static str,
    pub correlation: Option<&'a str>,
    pub delivery_tag: u64,
    pub bytes: usize,
}

/// That a message or request is sampled, and as whose child.
#[derive(Debug)]
pub struct Sampled {
    pub(super) parent: Option<SpanContext>,
}

/// A message that is sampled.
#[derive(Debug)]
pub struct MessageTrace {
    command: Arc<CommandTrace>,
    parent: Option<SpanContext>,
    /// Of the reply's span.
    producer: SpanId,
    received: SystemTime,
    name: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    attributes: Vec<KeyValue>,
    /// Where the reply goes, and since when.
    sending: Option<(String, SystemTime)>,
}

impl Spans {
    /// Whether a message or request is sampled: where its `traceparent` is, and of all others by chance. Those whose sender
    /// did not sample them are among these: he says that he has no span, not that nobody may have one.
    pub fn sample(&self, traceparent: Option<&str>) -> Option<Sampled> {
        let parent = traceparent.and_then(context::parse);
        let is_sampled = parent.as_ref().is_some_and(SpanContext::is_sampled);
        (is_sampled || rand::random::<f64>() < self.sample_ratio).then_some(Sampled { parent })
    }
}

impl MessageTrace {
    /// Begins its span.
    pub fn begin(spans: &Arc<Spans>, Sampled { parent }: Sampled, about: Received<'_>) -> Self {
        let place = destination(about.exchange, about.queue);
        let mut attributes = vec![
            KeyValue::new("messaging.system", "rabbitmq"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.destination.name", place.clone()),
            KeyValue::new("messaging.rabbitmq.destination.routing_key", about.queue.to_owned()),
            KeyValue::new("messaging.rabbitmq.message.delivery_tag", whole(about.delivery_tag)),
            KeyValue::new("messaging.message.body.size", whole(about.bytes as u64)),
            KeyValue::new("purser.party", about.party.to_owned()),
            KeyValue::new("purser.dialect", "egpp"),
            KeyValue::new("purser.operation", about.operation),
        ];
        if let Some(correlation) = about.correlation {
            attributes.push(KeyValue::new("messaging.message.conversation_id", without_tokens(correlation)));
        }
        Self {
            command: CommandTrace::new(spans, parent.as_ref()),
            parent,
            producer: new_id(),
            received: SystemTime::now(),
            name: format!("process {place}"),
            state: Mutex::new(State { attributes, sending: None }),
        }
    }

    /// For the command that it holds.
    pub fn command(&self) -> Arc<CommandTrace> {
        Arc::clone(&self.command)
    }

    /// Begins the reply's span; answers with the `traceparent` that the reply carries.
    pub fn reply(&self, exchange: &str, routing_key: &str) -> String {
        self.state().sending = Some((destination(exchange, routing_key), SystemTime::now()));
        context::text(self.command.own.trace_id(), self.producer)
    }

    /// Ends both spans, with the code that was answered where there is one.
    pub fn end(&self, code: Option<&'static str>) {
        let ended = SystemTime::now();
        let mut state = self.state();
        if let Some((place, began)) = state.sending.take() {
            self.send_reply(&place, (began, ended));
        }
        let mut attributes = std::mem::take(&mut state.attributes);
        attributes.extend(code.map(|code| KeyValue::new("purser.code", code)));
        let is_fault = code.is_some_and(|code| code.starts_with('5'));
        if is_fault {
            attributes.extend(code.map(|code| KeyValue::new("error.type", code)));
        }
        self.command.spans.send(Ended {
            context: self.command.own.clone(),
            parent: self.parent.as_ref().map(|parent| (parent.span_id(), true)),
            kind: SpanKind::Consumer,
            name: self.name.clone(),
            began: self.received,
            ended,
            attributes,
            links: self.command.links(),
            status: if is_fault { Status::error("a fault of ours; the log says more") } else { Status::Unset },
        });
    }

    fn send_reply(&self, place: &str, (began, ended): (SystemTime, SystemTime)) {
        let own = &self.command.own;
        let context =
            SpanContext::new(own.trace_id(), self.producer, own.trace_flags(), false, own.trace_state().clone());
        self.command.spans.send(Ended {
            context,
            parent: Some((own.span_id(), false)),
            kind: SpanKind::Producer,
            name: format!("send {place}"),
            began,
            ended,
            attributes: vec![
                KeyValue::new("messaging.system", "rabbitmq"),
                KeyValue::new("messaging.operation.name", "send"),
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.destination.name", place.to_owned()),
            ],
            links: Vec::new(),
            status: Status::Unset,
        });
    }

    /// No panic can leave it half changed, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the messaging conventions name places of RabbitMQ: exchange and routing key, of which the default exchange is none.
/// (A queue's name and its routing key are the same here.)
fn destination(exchange: &str, routing_key: &str) -> String {
    if exchange.is_empty() { routing_key.to_owned() } else { format!("{exchange}:{routing_key}") }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
