//! What is counted, under the names that `/metrics` shows. Counted per batch where it can be; what a message costs is one
//! record in a histogram whose handle its queue keeps.

mod interval;
mod samples;

use std::time::Duration;

pub use interval::Interval;
pub use samples::{Sample, Samples};

use metrics::{Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the buckets, in commands and in seconds.
const BATCH_BUCKETS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
const SECONDS_BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];
/// A result may wait for its bet for as long as a backlog lasts.
const REQUEST_BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// `timestamp` counts whole seconds, so nothing finer could be told.
const AGE_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0];

const BUCKETS: [(&str, &[f64]); 5] = [
    ("purser_batch_commands", &BATCH_BUCKETS),
    ("purser_batch_seconds", &SECONDS_BUCKETS),
    ("purser_http_seconds", &SECONDS_BUCKETS),
    ("purser_request_duration_seconds", &REQUEST_BUCKETS),
    ("purser_request_age_seconds", &AGE_BUCKETS),
];

/// How often samples are folded into their buckets, so that they do not pile up where nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// The commit that was built, where whoever built it said so.
const COMMIT: Option<&str> = option_env!("PURSER_COMMIT");

enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Every metric, with its HELP. (`process_*` has its own.)
const DESCRIPTIONS: [(Kind, &str, &str); 24] = [
    (Kind::Counter, "purser_requests_total", "Requests from queues that were answered and acked."),
    (
        Kind::Histogram,
        "purser_request_duration_seconds",
        "From the receipt of a message or HTTP request to its confirmed reply or its response.",
    ),
    (Kind::Histogram, "purser_request_age_seconds", "Age of a message by its timestamp when it was received."),
    (Kind::Counter, "purser_replies_unroutable_total", "Replies that no queue took."),
    (Kind::Counter, "purser_dead_letters_total", "Messages that went to the dead letters."),
    (Kind::Counter, "purser_unfit_messages_total", "Messages in a request queue that are no requests to it."),
    (Kind::Gauge, "purser_queue_messages", "Messages that lie ready in a queue of the broker's."),
    (Kind::Gauge, "purser_queue_consumers", "Consumers of a queue, in all processes."),
    (Kind::Histogram, "purser_batch_commands", "Commands in a batch."),
    (Kind::Histogram, "purser_batch_seconds", "What loading, deciding and committing a batch took."),
    (Kind::Gauge, "purser_waiting_commands", "Results and cancels that wait for their bet."),
    (Kind::Counter, "purser_http_requests_total", "HTTP requests that were answered, by the dialect's own code."),
    (Kind::Histogram, "purser_http_seconds", "What HTTP requests took."),
    (Kind::Gauge, "purser_voids_pending", "Manual voids that wait for an operator."),
    (Kind::Counter, "purser_spans_exported_total", "Spans of traces that the collector has taken."),
    (Kind::Counter, "purser_spans_lost_total", "Spans of traces that were dropped, by why."),
    (Kind::Gauge, "purser_approvals_pending", "Transfers by hand that wait for a second person."),
    (
        Kind::Gauge,
        "purser_audit_last_success_timestamp_seconds",
        "When an audit beside serve last found nothing wrong, in seconds since 1970; 0 where none has.",
    ),
    (
        Kind::Gauge,
        "purser_audit_sound",
        "1 where the last audit beside serve found nothing wrong, 0 where it did, -1 where it was not carried to its end.",
    ),
    (
        Kind::Gauge,
        "purser_history_behind_rows",
        "Journal rows that the index of histories has not reached: look-ups read them one by one.",
    ),
    (Kind::Gauge, "purser_ready", "Whether /readyz answers 200."),
    (Kind::Gauge, "purser_database_up", "Whether the database can be written and read."),
    (Kind::Gauge, "purser_broker_connected", "Whether the party's connection to the broker stands."),
    (Kind::Gauge, "purser_build_info", "Always 1; the labels say which build this is."),
];

