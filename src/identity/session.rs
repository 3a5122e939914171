//! Bearer tokens for partners who sign in with a login and a password: opaque to them, and kept nowhere by us.
//!
//! A token is a login, the end of its time and a code over both. The code's key is made of the secret and of the
//! partner's password hash, so a new password, or a partner taken out of the configuration, ends its sessions.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::sealing::derived;
use crate::config::Secret;
use crate::ledger::Party;

/// Seconds for which a partner stays signed in.
pub const SESSION_SECONDS: i64 = 3600;
/// Logins are far shorter.
const MAX_TOKEN: usize = 2048;

/// Who signed in, as a token claims it: not to be believed before [`SessionKey::holds`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub login: String,
    /// Seconds since 1970, exclusive.
    expires: i64,
    code: Vec<u8>,
}

/// Makes and checks the tokens of one login.
pub struct SessionKey {
    login: String,
    key: hmac::Key,
}

impl Claim {
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = Some(token).filter(|token| token.len() <= MAX_TOKEN)?.split('.');
        let (login, expires, code) = (parts.next()?, parts.next()?, parts.next()?);
        let login = String::from_utf8(URL_SAFE_NO_PAD.decode(login).ok()?).ok()?;
        let claim = Self { login, expires: expires.parse().ok()?, code: URL_SAFE_NO_PAD.decode(code).ok()? };
        parts.next().is_none().then_some(claim)
    }
}

impl SessionKey {
    /// `None` where the system cannot derive keys.
    pub fn new(secret: &Secret, party: &Party, login: &str, password_hash: &Secret) -> Option<Self> {
        let purpose = ["purser partner session 1", party.as_str(), login, password_hash.expose()];
        let key = hmac::Key::new(hmac::HMAC_SHA256, &derived(secret, &purpose)?);
        Some(Self { login: login.to_owned(), key })
    }

    /// A token that holds for [`SESSION_SECONDS`] from `now` (seconds since 1970).
    pub fn issue(&self, now: i64) -> String {
        let signed = self.signed(now.saturating_add(SESSION_SECONDS));
        let code = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(code.as_ref()))
    }

    /// Whether this key made the token, and it holds at `now`.
    pub fn holds(&self, claim: &Claim, now: i64) -> bool {
        let is_genuine = hmac::verify(&self.key, self.signed(claim.expires).as_bytes(), &claim.code).is_ok();
        is_genuine && claim.login == self.login && now < claim.expires
    }

    fn signed(&self, expires: i64) -> String {
        format!("{}.{expires}", URL_SAFE_NO_PAD.encode(&self.login))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({})", self.login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str, party: &str, login: &str, hash: &str) -> SessionKey {
        SessionKey::new(&Secret::new(secret), &Party::parse(party).unwrap(), login, &Secret::new(hash)).unwrap()
    }

    #[test]
    fn a_token_holds_for_its_login_and_its_hour() {
        let key = key("secret", "acme", "cc_user", "$argon2id$1");
        let claim = Claim::read(&key.issue(1000)).unwrap();
        assert_eq!(claim.login, "cc_user");
        let held = [999, 1000, 1000 + SESSION_SECONDS - 1, 1000 + SESSION_SECONDS].map(|now| key.holds(&claim, now));
        assert_eq!(held, [true, true, true, false]);
    }

    #[test]
    fn another_secret_party_login_or_password_makes_another_key() {
        let token = key("secret", "acme", "cc_user", "$argon2id$1").issue(0);
        let others = [
            key("other", "acme", "cc_user", "$argon2id$1"),
            key("secret", "zenith", "cc_user", "$argon2id$1"),
            key("secret", "acme", "cc_user2", "$argon2id$1"),
            key("secret", "acme", "cc_user", "$argon2id$2"),
        ];
        for other in others {
            assert!(!other.holds(&Claim::read(&token).unwrap(), 0), "{other:?}");
        }
    }

    #[test]
    fn what_is_changed_does_not_hold() {
        let key = key("secret", "acme", "cc_user", "$argon2id$1");
        let token = key.issue(0);
        let later = token.replacen(".3600.", ".9999.", 1);
        assert_ne!(later, token);
        assert!(!key.holds(&Claim::read(&later).unwrap(), 0));
        for text in ["", ".", "..", "a.b.c", "a.1.b.c", &format!("{token}."), &"x".repeat(5000), "ä.1.ä"] {
            assert!(Claim::read(text).is_none_or(|claim| !key.holds(&claim, 0)), "{text}");
        }
    }
}
