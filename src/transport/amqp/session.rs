//! One connection's life: declare, consume, publish, until something breaks or the program drains.
//!
//! Each party has a connection of its own. Whatever its provider does to it, by messages that no client can read or by
//! reply queues that the broker throttles, stays with that party.
//!
//! Any error ends the session as a whole. What was unacked comes again in the next one and is answered from the
//! journal; answers of a dead session are dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::acks::AckTracker;
use super::admission::Admission;
use super::connection::connect_and_mark;
use super::depths;
use super::direct::{DirectReplies, SharedNodes};
use super::legible::Mended;
use super::peers::{Membership, Peers};
use super::publisher;
pub use super::session_error::SessionError;
use super::subscriber::{AnswerSender, SubscribedQueue, Subscriber, Taken};
use super::supervisor::Broker;
use super::tally::BetTally;
use super::topology::{self, Mismatch, short};
use super::watch::ReplyWatch;
use super::{AmqpSettings, topology::request_queue};
use crate::dialects::egpp::{EgppHandler, Operation};
use crate::ledger::Party;
use crate::metrics::QueueTimes;
use crate::telemetry::Spans;
use crate::wallet::{BetBacklogs, CommandSource, Sequencer};

/// How long declaring and subscribing, and closing may each take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long it may take to close a connection on which something has gone wrong: the next one waits for it.
const CLOSING_PATIENCE: Duration = Duration::from_secs(1);

/// How often what the broker does not find is declared again before the session begins without it, and how long after each.
const ABSENT_TRIES: usize = 20;
const ABSENT_PAUSE: Duration = Duration::from_millis(250);

/// After how long a session looks again for what the broker did not find, or what was not as expected.
const ABSENT_PATIENCE: Duration = Duration::from_secs(30);

/// How long the last acks have, once their channels have them, to reach their queues.
const LINGER: Duration = Duration::from_millis(250);

/// How long a session that drains still finds out whether bets are in the queue: where none are, whoever waits is told as
/// ever. Far below any grace of a shutdown, since what waits for a backlog holds the drain up for so long.
const GIVE_BACK_AFTER: Duration = Duration::from_secs(1);

/// Questions to a subscriber that wait for it.
const ASKED_AT_ONCE: usize = 8;

/// Done deliveries that may stay unacked behind one that waits: a share of the prefetch, so that it never fills up.
const HELD_SHARE_OF_PREFETCH: usize = 4;

/// What every session of one party needs.
#[derive(Clone)]
pub struct Context {
    pub settings: AmqpSettings,
    pub handler: Arc<EgppHandler>,
    pub admission: Arc<Admission>,
    /// Where traces go, if anywhere.
    pub spans: Option<Arc<Spans>>,
    /// What is known about direct replies.
    pub direct: SharedNodes,
    /// The source of the party's first queue; the others follow.
    pub first_source: u32,
    /// Room for what each queue has under way, in the order of the operations.
    pub rooms: [Arc<Semaphore>; Operation::ALL.len()],
    pub sequencer: Sequencer,
    /// Where it is told which bets can no longer be in the party's queue.
    pub backlogs: BetBacklogs,
    pub broker: watch::Sender<Broker>,
    /// Turns true when the program drains.
    pub draining: watch::Receiver<bool>,
}

/// Runs one session to its end: `Ok` when the program has drained.
pub async fn run(context: &Context) -> Result<(), SessionError> {
    let (mended, nodes) = (Mended::default(), &context.settings.nodes);
    let (connection, node) = connect_and_mark(&context.settings, Some(mended.clone())).await?;
    let ended = Session { context, connection: &connection, mended }.run().await;
    let patience = if ended.is_ok() { PATIENCE } else { CLOSING_PATIENCE };
    // The broker hands out again at once what a closed connection left unacked. A dead one cannot be closed.
    let _ = tokio::time::timeout(patience, connection.close(200, "bye".into())).await;
    ended.map_err(|error| {
        if !error.is_turned_away() {
            nodes.note_loss(node);
        }
        SessionError::Lost { place: nodes.place(node), error: Box::new(error) }
    })
}

