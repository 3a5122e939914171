//! Which dead letters are meant.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::transport::amqp::choice::LetterFilter;

#[derive(Args)]
pub struct Filter {
    /// Its correlation id (or message id, where it has none).
    #[arg(long)]
    id: Option<String>,
    /// malformed, fault, or the broker's own word: delivery_limit, …
    #[arg(long)]
    reason: Option<String>,
    /// Died at or after this time (2026-11-20T10:00:00Z), or this long ago at the most (2h).
    #[arg(long, value_parser = since)]
    since: Option<i64>,
}

impl Filter {
    pub fn letters(&self) -> LetterFilter {
        let (id, reason) = (self.id.clone(), self.reason.clone());
        LetterFilter { id, reason, died_since: self.since, ..LetterFilter::default() }
    }
}

/// A time, or a span until now, as seconds since 1970.
fn since(text: &str) -> Result<i64, String> {
    let time = match (humantime::parse_rfc3339_weak(text), humantime::parse_duration(text)) {
        (Ok(time), _) => time,
        (_, Ok(span)) => SystemTime::now().checked_sub(span).unwrap_or(UNIX_EPOCH),
        _ => return Err("must be a time such as 2026-11-20T10:00:00Z, or a span such as 2h".to_owned()),
    };
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).map_err(|error| error.to_string())
}
