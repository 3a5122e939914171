//! Exchanges, queues and bindings: all durable, declared at the start and after every reconnect.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};

use super::adopted;
use crate::dialects::egpp::Operation;
use crate::ledger::Party;

/// Requests, and what they are routed by: the queue's name.
pub const REQUESTS: &str = "v1.0";
/// Replies to requests that name no reply queue.
pub const STATUS: &str = "v1.0.status";
/// Dead letters.
pub const DEAD: &str = "v1.0.dead";

/// What the sessions of a party tell each other, in all processes.
pub(crate) const PEERS: &str = "v1.0.peers";

/// A dead letter must never be dropped for having been looked at too often, so its queue's limit is out of reach.
/// (Leaving it away would not do: newer brokers then set one of 20.)
const NO_DELIVERY_LIMIT: u32 = i32::MAX as u32;

/// How queues are kept by the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerQueueType {
    Quorum,
    Classic,
}

impl BrokerQueueType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }
}

/// What queues are declared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSettings {
    pub queue_type: BrokerQueueType,
    pub delivery_limit: u32,
    /// Members of a quorum queue; none: as the broker likes it. So are the others, and all are for quorum queues alone.
    pub group_size: Option<u32>,
    /// `client-local` or `balanced`.
    pub leader_locator: Option<&'static str>,
    /// How long what an unreachable consumer has is kept for it.
    pub disconnected_timeout: Option<Duration>,
}

impl QueueSettings {
    /// With what does not depend on how many nodes there are.
    pub fn new(queue_type: BrokerQueueType, delivery_limit: u32) -> Self {
        Self { queue_type, delivery_limit, group_size: None, leader_locator: None, disconnected_timeout: None }
    }
}

/// The queue of one party's operation; also its routing key.
pub fn request_queue(party: &Party, operation: Operation) -> String {
    format!("v1.0.{party}.{}", operation.name())
}

/// The queue of one party's dead letters; also its routing key.
pub fn dead_queue(party: &Party) -> String {
    format!("v1.0.{party}.dead")
}

/// Whether this is the name of a queue that Purser itself reads, or keeps dead letters in, whichever the party and
/// session.
pub fn is_ours(queue: &str) -> bool {
    let named = queue.strip_prefix("v1.0.").and_then(|rest| rest.split_once('.'));
    named.is_some_and(|(_, what)| {
        what == "dead"
            || what.starts_with("peers.")
            || what.starts_with("watch.")
            || Operation::ALL.iter().any(|operation| operation.name() == what)
    })
}

/// What is told to all sessions of a party is routed by this.
pub(crate) fn peers_key(party: &Party) -> String {
    format!("v1.0.{party}.peers")
}

/// One session's own queue, for what others tell it.
pub(crate) fn peer_queue(party: &Party, session: uuid::Uuid) -> String {
    format!("v1.0.{party}.peers.{session}")
}

/// The queue of whoever watches a sandbox party's replies.
pub(crate) fn watch_queue(party: &Party, watcher: uuid::Uuid) -> String {
    format!("v1.0.{party}.watch.{watcher}")
}

/// Something that exists with other arguments, or that may not be declared: its name and what the broker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub name: String,
    pub difference: String,
    /// The broker says that it is not there although it was just declared: so says one that is still starting, or whose node
    /// with a classic queue is down. It may be there later.
    pub is_absent: bool,
}

/// Declares everything of `parties`. What exists otherwise is reported by name and left alone; an error means that
/// the connection is gone.
pub async fn declare(
    connection: &Connection,
    parties: &[Party],
    settings: QueueSettings,
) -> lapin::Result<Vec<Mismatch>> {
    let mut mismatches = Vec::new();
    for part in parts(parties, settings) {
        if let Err(refused) = declare_part(connection, &part).await? {
            mismatches.push(refused.mismatch);
        }
    }
    Ok(mismatches)
}

