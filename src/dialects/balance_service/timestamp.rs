//! The partner's timestamps: kept as they were written, once they are known to be times in UTC.

use jiff::civil::DateTime;

/// Whether a text is an ISO 8601 date and time in UTC: `2021-08-04T10:42:44`, up to nine places of a second, and `Z`,
/// `+00:00` or nothing after it.
pub fn is_utc_timestamp(text: &str) -> bool {
    let text = ["Z", "z", "+00:00"].iter().find_map(|zone| text.strip_suffix(zone)).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    // The calendar's own reader takes more ways of writing a time, and a second of 60.
    is_fraction && is_shaped(whole) && !whole.ends_with(":60") && whole.parse::<DateTime>().is_ok()
}

fn is_shaped(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let fits = |(byte, shape): (u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        shape => byte.eq_ignore_ascii_case(shape),
    };
    text.len() == SHAPE.len() && text.bytes().zip(SHAPE).all(fits)
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
            ("2021-08-04t10:42:44z", true),
            ("2021-08-04T10:60:44Z", false),
            ("2021-08-04T10:42:44.Z", false),
            ("2021-08-04T10:42:44.1234567890Z", false),
            ("20210804T104244Z", false),
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
