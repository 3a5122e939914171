//! Operators sign in with a bearer token, looked at with every request.
//!
//! Tries are throttled by token and address together, and by address: whoever guesses waits, whoever was signed in from
//! where he is does not wait for others there, and nobody can lock out an operator from elsewhere.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::throttle::{PEOPLE, RetryAfter, Standing, Throttle};
use crate::config::{Operator, OperatorTokenHash, Role};
use crate::ledger::command::Timestamp;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 1024;

/// Whoever is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub name: Arc<str>,
    pub role: Role,
}

/// A digest of an operator's name and token hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorMark(pub [u8; 32]);

/// Why somebody is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSignedIn {
    /// There is no token, or it is nobody's.
    Unknown,
    /// Too many were tried.
    TooMany(RetryAfter),
}

/// Everybody who may sign in.
pub struct Operators {
    known: Vec<(SignedIn, OperatorTokenHash)>,
    throttle: Mutex<Throttle>,
}

impl Operators {
    /// `None` where there is nobody.
    pub fn of(configured: &[Operator]) -> Option<Self> {
        let known = configured.iter().map(|operator| {
            let signed_in = SignedIn { name: operator.name.as_str().into(), role: operator.role };
            (signed_in, operator.token_hash)
        });
        let known: Vec<_> = known.collect();
        (!known.is_empty()).then(|| Self { known, throttle: Mutex::new(Throttle::new(PEOPLE)) })
    }

    /// Who has this token.
    pub fn sign_in(&self, token: Option<&str>, address: IpAddr, at: Timestamp) -> Result<SignedIn, NotSignedIn> {
        let token = token.filter(|token| !token.is_empty() && token.len() <= MAX_TOKEN).ok_or(NotSignedIn::Unknown)?;
        let standing = Standing::Stranger(address);
        // No panic can leave the counts half changed.
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.admit(token, standing, at).map_err(NotSignedIn::TooMany)?;
        let found = self.whose(&OperatorTokenHash::of(token)).ok_or(NotSignedIn::Unknown)?;
        throttle.succeeded(token, standing, at);
        Ok(found)
    }

    /// What tells the operator's token from any other, and from which it cannot be told; `None` where there is no such operator.
    pub fn mark(&self, name: &str) -> Option<OperatorMark> {
        let (operator, hash) = self.known.iter().find(|(operator, _)| *operator.name == *name)?;
        let mut hasher = Sha256::new();
        for part in ["purser operator 1", &*operator.name, &hash.text()] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Some(OperatorMark(hasher.finalize().into()))
    }

    /// The operator of this name as configured by now, where the token is still the one that made this mark.
    pub fn still(&self, name: &str, mark: &OperatorMark) -> Option<SignedIn> {
        self.mark(name).filter(|now| now == mark)?;
        self.known.iter().map(|(operator, _)| operator).find(|operator| *operator.name == *name).cloned()
    }

    /// Each is compared, so that the time taken does not tell which it is.
    fn whose(&self, presented: &OperatorTokenHash) -> Option<SignedIn> {
        let mut found = None;
        for (operator, hash) in &self.known {
            if hash.is(presented) {
                found = Some(operator);
            }
        }
        found.cloned()
    }
}

impl fmt::Debug for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known.iter().map(|(operator, _)| operator)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operators() -> Operators {
        let operator = |name: &str, role, token| Operator {
            name: name.to_owned(),
            role,
            token_hash: OperatorTokenHash::of(token),
        };
        Operators::of(&[operator("carol", Role::Operator, "one"), operator("admin", Role::Admin, "two")]).unwrap()
    }

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_token_is_its_operators_alone() {
        let operators = operators();
        let who =
            |token| operators.sign_in(token, from(1), Timestamp(0)).map(|found| (found.name.to_string(), found.role));
        assert_eq!(who(Some("one")), Ok(("carol".to_owned(), Role::Operator)));
        assert_eq!(who(Some("two")), Ok(("admin".to_owned(), Role::Admin)));
        for token in [None, Some(""), Some("on"), Some("one "), Some("carol"), Some(&*"x".repeat(5000))] {
            assert_eq!(who(token), Err(NotSignedIn::Unknown), "{token:?}");
        }
        assert!(Operators::of(&[]).is_none());
        assert!(!format!("{operators:?}").contains("sha256"));
    }

    #[test]
    fn a_mark_holds_until_the_operator_has_another_token_or_is_gone() {
        let mark = operators().mark("carol").unwrap();
        assert_eq!(operators().still("carol", &mark).map(|found| found.role), Some(Role::Operator));
        assert_eq!(operators().still("admin", &mark), None);
        let with =
            |token| Operator { name: "carol".to_owned(), role: Role::Viewer, token_hash: OperatorTokenHash::of(token) };
        let still = |operator| Operators::of(&[operator]).unwrap().still("carol", &mark).map(|found| found.role);
        assert_eq!((still(with("one")), still(with("another"))), (Some(Role::Viewer), None));
        assert_eq!(operators().mark("nobody"), None);
    }

    #[test]
    fn whoever_guesses_waits_and_nobody_else_does() {
        let operators = operators();
        let sign_in =
            |token: &str, address| operators.sign_in(Some(token), from(address), Timestamp(0)).map(|found| found.role);
        assert_eq!(sign_in("one", 1), Ok(Role::Operator));
        let guesses = (0..PEOPLE.address_per_minute).map(|number| sign_in(&format!("guess {number}"), 1));
        assert!(guesses.into_iter().all(|guess| guess == Err(NotSignedIn::Unknown)));
        assert!(matches!(sign_in("another guess", 1), Err(NotSignedIn::TooMany(_))));
        assert!(matches!(sign_in("two", 1), Err(NotSignedIn::TooMany(_))), "a guess that is right is one, too");
        assert_eq!(sign_in("one", 1), Ok(Role::Operator), "was signed in from there before");
        assert_eq!(sign_in("two", 2), Ok(Role::Admin), "from elsewhere");
        // The same wrong token again and again: a script with an old one.
        let tries: Vec<_> = (0..=PEOPLE.free_tries).map(|_| sign_in("old", 3)).collect();
        assert!(matches!(tries.last(), Some(Err(NotSignedIn::TooMany(RetryAfter(10))))), "{tries:?}");
    }
}
