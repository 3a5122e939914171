//! Dead letters go back to their queues, and what they are answered is told; or they are dropped.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Connection, Consumer};
use serde_json::Value;

use super::choice::Choice;
use super::dead::{DeadError, DeadLetter, DeadQueue};
use super::topology::short;
use crate::dialects::egpp::Operation;
use crate::ledger::Party;

/// How long the next answer is waited for before the rest counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

/// Letters put back together: one confirm is waited for as long as many.
const BATCH: usize = 256;

/// What became of letters that were to go back.
#[derive(Debug, Clone, Default)]
pub struct Redriven {
    pub put_back: u64,
    /// They do not say where they came from, or were no requests to that queue.
    pub homeless: u64,
    /// Answers, by code.
    pub answered: BTreeMap<String, u64>,
    /// Whether nobody can tell what they were answered.
    pub is_uncounted: bool,
}

/// The letters that a pass is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Bets,
    Others,
}

/// One redrive: what is meant, what came of it, and who is told.
struct Redriving<'a> {
    choice: Choice,
    is_dry: bool,
    summary: Redriven,
    copy_to: ShortString,
    answers: Consumer,
    tell: &'a mut (dyn FnMut(&Redriven) + Send),
}

/// Puts letters back. One leaves the dead letters when the broker has it back in its queue. Killed in between, it is in
/// both; put back twice, it is answered twice alike, and moves nothing the second time. Dry, nothing is put back, and
/// only counted.
pub async fn redrive(
    queue: &mut DeadQueue,
    party: &Party,
    choice: Choice,
    is_dry: bool,
    tell: &mut (dyn FnMut(&Redriven) + Send),
) -> Result<Redriven, DeadError> {
    let (copy_to, answers) = listen(queue.connection(), party).await?;
    let waiting = queue.count().await?;
    let mut redriving = Redriving { choice, is_dry, summary: Redriven::default(), copy_to, answers, tell };
    if is_dry {
        redriving.pass(queue, (waiting, Which::All)).await?;
        return Ok(redriving.summary);
    }
    // A result or cancel waits for what lies in the queue of bets, and not for what lies here.
    redriving.pass(queue, (waiting, Which::Bets)).await?;
    queue.begin_again().await?;
    // Bets that died again stand among the others by now; they are passed over.
    let left = queue.count().await?.max(waiting.saturating_sub(redriving.summary.put_back));
    redriving.pass(queue, (left, Which::Others)).await?;
    if queue.may_have_copies() {
        redriving.listen().await;
    }
    redriving.summary.is_uncounted = !queue.may_have_copies();
    Ok(redriving.summary)
}

/// Takes letters out for good; dry, counts them. Tells how many were meant, as it goes, and returns that with how many were
/// looked at.
pub(crate) async fn drop_letters(
    queue: &mut DeadQueue,
    mut choice: Choice,
    is_dry: bool,
    tell: &mut (dyn FnMut(u64) + Send),
) -> Result<(u64, u64), DeadError> {
    let waiting = queue.count().await?;
    let mut dropped = 0_u64;
    for _ in 0..waiting {
        let Some(letter) = queue.next().await? else { break };
        if choice.takes(&letter) {
            if !is_dry {
                queue.drop_letter(&letter).await?;
                choice.took(&letter);
            }
            dropped += 1;
            tell(dropped);
        }
    }
    Ok((dropped, waiting))
}

impl Redriving<'_> {
    /// Goes through so many letters and puts back those that are meant.
    async fn pass(&mut self, queue: &mut DeadQueue, (letters, which): (u64, Which)) -> Result<(), DeadError> {
        let mut batch = Vec::with_capacity(BATCH);
        for _ in 0..letters {
            let Some(letter) = queue.next().await? else { break };
            if !self.choice.takes(&letter) {
                continue;
            }
            let Some(home) = queue.home(&letter) else {
                self.summary.homeless += u64::from(which != Which::Bets);
                continue;
            };
            let is_bet = home.ends_with(Operation::OrderBet.name());
            if which != Which::All && is_bet != (which == Which::Bets) {
                continue;
            }
            if self.is_dry {
                self.summary.put_back += 1;
                (self.tell)(&self.summary);
                continue;
            }
            self.choice.took(&letter);
            batch.push((letter, home));
            if batch.len() == BATCH {
                self.put_back(queue, std::mem::take(&mut batch)).await?;
                // What has come meanwhile is not left to pile up.
                while let Some(Some(Ok(answer))) = self.answers.next().now_or_never() {
                    self.summary.take(&answer);
                }
            }
        }
        self.put_back(queue, batch).await
    }

    /// Letters count once the broker has them back.
    async fn put_back(&mut self, queue: &mut DeadQueue, batch: Vec<(DeadLetter, String)>) -> Result<(), DeadError> {
        let mut letters = 0;
        let ended = queue.put_back(batch, self.copy_to.as_str(), &mut letters).await;
        self.summary.put_back += letters;
        if letters > 0 {
            (self.tell)(&self.summary);
        }
        ended
    }

    async fn listen(&mut self) {
        while self.summary.answered.values().sum::<u64>() < self.summary.put_back {
            let Ok(Some(Ok(answer))) = tokio::time::timeout(PATIENCE, self.answers.next()).await else { return };
            self.summary.take(&answer);
            (self.tell)(&self.summary);
        }
    }
}

impl Redriven {
    /// For the trail.
    pub fn counts(&self) -> String {
        format!("{} put back, answered {:?}", self.put_back, self.answered)
    }

    fn take(&mut self, answer: &Delivery) {
        let body: Value = serde_json::from_slice(&answer.data).unwrap_or_default();
        // A balance has no code: it is an answer of 200.
        let code = body["code"].as_str().unwrap_or("200").to_owned();
        *self.answered.entry(code).or_default() += 1;
    }
}

/// A queue of our own that copies of the answers go to; it goes away with the connection.
async fn listen(connection: &Connection, party: &Party) -> Result<(ShortString, Consumer), DeadError> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    // Purser's permissions may end with names that begin like this one.
    let name = short(&format!("v1.0.{party}.redrive.{}", uuid::Uuid::new_v4()));
    channel.queue_declare(name.clone(), options, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(name.clone(), "purser-redrive".into(), options, FieldTable::default()).await?;
    Ok((name, consumer))
}
