//! Which dead letters are meant.

use clap::Args;

use crate::clock;
use crate::config::parse_duration;
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
    if let Some(at) = clock::parse(text) {
        return Ok(at.second());
    }
    let ago = parse_duration(text).ok().and_then(|ago| i64::try_from(ago.as_secs()).ok());
    let ago = ago.ok_or_else(|| "must be a time such as 2026-11-20T10:00:00Z, or a span such as 2h".to_owned())?;
    Ok(clock::now().second().saturating_sub(ago).max(0))
}
