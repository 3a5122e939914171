//! CodeGames' section: who signs in, which account pays, and what seals gift-card keys.

use super::{filled, path};
use crate::config::error::ConfigError;
use crate::config::jwt::MIN_HMAC_SECRET_BYTES;
use crate::config::secret::Secret;
use crate::config::section::Section;
use crate::ledger::ids::{Currency, PlayerId};

#[derive(Debug, Clone)]
pub struct CodeGames {
    pub path: String,
    pub currency: Currency,
    /// Encrypts gift-card keys at rest.
    pub keys_secret: Secret,
    pub users: Vec<CodeGamesUser>,
}

#[derive(Debug, Clone)]
pub struct CodeGamesUser {
    pub login: String,
    /// Argon2id, in PHC form.
    pub password_hash: Secret,
    /// The account that pays.
    pub player: PlayerId,
}

pub(in crate::config) fn read(mut section: Section, warnings: &mut Vec<String>) -> Result<CodeGames, ConfigError> {
    let keys_secret = section.secret("keys_secret")?.ok_or_else(|| {
        section.place().wrong("needs keys_secret or keys_secret_file: gift-card keys are never stored in the clear")
    })?;
    let (place, bytes) = (&section.place().key, keys_secret.1.expose().len());
    if bytes < MIN_HMAC_SECRET_BYTES {
        warnings.push(format!(
            "{place}.keys_secret has {bytes} bytes; {MIN_HMAC_SECRET_BYTES} random ones cannot be guessed"
        ));
    }
    let config = CodeGames {
        path: path(&mut section)?,
        currency: section.require("currency")?.named(Currency::parse)?,
        keys_secret: keys_secret.1,
        users: users(&mut section)?,
    };
    section.finish()?;
    Ok(config)
}

fn users(section: &mut Section) -> Result<Vec<CodeGamesUser>, ConfigError> {
    let mut users: Vec<CodeGamesUser> = Vec::new();
    for setting in section.list("users")? {
        let mut section = setting.section()?;
        let login = filled(section.require("login")?)?;
        if users.iter().any(|user| user.login == login) {
            return Err(section.place().wrong("has the login of a user before it"));
        }
        let (place, password_hash) = section
            .secret("password_hash")?
            .ok_or_else(|| section.place().wrong("needs a password_hash or password_hash_file"))?;
        if !password_hash.expose().starts_with("$argon2id$") {
            return Err(place.wrong("must be an Argon2id hash starting with $argon2id$"));
        }
        let player = section.require("player")?.named(PlayerId::parse)?;
        section.finish()?;
        users.push(CodeGamesUser { login, password_hash, player });
    }
    Ok(users)
}
