//! Passwords, kept as Argon2id hashes in PHC form (`$argon2id$v=19$…`).
//!
//! Hashing and comparing take tens of milliseconds by design: asynchronous callers compare through a [`PasswordChecker`].

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::config::Secret;

/// Passwords that are compared side by side: each takes 19 MiB and tens of milliseconds.
const COMPARED_AT_ONCE: usize = 2;

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("the stored password hash is not an Argon2id hash")]
    NotAHash,
    #[error("the password cannot be hashed")]
    Unhashable,
    #[error("comparing the password was broken off")]
    BrokenOff,
}

/// Compares passwords off the async threads, a few side by side; all clones together.
#[derive(Clone)]
pub struct PasswordChecker {
    permits: Arc<Semaphore>,
    /// How many were compared.
    #[cfg(test)]
    pub compared: Arc<std::sync::atomic::AtomicU32>,
}

impl Default for PasswordChecker {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(COMPARED_AT_ONCE)),
            #[cfg(test)]
            compared: Arc::default(),
        }
    }
}

impl PasswordChecker {
    /// Whether the password is the one that the hash was made from. Takes as long where there is no hash.
    pub async fn fits(&self, password: Secret, hash: Option<Secret>) -> Result<bool, PasswordError> {
        #[cfg(test)]
        self.compared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| PasswordError::BrokenOff)?;
        let comparing = tokio::task::spawn_blocking(move || {
            // Until it is over: whoever asked may be gone before that.
            let _permit = permit;
            verify_if_known(password.expose(), hash.as_ref().map(Secret::expose))
        });
        comparing.await.map_err(|_| PasswordError::BrokenOff)?
    }
}

/// Stands in where nobody has set a password: as dear to compare with as any, and no password is known that fits it.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LWhhcy10aGlzIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes a password with a new random salt.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    let hash = argon2id().hash_password(password.as_bytes()).map_err(|_| PasswordError::Unhashable)?;
    Ok(hash.to_string())
}

/// Whether `password` is the one that `hash` was made from.
pub(crate) fn verify(password: &str, hash: &str) -> Result<bool, PasswordError> {
    let hash = PasswordHash::new(hash).map_err(|_| PasswordError::NotAHash)?;
    let is_argon2id = hash.algorithm.as_str() == Algorithm::Argon2id.ident().as_str();
    if !is_argon2id || hash.hash.is_none() {
        return Err(PasswordError::NotAHash);
    }
    match argon2id().verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(PasswordError::NotAHash),
    }
}

/// The same, and as much work where there is no hash: nobody learns from the time it takes whether somebody is known.
fn verify_if_known(password: &str, hash: Option<&str>) -> Result<bool, PasswordError> {
    verify_if_known_by(verify, password, hash)
}

fn verify_if_known_by(
    verify: impl FnOnce(&str, &str) -> Result<bool, PasswordError>,
    password: &str,
    hash: Option<&str>,
) -> Result<bool, PasswordError> {
    let fits = verify(password, hash.unwrap_or(NOBODYS_HASH))?;
    Ok(fits && hash.is_some())
}

/// The crate's default cost is OWASP's recommendation: 19 MiB, two passes, one lane.
fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// A hash that is cheap to compare with, for tests of what is around it.
#[cfg(test)]
pub(crate) fn cheap_hash(password: &str) -> String {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    cheap.hash_password(password.as_bytes()).unwrap().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_alone_and_salts_differ() {
        let (first, second) = (hash("correct horse").unwrap(), hash("correct horse").unwrap());
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{first}");
        assert_ne!(first, second);
        assert!(verify("correct horse", &first).unwrap());
        assert!(!verify("wrong horse", &first).unwrap());
    }

    #[test]
    fn a_password_is_hashed_once_whether_or_not_there_is_one_to_compare_with() {
        let known = hash("correct horse").unwrap();
        for (password, hash, expected) in [
            ("correct horse", Some(known.as_str()), true),
            ("wrong horse", Some(known.as_str()), false),
            ("correct horse", None, false),
        ] {
            let mut against = Vec::new();
            let counted = |password: &str, hash: &str| {
                against.push(hash.to_owned());
                verify(password, hash)
            };
            assert_eq!(verify_if_known_by(counted, password, hash).unwrap(), expected, "{password} {hash:?}");
            let [against] = against.as_slice() else { panic!("not once: {against:?}") };
            // What follows the algorithm's name is the cost.
            let cost = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(cost(against), cost(&known), "{password} {hash:?}");
        }
    }

    #[tokio::test]
    async fn a_checker_tells_a_password_that_fits_from_one_that_does_not() {
        let (checker, hash) = (PasswordChecker::default(), Secret::new(cheap_hash("correct horse")));
        for (password, hash, expected) in [
            ("correct horse", Some(hash.clone()), true),
            ("wrong horse", Some(hash), false),
            ("correct horse", None, false),
        ] {
            assert_eq!(checker.fits(Secret::new(password), hash).await.unwrap(), expected, "{password}");
        }
        assert!(checker.fits(Secret::new("x"), Some(Secret::new("plain"))).await.is_err());
    }

    #[test]
    fn what_is_no_argon2id_hash_is_an_error_and_not_a_refusal() {
        let other = hash("x").unwrap().replace("$argon2id$", "$argon2i$");
        for text in ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ", &other] {
            assert!(verify("x", text).is_err(), "{text}");
        }
    }
}
