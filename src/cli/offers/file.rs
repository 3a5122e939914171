//! The file of offers. What is wrong with it is told by place and never by content: it is full of keys that are sold.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::{CommandFailure, failed};
use crate::dialects::http::exact::{self, MAX_NAME, WireAmount, WireId};
use crate::ledger::ids::is_printable;
use crate::ledger::shop::Offer;
use crate::ledger::{Amount, Currency};

/// Bytes of a file: what [`MAX_KEYS`] of the longest keys come to, with room for their offers.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Keys of a file. An import is one transaction, and purchases of its offers wait for it: this many take seconds.
pub const MAX_KEYS: usize = 20_000;
/// The longest name or key, in characters.
const MAX_TEXT: usize = 255;

/// One offer of the file, its keys each once.
#[derive(Debug)]
pub struct Listed {
    pub offer: Offer,
    pub keys: Vec<String>,
}

/// An offer before anything about it is believed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    #[serde(borrow)]
    currency: Option<&'a RawValue>,
    #[serde(borrow)]
    keys: Option<&'a RawValue>,
}

/// The file's text, or that of standard input for `-`.
pub(crate) fn text(path: &Path) -> Result<String, CommandFailure> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    let name = path.display();
    if path.as_os_str() == "-" {
        io::stdin().take(limit).read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
        file.take(limit).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    }
    if bytes.len() > MAX_BYTES {
        return Err(failed(format!("{name} is longer than {MAX_BYTES} bytes; import it in parts")));
    }
    String::from_utf8(bytes).map_err(|_| failed(format!("{name} is not UTF-8 text")))
}

/// Reads all offers, or says what is wrong with the first that is.
pub fn read(text: &str, currency: Currency, exponent: u32) -> Result<Vec<Listed>, String> {
    let listed: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        format!("the file must be a JSON array of offers; see line {} column {}", error.line(), error.column())
    })?;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut owners: HashMap<String, usize> = HashMap::new();
    let mut offers = Vec::new();
    for (index, raw) in listed.into_iter().enumerate() {
        let mut offer =
            one(raw, currency, exponent).map_err(|(field, problem)| format!("[{index}]{field} {problem}"))?;
        if let Some(before) = places.insert(offer.offer.id.to_string(), index) {
            return Err(format!("[{index}].id is the id of [{before}], too"));
        }
        let mut seen = HashSet::new();
        offer.keys.retain(|key| seen.insert(key.clone()));
        for key in &offer.keys {
            if let Some(before) = owners.insert(key.clone(), index) {
                return Err(format!("[{index}].keys has a key of [{before}]: no key may be sold twice"));
            }
        }
        if owners.len() > MAX_KEYS {
            return Err(format!("there are more than {MAX_KEYS} keys; import them in parts"));
        }
        offers.push(offer);
    }
    Ok(offers)
}

/// Where in an offer something is wrong, and what.
type Problem = (String, String);

fn one(raw: &RawValue, currency: Currency, exponent: u32) -> Result<Listed, Problem> {
    let wire: Wire<'_> = exact::read(raw.get().as_bytes()).map_err(|_| {
        (
            String::new(),
            "must be an object with id, name, price, currency and keys, each once, and nothing else".to_owned(),
        )
    })?;
    let named: Currency = field("currency", wire.currency, "must be a currency", |json| {
        serde_json::from_str::<String>(json).ok().and_then(|text| Currency::parse(&text).ok())
    })?;
    if named != currency {
        return Err((".currency".to_owned(), format!("must be {currency}, which the party's hub sells in")));
    }
    let offer = Offer {
        id: field("id", wire.id, &texts("a number or text", MAX_NAME), |json| {
            let id = serde_json::from_str::<WireId>(json).ok()?.checked()?;
            fits(&id).then(|| id.into())
        })?,
        name: field("name", wire.name, &texts("text", MAX_TEXT), string)?.into(),
        price: field(
            "price",
            wire.price,
            &format!("must be a number or decimal text such as \"956.30\", above zero, of at most {exponent} places"),
            |json| {
                let decimal: WireAmount = serde_json::from_str(json).ok()?;
                decimal.minor(exponent).and_then(Amount::new).ok()
            },
        )?,
        currency,
    };
    let keys: Vec<&RawValue> =
        field("keys", wire.keys, "must be an array of texts", |json| serde_json::from_str(json).ok())?;
    let keys = keys
        .into_iter()
        .enumerate()
        .map(|(at, json)| field(&format!("keys[{at}]"), Some(json), &texts("text", MAX_TEXT), string));
    Ok(Listed { offer, keys: keys.collect::<Result<_, _>>()? })
}

fn field<'a, T>(
    name: &str,
    json: Option<&'a RawValue>,
    problem: &str,
    parse: impl FnOnce(&'a str) -> Option<T>,
) -> Result<T, Problem> {
    match json {
        None => Err((format!(".{name}"), "is missing".to_owned())),
        Some(json) => parse(json.get()).ok_or_else(|| (format!(".{name}"), problem.to_owned())),
    }
}

