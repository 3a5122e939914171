//! `purser dead redrive`: dead letters go back to their queues, and what they are answered is told.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Connection, Consumer};
use serde_json::{Value, json};

use super::{Of, output};
use crate::cli::{Ended, Failure};
use crate::config::Config;

/// How long the next answer is waited for before the rest counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

/// Letters put back together: one confirm is waited for as long as many.
const BATCH: usize = 256;

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

/// What became of the letters.
#[derive(Default)]
struct Summary {
    redriven: u64,
    /// They do not say where they came from.
    homeless: u64,
    /// Answers, by code.
    answered: BTreeMap<String, u64>,
}

impl Redrive {
    /// A letter leaves the dead letters when the broker has it back in its queue. Killed in between, it is in both;
    /// put back twice, it is answered twice alike, and moves nothing the second time.
    pub async fn run(self, config: &Config) -> Ended {
        let (_, mut queue) = self.of.open(config).await?;
        let (copy_to, mut answers) = listen(queue.connection()).await?;
        let waiting = queue.count().await?;
        let progress = output::progress_bar(waiting, "letters");
        let (mut summary, mut batch) = (Summary::default(), Vec::with_capacity(BATCH));
        for _ in 0..waiting {
            let Some(letter) = queue.next().await? else { break };
            progress.inc(1);
            if !self.of.filter.takes(&letter) {
                continue;
            }
            let Some(home) = queue.home(&letter) else {
                summary.homeless += 1;
                continue;
            };
            summary.redriven += 1;
            if !self.dry_run {
                batch.push((letter, home));
            }
            if batch.len() == BATCH {
                queue.put_back(std::mem::take(&mut batch), copy_to.as_str()).await?;
                // What has come meanwhile is not left to pile up.
                while let Some(Some(Ok(answer))) = answers.next().now_or_never() {
                    summary.take(&answer);
                }
            }
        }
        queue.put_back(batch, copy_to.as_str()).await?;
        progress.finish_and_clear();
        if !self.dry_run {
            summary.listen(&mut answers).await;
        }
        queue.release().await?;
        self.tell(&summary)
    }

    fn tell(&self, summary: &Summary) -> Ended {
        let answered: u64 = summary.answered.values().sum();
        let unanswered = if self.dry_run { 0 } else { summary.redriven.saturating_sub(answered) };
        if self.json {
            output::json(&json!({
                "redriven": summary.redriven, "homeless": summary.homeless, "dry_run": self.dry_run,
                "answered": summary.answered, "unanswered": unanswered,
            }))?;
            return Ok(true);
        }
        let verb = if self.dry_run { "would be put back" } else { "put back" };
        output::line(&format!("{} dead letters {verb}", summary.redriven))?;
        for (code, count) in &summary.answered {
            output::line(&format!("  {count} answered {code}"))?;
        }
        if unanswered > 0 {
            output::line(&format!("  {unanswered} not answered yet (is `purser serve` running?)"))?;
        }
        if summary.homeless > 0 {
            let homeless = summary.homeless;
            output::line(&format!("  {homeless} left where they are: they do not say which queue they came from"))?;
        }
        Ok(true)
    }
}

impl Summary {
    async fn listen(&mut self, answers: &mut Consumer) {
        while self.answered.values().sum::<u64>() < self.redriven {
            let Ok(Some(Ok(answer))) = tokio::time::timeout(PATIENCE, answers.next()).await else { return };
            self.take(&answer);
        }
    }

    fn take(&mut self, answer: &Delivery) {
        let body: Value = serde_json::from_slice(&answer.data).unwrap_or_default();
        // A balance has no code: it is an answer of 200.
        let code = body["code"].as_str().unwrap_or("200").to_owned();
        *self.answered.entry(code).or_default() += 1;
    }
}

/// A queue of our own that copies of the answers go to; it goes away with the connection.
async fn listen(connection: &Connection) -> Result<(ShortString, Consumer), Failure> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(ShortString::default(), options, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let name = queue.name().clone();
    let consumer = channel.basic_consume(name.clone(), "purser-redrive".into(), options, FieldTable::default()).await?;
    Ok((name, consumer))
}
