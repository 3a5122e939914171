//! What is counted, under the names that `/metrics` shows. Recorded per batch, not per message.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the buckets, in commands and in seconds.
const BATCH_BUCKETS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
const SECONDS_BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// How often samples are folded into their buckets, so that they do not pile up where nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts recording; the handle renders what was recorded. Without this, everything below does nothing.
pub fn start() -> Result<PrometheusHandle, BuildError> {
    let handle = record()?;
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
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("purser_batch_commands".to_owned()), &BATCH_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("purser_batch_seconds".to_owned()), &SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("purser_http_seconds".to_owned()), &SECONDS_BUCKETS)?
        .install_recorder()
}

/// Requests that were answered over AMQP.
pub fn answered(party: &str, operation: &'static str, code: &'static str, count: u64) {
    counter!("purser_requests_total", "party" => party.to_owned(), "operation" => operation, "code" => code)
        .increment(count);
}

/// A request that was answered over HTTP.
pub fn http_answered(party: &str, dialect: &'static str, operation: &'static str, code: &str, took: Duration) {
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

/// One batch that was decided.
pub fn batch(commands: usize, took: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    histogram!("purser_batch_commands").record(commands as f64);
    histogram!("purser_batch_seconds").record(took.as_secs_f64());
}

/// Commands that wait for their bet, after a batch.
pub fn waiting(commands: usize) {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    gauge!("purser_waiting_commands").set(commands as f64);
}
