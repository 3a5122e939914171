//! What is wrong with a configuration, in words that tell its author what to change. Never a value: it may be a secret.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration file {} named by {named_by} does not exist", path.display())]
    Missing { path: PathBuf, named_by: &'static str },
    #[error("cannot read the configuration file {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("{file}, line {line}, column {column}: {problem}")]
    Syntax { file: String, line: usize, column: usize, problem: String },
    #[error("environment variable {name} {problem}")]
    Variable { name: String, problem: &'static str },
    #[error("{place} {problem}")]
    Setting { place: SettingPlace, problem: String },
}

/// A setting's dotted path, and the layer that it came from where one gave it.
#[derive(Debug, Clone)]
pub struct SettingPlace {
    pub key: String,
    pub origin: Option<String>,
}

impl SettingPlace {
    /// `problem` continues a sentence that starts with the setting's name: "must be …".
    pub(super) fn wrong(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::Setting { place: self.clone(), problem: problem.into() }
    }
}

impl std::fmt::Display for SettingPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{} (set in {origin})", self.key),
            None => f.write_str(&self.key),
        }
    }
}
