//! The span of one HTTP request, from its head to its reply's.
//!
//! Who begins it knows the request, its route knows what it is about, and a lane which batch decided it; between them are
//! dialects, which know nothing of traces. So the request's task has it (as OpenTelemetry's own context is a task's or a
//! thread's), and whoever has something to tell of it asks for [`RequestTrace::current`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanKind, Status};

use super::command::CommandTrace;
use super::message::Sampled;
use super::{Ended, Spans, context};
use crate::redaction::without_tokens;

tokio::task_local! {
    static CURRENT: Arc<RequestTrace>;
}

/// Methods by which spans are called; others are of no known name (HTTP conventions).
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// A request that is sampled.
#[derive(Debug)]
pub struct RequestTrace {
    command: Arc<CommandTrace>,
    parent: Option<SpanContext>,
    method: &'static str,
    received: SystemTime,
    about: Mutex<Option<RequestFacts>>,
}

/// What a route knows of a request. Its address is not among it: it may name players.
#[derive(Debug, Clone)]
pub struct RequestFacts {
    /// The path, with `{name}` for what differs; where it leads to something.
    pub route: Option<String>,
    /// Where it is of one.
    pub party: Option<String>,
    pub dialect: &'static str,
    pub operation: &'static str,
    /// The dialect's own.
    pub code: String,
    pub correlation: String,
}

impl RequestTrace {
    pub fn begin(spans: &Arc<Spans>, Sampled { parent }: Sampled, method: &str) -> Arc<Self> {
        Arc::new(Self {
            command: CommandTrace::new(spans, parent.as_ref()),
            parent,
            method: METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER"),
            received: SystemTime::now(),
            about: Mutex::default(),
        })
    }

    /// The request whose task this is, where it is sampled.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Does something as part of the request.
    pub async fn cover<T>(self: Arc<Self>, doing: impl Future<Output = T>) -> T {
        CURRENT.scope(self, doing).await
    }

    /// Does something as part of the current request, if any, on whatever task that will be.
    pub fn covered<T>(doing: impl Future<Output = T>) -> impl Future<Output = T> {
        let current = Self::current();
        async move {
            match current {
                Some(current) => current.cover(doing).await,
                None => doing.await,
            }
        }
    }

    /// For what is decided because of the request.
    pub fn command(&self) -> Arc<CommandTrace> {
        Arc::clone(&self.command)
    }

    pub fn tell(&self, facts: RequestFacts) {
        *self.about.lock().unwrap_or_else(PoisonError::into_inner) = Some(facts);
    }

    /// What the reply carries: this span.
    pub fn traceparent(&self) -> String {
        context::text(self.command.own.trace_id(), self.command.own.span_id())
    }

    /// Ends it with the status that was answered; `None`: whoever asked went away before.
    pub fn end(&self, status: Option<u16>) {
        let about = self.about.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (route, mut attributes) = match about {
            Some(facts) => (facts.route.clone(), facts.attributes()),
            None => (None, Vec::new()),
        };
        let error = match status {
            Some(status) => (status >= 500).then(|| (status.to_string(), "a fault of ours; the log says more")),
            None => Some(("cancelled".to_owned(), "the client went away")),
        };
        attributes.push(KeyValue::new("http.request.method", self.method));
        attributes.push(KeyValue::new("url.scheme", "http"));
        attributes.extend(status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
        attributes.extend(error.clone().map(|(kind, _)| KeyValue::new("error.type", kind)));
        // (HTTP conventions: an unknown method is `HTTP` in a name.)
        let method = if self.method == "_OTHER" { "HTTP" } else { self.method };
        self.command.spans.send(Ended {
            context: self.command.own.clone(),
            parent: self.parent.as_ref().map(|parent| (parent.span_id(), true)),
            kind: SpanKind::Server,
            name: route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
            began: self.received,
            ended: SystemTime::now(),
            attributes,
            links: self.command.links(),
            status: error.map_or(Status::Unset, |(_, why)| Status::error(why)),
        });
    }
}

impl RequestFacts {
    fn attributes(self) -> Vec<KeyValue> {
        let Self { route, party, dialect, operation, code, correlation } = self;
        let mut attributes = vec![
            KeyValue::new("purser.dialect", dialect),
            KeyValue::new("purser.operation", operation),
            KeyValue::new("purser.code", code),
            KeyValue::new("purser.correlation_id", without_tokens(&correlation)),
        ];
        attributes.extend(route.map(|route| KeyValue::new("http.route", route)));
        attributes.extend(party.map(|party| KeyValue::new("purser.party", party)));
        attributes
    }
}
