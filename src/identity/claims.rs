//! What a token says once its signature is known to be good (RFC 7519, 4.1).

use serde::Deserialize;
use serde_json::{Number, Value};

use super::rejection::Rejection;
use crate::ledger::ids::PlayerId;

/// The player of a token whose signature is good, and when the token holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub player: PlayerId,
    /// Seconds since 1970, inclusive.
    pub not_before: Option<i64>,
    /// Seconds since 1970, exclusive. None: never.
    pub expires: Option<i64>,
}

/// Why a token does not hold at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeClaim {
    #[error("token has expired")]
    Expired,
    #[error("token is not valid yet")]
    NotYetValid,
}

impl Verified {
    /// Whether the token holds at that moment.
    pub fn time_claims_at(&self, unix_seconds: i64) -> Result<(), TimeClaim> {
        if self.expires.is_some_and(|expires| unix_seconds >= expires) {
            return Err(TimeClaim::Expired);
        }
        if self.not_before.is_some_and(|not_before| unix_seconds < not_before) {
            return Err(TimeClaim::NotYetValid);
        }
        Ok(())
    }
}

/// What must be true of a token's claims beside its signature.
#[derive(Debug)]
pub(super) struct Expected {
    /// A token that names a party names this one.
    pub party: String,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    /// Whether a token must say when it ends.
    pub end: bool,
}

/// Members whose type is only looked at where it matters: a strange `aud` is no concern of a party that checks none.
#[derive(Deserialize)]
pub(super) struct Claims {
    sub: Option<Value>,
    iss: Option<Value>,
    aud: Option<Value>,
    exp: Option<Number>,
    nbf: Option<Number>,
    party: Option<Value>,
}

impl Claims {
    pub fn check(&self, expected: &Expected) -> Result<Verified, Rejection> {
        if expected.issuer.as_deref().is_some_and(|issuer| !is_text(self.iss.as_ref(), issuer)) {
            return Err(Rejection::Issuer);
        }
        if expected.audience.as_deref().is_some_and(|audience| !names(self.aud.as_ref(), audience)) {
            return Err(Rejection::Audience);
        }
        if self.party.is_some() && !is_text(self.party.as_ref(), &expected.party) {
            return Err(Rejection::Party);
        }
        if expected.end && self.exp.is_none() {
            return Err(Rejection::Endless);
        }
        let subject = self.sub.as_ref().and_then(Value::as_str);
        let player = subject.and_then(|subject| PlayerId::parse(subject).ok()).ok_or(Rejection::Subject)?;
        // A fraction of a second is given to the stricter side.
        let expires = self.exp.as_ref().map(|time| seconds(time, f64::floor));
        let not_before = self.nbf.as_ref().map(|time| seconds(time, f64::ceil));
        Ok(Verified { player, not_before, expires })
    }
}

fn is_text(value: Option<&Value>, text: &str) -> bool {
    value.and_then(Value::as_str) == Some(text)
}

/// `aud` is one text or a list of them.
fn names(audience: Option<&Value>, wanted: &str) -> bool {
    match audience {
        Some(Value::Array(list)) => list.iter().any(|value| is_text(Some(value), wanted)),
        single => is_text(single, wanted),
    }
}

/// A NumericDate may be an integer or have a fraction; one beyond the ends of time is at the ends of time.
fn seconds(time: &Number, round: fn(f64) -> f64) -> i64 {
    time.as_i64().unwrap_or_else(|| round(time.as_f64().unwrap_or_default()) as i64)
}

/// Where a token says it belongs, **unverified**: fit for choosing whose keys to check it with, and for nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Home {
    pub party: Option<String>,
    #[serde(rename = "iss")]
    pub issuer: Option<String>,
}

/// Reads a token's home without checking anything; none where it is no token.
pub fn claimed_home(token: &str) -> Option<Home> {
    if token.len() > super::rejection::MAX_TOKEN_BYTES {
        return None;
    }
    jsonwebtoken::dangerous::insecure_decode_claims(token).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(claims: Value, issuer: Option<&str>, audience: Option<&str>) -> Result<Verified, Rejection> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let expected =
            Expected { party: "acme".to_owned(), issuer: owned(issuer), audience: owned(audience), end: false };
        serde_json::from_value::<Claims>(claims).map_err(|_| Rejection::Malformed)?.check(&expected)
    }

    #[test]
    fn claims_are_checked_where_configured_and_then_required() {
        let cases = [
            (json!({"sub": "alice"}), None, None, Ok(())),
            (json!({"sub": "alice", "iss": 5, "aud": {}}), None, None, Ok(())),
            (json!({"sub": "alice", "iss": "us"}), Some("us"), None, Ok(())),
            (json!({"sub": "alice", "iss": "them"}), Some("us"), None, Err(Rejection::Issuer)),
            (json!({"sub": "alice"}), Some("us"), None, Err(Rejection::Issuer)),
            (json!({"sub": "alice", "aud": "purser"}), None, Some("purser"), Ok(())),
            (json!({"sub": "alice", "aud": ["a", "purser"]}), None, Some("purser"), Ok(())),
            (json!({"sub": "alice", "aud": ["a"]}), None, Some("purser"), Err(Rejection::Audience)),
            (json!({"sub": "alice"}), None, Some("purser"), Err(Rejection::Audience)),
            (json!({"sub": "alice", "party": "acme"}), None, None, Ok(())),
            (json!({"sub": "alice", "party": "other"}), None, None, Err(Rejection::Party)),
            (json!({"sub": "alice", "party": 1}), None, None, Err(Rejection::Party)),
            (json!({}), None, None, Err(Rejection::Subject)),
            (json!({"sub": ""}), None, None, Err(Rejection::Subject)),
            (json!({"sub": 7}), None, None, Err(Rejection::Subject)),
            (json!({"sub": "twenty-one characters"}), None, None, Err(Rejection::Subject)),
            (json!({"sub": "alice", "exp": "soon"}), None, None, Err(Rejection::Malformed)),
        ];
        for (claims, issuer, audience, expected) in cases {
            assert_eq!(check(claims.clone(), issuer, audience).map(|_| ()), expected, "{claims}");
        }
    }

    #[test]
    fn time_is_judged_at_the_callers_moment() {
        use TimeClaim::{Expired, NotYetValid};
        let cases = [
            (json!({"sub": "a"}), i64::MAX, Ok(())),
            (json!({"sub": "a", "exp": 100}), 99, Ok(())),
            (json!({"sub": "a", "exp": 100}), 100, Err(Expired)),
            (json!({"sub": "a", "exp": 100.9}), 100, Err(Expired)),
            (json!({"sub": "a", "exp": 1e300}), i64::MAX - 1, Ok(())),
            (json!({"sub": "a", "exp": 18_446_744_073_709_551_615_u64}), 100, Ok(())),
            (json!({"sub": "a", "exp": -1}), 0, Err(Expired)),
            (json!({"sub": "a", "nbf": 100}), 99, Err(NotYetValid)),
            (json!({"sub": "a", "nbf": 100}), 100, Ok(())),
            (json!({"sub": "a", "nbf": 100.1}), 100, Err(NotYetValid)),
        ];
        for (claims, moment, expected) in cases {
            let verified = check(claims.clone(), None, None).unwrap();
            assert_eq!(verified.time_claims_at(moment), expected, "{claims} at {moment}");
        }
    }
}
