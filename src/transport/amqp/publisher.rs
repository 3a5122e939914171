//! Replies, confirms, acks: in this order, and a batch at a time.
//!
//! Everything that has been answered meanwhile is published at once, confirmed as a batch and then acked; while one
//! batch waits for its confirms the next is being published. A reply is confirmed *before* its request is acked, so a
//! crash between the two repeats the reply instead of losing it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, PublisherConfirm};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::message::{self, Died, Publication};
use super::subscriber::{Answered, Queue, Verdict};
use super::topology;
use crate::clock;
use crate::dialects::egpp::status;
use crate::metrics;
use crate::sequencer::Answer;

/// Answers published together at the most.
const MAX_BATCH: usize = 512;

/// Batches that wait for their confirms at the same time. One would leave the broker idle between batches; many
/// would only delay acks.
const MAX_UNCONFIRMED_BATCHES: usize = 4;

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    #[error("a dead letter could not be routed: the queue behind exchange v1.0.dead is gone")]
    DeadLetterUnroutable,
    #[error("confirming replies ended unexpectedly: {0}")]
    Ended(#[from] tokio::task::JoinError),
}

/// Publishes until every sender of answers is gone, then waits for the last confirms.
pub async fn run(channel: Channel, mut answers: mpsc::UnboundedReceiver<Answered>) -> Result<(), PublishError> {
    let slots = Arc::new(Semaphore::new(MAX_UNCONFIRMED_BATCHES));
    let mut confirming = JoinSet::new();
    let mut batch = Vec::with_capacity(MAX_BATCH);
    loop {
        tokio::select! {
            taken = answers.recv_many(&mut batch, MAX_BATCH) => {
                if taken == 0 {
                    break;
                }
                let slot = Arc::clone(&slots).acquire_owned().await;
                let published = publish(&channel, std::mem::take(&mut batch)).await?;
                confirming.spawn(async move {
                    let _slot = slot;
                    conclude(published).await
                });
            }
            Some(concluded) = confirming.join_next() => concluded??,
        }
    }
    while let Some(concluded) = confirming.join_next().await {
        concluded??;
    }
    Ok(())
}

/// A delivery whose reply, and dead letter where there is one, are on their way.
struct Published {
    queue: Arc<Queue>,
    tag: u64,
    correlation: String,
    code: &'static str,
    reply: PublisherConfirm,
    copy: Option<PublisherConfirm>,
    dead_letter: Option<PublisherConfirm>,
}

/// Starts every publish of the batch before waiting for any: each one waits for the socket.
async fn publish(channel: &Channel, batch: Vec<Answered>) -> lapin::Result<Vec<Published>> {
    try_join_all(batch.into_iter().map(|answered| publish_one(channel, answered))).await
}

async fn publish_one(channel: &Channel, answered: Answered) -> lapin::Result<Published> {
    let (code, reply, dead_letter) = publications(&answered);
    let Answered { queue, delivery, .. } = answered;
    let dead_letter = match dead_letter {
        Some(publication) => Some(send(channel, publication).await?),
        None => None,
    };
    let copy = match message::copy(&delivery, &reply) {
        Some(publication) => Some(send(channel, publication).await?),
        None => None,
    };
    let reply = send(channel, reply).await?;
    let correlation = message::correlation(&delivery.properties).map(|id| id.as_str().to_owned()).unwrap_or_default();
    Ok(Published { queue, tag: delivery.delivery_tag, correlation, code, reply, copy, dead_letter })
}

