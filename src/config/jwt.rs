//! How a party's player tokens are checked.

use std::path::PathBuf;

use url::Url;

use super::error::ConfigError;
use super::secret::Secret;
use super::section::{Section, Setting};

/// HS256 wants a key as long as its digest (RFC 7518, 3.2); a shorter one can be guessed from a single token.
pub const MIN_HMAC_SECRET_BYTES: usize = 32;

#[derive(Debug, Clone)]
pub struct Jwt {
    pub key: JwtKey,
    /// Signs what `purser token` prints; never used to check a token.
    pub private_key_file: Option<PathBuf>,
    /// Checked where set, and then required of every token.
    pub issuer: Option<String>,
    /// Likewise.
    pub audience: Option<String>,
    /// Whether a token must say when it ends.
    pub require_exp: bool,
}

/// What checks a token's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKey {
    HmacSecret(Secret),
    PublicKeyFile(PathBuf),
    JwksFile(PathBuf),
    JwksUrl(Url),
}

pub(super) fn jwt(mut section: Section, warnings: &mut Vec<String>) -> Result<Jwt, ConfigError> {
    let key = key(&mut section, warnings)?;
    let private_key_file = section.path("private_key_file")?;
    let issuer = section.text("issuer")?;
    let audience = section.text("audience")?;
    let require_exp = section.require("require_exp")?.flag()?;
    if !require_exp {
        warnings.push(format!(
            "{}.require_exp is false: a token without `exp` that is stolen is good for ever",
            section.place()
        ));
    }
    section.finish()?;
    Ok(Jwt { key, private_key_file, issuer, audience, require_exp })
}

fn key(section: &mut Section, warnings: &mut Vec<String>) -> Result<JwtKey, ConfigError> {
    let mut given = Vec::new();
    if let Some((place, secret)) = section.secret("hmac_secret")? {
        let bytes = secret.expose().len();
        if bytes < MIN_HMAC_SECRET_BYTES {
            warnings.push(format!("{place} has {bytes} bytes; {MIN_HMAC_SECRET_BYTES} random ones cannot be guessed"));
        }
        given.push(("hmac_secret", JwtKey::HmacSecret(secret)));
    }
    if let Some(path) = section.path("public_key_file")? {
        given.push(("public_key_file", JwtKey::PublicKeyFile(path)));
    }
    if let Some(path) = section.path("jwks_file")? {
        given.push(("jwks_file", JwtKey::JwksFile(path)));
    }
    if let Some(setting) = section.take("jwks_url").filter(|setting| !setting.is_empty()) {
        given.push(("jwks_url", JwtKey::JwksUrl(jwks_url(setting, warnings)?)));
    }
    let place = section.place();
    match (given.pop(), given.pop()) {
        (Some((_, key)), None) => Ok(key),
        (Some((second, _)), Some((first, _))) => {
            Err(place.wrong(format!("has both {first} and {second}; exactly one of them may check the tokens")))
        }
        (None, _) => Err(place.wrong("needs one of hmac_secret, public_key_file, jwks_file, jwks_url")),
    }
}

fn jwks_url(setting: Setting, warnings: &mut Vec<String>) -> Result<Url, ConfigError> {
    let place = setting.place.clone();
    let url = setting.parsed("must be an https:// address without user name or password", |text| {
        Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
        })
    })?;
    if url.scheme() == "http" {
        warnings.push(format!("{place} is plain http: whoever sits between can put in keys of their own"));
    }
    Ok(url)
}
