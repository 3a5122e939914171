//! The journal's hash chain: each row's hash covers the row, its transfers and the hash before it, so that a row
//! changed, removed or slipped in later breaks every hash after it. What pruning leaves is sealed row by row instead.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A SHA-256 digest; a chain starts from zeros.
pub type Hash = [u8; 32];

/// The hash that a writer's first row is chained to.
pub const START: Hash = [0; 32];

/// What a journal row consists of, as it is hashed.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub seq: i64,
    pub key: Option<Uuid>,
    pub command: &'a str,
    pub outcome: &'a str,
    /// Each transfer's debit account and credit account, 16 bytes each, and minor units, eight with the highest first.
    pub transfers: &'a [u8],
}

/// The hash of a row that follows `previous`. Every part has a fixed length or is preceded by its length.
pub fn link(previous: &Hash, row: &Row<'_>) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(row.seq.to_be_bytes());
    hasher.update(row.key.unwrap_or(Uuid::nil()).as_bytes());
    for text in [row.command, row.outcome] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(row.transfers);
    hasher.finalize().into()
}

/// The hash of a row that stands by itself because its neighbours may have been pruned. It covers what the row is filed
/// under, too, since the command that would say so may be gone.
pub fn seal(writer: i32, at: i64, party: &str, row: &Row<'_>) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(writer.to_be_bytes());
    hasher.update(at.to_be_bytes());
    hasher.update(party.as_bytes());
    link(&hasher.finalize().into(), row)
}

/// Adds a seal to a set of seals, or takes it out again: their order does not matter.
pub fn toggle(seals: &mut Hash, seal: &Hash) {
    for (all, one) in seals.iter_mut().zip(seal) {
        *all ^= one;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_row_changes_its_hash() {
        let row = Row { seq: 1, key: Some(Uuid::max()), command: "ab", outcome: "c", transfers: &[5; 40] };
        let hash = link(&START, &row);
        let others = [
            link(&hash, &row),
            link(&START, &Row { seq: 2, ..row }),
            link(&START, &Row { key: None, ..row }),
            link(&START, &Row { command: "a", outcome: "bc", ..row }),
            link(&START, &Row { outcome: "d", ..row }),
            link(&START, &Row { transfers: &[], ..row }),
            link(&START, &Row { transfers: &[6; 40], ..row }),
        ];
        assert!(others.iter().all(|other| *other != hash));
        let sealed = seal(1, 2, "acme", &row);
        let others = [hash, seal(2, 2, "acme", &row), seal(1, 3, "acme", &row), seal(1, 2, "acne", &row)];
        assert!(others.iter().all(|other| *other != sealed));
    }

    #[test]
    fn a_set_of_seals_forgets_what_is_taken_out() {
        let (one, other) = ([1; 32], [7; 32]);
        let mut seals = START;
        for seal in [&one, &other, &one] {
            toggle(&mut seals, seal);
        }
        assert_eq!(seals, other);
    }
}
