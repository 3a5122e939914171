//! Correlation ids: what callers call their requests by.

use uuid::Uuid;

use super::ids::Party;
use super::player::digest;

/// Names a party's correlation id: a digest of both, so that an index need not hold texts of any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CorrelationKey(Uuid);

impl CorrelationKey {
    pub fn of(party: &Party, correlation: &str) -> Self {
        Self(digest(&[b"correlation", party.as_str().as_bytes(), correlation.as_bytes()]))
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }
}
