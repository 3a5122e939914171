//! Amounts: signed 64-bit counts of minor units, and their decimal text at the edges.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::ids::Currency;

/// A positive number of minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Amount(i64);

/// Why a number or text is not an amount; reads as the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    #[error("must be an integer of at least 1")]
    NotPositive,
    #[error("must be a plain decimal number such as 12.34")]
    NotDecimal,
    #[error("must have at most {0} decimal places in this currency")]
    TooManyPlaces(u32),
    #[error("is too large")]
    TooLarge,
}

impl Amount {
    pub fn new(minor: i64) -> Result<Self, InvalidAmount> {
        if minor >= 1 { Ok(Self(minor)) } else { Err(InvalidAmount::NotPositive) }
    }

    pub fn minor(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Amount {
    type Error = InvalidAmount;

    fn try_from(minor: i64) -> Result<Self, InvalidAmount> {
        Self::new(minor)
    }
}

impl From<Amount> for i64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

/// The largest exponent that a token currency may be configured with.
pub(crate) const MAX_EXPONENT: u32 = 18;

/// The currencies of ISO 4217 by their number of decimal places, and the two crypto-currencies of the EGPP document.
const PLACES: [(u32, &str); 6] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD \
     CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD \
     GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA \
     MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR \
     RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD \
     TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
    (8, "BTC"),
    (9, "ETH"),
];

/// How many decimal places the minor unit of a standard currency has; token currencies come from configuration.
pub(crate) fn standard_exponent(currency: Currency) -> Option<u32> {
    let listed = |codes: &str| codes.split_ascii_whitespace().any(|code| code == currency.as_str());
    PLACES.iter().find(|(_, codes)| listed(codes)).map(|(places, _)| *places)
}

/// Parses decimal text in major units into minor units. More places than the currency has are refused, never rounded,
/// however long the text is.
pub fn parse_decimal(text: &str, exponent: u32) -> Result<i64, InvalidAmount> {
    let (is_negative, unsigned) = text.strip_prefix('-').map_or((false, text), |unsigned| (true, unsigned));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = whole.len().saturating_add(fraction.len());
    if digits == 0 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidAmount::NotDecimal);
    }
    let places = fraction.trim_end_matches('0');
    let given = u32::try_from(places.len()).unwrap_or(u32::MAX);
    let missing = exponent.checked_sub(given).ok_or(InvalidAmount::TooManyPlaces(exponent))?;
    let zeros = (0..missing).map(|_| '0');
    let minor = whole
        .chars()
        .chain(places.chars())
        .chain(zeros)
        .try_fold(0_i128, |minor, digit| minor.checked_mul(10)?.checked_add(i128::from(digit.to_digit(10)?)));
    let minor = minor.ok_or(InvalidAmount::TooLarge)?;
    let signed = if is_negative { minor.saturating_neg() } else { minor };
    i64::try_from(signed).map_err(|_| InvalidAmount::TooLarge)
}

/// The longest way that the power of ten of a number moves its decimal point; every amount lies well within.
const MAX_POWER: usize = 64;

/// Parses a JSON number in major units, which may be written with a power of ten (`1e-7`), into minor units.
pub fn parse_number(text: &str, exponent: u32) -> Result<i64, InvalidAmount> {
    let Some((mantissa, power)) = text.split_once(['e', 'E']) else {
        return parse_decimal(text, exponent);
    };
    let power: i32 = power.parse().map_err(|_| InvalidAmount::NotDecimal)?;
    let zeros = usize::try_from(power.unsigned_abs()).unwrap_or(usize::MAX);
    if zeros > MAX_POWER {
        return Err(if power > 0 { InvalidAmount::TooLarge } else { InvalidAmount::TooManyPlaces(exponent) });
    }
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(InvalidAmount::NotDecimal);
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let zeros = "0".repeat(zeros);
    // The point moves right through the fraction, or left through the whole: padded, there is always enough of both.
    let plain = if power >= 0 {
        let padded = format!("{fraction}{zeros}");
        let (passed, rest) = padded.split_at(zeros.len());
        format!("{sign}{whole}{passed}.{rest}")
    } else {
        let padded = format!("{zeros}{whole}");
        let (rest, passed) = padded.split_at(whole.len());
        format!("{sign}{rest}.{passed}{fraction}")
    };
    parse_decimal(&plain, exponent)
}

