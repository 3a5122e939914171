//! Operators: who may look at the ledger and act on it by hand, and what each may do.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha2::{Digest, Sha256};

use super::error::ConfigError;
use super::secret::Secret;
use super::section::{Section, Setting};

/// The operator that `http.admin_token` is the token of.
const ADMIN: &str = "admin";

/// How a hash begins: with what it was made by.
const ALGORITHM: &str = "sha256:";

/// Characters of a token at the least. It is compared with a plain hash, so it must be made by a machine: 32 random
/// characters, be they hexadecimal digits alone, cannot be found by trying.
pub const MIN_TOKEN: usize = 32;

/// Different characters that even a random hexadecimal token of that length has: fewer, and somebody made it up.
const MIN_DIFFERENT: usize = 8;

/// The longest name, in characters.
const MAX_NAME: usize = 64;

/// What an operator may do. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Moves money, makes players.
    Operator,
    /// Decides on what waits for a person.
    Approver,
    /// Reads the trail.
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Approver, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The SHA-256 digest of a token. Nothing slower is needed where the token itself cannot be guessed, and a token is
/// looked at with every request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OperatorTokenHash([u8; 32]);

impl OperatorTokenHash {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// `sha256:` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(ALGORITHM).filter(|digits| digits.len() == 64)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair =
                std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(hash))
    }

    /// As the configuration has it.
    pub fn text(&self) -> String {
        let digits: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{ALGORITHM}{digits}")
    }

    /// Takes as long wherever the two differ.
    pub fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for OperatorTokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…hidden…")
    }
}

/// Why a text is no token that an operator should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakToken {
    #[error("has fewer than {MIN_TOKEN} characters")]
    Short,
    #[error("has fewer than {MIN_DIFFERENT} different characters")]
    Uniform,
    #[error("has characters that no header carries: printable ASCII without spaces it must be")]
    Unsendable,
}

/// Whether a token can have been made by a machine, and sent in a header.
pub fn check_token(token: &str) -> Result<(), WeakToken> {
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(WeakToken::Unsendable);
    }
    if token.len() < MIN_TOKEN {
        return Err(WeakToken::Short);
    }
    let different = token.bytes().collect::<std::collections::BTreeSet<u8>>().len();
    if different < MIN_DIFFERENT { Err(WeakToken::Uniform) } else { Ok(()) }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// As in the trail.
    pub name: String,
    pub role: Role,
    pub token_hash: OperatorTokenHash,
}

/// Those that are listed, and the one of `http.admin_token`.
pub(super) fn operators(listed: Vec<Setting>, admin_token: Option<&Secret>) -> Result<Vec<Operator>, ConfigError> {
    let mut operators = Vec::new();
    if let Some(token) = admin_token {
        let (name, token_hash) = (ADMIN.to_owned(), OperatorTokenHash::of(token.expose()));
        operators.push(Operator { name, role: Role::Admin, token_hash });
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for setting in listed {
        let place = setting.place.clone();
        let operator = operator(setting.section()?)?;
        let Operator { name, token_hash, .. } = &operator;
        if let Some(other) = names.insert(name.clone(), place.key.clone()) {
            return Err(place.wrong(format!("is called {name}, as {other} is: the trail would not tell them apart")));
        }
        if let Some(other) = operators.iter().find(|other| other.token_hash == *token_hash || other.name == *name) {
            let problem = if other.name == *name {
                format!("is called {name}, as the operator of http.admin_token is; give it another name")
            } else {
                format!("({name}) has the token_hash of {}; give each operator a token of its own", other.name)
            };
            return Err(place.wrong(problem));
        }
        operators.push(operator);
    }
    Ok(operators)
}

fn operator(mut section: Section) -> Result<Operator, ConfigError> {
    let name = section.require("name")?.named(parse_name)?;
    let role = section.require("role")?.named(parse_role)?;
    let (place, hash) = section.secret("token_hash")?.ok_or_else(|| {
        section.place().wrong(format!("({name}) needs a token_hash: `purser operator hash` prints one"))
    })?;
    section.finish()?;
    let token_hash = OperatorTokenHash::parse(hash.expose());
    let token_hash = token_hash.ok_or_else(|| {
        place.wrong(format!(
            "(of {name}) must be {ALGORITHM} and 64 hexadecimal digits, as `purser operator hash` prints it"
        ))
    })?;
    Ok(Operator { name, role, token_hash })
}

fn parse_name(text: &str) -> Result<String, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    let fits = !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(is_part);
    fits.then(|| text.to_owned()).ok_or_else(|| format!("must be 1 to {MAX_NAME} letters, digits or . _ - @"))
}

