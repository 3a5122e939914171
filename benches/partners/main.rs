//! What a partner's command costs in process: stakes, wins, payments, voids, levels and gift-card keys, through a lane of
//! the program's own and its store. Afterwards the ledger is audited.
//!
//!     cargo bench --bench partners -- --help

#[path = "../history/mod.rs"]
mod history;
#[path = "../postgres/mod.rs"]
mod postgres;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;
use purser::ledger::{Command, LedgerName};
use purser::storage::{Database, audit};
use purser::wallet::{Answer, Answering, BetBacklogs, Bounds, CommandSource, Health, Sequencer, Shared, Submission};
use tokio::sync::{oneshot, watch};

use history::{History, Kind};
use postgres::OwnDatabase;

/// The program's own `ledger.max_batch`.
const MAX_BATCH: usize = 512;

/// Measures what partners' commands cost.
#[derive(Parser)]
#[command(name = "partners")]
struct Arguments {
    #[arg(long, default_value_t = 100_000)]
    commands: usize,
    #[arg(long, default_value_t = 1_000)]
    players: usize,
    /// Commands that are on their way at once.
    #[arg(long, value_delimiter = ',', default_values_t = [512])]
    at_once: Vec<usize>,
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
    for &at_once in &arguments.at_once {
        if !arguments.no_sqlite {
            let directory = tempfile::tempdir()?;
            let database = Database::Sqlite(directory.path().join("purser.db"));
            measure(&arguments, "sqlite", database, at_once).await?;
        }
        if let Some(server) = &arguments.pg_url {
            let own = OwnDatabase::create(server, None).await?;
            measure(&arguments, "postgres", Database::Postgres(own.url.clone()), at_once).await?;
            own.drop().await?;
        }
    }
    Ok(())
}

async fn measure(arguments: &Arguments, place: &str, database: Database, at_once: usize) -> anyhow::Result<()> {
    database.migrate().await?;
    let (lanes, _) = watch::channel(Health::Ready);
    let ordering_grace = Duration::ZERO;
    let bounds =
        Bounds { max_batch: MAX_BATCH, ordering_grace, crowding_limit: MAX_BATCH, requests_at_once: MAX_BATCH };
    let shared = Shared {
        ledger: LedgerName::default_ledger(),
        bounds,
        backlogs: BetBacklogs::default(),
        health: Arc::new(lanes),
    };
    let reader = watch::channel(Health::Ready).0;
    let (sequencer, tasks) = Sequencer::start(vec![database.writer()?], database.balances(), shared, reader);
    let mut history = History::new(Kind::Partners, arguments.players)?;
    // Opening the players and their deposits are no partner's.
    decide(&sequencer, &mut history, 2 * arguments.players, at_once).await?;
    let began = Instant::now();
    decide(&sequencer, &mut history, arguments.commands, at_once).await?;
    let took = began.elapsed();
    drop(sequencer);
    for task in tasks {
        task.await?;
    }
    let began = Instant::now();
    let report = database.query(audit::run).await?;
    ensure!(report.findings.is_empty(), "the audit found: {:?}", report.findings);
    let told = u64::try_from(arguments.commands + 2 * arguments.players)?;
    ensure!(report.commands == told, "{} commands in the journal, {told} told", report.commands);
    let micros = took.as_secs_f64() * 1e6 / arguments.commands as f64;
    let audited = began.elapsed().as_secs_f64();
    println!("{place:<9} {at_once:>4} at once: {micros:>6.1} µs a command; audit of {told} in {audited:.1} s");
    Ok(())
}

/// Tells the next commands of a history, so many at once, and waits for each of these.
async fn decide(sequencer: &Sequencer, history: &mut History, commands: usize, at_once: usize) -> anyhow::Result<()> {
    let mut done = 0;
    while done < commands {
        let batch = history.next(at_once.min(commands - done))?;
        done += batch.len();
        let mut answers = Vec::with_capacity(batch.len());
        for command in batch {
            answers.push(submit(sequencer, command)?);
        }
        let mut outcomes = Vec::with_capacity(answers.len());
        for answer in answers {
            let Answer::Decided { outcome, .. } = answer.await? else { anyhow::bail!("a command failed") };
            outcomes.push(outcome);
        }
        history.learn(&outcomes)?;
    }
    Ok(())
}

fn submit(sequencer: &Sequencer, command: Command) -> anyhow::Result<oneshot::Receiver<Answer>> {
    let (tell, told) = oneshot::channel();
    let answering = Answering::WithOutcome(Box::new(|answer| {
        // Nobody listens any more once another command has failed.
        let _ = tell.send(answer);
    }));
    sequencer.submit(Submission { keyed: command.keyed(), source: CommandSource(0), answering, trace: None })?;
    Ok(told)
}
