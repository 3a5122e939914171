//! Replies, confirms, acks: in this order, and a batch at a time.
//!
//! Everything that has been answered meanwhile is published at once, confirmed as a batch and then acked; while one
//! batch waits for its confirms the next is being published. A reply is confirmed *before* its request is acked, so a
//! crash between the two repeats the reply instead of losing it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, PublisherConfirm};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant as Deadline, timeout_at};
use tracing::Span;

use super::admission::Unfit;
use super::direct::{self, DirectReplies};
use super::message::{self, Died, MISROUTED, Publication, UNREADABLE};
use super::subscriber::{AnsweredDelivery, DeliveryAnswer, SubscribedQueue};
use super::unroutable::Unroutable;
use super::{topology, watch};
use crate::clock;
use crate::dialects::egpp::{EgppReply, status};
use crate::metrics;
use crate::redaction::without_tokens;
use crate::telemetry::MessageTrace;
use crate::wallet::Answer;

/// Answers published together at the most.
const MAX_BATCH: usize = 512;

/// Batches that wait for their confirms at the same time. One would leave the broker idle between batches; many
/// would only delay acks.
const MAX_UNCONFIRMED_BATCHES: usize = 4;

/// How long a batch keeps its place while something of it is not confirmed. A reply queue that confirms nothing, its quorum
/// being lost, would else fill all places and keep the party's other replies waiting for as long.
const PLACE_PATIENCE: Duration = Duration::from_secs(1);

/// Correlation ids that a line of the log names, of messages that are no requests.
const MAX_NAMED: usize = 5;

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
pub async fn run(
    channel: Channel,
    direct: DirectReplies,
    mut answers: mpsc::UnboundedReceiver<AnsweredDelivery>,
) -> Result<(), PublishError> {
    let slots = Arc::new(Semaphore::new(MAX_UNCONFIRMED_BATCHES));
    let mut confirming = JoinSet::new();
    // As many as there are deliveries at the most: the prefetch bounds them.
    let (to_direct, directly) = mpsc::unbounded_channel();
    confirming.spawn(direct.run(channel.clone(), directly));
    let mut batch = Vec::with_capacity(MAX_BATCH);
    loop {
        tokio::select! {
            taken = answers.recv_many(&mut batch, MAX_BATCH) => {
                if taken == 0 {
                    break;
                }
                let (directly, others): (Vec<_>, Vec<_>) =
                    batch.drain(..).map(prepare).partition(PreparedReply::is_direct);
                for prepared in directly {
                    // It ends before this only with an error, which comes out below.
                    drop(to_direct.send(prepared));
                }
                let slot = Arc::clone(&slots).acquire_owned().await;
                let published = publish(&channel, others).await?;
                confirming.spawn(async move {
                    let late = conclude_in_time(published).await?;
                    drop(slot);
                    conclude(late).await
                });
            }
            Some(concluded) = confirming.join_next() => concluded??,
        }
    }
    drop(to_direct);
    while let Some(concluded) = confirming.join_next().await {
        concluded??;
    }
    Ok(())
}

/// What an answered delivery becomes.
pub(super) struct PreparedReply {
    pub request: AnsweredRequest,
    pub reply: Option<Publication>,
    copy: Option<Publication>,
    dead_letter: Option<Publication>,
}

/// What is kept of a delivery until it is acked.
pub(super) struct AnsweredRequest {
    pub queue: Arc<SubscribedQueue>,
    pub tag: u64,
    received: Instant,
    correlation: String,
    told: DeliveryOutcome,
    trace: Option<Arc<MessageTrace>>,
    span: Span,
}

/// What is counted and logged of a delivery.
#[derive(Debug, Clone, Copy)]
enum DeliveryOutcome {
    Answered(&'static str),
    Silent,
    Unfit(Unfit),
}

impl DeliveryOutcome {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Answered(code) => Some(code),
            Self::Silent | Self::Unfit(_) => None,
        }
    }
}

impl PreparedReply {
    fn is_direct(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| direct::is_direct(reply.routing_key.as_str()))
    }
}

/// A delivery whose reply, and dead letter where there is one, are on their way.
pub(super) struct Published {
    request: AnsweredRequest,
    reply: Option<PublisherConfirm>,
    copy: Option<PublisherConfirm>,
    dead_letter: Option<PublisherConfirm>,
    /// The confirm of a reply that no queue took.
    untaken: Option<Confirmation>,
}

