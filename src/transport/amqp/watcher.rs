//! Whoever watches a sandbox party's replies: has them, and sends them on.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, Consumer};
use uuid::Uuid;

use super::message::Publication;
use super::peers::PeerMessage;
use super::session::SessionError;
use super::topology::{self, PEERS, short};
use super::watch::{ToWatcher, WatchedReply};
use super::{AmqpSettings, connection, direct};
use crate::ledger::Party;

/// How long whatever the broker is asked may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A watcher's connection, its queue, and a connection for direct replies: the broker ends one over a forged name.
pub(crate) struct Watcher {
    settings: AmqpSettings,
    party: Party,
    id: Uuid,
    channel: Channel,
    consumer: Consumer,
    connection: Connection,
    direct: Option<(Connection, Channel)>,
}

impl Watcher {
    /// Connects, and declares the queue; no session knows of it before it is called.
    pub async fn open(settings: &AmqpSettings, party: &Party) -> Result<Self, SessionError> {
        let connection = connection::connect(settings).await?;
        let channel = connection.create_channel().await?;
        let id = Uuid::new_v4();
        let queue = short(&topology::watch_queue(party, id));
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(queue, short("purser-watch"), options, FieldTable::default()).await?;
        let (settings, party) = (settings.clone(), party.clone());
        Ok(Self { settings, party, id, channel, consumer, connection, direct: None })
    }

    /// Says that it watches, or that it does no more.
    pub async fn call(&self, is_over: bool) -> lapin::Result<()> {
        let message = PeerMessage::Watch { watcher: self.id, is_over };
        let body = serde_json::to_vec(&message).map_err(std::io::Error::from)?;
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let key = short(&topology::peers_key(&self.party));
        self.channel.basic_publish(short(PEERS), key, options, &body, properties).await.map(drop)
    }

    /// What comes next; none where the broker is gone. What is no word of a session's is passed over.
    pub async fn next(&mut self) -> Option<ToWatcher> {
        loop {
            let delivery = self.consumer.next().await?.ok()?;
            match serde_json::from_slice(&delivery.data) {
                Ok(told) => return Some(told),
                Err(error) => {
                    tracing::warn!(party = %self.party, %error, "a message for the watcher is none of Purser's")
                }
            }
        }
    }

    /// Sends a reply on to its provider.
    pub(crate) async fn send_on(&mut self, reply: &WatchedReply) -> Result<(), SessionError> {
        if direct::is_direct(&reply.routing_key) {
            // Nobody may be waiting any more, or the name is forged: the broker then ends that connection alone.
            if let Err(error) = self.send_directly(reply).await {
                tracing::warn!(party = %self.party, %error, "a direct reply could not be sent on");
                self.direct = None;
            }
            return Ok(());
        }
        Ok(publish(&self.channel, reply).await?)
    }

    async fn send_directly(&mut self, reply: &WatchedReply) -> Result<(), SessionError> {
        let is_open = |(_, channel): &(Connection, Channel)| channel.status().connected();
        if !self.direct.as_ref().is_some_and(is_open) {
            let connection = connection::connect(&self.settings).await?;
            let channel = connection.create_channel().await?;
            self.direct = Some((connection, channel));
        }
        let Some((_, channel)) = &self.direct else { return Ok(()) };
        Ok(publish(channel, reply).await?)
    }

    /// Leaves, once the sessions have been told.
    pub async fn close(self) {
        let connections = [Some(self.connection), self.direct.map(|(connection, _)| connection)];
        for connection in connections.into_iter().flatten() {
            // What cannot be closed is closed already.
            let _ = tokio::time::timeout(PATIENCE, connection.close(200, "bye".into())).await;
        }
    }
}

async fn publish(channel: &Channel, reply: &WatchedReply) -> lapin::Result<()> {
    let Publication { exchange, routing_key, body, properties } = reply.into();
    channel.basic_publish(exchange, routing_key, BasicPublishOptions::default(), &body, properties).await.map(drop)
}
