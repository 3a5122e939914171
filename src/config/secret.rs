//! Text that must not be shown: passwords, signing keys, addresses with credentials in them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha2::{Digest, Sha256};

/// A secret text. It prints as `…hidden…` and cannot be serialized; `expose` is the only way in, and easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a caller's text is this secret. Digests of it are compared, and each byte of them, so that the time taken
    /// tells neither how long the secret is nor how much of it is right.
    pub fn matches(&self, presented: &str) -> bool {
        let (known, given) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(presented.as_bytes()));
        verify_slices_are_equal(&known, &given).is_ok()
    }

    /// Whether a caller's text is one of these. Each is compared, so that the time taken does not tell which.
    pub fn is_among(presented: &str, secrets: &[Self]) -> bool {
        secrets.iter().fold(false, |is_one, secret| secret.matches(presented) | is_one)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…hidden…")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_alone_and_never_prints() {
        let secret = Secret::new("hunter2");
        assert!(secret.matches("hunter2"));
        assert!(!secret.matches("hunter"));
        assert!(!secret.matches(""));
        let secrets = [Secret::new("one"), Secret::new("two")];
        let found = ["one", "two", "three", ""].map(|text| Secret::is_among(text, &secrets));
        assert_eq!(found, [true, true, false, false]);
        assert!(!Secret::is_among("", &[]));
        assert_eq!(format!("{secret} {secret:?}"), "…hidden… …hidden…");
    }
}
