//! Which dead letters are meant.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{Value, json};

use crate::transport::amqp::dead::DeadLetter;

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
    pub fn is_empty(&self) -> bool {
        self.id.is_none() && self.reason.is_none() && self.since.is_none()
    }

    /// As the trail has it; what is not said is null.
    pub fn described(&self) -> Value {
        json!({ "id": self.id, "reason": self.reason, "died_since": self.since })
    }

    /// Whether the letter is one of those. Of one that does not say when it died, nobody can say that it was since.
    pub fn takes(&self, letter: &DeadLetter) -> bool {
        self.id.as_deref().is_none_or(|id| id == letter.id())
            && self.reason.as_deref().is_none_or(|reason| reason == letter.reason())
            && self.since.is_none_or(|since| letter.died_at().is_some_and(|died| died >= since))
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
