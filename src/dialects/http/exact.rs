//! Numbers on the wire as their exact text: no float ever touches an amount or an identifier.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ledger::ids::is_printable;
use crate::ledger::money::{self, InvalidAmount};

/// The longest identifier, in characters.
pub(crate) const MAX_NAME: usize = 128;

/// No control characters and no line or paragraph separators, as a schema says it.
const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$";
/// What [`money::parse_decimal`] reads.
const DECIMAL: &str = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)$";

/// An identifier that is sent as a string or as a number, whose digits then are the identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireId(pub String);

/// An amount in major units, sent as a number or as a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireAmount {
    /// Which may have a power of ten.
    Number(String),
    /// Which is plain.
    Text(String),
}

/// A number as it is answered: decimal text without trailing zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

impl WireId {
    /// The identifier, if it is 1 to [`MAX_NAME`] printable characters.
    pub fn checked(self) -> Option<String> {
        let length = self.0.chars().take(MAX_NAME.saturating_add(1)).count();
        let is_printable = self.0.chars().all(is_printable);
        ((1..=MAX_NAME).contains(&length) && is_printable).then_some(self.0)
    }
}

impl WireAmount {
    /// In minor units, exactly.
    pub fn minor(&self, exponent: u32) -> Result<i64, InvalidAmount> {
        match self {
            Self::Number(text) => money::parse_number(text, exponent),
            Self::Text(text) => money::parse_decimal(text, exponent),
        }
    }
}

impl Number {
    /// Minor units in major units: `1230` of two places is `12.3`.
    pub fn of_minor(minor: i64, exponent: u32) -> Self {
        Self(written(minor, exponent))
    }
}

/// Minor units as decimal text in major units: no zeros at the end, `0` and not `-0`.
pub(crate) fn written(minor: i64, exponent: u32) -> String {
    trimmed(money::format_decimal(minor, exponent))
}

/// Decimal text without zeros at its end.
pub(crate) fn trimmed(text: String) -> String {
    if !text.contains('.') {
        return text;
    }
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

impl<'de> Deserialize<'de> for WireId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match WireAmount::deserialize(deserializer)? {
            WireAmount::Number(text) | WireAmount::Text(text) => Ok(Self(text)),
        }
    }
}

impl<'de> Deserialize<'de> for WireAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let json = raw.get();
        match json.as_bytes().first() {
            Some(b'"') => serde_json::from_str(json).map(Self::Text).map_err(D::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Self::Number(json.to_owned())),
            _ => Err(D::Error::custom("expected a number or a string")),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.0.clone()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl JsonSchema for WireId {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "minLength": 1, "maxLength": MAX_NAME, "pattern": PRINTABLE })
    }
}

impl JsonSchema for WireAmount {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Major units, exact: a number, or the same as text.",
            "type": ["number", "string"],
            "pattern": DECIMAL,
        })
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}

/// Reads a wire type from a JSON object: serde would take an array of the members' values, too.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(OfObject(PhantomData))
}

struct OfObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfObject<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// Reads a whole body that is one JSON object.
pub(crate) fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = object(&mut deserializer)?;
    deserializer.end()?;
    Ok(read)
}

/// The JSON Schema of a wire type, whole in itself.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_keeps_its_text() {
        let number = |text: &str| Some(WireAmount::Number(text.to_owned()));
        let string = |text: &str| Some(WireAmount::Text(text.to_owned()));
        let cases = [
            ("956.30", number("956.30")),
            ("  -1e-7 ", number("-1e-7")),
            ("123456789012345678901234567890", number("123456789012345678901234567890")),
            ("\"12\\u002e5\"", string("12.5")),
            ("null", None),
            ("true", None),
            ("[1]", None),
            ("{}", None),
            ("1.", None),
        ];
        for (json, expected) in cases {
            assert_eq!(serde_json::from_str(json).ok(), expected, "{json}");
        }
    }

    #[test]
    fn only_an_object_is_read() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Wire {
            amount: WireAmount,
            #[serde(deserialize_with = "object")]
            inner: Inner,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Inner {
            id: WireId,
        }
        let right = read::<Wire>(br#" {"amount": 1.50, "inner": {"id": 7}} "#).unwrap();
        let expected =
            Wire { amount: WireAmount::Number("1.50".to_owned()), inner: Inner { id: WireId("7".to_owned()) } };
        assert_eq!(right, expected);
        for wrong in [
            r#"[1.50, {"id": 7}]"#,
            r#"{"amount": 1.50, "inner": [7]}"#,
            r#"{"amount": 1.50, "inner": {"id": 7}} {}"#,
            r#"{"amount": 1.50, "amount": 1.50, "inner": {"id": 7}}"#,
            "null",
            "",
        ] {
            assert!(read::<Wire>(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_answered_has_no_trailing_zeros() {
        let cases = [
            (1234, 2, "12.34"),
            (1230, 2, "12.3"),
            (10_000, 2, "100"),
            (0, 2, "0"),
            (-350, 2, "-3.5"),
            (100, 0, "100"),
            (i64::MAX, 2, "92233720368547758.07"),
            (1, 9, "0.000000001"),
        ];
        assert_eq!(trimmed("-0.00".to_owned()), "0");
        for (minor, exponent, expected) in cases {
            assert_eq!(serde_json::to_string(&Number::of_minor(minor, exponent)).unwrap(), expected);
        }
    }
}