/// Writes minor units as decimal text in major units with all of the currency's places: `1234` is `12.34`.
pub fn format_decimal(minor: i64, exponent: u32) -> String {
    Decimal::from_i128_with_scale(i128::from(minor), exponent.min(MAX_EXPONENT)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_is_exact_or_refused() {
        let cases = [
            ("12.34", 2, Ok(1234)),
            ("12.340", 2, Ok(1234)),
            ("12.345", 2, Err(InvalidAmount::TooManyPlaces(2))),
            ("-0.5", 2, Ok(-50)),
            ("7", 0, Ok(7)),
            ("0.00000001", 8, Ok(1)),
            ("92233720368547758.07", 2, Ok(i64::MAX)),
            ("92233720368547758.08", 2, Err(InvalidAmount::TooLarge)),
            ("1e3", 2, Err(InvalidAmount::NotDecimal)),
            ("", 2, Err(InvalidAmount::NotDecimal)),
            ("1,5", 2, Err(InvalidAmount::NotDecimal)),
            ("--1", 2, Err(InvalidAmount::NotDecimal)),
            ("+1", 2, Err(InvalidAmount::NotDecimal)),
            ("-", 2, Err(InvalidAmount::NotDecimal)),
            (".", 2, Err(InvalidAmount::NotDecimal)),
            ("1.2.3", 2, Err(InvalidAmount::NotDecimal)),
            ("-0", 2, Ok(0)),
            ("1.0000000000000000000000000000000000000000", 2, Ok(100)),
            ("1.0000000000000000000000000000000000000001", 2, Err(InvalidAmount::TooManyPlaces(2))),
            ("0000000000000000000000000000000000000000001.5", 2, Ok(150)),
            ("-92233720368547758.08", 2, Ok(i64::MIN)),
            ("1000000000000000000000000000000000000000000", 2, Err(InvalidAmount::TooLarge)),
        ];
        for (text, exponent, expected) in cases {
            assert_eq!(parse_decimal(text, exponent), expected, "{text}");
        }
    }

    #[test]
    fn a_number_may_have_a_power_of_ten_and_stays_exact() {
        let cases = [
            ("12.34", 2, Ok(1234)),
            ("1e-7", 8, Ok(10)),
            ("1.5E+2", 2, Ok(15_000)),
            ("-2.5e1", 0, Ok(-25)),
            ("12.34e-1", 3, Ok(1234)),
            ("12.34e-1", 2, Err(InvalidAmount::TooManyPlaces(2))),
            ("0e99999", 2, Err(InvalidAmount::TooLarge)),
            ("1e64", 2, Err(InvalidAmount::TooLarge)),
            ("1e-99999", 2, Err(InvalidAmount::TooManyPlaces(2))),
            ("1e", 2, Err(InvalidAmount::NotDecimal)),
            ("e1", 2, Err(InvalidAmount::NotDecimal)),
            ("é1e1", 2, Err(InvalidAmount::NotDecimal)),
            ("1.2.3e1", 2, Err(InvalidAmount::NotDecimal)),
            ("--1e1", 2, Err(InvalidAmount::NotDecimal)),
            ("1e1e1", 2, Err(InvalidAmount::NotDecimal)),
            ("1e99999999999", 2, Err(InvalidAmount::NotDecimal)),
        ];
        for (text, exponent, expected) in cases {
            assert_eq!(parse_number(text, exponent), expected, "{text}");
        }
    }

    #[test]
    fn standard_currencies_have_their_places_and_tokens_none() {
        let cases = [
            ("JPY", Some(0)),
            ("CHF", Some(2)),
            ("KWD", Some(3)),
            ("CLF", Some(4)),
            ("BTC", Some(8)),
            ("ETH", Some(9)),
            ("GPT", None),
        ];
        for (code, places) in cases {
            assert_eq!(standard_exponent(Currency::parse(code).unwrap()), places, "{code}");
        }
    }

    #[test]
    fn formatted_text_parses_back() {
        for (minor, exponent, text) in [
            (1234, 2, "12.34"),
            (5, 8, "0.00000005"),
            (-50, 2, "-0.50"),
            (7, 0, "7"),
            (i64::MAX, 18, "9.223372036854775807"),
        ] {
            assert_eq!(format_decimal(minor, exponent), text);
            assert_eq!(parse_decimal(text, exponent), Ok(minor));
        }
    }
}
