//! How fast a backlog drains: Purser, a consumer with one transaction per message, and the broker with no ledger.
//!
//!     cargo bench --bench drain -- --help
//!
//! The backlog of persistent `order.bet` messages waits in a quorum queue, confirmed, before anybody consumes it. The
//! clock runs from the moment the broker sees the consumer until the reply queue holds a reply to each order; both are
//! asked for with passive declarations, 50 a second, which disturb nobody. Then the consumer is stopped, and it is
//! checked that the request queue is empty, that each order got exactly one reply, that each reply says yes, and that
//! the ledger is sound. Every run begins with a ledger in a new database: the players and their deposits only, or with
//! `--prefilled` that many orders before, which were decided and written as the program does it, once for all rounds.
//!
//! All modes are measured in one process, in turns, so that ratios hold even where the machine has other things to do.

mod backlog;
mod browsers;
mod echo;
mod ledger;
mod mode;
mod naive;
#[path = "../postgres/mod.rs"]
mod postgres;
mod processor;
mod purser;
mod report;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

use backlog::Backlog;
use browsers::Browsers;
use mode::{Console, Consumer, History, Mode, Run};
use processor::Processes;

/// Measures how fast a backlog of bets drains, in several ways, and compares.
#[derive(Parser)]
#[command(name = "drain")]
struct Arguments {
    /// What to measure, in this order, in every round.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Mode::ALL)]
    modes: Vec<Mode>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Orders in the backlog.
    #[arg(long, default_value_t = 100_000)]
    orders: usize,
    /// Orders in the backlog of the naive modes, which would take minutes otherwise.
    #[arg(long, default_value_t = 10_000)]
    naive_orders: usize,
    #[arg(long, default_value_t = 1_000)]
    players: usize,
    /// Orders that the ledger of Purser holds before.
    #[arg(long, default_value_t = 0)]
    prefilled: usize,
    /// The broker (default: PURSER_TEST_AMQP_URL, as `scripts/services env` prints it).
    #[arg(long, env = "PURSER_TEST_AMQP_URL", hide_env_values = true)]
    amqp_url: String,
    /// Postgres: a role that may create databases (default: PURSER_TEST_PG_URL).
    #[arg(long, env = "PURSER_TEST_PG_URL", hide_env_values = true)]
    pg_url: String,
    /// Whether the reply queue is a quorum queue, or else a durable classic one.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    quorum_replies: bool,
    /// Whether Purser keeps the index of histories: `on,off` measures both in turns, and what the index costs.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [History::On])]
    history: Vec<History>,
    /// Whether operators look on meanwhile: `off,on` measures both in turns, and what the console costs.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Console::Off])]
    console: Vec<Console>,
    /// Browsers that are open where operators look on: each has a stream, the overview refreshed every two seconds, and another
    /// page as often.
    #[arg(long, default_value_t = 5)]
    browsers: usize,
    /// Another purser program to measure in turns with this one: before and after of a change.
    #[arg(long, value_name = "PROGRAM")]
    against: Vec<PathBuf>,
    /// The broker's process, to tell how much processor time it takes.
    #[arg(long)]
    broker_process: Option<u32>,
    /// Postgres' first process, likewise.
    #[arg(long)]
    postgres_process: Option<u32>,
    #[arg(long)]
    json: bool,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut results = report::Results::default();
    let mut filled = ledger::Filled::default();
    for round in 1..=arguments.rounds {
        for run in runs(&arguments) {
            let measured =
                measure(&arguments, &mut filled, &run).await.with_context(|| format!("{run}, round {round}"))?;
            eprintln!("round {round}: {run}: {:.0} a second", measured.per_second());
            results.take(&run, measured);
        }
    }
    filled.drop().await?;
    if arguments.json {
        results.print_json()?
    } else {
        results.print()
    }
    Ok(())
}

/// What one round measures: each mode, and the modes of Purser with and without the index and the console, as asked, and once
/// more with each other program.
fn runs(arguments: &Arguments) -> Vec<Run> {
    let mut runs = Vec::new();
    for &mode in &arguments.modes {
        if !mode.is_purser() {
            runs.push(Run { mode, program: None, history: History::Off, console: Console::Off });
            continue;
        }
        for &history in &arguments.history {
            for &console in &arguments.console {
                runs.push(Run { mode, program: None, history, console });
                let others = arguments.against.iter();
                runs.extend(others.map(|path| Run { mode, program: Some(path.clone()), history, console }));
            }
        }
    }
    runs
}

async fn measure(arguments: &Arguments, filled: &mut ledger::Filled, run: &Run) -> anyhow::Result<report::Measured> {
    let orders = if run.mode.is_naive() { arguments.naive_orders } else { arguments.orders };
    let ledger = ledger::Ledger::create(run.mode, arguments, filled).await?;
    let backlog = Backlog::publish(arguments, run.mode, orders).await?;
    let consumer = mode::start(run, arguments, &ledger).await?;
    let processes = Processes {
        consumer: consumer.process(),
        broker: arguments.broker_process,
        postgres: arguments.postgres_process,
    };
    let browsers = match &consumer {
        Consumer::Purser(purser) if run.console == Console::On => Some(Browsers::open(purser, arguments.browsers)),
        Consumer::Purser(_) | Consumer::Task(..) => None,
    };
    let drained = backlog.drained(processes).await;
    if let Some(browsers) = browsers {
        eprintln!("{run}: {} pages were looked at", browsers.close().await?);
    }
    // The consumer's own complaint says more than that replies are missing.
    consumer.stop().await?;
    let (took, spent) = drained?;
    backlog.check(run.mode).await?;
    ledger.check(run.mode, arguments.prefilled, orders).await?;
    ledger.drop().await?;
    Ok(report::Measured { orders, took, spent })
}
