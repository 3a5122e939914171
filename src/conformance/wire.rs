//! One case's own channel to the broker: any message by any route, and whatever comes back.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::catalogue::{PublishRoute, ReplyTo};

/// The exchange for requests, and the one for replies to nobody in particular.
const REQUESTS: &str = "v1.0";
const STATUS: &str = "v1.0.status";

const DIRECT: &str = "amq.rabbitmq.reply-to";

/// What a provider can ask for.
pub const OPERATIONS: [&str; 4] = ["balance.get", "order.bet", "order.bet.result", "order.bet.cancel"];

/// Replies that may lie between the broker and the case: more than a case asks for.
const REPLIES: usize = 4096;

/// Persistent, as AMQP counts.
const PERSISTENT: u8 = 2;

/// How long the broker may take to say that it has a message: a connection that is lost may leave lapin waiting for ever.
const CONFIRM_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The case cannot be judged: it is the broker's doing, or the account's.
    #[error("the broker: {0}")]
    Broker(#[from] lapin::Error),
    #[error("no queue takes messages for {0}")]
    NotRouted(String),
    #[error("the broker did not take a message for {0}")]
    NotTaken(String),
    #[error("the broker did not say in {secs} seconds whether it took a message for {0}", secs = CONFIRM_PATIENCE.as_secs())]
    Silent(String),
}

/// A message as it is sent, and sent again.
#[derive(Debug, Clone)]
pub struct SentRequest {
    pub queue: String,
    pub route: PublishRoute,
    pub reply_to: ReplyTo,
    pub correlation_id: Option<String>,
    pub message_id: Option<String>,
    pub persistent: bool,
    pub token: Option<String>,
    pub timestamp: Option<u64>,
    pub body: Vec<u8>,
}

impl SentRequest {
    /// What the reply's correlation id must be; empty where it can have none.
    pub fn correlation(&self) -> &str {
        self.correlation_id.as_deref().or(self.message_id.as_deref()).unwrap_or_default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedReply {
    pub via: ReplyTo,
    pub correlation: String,
    pub content_type: String,
    pub kind: String,
    pub persistent: bool,
    pub body: Vec<u8>,
}

/// Why there is no reply to a request.
pub enum Missing {
    /// Nothing came in time.
    Silence,
    /// A reply came that is nobody's: its correlation id was never sent.
    Stray(ReceivedReply),
}

/// How a wallet's queues are reached.
#[derive(Debug, Clone)]
pub struct Queues {
    pub party: String,
    /// What the broker calls whoever is signed in: wallets may ask for it.
    pub user: Option<String>,
    /// How names of reply queues begin; empty: the broker names them.
    pub reply_prefix: String,
}

pub struct Wire<'a> {
    queues: &'a Queues,
    channel: Channel,
    reply_queue: ShortString,
    deliver: mpsc::Sender<ReceivedReply>,
    delivered: mpsc::Receiver<ReceivedReply>,
    /// Replies that came before they were awaited.
    early: Vec<ReceivedReply>,
    /// Correlation ids that replies may have.
    sent: BTreeSet<String>,
    listens: [bool; 2],
}

impl<'a> Wire<'a> {
    pub async fn open(connection: &Connection, queues: &'a Queues) -> Result<Self, WireError> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let name = match queues.reply_prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}{}", uuid::Uuid::new_v4()),
        };
        let reply_queue = declare(&channel, &name).await?;
        let (deliver, delivered) = mpsc::channel(REPLIES);
        let wire = Self {
            queues,
            channel,
            reply_queue: reply_queue.clone(),
            deliver,
            delivered,
            early: Vec::new(),
            sent: BTreeSet::new(),
            listens: [false; 2],
        };
        wire.listen(reply_queue, ReplyTo::Queue).await?;
        Ok(wire)
    }

    /// The queue of an operation.
    pub fn queue(&self, operation: &str) -> String {
        format!("v1.0.{}.{operation}", self.queues.party)
    }

