//! A game provider: publishes requests, awaits replies. For `purser demo`, `purser bench` and the tests; it knows
//! Purser only by its queues, as any provider does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Consumer};
use tokio::sync::oneshot;

use crate::dialects::egpp::Operation;
use crate::ledger::Party;
use crate::transport::amqp::AmqpSettings;
use crate::transport::amqp::admission::own_user;
use crate::transport::amqp::connection;
use crate::transport::amqp::session::SessionError;
use crate::transport::amqp::topology::{self, short};

/// How long a reply is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a request has no reply.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    #[error("nobody consumes queue {0}: start `purser serve` first")]
    NobodyServes(String),
    #[error("no reply in {} seconds to {correlation}", PATIENCE.as_secs())]
    NoReply { correlation: String },
    #[error("the broker did not take the request {correlation}")]
    NotTaken { correlation: String },
    #[error("the broker did not say in {} seconds whether it took the request {correlation}", PATIENCE.as_secs())]
    Silent { correlation: String },
}

/// A request as a provider makes it.
#[derive(Debug, Clone)]
pub struct ProviderRequest {
    pub operation: Operation,
    pub correlation: String,
    pub body: Vec<u8>,
    /// Goes into the header `authorization`.
    pub token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderReply {
    pub body: Vec<u8>,
}

impl ProviderReply {
    /// The status code; a balance counts as 200.
    pub fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        match body.get("code").and_then(serde_json::Value::as_str) {
            Some(code) => code.to_owned(),
            None if body.get("balance").is_some() => "200".to_owned(),
            None => "?".to_owned(),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

type Pending = Arc<Mutex<HashMap<String, oneshot::Sender<ProviderReply>>>>;

/// One provider's connection to one party's queues.
pub struct Provider {
    party: Party,
    channel: Channel,
    replies: ShortString,
    /// What the broker calls whoever is signed in, where that is known.
    user: Option<String>,
    pending: Pending,
    /// Closes with the provider.
    _connection: Connection,
}

impl Provider {
    /// Connects, and declares a reply queue that goes away with the connection.
    pub async fn connect(settings: &AmqpSettings, party: Party) -> Result<Self, ProviderError> {
        let connection = connection::connect(settings).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(ShortString::default(), options, FieldTable::default()).await?;
        let consuming = connection.create_channel().await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let replies = queue.name().clone();
        let tag = "purser-provider".into();
        let consumer = consuming.basic_consume(replies.clone(), tag, options, FieldTable::default()).await?;
        let pending = Pending::default();
        tokio::spawn(receive(consumer, Arc::clone(&pending)));
        let user = own_user(settings);
        Ok(Self { party, channel, replies, user, pending, _connection: connection })
    }

    /// Fails where no Purser consumes the party's queues.
    pub(crate) async fn expect_service(&self) -> Result<(), ProviderError> {
        let probe = self._connection.create_channel().await?;
        for operation in Operation::ALL {
            let name = topology::request_queue(&self.party, operation);
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let declared = probe.queue_declare(short(&name), options, FieldTable::default()).await;
            if !declared.is_ok_and(|queue| queue.consumer_count() > 0) {
                return Err(ProviderError::NobodyServes(name));
            }
        }
        Ok(())
    }

    /// Publishes a request and waits for its reply.
    pub async fn ask(&self, request: ProviderRequest) -> Result<ProviderReply, ProviderError> {
        let correlation = request.correlation.clone();
        let (answer, answered) = oneshot::channel();
        self.lock().insert(correlation.clone(), answer);
        if let Err(error) = self.publish(request).await {
            self.lock().remove(&correlation);
            return Err(error);
        }
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) | Err(_) => {
                self.lock().remove(&correlation);
                Err(ProviderError::NoReply { correlation })
            }
        }
    }

    /// Publishes a request, and leaves its reply alone. Returns when the broker has taken it.
    pub async fn send(&self, request: ProviderRequest) -> Result<(), ProviderError> {
        self.publish(request).await
    }

    async fn publish(&self, request: ProviderRequest) -> Result<(), ProviderError> {
        let ProviderRequest { operation, correlation, body, token } = request;
        let mut properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_correlation_id(short(&correlation))
            .with_reply_to(self.replies.clone())
            .with_delivery_mode(2);
        if let Some(user) = &self.user {
            properties = properties.with_user_id(short(user));
        }
        if let Some(token) = token {
            let mut headers = FieldTable::default();
            headers.insert("authorization".into(), AMQPValue::LongString(format!("Bearer {token}").into()));
            properties = properties.with_headers(headers);
        }
        let routing_key = short(&topology::request_queue(&self.party, operation));
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publishing = self.channel.basic_publish(topology::REQUESTS.into(), routing_key, options, &body, properties);
        // A connection that is lost meanwhile may leave lapin waiting for ever.
        let confirming = tokio::time::timeout(PATIENCE, async { publishing.await?.await });
        match confirming.await.map_err(|_| ProviderError::Silent { correlation: correlation.clone() })?? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested => {
                Err(ProviderError::NotTaken { correlation })
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<ProviderReply>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives each reply to the request of its correlation id.
async fn receive(mut consumer: Consumer, pending: Pending) {
    while let Some(Ok(delivery)) = consumer.next().await {
        let correlation = delivery.properties.correlation_id().as_ref().map(ShortString::as_str).unwrap_or_default();
        let waiting = pending.lock().unwrap_or_else(PoisonError::into_inner).remove(correlation);
        if let Some(answer) = waiting {
            // Whoever gave up waiting does not mind.
            let _ = answer.send(ProviderReply { body: delivery.data });
        }
    }
    // Nobody will be answered any more: those who wait hear of it at once.
    pending.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