/// One exchange, or one queue that is bound to an exchange by its own name.
pub(super) enum Part {
    Exchange(&'static str),
    Queue { name: String, exchange: &'static str, arguments: FieldTable },
}

impl Part {
    pub fn name(&self) -> &str {
        match self {
            Self::Exchange(name) => name,
            Self::Queue { name, .. } => name,
        }
    }

    pub fn arguments(&self) -> FieldTable {
        match self {
            Self::Exchange(_) => FieldTable::default(),
            Self::Queue { arguments, .. } => arguments.clone(),
        }
    }

    pub(crate) async fn declare_with(
        &self,
        channel: &Channel,
        declaring: Declaring,
        arguments: FieldTable,
    ) -> lapin::Result<()> {
        let passive = declaring == Declaring::Passively;
        match self {
            Self::Exchange(name) => {
                let options = ExchangeDeclareOptions { durable: true, passive, ..ExchangeDeclareOptions::default() };
                channel.exchange_declare(short(name), ExchangeKind::Topic, options, arguments).await
            }
            Self::Queue { name, .. } => {
                let options = QueueDeclareOptions { durable: true, passive, ..QueueDeclareOptions::default() };
                channel.queue_declare(short(name), options, arguments).await.map(drop)
            }
        }
    }
}

/// Whether something is to be there afterwards, or is only asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Declaring {
    Now,
    Passively,
}

/// Everything of `parties`, exchanges first.
pub(super) fn parts(parties: &[Party], settings: QueueSettings) -> Vec<Part> {
    let mut parts: Vec<Part> = [REQUESTS, STATUS, DEAD, PEERS].into_iter().map(Part::Exchange).collect();
    for party in parties {
        let dead = dead_queue(party);
        let no_limit = arguments(QueueSettings { delivery_limit: NO_DELIVERY_LIMIT, ..settings });
        parts.push(Part::Queue { name: dead.clone(), exchange: DEAD, arguments: no_limit });
        parts.extend(Operation::ALL.into_iter().map(|operation| Part::Queue {
            name: request_queue(party, operation),
            exchange: REQUESTS,
            arguments: request_arguments(settings, &dead),
        }));
    }
    parts
}

fn arguments(settings: QueueSettings) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text(settings.queue_type.as_str()));
    if settings.queue_type == BrokerQueueType::Classic {
        return arguments;
    }
    let number = |number: u32| AMQPValue::LongInt(number.try_into().unwrap_or(i32::MAX));
    arguments.insert("x-delivery-limit".into(), number(settings.delivery_limit));
    if let Some(members) = settings.group_size {
        arguments.insert("x-quorum-initial-group-size".into(), number(members));
    }
    if let Some(locator) = settings.leader_locator {
        arguments.insert("x-queue-leader-locator".into(), text(locator));
    }
    if let Some(timeout) = settings.disconnected_timeout {
        let milliseconds = timeout.as_millis().try_into().unwrap_or(i64::MAX);
        arguments.insert("x-consumer-disconnected-timeout".into(), AMQPValue::LongLongInt(milliseconds));
    }
    arguments
}

/// Messages that the broker itself gives up on go to the dead letters, and leave their queue only when they are there.
fn request_arguments(settings: QueueSettings, dead: &str) -> FieldTable {
    let mut arguments = arguments(settings);
    arguments.insert("x-dead-letter-exchange".into(), text(DEAD));
    arguments.insert("x-dead-letter-routing-key".into(), text(dead));
    if settings.queue_type == BrokerQueueType::Quorum {
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        arguments.insert("x-overflow".into(), text("reject-publish"));
    }
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

async fn declare_part(connection: &Connection, part: &Part) -> lapin::Result<Result<(), DeclarationRefused>> {
    let adopted = match adopted::declare(connection, part).await? {
        Ok(adopted) => adopted,
        Err(refused) => return Ok(Err(refused)),
    };
    let Part::Queue { name, exchange, .. } = part else { return Ok(Ok(())) };
    if !adopted.is_empty() {
        tracing::info!(
            queue = name,
            arguments = adopted.join(", "),
            "declared otherwise by somebody else; served as it is"
        );
    }
    attempt(connection, name, async |channel| {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(short(name), short(exchange), short(name), options, none).await
    })
    .await
}

/// What the broker would not do.
pub(super) struct DeclarationRefused {
    pub why: AMQPSoftError,
    pub mismatch: Mismatch,
}

/// Does something about the part called `name` on a channel of its own, since the broker closes the channel of what it
/// refuses. An error means that the connection is gone.
pub(super) async fn attempt(
    connection: &Connection,
    name: &str,
    work: impl AsyncFnOnce(&Channel) -> lapin::Result<()>,
) -> lapin::Result<Result<(), DeclarationRefused>> {
    let channel = connection.create_channel().await?;
    let error = match work(&channel).await {
        Ok(()) => return closed(channel.close(200, "done".into()).await).map(Ok),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::ProtocolError(refusal) if connection.status().connected() => match refusal.kind() {
            AMQPErrorKind::Soft(why) => {
                let mismatch = Mismatch {
                    name: name.to_owned(),
                    difference: refusal.get_message().to_string(),
                    is_absent: *why == AMQPSoftError::NOTFOUND,
                };
                Ok(Err(DeclarationRefused { why: why.clone(), mismatch }))
            }
            // It would have ended the connection.
            AMQPErrorKind::Hard(_) => Err(error),
        },
        _ => Err(error),
    }
}

/// What closing came to. Of what is being closed already nothing more is wanted: its work is done.
pub(super) fn closed(closing: lapin::Result<()>) -> lapin::Result<()> {
    match closing {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidChannelState(..)) => Ok(()),
        closing => closing,
    }
}

/// Names of ours are well below the 255 bytes of a short string.
pub fn short(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap_or_default()
}
