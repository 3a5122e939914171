//! Which files hold secrets: told by the settings' names, whoever reads them later.

use std::path::{Path, PathBuf};

use config::{Value, ValueKind};
use url::Url;

/// Settings that name files which anybody may read. Every other `*_file` holds a secret or a private key.
const PUBLIC_FILES: [&str; 4] = ["ca_file", "client_cert_file", "public_key_file", "jwks_file"];

/// Settings that are secrets themselves, or hashes that can be guessed against. An address is one where it has a password.
pub(super) const SECRETS: [&str; 7] =
    ["admin_token", "hmac_secret", "secret", "keys_secret", "api_keys", "password_hash", "token_hash"];

/// A file that nobody but Purser's user should be able to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// The setting that names it, or what it is.
    pub what: String,
    pub path: PathBuf,
}

/// Those of a configuration: its own file where that has secrets in it, and the files that it names.
pub(super) fn secret_files(root: &Value, file: Option<&Path>) -> Vec<SecretFile> {
    let mut found = Found { origin: file.map(|path| path.display().to_string()), in_file: false, named: Vec::new() };
    found.walk("", "", root);
    let own = file
        .filter(|_| found.in_file)
        .map(|path| SecretFile { what: "the configuration file".to_owned(), path: path.to_owned() });
    own.into_iter().chain(found.named).collect()
}

struct Found {
    origin: Option<String>,
    in_file: bool,
    named: Vec<SecretFile>,
}

impl Found {
    /// `path` is where `value` is, `key` the last name in it that is no place in a list.
    fn walk(&mut self, path: &str, key: &str, value: &Value) {
        match &value.kind {
            ValueKind::Table(table) => {
                let mut entries: Vec<_> = table.iter().collect();
                entries.sort_by_key(|(name, _)| *name);
                for (name, value) in entries {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.walk(&path, name, value);
                }
            }
            ValueKind::Array(values) => {
                for (place, value) in values.iter().enumerate() {
                    self.walk(&format!("{path}[{place}]"), key, value);
                }
            }
            ValueKind::String(text) if !text.is_empty() => self.note(path, key, text, value.origin()),
            _ => {}
        }
    }

    fn note(&mut self, path: &str, key: &str, text: &str, origin: Option<&str>) {
        if key.ends_with("_file") && !PUBLIC_FILES.contains(&key) {
            self.named.push(SecretFile { what: path.to_owned(), path: PathBuf::from(text) });
        }
        let is_secret = SECRETS.contains(&key) || (key == "url" && text.lines().any(has_password));
        if is_secret && origin.is_some() && origin == self.origin.as_deref() {
            self.in_file = true;
        }
    }
}

/// Several hosts, as Postgres clients allow, are no URL of the standard: then whatever has a name before an `@`.
fn has_password(text: &str) -> bool {
    Url::parse(text).map_or_else(|_| text.contains('@'), |url| url.password().is_some())
}
