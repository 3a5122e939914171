//! Checks a party's player tokens: from memory where it can, fetching keys where it must.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use jsonwebtoken::errors::ErrorKind;
use sha2::{Digest, Sha256};

use super::cache::{Cache, TokenDigest};
use super::claims::{Claims, Expected, Verified};
use super::keys::{KeyError, KeySet, PassedOver};
use super::rejection::{MAX_TOKEN_BYTES, Rejection};
use super::ring::KeyRing;
use crate::config::Jwt;
use crate::ledger::ids::Party;

/// How often the background looks at the age of a key set behind an address.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Checks the signatures and claims of one party's tokens.
pub struct TokenVerifier {
    expected: Expected,
    ring: KeyRing,
    state: Mutex<State>,
}

/// Together under one lock: a token that an old key set has passed must not enter the cache of a new one.
struct State {
    /// None until a first set has been fetched.
    keys: Option<Arc<KeySet>>,
    /// How many sets there have been.
    version: u64,
    cache: Cache,
}

impl TokenVerifier {
    /// Reads the keys that are in files. Those behind an address are fetched in the background and kept fresh for as
    /// long as the verifier lives, where there is a runtime to do it on; else at the first need.
    pub fn open(party: &Party, jwt: &Jwt) -> Result<Arc<Self>, KeyError> {
        let verifier = Arc::new(Self::new(party, jwt)?);
        if let (true, Ok(runtime)) = (verifier.ring.is_remote(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(keep_fresh(Arc::downgrade(&verifier)));
        }
        Ok(verifier)
    }

    pub(super) fn new(party: &Party, jwt: &Jwt) -> Result<Self, KeyError> {
        let (ring, keys) = KeyRing::open(party, &jwt.key)?;
        let expected = Expected {
            party: party.as_str().to_owned(),
            issuer: jwt.issuer.clone(),
            audience: jwt.audience.clone(),
            end: jwt.require_exp,
        };
        let state =
            Mutex::new(State { version: u64::from(keys.is_some()), keys: keys.map(Arc::new), cache: Cache::default() });
        Ok(Self { expected, ring, state })
    }

    /// Checks a token with the keys at hand, waiting for nothing. [`Rejection::UnknownKey`] asks for [`Self::verify`].
    pub fn verify_now(&self, token: &str) -> Result<Verified, Rejection> {
        self.verify_at(token, Instant::now())
    }

    /// Checks a token, with newer keys where those at hand do not know its signer.
    pub async fn verify(&self, token: &str) -> Result<Verified, Rejection> {
        let checked = self.with_newer_keys(|| self.verify_now(token), |error| *error == Rejection::UnknownKey).await;
        checked.unwrap_or(Err(Rejection::KeysUnavailable))
    }

    /// Makes an attempt with the keys at hand; where that lacks a key, fetches newer ones and makes it once more. `None`
    /// where there are no keys at all: then nobody can tell whether a token is good.
    pub async fn with_newer_keys<T, E>(
        &self,
        attempt: impl Fn() -> Result<T, E>,
        lacks_key: impl FnOnce(&E) -> bool,
    ) -> Option<Result<T, E>> {
        match attempt() {
            Err(error) if lacks_key(&error) => {}
            settled => return Some(settled),
        }
        self.refresh().await;
        self.has_keys().then(attempt)
    }

    /// Reads the key set again, at most as often as its source should be asked. A failure keeps the set in use.
    pub async fn refresh(&self) {
        self.refresh_at(Instant::now()).await;
    }

    /// Fetches the key set behind an address to see what comes of it, and leaves the one in use as it is. How many of its
    /// keys check tokens, and what of it does not.
    pub async fn try_to_fetch(&self) -> Result<(usize, Vec<PassedOver>), KeyError> {
        let keys = self.ring.fetch().await?;
        Ok((keys.len(), keys.passed_over().to_vec()))
    }

    /// Whether there is a key set at all: an identity provider that was away from the start leaves none.
    pub fn has_keys(&self) -> bool {
        self.lock().keys.is_some()
    }

    /// Another number with each key set; 0 before the first.
    pub fn keys_version(&self) -> u64 {
        self.lock().version
    }

    /// What of the key set at hand checks no tokens.
    pub fn passed_over(&self) -> Vec<PassedOver> {
        self.lock().keys.as_ref().map(|keys| keys.passed_over().to_vec()).unwrap_or_default()
    }

    /// Whether the keys are behind an address.
    pub fn is_remote(&self) -> bool {
        self.ring.is_remote()
    }

    pub(super) fn verify_at(&self, token: &str, now: Instant) -> Result<Verified, Rejection> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejection::TooLong);
        }
        self.ring.look(now, |keys| self.install(keys));
        let digest: TokenDigest = Sha256::digest(token.as_bytes()).into();
        let keys = {
            let mut state = self.lock();
            if let Some(verified) = state.cache.get(&digest) {
                return Ok(verified);
            }
            state.keys.clone().ok_or(Rejection::UnknownKey)?
        };
        let verified = check(token, &keys)?.check(&self.expected)?;
        let mut state = self.lock();
        if state.keys.as_ref().is_some_and(|current| Arc::ptr_eq(current, &keys)) {
            state.cache.insert(digest, verified.clone());
        }
        Ok(verified)
    }

    pub(super) async fn refresh_at(&self, now: Instant) {
        self.ring.refresh(now, |keys| self.install(keys)).await;
    }

    pub(super) async fn refresh_if_old(&self, now: Instant) {
        if self.ring.is_old(now).await {
            self.refresh_at(now).await;
        }
    }

    fn install(&self, keys: KeySet) {
        let mut state = self.lock();
        *state = State { keys: Some(Arc::new(keys)), version: state.version + 1, cache: Cache::default() };
    }

    /// No panic can leave the state half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn keep_fresh(verifier: Weak<TokenVerifier>) {
    while let Some(verifier) = verifier.upgrade() {
        verifier.refresh_if_old(Instant::now()).await;
        drop(verifier);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The claims of a token whose signature is good.
fn check(token: &str, keys: &KeySet) -> Result<Claims, Rejection> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Rejection::Malformed)?;
    // Extensions that the signer calls critical must be understood (RFC 7515, 4.1.11), and none is.
    if header.crit.is_some() {
        return Err(Rejection::Malformed);
    }
    let key = keys.select(header.alg, header.kid.as_deref())?;
    let decoded = jsonwebtoken::decode(token, &key.decoding, &key.validation);
    decoded.map(|data| data.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => Rejection::Signature,
        ErrorKind::InvalidAlgorithm => Rejection::Algorithm,
        _ => Rejection::Malformed,
    })
}