fn texts(what: &str, longest: usize) -> String {
    format!("must be {what} of 1 to {longest} printable characters, with no space at either end")
}

fn string(json: &str) -> Option<String> {
    serde_json::from_str::<String>(json).ok().filter(|text| fits(text))
}

fn fits(text: &str) -> bool {
    let is_printable = text.chars().all(is_printable);
    text == text.trim() && is_printable && (1..=MAX_TEXT).contains(&text.chars().take(MAX_TEXT + 1).count())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_kzt(text: &str) -> Result<Vec<Listed>, String> {
        read(text, Currency::parse("KZT").unwrap(), 2)
    }

    fn with(field: &str, json: &str) -> String {
        let mut offer = vec![
            ("id", "562"),
            ("name", "\"Card\""),
            ("price", "\"956.30\""),
            ("currency", "\"KZT\""),
            ("keys", "[\"SECRET-1\"]"),
        ];
        offer.retain(|(name, _)| *name != field);
        let mut members: Vec<String> = offer.iter().map(|(name, json)| format!("\"{name}\": {json}")).collect();
        members.extend((!json.is_empty()).then(|| format!("\"{field}\": {json}")));
        format!("[{{{}}}]", members.join(", "))
    }

    #[test]
    fn a_price_is_exact_however_it_is_written() {
        for price in ["956.3", "956.30", "\"956.3\"", "\"956.30\"", "9563e-1"] {
            let listed = read_kzt(&with("price", price)).unwrap();
            assert_eq!(listed[0].offer.price.minor(), 95_630, "{price}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place() {
        let cases = [
            ("id", "", "[0].id is missing"),
            ("id", "null", "[0].id is missing"),
            ("id", "\"\"", "[0].id must be a number or text"),
            ("id", "true", "[0].id must be a number or text"),
            ("name", "\"a\\nb\"", "[0].name must be text of 1 to 255 printable"),
            ("name", "7", "[0].name must be text"),
            ("price", "0", "[0].price must be a number or decimal text"),
            ("price", "\"1.234\"", "[0].price must be"),
            ("price", "-1", "[0].price must be"),
            ("currency", "\"EUR\"", "[0].currency must be KZT"),
            ("currency", "\"kzt\"", "[0].currency must be a currency"),
            ("keys", "\"SECRET-2\"", "[0].keys must be an array of texts"),
            ("keys", "[\"SECRET-2\", 7]", "[0].keys[1] must be text"),
            ("keys", "[\" SECRET-2\"]", "[0].keys[0] must be text"),
            ("kyes", "[\"SECRET-2\"]", "[0] must be an object with id"),
        ];
        for (field, json, expected) in cases {
            let problem = read_kzt(&with(field, json)).unwrap_err();
            assert!(problem.starts_with(expected), "{field} {json}: {problem}");
            assert!(!problem.contains("SECRET"), "{problem}");
        }
        for text in ["", "{}", "[", "[{]", "[\"SECRET-2\"", "7"] {
            let problem = read_kzt(text).unwrap_err();
            assert!(problem.starts_with("the file must be a JSON array") && !problem.contains("SECRET"), "{problem}");
        }
    }

    #[test]
    fn a_key_counts_once_and_belongs_to_one_offer() {
        let listed = read_kzt(&with("keys", "[\"A\", \"B\", \"A\"]")).unwrap();
        assert_eq!(listed[0].keys, ["A", "B"]);
        let card = |id: u32, key: &str| {
            format!(r#"{{"id": {id}, "name": "n", "price": 1, "currency": "KZT", "keys": ["{key}"]}}"#)
        };
        let twice = |first: String, second: String| read_kzt(&format!("[{first}, {second}]")).unwrap_err();
        assert!(twice(card(1, "A"), card(2, "A")).starts_with("[1].keys has a key of [0]"));
        assert!(twice(card(1, "A"), card(1, "B")).starts_with("[1].id is the id of [0]"));
        assert!(twice(card(1, "A"), "7".to_owned()).starts_with("[1] must be an object"));
    }

    /// A good file with some of it replaced.
    fn nearly() -> impl Strategy<Value = String> {
        let signs = ["\"", "\\", "{", "}", "[", ",", ":", "null", "1e9", "-", "\\u0000", "\\ud800"];
        let piece = prop_oneof!["\\PC{0,4}", prop::sample::select(signs.to_vec()).prop_map(str::to_owned)];
        let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..8_usize, piece), 1..4);
        edits.prop_map(|edits| {
            let mut text: Vec<char> = with("", "").chars().collect();
            for (at, length, piece) in edits {
                let from = at.index(text.len() + 1);
                let to = text.len().min(from + length);
                text.splice(from..to, piece.chars());
            }
            text.into_iter().collect()
        })
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_repeat_a_key(text in prop_oneof![nearly(), "\\PC{0,200}"]) {
            match read_kzt(&text) {
                Ok(listed) => prop_assert!(listed.iter().all(|listed| listed.offer.price.minor() > 0)),
                Err(problem) => prop_assert!(!problem.contains("SECRET"), "{problem}"),
            }
        }
    }
}
