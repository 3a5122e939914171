//! Remembers tokens whose signatures were good, by digest: a signature costs fifty times what a look-up does.

use std::collections::HashMap;

use super::claims::Verified;

/// Players that are active at one time on one party; 10,000 tokens take about two megabytes.
pub(super) const MAX_TOKENS: usize = 10_000;

/// SHA-256 of a whole token.
pub(super) type TokenDigest = [u8; 32];

/// Two generations: when the young one is full it becomes the old one, and the old one is forgotten at once. What is
/// in use moves back to the young, so eviction needs no order and no clock.
#[derive(Default)]
pub(super) struct Cache {
    young: HashMap<TokenDigest, Verified>,
    old: HashMap<TokenDigest, Verified>,
}

impl Cache {
    pub fn get(&mut self, digest: &TokenDigest) -> Option<Verified> {
        if let Some(verified) = self.young.get(digest) {
            return Some(verified.clone());
        }
        let verified = self.old.remove(digest)?;
        self.insert(*digest, verified.clone());
        Some(verified)
    }

    pub fn insert(&mut self, digest: TokenDigest, verified: Verified) {
        if self.young.len() >= MAX_TOKENS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, verified);
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::ids::PlayerId;

    fn digest(number: usize) -> TokenDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_in_use() {
        let verified = Verified { player: PlayerId::parse("alice").unwrap(), not_before: None, expires: None };
        let mut cache = Cache::default();
        for number in 0..3 * MAX_TOKENS {
            cache.insert(digest(number), verified.clone());
            assert_eq!(cache.get(&digest(0)).as_ref(), Some(&verified), "in use at {number}");
            assert!(cache.len() <= MAX_TOKENS, "{} at {number}", cache.len());
        }
        assert_eq!(cache.get(&digest(1)), None);
        assert!(cache.get(&digest(3 * MAX_TOKENS - 1)).is_some());
    }
}
