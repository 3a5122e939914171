//! Exchanges, queues and bindings: all durable, declared at the start and after every reconnect.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Connection, ErrorKind, ExchangeKind};

use crate::dialects::egpp::Operation;
use crate::ledger::Party;

/// Requests, and what they are routed by: the queue's name.
pub const REQUESTS: &str = "v1.0";
/// Replies to requests that name no reply queue.
pub const STATUS: &str = "v1.0.status";
/// Dead letters.
pub const DEAD: &str = "v1.0.dead";

/// What the sessions of a party tell each other, in all processes.
pub const PEERS: &str = "v1.0.peers";

/// A dead letter must never be dropped for having been looked at too often, so its queue's limit is out of reach.
/// (Leaving it away would not do: newer brokers then set one of 20.)
const NO_DELIVERY_LIMIT: u32 = i32::MAX as u32;

/// How queues are kept by the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueType {
    Quorum,
    Classic,
}

impl QueueType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
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
        what == "dead" || what.starts_with("peers.") || Operation::ALL.iter().any(|operation| operation.name() == what)
    })
}

/// What is told to all sessions of a party is routed by this.
pub fn peers_key(party: &Party) -> String {
    format!("v1.0.{party}.peers")
}

/// One session's own queue, for what others tell it.
pub fn peer_queue(party: &Party, session: uuid::Uuid) -> String {
    format!("v1.0.{party}.peers.{session}")
}

/// Something that exists with other arguments, or that may not be declared: its name and what the broker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub name: String,
    pub difference: String,
}

/// Declares everything of `parties`. What exists otherwise is reported by name and left alone; an error means that
/// the connection is gone.
pub async fn declare(
    connection: &Connection,
    parties: &[Party],
    queue_type: QueueType,
    delivery_limit: u32,
) -> lapin::Result<Vec<Mismatch>> {
    let mut mismatches = Vec::new();
    for exchange in [REQUESTS, STATUS, DEAD, PEERS] {
        mismatches.extend(declare_exchange(connection, exchange).await?);
    }
    for party in parties {
        let dead = dead_queue(party);
        let arguments = arguments(queue_type, NO_DELIVERY_LIMIT);
        mismatches.extend(declare_queue(connection, &dead, DEAD, arguments).await?);
        for operation in Operation::ALL {
            let queue = request_queue(party, operation);
            let arguments = request_arguments(queue_type, delivery_limit, &dead);
            mismatches.extend(declare_queue(connection, &queue, REQUESTS, arguments).await?);
        }
    }
    Ok(mismatches)
}

fn arguments(queue_type: QueueType, delivery_limit: u32) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text(queue_type.as_str()));
    if queue_type == QueueType::Quorum {
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(delivery_limit.try_into().unwrap_or(i32::MAX)));
    }
    arguments
}

/// Messages that the broker itself gives up on go to the dead letters, and leave their queue only when they are there.
fn request_arguments(queue_type: QueueType, delivery_limit: u32, dead: &str) -> FieldTable {
    let mut arguments = arguments(queue_type, delivery_limit);
    arguments.insert("x-dead-letter-exchange".into(), text(DEAD));
    arguments.insert("x-dead-letter-routing-key".into(), text(dead));
    if queue_type == QueueType::Quorum {
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        arguments.insert("x-overflow".into(), text("reject-publish"));
    }
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

async fn declare_exchange(connection: &Connection, name: &str) -> lapin::Result<Option<Mismatch>> {
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(short(name), ExchangeKind::Topic, options, FieldTable::default()).await;
    conclude(connection, &channel, name, declared).await
}

async fn declare_queue(
    connection: &Connection,
    name: &str,
    exchange: &str,
    arguments: FieldTable,
) -> lapin::Result<Option<Mismatch>> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(short(name), options, arguments).await;
    let bound = match declared {
        Ok(_) => {
            let (options, none) = (QueueBindOptions::default(), FieldTable::default());
            channel.queue_bind(short(name), short(exchange), short(name), options, none).await
        }
        Err(error) => Err(error),
    };
    conclude(connection, &channel, name, bound).await
}

/// Each declaration has a channel of its own, since the broker closes the channel of one that it refuses.
async fn conclude(
    connection: &Connection,
    channel: &lapin::Channel,
    name: &str,
    declared: lapin::Result<()>,
) -> lapin::Result<Option<Mismatch>> {
    match declared {
        Ok(()) => {
            channel.close(200, "declared".into()).await?;
            Ok(None)
        }
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(refusal) if connection.status().connected() => {
                Ok(Some(Mismatch { name: name.to_owned(), difference: refusal.get_message().to_string() }))
            }
            _ => Err(error),
        },
    }
}

/// Names of ours are well below the 255 bytes of a short string.
pub fn short(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap_or_default()
}
