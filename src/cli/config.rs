//! `purser config`: what the settings are, and which layer says so.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Ended, output};
use crate::config::{Config, Effective};

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Every effective setting; secrets are `***`. Nothing is written.
    Show(ShowConfig),
}

#[derive(Args)]
pub struct ShowConfig {
    /// Say which layer set each: default, file or environment.
    #[arg(long)]
    origin: bool,
    #[arg(long)]
    json: bool,
}

impl ConfigCommand {
    pub fn run(self, config: &Config) -> Ended {
        let Self::Show(show) = self;
        show.run(&config.effective)
    }
}

impl ShowConfig {
    fn run(&self, settings: &[Effective]) -> Ended {
        if self.json {
            let lines: Vec<_> = settings.iter().map(|setting| self.object(setting)).collect();
            output::json(&lines)?;
        } else {
            settings.iter().try_for_each(|setting| output::line(&self.text(setting)))?;
        }
        Ok(true)
    }

    fn object(&self, Effective { key, value, origin }: &Effective) -> serde_json::Value {
        if self.origin {
            json!({ "key": key, "value": value, "origin": origin })
        } else {
            json!({ "key": key, "value": value })
        }
    }

    /// As the configuration file would have it, but for the dots and places in the name.
    fn text(&self, Effective { key, value, origin }: &Effective) -> String {
        if self.origin { format!("{key} = {value}  # {origin}") } else { format!("{key} = {value}") }
    }
}
