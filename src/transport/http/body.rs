//! A request's body that remembers whether it was read to its end. Where it was not, nobody can tell where the next
//! request begins: the connection must end, and the reply has to say so.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// A body on its way to a handler.
pub struct Watched {
    incoming: Incoming,
    end: Arc<AtomicBool>,
}

/// Whether a body has come to its end.
pub struct BodyEnd(Arc<AtomicBool>);

impl BodyEnd {
    pub fn is_reached(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Watched {
    pub fn new(incoming: Incoming) -> (Self, BodyEnd) {
        let end = Arc::new(AtomicBool::new(incoming.is_end_stream()));
        (Self { incoming, end: Arc::clone(&end) }, BodyEnd(end))
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if self.incoming.is_end_stream() || matches!(polled, Poll::Ready(None)) {
            self.end.store(true, Ordering::Release);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
