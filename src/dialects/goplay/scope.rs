//! What a client may be allowed to do.

use super::SCOPES;
use super::wire::OauthError;

/// One thing that may be allowed. It stands beside the call that needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    word: &'static str,
    sentence: &'static str,
}

impl Scope {
    pub const fn new(word: &'static str, sentence: &'static str) -> Self {
        Self { word, sentence }
    }

    pub fn as_str(self) -> &'static str {
        self.word
    }

    /// As the player is asked for it.
    pub fn sentence(self) -> &'static str {
        self.sentence
    }

    /// Whether a granted scope, words with spaces between, holds this one.
    pub fn is_in(self, granted: &str) -> bool {
        granted.split(' ').any(|word| word == self.word)
    }
}

/// The scopes that are asked for, each once and in one order; all of them where none is named.
pub fn parse(asked: Option<&str>) -> Result<Vec<Scope>, OauthError> {
    let Some(asked) = asked else { return Ok(SCOPES.to_vec()) };
    let is_known = |word: &str| SCOPES.iter().any(|scope| scope.word == word);
    if !asked.split(' ').all(is_known) {
        return Err(OauthError::new("invalid_scope", super::UNKNOWN_SCOPE));
    }
    Ok(SCOPES.into_iter().filter(|scope| scope.is_in(asked)).collect())
}

/// As it goes over the wire and is kept.
pub fn text(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.word).collect::<Vec<_>>().join(" ")
}
