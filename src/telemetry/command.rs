//! The span that a command comes in, as the batch sees it that decides it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::SpanContext;

use super::{Spans, new_context};

/// The span of the message or request that a command came in.
#[derive(Debug)]
pub struct CommandTrace {
    pub(super) spans: Arc<Spans>,
    pub(super) own: SpanContext,
    /// The last that it was in.
    batch: Mutex<Option<SpanContext>>,
}

impl CommandTrace {
    /// In the trace of whoever sent it, else in one of its own.
    pub(super) fn new(spans: &Arc<Spans>, parent: Option<&SpanContext>) -> Arc<Self> {
        let own = new_context(parent.map(SpanContext::trace_id));
        Arc::new(Self { spans: Arc::clone(spans), own, batch: Mutex::default() })
    }

    /// Is in this batch from now on.
    pub(super) fn link(&self, batch: &SpanContext) {
        *self.batch() = Some(batch.clone());
    }

    pub(super) fn links(&self) -> Vec<SpanContext> {
        self.batch().iter().cloned().collect()
    }

    /// No panic can leave it half changed, so a poisoned lock is as good as any.
    fn batch(&self) -> MutexGuard<'_, Option<SpanContext>> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
