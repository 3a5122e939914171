//! `purser demo`: a game provider for a first look. Each kind of reply once, then rounds, then the audit.

mod acts;
mod rounds;

use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::audit::print as print_audit;
use super::{CommandFailure, Ended, crowd, failed, output, tally, usage};
use crate::app;
use crate::cli::ledger_choice::LedgerChoice;
use crate::config::{Config, PartyConfig};
use crate::ledger::{Amount, Currency, Game, Party, PlayerId};
use crate::provider::Provider;
use crate::storage::{Database, audit};

#[derive(Args)]
pub struct Demo {
    /// The party to play with (default: the first configured).
    #[arg(long)]
    party: Option<String>,
    /// How many rounds to play after the acts: a bet and its result each.
    #[arg(long, default_value_t = 3000)]
    rounds: u32,
    /// Rounds under way at the same time.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    #[arg(long)]
    json: bool,
}

/// Everything that the demo plays with.
struct Stage {
    provider: Arc<Provider>,
    database: Database,
    party: Party,
    settings: PartyConfig,
    currency: Currency,
    game: Game,
    /// Sets this run's names apart from those of earlier ones.
    run: String,
}

#[derive(Serialize)]
struct Summary {
    acts: Vec<acts::Line>,
    rounds: tally::Summary,
    audit: audit::AuditReport,
}

impl Demo {
    pub async fn run(self, mut config: Config) -> Ended {
        config.ensure_demo_secret()?;
        let stage = self.stage(&config).await?;
        let address = config.amqp.addresses_in(stage.settings.amqp.vhost.as_deref()).join(", ");
        eprintln!("playing provider of party {} against {address}", stage.party);
        let acts = acts::play(&stage).await?;
        if !self.json {
            acts::print(&acts)?;
        }
        let rounds = rounds::play(&stage, self.rounds, self.concurrency.max(1)).await?;
        let audit = stage.database.query(audit::run).await?;
        let sound = acts.iter().all(|line| line.as_expected) && rounds.is_complete() && audit.findings.is_empty();
        if self.json {
            output::json(&Summary { acts, rounds, audit })?;
        } else {
            rounds.print()?;
            print_audit(&audit)?;
        }
        Ok(sound)
    }

    async fn stage(&self, config: &Config) -> Result<Stage, CommandFailure> {
        let (party, settings) = super::party_or_first(config, self.party.as_deref())?;
        let broker = app::broker(config, &party).ok_or_else(|| usage("amqp.url is empty: the demo needs a broker"))?;
        let provider = Provider::connect(&broker, party.clone())
            .await
            .map_err(|error| failed(format!("cannot reach the broker: {error}")))?;
        provider.expect_service().await?;
        let database = LedgerChoice::to_change(config, &party).await?;
        let currency = settings.currencies.first().copied().ok_or_else(|| usage("the party has no currency"))?;
        crowd::check_threshold(config, currency, Amount::new(rounds::MONEY)?)?;
        let game = settings.games.first().cloned().ok_or_else(|| usage("the party has no games"))?;
        let run = format!("{:06x}", rand::random::<u32>() & 0x00ff_ffff);
        Ok(Stage { provider: Arc::new(provider), database, party, settings: settings.clone(), currency, game, run })
    }
}

impl Stage {
    /// A player id of this run.
    fn name(&self, player: &str) -> Result<PlayerId, CommandFailure> {
        Ok(PlayerId::parse(&format!("{player}-{}", self.run))?)
    }

    /// A token for a player, where the party asks for one.
    fn token(&self, player: &PlayerId) -> Result<Option<String>, CommandFailure> {
        crowd::token(&self.party, &self.settings, player)
    }

    /// Creates players and gives each the same money, through the ledger itself.
    async fn invite(&self, players: &[PlayerId], money: Amount) -> Result<(), CommandFailure> {
        crowd::invite(&self.database, &self.party, self.currency, players, money).await
    }
}
