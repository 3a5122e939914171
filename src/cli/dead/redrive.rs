//! `purser dead redrive`: dead letters go back to their queues, and what they are answered is told.

use clap::Args;
use serde_json::json;

use super::{Of, output};
use crate::admin::trail::DoneSoFar;
use crate::cli::ledger_choice::LedgerChoice;
use crate::cli::{self, CommandFailure, Ended, trail};
use crate::config::Config;
use crate::transport::amqp::choice::Choice;
use crate::transport::amqp::dead::unless_lost;
use crate::transport::amqp::redrive::{Redriven, redrive};

#[derive(Args)]
pub struct Redrive {
    #[command(flatten)]
    of: Of,
    /// Only say what would be put back.
    #[arg(long)]
    dry_run: bool,
    #[arg(long)]
    json: bool,
}

impl Redrive {
    pub async fn run(self, config: &Config) -> Ended {
        let (party, _) = cli::party(config, &self.of.party)?;
        let so_far = DoneSoFar::default();
        let summary = if self.dry_run {
            self.put_back(config, &so_far).await?
        } else {
            let database = LedgerChoice::of_party(config, &party)?.change().await?;
            let deed = self.of.deed("dead redrive", &party);
            trail::recorded_in_steps(&database, deed, &so_far, async {
                let summary = self.put_back(config, &so_far).await?;
                let outcome = format!("done: {}", summary.counts());
                Ok((summary, outcome))
            })
            .await?
        };
        self.tell(&summary)?;
        if summary.is_uncounted {
            eprintln!("what they were answered is not known: set amqp.user to what the broker calls Purser");
        }
        Ok(true)
    }

    async fn put_back(&self, config: &Config, so_far: &DoneSoFar) -> Result<Redriven, CommandFailure> {
        let (party, mut queue) = self.of.open(config).await?;
        unless_lost(queue.lost(), async {
            let progress = output::progress_bar(queue.count().await?, "letters");
            let mut tell = |summary: &Redriven| {
                so_far.tell(summary.counts());
                progress.set_position(summary.put_back);
            };
            let choice = Choice::of(self.of.filter.letters());
            let summary = redrive(&mut queue, &party, choice, self.dry_run, &mut tell).await?;
            progress.finish_and_clear();
            queue.release().await?;
            Ok(summary)
        })
        .await
    }

    fn tell(&self, summary: &Redriven) -> Ended {
        let answered: u64 = summary.answered.values().sum();
        let unanswered = if self.dry_run { 0 } else { summary.put_back.saturating_sub(answered) };
        if self.json {
            output::json(&json!({
                "redriven": summary.put_back, "homeless": summary.homeless, "dry_run": self.dry_run,
                "answered": summary.answered, "unanswered": unanswered,
            }))?;
            return Ok(true);
        }
        let verb = if self.dry_run { "would be put back" } else { "put back" };
        output::line(&format!("{} dead letters {verb}", summary.put_back))?;
        for (code, count) in &summary.answered {
            output::line(&format!("  {count} answered {code}"))?;
        }
        if unanswered > 0 {
            output::line(&format!("  {unanswered} not answered yet (is `purser serve` running?)"))?;
        }
        if summary.homeless > 0 {
            let homeless = summary.homeless;
            output::line(&format!(
                "  {homeless} left where they are: unreadable, or no requests to the queue that they came from"
            ))?;
        }
        Ok(true)
    }
}
