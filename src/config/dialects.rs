//! The sections of the HTTP dialects: what a party's partners need beyond its currencies and tokens. A file each; what is here
//! is EGPP's over REST, which needs next to nothing, and what several have.

pub(super) mod quickplay;
pub(super) mod balance_service;
pub(crate) mod goplay;
pub(super) mod codegames;

pub use balance_service::BalanceService;
pub use codegames::{CodeGames, CodeGamesUser};
pub use goplay::{GoPlay, OauthClient};
pub use quickplay::{QuickPlay, SignatureDigest};

use super::error::ConfigError;
use super::secret::Secret;
use super::section::{Section, Setting};

/// EGPP over REST: keys of the provider's own, beside the player's token.
#[derive(Debug, Clone, Default)]
pub struct Rest {
    pub api_keys: Vec<Secret>,
}

pub(super) fn rest(mut section: Section) -> Result<Rest, ConfigError> {
    let api_keys = api_keys(&mut section)?;
    section.finish()?;
    Ok(Rest { api_keys })
}

/// Those that are listed, or those in a file.
fn api_keys(section: &mut Section) -> Result<Vec<Secret>, ConfigError> {
    let listed = section.list("api_keys")?;
    match section.secrets_in_file("api_keys")? {
        Some((file, _)) if !listed.is_empty() => {
            Err(file.wrong(format!("and {}.api_keys must not both be given", section.place().key)))
        }
        Some((_, keys)) => Ok(keys),
        None => listed.into_iter().map(|setting| filled(setting).map(Secret::new)).collect(),
    }
}

fn filled(setting: Setting) -> Result<String, ConfigError> {
    setting.parsed("must not be empty", |text| (!text.is_empty()).then(|| text.to_owned()))
}

/// Where a dialect's routes begin: nothing, or segments that need no escaping.
fn path(section: &mut Section) -> Result<String, ConfigError> {
    let problem = "must be empty, or start with / and not end with one, of letters, digits and - . _ ~";
    section.require("path")?.parsed(problem, |text| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
        let fits = text.split('/').skip(1).all(|segment| !segment.is_empty() && segment.chars().all(plain));
        (text.is_empty() || (text.starts_with('/') && fits)).then(|| text.to_owned())
    })
}