/// Why messages go to the dead letters, and what messages are no requests: counted from zero on, since Prometheus does not
/// see the first of what appears with its first.
const DEAD_LETTER_REASONS: [&str; 4] = ["malformed", "fault", "misrouted", "unreadable"];
const UNFIT_KINDS: [&str; 3] = ["misrouted", "unreadable", "echo"];

/// Starts recording; the handle renders what was recorded. Without this, everything below does nothing.
pub fn start() -> Result<PrometheusHandle, BuildError> {
    let handle = record()?;
    describe();
    let commit = COMMIT.filter(|commit| !commit.is_empty()).unwrap_or("unknown");
    introduce_spans();
    gauge!("purser_build_info", "version" => env!("CARGO_PKG_VERSION"), "commit" => commit).set(1.0);
    let kept = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            kept.run_upkeep();
        }
    });
    Ok(handle)
}

fn record() -> Result<PrometheusHandle, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for (name, buckets) in BUCKETS {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)?;
    }
    builder.install_recorder()
}

fn describe() {
    for (kind, name, help) in DESCRIPTIONS {
        match kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram => describe_histogram!(name, help),
        }
    }
}

/// Shows a party's counters of what goes wrong before anything does.
pub fn introduce(party: &str) {
    counter!("purser_replies_unroutable_total", "party" => party.to_owned()).absolute(0);
    for reason in DEAD_LETTER_REASONS {
        counter!("purser_dead_letters_total", "party" => party.to_owned(), "reason" => reason).absolute(0);
    }
    for kind in UNFIT_KINDS {
        counter!("purser_unfit_messages_total", "party" => party.to_owned(), "kind" => kind).absolute(0);
    }
}

/// What is measured of every message of a queue.
#[derive(Clone)]
pub struct QueueTimes {
    duration: Histogram,
    age: Histogram,
}

impl QueueTimes {
    pub fn of(party: &str, operation: &'static str) -> Self {
        Self {
            duration: request_duration(party, operation),
            age: histogram!("purser_request_age_seconds", "party" => party.to_owned()),
        }
    }

    /// A message was received so many seconds after its `timestamp`. Clocks differ: less than none is none.
    pub fn received(&self, age_s: i64) {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 at the most, far below 2^52")]
        self.age.record(age_s.max(0) as f64);
    }

    /// The reply to a message is confirmed, so long after its receipt.
    pub fn answered(&self, took: Duration) {
        self.duration.record(took.as_secs_f64());
    }
}

fn request_duration(party: &str, operation: &'static str) -> Histogram {
    histogram!("purser_request_duration_seconds", "party" => party.to_owned(), "operation" => operation)
}

/// Requests that were answered over AMQP.
pub fn answered(party: &str, operation: &'static str, code: &'static str, count: u64) {
    counter!("purser_requests_total", "party" => party.to_owned(), "operation" => operation, "code" => code)
        .increment(count);
}

/// A request that was answered over HTTP.
pub fn http_answered(party: &str, dialect: &'static str, operation: &'static str, code: &str, took: Duration) {
    request_duration(party, operation).record(took.as_secs_f64());
    let (party, code) = (party.to_owned(), code.to_owned());
    counter!("purser_http_requests_total", "party" => party, "dialect" => dialect, "operation" => operation, "code" => code)
        .increment(1);
    histogram!("purser_http_seconds", "dialect" => dialect, "operation" => operation).record(took.as_secs_f64());
}

/// Replies that no queue took.
pub fn unroutable(party: &str, count: u64) {
    counter!("purser_replies_unroutable_total", "party" => party.to_owned()).increment(count);
}

/// Messages that went to the dead letters.
pub fn dead_lettered(party: &str, reason: &'static str) {
    counter!("purser_dead_letters_total", "party" => party.to_owned(), "reason" => reason).increment(1);
}

/// Messages in a request queue that are no requests to it: `misrouted`, `unreadable`, or an `echo` of Purser's own.
pub fn unfit(party: &str, kind: &'static str, count: u64) {
    counter!("purser_unfit_messages_total", "party" => party.to_owned(), "kind" => kind).increment(count);
}

