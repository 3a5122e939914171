//! The partner's timestamps: kept as they were written, once they are known to be times in UTC.

/// Whether a text is an ISO 8601 date and time in UTC: `2021-08-04T10:42:44`, up to nine places of a second, and `Z`,
/// `+00:00` or nothing after it.
pub fn is_utc_timestamp(text: &str) -> bool {
    let text = ["Z", "z", "+00:00"].iter().find_map(|zone| text.strip_suffix(zone)).unwrap_or(text);
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    is_date(date) && is_time(time)
}

fn is_date(date: &str) -> bool {
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    (1..=days_in(year, month)).contains(&day)
}

fn days_in(year: u16, month: u16) -> u16 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u16::from(is_leap),
        _ => 0,
    }
}

fn is_time(time: &str) -> bool {
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let parts: Vec<&str> = whole.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else { return false };
    let is_below = |text, limit| number(text, 2).is_some_and(|value| value < limit);
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    is_below(hour, 24) && is_below(minute, 60) && is_below(second, 60) && is_fraction
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u16> {
    let is_one = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_one)
}

#[cfg(test)]
mod tests {
    use super::is_utc_timestamp;

    #[test]
    fn only_times_in_utc_are_timestamps() {
        let cases = [
            ("2021-08-04T10:42:44.393Z", true),
            ("2020-09-30T11:00:00Z", true),
            ("2020-02-29T23:59:59", true),
            ("2021-08-04T10:42:44.123456789+00:00", true),
            ("2021-02-29T10:42:44Z", false),
            ("2021-13-01T10:42:44Z", false),
            ("2021-00-01T10:42:44Z", false),
            ("2021-08-04T24:00:00Z", false),
            ("2021-08-04T10:42:60Z", false),
            ("2021-08-04T10:42:44.Z", false),
            ("2021-08-04T10:42:44+02:00", false),
            ("2021-08-04 10:42:44Z", false),
            ("2021-8-4T10:42:44Z", false),
            ("04/08/2021", false),
            ("", false),
        ];
        for (text, is_one) in cases {
            assert_eq!(is_utc_timestamp(text), is_one, "{text}");
        }
    }
}
