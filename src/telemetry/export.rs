//! The way to the collector: a bounded queue, and a thread that empties it.

use std::env;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, HttpExporterBuilderSet, RetryPolicy, SpanExporterBuilder, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::oneshot;

use crate::metrics::{self, SpanLoss};

/// Spans that wait: some MiB, and at a hundred sampled messages a second ten seconds of them.
const MOST_WAITING: usize = 4096;

/// Spans in one request.
const MOST_AT_ONCE: usize = 512;

/// How long a span waits for others to go with it.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a request may take, where `OTEL_EXPORTER_OTLP_TIMEOUT` says nothing.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A line of the log in so long, however often the collector fails.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Where the collector takes traces.
const PATH: &str = "v1/traces";

/// What the environment may name it by.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Which is not repeated: what the environment names may hold a password.
    #[error("telemetry.otlp_endpoint or a variable OTEL_EXPORTER_OTLP_… is none that traces can be sent with")]
    Unusable,
    #[error("starting the thread that exports traces: {0}")]
    Thread(#[from] std::io::Error),
    #[error("starting the thread that exports traces: it ended")]
    Ended,
}

#[derive(Debug)]
enum Item {
    Span(Box<SpanData>),
    /// All before it shall be exported.
    Flush(oneshot::Sender<()>),
}

/// Where traces go, if anywhere: `configured` goes before the environment's.
pub fn collector(configured: Option<&str>) -> Option<String> {
    let text = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
    if text("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return None;
    }
    configured.map(str::to_owned).or_else(|| ENDPOINTS.iter().find_map(|name| text(name)))
}

/// The end that spans are put in at.
#[derive(Debug)]
pub struct SpanQueue(SyncSender<Item>);

impl SpanQueue {
    /// Starts the thread; `None` where no collector is named. `endpoint` goes before the environment's.
    pub fn start(endpoint: Option<&str>) -> Result<Option<Self>, TelemetryError> {
        if collector(endpoint).is_none() {
            return Ok(None);
        }
        let builder = builder(endpoint);
        let (sender, spans) = sync_channel(MOST_WAITING);
        let (built, told) = std::sync::mpsc::channel();
        // Its client must not be made, used or dropped where tokio runs.
        thread::Builder::new().name("otlp".to_owned()).spawn(move || match builder.build() {
            Ok(exporter) => {
                // Whoever started it waits for this.
                drop(built.send(Ok(())));
                Worker::new(exporter).run(&spans);
            }
            Err(error) => drop(built.send(Err(error))),
        })?;
        told.recv().map_err(|_| TelemetryError::Ended)?.map_err(|_: ExporterBuildError| TelemetryError::Unusable)?;
        Ok(Some(Self(sender)))
    }

    /// Never waits: what finds no place is dropped.
    pub fn send(&self, span: SpanData) {
        if self.0.try_send(Item::Span(Box::new(span))).is_err() {
            metrics::spans_lost(SpanLoss::QueueFull, 1);
        }
    }

    pub async fn flush(&self, patience: Duration) {
        let (flushed, over) = oneshot::channel();
        if self.0.try_send(Item::Flush(flushed)).is_ok() {
            // What is not exported by then never is.
            let _ = tokio::time::timeout(patience, over).await;
        }
    }
}

/// Whether there could be exported, where a collector is named at all: what is wrong with the settings is said without
/// sending anything.
pub fn check(endpoint: Option<&str>) -> Result<(), TelemetryError> {
    let builder = builder(endpoint);
    // As for the worker, neither made nor dropped where tokio runs.
    let building = thread::Builder::new().name("otlp".to_owned()).spawn(move || builder.build().map(drop))?;
    building.join().map_err(|_| TelemetryError::Ended)?.map_err(|_: ExporterBuildError| TelemetryError::Unusable)
}

fn builder(endpoint: Option<&str>) -> SpanExporterBuilder<HttpExporterBuilderSet> {
    // One try: what is lost is counted, and a second would hold up the spans behind it.
    let once = RetryPolicy::disabled();
    let mut builder = opentelemetry_otlp::SpanExporter::builder().with_http().with_retry_policy(once);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(of_traces(endpoint));
    }
    if TIMEOUTS.iter().all(|name| env::var_os(name).is_none()) {
        builder = builder.with_timeout(TIMEOUT);
    }
    builder
}

/// An endpoint is the collector's, to which the signal's path is added; one that has it already is left as it is.
fn of_traces(endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    if endpoint.ends_with(PATH) { endpoint.to_owned() } else { format!("{endpoint}/{PATH}") }
}

struct Worker {
    exporter: opentelemetry_otlp::SpanExporter,
    /// When the log last told that it fails.
    told: Option<Instant>,
}

impl Worker {
    fn new(mut exporter: opentelemetry_otlp::SpanExporter) -> Self {
        // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before these.
        let resource = Resource::builder();
        let is_named = env::var_os("OTEL_SERVICE_NAME").is_some();
        let is_named =
            is_named || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|text| text.contains("service.name="));
        let resource = if is_named { resource } else { resource.with_service_name("purser") };
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        exporter.set_resource(&resource.with_attribute(version).build());
        Self { exporter, told: None }
    }

    /// Until every sender is gone.
    fn run(mut self, spans: &Receiver<Item>) {
        let mut batch = Vec::new();
        let mut due = Instant::now();
        loop {
            let flushed = match spans.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Item::Span(span)) => {
                    if batch.is_empty() {
                        due = Instant::now() + PAUSE;
                    }
                    batch.push(*span);
                    if batch.len() < MOST_AT_ONCE {
                        continue;
                    }
                    None
                }
                Ok(Item::Flush(flushed)) => Some(flushed),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.export(&mut batch),
            };
            self.export(&mut batch);
            due = Instant::now() + PAUSE;
            if let Some(flushed) = flushed {
                // Whoever waited may be gone.
                let _ = flushed.send(());
            }
        }
    }

    fn export(&mut self, batch: &mut Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        // The blocking client is through when it has been asked once.
        let exporting = self.exporter.export(std::mem::take(batch)).now_or_never();
        match exporting.unwrap_or_else(|| Err(OTelSdkError::InternalFailure("not through".to_owned()))) {
            Ok(()) => metrics::spans_exported(count),
            Err(error) => {
                metrics::spans_lost(SpanLoss::ExportFailed, count);
                if self.told.is_none_or(|told| told.elapsed() >= LOG_EVERY) {
                    self.told = Some(Instant::now());
                    tracing::warn!(spans = count, %error, "traces could not be exported; they are dropped and counted");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of_traces;

    #[test]
    fn the_path_of_traces_is_added_once() {
        for (endpoint, expected) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("http://c:4318/", "http://c:4318/v1/traces"),
            ("https://c/otlp/v1/traces", "https://c/otlp/v1/traces"),
        ] {
            assert_eq!(of_traces(endpoint), expected);
        }
    }
}
