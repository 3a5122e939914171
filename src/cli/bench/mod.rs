//! `purser bench`: a provider's load against a running Purser, then the audit.

mod load;

use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::audit::print as print_audit;
use super::tally::Summary;
use super::{CommandFailure, Ended, crowd, failed, output, usage};
use crate::app;
use crate::cli::ledger_choice::LedgerChoice;
use crate::config::Config;
use crate::ledger::{Amount, Currency, Game, PlayerId};
use crate::provider::Provider;
use crate::storage::{Database, audit};

/// What each player starts with, minor units: enough for any number of bets that a run plays.
const MONEY: i64 = 1_000_000_000_000;

#[derive(Args)]
pub struct Bench {
    /// The party to play for (default: the first configured).
    #[arg(long)]
    party: Option<String>,
    /// Orders sent a second, however fast the answers come; latency counts from the intended moment
    /// (default: as fast as --in-flight allows).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    #[arg(long, default_value_t = 20_000)]
    orders: u32,
    /// Players that bet in turns.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=999_999))]
    players: u32,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Orders under way at the same time, where no rate is given.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: u32,
    #[arg(long, value_enum, default_value_t = Mix::Bets)]
    mix: Mix,
    #[arg(long)]
    json: bool,
}

/// What an order consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mix {
    /// A bet.
    Bets,
    /// A bet and, once that is answered, its result.
    Rounds,
}

/// Everything that the load is made from.
struct Table {
    providers: Vec<Arc<Provider>>,
    database: Database,
    currency: Currency,
    game: Game,
    /// Each with a token where the party asks for one.
    players: Vec<(PlayerId, Option<String>)>,
    /// Sets this run's names apart from those of earlier ones.
    run: String,
}

#[derive(Serialize)]
struct Report {
    mix: Mix,
    rate: Option<u32>,
    players: u32,
    connections: u16,
    #[serde(flatten)]
    summary: Summary,
    audit: audit::AuditReport,
}

impl Bench {
    pub async fn run(self, mut config: Config) -> Ended {
        config.ensure_demo_secret()?;
        let table = self.table(&config).await?;
        let summary = load::play(self.load(), Arc::clone(&table)).await?;
        let audit = table.database.query(audit::run).await?;
        let sound = summary.is_complete() && audit.findings.is_empty();
        if self.json {
            let Self { mix, rate, players, connections, .. } = self;
            output::json(&Report { mix, rate, players, connections, summary, audit })?;
        } else {
            summary.print()?;
            print_audit(&audit)?;
        }
        Ok(sound)
    }

    fn load(&self) -> load::Load {
        let pace = match self.rate {
            Some(per_second) => load::Pace::Rate { per_second },
            None => load::Pace::InFlight { at_once: self.in_flight },
        };
        load::Load { pace, orders: self.orders, mix: self.mix }
    }

    async fn table(&self, config: &Config) -> Result<Arc<Table>, CommandFailure> {
        let (party, settings) = super::party_or_first(config, self.party.as_deref())?;
        let broker =
            app::broker(config, &party).ok_or_else(|| usage("amqp.url is empty: the load goes through a broker"))?;
        let mut providers = Vec::new();
        for _ in 0..self.connections {
            let provider = Provider::connect(&broker, party.clone())
                .await
                .map_err(|error| failed(format!("cannot reach the broker: {error}")))?;
            provider.expect_service().await?;
            providers.push(Arc::new(provider));
        }
        let database = LedgerChoice::to_change(config, &party).await?;
        let currency = settings.currencies.first().copied().ok_or_else(|| usage("the party has no currency"))?;
        let game = settings.games.first().cloned().ok_or_else(|| usage("the party has no games"))?;
        let run = format!("{:06x}", rand::random::<u32>() & 0x00ff_ffff);
        let names = (0..self.players).map(|number| PlayerId::parse(&format!("bench-{run}-{number}")));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let money = Amount::new(MONEY)?;
        crowd::check_threshold(config, currency, money)?;
        crowd::invite(&database, &party, currency, &names, money).await?;
        let with_token = |player: PlayerId| Ok((player.clone(), crowd::token(&party, settings, &player)?));
        let players = names.into_iter().map(with_token).collect::<Result<Vec<_>, CommandFailure>>()?;
        Ok(Arc::new(Table { providers, database, currency, game, players, run }))
    }
}
