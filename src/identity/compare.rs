//! Comparing secrets without telling by the time it takes how much of them is right.

use sha2::{Digest, Sha256};

use crate::config::Secret;

/// Whether `given` is the secret. Digests are compared: where they differ says nothing about what they are of.
pub fn is_secret(given: &str, known: &Secret) -> bool {
    Sha256::digest(given.as_bytes()) == Sha256::digest(known.expose().as_bytes())
}
