//! `/healthz`, `/readyz`, `/metrics`, and a status object for everything else.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::sequencer::Health;
use crate::transport::amqp::Broker;

/// Seconds after which a caller should ask again while something is away.
const RETRY_AFTER: &str = "1";

/// What `/readyz` looks at.
#[derive(Clone)]
pub struct Readiness {
    /// Its writers and its reader.
    pub database: [watch::Receiver<Health>; 2],
    pub broker: watch::Receiver<Broker>,
    pub draining: watch::Receiver<bool>,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    database: String,
    broker: String,
}

/// A status object (EGPP section 5, "Status"), for answers that no dialect gives.
#[derive(Serialize)]
struct Status {
    code: &'static str,
    error: &'static str,
    description: &'static str,
}

/// Binds the listener, so that a port in use is an error before anything else has begun.
pub async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Serves until the program drains; requests under way are finished.
pub async fn serve(listener: TcpListener, readiness: Readiness, metrics: PrometheusHandle) -> std::io::Result<()> {
    let mut draining = readiness.draining.clone();
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(async move || metrics.render()))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(readiness);
    let drained = async move {
        // A closed channel means that the program is ending, too.
        let _ = draining.wait_for(|draining| *draining).await;
    };
    axum::serve(listener, router).with_graceful_shutdown(drained).await
}

async fn healthz() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "alive": true }))
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let report = readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = (status, Json(&report)).into_response();
    if !report.ready {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}

impl Readiness {
    fn report(&self) -> Report {
        let away = self.database.iter().find_map(|health| match &*health.borrow() {
            Health::Ready => None,
            Health::Away(why) => Some(format!("away: {why}")),
        });
        let database = away.map_or_else(|| Ok("ready".to_owned()), Err);
        let broker = match &*self.broker.borrow() {
            Broker::Off => Ok("off".to_owned()),
            Broker::Connected { mismatches } if mismatches.is_empty() => Ok("ready".to_owned()),
            Broker::Connected { mismatches } => {
                let names: Vec<&str> = mismatches.iter().map(|mismatch| mismatch.name.as_str()).collect();
                Err(format!("not as expected: {} (see `purser check`)", names.join(", ")))
            }
            Broker::Blocked { reason, .. } => Err(format!("blocked: {reason}")),
            Broker::Away(why) => Err(format!("away: {why}")),
        };
        let ready = database.is_ok() && broker.is_ok() && !*self.draining.borrow();
        Report { ready, database: database.unwrap_or_else(|why| why), broker: broker.unwrap_or_else(|why| why) }
    }
}

async fn not_found() -> (StatusCode, Json<Status>) {
    let status = Status { code: "404", error: "NOT_FOUND", description: "There is nothing under this path" };
    (StatusCode::NOT_FOUND, Json(status))
}

async fn method_not_allowed() -> (StatusCode, Json<Status>) {
    let status = Status {
        code: "405",
        error: "METHOD_NOT_ALLOWED",
        description: "This path does not take this method; see the Allow header",
    };
    (StatusCode::METHOD_NOT_ALLOWED, Json(status))
}
