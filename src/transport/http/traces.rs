//! A span around each request that is sampled.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;

use crate::telemetry::{RequestTrace, Spans};

/// The router, with the spans of its requests where traces go anywhere.
pub fn traced(router: Router, spans: Option<Arc<Spans>>) -> Router {
    let Some(spans) = spans else { return router };
    router.layer(from_fn(move |request: Request, next: Next| {
        let trace = begin(&spans, &request);
        async move {
            match trace {
                Some(trace) => answer(trace, request, next).await,
                None => next.run(request).await,
            }
        }
    }))
}

fn begin(spans: &Arc<Spans>, request: &Request) -> Option<Arc<RequestTrace>> {
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    Some(RequestTrace::begin(spans, spans.sample(traceparent)?, request.method().as_str()))
}

/// The reply names the request's span, in place of its sender's.
async fn answer(trace: Arc<RequestTrace>, request: Request, next: Next) -> Response {
    let mut open = OpenTrace { trace: Arc::clone(&trace), status: None };
    let mut response = Arc::clone(&trace).cover(next.run(request)).await;
    open.status = Some(response.status());
    if let Ok(traceparent) = HeaderValue::try_from(trace.traceparent()) {
        response.headers_mut().insert("traceparent", traceparent);
    }
    response
}

/// Ends its span also where the client goes away and nobody goes on with the request.
struct OpenTrace {
    trace: Arc<RequestTrace>,
    status: Option<StatusCode>,
}

impl Drop for OpenTrace {
    fn drop(&mut self) {
        self.trace.end(self.status.map(|status| status.as_u16()));
    }
}
