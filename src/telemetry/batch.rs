//! The span of one batch: one transaction, with its steps as children.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanKind, Status};

use super::command::CommandTrace;
use super::{Ended, Spans, new_context};

/// A batch's span, where one of its commands came in a message or request that is sampled; else nothing is done.
pub struct BatchTrace(Option<Open>);

struct Open {
    spans: Arc<Spans>,
    own: SpanContext,
    sources: Vec<SpanContext>,
    commands: usize,
    began: SystemTime,
    /// What was done, and when it was over.
    steps: Vec<(&'static str, SystemTime)>,
}

impl BatchTrace {
    /// Begins it; what its commands came in is linked to it.
    pub fn begin<'a>(commands: usize, sources: impl Iterator<Item = &'a Arc<CommandTrace>>) -> Self {
        let mut sources = sources.peekable();
        let Some(spans) = sources.peek().map(|source| Arc::clone(&source.spans)) else { return Self(None) };
        let own = new_context(None);
        let link = |source: &Arc<CommandTrace>| {
            source.link(&own);
            source.own.clone()
        };
        let sources = sources.map(link).collect();
        Self(Some(Open { spans, own, sources, commands, began: SystemTime::now(), steps: Vec::new() }))
    }

    /// Something of it is over.
    pub fn step(&mut self, name: &'static str) {
        if let Some(open) = &mut self.0 {
            open.steps.push((name, SystemTime::now()));
        }
    }

    pub fn end(self, is_committed: bool) {
        let Some(Open { spans, own, sources, commands, began, steps }) = self.0 else { return };
        let mut since = began;
        for (name, ended) in steps {
            spans.send(Ended {
                context: new_context(Some(own.trace_id())),
                parent: Some((own.span_id(), false)),
                kind: SpanKind::Internal,
                name: name.to_owned(),
                began: since,
                ended,
                attributes: Vec::new(),
                links: Vec::new(),
                status: Status::Unset,
            });
            since = ended;
        }
        spans.send(Ended {
            context: own,
            parent: None,
            kind: SpanKind::Internal,
            name: "batch".to_owned(),
            began,
            ended: SystemTime::now(),
            attributes: vec![KeyValue::new("purser.batch.commands", i64::try_from(commands).unwrap_or(i64::MAX))],
            links: sources,
            status: if is_committed { Status::Unset } else { Status::error("not committed; the log says more") },
        });
    }
}
