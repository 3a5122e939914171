//! What is counted, under the names that `/metrics` shows. Counted per batch where it can be; what a message costs is one
//! record in a histogram whose handle its queue keeps.

use std::time::Duration;

use metrics::{
    Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the buckets, in commands and in seconds.
const BATCH_BUCKETS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
const SECONDS_BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];
/// A result may wait for its bet for as long as a backlog lasts.
const REQUEST_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
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
const DESCRIPTIONS: [(Kind, &str, &str); 19] = [
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
    (Kind::Gauge, "purser_ready", "Whether /readyz answers 200."),
    (Kind::Gauge, "purser_database_up", "Whether the database can be written and read."),
    (Kind::Gauge, "purser_broker_connected", "Whether the party's connection to the broker stands."),
    (Kind::Gauge, "purser_build_info", "Always 1; the labels say which build this is."),
    (Kind::Gauge, "purser_parties", "Parties in the configuration."),
];
