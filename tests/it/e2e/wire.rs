//! One message at a time, with any properties and any bytes, by any route: what `purser::provider` is too well-behaved
//! for.

use futures_util::StreamExt;
use lapin::message::{BasicGetMessage, Delivery};
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::{REQUESTS, STATUS, request_queue, short};
use serde_json::{Value, json};

use super::stage::{Stage, party};
use crate::patience::{until, within_deadline};

/// The two ways by which a provider may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Exchange,
    Queue,
}

/// A request with everything around it.
#[derive(Debug, Clone)]
pub struct Message {
    pub party: &'static str,
    pub operation: Operation,
    pub route: Route,
    pub properties: BasicProperties,
    pub body: Vec<u8>,
}

impl Message {
    /// A persistent message to party acme, through the exchange. The wire adds its own reply queue to it.
    pub fn new(operation: Operation, correlation: &str, body: &Value) -> Self {
        Self {
            party: "acme",
            operation,
            route: Route::Exchange,
            properties: BasicProperties::default().with_correlation_id(short(correlation)).with_delivery_mode(2),
            body: body.to_string().into_bytes(),
        }
    }
}

/// Alice's bet of 1.00 CHF; its correlation id is the order's.
pub fn bet(order: &str) -> Message {
    let body = json!({ "amount": 100, "currency": "CHF", "game": "wallstroulette", "round": 1,
                       "externalId": order, "playerId": "alice" });
    Message::new(Operation::OrderBet, order, &body)
}

/// A provider's connection, with one queue for all its replies.
pub struct Wire {
    pub channel: Channel,
    /// The name of the reply queue.
    pub replies: String,
    consumer: Consumer,
    connection: Connection,
}

impl Wire {
    pub async fn connect(stage: &Stage) -> Self {
        let connection = Connection::connect(&stage.vhost.amqp_url(), ConnectionProperties::default()).await;
        let connection = connection.expect("a connection");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(short(""), options, FieldTable::default()).await.expect("a queue");
        let replies = queue.name().as_str().to_owned();
        let consumer = consume(&channel, &replies).await;
        Self { channel, replies, consumer, connection }
    }

    /// Publishes with the wire's own reply queue and awaits the reply.
    pub async fn ask(&mut self, mut message: Message) -> Delivery {
        message.properties = message.properties.with_reply_to(short(&self.replies));
        self.send(message).await;
        self.next_reply().await
    }

    /// Publishes as it is; the broker must take it.
    pub async fn send(&self, message: Message) {
        let queue = request_queue(&party(message.party), message.operation);
        let exchange = match message.route {
            Route::Exchange => REQUESTS,
            Route::Queue => "",
        };
        publish(&self.channel, exchange, &queue, &message.body, message.properties).await;
    }

    /// Publishes many through the exchange, in this order, with the wire's own reply queue; returns when the broker has
    /// all of them.
    pub async fn send_all(&self, messages: impl IntoIterator<Item = Message>) {
        let mut confirms = Vec::new();
        for message in messages {
            let queue = short(&request_queue(&party(message.party), message.operation));
            let properties = message.properties.with_reply_to(short(&self.replies));
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let sending = self.channel.basic_publish(short(REQUESTS), queue, options, &message.body, properties);
            confirms.push(sending.await.expect("sent"));
        }
        for confirm in confirms {
            let confirmation = confirm.await.expect("a confirm");
            assert!(matches!(confirmation, Confirmation::Ack(None)), "{confirmation:?}");
        }
    }

    pub async fn next_reply(&mut self) -> Delivery {
        next(&mut self.consumer).await
    }

    /// Another queue of this connection's, for replies from the status exchange.
    pub async fn status_queue(&self, routing_key: &str) -> Consumer {
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare(short(""), options, FieldTable::default()).await.expect("a queue");
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let binding = self.channel.queue_bind(queue.name().clone(), short(STATUS), short(routing_key), options, none);
        binding.await.expect("bound");
        consume(&self.channel, queue.name().as_str()).await
    }

    /// How many messages are ready in a queue, delivered ones not counted.
    pub async fn ready(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(short(queue), options, FieldTable::default()).await;
        declared.expect("the queue is there").message_count()
    }

    /// How many consumers a queue has; `None` where there is no such queue.
    pub async fn consumers(&self, queue: &str) -> Option<u32> {
        // The broker closes the channel that asks for a queue that is not there.
        let probe = self.connection.create_channel().await.expect("a channel");
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = probe.queue_declare(short(queue), options, FieldTable::default()).await;
        declared.ok().map(|queue| queue.consumer_count())
    }

    /// Takes the next message of a queue, waiting for it.
    pub async fn take(&self, queue: &str) -> BasicGetMessage {
        let mut taken = None;
        until(&format!("a message in {queue}"), async || {
            taken = self.channel.basic_get(short(queue), BasicGetOptions { no_ack: true }).await.expect("a queue");
            taken.is_some()
        })
        .await;
        taken.expect("a message")
    }
}

pub async fn consume(channel: &Channel, queue: &str) -> Consumer {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    channel.basic_consume(short(queue), short(""), options, FieldTable::default()).await.expect("a consumer")
}

pub async fn next(consumer: &mut Consumer) -> Delivery {
    within_deadline("a reply", consumer.next()).await.expect("the consumer lives").expect("a delivery")
}

/// Publishes one message and makes sure that it reached a queue.
pub async fn publish(channel: &Channel, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let publishing = channel.basic_publish(short(exchange), short(key), options, body, properties);
    let confirmation = publishing.await.expect("sent").await.expect("a confirm");
    assert!(matches!(confirmation, Confirmation::Ack(None)), "{exchange} {key}: {confirmation:?}");
}

pub fn correlation(delivery: &Delivery) -> &str {
    delivery.properties.correlation_id().as_ref().map_or("", |id| id.as_str())
}

/// A reply's status code; a balance has none.
pub fn code(delivery: &Delivery) -> String {
    let body: Value = serde_json::from_slice(&delivery.data).expect("JSON");
    body["code"].as_str().unwrap_or_default().to_owned()
}

/// The text of a header; empty where it is absent.
pub fn header(properties: &BasicProperties, name: &str) -> String {
    let value = properties.headers().as_ref().and_then(|headers| headers.inner().get(name));
    match value {
        Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        _ => String::new(),
    }
}