impl Published {
    /// Waits for its confirms. Dropped and begun again, it goes on where it was.
    async fn confirmed(&mut self) -> Result<(), PublishError> {
        if let Some(confirm) = &mut self.dead_letter {
            is_kept(&confirm.await?, Publishing::DeadLetter)?;
            self.dead_letter = None;
        }
        if let Some(copy) = &mut self.copy {
            // Whoever wanted it may be gone by now.
            is_kept(&copy.await?, Publishing::Reply)?;
            self.copy = None;
        }
        if let Some(reply) = &mut self.reply {
            let confirmation = reply.await?;
            self.reply = None;
            self.untaken = (!is_kept(&confirmation, Publishing::Reply)?).then_some(confirmation);
        }
        Ok(())
    }
}

fn prepare(answered: AnsweredDelivery) -> PreparedReply {
    let (told, reply, parked) = fate(&answered);
    let AnsweredDelivery { queue, delivery, received, trace, span, .. } = answered;
    let (place, admission) = ((&queue.handler.rules.party, queue.operation), &queue.admission);
    let reply = reply.map(|reply| traced(message::reply(&delivery, place, admission, reply), trace.as_deref()));
    let copy = reply.as_ref().and_then(|reply| message::copy(&delivery, admission, reply));
    let reply = match queue.watch.as_ref().and_then(|watch| watch.watcher()) {
        Some(watcher) => Some(watch::handed_over(watcher, &delivery, reply, parked.as_ref())),
        None => reply,
    };
    let dead_letter = parked.map(|(reason, error)| {
        metrics::dead_lettered(queue.handler.rules.party.as_str(), reason);
        let (at, frame_max) = (clock::now().0.div_euclid(1_000_000), queue.frame_max);
        message::dead_letter(&delivery, place, admission, Died { reason, error: &error, at, frame_max })
    });
    let correlation = message::correlation(&delivery.properties).map(|id| id.as_str().to_owned()).unwrap_or_default();
    let request = AnsweredRequest { tag: delivery.delivery_tag, received, correlation, told, trace, span, queue };
    PreparedReply { request, reply, copy, dead_letter }
}

/// A reply whose `traceparent` is its own span's, where the request is traced; else it has the request's.
fn traced(reply: Publication, trace: Option<&MessageTrace>) -> Publication {
    let Some(trace) = trace else { return reply };
    let traceparent = trace.reply(reply.exchange.as_str(), reply.routing_key.as_str());
    Publication { properties: reply.properties.with_headers(message::traced(&traceparent)), ..reply }
}

