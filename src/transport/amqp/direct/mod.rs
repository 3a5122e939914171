//! Replies by direct reply-to (`amq.rabbitmq.reply-to.…`), over a connection of their own.
//!
//! Such a name holds the broker's own word for whoever waits, in the sender's hands. The broker ends the whole connection
//! over one that is forged. So these replies share a connection with nothing else: it is opened when the first of them is
//! to be sent, and whatever becomes of it delays neither other replies nor their acks. When it ends, what was under way
//! is sent again one by one; the one over which it ends again goes to the status exchange.

mod name;
mod nodes;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::AmqpSettings;
use super::connection;
use super::message::{self, Publication};
use super::publisher::{self, PreparedReply, PublishError, Published};
use super::session::SessionError;
use super::topology::short;
use crate::ledger::Party;

pub use name::{DirectName, is_direct};
pub use nodes::ProvenNodes;

/// Replies sent together at the most.
const MAX_BATCH: usize = 512;

/// How long opening the connection, and the confirm of a reply, may take. A confirm comes at once, unless the broker
/// throttles the connection because somebody does not read.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one party's sessions know of direct replies, and keep from one to the next.
pub(crate) type SharedNodes = Arc<std::sync::Mutex<ProvenNodes>>;

/// Sends one party's direct replies.
pub struct DirectReplies {
    settings: AmqpSettings,
    party: Party,
    nodes: SharedNodes,
    open: Option<Open>,
}

struct Open {
    channel: Channel,
    connection: Connection,
}

/// What became of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Sent,
    /// The connection ended while it was under way.
    Ended,
    /// It may not be sent like that, or not now.
    Elsewhere,
}

impl DirectReplies {
    pub fn new(settings: AmqpSettings, party: Party, nodes: SharedNodes) -> Self {
        Self { settings, party, nodes, open: None }
    }

    /// Answers until every sender is gone. What has no direct way goes through `replies` to the status exchange.
    pub(super) async fn run(
        mut self,
        replies: Channel,
        mut prepared: mpsc::UnboundedReceiver<PreparedReply>,
    ) -> Result<(), PublishError> {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        // What a queue does not confirm, of what went through `replies`: the others do not wait for it.
        let mut confirming = JoinSet::new();
        loop {
            tokio::select! {
                taken = prepared.recv_many(&mut batch, MAX_BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    let published = self.answer(&replies, std::mem::take(&mut batch)).await?;
                    let late = publisher::conclude_in_time(published).await?;
                    if !late.is_empty() {
                        confirming.spawn(publisher::conclude(late));
                    }
                }
                Some(concluded) = confirming.join_next() => concluded??,
            }
        }
        while let Some(concluded) = confirming.join_next().await {
            concluded??;
        }
        if let Some(open) = self.open.take() {
            // A courtesy: it goes away with the program, too.
            let _ = timeout(PATIENCE, open.connection.close(200, "bye".into())).await;
        }
        Ok(())
    }

    async fn answer(&mut self, replies: &Channel, batch: Vec<PreparedReply>) -> lapin::Result<Vec<Published>> {
        let mut fates = self.send(&batch).await;
        let ended = fates.iter().filter(|fate| **fate == Fate::Ended).count();
        for (fate, prepared) in fates.iter_mut().zip(&batch).filter(|(fate, _)| **fate == Fate::Ended) {
            // Of several, it is not known over which one it ended.
            if ended > 1 {
                *fate = self.send(std::slice::from_ref(prepared)).await.first().copied().unwrap_or(Fate::Elsewhere);
            }
            if *fate == Fate::Ended {
                if let Some(name) = name_of(prepared) {
                    self.nodes().note_end(&name);
                }
                *fate = Fate::Elsewhere;
            }
        }
        let mut published = Vec::with_capacity(batch.len());
        for (fate, mut prepared) in fates.into_iter().zip(batch) {
            prepared.reply = match prepared.reply.take() {
                Some(reply) if fate == Fate::Elsewhere => Some(prepared.to_status_exchange(reply)),
                _ => None,
            };
            published.push(publisher::publish_one(replies, prepared).await?);
        }
        Ok(published)
    }

