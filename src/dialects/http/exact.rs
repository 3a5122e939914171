//! Numbers on the wire as their exact text: no float ever touches an amount or an identifier.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ledger::money::{self, InvalidAmount};

/// An identifier that is sent as a string or as a number, whose digits then are the identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(pub String);

/// An amount in major units, sent as a number or as a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decimal {
    Number(String),
    Text(String),
}

/// A number as it is answered: decimal text without trailing zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

impl Decimal {
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
        let text = money::format_decimal(minor, exponent);
        let trimmed = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        Self(trimmed.to_owned())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Decimal::deserialize(deserializer)? {
            Decimal::Number(text) | Decimal::Text(text) => Ok(Self(text)),
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
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

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "description": "Major units, as a number or as decimal text." })
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

/// The JSON Schema of a wire type, whole in itself.
pub fn schema_of<T: JsonSchema>() -> Value {
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
        let number = |text: &str| Some(Decimal::Number(text.to_owned()));
        let string = |text: &str| Some(Decimal::Text(text.to_owned()));
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
    fn what_is_answered_has_no_trailing_zeros() {
        let cases = [
            (1234, 2, "12.34"),
            (1230, 2, "12.3"),
            (10_000, 2, "100"),
            (0, 2, "0"),
            (100, 0, "100"),
            (i64::MAX, 2, "92233720368547758.07"),
            (1, 9, "0.000000001"),
        ];
        for (minor, exponent, expected) in cases {
            assert_eq!(serde_json::to_string(&Number::of_minor(minor, exponent)).unwrap(), expected);
        }
    }
}
