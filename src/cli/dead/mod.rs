//! `purser dead`: a party's dead letters.

mod filter;
mod redrive;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::Table;
use super::{CommandFailure, Ended, failed, output, party, trail, usage};
use crate::admin::shown::second;
use crate::admin::trail::{Deed, DoneSoFar};
use crate::app;
use crate::cli::ledger_choice::LedgerChoice;
use crate::config::Config;
use crate::ledger::Party;
use crate::ledger::command::Timestamp;
use crate::redaction::without_tokens;
use crate::transport::amqp::choice::Choice;
use crate::transport::amqp::dead::{DeadLetter, DeadQueue, unless_lost};
use crate::transport::amqp::redrive::drop_letters;
use filter::Filter;

/// Characters of an error that a table's cell has room for.
const CELL: usize = 60;

#[derive(Subcommand)]
pub enum Dead {
    /// A line for each dead letter, oldest first. Nothing is taken.
    List(LookArgs),
    /// Each dead letter whole, but for its secrets. Nothing is taken.
    Show(LookArgs),
    /// Put dead letters back into the queues that they came from, and say what they were answered.
    Redrive(redrive::Redrive),
    /// Take dead letters out for good.
    Drop(Drop),
}

#[derive(Args)]
pub struct LookArgs {
    #[command(flatten)]
    of: Of,
    #[arg(long)]
    json: bool,
}

/// Which letters of which party.
#[derive(Args)]
pub struct Of {
    #[arg(long)]
    party: String,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Args)]
pub struct Drop {
    #[command(flatten)]
    of: Of,
    /// Only say what would be dropped.
    #[arg(long)]
    dry_run: bool,
    /// Needed to drop without --id, --reason or --since.
    #[arg(long)]
    all: bool,
    #[arg(long)]
    json: bool,
}

/// A dead letter as it is told.
#[derive(Serialize)]
struct Line {
    id: String,
    reason: String,
    error: String,
    queue: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    died_at: Option<String>,
    redriven: u32,
    bytes: usize,
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    line: Line,
    properties: std::collections::BTreeMap<String, String>,
    body: String,
}

impl Dead {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::List(look) => look.list(config).await,
            Self::Show(look) => look.show(config).await,
            Self::Redrive(redrive) => redrive.run(config).await,
            Self::Drop(drop) => drop.run(config).await,
        }
    }
}

impl Of {
    /// Opens the party's queue.
    async fn open(&self, config: &Config) -> Result<(Party, DeadQueue), CommandFailure> {
        let (party, _) = party(config, &self.party)?;
        let settings =
            app::broker(config, &party).ok_or_else(|| usage("amqp.url is empty: there is no broker to ask"))?;
        let queue = DeadQueue::open(&settings, party.clone()).await?;
        Ok((party, queue))
    }

    /// The trail's entry of an act on them.
    fn deed(&self, act: &'static str, party: &Party) -> Deed {
        let target = format!("dead letters of {party}");
        Deed { act, party: Some(party.clone()), target, detail: self.filter.letters().described() }
    }

    /// Tells every letter that fits to `each`, then lets all of them go back to their places.
    async fn look(
        &self,
        config: &Config,
        mut each: impl FnMut(&DeadLetter) -> Result<(), CommandFailure>,
    ) -> Result<u64, CommandFailure> {
        let (_, mut queue) = self.open(config).await?;
        unless_lost(queue.lost(), async {
            // As many as there are now: what dies meanwhile is for the next look.
            let waiting = queue.count().await?;
            let (mut found, filter) = (0, self.filter.letters());
            for _ in 0..waiting {
                let Some(letter) = queue.next().await? else { break };
                if filter.takes(&letter) {
                    each(&letter)?;
                    found += 1;
                }
            }
            queue.release().await?;
            Ok(found)
        })
        .await
    }
}