    /// Sends these together, over a connection that is open or can be opened.
    async fn send(&mut self, batch: &[PreparedReply]) -> Vec<Fate> {
        let Some(channel) = self.channel().await else { return vec![Fate::Elsewhere; batch.len()] };
        let sending = batch.iter().map(|prepared| {
            let name = name_of(prepared).filter(|name| self.nodes().may_be_tried(name));
            let channel = channel.clone();
            async move {
                let (Some(name), Some(reply)) = (name, &prepared.reply) else { return (Fate::Elsewhere, None) };
                match timeout(PATIENCE, send_one(&channel, reply)).await {
                    Ok(Ok(Confirmation::Ack(_))) => (Fate::Sent, Some(name)),
                    Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => (Fate::Elsewhere, None),
                    Ok(Err(_)) => (Fate::Ended, None),
                    // Somebody does not read. To wait for each of them in turn would take for ever.
                    Err(_) => (Fate::Elsewhere, None),
                }
            }
        });
        let sent = join_all(sending.collect::<Vec<_>>()).await;
        for name in sent.iter().filter_map(|(_, name)| name.as_ref()) {
            self.nodes().note_proof(name);
        }
        if !channel.status().connected() {
            self.open = None;
        }
        sent.into_iter().map(|(fate, _)| fate).collect()
    }

    fn nodes(&self) -> std::sync::MutexGuard<'_, ProvenNodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel, opened where there is none; `None` where there is none to be had.
    async fn channel(&mut self) -> Option<Channel> {
        if let Some(open) = self.open.as_ref().filter(|open| open.channel.status().connected()) {
            return Some(open.channel.clone());
        }
        self.open = None;
        if !self.nodes().may_connect() {
            return None;
        }
        let opening = timeout(PATIENCE, open(&self.settings, &self.party));
        match opening.await.unwrap_or(Err(SessionError::Silent)) {
            Ok((open, own)) => {
                self.nodes().note_own(&own);
                let channel = open.channel.clone();
                self.open = Some(open);
                Some(channel)
            }
            Err(error) => {
                self.nodes().note_failure();
                tracing::warn!(party = %self.party, %error, "no connection for direct replies; they go to the status exchange");
                None
            }
        }
    }
}

fn name_of(prepared: &PreparedReply) -> Option<DirectName<'_>> {
    prepared.reply.as_ref().and_then(|reply| DirectName::parse(reply.routing_key.as_str()))
}

/// Not mandatory: the broker says of every direct reply that no queue took it.
async fn send_one(channel: &Channel, reply: &Publication) -> lapin::Result<Confirmation> {
    let Publication { exchange, routing_key, body, properties } = reply;
    let options = BasicPublishOptions::default();
    let (exchange, key) = (exchange.clone(), routing_key.clone());
    channel.basic_publish(exchange, key, options, body, properties.clone()).await?.await
}

/// Opens a connection and asks for a direct reply itself, to see what a name of this broker looks like.
async fn open(settings: &AmqpSettings, party: &Party) -> Result<(Open, String), SessionError> {
    let connection = connection::connect(settings).await?;
    let own = own_name(&connection, party).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((Open { channel, connection }, own))
}

async fn own_name(connection: &Connection, party: &Party) -> Result<String, SessionError> {
    let channel = connection.create_channel().await?;
    let queue = short(&format!("v1.0.{party}.probe.{}", uuid::Uuid::new_v4()));
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consume = |queue| channel.basic_consume(queue, short(""), options, FieldTable::default());
    let _replies = consume(short(name::WITHOUT_SUFFIX)).await?;
    let mut asked = consume(queue.clone()).await?;
    let properties = BasicProperties::default().with_reply_to(short(name::WITHOUT_SUFFIX));
    channel.basic_publish(short(""), queue.clone(), BasicPublishOptions::default(), b"", properties).await?;
    let delivery = asked.next().await.ok_or(SessionError::Silent)??;
    channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    channel.close(200, "asked".into()).await?;
    let name = delivery.properties.reply_to().as_ref().map(ToString::to_string);
    name.ok_or_else(|| SessionError::Refused("the broker gives no direct reply-to names".to_owned()))
}

impl PreparedReply {
    fn to_status_exchange(&self, reply: Publication) -> Publication {
        let queue = &self.request.queue;
        let (exchange, routing_key) = message::status_route(&queue.handler.rules.party, queue.operation);
        Publication { exchange, routing_key, ..reply }
    }
}
