//! The command line: one file per command. Results go to standard output, everything else to standard error.

mod approvals;
mod audit;
mod backup;
mod balance;
mod bench;
mod cash;
mod check;
mod config;
mod conform;
mod crowd;
mod dead;
mod demo;
mod grants;
pub mod journal;
mod ledger_choice;
mod listen;
mod logging;
mod migrate;
pub mod offers;
mod order;
mod operator;
mod output;
mod refusal;
mod party_move;
mod play;
mod player;
mod replay;
mod schema;
mod serve;
mod shell;
mod stack;
mod tally;
mod token;
mod trail;
mod voids;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::admin::Invalid;
use crate::config::{Config, ConfigError, PartyConfig};
use crate::ledger::Party;

/// An event-driven wallet: bets, results and cancellations from RabbitMQ, applied exactly once to a ledger.
#[derive(Parser)]
#[command(name = "purser", version, arg_required_else_help = true)]
struct Arguments {
    /// Configuration file (else PURSER_CONFIG, else ./purser.toml if there).
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log lines as JSON.
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the subscribers and the HTTP server until SIGTERM or SIGINT.
    Serve,
    /// Bring the database schema up to date.
    Migrate(migrate::Migrate),
    /// Say line by line whether everything is fit to serve.
    Check(check::CheckArgs),
    /// Play a game provider against the configured broker: every kind of reply, then rounds, then the audit.
    Demo(demo::Demo),
    /// Act once as a game provider: a bet, its result, its cancellation or a balance.
    Play(play::PlayArgs),
    /// Show each of a party's requests with its decision, as it happens.
    Listen(listen::Listen),
    /// Put a provider's load on a running Purser: throughput, latency percentiles, then the audit.
    Bench(bench::Bench),
    /// Judge whether a wallet keeps what the interface promises.
    #[command(subcommand)]
    Conform(conform::Conform),
    /// Manage players.
    #[command(subcommand)]
    Player(player::PlayerCommand),
    /// Manage parties.
    #[command(subcommand)]
    Party(party_move::PartyCommand),
    /// Look at what players have allowed partners, or end it.
    #[command(subcommand)]
    Grants(grants::GrantsCommand),
    /// Put money into an account from the outside world.
    Deposit(cash::CashArgs),
    /// Take money out of an account.
    Withdraw(cash::CashArgs),
    /// Show a player's buckets.
    Balance(balance::BalanceArgs),
    #[command(subcommand)]
    Offers(offers::Offers),
    /// Print a player token.
    Token(token::Token),
    /// Look at dead letters, put them back, or drop them.
    #[command(subcommand)]
    Dead(dead::Dead),
    /// Print the interface documents.
    #[command(subcommand)]
    Schema(schema::SchemaArgs),
    /// Decide on what partners have asked to take back by hand.
    #[command(subcommand)]
    Voids(voids::Voids),
    /// Decide on transfers by hand that wait for a second person.
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// Tell what was asked and what was decided.
    #[command(subcommand)]
    Journal(journal::Journal),
    /// Look at orders.
    #[command(subcommand)]
    Order(order::OrderCommand),
    /// Apply an exported journal to the ledger, or publish it again.
    Replay(replay::ReplayArgs),
    /// Recompute everything in the ledger and compare.
    Audit(audit::Audit),
    /// Copy the SQLite ledger to a new file, beside a running `serve`, and audit the copy.
    Backup(backup::Backup),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make what the configuration wants of operators.
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// Print a shell's completions.
    Completions(shell::Completions),
    /// Write the manual pages.
    Man(shell::Man),
}

/// How a command failed.
pub enum CommandFailure {
    /// Wrong usage or configuration: status 2.
    Usage(anyhow::Error),
    /// Everything else: status 1.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for CommandFailure {
    fn from(error: E) -> Self {
        let error = error.into();
        if error.is::<ConfigError>() { Self::Usage(error) } else { Self::Failed(error) }
    }
}

/// As the trail has it.
impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) | Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}

/// What a command answers: `Ok(false)` is a result that says no (status 1), already printed.
type Ended = Result<bool, CommandFailure>;

