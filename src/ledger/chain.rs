//! The journal's hash chain: each row's hash covers the row, its movements and the hash before it, so that a row
//! changed, removed or slipped in later breaks every hash after it.

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
    /// Each leg: debit account, credit account, minor units.
    pub movements: &'a [(Uuid, Uuid, i64)],
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
    for (debit, credit, amount) in row.movements {
        hasher.update(debit.as_bytes());
        hasher.update(credit.as_bytes());
        hasher.update(amount.to_be_bytes());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_row_changes_its_hash() {
        let row = Row {
            seq: 1,
            key: Some(Uuid::max()),
            command: "ab",
            outcome: "c",
            movements: &[(Uuid::nil(), Uuid::max(), 5)],
        };
        let hash = link(&START, &row);
        let others = [
            link(&hash, &row),
            link(&START, &Row { seq: 2, ..row }),
            link(&START, &Row { key: None, ..row }),
            link(&START, &Row { command: "a", outcome: "bc", ..row }),
            link(&START, &Row { outcome: "d", ..row }),
            link(&START, &Row { movements: &[], ..row }),
            link(&START, &Row { movements: &[(Uuid::nil(), Uuid::max(), 6)], ..row }),
        ];
        assert!(others.iter().all(|other| *other != hash));
    }
}
