//! `purser replay`: an export applied to a ledger, or published again.

mod amqp;
mod source;
mod preview;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{CommandFailure, Ended, failed, output, trail, usage};
use crate::admin::trail::{Deed, DoneSoFar};
use crate::cli::journal::seal::Sealing;
use crate::cli::ledger_choice::LedgerOption;
use crate::config::Config;
use crate::ledger::Outcome;
use crate::ledger::recorded::Recorded;
use crate::wallet::replay::{Replay as Applying, ReplayError, ReplayedAs};
use preview::{Flow, Flows, Preview};
use source::{RecordBatch, RecordSource, SourceError};

/// Commands that are applied together. What fails takes so many with it, and they are done again.
const BATCH: usize = 256;

/// Batches of a second, where a rate is asked for.
const STEPS: u32 = 10;

#[derive(Args)]
pub struct ReplayArgs {
    /// What `purser journal export` wrote; `-` reads standard input.
    file: PathBuf,
    /// Decide everything and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Commands a second (default: as fast as they go).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Apply them to the configured ledger, or publish the bets, results and cancels again for whoever serves the
    /// configured broker.
    #[arg(long, value_enum, default_value_t = To::Ledger)]
    to: To,
    /// The key that the export was sealed with.
    #[arg(long, value_name = "FILE", conflicts_with = "unsealed")]
    key_file: Option<PathBuf>,
    /// Take the file as it is: whoever made or changed it decides what is deposited.
    #[arg(long)]
    unsealed: bool,
    /// Publish for this party, whosever the records are (with --to amqp).
    #[arg(long)]
    party: Option<String>,
    #[command(flatten)]
    ledger: LedgerOption,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum To {
    Ledger,
    Amqp,
}

/// What became of the commands.
#[derive(Debug, Default, Serialize)]
struct Summary {
    dry_run: bool,
    applied: u64,
    equal: u64,
    different: u64,
    /// Of players who differed before.
    held: u64,
    record_only: u64,
}

impl ReplayArgs {
    pub async fn run(self, config: Config) -> Ended {
        match self.to {
            To::Ledger if self.party.is_some() => Err(usage("--party goes with --to amqp: records name their parties")),
            To::Ledger => self.apply(&config).await,
            To::Amqp => amqp::publish(self, config).await,
        }
    }

    async fn apply(self, config: &Config) -> Ended {
        let mut pacing = self.pacing(config)?;
        let ledger = self.ledger.one(config)?;
        let database = if self.dry_run { ledger.look_at().await? } else { ledger.change().await? };
        let writer = database.writer()?;
        let mut applying = if self.dry_run { Applying::dry_run(writer) } else { Applying::new(writer) };
        let mut summary = Summary { dry_run: self.dry_run, ..Summary::default() };
        let detail = json!({ "unsealed": self.unsealed, "by_hand": preview::told(&pacing.flows) });
        let so_far = DoneSoFar::default();
        let working = async {
            self.apply_all(&mut pacing, &mut applying, &mut summary, &so_far).await?;
            Ok(((), format!("done: {}", summary.counts())))
        };
        let ended = if self.dry_run {
            working.await.map(|((), _)| ())
        } else {
            let deed = Deed { act: "replay", party: None, target: self.file.display().to_string(), detail };
            trail::recorded_in_steps(&database, deed, &so_far, working).await
        };
        pacing.progress.finish_and_clear();
        summary.print(self.json)?;
        ended.map(|()| summary.different == 0)
    }

    async fn apply_all(
        &self,
        pacing: &mut Pacing,
        applying: &mut Applying<crate::storage::Writer>,
        summary: &mut Summary,
        so_far: &DoneSoFar,
    ) -> Result<(), CommandFailure> {
        while let Some(records) = pacing.next().await? {
            let compared = applying.apply(records.clone()).await.map_err(|error| stopped(&records, &error))?;
            compared.iter().for_each(|comparison| summary.take(*comparison));
            // Before anything is printed, which may fail.
            if summary.applied > 0 {
                so_far.tell(summary.counts());
            }
            for (recorded, comparison) in records.iter().zip(compared) {
                if let ReplayedAs::Different(decided) = comparison {
                    pacing.progress.suspend(|| tell(recorded, decided, self.json))?;
                }
            }
        }
        Ok(())
    }