/// What lies ready in a queue, and how many consume it.
pub fn queue(party: &str, queue: &str, messages: u32, consumers: u32) {
    let labels = [("party", party.to_owned()), ("queue", queue.to_owned())];
    gauge!("purser_queue_messages", &labels).set(f64::from(messages));
    gauge!("purser_queue_consumers", &labels).set(f64::from(consumers));
}

/// One batch that was decided.
pub fn batch(commands: usize, took: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    histogram!("purser_batch_commands").record(commands as f64);
    histogram!("purser_batch_seconds").record(took.as_secs_f64());
}

/// Commands that wait for their bet in one ledger.
pub fn waiting(ledger: &LedgerLabel, commands: usize) {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    ledger.gauge("purser_waiting_commands").set(commands as f64);
}

/// Manual voids that wait for an operator.
pub fn voids_pending(party: &str, voids: i64) {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    gauge!("purser_voids_pending", "party" => party.to_owned()).set(voids as f64);
}

/// Transfers by hand that wait for a second person, of one ledger.
pub fn approvals_pending(ledger: &LedgerLabel, approvals: i64) {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    ledger.gauge("purser_approvals_pending").set(approvals as f64);
}

/// Why a span went nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanLoss {
    /// More came than the collector takes.
    QueueFull,
    /// It is away, or does not want it.
    ExportFailed,
}

impl SpanLoss {
    const ALL: [Self; 2] = [Self::QueueFull, Self::ExportFailed];

    fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ExportFailed => "export_failed",
        }
    }
}

/// Shows the counters of spans before there is one to count.
fn introduce_spans() {
    spans_exported(0);
    SpanLoss::ALL.into_iter().for_each(|why| spans_lost(why, 0));
}

pub fn spans_exported(spans: u64) {
    counter!("purser_spans_exported_total").increment(spans);
}

pub fn spans_lost(why: SpanLoss, spans: u64) {
    counter!("purser_spans_lost_total", "reason" => why.as_str()).increment(spans);
}

/// When an audit of a ledger last found nothing wrong, in microseconds since 1970; 0 where none has.
pub fn audit_succeeded(ledger: &LedgerLabel, at_micros: i64) {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970, far below 2^52")]
    ledger.gauge("purser_audit_last_success_timestamp_seconds").set((at_micros / 1_000_000) as f64);
}

/// What the last audit of a ledger came to, where there was one.
pub fn audit_verdict(ledger: &LedgerLabel, verdict: f64) {
    ledger.gauge("purser_audit_sound").set(verdict);
}

/// Journal rows that the index of a ledger's histories has not reached.
pub fn history_behind(ledger: &LedgerLabel, rows: i64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge needs no exact number beyond 2^52")]
    ledger.gauge("purser_history_behind_rows").set(rows as f64);
}

/// Tells the gauges of one ledger from those of another. The ledger of `database.url` has no label: it is the only one to
/// most.
#[derive(Debug, Clone)]
pub struct LedgerLabel(Option<String>);

impl LedgerLabel {
    pub fn named(name: &str) -> Self {
        Self(Some(name.to_owned()))
    }

    pub fn none() -> Self {
        Self(None)
    }

    fn gauge(&self, name: &'static str) -> metrics::Gauge {
        match &self.0 {
            Some(ledger) => gauge!(name, "ledger" => ledger.clone()),
            None => gauge!(name),
        }
    }
}

/// How it stands, at this moment.
pub fn readiness(is_ready: bool, is_database_up: bool) {
    gauge!("purser_ready").set(f64::from(u8::from(is_ready)));
    gauge!("purser_database_up").set(f64::from(u8::from(is_database_up)));
}

/// Whether a party's connection to the broker stands.
pub fn broker_connected(party: &str, is_connected: bool) {
    gauge!("purser_broker_connected", "party" => party.to_owned()).set(f64::from(u8::from(is_connected)));
}
