//! How many commands a second the ledger takes with no broker: load, decide, commit, in batches of one size.
//!
//!     cargo bench --bench store -- --help
//!
//! Begins with an empty ledger each time, since a plan that is made on a young table may be kept for a session's life.

mod postgres;

use std::time::{Duration, Instant, SystemTime};

use anyhow::ensure;
use clap::Parser;
use purser::ledger::accounts::{Cash, OpenPlayer};
use purser::ledger::command::{Act, Command, Timestamp};
use purser::ledger::orders::OrderKey;
use purser::ledger::orders::{PlaceBet, Terms};
use purser::ledger::player::Profile;
use purser::ledger::{AccountAct, Amount, Currency, ExternalId, Game, OrderAct, Outcome, Party, PlayerId, Pocket};
use purser::storage::{Database, audit};
use purser::wallet::direct;

use postgres::OwnDatabase;

/// Measures the ledger alone.
#[derive(Parser)]
#[command(name = "store")]
struct Arguments {
    /// Commands in a batch.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256, 512])]
    batches: Vec<usize>,
    /// How long each figure is measured.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    #[arg(long, default_value_t = 1_000)]
    players: usize,
    /// Postgres: a role that may create databases (default: PURSER_TEST_PG_URL).
    #[arg(long, env = "PURSER_TEST_PG_URL", hide_env_values = true)]
    pg_url: Option<String>,
    #[arg(long)]
    no_sqlite: bool,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    for &batch in &arguments.batches {
        if !arguments.no_sqlite {
            let directory = tempfile::tempdir()?;
            let database = Database::Sqlite(directory.path().join("purser.db"));
            let per_second = measure(&arguments, database, batch).await?;
            println!("sqlite    batches of {batch:>4}: {per_second:>7.0} commands a second");
        }
        if let Some(server) = &arguments.pg_url {
            let own = OwnDatabase::create(server, None).await?;
            let per_second = measure(&arguments, Database::Postgres(own.url.clone()), batch).await?;
            println!("postgres  batches of {batch:>4}: {per_second:>7.0} commands a second");
            own.drop().await?;
        }
    }
    Ok(())
}

async fn measure(arguments: &Arguments, database: Database, batch: usize) -> anyhow::Result<f64> {
    database.migrate().await?;
    let mut writer = database.writer()?;
    let mut invitations = Vec::new();
    for number in 0..arguments.players {
        invitations.extend(invitation(number)?);
    }
    accept(direct::apply_all(&mut writer, invitations).await?)?;
    let (began, enough) = (Instant::now(), Duration::from_secs(arguments.seconds));
    let mut orders = 0;
    while began.elapsed() < enough {
        let bets = (orders..orders + batch).map(|order| bet(order, arguments.players));
        accept(direct::apply_all(&mut writer, bets.collect::<anyhow::Result<_>>()?).await?)?;
        orders += batch;
    }
    let took = began.elapsed();
    drop(writer);
    let report = database.query(audit::run).await?;
    ensure!(report.findings.is_empty(), "the audit found: {:?}", report.findings);
    ensure!(report.orders == i64::try_from(orders)?, "{} orders in the ledger, {orders} sent", report.orders);
    Ok(orders as f64 / took.as_secs_f64())
}

fn accept(outcomes: Vec<Outcome>) -> anyhow::Result<()> {
    let refused = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Refused(_)));
    ensure!(refused.is_none(), "refused: {refused:?}");
    Ok(())
}

fn command(act: Act) -> anyhow::Result<Command> {
    let at = i64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_micros())?;
    Ok(Command { party: Party::parse("bench")?, at: Timestamp(at), correlation: Some("bench-correlation".into()), act })
}

fn player(number: usize) -> anyhow::Result<PlayerId> {
    Ok(PlayerId::parse(&format!("player-{number:06}"))?)
}

fn invitation(number: usize) -> anyhow::Result<[Command; 2]> {
    let (player, currency) = (player(number)?, Currency::parse("CHF")?);
    let profile = Profile { home_currency: currency, username: None, nickname: None, email: None, gender: None };
    let (pocket, amount) = (Pocket::real(currency), Amount::new(1_000_000_000)?);
    let cash = Cash { player: player.clone(), pocket, amount, key: format!("bench-{player}").into() };
    Ok([
        command(Act::Account(AccountAct::OpenPlayer(OpenPlayer { player, profile })))?,
        command(Act::Account(AccountAct::Deposit(cash)))?,
    ])
}

fn bet(order: usize, players: usize) -> anyhow::Result<Command> {
    let external_id = ExternalId::parse(&format!("bench-order-{order:012}"))?;
    command(Act::Order(OrderAct::PlaceBet(PlaceBet {
        player: player(order % players)?,
        order: OrderKey { game: Game::parse("wallstroulette")?, external_id },
        round: 1,
        stake: Amount::new(100)?,
        pocket: Pocket::real(Currency::parse("CHF")?),
        terms: Terms { game_offered: true, max_bet: None, max_stake_per_day: None },
    })))
}
