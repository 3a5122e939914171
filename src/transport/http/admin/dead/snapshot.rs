//! What one look at a party's dead letters has seen.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::admin::shown;
use crate::clock;
use crate::ledger::command::Timestamp;
use crate::redaction::without_tokens;
use crate::transport::amqp::choice::Fingerprint;
use crate::transport::amqp::dead::{DeadError, DeadLetter, DeadQueue};

/// Letters that a look reads at the most: a few MiB, and a second.
const MOST_LETTERS: u64 = 2_000;

/// Characters of a body or property, and properties, that are shown.
const MAX_BODY: usize = 2_000;
const MAX_PROPERTY: usize = 300;
const MOST_PROPERTIES: usize = 64;

/// What was seen, and when.
#[derive(Debug)]
pub struct Snapshot {
    pub taken_at: String,
    /// How many there were; the oldest of them were read.
    pub waiting: u64,
    pub letters: Vec<LetterShown>,
}

/// A dead letter as it is shown: without tokens.
#[derive(Debug, Clone, Serialize)]
pub struct LetterShown {
    /// Its place in the look, from 1.
    pub number: usize,
    /// What tells it from others in any look, in any process.
    #[serde(skip)]
    pub mark: String,
    pub id: String,
    pub reason: String,
    pub error: String,
    pub queue: String,
    pub died_at: Option<String>,
    pub redriven: u32,
    pub bytes: usize,
    pub properties: BTreeMap<String, String>,
    /// As much of it as there is room for.
    pub body: String,
}

pub const COLUMNS: [&str; 10] =
    ["number", "id", "reason", "error", "queue", "died_at", "redriven", "bytes", "properties", "body"];

/// Letters that died of the same in the same place.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    pub number: usize,
    pub reason: String,
    pub error: String,
    pub queue: String,
    pub letters: u64,
    pub first_died_at: Option<String>,
    pub last_died_at: Option<String>,
}

pub const GROUP_COLUMNS: [&str; 7] = ["number", "reason", "error", "queue", "letters", "first_died_at", "last_died_at"];

impl Snapshot {
    /// Tells how many letters it has read, and of how many, as it goes.
    pub async fn take(mut queue: DeadQueue, mut tell: impl FnMut(u64, u64) + Send) -> Result<Self, DeadError> {
        let taken_at = shown::moment(clock::now());
        let waiting = queue.count().await?;
        let to_read = waiting.min(MOST_LETTERS);
        let mut letters = Vec::new();
        for seen in 0..to_read {
            tell(seen, to_read);
            let Some(letter) = queue.next().await? else { break };
            letters.push(LetterShown::of(letters.len() + 1, &letter));
        }
        queue.release().await?;
        Ok(Self { taken_at, waiting, letters })
    }

    /// The largest group first.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: BTreeMap<(&str, &str, &str), Group> = BTreeMap::new();
        for letter in &self.letters {
            let group = groups.entry((&letter.reason, &letter.error, &letter.queue)).or_insert_with(|| Group {
                number: 0,
                reason: letter.reason.clone(),
                error: letter.error.clone(),
                queue: letter.queue.clone(),
                letters: 0,
                first_died_at: letter.died_at.clone(),
                last_died_at: letter.died_at.clone(),
            });
            group.letters += 1;
            if let Some(died_at) = &letter.died_at {
                let earlier = group.first_died_at.as_ref().is_none_or(|first| died_at < first);
                let later = group.last_died_at.as_ref().is_none_or(|last| died_at > last);
                group.first_died_at = group.first_died_at.take().filter(|_| !earlier).or_else(|| Some(died_at.clone()));
                group.last_died_at = group.last_died_at.take().filter(|_| !later).or_else(|| Some(died_at.clone()));
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.letters));
        for (place, group) in groups.iter_mut().enumerate() {
            group.number = place + 1;
        }
        groups
    }
}

impl LetterShown {
    fn of(number: usize, letter: &DeadLetter) -> Self {
        let cut = |text: &str, most: usize| without_tokens(text).chars().take(most).collect::<String>();
        let properties = letter.described().into_iter().take(MOST_PROPERTIES);
        Self {
            number,
            mark: shown::hex(Fingerprint::of(letter).bytes()),
            id: cut(letter.id(), MAX_PROPERTY),
            reason: cut(letter.reason(), MAX_PROPERTY),
            error: letter.shown_error(),
            queue: cut(letter.queue(), MAX_PROPERTY),
            died_at: letter.died_at().map(second),
            redriven: letter.redriven(),
            bytes: letter.body().len(),
            properties: properties.map(|(name, value)| (name, cut(&value, MAX_PROPERTY))).collect(),
            body: cut(&String::from_utf8_lossy(letter.body()), MAX_BODY),
        }
    }
}

fn second(seconds: i64) -> String {
    shown::moment(Timestamp::of_second(seconds))
}
