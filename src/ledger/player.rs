//! Players: whose money it is.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ids::{Currency, Party, PlayerId};

/// Names one player of one party: a digest of both, so that it is known before anything is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayerKey(Uuid);

impl PlayerKey {
    pub fn of(party: &Party, player: &PlayerId) -> Self {
        Self(digest(&[b"player", party.as_str().as_bytes(), player.as_str().as_bytes()]))
    }

    /// The key of no player, for what is nobody's.
    pub fn nobody() -> Self {
        Self(Uuid::nil())
    }

    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }
}

/// What `purser player add` sets. The password is not here: a journal must never hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub home_currency: Currency,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
}

/// A player as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    pub party: Party,
    pub id: PlayerId,
    pub profile: Profile,
}

impl Player {
    pub fn key(&self) -> PlayerKey {
        PlayerKey::of(&self.party, &self.id)
    }

    pub fn username(&self) -> Option<Username> {
        Username::of(&self.party, &self.profile)
    }
}

/// What a player signs in by, beside the id: one player's within a party.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username {
    party: Party,
    name: Arc<str>,
}

impl Username {
    /// What the profile asks for. The empty name is nobody's.
    pub fn of(party: &Party, profile: &Profile) -> Option<Self> {
        Self::named(party, profile.username.as_deref()?)
    }

    /// The name that somebody signs in by; the empty one is nobody's.
    pub fn named(party: &Party, name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self { party: party.clone(), name: name.into() })
    }

    pub fn party(&self) -> &Party {
        &self.party
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for PlayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A version 8 UUID from the SHA-256 digest of `parts`, each preceded by its length so that no two lists collide.
pub(crate) fn digest(parts: &[&[u8]]) -> Uuid {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize()[..16]);
    Uuid::new_v8(bytes)
}
