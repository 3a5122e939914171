//! What a provider was answered, and how fast.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;

use super::output;
use crate::provider::ProviderReply;

/// The longest latency that is told apart, an hour in microseconds, and how many digits are kept. Without bounds a
/// histogram that saturates does so at once.
const MAX_LATENCY_US: u64 = 3_600_000_000;
const DIGITS: u8 = 3;

/// Counts replies while they come in.
pub struct ReplyTally {
    by_code: BTreeMap<String, u64>,
    latency_us: Histogram<u64>,
}

/// What was sent and answered.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub sent: u64,
    pub answered: u64,
    pub by_code: BTreeMap<String, u64>,
    pub seconds: f64,
    pub per_second: f64,
    pub latency_ms: Latency,
}

/// Percentiles, milliseconds.
#[derive(Debug, Serialize)]
pub struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p99_9: f64,
    max: f64,
}

impl ReplyTally {
    pub fn new() -> Result<Self, CreationError> {
        Ok(Self { by_code: BTreeMap::new(), latency_us: Histogram::new_with_bounds(1, MAX_LATENCY_US, DIGITS)? })
    }

    pub fn take(&mut self, reply: &ProviderReply, took: Duration) {
        *self.by_code.entry(reply.code()).or_default() += 1;
        self.latency_us.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn summary(self, sent: u64, took: Duration) -> Summary {
        let answered = self.by_code.values().sum();
        let ms = |us| Duration::from_micros(us).as_secs_f64() * 1000.0;
        let at = |quantile| ms(self.latency_us.value_at_quantile(quantile));
        let latency_ms =
            Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max: ms(self.latency_us.max()) };
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a count of messages, for people to read")]
        let per_second = answered as f64 / seconds;
        Summary { sent, answered, by_code: self.by_code, seconds, per_second, latency_ms }
    }
}

impl Summary {
    /// Whether everything was answered, and every bet and result taken.
    pub fn is_complete(&self) -> bool {
        self.sent == self.answered && self.by_code.keys().all(|code| code == "200" || code == "201")
    }

    pub fn print(&self) -> io::Result<()> {
        let codes: Vec<String> = self.by_code.iter().map(|(code, count)| format!("{code}: {count}")).collect();
        let Latency { p50, p90, p99, p99_9, max } = self.latency_ms;
        output::line("")?;
        output::line(&format!("sent {}, answered {} ({})", self.sent, self.answered, codes.join(", ")))?;
        output::line(&format!("{:.1} s, {:.0} requests a second", self.seconds, self.per_second))?;
        output::line(&format!(
            "latency p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, p99.9 {p99_9:.1} ms, max {max:.1} ms"
        ))?;
        output::line("")
    }
}
