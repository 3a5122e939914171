//! `purser demo`: a game provider for a first look. Each kind of reply once, then rounds, then the audit.

mod acts;
mod rounds;

use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::audit::print as print_audit;
use super::{Ended, Failure, failed, output, usage};
use crate::app;
use crate::clock;
use crate::config::{Config, PartyConfig, PlayerTokens};
use crate::identity;
use crate::ledger::command::{Act, Cash, Command, OpenPlayer};
use crate::ledger::player::Profile;
use crate::ledger::{Amount, Currency, Game, Outcome, Party, PlayerId, Pocket};
use crate::provider::Provider;
use crate::sequencer::direct;
use crate::storage::{Database, audit};

/// How long the demo's player tokens are good for.
const TOKEN_TTL: std::time::Duration = std::time::Duration::from_secs(3600);

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
    rounds: rounds::Summary,
    audit: audit::Report,
}

impl Demo {
    pub async fn run(self, mut config: Config) -> Ended {
        config.ensure_demo_secret()?;
        let stage = self.stage(&config).await?;
        eprintln!("playing provider of party {} against {}", stage.party, config.amqp.address().unwrap_or_default());
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

    async fn stage(&self, config: &Config) -> Result<Stage, Failure> {
        let (party, settings) = match &self.party {
            Some(name) => super::party(config, name)?,
            None => config
                .parties
                .iter()
                .next()
                .map(|(party, settings)| (party.clone(), settings))
                .ok_or_else(|| usage("no party is configured"))?,
        };
        let broker = app::broker(config).ok_or_else(|| usage("amqp.url is empty: the demo needs a broker"))?;
        let provider = Provider::connect(&broker, party.clone())
            .await
            .map_err(|error| failed(format!("cannot reach the broker: {error}")))?;
        provider.expect_service().await?;
        let database = app::database(config);
        database.migrate().await?;
        let currency = settings.currencies.first().copied().ok_or_else(|| usage("the party has no currency"))?;
        let game = settings.games.first().cloned().ok_or_else(|| usage("the party has no games"))?;
        let run = format!("{:06x}", rand::random::<u32>() & 0x00ff_ffff);
        Ok(Stage { provider: Arc::new(provider), database, party, settings: settings.clone(), currency, game, run })
    }
}

impl Stage {
    /// A player id of this run.
    fn name(&self, player: &str) -> Result<PlayerId, Failure> {
        Ok(PlayerId::parse(&format!("{player}-{}", self.run))?)
    }

    /// A token for a player, where the party asks for one.
    fn token(&self, player: &PlayerId) -> Result<Option<String>, Failure> {
        if self.settings.player_tokens == PlayerTokens::Trusted {
            return Ok(None);
        }
        let jwt = self.settings.jwt.as_ref().ok_or_else(|| usage("the party has no [jwt] section"))?;
        Ok(Some(identity::mint(jwt, player, &self.party, clock::now().0 / 1_000_000, TOKEN_TTL)?))
    }

    /// Creates players and gives each the same money, through the ledger itself.
    async fn invite(&self, players: &[PlayerId], money: Amount) -> Result<(), Failure> {
        let mut writer = self.database.writer()?;
        for player in players {
            let profile =
                Profile { home_currency: self.currency, username: None, nickname: None, email: None, gender: None };
            let cash = Cash {
                player: player.clone(),
                pocket: Pocket::real(self.currency),
                amount: money,
                key: format!("demo-{player}").into(),
            };
            for act in [Act::OpenPlayer(OpenPlayer { player: player.clone(), profile }), Act::Deposit(cash)] {
                let command = Command { party: self.party.clone(), at: clock::now(), correlation: None, act };
                if let Outcome::Refused(refusal) = direct::apply(&mut writer, command).await? {
                    return Err(failed(format!("the ledger refused to invite {player}: {refusal:?}")));
                }
            }
        }
        Ok(())
    }
}
