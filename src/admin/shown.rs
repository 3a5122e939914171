//! How amounts, numbers and times are written where a machine may read them.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde::{Serialize, Serializer};

use crate::config::Config;
use crate::ledger::Currency;
use crate::ledger::command::Timestamp;
use crate::ledger::money::format_decimal;

/// Up to here every integer is one that a reader of JSON who knows only floats has whole: 2^53 - 1.
const LAST_SAFE: u64 = (1 << 53) - 1;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The last second that is written with four digits for the year: 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

const MICROS: i64 = 1_000_000;

const SECONDS_PER_DAY: i64 = 86_400;

/// An integer: a number where every reader has it whole, else a text of its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact(pub i64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.unsigned_abs() <= LAST_SAFE {
            serializer.serialize_i64(self.0)
        } else {
            serializer.collect_str(&self.0)
        }
    }
}

/// An amount in major units.
pub fn amount(config: &Config, minor: i64, currency: Currency) -> String {
    format_decimal(minor, config.exponent(currency))
}

/// RFC 3339, to the microsecond. Times that it has no words for are brought to the nearest that it has.
pub fn moment(at: Timestamp) -> String {
    format!("{:.6}Z", in_utc(at))
}

/// The same to the second.
pub fn second(at: Timestamp) -> String {
    format!("{:.0}Z", in_utc(at))
}

fn in_utc(Timestamp(micros): Timestamp) -> DateTime {
    EPOCH.saturating_add(SignedDuration::from_micros(micros.clamp(0, LAST_SECOND.saturating_mul(MICROS))))
}

/// A UTC day, as `2026-11-26`.
pub fn day(days: i32) -> String {
    let at = Timestamp(i64::from(days).saturating_mul(SECONDS_PER_DAY).saturating_mul(MICROS));
    moment(at).chars().take("2026-11-26".len()).collect()
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_that_a_float_would_round_are_texts() {
        for (number, expected) in [
            (0, "0"),
            (-5, "-5"),
            (9_007_199_254_740_991, "9007199254740991"),
            (9_007_199_254_740_992, "\"9007199254740992\""),
            (i64::MIN, "\"-9223372036854775808\""),
            (i64::MAX, "\"9223372036854775807\""),
        ] {
            assert_eq!(serde_json::to_string(&Exact(number)).unwrap(), expected);
        }
    }

    #[test]
    fn times_are_utc_and_days_are_dates() {
        assert_eq!(moment(Timestamp(1_000_001)), "1970-01-01T00:00:01.000001Z");
        assert_eq!(moment(Timestamp(i64::MAX)), "9999-12-31T23:59:59.000000Z");
        assert_eq!(moment(Timestamp(-1)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(second(Timestamp(1_999_999)), "1970-01-01T00:00:01Z");
        assert_eq!(second(Timestamp(i64::MAX)), "9999-12-31T23:59:59Z");
        assert_eq!((day(0), day(20_783)), ("1970-01-01".to_owned(), "2026-11-26".to_owned()));
    }
}