/// Runs the program.
pub fn main() -> ExitCode {
    stack::deepen();
    let arguments = Arguments::parse();
    logging::start(matches!(arguments.command, Command::Serve), arguments.log_json);
    // The first thread's stack is the system's business, and commands look at messages, too.
    let running = std::thread::Builder::new().stack_size(stack::WORKER_BYTES).spawn(|| run_to_end(arguments));
    match running.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(error) => fail(&anyhow::Error::new(error), 1),
    }
}

fn run_to_end(arguments: Arguments) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().thread_stack_size(stack::WORKER_BYTES).build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error), 1),
    };
    let ended = runtime.block_on(run(arguments));
    // A drain that ran out of time leaves tasks behind; they must not hold up the exit.
    runtime.shutdown_background();
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(CommandFailure::Failed(error)) => fail(&error, 1),
        Err(CommandFailure::Usage(error)) => fail(&error, 2),
    }
}

async fn run(arguments: Arguments) -> Ended {
    // These say the same whatever is configured.
    match &arguments.command {
        Command::Completions(completions) => return completions.run(),
        Command::Man(man) => return man.run(),
        Command::Operator(operator) => return operator.run(),
        _ => {}
    }
    let config = Config::load(arguments.config.as_deref())?;
    match arguments.command {
        Command::Serve => serve::run(config).await,
        Command::Migrate(migrate) => migrate.run(&config).await,
        Command::Check(check) => check.run(config).await,
        Command::Demo(demo) => demo.run(config).await,
        Command::Play(play) => play.run(config).await,
        Command::Listen(listen) => listen.run(&config).await,
        Command::Bench(bench) => bench.run(config).await,
        Command::Conform(conform) => conform.run(config).await,
        Command::Player(player) => player.run(&config).await,
        Command::Party(moving) => moving.run(&config).await,
        Command::Grants(grants) => grants.run(&config).await,
        Command::Deposit(cash) => cash.run(&config, cash::Direction::Deposit).await,
        Command::Withdraw(cash) => cash.run(&config, cash::Direction::Withdraw).await,
        Command::Balance(balance) => balance.run(&config).await,
        Command::Offers(offers) => offers.run(&config).await,
        Command::Token(token) => token.run(config),
        Command::Dead(dead) => dead.run(&config).await,
        Command::Schema(schema) => schema.run(config),
        Command::Voids(voids) => voids.run(&config).await,
        Command::Approvals(approvals) => approvals.run(&config).await,
        Command::Journal(journal) => journal.run(&config).await,
        Command::Order(order) => order.run(&config).await,
        Command::Replay(replay) => replay.run(config).await,
        Command::Audit(audit) => audit.run(&config).await,
        Command::Backup(backup) => backup.run(&config).await,
        Command::Config(settings) => settings.run(&config),
        Command::Operator(operator) => operator.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    }
}

fn fail(error: &anyhow::Error, status: u8) -> ExitCode {
    let text = format!("{error:#}");
    let safe: Vec<_> = text.split('\n').map(output::safe).collect();
    eprintln!("purser: {}", safe.join("\n"));
    ExitCode::from(status)
}

/// The named party's configuration.
fn party<'a>(config: &'a Config, name: &str) -> Result<(Party, &'a PartyConfig), CommandFailure> {
    let known = || config.parties.keys().map(Party::as_str).collect::<Vec<_>>().join(", ");
    let party = Party::parse(name).map_err(|error| usage(format!("--party {error}")))?;
    match config.parties.get(&party) {
        Some(settings) => Ok((party, settings)),
        None => Err(usage(format!("--party {party} is not configured; there is {}", known()))),
    }
}

/// The named party's configuration, or the first one's.
fn party_or_first<'a>(config: &'a Config, name: Option<&str>) -> Result<(Party, &'a PartyConfig), CommandFailure> {
    match name {
        Some(name) => party(config, name),
        None => {
            let first = config.parties.iter().next().map(|(party, settings)| (party.clone(), settings));
            first.ok_or_else(|| usage("no party is configured"))
        }
    }
}

/// What is wrong with an option; the option's name is the first word.
fn invalid(Invalid(what): Invalid) -> CommandFailure {
    usage(format!("--{what}"))
}

fn usage(message: impl Into<String>) -> CommandFailure {
    CommandFailure::Usage(anyhow::anyhow!(message.into()))
}

fn failed(message: impl Into<String>) -> CommandFailure {
    CommandFailure::Failed(anyhow::anyhow!(message.into()))
}
