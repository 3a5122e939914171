//! What the commands that read a whole ledger take of time and memory: `audit`, `journal export`, `replay`, `journal
//! prune`; and with `--pages`, how long each page of the console and each list of `/admin/v1` takes on it.
//!
//!     cargo bench --bench size -- --help
//!
//! A ledger is filled as the program fills it, batch after batch through its own store, on SQLite and on Postgres. Then
//! the real program is run on it, as an operator would. Each export is replayed into an empty ledger on the other
//! database, and once more where all of it is there already; the two ledgers' digests must be equal.

#[path = "../history/mod.rs"]
mod history;
mod ledger;
mod pages;
#[path = "../postgres/mod.rs"]
mod postgres;
mod program;
mod table;

use std::fs::File;
use std::path::PathBuf;

use anyhow::ensure;
use clap::{Parser, ValueEnum};
use serde_json::Value;

use history::{History, Kind};
use ledger::Ledger;
use program::Program;
use table::Table;

/// Measures what the commands that read a whole ledger take.
#[derive(Parser)]
#[command(name = "size")]
struct Arguments {
    /// Commands in the ledger. Of rounds, five make four transfers; of what partners ask, five make seven.
    #[arg(long, default_value_t = 1_250_000)]
    commands: usize,
    #[arg(long, default_value_t = 10_000)]
    players: usize,
    /// What fills the ledger.
    #[arg(long, value_enum, default_value_t = Kind::Rounds)]
    kind: Kind,
    /// Which databases.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Place::Sqlite, Place::Postgres])]
    places: Vec<Place>,
    /// Postgres: a role that may create databases (default: PURSER_TEST_PG_URL).
    #[arg(long, env = "PURSER_TEST_PG_URL", hide_env_values = true)]
    pg_url: String,
    /// Another purser program to measure instead of this one: before and after of a change.
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Leave the ledgers where they are, and say where.
    #[arg(long)]
    keep: bool,
    /// The audit alone.
    #[arg(long)]
    audit_only: bool,
    /// Instead of the commands the operators' pages, on a ledger of which one half is rounds and the other what partners ask;
    /// an error where one takes longer than 50 ms at the 95th percentile.
    #[arg(long, conflicts_with_all = ["audit_only", "kind"])]
    pages: bool,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    Sqlite,
    Postgres,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
        }
    }

    /// Where an export of this one goes.
    fn other(self) -> Self {
        match self {
            Self::Sqlite => Self::Postgres,
            Self::Postgres => Self::Sqlite,
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.pages {
        return measure_pages(&arguments).await;
    }
    let mut table = Table::default();
    for &place in &arguments.places {
        let ledger = Ledger::create(place, &arguments.pg_url).await?;
        let filled = ledger.fill(History::new(arguments.kind, arguments.players)?, arguments.commands).await?;
        table.add(place, "filled", &filled, arguments.commands as u64);
        let measured = measure(&arguments, &ledger, &mut table).await;
        ledger.leave(arguments.keep).await?;
        measured?;
    }
    table.print();
    Ok(())
}

async fn measure_pages(arguments: &Arguments) -> anyhow::Result<()> {
    let mut measured = Vec::new();
    for &place in &arguments.places {
        let ledger = Ledger::create(place, &arguments.pg_url).await?;
        for kind in [Kind::Rounds, Kind::Partners] {
            ledger.fill(History::new(kind, arguments.players)?, arguments.commands / 2).await?;
        }
        let program = Program::of(&ledger, arguments.program.as_deref());
        program.run(&["journal", "index"], None).await?;
        ledger.settle().await?;
        let timed = pages::measure(&ledger, arguments.program.clone()).await;
        ledger.leave(arguments.keep).await?;
        measured.push((place.name(), timed?));
    }
    pages::report(&measured)
}

async fn measure(arguments: &Arguments, ledger: &Ledger, table: &mut Table) -> anyhow::Result<()> {
    let (place, program) = (ledger.place, Program::of(ledger, arguments.program.as_deref()));
    let (audit, plainly) = program.run(&["audit"], None).await?;
    ensure!(plainly.contains("the ledger is sound"), "{plainly}");
    let (with_json, report) = program.run(&["audit", "--json"], None).await?;
    let report: Value = serde_json::from_str(&report)?;
    let commands = report["commands"].as_u64().unwrap_or(0);
    table.of(&format!("{commands} commands, {} transfers, {} orders", report["transfers"], report["orders"]));
    table.add(place, "audit", &audit, commands);
    table.add(place, "audit --json", &with_json, commands);
    if arguments.audit_only {
        return Ok(());
    }
    let export = ledger.directory.path().join("export.ndjson");
    let exporting = ["journal", "export", "--party", history::PARTY];
    let (exported, _) = program.run(&exporting, Some(File::create(&export)?)).await?;
    table.add(place, "journal export", &exported, commands);

    let copy = Ledger::create(place.other(), &arguments.pg_url).await?;
    let program = Program::of(&copy, arguments.program.as_deref());
    let file = export.to_string_lossy();
    let (replayed, _) = program.run(&["replay", &file], None).await?;
    table.add(copy.place, &format!("replay of {}'s export", place.name()), &replayed, commands);
    let (again, _) = program.run(&["replay", &file], None).await?;
    table.add(copy.place, "the same again: nothing is new", &again, commands);
    let (_, copied) = program.run(&["audit", "--json"], None).await?;
    let copied: Value = serde_json::from_str(&copied)?;
    copy.leave(arguments.keep).await?;
    ensure!(copied["digest"] == report["digest"], "the copy's digest is another");
    prune(ledger, &Program::of(ledger, arguments.program.as_deref()), &report, table).await
}

/// Prunes all of it: the ledger stays what it was, and takes less room.
async fn prune(ledger: &Ledger, program: &Program, report: &Value, table: &mut Table) -> anyhow::Result<()> {
    let (place, commands) = (ledger.place, report["commands"].as_u64().unwrap_or(0));
    let before = ledger.compacted().await?;
    let (pruned, _) = program.run(&["journal", "prune", "--before", "0s"], None).await?;
    table.add(place, "journal prune, its audit included", &pruned, commands);
    let after = ledger.compacted().await?;
    table.of(&format!("{}: {before} MiB, and {after} MiB when all of it is pruned", place.name()));
    let (audited, again) = program.run(&["audit", "--json"], None).await?;
    table.add(place, "audit --json of what is left", &audited, commands);
    let again: Value = serde_json::from_str(&again)?;
    ensure!(again["digest"] == report["digest"], "pruning has changed the digest");
    Ok(())
}
