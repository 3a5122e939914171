#![no_main]
//! Amounts and moments as texts and as JSON numbers: what is read must be exactly what is written.

use libfuzzer_sys::fuzz_target;
use purser::dialects::balance_service::timestamp::is_utc_timestamp;
use purser::dialects::http::exact::{Number, WireAmount, WireId};
use purser::ledger::money::{format_decimal, parse_decimal, parse_number};

/// What a text is in minor units, by another arithmetic.
fn by_the_book(text: &str, exponent: u32) -> Option<i64> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let places = usize::try_from(exponent).ok()?;
    let (kept, cut) = fraction.split_at(fraction.len().min(places));
    if cut.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let digits = format!("{whole}{kept:0<places$}");
    let minor = digits.trim_start_matches('0');
    let minor: i128 = if minor.is_empty() { 0 } else { minor.parse().ok()? };
    i64::try_from(if text.starts_with('-') { -minor } else { minor }).ok()
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = is_utc_timestamp(text);
    let name: Option<WireId> = serde_json::from_str(text).ok();
    let _ = name.and_then(WireId::checked);
    let json: Option<WireAmount> = serde_json::from_str(text).ok();
    for exponent in [0, 2, 8, 9, 18] {
        if let Ok(minor) = parse_decimal(text, exponent) {
            assert_eq!(by_the_book(text, exponent), Some(minor), "{text} at {exponent}");
            let written = format_decimal(minor, exponent);
            assert_eq!(parse_decimal(&written, exponent).ok(), Some(minor), "{text} is written {written}");
            let number = serde_json::to_string(&Number::of_minor(minor, exponent)).expect("a number");
            assert_eq!(parse_number(&number, exponent).ok(), Some(minor), "{text} is answered {number}");
        }
        let _ = parse_number(text, exponent);
        if let Some(Ok(minor)) = json.as_ref().map(|json| json.minor(exponent)) {
            let again = WireAmount::Text(format_decimal(minor, exponent));
            assert_eq!(again.minor(exponent).ok(), Some(minor), "{text}");
        }
    }
});
