//! One queue's durable subscriber: takes deliveries, opens them, and submits what they ask.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use lapin::{Channel, Consumer};
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::Span;

use super::acks::AckTracker;
use super::admission::{Admission, Unfit};
use super::key_line::KeyLine;
use super::legible::Mended;
use super::message;
use super::tally::{BetTally, Cohort};
use super::watch::ReplyWatch;
use crate::clock;
use crate::dialects::egpp::handler::EgppRefused;
use crate::dialects::egpp::sandbox::{self, Staged};
use crate::dialects::egpp::status;
use crate::dialects::egpp::{BalanceQuestion, EgppHandler, EgppReply, Opened, Operation};
use crate::metrics::QueueTimes;
use crate::redaction::without_tokens;
use crate::telemetry::{MessageTrace, Received, Spans};
use crate::wallet::{Answer, Answering, BalanceAsk, CommandSource, Sequencer, SequencerStopped, Submission};

/// How long those who wait for keys may still get them once their queue is read no more: what one fetch may take.
const LAST_FETCH: Duration = Duration::from_secs(3);

/// One queue of one party, and the channel that consumes it.
pub struct SubscribedQueue {
    pub handler: Arc<EgppHandler>,
    pub admission: Arc<Admission>,
    /// Where traces go, if anywhere.
    pub spans: Option<Arc<Spans>>,
    /// Deliveries of this connection that nobody could read as they came.
    pub mended: Mended,
    /// As the broker knows it.
    pub name: String,
    /// Bytes of a frame on this connection.
    pub frame_max: u32,
    pub operation: Operation,
    pub prefetch: u16,
    pub source: CommandSource,
    pub channel: Channel,
    pub acks: Mutex<AckTracker>,
    /// What came of bets; of other operations nothing is counted.
    pub tally: BetTally,
    pub times: QueueTimes,
    /// Who wants the replies, where the party is a sandbox.
    pub watch: Option<Arc<ReplyWatch>>,
    /// Asks the subscriber to receive what lies ready, and to say so.
    pub receive: mpsc::Sender<oneshot::Sender<()>>,
    /// As much room as the prefetch, and the same from session to session: what a broken one leaves on its way through
    /// the sequencer takes up room in the next.
    pub room: Arc<Semaphore>,
    /// Told when a delivery is let go of without an answer.
    pub turned_away: Arc<Notify>,
}

impl SubscribedQueue {
    /// Returns when everything that lies ready on this side has been received; at once where nothing is received any more.
    pub(crate) async fn receive_all(&self) {
        let (received, all) = oneshot::channel();
        if self.receive.send(received).await.is_ok() {
            // A subscriber that ends meanwhile has received all that it ever will.
            let _ = all.await;
        }
    }

    /// Whether a delivery is a request that may be looked at.
    fn admit(&self, delivery: &Delivery) -> Result<(), Unfit> {
        let is_mended = self.mended.take(self.channel.id(), delivery.delivery_tag);
        self.admission.admit(&self.name, delivery, is_mended)
    }

    /// Begins the trace of a delivery, where it is sampled.
    fn trace(&self, delivery: &Delivery) -> Option<Arc<MessageTrace>> {
        let (spans, properties) = (self.spans.as_ref()?, &delivery.properties);
        let sampled = spans.sample(message::header(properties, "traceparent"))?;
        let party = &self.handler.rules.party;
        let about = Received {
            queue: &self.name,
            exchange: delivery.exchange.as_str(),
            party: party.as_str(),
            operation: self.operation.name(),
            correlation: message::correlation(properties).map(lapin::types::ShortString::as_str),
            delivery_tag: delivery.delivery_tag,
            bytes: delivery.data.len(),
        };
        Some(Arc::new(MessageTrace::begin(spans, sampled, about)))
    }

    /// A span of the log's around one message. Where nobody asks for it, it is none and costs a comparison.
    fn span(&self, delivery: &Delivery) -> Span {
        tracing::debug_span!(
            "command",
            party = self.handler.rules.party.as_str(),
            dialect = "egpp",
            operation = self.operation.name(),
            correlation_id = message::correlation(&delivery.properties).map(|id| without_tokens(id.as_str())),
        )
    }

    /// Acks all that is done, also behind what will not be done any more.
    pub async fn flush(&self) -> lapin::Result<()> {
        let mut acks = self.acks.lock().await;
        for ack in acks.flush() {
            self.channel.basic_ack(ack.tag, BasicAckOptions { multiple: ack.multiple }).await?;
        }
        Ok(())
    }

    /// Marks deliveries as done and acks what that completes.
    ///
    /// The lock is held until the acks are on their way: batches are confirmed side by side, and an ack that another
    /// batch's multiple ack overtakes names a tag that the broker has forgotten, which closes the channel.
    pub async fn done(&self, tags: Vec<u64>) -> lapin::Result<()> {
        let mut acks = self.acks.lock().await;
        for ack in acks.done(tags) {
            self.channel.basic_ack(ack.tag, BasicAckOptions { multiple: ack.multiple }).await?;
        }
        Ok(())
    }
}

