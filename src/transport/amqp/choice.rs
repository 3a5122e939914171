//! Which dead letters are meant: by what they say, and where somebody has looked before, no others than those.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::dead::DeadLetter;

/// What letters say that are meant. What is not named may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterFilter {
    /// The correlation id (or message id, where there is none).
    pub id: Option<String>,
    /// malformed, fault, or the broker's own word: delivery_limit, …
    pub reason: Option<String>,
    pub error: Option<String>,
    /// The queue that they came from.
    pub queue: Option<String>,
    /// Died at or after this second since 1970.
    pub died_since: Option<i64>,
}

impl LetterFilter {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As the trail has it; what is not said is null.
    pub fn described(&self) -> Value {
        let Self { id, reason, error, queue, died_since } = self;
        json!({ "id": id, "reason": reason, "error": error, "queue": queue, "died_since": died_since })
    }

    /// Of a letter that does not say when it died, nobody can say that it was since.
    pub fn takes(&self, letter: &DeadLetter) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        fits(&self.id, letter.id())
            && fits(&self.reason, letter.reason())
            && (fits(&self.error, letter.error()) || fits(&self.error, &letter.shown_error()))
            && fits(&self.queue, letter.queue())
            && self.died_since.is_none_or(|since| letter.died_at().is_some_and(|died| died >= since))
    }
}

/// What tells a letter from others, and stays so while it lies there. Two that are the same in all of it are told by their
/// number alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; Self::LENGTH]);

impl Fingerprint {
    /// Bytes that it has.
    pub const LENGTH: usize = 32;

    pub fn of(letter: &DeadLetter) -> Self {
        let mut hasher = Sha256::new();
        let texts = [letter.id(), letter.reason(), letter.error(), letter.queue()].map(str::as_bytes);
        for part in texts.into_iter().chain([letter.body()]) {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.update(letter.died_at().unwrap_or(i64::MIN).to_be_bytes());
        hasher.update(letter.redriven().to_be_bytes());
        Self(hasher.finalize().into())
    }

    pub fn bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// One that was kept.
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }
}

/// The letters that are meant.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    filter: LetterFilter,
    /// How many of each are left to be taken, where they are known beforehand.
    only: Option<HashMap<Fingerprint, u32>>,
}

impl Choice {
    /// All that the filter takes.
    pub fn of(filter: LetterFilter) -> Self {
        Self { filter, only: None }
    }

    /// No others than these, however many have come since.
    pub fn among(filter: LetterFilter, letters: &[Fingerprint]) -> Self {
        let mut only = HashMap::new();
        for letter in letters {
            *only.entry(*letter).or_insert(0_u32) += 1;
        }
        Self { filter, only: Some(only) }
    }

    pub fn takes(&self, letter: &DeadLetter) -> bool {
        let is_left =
            |only: &HashMap<Fingerprint, u32>| only.get(&Fingerprint::of(letter)).is_some_and(|left| *left > 0);
        self.filter.takes(letter) && self.only.as_ref().is_none_or(is_left)
    }

    /// It was taken: of those that are the same, one fewer is meant.
    pub fn took(&mut self, letter: &DeadLetter) {
        if let Some(left) = self.only.as_mut().and_then(|only| only.get_mut(&Fingerprint::of(letter))) {
            *left = left.saturating_sub(1);
        }
    }
}
