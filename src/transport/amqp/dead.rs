//! A party's dead letters, for operators: looked at without taking, put back, or dropped.
//!
//! Letters are handed out and held unacked; whatever is not acked in the end goes back to its place, also when the
//! program is killed in between. While somebody looks, nobody else sees what they hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use lapin::message::Delivery;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};

use super::AmqpSettings;
use super::admission::{Deaths, own_user};
use super::connection;
use super::legible::Mended;
use super::message::{
    self, COPY_TO, DEAD_AT, DEAD_ERROR, DEAD_QUEUE, DEAD_REASON, MISROUTED, ORIGINAL_USER, REDRIVEN, ROUTING_HEADERS,
    UNREADABLE,
};
use super::queue_browser::{HeldLetter, QueueBrowser};
use super::session::SessionError;
use super::topology::{self, closed, short};
use crate::dialects::egpp::Operation;
use crate::ledger::Party;
use crate::redaction::without_tokens;

/// Headers that tell of a message's death, ours and the broker's: a message that is put back is alive.
const OF_DEATH: [&str; 12] = [
    DEAD_REASON,
    DEAD_ERROR,
    DEAD_QUEUE,
    DEAD_AT,
    "x-death",
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
    "x-delivery-count",
];

/// How long it may take to close a connection over which everything is done.
const CLOSING_PATIENCE: Duration = Duration::from_secs(5);

/// Characters of an error that are shown over HTTP.
const MAX_ERROR: usize = 300;

/// A dead letter, held.
pub struct DeadLetter {
    pub(super) held: HeldLetter,
}

impl DeadLetter {
    /// For tests: operators get theirs from a [`DeadQueue`].
    #[doc(hidden)]
    pub fn of(delivery: Delivery) -> Self {
        Self { held: HeldLetter::of(delivery) }
    }

    /// What the provider calls it: its correlation id, else its message id.
    pub fn id(&self) -> &str {
        message::correlation(&self.held.delivery.properties).map_or("", |id| id.as_str())
    }

    /// Whether Purser parked it, or the broker dead-lettered it: both through the exchange of dead letters. What was sent
    /// straight to the queue says of itself whatever its sender likes, so nothing of that is believed.
    fn is_parked(&self) -> bool {
        self.held.delivery.exchange.as_str() == topology::DEAD
    }

    /// `malformed`, `fault`, `misrouted`, `unreadable`, `sandbox`, or the broker's own word, such as `delivery_limit`.
    pub fn reason(&self) -> &str {
        if self.held.is_mended {
            return UNREADABLE;
        }
        if !self.is_parked() {
            return MISROUTED;
        }
        self.text(DEAD_REASON).or_else(|| self.text("x-first-death-reason")).unwrap_or("unknown")
    }

    pub fn error(&self) -> &str {
        if !self.is_parked() {
            return "it was sent straight to the dead letters";
        }
        self.text(DEAD_ERROR).unwrap_or_default()
    }

    /// The error as people see it: without tokens, and no longer than a line or two.
    pub(crate) fn shown_error(&self) -> String {
        without_tokens(self.error()).chars().take(MAX_ERROR).collect()
    }

    /// The queue that it came from.
    pub fn queue(&self) -> &str {
        self.text(DEAD_QUEUE).or_else(|| self.text("x-first-death-queue")).unwrap_or_default()
    }

    /// When it died, in seconds since 1970; unknown where nobody wrote it down.
    pub fn died_at(&self) -> Option<i64> {
        self.text(DEAD_AT).and_then(|text| text.parse().ok()).or_else(|| self.first_death())
    }

    /// How often it has been put back before.
    pub fn redriven(&self) -> u32 {
        match self.header(REDRIVEN) {
            Some(AMQPValue::LongUInt(times)) => *times,
            _ => 0,
        }
    }

    pub fn body(&self) -> &[u8] {
        &self.held.delivery.data
    }