/// What an answered delivery becomes.
fn publications(answered: &Answered) -> (&'static str, Publication, Option<Publication>) {
    let Answered { queue, delivery, verdict } = answered;
    let (party, operation) = (&queue.desk.rules.party, queue.operation);
    let (reply, parked) = match verdict {
        Verdict::Answer(Answer::Decided { outcome, .. }) => (status::of_outcome(*outcome), None),
        Verdict::Answer(Answer::Failed) => {
            (status::of_fault(), Some(("fault", "the ledger could not apply this command; see the log")))
        }
        Verdict::Balance(question, balance) => (status::of_balance(question, *balance), None),
        Verdict::Denied(reply) => (reply.clone(), None),
        Verdict::Malformed(why, reply) => (reply.clone(), Some(("malformed", why.as_str()))),
    };
    let dead_letter = parked.map(|(reason, error)| {
        metrics::dead_lettered(party.as_str(), reason);
        let at = clock::now().0.div_euclid(1_000_000);
        message::dead_letter(delivery, (party, operation), Died { reason, error, at })
    });
    (reply.code, message::reply(delivery, party, operation, reply), dead_letter)
}

async fn send(channel: &Channel, publication: Publication) -> lapin::Result<PublisherConfirm> {
    let Publication { exchange, routing_key, body, properties } = publication;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    channel.basic_publish(exchange, routing_key, options, &body, properties).await
}

/// Waits for a batch's confirms, then acks what they cover.
async fn conclude(batch: Vec<Published>) -> Result<(), PublishError> {
    let mut done: Vec<Done> = Vec::new();
    for published in batch {
        if let Some(confirm) = published.dead_letter {
            is_kept(&confirm.await?, Publishing::DeadLetter)?;
        }
        if let Some(copy) = published.copy {
            // Whoever wanted it may be gone by now.
            is_kept(&copy.await?, Publishing::Reply)?;
        }
        if !is_kept(&published.reply.await?, Publishing::Reply)? {
            let party = published.queue.desk.rules.party.as_str();
            metrics::unroutable(party, 1);
            tracing::warn!(
                party,
                operation = published.queue.operation.name(),
                correlation_id = published.correlation,
                "a reply could not be routed; the provider can ask again with the same message"
            );
        }
        let of_queue = match done.iter_mut().find(|done| Arc::ptr_eq(&done.queue, &published.queue)) {
            Some(of_queue) => of_queue,
            None => done.push_mut(Done { queue: published.queue, tags: Vec::new(), codes: BTreeMap::new() }),
        };
        of_queue.tags.push(published.tag);
        *of_queue.codes.entry(published.code).or_default() += 1;
    }
    let acked = join_all(done.into_iter().map(ack)).await;
    acked.into_iter().collect::<lapin::Result<()>>()?;
    Ok(())
}

/// One queue's share of a batch.
struct Done {
    queue: Arc<Queue>,
    tags: Vec<u64>,
    codes: BTreeMap<&'static str, u64>,
}

async fn ack(done: Done) -> lapin::Result<()> {
    let Done { queue, tags, codes } = done;
    for (code, count) in codes {
        metrics::answered(queue.desk.rules.party.as_str(), queue.operation.name(), code, count);
    }
    queue.done(tags).await
}

/// What a confirm was waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Publishing {
    Reply,
    DeadLetter,
}

/// Whether the broker has the message in a queue: acked, and not returned. An error where a dead letter is in none.
///
/// lapin hands a message that comes back to whichever confirm of the channel is next, so what came back is looked at: a
/// reply that nobody wants must not pass for a dead letter that is lost, nor the other way round.
fn is_kept(confirmation: &Confirmation, publishing: Publishing) -> Result<bool, PublishError> {
    let (acked, returned) = match confirmation {
        Confirmation::Ack(returned) => (true, returned),
        Confirmation::Nack(returned) => (false, returned),
        Confirmation::NotRequested => (false, &None),
    };
    let is_lost = returned.as_ref().is_some_and(|message| message.delivery.exchange.as_str() == topology::DEAD);
    match publishing {
        _ if is_lost => Err(PublishError::DeadLetterUnroutable),
        Publishing::DeadLetter if !acked => Err(PublishError::DeadLetterUnroutable),
        Publishing::DeadLetter => Ok(true),
        Publishing::Reply => Ok(acked && returned.is_none()),
    }
}