/// A dead letter's reason, and what exactly.
pub(super) type Parked = (&'static str, String);

fn fate(answered: &AnsweredDelivery) -> (DeliveryOutcome, Option<EgppReply>, Option<Parked>) {
    let reply = match &answered.answer {
        DeliveryAnswer::Answer(Answer::Decided { outcome, .. }) => status::of_outcome(*outcome),
        DeliveryAnswer::Answer(Answer::Failed) => status::of_fault(),
        DeliveryAnswer::Balance(question, balance) => status::of_balance(question, *balance),
        DeliveryAnswer::Denied(reply) | DeliveryAnswer::Malformed(_, reply) => reply.clone(),
        DeliveryAnswer::Staged(staged) => {
            let parked = staged.dead_letter().map(|(reason, error)| (reason, error.to_owned()));
            let reply = staged.reply();
            return (
                reply.as_ref().map_or(DeliveryOutcome::Silent, |reply| DeliveryOutcome::Answered(reply.code)),
                reply,
                parked,
            );
        }
        DeliveryAnswer::Unfit(unfit) => return (DeliveryOutcome::Unfit(*unfit), None, parked_unfit(*unfit)),
    };
    let parked = match &answered.answer {
        DeliveryAnswer::Answer(Answer::Failed) => {
            Some(("fault", "the ledger could not apply this command; see the log".to_owned()))
        }
        DeliveryAnswer::Malformed(why, _) => Some(("malformed", why.clone())),
        _ => None,
    };
    (DeliveryOutcome::Answered(reply.code), Some(reply), parked)
}

fn parked_unfit(unfit: Unfit) -> Option<Parked> {
    match unfit {
        Unfit::Echo => None,
        Unfit::Misrouted(_) => Some((MISROUTED, unfit.why().to_owned())),
        Unfit::Unreadable => Some((UNREADABLE, unfit.why().to_owned())),
    }
}

/// Starts every publish of the batch before waiting for any: each one waits for the socket.
async fn publish(channel: &Channel, batch: Vec<PreparedReply>) -> lapin::Result<Vec<Published>> {
    try_join_all(batch.into_iter().map(|prepared| publish_one(channel, prepared))).await
}

pub(super) async fn publish_one(channel: &Channel, prepared: PreparedReply) -> lapin::Result<Published> {
    let PreparedReply { request, reply, copy, dead_letter } = prepared;
    let dead_letter = maybe_send(channel, dead_letter).await?;
    let copy = maybe_send(channel, copy).await?;
    let reply = maybe_send(channel, reply).await?;
    Ok(Published { request, reply, copy, dead_letter, untaken: None })
}

async fn maybe_send(channel: &Channel, publication: Option<Publication>) -> lapin::Result<Option<PublisherConfirm>> {
    match publication {
        Some(publication) => send(channel, publication).await.map(Some),
        None => Ok(None),
    }
}

async fn send(channel: &Channel, publication: Publication) -> lapin::Result<PublisherConfirm> {
    let Publication { exchange, routing_key, body, properties } = publication;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    channel.basic_publish(exchange, routing_key, options, &body, properties).await
}

/// Waits for all of a batch's confirms, and acks what they cover as they come.
pub(super) async fn conclude(mut batch: Vec<Published>) -> Result<(), PublishError> {
    while !batch.is_empty() {
        batch = conclude_in_time(batch).await?;
    }
    Ok(())
}

/// Waits for a batch's confirms, but not for long, and acks what they cover. The rest is returned.
pub(super) async fn conclude_in_time(batch: Vec<Published>) -> Result<Vec<Published>, PublishError> {
    let deadline = Deadline::now() + PLACE_PATIENCE;
    let (mut confirmed, mut late) = (Vec::with_capacity(batch.len()), Vec::new());
    for mut published in batch {
        // What is there is taken, however late it is.
        match timeout_at(deadline, published.confirmed()).await {
            Ok(ended) => {
                ended?;
                confirmed.push(published);
            }
            Err(_) => late.push(published),
        }
    }
    ack_confirmed(confirmed).await?;
    Ok(late)
}

async fn ack_confirmed(batch: Vec<Published>) -> Result<(), PublishError> {
    let mut shares: Vec<QueueShare> = Vec::new();
    let mut unroutable = Unroutable::default();
    for Published { request, untaken, .. } in batch {
        if let Some(confirmation) = &untaken {
            unroutable.add(&request.queue, &request.correlation, confirmation);
        }
        let AnsweredRequest { queue, tag, received, correlation, told, trace, span } = request;
        let of_queue = match shares.iter_mut().find(|share| Arc::ptr_eq(&share.queue, &queue)) {
            Some(of_queue) => of_queue,
            None => shares.push_mut(QueueShare::of(queue)),
        };
        of_queue.tags.push(tag);
        trace.iter().for_each(|trace| trace.end(told.code()));
        match told {
            DeliveryOutcome::Silent => {}
            DeliveryOutcome::Answered(code) => {
                span.in_scope(|| tracing::debug!(code, "answered"));
                of_queue.queue.times.answered(received.elapsed());
                *of_queue.codes.entry(code).or_default() += 1;
            }
            DeliveryOutcome::Unfit(unfit) => of_queue.unfit.entry(unfit).or_default().add(&correlation),
        }
    }
    unroutable.tell();
    let acked = join_all(shares.into_iter().map(ack)).await;
    acked.into_iter().collect::<lapin::Result<()>>()?;
    Ok(())
}

/// One queue's share of a batch.
struct QueueShare {
    queue: Arc<SubscribedQueue>,
    tags: Vec<u64>,
    codes: BTreeMap<&'static str, u64>,
    unfit: BTreeMap<Unfit, Several>,
}

impl QueueShare {
    fn of(queue: Arc<SubscribedQueue>) -> Self {
        Self { queue, tags: Vec::new(), codes: BTreeMap::new(), unfit: BTreeMap::new() }
    }

    /// A line for each kind of message that is no request, however many there are.
    fn tell(&self) {
        let (party, operation) = (self.queue.handler.rules.party.as_str(), self.queue.operation.name());
        for (code, count) in &self.codes {
            metrics::answered(party, operation, code, *count);
        }
        for (unfit, of_kind) in &self.unfit {
            metrics::unfit(party, unfit.name(), of_kind.count);
            tracing::warn!(
                party,
                operation,
                messages = of_kind.count,
                correlation_ids = ?of_kind.first,
                why = unfit.why(),
                "messages that are no requests to this queue; they move nothing and are not answered"
            );
        }
    }
}

/// How many of a kind, and the first few by name.
#[derive(Default)]
struct Several {
    count: u64,
    first: Vec<String>,
}

impl Several {
    fn add(&mut self, correlation: &str) {
        self.count += 1;
        if self.first.len() < MAX_NAMED {
            self.first.push(without_tokens(correlation));
        }
    }
}

async fn ack(share: QueueShare) -> lapin::Result<()> {
    share.tell();
    share.queue.done(share.tags).await
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