/// A delivery that is answered: what the publisher turns into a reply, perhaps a dead letter, and an ack.
pub struct AnsweredDelivery {
    pub queue: Arc<SubscribedQueue>,
    pub delivery: Box<Delivery>,
    pub received: Instant,
    /// Where it is sampled.
    pub trace: Option<Arc<MessageTrace>>,
    /// What the log says of it is said within.
    pub span: Span,
    pub answer: DeliveryAnswer,
}

/// How a delivery was answered.
pub enum DeliveryAnswer {
    Answer(Answer),
    Balance(Box<BalanceQuestion>, Option<i64>),
    Denied(EgppReply),
    Malformed(String, EgppReply),
    Staged(Staged),
    /// Not answered.
    Unfit(Unfit),
}

/// Where answers go. Unbounded, since there are never more of them than deliveries, and the prefetch bounds those.
pub(crate) type AnswerSender = mpsc::UnboundedSender<AnsweredDelivery>;

/// A queue's subscriber: where its deliveries come from, and what becomes of them.
pub(crate) struct Subscriber {
    queue: Arc<SubscribedQueue>,
    consumer: Consumer,
    /// Whoever wants to know that all is received that lies ready.
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    sequencer: Sequencer,
    answers: AnswerSender,
    line: KeyLine,
}

impl Subscriber {
    pub fn new(
        queue: Arc<SubscribedQueue>,
        consumer: Consumer,
        asked: mpsc::Receiver<oneshot::Sender<()>>,
        sequencer: Sequencer,
        answers: AnswerSender,
    ) -> Self {
        let line = KeyLine::new(Arc::clone(&queue.handler));
        Self { queue, consumer, asked, sequencer, answers, line }
    }

    /// Takes deliveries until the consumer is cancelled or its channel closes. What it leaves is not answered: it comes
    /// again in the next session, and counts as undecided in this one for as long as it is kept.
    pub async fn run(mut self) -> lapin::Result<VecDeque<Taken>> {
        self.consume().await?;
        // Nothing more is received: whoever wants to know of it need not wait for keys.
        self.asked.close();
        while self.asked.try_recv().is_ok() {}
        // Keys that were asked for may be there within a moment.
        if !self.line.is_empty() && tokio::time::timeout(LAST_FETCH, self.line.fetched()).await.is_ok() {
            self.settle(Lacking::IsRefused).await;
        }
        Ok(self.line.left())
    }

    async fn consume(&mut self) -> lapin::Result<()> {
        loop {
            let delivery = tokio::select! {
                Some(received) = self.asked.recv() => {
                    if !self.take_ready().await? {
                        break;
                    }
                    // Who asked may be gone.
                    let _ = received.send(());
                    continue;
                }
                () = self.line.fetched() => {
                    if !self.settle(Lacking::IsRefused).await {
                        break;
                    }
                    continue;
                }
                delivery = self.consumer.next() => delivery,
            };
            let Some(delivery) = delivery else { break };
            if !self.take(delivery?).await {
                break;
            }
            // Thousands may lie ready, and verifying their tokens takes a while: others shall get on meanwhile.
            tokio::task::coop::consume_budget().await;
        }
        Ok(())
    }

    /// Takes what lies ready. That is no more than the prefetch, whatever comes meanwhile. Says whether to go on.
    async fn take_ready(&mut self) -> lapin::Result<bool> {
        for _ in 0..self.queue.prefetch {
            match tokio::task::unconstrained(self.consumer.next()).now_or_never() {
                Some(Some(delivery)) => {
                    if !self.take(delivery?).await {
                        return Ok(false);
                    }
                }
                Some(None) => return Ok(false),
                None => break,
            }
        }
        Ok(true)
    }

    /// Takes a delivery once there is room for it. Says whether to go on.
    async fn take(&mut self, delivery: Delivery) -> bool {
        let received = Instant::now();
        let Ok(room) = Arc::clone(&self.queue.room).acquire_owned().await else { return false };
        let counts = self.queue.operation == Operation::OrderBet;
        let undecided = counts.then(|| self.queue.tally.receive(delivery.redelivered));
        let trace = self.queue.trace(&delivery);
        let span = self.queue.span(&delivery);
        let taken = (Box::new(delivery), Held { room, undecided, received, trace, span });
        if let Err(unfit) = self.queue.admit(&taken.0) {
            let ((delivery, Held { received, trace, span, .. }), answer) = (taken, DeliveryAnswer::Unfit(unfit));
            let queue = Arc::clone(&self.queue);
            // The publisher outlives its answers, unless the session is dead; then the delivery comes again in the next.
            drop(self.answers.send(AnsweredDelivery { queue, delivery, received, trace, span, answer }));
            return true;
        }
        if let Some(age_s) = age(&taken.0) {
            self.queue.times.received(age_s);
        }
        (!self.line.may_go_on() || self.settle(Lacking::Waits).await) && self.open(taken, Lacking::Waits)
    }

