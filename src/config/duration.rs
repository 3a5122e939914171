//! How long something is, as people write it: `15s`, `1h 30m`, `90d`.

use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::{SpanParser, SpanPrinter};

/// Seconds of a month and of a year that lie on no calendar: of 30.44 days and of 365.25.
const MONTH: u64 = 2_630_016;
const YEAR: u64 = 31_557_600;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration such as 15s, 1h 30m or 90d")]
pub struct InvalidDuration;

/// A day has 24 hours.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    read(text.trim()).ok_or(InvalidDuration)
}

/// In words that [`parse_duration`] takes.
pub fn format_duration(duration: Duration) -> String {
    SpanPrinter::new().unsigned_duration_to_string(&duration)
}

fn read(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    // `10:30` would be read as hours and minutes, and is more likely meant as a time of day.
    if text.contains(':') {
        return None;
    }
    let span = SpanParser::new().parse_span(text).ok()?;
    let months = u64::try_from(span.get_months()).ok()?.checked_mul(MONTH)?;
    let years = u64::try_from(span.get_years()).ok()?.checked_mul(YEAR)?;
    let rest = span.years(0).months(0).to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(rest).ok()?.checked_add(Duration::from_secs(months.checked_add(years)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        let day = 24 * 60 * 60;
        for (text, seconds) in [
            ("0", 0),
            ("0s", 0),
            ("15s", 15),
            (" 15 sec ", 15),
            ("1h 30m", 5_400),
            ("1hour 12min 5s", 4_325),
            ("1h30m", 5_400),
            ("1.5h", 5_400),
            ("24hrs", day),
            ("1d", day),
            ("90days", 90 * day),
            ("2w", 14 * day),
            ("1week 1day", 8 * day),
            ("2months", 2 * MONTH),
            ("1y 1month", YEAR + MONTH),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(parse_duration("3us 2ns"), Ok(Duration::from_nanos(3_002)));
    }

    #[test]
    fn what_may_mean_something_else_is_no_duration() {
        for text in [
            "",
            "5",
            "s",
            "1M",
            "10:30:00",
            "-5s",
            "5s ago",
            "1year ago",
            "PT5S",
            "99999999999999999999s",
            "1 fortnight",
        ] {
            assert_eq!(parse_duration(text), Err(InvalidDuration), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (millis, written) in
            [(0, "0s"), (250, "250ms"), (90_000, "1m 30s"), (86_400_000, "24h"), (3_661_500, "1h 1m 1s 500ms")]
        {
            let duration = Duration::from_millis(millis);
            assert_eq!(format_duration(duration), written);
            assert_eq!(parse_duration(written), Ok(duration));
        }
    }
}
