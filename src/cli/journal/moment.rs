//! Moments as people write them on a command line.

use std::time::UNIX_EPOCH;

use crate::clock;
use crate::ledger::command::Timestamp;

/// A time by RFC 3339, a date (its first moment in UTC), or how long ago it was: `24h`, `15m`.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    before(text, clock::now())
}

fn before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        let ago = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
        return Ok(Timestamp(now.0.saturating_sub(ago)));
    }
    let midnight = text.len() == "2026-11-20".len();
    let whole = if midnight { format!("{text}T00:00:00Z") } else { text.to_ascii_uppercase() };
    let (local, east) = whole.strip_suffix('Z').map(|local| (local, 0)).or_else(|| zoned(&whole)).ok_or_else(unread)?;
    let utc = humantime::parse_rfc3339(&format!("{local}Z")).map_err(|_| unread())?;
    let since = utc.duration_since(UNIX_EPOCH).map_err(|_| unread())?;
    let micros = i64::try_from(since.as_micros()).map_err(|_| unread())?;
    Ok(Timestamp(micros.saturating_sub(east)))
}

fn unread() -> String {
    "write a time as 2026-11-20T08:00:00Z, a date as 2026-11-20, or how long ago as 24h".to_owned()
}

/// Splits `+01:00` off the end: how many microseconds the clock there is ahead of UTC.
fn zoned(text: &str) -> Option<(&str, i64)> {
    let (local, zone) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let number = |text: &str, below: i64| text.parse::<i64>().ok().filter(|number| (0..below).contains(number));
    let minutes = number(hours, 24)? * 60 + number(minutes, 60)?;
    Some((local, sign * minutes * 60_000_000))
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
            ("2026-11-20T08:00:00+25:00", None),
            ("yesterday", None),
            ("", None),
            ("ä2026-11-2", None),
        ];
        for (text, micros) in cases {
            assert_eq!(before(text, now).ok(), micros.map(Timestamp), "{text}");
        }
    }
}
