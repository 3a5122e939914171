//! The values that steps are filled with: `{player}` in a text, `=start - stake` in the place of a number.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// A step that names what is not there: a mistake in the catalogue.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue names {0}, which nothing sets")]
pub struct Unset(String);

/// What one case may name.
#[derive(Debug, Clone, Default)]
pub struct Values {
    texts: BTreeMap<String, String>,
    numbers: BTreeMap<String, i64>,
    /// Goes before every id, so that no other case and no other run has it.
    prefix: String,
}

/// How an id begins that `{id:…}` makes.
const ID: &str = "id:";

impl Values {
    /// The values of a case; stakes and rounds follow from the seed, ids from the run.
    pub fn new(seed: u64, run: &str, case: &str) -> Self {
        let digest = super::hex(&Sha256::digest(case));
        let mut values = Self { prefix: format!("cf-{run}-{}", &digest[..6]), ..Self::default() };
        for (name, least, many) in [("stake", 20, 80), ("win", 100, 100), ("round", 1, 1_000_000)] {
            values.set_number(name, least + draw(seed, case, name, many));
        }
        values
    }

    pub fn set(&mut self, name: &str, text: impl Into<String>) {
        self.texts.insert(name.to_owned(), text.into());
    }

    pub fn set_number(&mut self, name: &str, number: i64) {
        self.numbers.insert(name.to_owned(), number);
    }

    /// A text with every `{name}` filled in.
    pub fn text(&self, template: &str) -> Result<String, Unset> {
        let (mut filled, mut rest) = (String::new(), template);
        while let Some((before, after)) = rest.split_once('{') {
            // A brace that names nothing is one of a body's own.
            let named = after.split_once('}').filter(|(name, _)| is_name(name));
            filled.push_str(before);
            match named {
                Some((name, after)) => {
                    filled.push_str(&self.named(name)?);
                    rest = after;
                }
                None => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn named(&self, name: &str) -> Result<String, Unset> {
        if let Some(id) = name.strip_prefix(ID) {
            return Ok(format!("{}-{id}", self.prefix));
        }
        let number = || self.numbers.get(name).map(i64::to_string);
        self.texts.get(name).cloned().or_else(number).ok_or_else(|| Unset(name.to_owned()))
    }

    /// A sum of names and numbers: `start - stake + 2 * win`.
    pub fn number(&self, expression: &str) -> Result<i64, Unset> {
        let (mut total, mut sign) = (0_i64, 1_i64);
        let spaced = expression.replace('+', " + ").replace('-', " - ").replace('*', " * ");
        let mut words = spaced.split_whitespace().peekable();
        while let Some(word) = words.next() {
            match word {
                "+" => sign = 1,
                "-" => sign = -1,
                word => {
                    let mut product = self.factor(word)?;
                    while words.next_if_eq(&"*").is_some() {
                        product = product.saturating_mul(self.factor(words.next().unwrap_or_default())?);
                    }
                    total = total.saturating_add(product.saturating_mul(sign));
                }
            }
        }
        Ok(total)
    }

    fn factor(&self, word: &str) -> Result<i64, Unset> {
        let number = word.parse().ok().or_else(|| self.numbers.get(word).copied());
        number.ok_or_else(|| Unset(word.to_owned()))
    }

    /// A value of JSON with all its texts filled in.
    pub fn json(&self, value: &Value) -> Result<Value, Unset> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix('=') {
                Some(expression) => self.number(expression)?.into(),
                None => self.text(text)?.into(),
            },
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect::<Result<Vec<_>, _>>()?.into(),
            Value::Object(members) => self.object(members)?.into(),
            other => other.clone(),
        })
    }

    pub fn object(&self, members: &Map<String, Value>) -> Result<Map<String, Value>, Unset> {
        members.iter().map(|(name, value)| Ok((name.clone(), self.json(value)?))).collect()
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_part)
}

/// A number below `many` that the seed decides.
fn draw(seed: u64, case: &str, name: &str, many: u64) -> i64 {
    let digest = Sha256::digest(format!("{seed} {case} {name}"));
    let drawn = digest.iter().take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    i64::try_from(drawn % many).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_are_filled_in_and_sums_are_added_up() {
        let mut values = Values::new(7, "00000000", "case");
        values.set("player", "alice");
        values.set_number("start", 1000);
        values.set_number("stake", 30);
        for (template, filled) in [
            ("{player}", "alice"),
            ("a {player} b {stake}", "a alice b 30"),
            (r#"{"amount":1}"#, r#"{"amount":1}"#),
            (r#"{"playerId":"{player}"}"#, r#"{"playerId":"alice"}"#),
            ("{", "{"),
        ] {
            assert_eq!(values.text(template).unwrap(), filled);
        }
        for (expression, sum) in [("start", 1000), ("start - stake+1", 971), ("start - 2 * stake", 940), ("5", 5)] {
            assert_eq!(values.number(expression).unwrap(), sum, "{expression}");
        }
        let filled = values.json(&json!({ "a": "=start", "b": ["{player}", 1] })).unwrap();
        assert_eq!(filled, json!({ "a": 1000, "b": ["alice", 1] }));
        assert!(values.text("{nobody}").is_err() && values.number("start - nothing").is_err());
    }

    #[test]
    fn the_seed_decides_amounts_and_the_run_decides_ids() {
        let of = |seed, run| Values::new(seed, run, "case");
        assert_eq!(
            of(1, "a").number("stake + 100 * round").unwrap(),
            of(1, "b").number("stake + 100 * round").unwrap()
        );
        assert_ne!(of(1, "a").number("round").unwrap(), of(2, "a").number("round").unwrap());
        assert_ne!(of(1, "a").text("{id:x}").unwrap(), of(1, "b").text("{id:x}").unwrap());
        assert!(of(1, "12345678").text("{id:eighteen-letters-x}").unwrap().len() <= 36);
    }
}