    /// The records, at the pace that was asked for.
    fn pacing(&self, config: &Config) -> Result<Pacing, CommandFailure> {
        let parties = config.parties.keys().cloned().collect();
        let failure = |error: &dyn std::fmt::Display| failed(format!("{} {error}", self.file.display()));
        let mut source = RecordSource::open(&self.file).map_err(|error| failure(&error))?;
        let sealing = Sealing::begin(self.key_file.as_deref()).map_err(|error| usage(error.to_string()))?;
        let preview = Preview::new((!self.unsealed).then_some(sealing));
        let preview = source.preview(preview).map_err(|error| failure(&error))?;
        for ((party, currency), flow) in &preview.flows {
            let Flow { deposits, withdrawals } = flow;
            eprintln!("{party}: deposits {deposits} and withdraws {withdrawals} minor units of {currency} in all");
        }
        Pacing::start(source, preview.flows, parties, self.rate).map_err(|error| failure(&error))
    }
}

/// What stopped a batch, and where it will go on.
fn stopped(records: &[Recorded], error: &ReplayError) -> CommandFailure {
    let seq = records.first().map_or(0, |recorded| recorded.seq);
    failed(format!("{error}; what came before seq {seq} is done, and running it again goes on there"))
}

/// Prints a difference: it is part of the result.
fn tell(recorded: &Recorded, decided: Outcome, is_json: bool) -> std::io::Result<()> {
    let (seq, key, then) = (recorded.seq, recorded.keyed.key.uuid(), recorded.outcome);
    if is_json {
        return output::json(&json!({ "different": { "seq": seq, "key": key, "recorded": then, "decided": decided } }));
    }
    let told = |outcome: Outcome| serde_json::to_string(&outcome).map_err(std::io::Error::other);
    output::line(&format!("DIFFERENT: seq {seq}, key {key}: recorded {}, here {}", told(then)?, told(decided)?))
}

impl Summary {
    fn take(&mut self, comparison: ReplayedAs) {
        let count = match comparison {
            ReplayedAs::Applied => &mut self.applied,
            ReplayedAs::Equal => &mut self.equal,
            ReplayedAs::Different(_) => &mut self.different,
            ReplayedAs::Held => &mut self.held,
            ReplayedAs::RecordOnly => &mut self.record_only,
        };
        *count += 1;
    }

    /// For the trail.
    fn counts(&self) -> String {
        let Self { applied, equal, different, held, .. } = self;
        format!("{applied} applied, {equal} equal, {different} different, {held} held back")
    }

    fn print(&self, is_json: bool) -> std::io::Result<()> {
        if is_json {
            return output::json(self);
        }
        let Self { dry_run, applied, equal, different, held, record_only } = self;
        let applied = if *dry_run { format!("{applied} would be applied") } else { format!("{applied} applied") };
        output::line(&format!("{applied}, {equal} equal, {different} different, {record_only} for the record only"))?;
        if *held > 0 {
            output::line(&format!("{held} held back: they came after a difference of the same player's"))?;
        }
        Ok(())
    }
}

/// Records at the pace that was asked for, with a progress bar.
struct Pacing {
    batches: mpsc::Receiver<Result<RecordBatch, SourceError>>,
    progress: ProgressBar,
    rate: Option<u32>,
    began: Instant,
    sent: u64,
    /// What the whole file deposits and withdraws.
    flows: Flows,
}

impl Pacing {
    fn start(
        source: RecordSource,
        flows: Flows,
        parties: BTreeSet<crate::ledger::Party>,
        rate: Option<u32>,
    ) -> std::io::Result<Self> {
        let progress = output::progress_bar(source.length, "bytes");
        let size = rate.map_or(BATCH, |rate| ((rate / STEPS) as usize).clamp(1, BATCH));
        let batches = source.batches(parties, size)?;
        Ok(Self { batches, progress, rate, began: Instant::now(), sent: 0, flows })
    }

    /// The next records, when they are due.
    async fn next(&mut self) -> Result<Option<Vec<Recorded>>, CommandFailure> {
        let Some(batch) = self.batches.recv().await else { return Ok(None) };
        let RecordBatch { records, read } = batch?;
        if let Some(rate) = self.rate {
            let due = self.sent.saturating_mul(1_000_000_000) / u64::from(rate);
            sleep_until(self.began + Duration::from_nanos(due)).await;
        }
        self.sent += records.len() as u64;
        self.progress.set_position(read);
        Ok(Some(records))
    }
}
