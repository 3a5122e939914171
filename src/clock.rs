//! The time of day, for the edges: the core takes it as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::ledger::command::Timestamp;

/// Microseconds since 1970-01-01 UTC; zero for a clock that stands before that.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A time as people write it: RFC 3339, and where it says no zone in UTC. Nothing was before 1970.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    // The name of a zone would be passed over.
    let in_utc = || TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok().filter(|_| !text.contains('['))?).ok();
    let at = text.parse::<jiff::Timestamp>().ok().or_else(in_utc)?;
    Some(Timestamp(at.as_microsecond())).filter(|at| at.0 >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_zone_are_in_utc() {
        for (text, micros) in [
            ("1970-01-01T00:00:01Z", Some(1_000_000)),
            ("1970-01-01T01:00:01.000002+01:00", Some(1_000_002)),
            ("1970-01-01T00:00:01", Some(1_000_000)),
            ("1970-01-01 00:00:01.5", Some(1_500_000)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-02-30T00:00:00Z", None),
            ("1970-01-02", Some(86_400_000_000)),
            ("2026-11-20T10:00:00[Europe/Zurich]", None),
            ("2h", None),
            ("", None),
        ] {
            assert_eq!(parse(text), micros.map(Timestamp), "{text}");
        }
    }
}
