//! QuickPlay's section: whose signatures are good, and in which money.

use std::path::PathBuf;

use super::{filled, path};
use crate::config::error::ConfigError;
use crate::config::section::{Section, Setting};
use crate::ledger::ids::Currency;

#[derive(Debug, Clone)]
pub struct QuickPlay {
    pub path: String,
    pub partner: String,
    pub public_key_file: PathBuf,
    pub digest: SignatureDigest,
    pub currency: Currency,
}

/// The digest within QuickPlay's RSA signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureDigest {
    Sha1,
    Sha256,
}

pub(in crate::config) fn read(mut section: Section) -> Result<QuickPlay, ConfigError> {
    let config = QuickPlay {
        path: path(&mut section)?,
        partner: filled(section.require("partner")?)?,
        public_key_file: filled(section.require("public_key_file")?)?.into(),
        digest: digest(section.require("digest")?)?,
        currency: section.require("currency")?.named(Currency::parse)?,
    };
    section.finish()?;
    Ok(config)
}

fn digest(setting: Setting) -> Result<SignatureDigest, ConfigError> {
    setting.parsed("must be \"sha1\" or \"sha256\"", |text| match text {
        "sha1" => Some(SignatureDigest::Sha1),
        "sha256" => Some(SignatureDigest::Sha256),
        _ => None,
    })
}
