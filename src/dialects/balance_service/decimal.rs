//! Amounts as they are written: JSON numbers or texts, taken digit by digit and never as floats.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::code::{BalanceServiceCode, CallRefused};
use crate::ledger::money::{format_decimal, parse_decimal};

/// How far an exponent may move a JSON number's point; amounts of 64 bits need no more.
const MAX_SHIFT: usize = 40;

/// A decimal number in major units, as plain text: `-3.50`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(String);

impl Decimal {
    /// Minor units of a currency with this many places.
    pub fn minor(&self, parameter: &str, exponent: u32) -> Result<i64, CallRefused> {
        parse_decimal(&self.0, exponent)
            .map_err(|error| BalanceServiceCode::Value.because(format!("{parameter} {error}")))
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = match raw.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw.get()).ok(),
            Some(b'-' | b'0'..=b'9') => plain(raw.get()),
            _ => None,
        };
        text.map(Self).ok_or_else(|| D::Error::custom("not an amount"))
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Major units, exact: a number, or the same as text.",
            "type": ["number", "string"],
            "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
        })
    }
}

/// A JSON number without its exponent: `1.25e1` is `12.5`. `None` where that would be too long to be an amount.
fn plain(number: &str) -> Option<String> {
    let Some((digits, exponent)) = number.split_once(['e', 'E']) else { return Some(number.to_owned()) };
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (is_left, shift) = exponent.strip_prefix('-').map_or((false, exponent), |shift| (true, shift));
    let shift: usize = shift.trim_start_matches('+').parse().ok().filter(|shift| *shift <= MAX_SHIFT)?;
    let zeros = "0".repeat(shift);
    let (whole, fraction) = if is_left {
        let padded = format!("{zeros}{whole}");
        let (whole, moved) = padded.split_at(padded.len() - shift);
        (whole.to_owned(), format!("{moved}{fraction}"))
    } else {
        let padded = format!("{fraction}{zeros}");
        let (moved, fraction) = padded.split_at(shift);
        (format!("{whole}{moved}"), fraction.to_owned())
    };
    Some(format!("{sign}{whole}.{fraction}"))
}

/// Minor units as the seed writes decimals: no zeros at the end, `0` and not `-0`.
pub fn written(minor: i64, exponent: u32) -> String {
    trimmed(format_decimal(minor, exponent))
}

/// Decimal text without zeros at its end.
pub fn trimmed(text: String) -> String {
    if !text.contains('.') {
        return text;
    }
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_read_exactly_or_refused() {
        let cases = [
            ("1.00", Some("1.00")),
            ("-3.5", Some("-3.5")),
            ("\"-3.50\"", Some("-3.50")),
            ("\"1e2\"", Some("1e2")),
            ("92233720368547758.07", Some("92233720368547758.07")),
            ("1e2", Some("100.")),
            ("1.25E+1", Some("12.50")),
            ("-125e-2", Some("-001.25")),
            ("5e-3", Some("0.005")),
            ("0e0", Some("0.")),
            ("1e41", None),
            ("1e-99999999999999999999999", None),
            ("true", None),
            ("{}", None),
            ("[1]", None),
        ];
        for (json, text) in cases {
            let read = serde_json::from_str(json).ok();
            assert_eq!(read, text.map(|text| Decimal(text.to_owned())), "{json}");
        }
    }

    #[test]
    fn decimals_are_written_without_zeros_at_their_end() {
        let cases = [
            (0, 2, "0"),
            (-350, 2, "-3.5"),
            (100, 2, "1"),
            (105_800_232, 2, "1058002.32"),
            (10, 0, "10"),
            (1, 8, "0.00000001"),
        ];
        for (minor, exponent, text) in cases {
            assert_eq!(written(minor, exponent), text);
        }
    }
}
