//! `purser dead redrive`: dead letters go back to their queues, and what they are answered is told.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use futures_util::{FutureExt, StreamExt};
use indicatif::ProgressBar;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Connection, Consumer};
use serde_json::{Value, json};

use super::{Of, output};
use crate::app;
use crate::cli::{self, Ended, Failure, trail};
use crate::config::Config;
use crate::dialects::egpp::Operation;
use crate::ledger::Party;
use crate::transport::amqp::dead::DeadQueue;
use crate::transport::amqp::topology::short;

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

/// Where copies of the answers come, and what people see meanwhile.
struct Listening {
    copy_to: ShortString,
    answers: Consumer,
    progress: ProgressBar,
}

/// The letters that a pass is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Bets,
    Others,
}

/// What became of the letters.
#[derive(Default)]
struct Summary {
    redriven: u64,
    /// They do not say where they came from, or were no requests to that queue.
    homeless: u64,
    /// Answers, by code.
    answered: BTreeMap<String, u64>,
    /// Whether nobody can tell what they were answered.
    is_uncounted: bool,
}

impl Redrive {
    /// A letter leaves the dead letters when the broker has it back in its queue. Killed in between, it is in both;
    /// put back twice, it is answered twice alike, and moves nothing the second time.
    pub async fn run(self, config: &Config) -> Ended {
        let (party, _) = cli::party(config, &self.of.party)?;
        let summary = if self.dry_run {
            self.put_back(config).await?
        } else {
            let database = app::database(config);
            database.migrate().await?;
            let deed = self.of.deed("dead redrive", &party);
            trail::recorded(&database, deed, async {
                let summary = self.put_back(config).await?;
                let outcome = format!("done: {} put back, answered {:?}", summary.redriven, summary.answered);
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

    async fn put_back(&self, config: &Config) -> Result<Summary, Failure> {
        let (party, mut queue) = self.of.open(config).await?;
        let (copy_to, answers) = listen(queue.connection(), &party).await?;
        let waiting = queue.count().await?;
        let mut listening = Listening { copy_to, answers, progress: output::progress_bar(waiting, "letters") };
        let mut summary = Summary::default();
        if self.dry_run {
            self.pass(&mut queue, (waiting, Which::All), &mut listening, &mut summary).await?;
        } else {
            // A result or cancel waits for what lies in the queue of bets, and not for what lies here.
            self.pass(&mut queue, (waiting, Which::Bets), &mut listening, &mut summary).await?;
            queue.begin_again().await?;
            // Bets that died again stand among the others by now; they are passed over.
            let left = queue.count().await?.max(waiting.saturating_sub(summary.redriven));
            self.pass(&mut queue, (left, Which::Others), &mut listening, &mut summary).await?;
        }
        listening.progress.finish_and_clear();
        if !self.dry_run && queue.may_have_copies() {
            summary.listen(&mut listening.answers).await;
        }
        summary.is_uncounted = !self.dry_run && !queue.may_have_copies();
        queue.release().await?;
        Ok(summary)
    }

    /// Goes through so many letters and puts back those that are meant.
    async fn pass(
        &self,
        queue: &mut DeadQueue,
        (letters, which): (u64, Which),
        listening: &mut Listening,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let mut batch = Vec::with_capacity(BATCH);
        for _ in 0..letters {
            let Some(letter) = queue.next().await? else { break };
            if !self.of.filter.takes(&letter) {
                continue;
            }
            let Some(home) = queue.home(&letter) else {
                summary.homeless += u64::from(which != Which::Bets);
                continue;
            };
            let is_bet = home.ends_with(Operation::OrderBet.name());
            if which != Which::All && is_bet != (which == Which::Bets) {
                continue;
            }
            summary.redriven += 1;
            listening.progress.inc(1);
            if !self.dry_run {
                batch.push((letter, home));
            }
            if batch.len() == BATCH {
                queue.put_back(std::mem::take(&mut batch), listening.copy_to.as_str()).await?;
                // What has come meanwhile is not left to pile up.
                while let Some(Some(Ok(answer))) = listening.answers.next().now_or_never() {
                    summary.take(&answer);
                }
            }
        }
        Ok(queue.put_back(batch, listening.copy_to.as_str()).await?)
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
            output::line(&format!(
                "  {homeless} left where they are: unreadable, or no requests to the queue that they came from"
            ))?;
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
async fn listen(connection: &Connection, party: &Party) -> Result<(ShortString, Consumer), Failure> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    // Purser's permissions may end with names that begin like this one.
    let name = short(&format!("v1.0.{party}.redrive.{}", uuid::Uuid::new_v4()));
    channel.queue_declare(name.clone(), options, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(name.clone(), "purser-redrive".into(), options, FieldTable::default()).await?;
    Ok((name, consumer))
}
