//! `purser token`.

use std::time::Duration;

use clap::Args;

use super::{Ended, output, party, usage};
use crate::clock;
use crate::config::{self, Config};
use crate::identity;
use crate::ledger::PlayerId;

#[derive(Args)]
pub struct Token {
    #[arg(long)]
    party: String,
    #[arg(long)]
    player: String,
    /// How long it is good for: 30s, 1h, 7d …
    #[arg(long, default_value = "1h", value_parser = config::parse_duration)]
    ttl: Duration,
}

impl Token {
    pub fn run(self, mut config: Config) -> Ended {
        config.ensure_demo_secret()?;
        let (party, settings) = party(&config, &self.party)?;
        let player = PlayerId::parse(&self.player).map_err(|error| usage(format!("--player {error}")))?;
        let jwt = settings.jwt.as_ref().ok_or_else(|| usage(format!("parties.{party}.jwt is not configured")))?;
        let now = clock::now().second();
        output::line(&identity::mint(jwt, &player, &party, now, self.ttl)?)?;
        Ok(true)
    }
}
