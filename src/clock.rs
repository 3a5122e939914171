//! The time of day, for the edges: the core takes it as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::ledger::command::Timestamp;

/// Microseconds since 1970-01-01 UTC; zero for a clock that stands before that.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
