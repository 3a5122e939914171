//! One queue's durable subscriber: takes deliveries, opens them, and submits what they ask.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use lapin::{Channel, Consumer};
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::{Instrument as _, Span};

use super::acks::AckTracker;
use super::admission::{Admission, Unfit};
use super::legible::Mended;
use super::message;
use super::tally::{BetTally, Cohort};
use super::watch::ReplyWatch;
use crate::admin::redaction::without_tokens;
use crate::clock;
use crate::dialects::egpp::handler::EgppRefused;
use crate::dialects::egpp::sandbox::{self, Staged};
use crate::dialects::egpp::status;
use crate::dialects::egpp::{BalanceQuestion, EgppHandler, EgppReply, Opened, Operation};
use crate::metrics::QueueTimes;
use crate::telemetry::{MessageTrace, Received, Spans};
use crate::wallet::{Answer, Answering, BalanceAsk, CommandSource, Sequencer, SequencerStopped, Submission};

/// Pause between attempts to fetch a party's first keys.
const KEYS_PAUSE: Duration = Duration::from_secs(1);

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
    pub async fn receive_all(&self) {
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
pub type AnswerSender = mpsc::UnboundedSender<AnsweredDelivery>;

/// A queue's subscriber: where its deliveries come from, and what becomes of them.
pub struct Subscriber {
    pub queue: Arc<SubscribedQueue>,
    pub consumer: Consumer,
    /// Whoever wants to know that all is received that lies ready.
    pub asked: mpsc::Receiver<oneshot::Sender<()>>,
    pub sequencer: Sequencer,
    pub answers: AnswerSender,
}

impl Subscriber {
    /// Takes deliveries until the consumer is cancelled or its channel closes.
    pub async fn run(mut self) -> lapin::Result<()> {
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
    async fn take(&self, delivery: Delivery) -> bool {
        let received = Instant::now();
        let Ok(room) = Arc::clone(&self.queue.room).acquire_owned().await else { return false };
        let counts = self.queue.operation == Operation::OrderBet;
        let undecided = counts.then(|| self.queue.tally.receive(delivery.redelivered));
        let trace = self.queue.trace(&delivery);
        let span = self.queue.span(&delivery);
        let held = Held { room, undecided, received, trace, span: span.clone() };
        span.in_scope(|| take(&self.queue, (Box::new(delivery), held), &self.sequencer, &self.answers).is_ok())
    }
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
struct Held {
    room: OwnedSemaphorePermit,
    undecided: Option<Arc<Cohort>>,
    received: Instant,
    trace: Option<Arc<MessageTrace>>,
    span: Span,
}

type Taken = (Box<Delivery>, Held);

fn take(
    queue: &Arc<SubscribedQueue>,
    taken: Taken,
    sequencer: &Sequencer,
    answers: &AnswerSender,
) -> Result<(), SequencerStopped> {
    if let Err(unfit) = queue.admit(&taken.0) {
        let (delivery, Held { received, trace, span, .. }) = taken;
        let (queue, answer) = (Arc::clone(queue), DeliveryAnswer::Unfit(unfit));
        // The publisher outlives its answers, unless the session is dead; then the delivery comes again in the next.
        drop(answers.send(AnsweredDelivery { queue, delivery, received, trace, span, answer }));
        return Ok(());
    }
    if let Some(age_s) = age(&taken.0) {
        queue.times.received(age_s);
    }
    match open(queue, &taken.0) {
        Err(EgppRefused::UnknownKey) => {
            // Fetching keys may take seconds; the others in the queue do not wait for it. A stopped sequencer leaves
            // the delivery unacked: it comes again.
            let (queue, sequencer, answers) = (Arc::clone(queue), sequencer.clone(), answers.clone());
            let span = taken.1.span.clone();
            let opening = async move {
                let opened = open_with_newer_keys(&queue, &taken.0, &answers).await;
                pass_on(&queue, taken, opened, &sequencer, &answers)
            };
            tokio::spawn(opening.instrument(span));
            Ok(())
        }
        opened => pass_on(queue, taken, opened, sequencer, answers),
    }
}

/// Seconds since it was sent, where its sender says when.
fn age(delivery: &Delivery) -> Option<i64> {
    let sent = i64::try_from((*delivery.properties.timestamp())?).ok()?;
    clock::now().0.div_euclid(1_000_000).checked_sub(sent)
}

fn open(queue: &SubscribedQueue, delivery: &Delivery) -> Result<Opened, EgppRefused> {
    let envelope = message::envelope(&delivery.properties, clock::now());
    queue.handler.open(queue.operation, &delivery.data, &envelope)
}

/// Opens a delivery once the party's keys are fetched again. While none were ever had, a token can be neither taken nor
/// refused: that is an outage, so it waits, for as long as the session lives.
async fn open_with_newer_keys(
    queue: &SubscribedQueue,
    delivery: &Delivery,
    answers: &AnswerSender,
) -> Result<Opened, EgppRefused> {
    loop {
        let envelope = message::envelope(&delivery.properties, clock::now());
        match queue.handler.open_with_newer_keys(queue.operation, &delivery.data, &envelope).await {
            Err(EgppRefused::KeysUnavailable) if !answers.is_closed() => tokio::time::sleep(KEYS_PAUSE).await,
            opened => return opened,
        }
    }
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
        // Without keys it comes here only where its session is dead, and then nobody is told.
        EgppRefused::UnknownKey | EgppRefused::KeysUnavailable => DeliveryAnswer::Denied(status::of_unknown_key()),
    }
}