impl LookArgs {
    async fn list(self, config: &Config) -> Ended {
        let mut table = Table::new(&["id", "reason", "from", "died at", "redriven", "bytes", "error"]);
        let json = self.json;
        let found = self.of.look(config, |letter| {
            let line = line(letter);
            if json { Ok(output::json(&line)?) } else { Ok(table.add(row(line))?) }
        });
        let found = found.await?;
        if json {
            return Ok(true);
        }
        if found == 0 {
            output::line("no dead letters")?;
        } else {
            table.finish()?;
        }
        Ok(true)
    }

    async fn show(self, config: &Config) -> Ended {
        let json = self.json;
        let found = self.of.look(config, |letter| {
            let whole = Whole { line: line(letter), properties: letter.described(), body: shown(letter.body()) };
            if json {
                return Ok(output::json(&whole)?);
            }
            output::line(&format!("--- {} ({})", whole.line.id, whole.line.reason))?;
            for (name, value) in &whole.properties {
                output::line(&format!("{name}: {value}"))?;
            }
            output::line("")?;
            output::lines(&whole.body)?;
            Ok(output::line("")?)
        });
        match found.await? {
            0 => Err(failed("no such dead letter")),
            _ => Ok(true),
        }
    }
}

impl Drop {
    async fn run(self, config: &Config) -> Ended {
        if self.of.filter.letters().is_empty() && !self.all && !self.dry_run {
            return Err(usage("name what to drop by --id, --reason or --since, or say --all"));
        }
        let (party, _) = party(config, &self.of.party)?;
        let so_far = DoneSoFar::default();
        let (dropped, waiting) = if self.dry_run {
            self.pass(config, &so_far).await?
        } else {
            let database = LedgerChoice::of_party(config, &party)?.change().await?;
            let deed = self.of.deed("dead drop", &party);
            trail::recorded_in_steps(&database, deed, &so_far, async {
                let (dropped, waiting) = self.pass(config, &so_far).await?;
                Ok(((dropped, waiting), format!("done: {dropped} dropped")))
            })
            .await?
        };
        let verb = if self.dry_run { "would be dropped" } else { "dropped" };
        if self.json {
            output::json(&serde_json::json!({ "dropped": dropped, "dry_run": self.dry_run }))?;
        } else {
            output::line(&format!("{dropped} of {waiting} dead letters of {party} {verb}"))?;
        }
        Ok(true)
    }

    /// Goes through the letters; returns how many were meant, of how many.
    async fn pass(&self, config: &Config, so_far: &DoneSoFar) -> Result<(u64, u64), CommandFailure> {
        let (_, mut queue) = self.of.open(config).await?;
        unless_lost(queue.lost(), async {
            let progress = output::progress_bar(queue.count().await?, "letters");
            let choice = Choice::of(self.of.filter.letters());
            let mut tell = |dropped| {
                so_far.tell(format!("{dropped} dropped"));
                progress.set_position(dropped);
            };
            let (dropped, waiting) = drop_letters(&mut queue, choice, self.dry_run, &mut tell).await?;
            progress.finish_and_clear();
            queue.release().await?;
            Ok((dropped, waiting))
        })
        .await
    }
}

fn line(letter: &DeadLetter) -> Line {
    let died_at = letter.died_at().filter(|seconds| *seconds >= 0).map(Timestamp::of_second);
    Line {
        id: without_tokens(letter.id()),
        reason: without_tokens(letter.reason()),
        error: without_tokens(letter.error()),
        queue: without_tokens(letter.queue()),
        died_at: died_at.map(second),
        redriven: letter.redriven(),
        bytes: letter.body().len(),
    }
}

fn row(line: Line) -> Vec<String> {
    let error = line.error.chars().take(CELL).collect();
    let died_at = line.died_at.unwrap_or_default();
    vec![line.id, line.reason, line.queue, died_at, line.redriven.to_string(), line.bytes.to_string(), error]
}

/// The body as text, with whatever looks like a token hidden.
fn shown(body: &[u8]) -> String {
    without_tokens(&String::from_utf8_lossy(body))
}
