//! Makes player tokens, for operators and demonstrations: a party's own tokens come from its own identity provider.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::keys::{self, KeyError, KeySet};
use crate::config::{Jwt, JwtKey};
use crate::ledger::ids::{Party, PlayerId};

#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error("no key of party {0} can sign; set hmac_secret or private_key_file in [parties.{0}.jwt]")]
    NoKey(Party),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("private_key_file and public_key_file of party {0} are not the two halves of one key")]
    Halves(Party),
    #[error("the key of party {0} cannot sign")]
    Unsigned(Party),
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: i64,
    exp: i64,
    party: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// A token for `player` that holds from `now` (seconds since 1970) for `ttl`, and that the party's own check accepts.
pub fn mint(jwt: &Jwt, player: &PlayerId, party: &Party, now: i64, ttl: Duration) -> Result<String, MintError> {
    let (algorithm, key) = signing_key(jwt, party)?;
    let claims = Claims {
        sub: player.as_str(),
        iat: now,
        exp: now.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)),
        party: party.as_str(),
        iss: jwt.issuer.as_deref(),
        aud: jwt.audience.as_deref(),
    };
    let token =
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).map_err(|_| MintError::Unsigned(party.clone()))?;
    if let JwtKey::PublicKeyFile(path) = &jwt.key {
        check_halves(&KeySet::public_key_file(path)?, algorithm, &token, party)?;
    }
    Ok(token)
}

fn signing_key(jwt: &Jwt, party: &Party) -> Result<(Algorithm, EncodingKey), MintError> {
    let path = match (&jwt.key, &jwt.private_key_file) {
        (JwtKey::HmacSecret(secret), _) => {
            return Ok((Algorithm::HS256, EncodingKey::from_secret(secret.expose().as_bytes())));
        }
        (_, Some(path)) | (JwtKey::PublicKeyFile(path), None) => path,
        (JwtKey::JwksFile(_) | JwtKey::JwksUrl(_), None) => return Err(MintError::NoKey(party.clone())),
    };
    keys::private_key(path, &keys::read_file(path)?)?.ok_or_else(|| MintError::NoKey(party.clone()))
}

/// A token that the party would refuse is worse than none.
fn check_halves(public: &KeySet, algorithm: Algorithm, token: &str, party: &Party) -> Result<(), MintError> {
    let accepted = public
        .select(algorithm, None)
        .is_ok_and(|key| jsonwebtoken::decode::<serde_json::Value>(token, &key.decoding, &key.validation).is_ok());
    if accepted { Ok(()) } else { Err(MintError::Halves(party.clone())) }
}
