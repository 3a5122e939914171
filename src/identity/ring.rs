//! Keeps a party's key set up to date: when to look for a newer one, and what a failed look means (nothing).

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::keys::{KeyError, KeySet};
use super::source::{KeySource, Stamp};
use crate::config::JwtKey;
use crate::ledger::ids::Party;

/// A made-up `kid` costs its sender nothing, so it must not cost the identity provider a request each.
pub(super) const FETCH_AT_MOST_EVERY: Duration = Duration::from_secs(10);
/// A set older than this is fetched again, so that a withdrawn key stops working.
pub(super) const MAX_AGE: Duration = Duration::from_secs(600);
/// How often the file of a key set is looked at while tokens are checked.
pub(super) const STAT_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The place that a party's keys come from, and how far reading them has come.
pub(super) struct KeyRing {
    party: Party,
    source: KeySource,
    /// Held while keys are fetched: one request at a time, and whoever waited for it finds it done.
    progress: tokio::sync::Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    attempted: Option<Instant>,
    succeeded: Option<Instant>,
    /// The file's when it was last read, so that one that has not changed is not read again.
    stamp: Option<Stamp>,
    /// Of the set in use: the same text again must not empty the cache.
    digest: Option<[u8; 32]>,
    /// So that an outage is logged once, not once a token.
    failing: bool,
}

impl KeyRing {
    /// The ring with the keys that can be had at once: none yet where they are behind an address.
    pub fn open(party: &Party, key: &JwtKey) -> Result<(Self, Option<KeySet>), KeyError> {
        let (source, keys) = match key {
            JwtKey::HmacSecret(secret) => (KeySource::Fixed, Some(KeySet::hmac(secret.expose())?)),
            JwtKey::PublicKeyFile(path) => (KeySource::Fixed, Some(KeySet::public_key_file(path)?)),
            JwtKey::JwksFile(path) => (KeySource::File(path.clone()), Some(KeySet::jwks_file(path)?)),
            JwtKey::JwksUrl(url) => (KeySource::url(url.clone())?, None),
        };
        Ok((Self { party: party.clone(), source, progress: tokio::sync::Mutex::default() }, keys))
    }

    pub fn is_remote(&self) -> bool {
        matches!(self.source, KeySource::Url { .. })
    }

    /// Reads the file of a key set again where it has changed. Cheap enough to be asked for every token.
    pub fn look(&self, now: Instant, install: impl FnOnce(KeySet)) {
        if !matches!(self.source, KeySource::File(_)) {
            return;
        }
        let Ok(mut progress) = self.progress.try_lock() else {
            return; // Somebody is reading it at this moment.
        };
        if progress.attempted_within(STAT_AT_MOST_EVERY, now) {
            return;
        }
        progress.attempted = Some(now);
        let stamp = self.source.stamp();
        if stamp.is_none() || stamp != progress.stamp {
            self.settle(&mut progress, now, stamp, self.source.read_file(), install);
        }
    }

    /// Reads the key set again: a file at once, an address where it was not asked just now.
    pub async fn refresh(&self, now: Instant, install: impl FnOnce(KeySet)) {
        if matches!(self.source, KeySource::Fixed) {
            return;
        }
        let mut progress = self.progress.lock().await;
        if self.is_remote() && progress.attempted_within(FETCH_AT_MOST_EVERY, now) {
            return;
        }
        let stamp = self.source.stamp();
        let fetched = self.source.fetch().await;
        // Written down afterwards: a caller that goes away in between leaves the next one free to ask.
        progress.attempted = Some(now);
        self.settle(&mut progress, now, stamp, fetched, install);
    }

    /// Reads the key set where it is kept, and leaves the one in use as it is.
    pub async fn fetch(&self) -> Result<KeySet, KeyError> {
        KeySet::jwks(&self.source.fetch().await?)
    }

    /// Whether the set was last read too long ago, or never.
    pub async fn is_old(&self, now: Instant) -> bool {
        let succeeded = self.progress.lock().await.succeeded;
        succeeded.is_none_or(|at| now.saturating_duration_since(at) >= MAX_AGE)
    }

    fn settle(
        &self,
        progress: &mut Progress,
        now: Instant,
        stamp: Option<Stamp>,
        fetched: Result<Vec<u8>, KeyError>,
        install: impl FnOnce(KeySet),
    ) {
        match fetched.and_then(|json| progress.changed(&json)) {
            Ok(changed) => {
                (progress.succeeded, progress.stamp, progress.failing) = (Some(now), stamp, false);
                let Some((digest, keys)) = changed else {
                    return;
                };
                tracing::info!(party = %self.party, keys = keys.len(), "key set read");
                progress.digest = Some(digest);
                install(keys);
            }
            Err(error) => {
                if !progress.failing {
                    tracing::warn!(party = %self.party, %error, "key set cannot be read; the one in use stays");
                }
                progress.failing = true;
            }
        }
    }
}

impl Progress {
    fn attempted_within(&self, interval: Duration, now: Instant) -> bool {
        self.attempted.is_some_and(|at| now.saturating_duration_since(at) < interval)
    }

    /// The set in `json` and its digest; none where it is the one in use.
    fn changed(&self, json: &[u8]) -> Result<Option<([u8; 32], KeySet)>, KeyError> {
        let digest = Sha256::digest(json).into();
        if self.digest == Some(digest) {
            return Ok(None);
        }
        KeySet::jwks(json).map(|keys| Some((digest, keys)))
    }
}
