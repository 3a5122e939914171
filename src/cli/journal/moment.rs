//! Moments as people write them on a command line.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock;
use crate::config::parse_duration;
use crate::ledger::command::Timestamp;

/// A time by RFC 3339, a date (its first moment in UTC), or how long ago it was: `24h`, `15m`.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    before(text, clock::now())
}

fn before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ago) = parse_duration(text) {
        let ago = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
        return Ok(Timestamp(now.0.saturating_sub(ago)));
    }
    let at = if text.len() == "2026-11-20".len() { midnight(text) } else { text.parse().ok() };
    // Nothing was before 1970.
    let micros = at.map(jiff::Timestamp::as_microsecond).filter(|micros| *micros >= 0);
    micros
        .map(Timestamp)
        .ok_or_else(|| "write a time as 2026-11-20T08:00:00Z, a date as 2026-11-20, or how long ago as 24h".to_owned())
}

fn midnight(date: &str) -> Option<jiff::Timestamp> {
    let date: Date = date.parse().ok()?;
    TimeZone::UTC.to_timestamp(date.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::before;
    use crate::ledger::command::Timestamp;

    #[test]
    fn moments_are_times_dates_and_how_long_ago() {
        let now = Timestamp(1_000_000_000_000_000);
        let cases = [
            ("1970-01-01T00:00:01Z", Some(1_000_000)),
            ("1970-01-01t00:00:01.000002z", Some(1_000_002)),
            ("1970-01-01T01:00:01+01:00", Some(1_000_000)),
            ("1970-01-01T00:00:01-00:30", Some(1_801_000_000)),
            ("1970-01-02", Some(86_400_000_000)),
            ("10s", Some(999_999_990_000_000)),
            ("1h 30m", Some(999_994_600_000_000)),
            ("2026-02-30T00:00:00Z", None),
            ("2026-11-20T08:00:00", None),
            ("2026-11-20T08:00:00+26:00", None),
            ("1969-12-31T23:59:59Z", None),
            ("yesterday", None),
            ("", None),
            ("ä2026-11-2", None),
        ];
        for (text, micros) in cases {
            assert_eq!(before(text, now).ok(), micros.map(Timestamp), "{text}");
        }
    }
}
