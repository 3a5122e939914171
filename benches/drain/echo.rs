//! What the broker does with no ledger: consume, publish a reply, confirm, ack, batched as Purser does it.

use futures_util::future::try_join_all;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, PublisherConfirm};
use tokio::sync::mpsc;

use crate::backlog::request_queue;

/// As Purser's.
const PREFETCH: u16 = 2_000;
const MAX_BATCH: usize = 512;
const MAX_UNCONFIRMED_BATCHES: usize = 4;

pub async fn run(channel: Channel, replies: Channel) -> anyhow::Result<()> {
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(request_queue().as_str().into(), "echo".into(), options, none).await?;
    // In order, since the broker refuses a multiple ack for a tag that a later one has covered.
    let (published, confirming) = mpsc::channel(MAX_UNCONFIRMED_BATCHES);
    let acking = tokio::spawn(ack(channel.clone(), confirming));
    while let Some(first) = consumer.next().await {
        let mut batch = vec![first?];
        while batch.len() < MAX_BATCH
            && let Some(Some(next)) = consumer.next().now_or_never()
        {
            batch.push(next?);
        }
        let last = batch.last().map(|delivery| delivery.delivery_tag).unwrap_or_default();
        let confirms = try_join_all(batch.iter().map(|delivery| reply(&replies, delivery))).await?;
        published.send((confirms, last)).await?;
    }
    acking.await?
}

async fn ack(channel: Channel, mut published: mpsc::Receiver<(Vec<PublisherConfirm>, u64)>) -> anyhow::Result<()> {
    while let Some((confirms, last)) = published.recv().await {
        try_join_all(confirms).await?;
        channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
    }
    Ok(())
}

async fn reply(channel: &Channel, request: &Delivery) -> lapin::Result<PublisherConfirm> {
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_type("order.bet.status".into())
        .with_correlation_id(request.properties.correlation_id().clone().unwrap_or_default())
        .with_delivery_mode(2);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let to = request.properties.reply_to().clone().unwrap_or_default();
    channel.basic_publish("".into(), to, options, br#"{"echo":"201"}"#, properties).await
}