    async fn listen(&self, queue: ShortString, via: ReplyTo) -> Result<(), WireError> {
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = self.channel.basic_consume(queue, ShortString::default(), options, FieldTable::default());
        let mut consumer = consuming.await?;
        let deliver = self.deliver.clone();
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = consumer.next().await {
                if deliver.send(reply(via, delivery)).await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    /// Direct replies, and those of the status exchange, come only to who listened before.
    async fn listen_for(&mut self, via: ReplyTo) -> Result<(), WireError> {
        let place = match via {
            ReplyTo::Queue => return Ok(()),
            ReplyTo::Direct => 0,
            ReplyTo::Status => 1,
        };
        if std::mem::replace(&mut self.listens[place], true) {
            return Ok(());
        }
        if via == ReplyTo::Direct {
            return self.listen(DIRECT.into(), via).await;
        }
        let name =
            if self.queues.reply_prefix.is_empty() { String::new() } else { format!("{}-status", self.reply_queue) };
        let queue = declare(&self.channel, &name).await?;
        for operation in OPERATIONS {
            let (key, options) = (self.queue(operation).as_str().into(), QueueBindOptions::default());
            self.channel.queue_bind(queue.clone(), STATUS.into(), key, options, FieldTable::default()).await?;
        }
        self.listen(queue, via).await
    }

    /// Publishes all at once and returns when the broker has them.
    pub async fn send(&mut self, requests: &[&SentRequest]) -> Result<(), WireError> {
        let mut confirms = Vec::new();
        for request in requests {
            self.listen_for(request.reply_to).await?;
            self.sent.insert(request.correlation().to_owned());
            let exchange = if request.route == PublishRoute::Exchange { REQUESTS } else { "" };
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let (key, properties) = (request.queue.as_str().into(), self.properties(request));
            let publishing = self.channel.basic_publish(exchange.into(), key, options, &request.body, properties);
            let published = timeout(CONFIRM_PATIENCE, publishing).await;
            confirms.push((request, published.map_err(|_| WireError::Silent(request.queue.clone()))??));
        }
        for (request, confirm) in confirms {
            let confirmed = timeout(CONFIRM_PATIENCE, confirm).await;
            match confirmed.map_err(|_| WireError::Silent(request.queue.clone()))?? {
                Confirmation::Ack(None) => {}
                Confirmation::Ack(Some(_)) => return Err(WireError::NotRouted(request.queue.clone())),
                Confirmation::Nack(_) | Confirmation::NotRequested => {
                    return Err(WireError::NotTaken(request.queue.clone()));
                }
            }
        }
        Ok(())
    }

    fn properties(&self, request: &SentRequest) -> BasicProperties {
        let mut properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(if request.persistent { PERSISTENT } else { 1 });
        match request.reply_to {
            ReplyTo::Queue => properties = properties.with_reply_to(self.reply_queue.clone()),
            ReplyTo::Direct => properties = properties.with_reply_to(DIRECT.into()),
            ReplyTo::Status => {}
        }
        if let Some(id) = &request.correlation_id {
            properties = properties.with_correlation_id(id.as_str().into());
        }
        if let Some(id) = &request.message_id {
            properties = properties.with_message_id(id.as_str().into());
        }
        if let Some(user) = &self.queues.user {
            properties = properties.with_user_id(user.as_str().into());
        }
        if let Some(timestamp) = request.timestamp {
            properties = properties.with_timestamp(timestamp);
        }
        if let Some(token) = &request.token {
            let mut headers = FieldTable::default();
            headers.insert("authorization".into(), AMQPValue::LongString(format!("Bearer {token}").into()));
            properties = properties.with_headers(headers);
        }
        properties
    }

    /// The reply with this correlation id.
    pub async fn reply(&mut self, correlation: &str, within: Duration) -> Result<ReceivedReply, Missing> {
        let deadline = Instant::now() + within;
        if let Some(at) = self.early.iter().position(|reply| reply.correlation == correlation) {
            return Ok(self.early.remove(at));
        }
        loop {
            let Ok(Some(reply)) = timeout_at(deadline, self.delivered.recv()).await else {
                return Err(Missing::Silence);
            };
            if reply.correlation == correlation {
                return Ok(reply);
            }
            if self.sent.contains(&reply.correlation) {
                self.early.push(reply);
            } else if reply.via != ReplyTo::Status {
                // At the status exchange the replies to others pass, too; a queue of our own has only ours.
                return Err(Missing::Stray(reply));
            }
        }
    }

    /// Leaves the channel, and with it the queues.
    pub async fn close(self) {
        // What cannot be closed is closed already.
        let _ = self.channel.close(200, "bye".into()).await;
    }
}

async fn declare(channel: &Channel, name: &str) -> Result<ShortString, WireError> {
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(name.into(), options, FieldTable::default()).await?;
    Ok(queue.name().clone())
}

fn reply(via: ReplyTo, delivery: Delivery) -> ReceivedReply {
    let text = |value: &Option<ShortString>| value.as_ref().map(|text| text.as_str().to_owned()).unwrap_or_default();
    let properties = &delivery.properties;
    ReceivedReply {
        via,
        correlation: text(properties.correlation_id()),
        content_type: text(properties.content_type()),
        kind: text(properties.kind()),
        persistent: *properties.delivery_mode() == Some(PERSISTENT),
        body: delivery.data,
    }
}