    /// Properties and headers as text, secrets hidden.
    pub fn described(&self) -> BTreeMap<String, String> {
        let properties = self.properties();
        let mut described = BTreeMap::new();
        let named = [
            ("correlation_id", properties.correlation_id()),
            ("message_id", properties.message_id()),
            ("reply_to", properties.reply_to()),
            ("content_type", properties.content_type()),
            ("type", properties.kind()),
            ("app_id", properties.app_id()),
        ];
        for (name, value) in named {
            described.extend(value.as_ref().map(|value| (name.to_owned(), without_tokens(value.as_str()))));
        }
        for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
            let hidden = name.as_str().eq_ignore_ascii_case("authorization");
            let text = if hidden { "(hidden)".to_owned() } else { without_tokens(&written(value)) };
            described.insert(without_tokens(name.as_str()), text);
        }
        described
    }

    fn properties(&self) -> &BasicProperties {
        &self.held.delivery.properties
    }

    /// A header that tells of its death, where that can be believed.
    fn header(&self, name: &str) -> Option<&AMQPValue> {
        message::exact_header(self.properties(), name).filter(|_| self.is_parked())
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.header(name)? {
            AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
            AMQPValue::ShortString(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The broker's own note of when it first gave up on the message.
    fn first_death(&self) -> Option<i64> {
        let AMQPValue::FieldArray(deaths) = self.header("x-death")? else { return None };
        let AMQPValue::FieldTable(death) = deaths.as_slice().last()? else { return None };
        match death.inner().get("time")? {
            AMQPValue::Timestamp(seconds) => i64::try_from(*seconds).ok(),
            _ => None,
        }
    }
}

/// A header as people read it. Tables and lists are left at what they are: they may be thousands deep.
fn written(value: &AMQPValue) -> String {
    match value {
        AMQPValue::FieldTable(table) => format!("(a table of {})", table.inner().len()),
        AMQPValue::FieldArray(array) => format!("(a list of {})", array.as_slice().len()),
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        AMQPValue::ShortString(text) => text.to_string(),
        AMQPValue::LongUInt(number) => number.to_string(),
        AMQPValue::LongInt(number) => number.to_string(),
        AMQPValue::LongLongInt(number) => number.to_string(),
        AMQPValue::Boolean(is) => is.to_string(),
        AMQPValue::Timestamp(seconds) => seconds.to_string(),
        other => format!("{other:?}"),
    }
}

/// What went wrong with the dead letters.
#[derive(Debug, thiserror::Error)]
pub enum DeadError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    #[error("queue {queue} did not take the message back; it stays where it was")]
    NotTaken { queue: String },
}

/// A party's dead-letter queue, opened by an operator.
pub struct DeadQueue {
    party: Party,
    /// What the broker calls Purser, where that is known.
    own_user: Option<String>,
    letters: QueueBrowser,
    /// Letters go back into their queues through this one.
    channel: Channel,
    connection: Connection,
    /// Whether we are closing the connection ourselves.
    is_leaving: Arc<AtomicBool>,
}

impl DeadQueue {
    pub async fn open(settings: &AmqpSettings, party: Party) -> Result<Self, DeadError> {
        let mended = Mended::default();
        let (connection, _) = connection::connect_and_mark(settings, Some(mended.clone())).await?;
        let (letters, channel) = unless_lost(connection::lost(&connection), async {
            let letters = QueueBrowser::open(&connection, mended, short(&topology::dead_queue(&party))).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, DeadError>((letters, channel))
        })
        .await?;
        Ok(Self { party, own_user: own_user(settings), letters, channel, connection, is_leaving: Arc::default() })
    }

    /// How many letters wait.
    pub async fn count(&self) -> Result<u64, DeadError> {
        Ok(self.letters.count().await?)
    }

    /// The next letter, held until it is dropped or put back, or all are released.
    pub async fn next(&mut self) -> Result<Option<DeadLetter>, DeadError> {
        Ok(self.letters.next(&self.connection).await?.map(|held| DeadLetter { held }))
    }

    /// The queue of the party's that the letter came from; `None` where it names none, or was no request to it: put back
    /// by Purser it would be one.
    pub fn home(&self, letter: &DeadLetter) -> Option<String> {
        let queues = Operation::ALL.map(|operation| topology::request_queue(&self.party, operation));
        let was_request = |queue: &str| {
            !matches!(letter.reason(), MISROUTED | UNREADABLE) && Deaths::of(letter.properties()).are_of(queue)
        };
        queues.into_iter().find(|queue| queue == letter.queue() && was_request(queue))
    }

    /// Whether copies of the answers can be had: Purser heeds that wish from itself alone, by the name that the broker
    /// vouches for.
    pub(crate) fn may_have_copies(&self) -> bool {
        self.own_user.is_some()
    }

    /// Publishes letters to their homes, and takes each out of the dead letters once the broker has it there. `copy_to`
    /// gets a copy of what they will be answered.
    pub(crate) async fn put_back(
        &mut self,
        letters: Vec<(DeadLetter, String)>,
        copy_to: &str,
        count: &mut u64,
    ) -> Result<(), DeadError> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publishing = letters.iter().map(|(letter, home)| {
            let properties = alive(letter, copy_to, self.own_user.as_deref());
            self.channel.basic_publish(short(""), short(home), options, letter.body(), properties)
        });
        let mut missing = None;
        for (confirm, (letter, home)) in try_join_all(publishing).await?.into_iter().zip(&letters) {
            match confirm.await? {
                Confirmation::Ack(None) => {
                    *count += 1;
                    self.letters.take_out(&letter.held).await?;
                }
                _ => missing = Some(home.clone()),
            }
        }
        missing.map_or(Ok(()), |queue| Err(DeadError::NotTaken { queue }))
    }

    /// Takes the letter out for good.
    pub(crate) async fn drop_letter(&mut self, letter: &DeadLetter) -> Result<(), DeadError> {
        Ok(self.letters.take_out(&letter.held).await?)
    }

    /// Lets everything that is still held go back to its place, and reads from the front again.
    pub(crate) async fn begin_again(&mut self) -> Result<(), DeadError> {
        Ok(self.letters.begin_again().await?)
    }

    /// Lets everything that is still held go back to its place.
    pub async fn release(mut self) -> Result<(), DeadError> {
        self.letters.release().await?;
        self.is_leaving.store(true, Ordering::Relaxed);
        // Everything is back in its place: that is what was to be waited for.
        match tokio::time::timeout(CLOSING_PATIENCE, self.connection.close(200, "looked".into())).await {
            Ok(ended) => Ok(closed(ended)?),
            Err(_) => Ok(()),
        }
    }

    /// Ends when the connection is lost: no work on the queue comes to its end then.
    pub fn lost(&self) -> impl Future<Output = lapin::Error> + Send + use<> {
        let (lost, is_leaving) = (connection::lost(&self.connection), Arc::clone(&self.is_leaving));
        async move {
            let error = lost.await;
            if is_leaving.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            error
        }
    }

    /// The connection, for whatever else belongs to the same look.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Does the work, unless the connection is [`lost`](DeadQueue::lost) meanwhile.
pub(crate) async fn unless_lost<T, E: From<DeadError>>(
    lost: impl Future<Output = lapin::Error>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::select! {
        // What is done is done, whatever became of the connection.
        biased;
        done = work => done,
        error = lost => Err(DeadError::from(error).into()),
    }
}

/// The letter's properties without its death, and with what counts its returns. Sent as Purser's own: the broker refuses
/// another's name, so that of the first sender becomes a header.
#[doc(hidden)]
pub fn alive(letter: &DeadLetter, copy_to: &str, own_user: Option<&str>) -> BasicProperties {
    let came_with = letter.properties();
    let is_own = own_user.is_some() && came_with.user_id().as_ref().map(|user| user.as_str()) == own_user;
    // Of a letter that the broker gave up, and not Purser, the header is whoever's who sent it.
    let was_given_up = matches!(Deaths::of(came_with), Deaths::Told(deaths) if !deaths.is_empty());
    let is_vouched_for = is_own || letter.is_parked() && !was_given_up;
    let is_kept = |name: &str| {
        !OF_DEATH.contains(&name) && !ROUTING_HEADERS.contains(&name) && (name != ORIGINAL_USER || is_vouched_for)
    };
    let mut headers = FieldTable::default();
    for (name, value) in came_with.headers().iter().flat_map(FieldTable::inner) {
        if is_kept(name.as_str()) {
            headers.insert(name.clone(), value.clone());
        }
    }
    headers.insert(short(REDRIVEN), AMQPValue::LongUInt(letter.redriven().saturating_add(1)));
    let sender = came_with.user_id().as_ref().map(|user| user.as_str()).filter(|user| Some(*user) != own_user);
    if let Some(sender) = sender {
        headers.insert(short(ORIGINAL_USER), AMQPValue::LongString(sender.into()));
    }
    if !copy_to.is_empty() && own_user.is_some() {
        headers.insert(short(COPY_TO), AMQPValue::LongString(copy_to.into()));
    }
    let properties = message::without_effects(came_with).with_headers(headers).with_delivery_mode(message::PERSISTENT);
    match own_user {
        Some(user) => properties.with_user_id(short(user)),
        None => properties,
    }
}
