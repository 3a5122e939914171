//! Proof Key for Code Exchange (RFC 7636): who redeems a code must know the text whose digest came with the request
//! for it. Only the method `S256`: `plain` protects from nobody who can read the request.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Characters of a SHA-256 digest in base64url without padding.
const CHALLENGE_LENGTH: usize = 43;

/// How long a verifier may be, in characters (RFC 7636, 4.1).
const VERIFIER_LENGTHS: std::ops::RangeInclusive<usize> = 43..=128;

/// A code challenge made with `S256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(Arc<str>);

impl Challenge {
    /// The challenge in a request; `None` where no verifier could have made it.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digest = text.len() == CHALLENGE_LENGTH && URL_SAFE_NO_PAD.decode(text).is_ok();
        is_digest.then(|| Self(text.into()))
    }

    /// The challenge that a verifier makes; `None` where it is none.
    pub fn of_verifier(verifier: &str) -> Option<Self> {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        let fits = VERIFIER_LENGTHS.contains(&verifier.len()) && verifier.bytes().all(unreserved);
        fits.then(|| Self(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)).into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_makes_the_challenge_of_the_rfc() {
        let made = Challenge::of_verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(made, Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
    }

    #[test]
    fn what_no_verifier_or_digest_can_be_is_neither() {
        for (verifier, is_one) in [
            ("a".repeat(42), false),
            ("a".repeat(43), true),
            ("a".repeat(128), true),
            ("a".repeat(129), false),
            ("+".repeat(43), false),
            ("ä".repeat(30), false),
        ] {
            assert_eq!(Challenge::of_verifier(&verifier).is_some(), is_one, "{verifier}");
        }
        for challenge in ["", &"A".repeat(42), &"A".repeat(44), &format!("{}=", "A".repeat(42)), &"+".repeat(43)] {
            assert_eq!(Challenge::parse(challenge), None, "{challenge}");
        }
    }
}