    /// Opens those who waited for keys, in their order. Says whether to go on.
    async fn settle(&mut self, lacking: Lacking) -> bool {
        for taken in self.line.take() {
            if !self.open(taken, lacking) {
                return false;
            }
            tokio::task::coop::consume_budget().await;
        }
        true
    }

    /// Opens a delivery, and passes on what it asks. Says whether to go on.
    fn open(&mut self, taken: Taken, lacking: Lacking) -> bool {
        let version = self.queue.handler.keys_version();
        let span = taken.1.span.clone();
        span.in_scope(|| match open(&self.queue, &taken.0) {
            Err(EgppRefused::UnknownKey) if lacking == Lacking::Waits => {
                self.line.push(taken, version);
                true
            }
            // A stopped sequencer leaves the delivery unacked: it comes again.
            opened => pass_on(&self.queue, taken, opened, &self.sequencer, &self.answers).is_ok(),
        })
    }
}

/// What becomes of a delivery whose token names a key that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lacking {
    /// Newer keys are asked for.
    Waits,
    /// They were asked for, and it is none of them.
    IsRefused,
}

/// Tells the session of a delivery that is let go of without an answer.
struct Unanswered(Option<Arc<Notify>>);

impl Unanswered {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.notify_one();
        }
    }
}

/// What a delivery holds until it is answered: the room that it takes up, and its place among the undecided bets.
pub struct Held {
    room: OwnedSemaphorePermit,
    undecided: Option<Arc<Cohort>>,
    received: Instant,
    trace: Option<Arc<MessageTrace>>,
    span: Span,
}

/// A delivery, and what it holds.
pub type Taken = (Box<Delivery>, Held);

/// Seconds since it was sent, where its sender says when.
fn age(delivery: &Delivery) -> Option<i64> {
    let sent = i64::try_from((*delivery.properties.timestamp())?).ok()?;
    clock::now().0.div_euclid(1_000_000).checked_sub(sent)
}

fn open(queue: &SubscribedQueue, delivery: &Delivery) -> Result<Opened, EgppRefused> {
    let envelope = message::envelope(&delivery.properties, clock::now());
    queue.handler.open(queue.operation, &delivery.data, &envelope)
}

/// Submits what was opened; what could not be opened is answered at once.
fn pass_on(
    queue: &Arc<SubscribedQueue>,
    (delivery, held): Taken,
    opened: Result<Opened, EgppRefused>,
    sequencer: &Sequencer,
    answers: &AnswerSender,
) -> Result<(), SequencerStopped> {
    let (queue, sender) = (Arc::clone(queue), answers.clone());
    // The publisher outlives its answers, unless the session is dead; then the delivery comes again in the next.
    let send = move |queue: Arc<SubscribedQueue>, delivery, held: Held, answer| {
        let Held { room, undecided, received, trace, span } = held;
        drop(sender.send(AnsweredDelivery { queue, delivery, received, trace, span, answer }));
        drop((room, undecided));
    };
    match opened {
        Ok(Opened::Command(command)) => {
            let (source, trace) = (queue.source, held.trace.as_ref().map(|message| message.command()));
            let unanswered = Unanswered(Some(Arc::clone(&queue.turned_away)));
            let answer = move |answer| {
                unanswered.answered();
                send(queue, delivery, held, DeliveryAnswer::Answer(answer));
            };
            let answering = Answering::WithOutcome(Box::new(answer));
            sequencer.submit(Submission { keyed: command.keyed(), source, answering, trace })
        }
        Ok(Opened::Balance(question)) => {
            let (party, player) = (queue.handler.rules.party.clone(), question.player.clone());
            let (pocket, question) = (question.pocket.clone(), Box::new(question));
            let answering =
                Box::new(move |balance| send(queue, delivery, held, DeliveryAnswer::Balance(question, balance)));
            sequencer.balance(BalanceAsk::of(party, &player, &pocket, answering))
        }
        Ok(Opened::Staged(staged)) => {
            send(queue, delivery, held, DeliveryAnswer::Staged(staged));
            Ok(())
        }
        Ok(Opened::Late(opened)) => {
            // A stopped sequencer leaves the delivery unacked: it comes again.
            let (sequencer, answers) = (sequencer.clone(), answers.clone());
            tokio::spawn(async move {
                tokio::time::sleep(sandbox::DELAY).await;
                pass_on(&queue, (delivery, held), Ok(*opened), &sequencer, &answers)
            });
            Ok(())
        }
        Err(refused) => {
            send(queue, delivery, held, answer_of(&refused));
            Ok(())
        }
    }
}

fn answer_of(refused: &EgppRefused) -> DeliveryAnswer {
    match refused {
        EgppRefused::Malformed(malformed) => {
            DeliveryAnswer::Malformed(malformed.0.clone(), status::of_malformed(malformed))
        }
        EgppRefused::Denied(denied) => DeliveryAnswer::Denied(status::of_denied(denied)),
        // Without keys it waits.
        EgppRefused::UnknownKey | EgppRefused::KeysUnavailable => DeliveryAnswer::Denied(status::of_unknown_key()),
    }
}
