//! Names that come from outside, parsed once: whoever holds one of these types holds a valid name.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not a valid name; reads as the end of a sentence that starts with the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("must be {min} to {max} characters long")]
    Length { min: usize, max: usize },
    #[error("must not contain control, zero-width or direction characters")]
    Unprintable,
    #[error("must be 1 to 32 of a-z, 0-9 and '-'")]
    Plain,
    #[error("must be three or four upper-case letters")]
    Currency,
}

/// Whether a character may stand in a name, and be shown to people as it is: no controls, no separators of lines and
/// paragraphs, and nothing that is invisible or turns the direction of what follows, since two names that look alike are
/// taken for one.
pub fn is_printable(c: char) -> bool {
    let is_invisible = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{180b}'..='\u{180f}' // Mongolian selectors
        | '\u{200b}'..='\u{200f}' // zero width, and marks of direction
        | '\u{2028}'..='\u{202e}' // separators, embeddings, overrides
        | '\u{2060}'..='\u{206f}' // joiners, invisible operators, isolates
        | '\u{fe00}'..='\u{fe0f}' // variation selectors
        | '\u{fff0}'..='\u{fffb}' // annotations
        | '\u{e0000}'..='\u{e0fff}'); // tags, and more selectors
    !c.is_control() && !is_invisible
}

/// What was asked of a character before: names that came in then are in ledgers and exports.
fn was_printable(c: char) -> bool {
    !c.is_control() && c != '\u{2028}' && c != '\u{2029}'
}

fn printable(text: &str, min: usize, max: usize, fits: fn(char) -> bool) -> Result<Arc<str>, InvalidName> {
    let length = text.chars().take(max.saturating_add(1)).count();
    if length < min || length > max {
        return Err(InvalidName::Length { min, max });
    }
    if !text.chars().all(fits) {
        return Err(InvalidName::Unprintable);
    }
    Ok(text.into())
}

fn plain(text: &str) -> Result<Arc<str>, InvalidName> {
    let fits = (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(text.into()) } else { Err(InvalidName::Plain) }
}

/// Declares one name: a shared, immutable text with its own rule, which is told what characters may stand in it.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// A name that comes from outside.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                Self::named(text, is_printable)
            }

            /// A name that a ledger or an export holds. What was taken in once is read for ever, whatever is asked of
            /// new names: a journal that cannot be read any more is lost.
            pub fn recorded(text: &str) -> Result<Self, InvalidName> {
                Self::named(text, was_printable)
            }

            fn named(text: &str, fits: fn(char) -> bool) -> Result<Self, InvalidName> {
                let rule: fn(&str, fn(char) -> bool) -> Result<Arc<str>, InvalidName> = $rule;
                rule(text, fits).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // Only what was written by a ledger is deserialized; dialects parse texts.
        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::recorded(&text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The integration party (tenant). It goes into queue names, so it has no dots.
    Party,
    |text, _| plain(text)
);
name!(
    /// One of several ledgers, as the configuration calls it: `[ledgers.NAME]`, or `default` for that of `database.url`.
    LedgerName,
    |text, _| plain(text)
);
name!(
    /// A party's own name for a player (EGPP 5.1: `playerId`, 1–20 characters).
    PlayerId,
    |text, fits| printable(text, 1, 20, fits)
);
name!(
    /// A game's symbol (EGPP 5.1.2: `game`, 8–20 characters).
    Game,
    |text, fits| printable(text, 8, 20, fits)
);
name!(
    /// The provider's own name for an order (EGPP 5.1.2: `externalId`, 1–36 characters).
    ExternalId,
    |text, fits| printable(text, 1, 36, fits)
);
name!(
    /// A wallet of a player (EGPP 5.1.1: `walletId`, 1–30 characters). The empty one is the default wallet, which may
    /// also be called `default`.
    Wallet,
    |text, fits| {
        if text.is_empty() || text == DEFAULT_WALLET { Ok("".into()) } else { printable(text, 1, 30, fits) }
    }
);

/// The ledger of `database.url`.
const DEFAULT_LEDGER: &str = "default";

impl LedgerName {
    /// The ledger of parties that name none.
    pub fn default_ledger() -> Self {
        Self(DEFAULT_LEDGER.into())
    }

    pub fn is_default(&self) -> bool {
        self.as_str() == DEFAULT_LEDGER
    }
}

/// What the default wallet is called where it must be called something.
const DEFAULT_WALLET: &str = "default";

impl Wallet {
    /// The name that the wallet may be called by from outside; never empty.
    pub fn name(&self) -> &str {
        if self.is_default() { DEFAULT_WALLET } else { self.as_str() }
    }

    /// The wallet of a call that names none.
    pub fn default_wallet() -> Self {
        Self("".into())
    }

    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }
}

/// A currency code: ISO 4217, `BTC`, `ETH`, or a token currency from configuration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency {
    /// Three letters are followed by a zero byte.
    letters: [u8; 4],
}

impl Currency {
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let bytes = text.as_bytes();
        if !(3..=4).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_uppercase) {
            return Err(InvalidName::Currency);
        }
        let mut letters = [0; 4];
        letters[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { letters })
    }

    pub fn as_str(&self) -> &str {
        let length = if self.letters[3] == 0 { 3 } else { 4 };
        // Only upper-case ASCII gets in, so this is always text.
        std::str::from_utf8(&self.letters[..length]).unwrap_or_default()
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_in_characters_and_printable() {
        let cases = [
            (PlayerId::parse("").is_ok(), false),
            (PlayerId::parse("alice cooper").is_ok(), true),
            (PlayerId::parse(&"ä".repeat(20)).is_ok(), true),
            (PlayerId::parse(&"ä".repeat(21)).is_ok(), false),
            (PlayerId::parse("a\u{0}b").is_ok(), false),
            (PlayerId::parse("a\u{2028}b").is_ok(), false),
            (PlayerId::parse("a\u{200b}b").is_ok(), false),
            (PlayerId::parse("a\u{202e}b").is_ok(), false),
            (PlayerId::parse("a\u{e0041}b").is_ok(), false),
            (PlayerId::parse("a\u{9b}b").is_ok(), false),
            (PlayerId::parse("名前 אבג émile").is_ok(), true),
            (PlayerId::recorded("a\u{200b}b").is_ok(), true),
            (PlayerId::recorded("\u{2764}\u{fe0f}").is_ok(), true),
            (PlayerId::recorded("a\u{2028}b").is_ok(), false),
            (PlayerId::recorded("a\u{9b}b").is_ok(), false),
            (Game::parse("short77").is_ok(), false),
            (Game::parse("eight888").is_ok(), true),
            (ExternalId::parse(&"x".repeat(36)).is_ok(), true),
            (ExternalId::parse(&"x".repeat(37)).is_ok(), false),
            (Party::parse("acme-2").is_ok(), true),
            (Party::parse("acme.2").is_ok(), false),
            (Party::parse("Acme").is_ok(), false),
            (Currency::parse("CHF").is_ok(), true),
            (Currency::parse("USDT").is_ok(), true),
            (Currency::parse("chf").is_ok(), false),
            (Currency::parse("CH").is_ok(), false),
            (Currency::parse("CHFEU").is_ok(), false),
        ];
        for (index, (is, ought)) in cases.into_iter().enumerate() {
            assert_eq!(is, ought, "case {index}");
        }
    }
}
