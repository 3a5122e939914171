//! Every setting that is in effect, and the layer that set it: for people to look at, so without any secret.

use std::path::Path;

use config::{Value, ValueKind};
use serde_json::Value as Json;
use url::Url;
use url::form_urlencoded;

use super::files::SECRETS;
use super::layers::{DEFAULTS, VARIABLE};

/// What stands for a secret.
const HIDDEN: &str = "***";

/// Parts of the names of URL parameters that are secrets.
const SECRET_PARAMETERS: [&str; 5] = ["password", "passwd", "secret", "token", "api_key"];

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its path, as errors name it: `parties.acme.goplay.clients[0].id`.
    pub key: String,
    /// A list is whole where it is of plain values. Secrets in it are `***`.
    pub value: Json,
    /// `default`, `file purser.toml` or `env PURSER__AMQP__URL`.
    pub origin: String,
}

/// The settings of merged layers, by name.
pub(super) fn effective(merged: &Value, file: Option<&Path>) -> Vec<Effective> {
    let mut showing = Showing { file: file.map(|path| path.display().to_string()), settings: Vec::new() };
    showing.walk("", "", merged);
    showing.settings
}

struct Showing {
    file: Option<String>,
    settings: Vec<Effective>,
}

impl Showing {
    /// `key` is the last name in `path` that is no place in a list.
    fn walk(&mut self, path: &str, key: &str, value: &Value) {
        match &value.kind {
            ValueKind::Table(table) => {
                let mut entries: Vec<_> = table.iter().collect();
                entries.sort_by_key(|(name, _)| *name);
                for (name, value) in entries {
                    let gives_way = value.origin() == Some(DEFAULTS) && is_filled(table.get(&format!("{name}_file")));
                    if !gives_way {
                        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                        self.walk(&path, name, value);
                    }
                }
            }
            ValueKind::Array(values) if values.iter().any(is_structured) => {
                for (place, value) in values.iter().enumerate() {
                    self.walk(&format!("{path}[{place}]"), key, value);
                }
            }
            _ => self.settings.push(Effective {
                key: path.to_owned(),
                value: shown(key, value),
                origin: self.layer(first_origin(value)),
            }),
        }
    }

    fn layer(&self, origin: Option<&str>) -> String {
        match origin {
            None | Some(DEFAULTS) => "default".to_owned(),
            Some(origin) if Some(origin) == self.file.as_deref() => format!("file {origin}"),
            Some(origin) => format!("env {}", origin.strip_prefix(VARIABLE).unwrap_or(origin)),
        }
    }
}

fn is_structured(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Table(_) | ValueKind::Array(_))
}

fn is_filled(value: Option<&Value>) -> bool {
    value.is_some_and(|value| matches!(&value.kind, ValueKind::String(text) if !text.is_empty()))
}

fn first_origin(value: &Value) -> Option<&str> {
    let within = match &value.kind {
        ValueKind::Array(values) => values.iter().find_map(Value::origin),
        _ => None,
    };
    value.origin().or(within)
}

fn shown(key: &str, value: &Value) -> Json {
    match &value.kind {
        ValueKind::Array(values) => values.iter().map(|value| shown(key, value)).collect(),
        ValueKind::String(text) if text.is_empty() => text.as_str().into(),
        _ if SECRETS.contains(&key) => HIDDEN.into(),
        // An address may be several, one a line.
        ValueKind::String(text) => text.lines().map(without_passwords).collect::<Vec<_>>().join("\n").into(),
        ValueKind::Boolean(flag) => (*flag).into(),
        ValueKind::I64(number) => (*number).into(),
        // No setting takes any other kind; an error has said so before anything is shown.
        _ => value.to_string().into(),
    }
}

/// A text as it is, but for what is secret in it where it is a URL.
fn without_passwords(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) if !query.contains('@') => (place, Some(query)),
        _ => match Url::parse(text) {
            Ok(url) if url.password().is_none() => (rest.split('?').next().unwrap_or_default(), url_query(rest)),
            // Whatever stands before the last `@` may be part of a password that is not encoded as it should be.
            _ => (rest, None),
        },
    };
    let place = match place.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
            None => place.to_owned(),
        },
        None => place.to_owned(),
    };
    let query = query.map(|query| format!("?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&")));
    format!("{scheme}://{place}{}", query.unwrap_or_default())
}

fn url_query(rest: &str) -> Option<&str> {
    rest.split_once('?').map(|(_, query)| query)
}

fn parameter(raw: &str) -> String {
    let name = form_urlencoded::parse(raw.as_bytes()).next().map(|(name, _)| name.to_ascii_lowercase());
    let is_secret = |name: String| SECRET_PARAMETERS.iter().any(|part| name.contains(part));
    if name.is_some_and(is_secret) {
        format!("{}={HIDDEN}", raw.split('=').next().unwrap_or_default())
    } else {
        raw.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_hidden_and_the_rest_is_not() {
        for (text, expected) in [
            ("sqlite://purser.db", "sqlite://purser.db"),
            ("amqp://guest:guest@127.0.0.1:5672/%2f", "amqp://guest:***@127.0.0.1:5672/%2f"),
            ("amqps://b:5671/%2f?auth_mechanism=external", "amqps://b:5671/%2f?auth_mechanism=external"),
            ("postgres://u:p@a:5432,b:5432/db?sslmode=require", "postgres://u:***@a:5432,b:5432/db?sslmode=require"),
            ("postgres://u:p/w@a/db", "postgres://u:***@a/db"),
            ("postgres://u:p?w@a/db", "postgres://u:***@a/db"),
            ("postgres://u:p@w@a/db?x=y", "postgres://u:***@a/db?x=y"),
            ("postgres://u@a/db?p%61ssword=p&sslkey=k.pem", "postgres://u@a/db?p%61ssword=***&sslkey=k.pem"),
            ("https://id.example/keys?token=t", "https://id.example/keys?token=***"),
            ("https://shop.example/back?to=a@b", "https://shop.example/back?to=a@b"),
            ("plain: text@", "plain: text@"),
        ] {
            assert_eq!(without_passwords(text), expected, "{text}");
        }
    }
}
