//! Traces, exported over OTLP where a collector is configured: a span of each message and HTTP request that is sampled, linked
//! to that of the batch that decided it.
//!
//! | span | kind | parent | holds |
//! |---|---|---|---|
//! | `process QUEUE` | consumer | the message's `traceparent`, else none | receipt to confirmed reply; a link to its batch |
//! | `send DESTINATION` | producer | the message's span | publish to confirm; the reply's `traceparent` names it |
//! | `METHOD ROUTE` | server | the request's `traceparent`, else none | head to reply, whose `traceparent` names it; a link to its batch |
//! | `batch` | internal | none | one transaction; links to its messages and requests |
//! | `load`, `decide`, `commit` | internal | the batch's | |
//!
//! Spans are put together when they are over, from what is at hand then, and only of what is sampled: what is not costs one
//! look at its headers. They go through a bounded queue to a thread of its own; what finds no place in it is
//! dropped and counted, so that a collector that is away or slow holds up nobody.
//!
//! Reading order: [`context`] (whose child a span is), [`command`] (what a batch knows of where its commands came from),
//! [`message`], [`request`], [`batch`], [`export`].

mod context;
mod command;
mod message;
mod request;
mod batch;
mod export;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

pub use self::batch::BatchTrace;
pub use self::command::CommandTrace;
pub use self::context::is_traceparent;
use self::export::SpanQueue;
pub use self::export::{TelemetryError, check, collector};
pub use self::message::{MessageTrace, Received};
pub use self::request::{RequestFacts, RequestTrace};
use crate::config::Telemetry;

/// Links of one span. A batch has up to `ledger.max_batch` messages, of which few are sampled.
const MOST_LINKS: usize = 128;

/// Where spans go.
#[derive(Debug)]
pub struct Spans {
    queue: SpanQueue,
    /// Of what does not come sampled.
    sample_ratio: f64,
    scope: InstrumentationScope,
}

/// A span that is over.
struct Ended {
    context: SpanContext,
    /// Its id, and whether it is another program's.
    parent: Option<(SpanId, bool)>,
    kind: SpanKind,
    name: String,
    began: SystemTime,
    ended: SystemTime,
    attributes: Vec<KeyValue>,
    links: Vec<SpanContext>,
    status: Status,
}

impl Spans {
    /// Starts exporting; `None` where neither configuration nor environment name a collector.
    pub fn start(settings: &Telemetry) -> Result<Option<Arc<Self>>, TelemetryError> {
        let Some(queue) = SpanQueue::start(settings.otlp_endpoint.as_deref())? else { return Ok(None) };
        let scope = InstrumentationScope::builder("purser").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Some(Arc::new(Self { queue, sample_ratio: settings.sample_ratio, scope })))
    }

    /// Waits until what is over by now was exported, and not for long.
    pub async fn flush(&self, patience: Duration) {
        self.queue.flush(patience).await;
    }

    fn send(&self, span: Ended) {
        let mut links = SpanLinks::default();
        links.links = span.links.iter().take(MOST_LINKS).cloned().map(Link::with_context).collect();
        links.dropped_count = u32::try_from(span.links.len() - links.links.len()).unwrap_or(u32::MAX);
        self.queue.send(SpanData {
            span_context: span.context,
            parent_span_id: span.parent.map_or(SpanId::INVALID, |(id, _)| id),
            parent_span_is_remote: span.parent.is_some_and(|(_, is_remote)| is_remote),
            span_kind: span.kind,
            name: span.name.into(),
            start_time: span.began,
            end_time: span.ended,
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: span.status,
            instrumentation_scope: self.scope.clone(),
        });
    }
}

/// A span of this trace; a trace of its own where there is none.
fn new_context(trace: Option<TraceId>) -> SpanContext {
    let trace = trace.unwrap_or_else(|| TraceId::from_bytes(rand::random::<u128>().max(1).to_be_bytes()));
    SpanContext::new(trace, new_id(), TraceFlags::SAMPLED, false, TraceState::NONE)
}

fn new_id() -> SpanId {
    SpanId::from_bytes(rand::random::<u64>().max(1).to_be_bytes())
}
