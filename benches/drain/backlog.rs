//! The backlog: published and confirmed before it is drained, watched meanwhile, checked afterwards.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Queue};
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::{self, BrokerQueueType, QueueSettings};
use serde_json::json;

use crate::Arguments;
use crate::ledger::{self, CURRENCY, GAME, STAKE};
use crate::mode::Mode;
use crate::processor::{Processes, Spent};

pub const REPLIES: &str = "purser-bench-replies";

/// Messages published before their confirms are awaited.
const WINDOW: usize = 1_000;

/// How often the queues are asked for their lengths.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Longer than the slowest mode takes.
const PATIENCE: Duration = Duration::from_secs(300);

const DELIVERY_LIMIT: u32 = 20;

pub struct Backlog {
    _connection: Connection,
    channel: Channel,
    orders: usize,
}

pub fn request_queue() -> String {
    topology::request_queue(&ledger::party(), Operation::OrderBet)
}

pub async fn connect(url: &str) -> anyhow::Result<Connection> {
    let properties = ConnectionProperties::default().with_connection_name("purser-bench".into());
    Connection::connect(url, properties).await.context("cannot reach the broker")
}

impl Backlog {
    /// Starts from new queues, and fills the request queue.
    pub async fn publish(arguments: &Arguments, mode: Mode, orders: usize) -> anyhow::Result<Self> {
        let connection = connect(&arguments.amqp_url).await?;
        let channel = connection.create_channel().await?;
        let dead = topology::dead_queue(&ledger::party());
        for queue in [REPLIES, &request_queue(), &dead] {
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
        }
        let mismatches = topology::declare(
            &connection,
            &[ledger::party()],
            QueueSettings::new(BrokerQueueType::Quorum, DELIVERY_LIMIT),
        )
        .await?;
        ensure!(mismatches.is_empty(), "the broker has other queues of these names: {mismatches:?}");
        let mut of_type = FieldTable::default();
        let queue_type = if arguments.quorum_replies { "quorum" } else { "classic" };
        of_type.insert("x-queue-type".into(), AMQPValue::LongString(queue_type.into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(REPLIES.into(), options, of_type).await?;
        let backlog = Self { _connection: connection, channel, orders };
        backlog.fill(mode, arguments.players).await?;
        Ok(backlog)
    }

    async fn fill(&self, mode: Mode, players: usize) -> anyhow::Result<()> {
        self.channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let tokens = ledger::tokens(mode, players)?;
        let all: Vec<usize> = (0..self.orders).collect();
        for window in all.chunks(WINDOW) {
            let publishing = window.iter().map(|&order| self.publish_one(order, order % players, &tokens));
            try_join_all(try_join_all(publishing).await?).await?;
        }
        let waiting = self.look(&request_queue()).await?.message_count();
        ensure!(usize::try_from(waiting)? == self.orders, "the broker keeps {waiting} of {} orders", self.orders);
        Ok(())
    }

    async fn publish_one(
        &self,
        order: usize,
        player: usize,
        tokens: &[String],
    ) -> lapin::Result<lapin::PublisherConfirm> {
        let body = json!({
            "amount": STAKE, "currency": CURRENCY, "game": GAME, "round": order + 1,
            "externalId": format!("bench-order-{order:012}"), "playerId": ledger::player_name(player),
        });
        let mut properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_correlation_id(format!("bench-{order:012}").into())
            .with_reply_to(REPLIES.into())
            .with_delivery_mode(2);
        if let Some(token) = tokens.get(player) {
            let mut headers = FieldTable::default();
            headers.insert("authorization".into(), AMQPValue::LongString(format!("Bearer {token}").into()));
            properties = properties.with_headers(headers);
        }
        let (body, options) = (body.to_string(), BasicPublishOptions::default());
        self.channel
            .basic_publish("".into(), request_queue().as_str().into(), options, body.as_bytes(), properties)
            .await
    }

    async fn look(&self, queue: &str) -> lapin::Result<Queue> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), options, FieldTable::default()).await
    }

    /// How long it takes from the first sight of a consumer until every reply is there, and what it costs.
    pub async fn drained(&self, processes: Processes) -> anyhow::Result<(Duration, Spent)> {
        let deadline = Instant::now() + PATIENCE;
        let request_queue = request_queue();
        while self.look(&request_queue).await?.consumer_count() == 0 {
            ensure!(Instant::now() < deadline, "nobody consumes {request_queue}");
            tokio::time::sleep(LOOK_EVERY / 10).await;
        }
        let (began, before) = (Instant::now(), processes.spent());
        loop {
            let replies = usize::try_from(self.look(REPLIES).await?.message_count())?;
            if replies >= self.orders {
                return Ok((began.elapsed(), processes.spent().since(before)));
            }
            ensure!(Instant::now() < deadline, "{replies} replies to {} orders after {PATIENCE:?}", self.orders);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Nothing is left, nothing is parked, and every order has one reply that says yes.
    pub async fn check(&self, mode: Mode) -> anyhow::Result<()> {
        for queue in [request_queue(), topology::dead_queue(&ledger::party())] {
            let left = self.look(&queue).await?.message_count();
            // What was acked last may not have been forgotten yet, but it is not ready either.
            ensure!(left == 0, "{left} messages are left in {queue}");
        }
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let mut replies = self.channel.basic_consume(REPLIES.into(), "".into(), options, FieldTable::default()).await?;
        let mut answered = HashSet::new();
        let mut by_code = BTreeMap::<String, usize>::new();
        while answered.len() < self.orders {
            let delivery = replies.next().await.context("the replies ended early")??;
            let correlation = delivery.properties.correlation_id().clone().context("a reply without correlation id")?;
            if !answered.insert(correlation.as_str().to_owned()) {
                bail!("{correlation} was answered twice");
            }
            let body: serde_json::Value = serde_json::from_slice(&delivery.data)?;
            *by_code.entry(body["code"].as_str().unwrap_or("none").to_owned()).or_default() += 1;
        }
        let yes = if mode == Mode::Broker { "none" } else { "201" };
        ensure!(by_code.get(yes) == Some(&self.orders), "replies by code: {by_code:?}");
        Ok(())
    }
}