/// A queue, its consumer, and whoever asks its subscriber for what lies ready.
type Subscribed = (Arc<SubscribedQueue>, Consumer, mpsc::Receiver<oneshot::Sender<()>>);

/// A queue that is consumed, and its consumer's tag.
type Consumed = (Arc<SubscribedQueue>, ShortString);

/// What a session begins with.
struct SetUp {
    mismatches: Vec<Mismatch>,
    replies: Channel,
    membership: (Membership, Consumer),
    queues: Vec<Subscribed>,
    watch: Option<Arc<ReplyWatch>>,
}

struct Session<'a> {
    context: &'a Context,
    connection: &'a Connection,
    mended: Mended,
}

impl Session<'_> {
    async fn run(&self) -> Result<(), SessionError> {
        let mut events = Box::pin(self.connection.events_listener());
        // A connection that breaks meanwhile may leave an answer outstanding for ever.
        let turned_away = Arc::new(Notify::new());
        let set_up = tokio::select! {
            set_up = tokio::time::timeout(PATIENCE, self.set_up(&turned_away)) => set_up.map_err(|_| SessionError::Silent)??,
            error = self.broken(&mut events) => return Err(error),
        };
        let SetUp { mismatches, replies, membership: (membership, told), queues, watch } = set_up;
        let bet_queue = request_queue(self.party(), Operation::OrderBet);
        let has_bet_queue = !mismatches.iter().any(|mismatch| mismatch.is_absent && mismatch.name == bet_queue);
        let (answers, answered) = mpsc::unbounded_channel();
        let direct = self.direct_replies();
        let mut publisher = std::pin::pin!(publisher::run(replies, direct, answered));
        let consumed: Vec<_> = queues.iter().map(|(queue, consumer, _)| (Arc::clone(queue), consumer.tag())).collect();
        let mut subscribers = self.start(queues, &answers);
        // Only subscribers and pending answers hold senders now, so the publisher ends when all are answered. A session
        // that has no subscriber goes on all the same, until it looks again.
        let mut idle = consumed.is_empty().then_some(answers);
        let bets = consumed.iter().map(|(queue, _)| queue).find(|queue| queue.operation == Operation::OrderBet);
        let peers =
            Peers::new(membership.clone(), (bets.cloned(), has_bet_queue), self.context.backlogs.clone(), watch);
        let mut peers = std::pin::pin!(peers.run(told));
        let mut depths = std::pin::pin!(depths::watch(self.connection, self.party()));
        let mut changed = std::pin::pin!(self.changed(&mismatches));
        self.context.broker.send_replace(Broker::Connected { mismatches: mismatches.clone() });
        tracing::info!(party = %self.party(), queues = consumed.len(), "subscribed");
        let mut draining = self.context.draining.clone();
        let (mut cancelled, mut give_back_at) = (false, None);
        // Not dropped before the session ends: what is in it is undecided.
        let mut unanswered = Vec::new();
        loop {
            tokio::select! {
                published = &mut publisher => {
                    published?;
                    if !cancelled {
                        // Every consumer is gone, and nothing is left to answer.
                        return Err(SessionError::Cancelled);
                    }
                    // Whoever waits over HTTP is no delivery of this session's, and still wants to know.
                    tokio::select! {
                        ended = &mut peers => ended?,
                        () = self.context.backlogs.settled(self.party()) => {}
                        () = sleep_until(give_back_at.unwrap_or_else(Instant::now)) => {}
                    }
                    self.let_acks_arrive(&consumed).await?;
                    return Ok(membership.left().await?);
                }
                Some(ended) = subscribers.join_next() => {
                    unanswered.push(ended??);
                    if !cancelled {
                        return Err(SessionError::Cancelled);
                    }
                }
                ended = &mut peers => {
                    ended?;
                    return Err(SessionError::Cancelled);
                }
                error = &mut depths => return Err(error.into()),
                Some(event) = events.next() => self.on_event(event)?,
                () = drain_begun(&mut draining), if !cancelled => {
                    cancelled = true;
                    drop(idle.take());
                    membership.leave().await?;
                    cancel(&consumed).await?;
                    give_back_at = Some(Instant::now() + GIVE_BACK_AFTER);
                }
                error = &mut changed, if !cancelled => return Err(error),
                // It comes again in the next session; in this one it would stay unacked for ever.
                () = turned_away.notified(), if !cancelled => return Err(SessionError::TurnedAway),
                // Whoever still waits for bets that are in the queue goes back into his own.
                () = sleep_until(give_back_at.unwrap_or_else(Instant::now)), if give_back_at.is_some() => {
                    give_back_at = None;
                    self.context.backlogs.close(self.party());
                }
            }
        }
    }

    fn direct_replies(&self) -> DirectReplies {
        let Context { settings, direct, .. } = self.context;
        DirectReplies::new(settings.clone(), self.party().clone(), Arc::clone(direct))
    }

    /// Starts a subscriber for each queue.
    fn start(&self, queues: Vec<Subscribed>, answers: &AnswerSender) -> JoinSet<lapin::Result<VecDeque<Taken>>> {
        let mut subscribers = JoinSet::new();
        for (queue, consumer, asked) in queues {
            let (sequencer, answers) = (self.context.sequencer.clone(), answers.clone());
            subscribers.spawn(Subscriber::new(queue, consumer, asked, sequencer, answers).run());
        }
        subscribers
    }

    async fn set_up(&self, turned_away: &Arc<Notify>) -> Result<SetUp, SessionError> {
        let mismatches = self.declare().await?;
        let replies = self.connection.create_channel().await?;
        replies.confirm_select(ConfirmSelectOptions::default()).await?;
        let membership = Membership::join(self.connection, self.party()).await?;
        let watch = self.context.handler.rules.is_sandbox.then(Arc::default);
        let queues = self.subscribe(&mismatches, watch.as_ref(), turned_away).await?;
        Ok(SetUp { mismatches, replies, membership, queues, watch })
    }

    /// Ends once something else is missing or not as expected; looks every now and then where something is.
    async fn changed(&self, known: &[Mismatch]) -> SessionError {
        if known.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(ABSENT_PATIENCE).await;
            match self.are_still(known).await {
                Ok(true) => {}
                Ok(false) => return SessionError::Changed,
                Err(error) => return error,
            }
        }
    }

    /// Whether the same is missing or not as expected, and nothing else.
    async fn are_still(&self, known: &[Mismatch]) -> Result<bool, SessionError> {
        let parties = std::slice::from_ref(self.party());
        let now = topology::declare(self.connection, parties, self.context.settings.queues);
        let now = tokio::time::timeout(PATIENCE, now).await.map_err(|_| SessionError::Silent)??;
        let alike = |(now, known): (&Mismatch, &Mismatch)| now.name == known.name && now.is_absent == known.is_absent;
        Ok(now.len() == known.len() && now.iter().zip(known).all(alike))
    }

    async fn declare(&self) -> Result<Vec<Mismatch>, SessionError> {
        let parties = std::slice::from_ref(self.party());
        let mut tries = 1;
        let mismatches = loop {
            let mismatches = topology::declare(self.connection, parties, self.context.settings.queues).await?;
            if tries == ABSENT_TRIES || !mismatches.iter().any(|mismatch| mismatch.is_absent) {
                break mismatches;
            }
            tries += 1;
            tokio::time::sleep(ABSENT_PAUSE).await;
        };
        for mismatch in &mismatches {
            tracing::error!(name = mismatch.name, difference = mismatch.difference, "not as expected; left alone");
        }
        Ok(mismatches)
    }

    /// One channel per queue: that keeps each queue's order, and gives each its own prefetch.
    async fn subscribe(
        &self,
        mismatches: &[Mismatch],
        watch: Option<&Arc<ReplyWatch>>,
        turned_away: &Arc<Notify>,
    ) -> Result<Vec<Subscribed>, SessionError> {
        let prefetch = self.context.settings.prefetch;
        let mut queues = Vec::new();
        let places = self.context.rooms.iter().zip(self.context.first_source..);
        for (operation, (room, source)) in Operation::ALL.into_iter().zip(places) {
            let name = request_queue(self.party(), operation);
            if mismatches.iter().any(|mismatch| mismatch.name == name) {
                continue;
            }
            let channel = self.connection.create_channel().await?;
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            let (tag, options) = (short(&format!("purser-{name}")), BasicConsumeOptions::default());
            let consumer = channel.basic_consume(short(&name), tag, options, FieldTable::default()).await?;
            let acks = Mutex::new(AckTracker::new(usize::from(prefetch) / HELD_SHARE_OF_PREFETCH));
            let (handler, source, room) = (Arc::clone(&self.context.handler), CommandSource(source), Arc::clone(room));
            let (admission, mended) = (Arc::clone(&self.context.admission), self.mended.clone());
            let (receive, asked) = mpsc::channel(ASKED_AT_ONCE);
            let (tally, times) = (BetTally::default(), QueueTimes::of(self.party().as_str(), operation.name()));
            let queue = SubscribedQueue {
                handler,
                admission,
                spans: self.context.spans.clone(),
                mended,
                name,
                frame_max: self.connection.configuration().frame_max(),
                operation,
                prefetch,
                source,
                channel,
                acks,
                tally,
                times,
                watch: watch.map(Arc::clone),
                receive,
                room,
                turned_away: Arc::clone(turned_away),
            };
            queues.push((Arc::new(queue), consumer, asked));
        }
        Ok(queues)
    }

    fn party(&self) -> &Party {
        &self.context.handler.rules.party
    }

    /// Acks are not answered, and a quorum queue's client in the broker keeps some back while many are under way; a
    /// connection that is closed on their heels loses those, and their messages come again.
    async fn let_acks_arrive(&self, queues: &[Consumed]) -> Result<(), SessionError> {
        for (queue, _) in queues {
            // What waited for a backlog was given back, and stands before others that were answered.
            queue.flush().await?;
            queue.channel.basic_qos(self.context.settings.prefetch, BasicQosOptions::default()).await?;
        }
        tokio::time::sleep(LINGER).await;
        Ok(())
    }

    /// Waits until the connection breaks.
    async fn broken(&self, events: &mut (impl Stream<Item = lapin::Event> + Unpin)) -> SessionError {
        while let Some(event) = events.next().await {
            if let Err(error) = self.on_event(event) {
                return error;
            }
        }
        std::future::pending().await
    }

    fn on_event(&self, event: lapin::Event) -> Result<(), SessionError> {
        match event {
            lapin::Event::ConnectionBlocked(reason) => {
                tracing::warn!(party = %self.party(), reason, "the broker takes no messages at present");
                self.context.broker.send_modify(|broker| *broker = broker.clone().blocked(reason));
                Ok(())
            }
            lapin::Event::ConnectionUnblocked => {
                tracing::info!(party = %self.party(), "the broker takes messages again");
                self.context.broker.send_modify(|broker| *broker = broker.clone().unblocked());
                Ok(())
            }
            // The channels of refused declarations are heard of here, too; those are no reason to end.
            lapin::Event::Error(error) if !self.connection.status().connected() => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Waits until the program drains.
pub(super) async fn drain_begun(draining: &mut watch::Receiver<bool>) {
    // A closed channel means that the program is ending, which is as good.
    let _ = draining.wait_for(|draining| *draining).await;
}

/// Takes no more; what was taken is still answered.
async fn cancel(queues: &[Consumed]) -> Result<(), SessionError> {
    for (queue, tag) in queues {
        queue.channel.basic_cancel(tag.clone(), BasicCancelOptions::default()).await?;
    }
    Ok(())
}