fn parse_role(text: &str) -> Result<Role, String> {
    let known = || Role::ALL.map(Role::as_str).join(", ");
    Role::parse(text).ok_or_else(|| format!("must be one of {}", known()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parse;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = OperatorTokenHash::of("a token");
        assert_eq!(OperatorTokenHash::parse(&hash.text()), Some(hash));
        assert!(hash.is(&OperatorTokenHash::of("a token")) && !hash.is(&OperatorTokenHash::of("another")));
        assert_eq!(format!("{hash:?}"), "…hidden…");
        let digits = "0".repeat(64);
        for text in ["", &digits, "sha256:", &format!("sha256:{}", &digits[1..]), &format!("sha256:{digits}0")] {
            assert_eq!(OperatorTokenHash::parse(text), None, "{text}");
        }
        let signed = format!("sha256:+1{}", &digits[2..]);
        assert_eq!(OperatorTokenHash::parse(&signed), None);
    }

    #[test]
    fn tokens_are_made_by_machines() {
        for (token, expected) in [
            ("0123456789abcdef0123456789abcdef", Ok(())),
            ("0123456789abcdef0123456789abcde", Err(WeakToken::Short)),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabcdefg", Err(WeakToken::Uniform)),
            ("correct horse battery staple and so on", Err(WeakToken::Unsendable)),
            ("", Err(WeakToken::Short)),
        ] {
            assert_eq!(check_token(token), expected, "{token}");
        }
    }

    const CAROL: &str = "name = \"carol\"\nrole = \"operator\"\n";

    fn listed(entries: &[String]) -> String {
        entries.iter().map(|entry| format!("[[operators]]\n{entry}\n")).collect()
    }

    fn hashed(entry: &str, token: &str) -> String {
        format!("{entry}token_hash = \"{}\"", OperatorTokenHash::of(token).text())
    }

    #[test]
    fn the_admin_token_is_an_operator_among_others() {
        let toml = listed(&[hashed(CAROL, "one")]) + "[http]\nadmin_token = \"two\"";
        let config = parse(&toml).unwrap();
        let found =
            config.operators.iter().map(|operator| (operator.name.as_str(), operator.role, operator.token_hash));
        let expected = [
            ("admin", Role::Admin, OperatorTokenHash::of("two")),
            ("carol", Role::Operator, OperatorTokenHash::of("one")),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert!(config.warnings.iter().any(|warning| warning.starts_with("http.admin_token has fewer than 32")));
        assert_eq!(parse("").unwrap().operators, []);
    }

    #[test]
    fn what_is_wrong_with_an_operator_is_named() {
        let [carol, dave] = ["carol", "dave"].map(|name| CAROL.replace("carol", name));
        for (toml, expected) in [
            (listed(&[hashed(&carol, "1"), hashed(&carol, "2")]), "operators[1] (set in test.toml) is called carol, as operators[0] is"),
            (listed(&[hashed(&carol, "1"), hashed(&dave, "1")]), "operators[1] (set in test.toml) (dave) has the token_hash of carol"),
            (
                listed(&[hashed(&carol.replace("carol", "admin"), "1")]) + "[http]\nadmin_token = \"2\"",
                "is called admin, as the operator of http.admin_token is",
            ),
            (
                listed(&[hashed(&carol, "2")]) + "[http]\nadmin_token = \"2\"",
                "(carol) has the token_hash of admin",
            ),
            (
                listed(&[hashed(&carol.replace("operator", "root"), "1")]),
                "operators[0].role (set in test.toml) is \"root\" and must be one of viewer, operator, approver, admin",
            ),
            (listed(std::slice::from_ref(&carol)), "(carol) needs a token_hash: `purser operator hash` prints one"),
            (
                listed(&[format!("{carol}token_hash = \"hunter2\"")]),
                "operators[0].token_hash (set in test.toml) (of carol) must be sha256: and 64 hexadecimal digits",
            ),
            (listed(&[hashed(&carol.replace("carol", "c d"), "1")]), "operators[0].name (set in test.toml) is \"c d\""),
            (listed(&[hashed(&format!("{carol}colour = 1\n"), "1")]), "operators[0].colour (set in test.toml) is not a setting"),
            (
                "[parties.acme]\ncurrencies = [\"EUR\"]\nplayer_tokens = \"trusted\"\n[parties.acme.balance_service]\npath = \"/admin/v1\"\ncurrency_ids = { 1 = \"EUR\" }"
                    .to_owned(),
                "parties.acme.balance_service.path begins with /admin, which is the operators' own",
            ),
        ] {
            let error = parse(&toml).expect_err(&toml).to_string();
            assert!(error.contains(expected), "{error}\n{expected}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn roles_grow() {
        assert!(Role::ALL.is_sorted());
        assert!(Role::ALL.iter().all(|role| Role::parse(role.as_str()) == Some(*role)));
        assert_eq!(Role::parse("root"), None);
    }
}
