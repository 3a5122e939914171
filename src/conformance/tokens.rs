//! Player tokens, good ones and others.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::catalogue::TokenKind;

const HOUR: i64 = 3600;

/// What is no token at all.
const GARBAGE: &str = "not-a-token";

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the key is no private key in PEM (RSA, P-256 or Ed25519)")]
    NoKey,
    #[error("the key cannot sign")]
    Unsigned,
}

/// Signs what the party's identity provider would.
pub struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    pub fn secret(secret: &[u8]) -> Self {
        Self { algorithm: Algorithm::HS256, key: EncodingKey::from_secret(secret) }
    }

    pub fn pem(pem: &[u8]) -> Result<Self, TokenError> {
        let rsa = || EncodingKey::from_rsa_pem(pem).map(|key| (Algorithm::RS256, key));
        let ec = || EncodingKey::from_ec_pem(pem).map(|key| (Algorithm::ES256, key));
        let ed = || EncodingKey::from_ed_pem(pem).map(|key| (Algorithm::EdDSA, key));
        let (algorithm, key) = rsa().or_else(|_| ec()).or_else(|_| ed()).map_err(|_| TokenError::NoKey)?;
        Ok(Self { algorithm, key })
    }
}

impl Signer {
    /// A signature of a message by RSA (PKCS#1 v1.5) and SHA-256, in base64.
    pub fn rsa_sha256(&self, message: &[u8]) -> Result<String, TokenError> {
        let signing = jsonwebtoken::crypto::sign(message, &self.key, Algorithm::RS256);
        let signature = signing.map_err(|_| TokenError::Unsigned)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Unsigned)?;
        Ok(STANDARD.encode(signature))
    }
}

/// The claims that every token of the party has.
#[derive(Debug, Clone, Default)]
pub struct PartyClaims {
    pub party: String,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub key_id: Option<String>,
}

/// Makes tokens, and remembers each, so that no report shows one.
pub struct TokenMaker {
    signer: Option<Signer>,
    claims: PartyClaims,
    made: Mutex<BTreeSet<String>>,
}

impl TokenMaker {
    /// Without a signer nobody shows a token.
    pub fn new(signer: Option<Signer>, claims: PartyClaims) -> Self {
        Self { signer, claims, made: Mutex::default() }
    }

    pub fn are_asked_for(&self) -> bool {
        self.signer.is_some()
    }

    /// A token of this kind for `player`; `other` is somebody else.
    pub fn make(&self, kind: TokenKind, player: &str, other: &str) -> Result<Option<String>, TokenError> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let good = |player: &str| self.sign(signer, player, Some(now + HOUR));
        let token = match kind {
            TokenKind::None => return Ok(None),
            TokenKind::Good | TokenKind::Body => good(player)?,
            TokenKind::Other => good(other)?,
            TokenKind::Expired => self.sign(signer, player, Some(now - HOUR))?,
            TokenKind::Endless => self.sign(signer, player, None)?,
            TokenKind::Forged => forged(&good(player)?, &self.sign(signer, player, Some(now + 2 * HOUR))?),
            TokenKind::Garbage => GARBAGE.to_owned(),
        };
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone());
        Ok(Some(token))
    }

    fn sign(&self, signer: &Signer, player: &str, expires: Option<i64>) -> Result<String, TokenError> {
        let mut claims = json!({ "sub": player, "party": self.claims.party });
        let optional = [("iss", &self.claims.issuer), ("aud", &self.claims.audience)];
        for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            claims[name] = Value::from(value.as_str());
        }
        if let Some(expires) = expires {
            claims["exp"] = expires.into();
        }
        let header = Header { kid: self.claims.key_id.clone(), ..Header::new(signer.algorithm) };
        jsonwebtoken::encode(&header, &claims, &signer.key).map_err(|_| TokenError::Unsigned)
    }

    /// Notes what else no report may show.
    pub fn note_secret(&self, secret: String) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(secret);
    }

    /// Every token that was made, and every secret that was named. What is no token is no secret.
    pub fn made(&self) -> Vec<String> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().filter(|token| token.as_str() != GARBAGE).cloned().collect()
    }
}

/// The claims of one token under the signature of another: whatever the algorithm, the signature is not theirs.
fn forged(claims: &str, signature: &str) -> String {
    let claims = claims.rsplit_once('.').map_or(claims, |(claims, _)| claims);
    let signature = signature.rsplit_once('.').map_or(signature, |(_, signature)| signature);
    format!("{claims}.{signature}")
}
