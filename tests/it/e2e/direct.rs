//! Direct replies: names that nobody has given out delay nobody.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Confirmation};
use purser::transport::amqp::topology::short;

use super::stage::{ACME, Stage, on_both};
use super::wire::{Message, Wire, bet, code, consume, correlation, next, publish};
use crate::patience::within_deadline;

const PREFIX: &str = "amq.rabbitmq.reply-to.";

/// A name that the broker has given out: its process identifier and its key.
async fn given(stage: &Stage) -> (Vec<u8>, String) {
    let mut wire = Wire::connect(stage).await;
    let _replies = consume(&wire.channel, "amq.rabbitmq.reply-to").await;
    let properties = BasicProperties::default().with_reply_to("amq.rabbitmq.reply-to".into());
    publish(&wire.channel, "", &wire.replies, b"to itself", properties).await;
    let delivery = wire.next_reply().await;
    let name = delivery.properties.reply_to().as_ref().expect("a direct name").as_str().to_owned();
    let (process, key) = name.strip_prefix(PREFIX).expect("a direct name").split_once('.').expect("two parts");
    (BASE64.decode(process).expect("base64"), key.to_owned())
}

/// Names that the broker has not given out: of a process and of a node that cannot be.
async fn forged(stage: &Stage) -> [String; 2] {
    let (term, key) = given(stage).await;
    let name = |term: &[u8]| format!("{PREFIX}{}.{key}", BASE64.encode(term));
    let (mut process, mut node) = (term.clone(), term.clone());
    let numbers = term.len() - 12;
    process[numbers..numbers + 4].copy_from_slice(&[0, 0, 0xff, 0xff]);
    node[numbers - 1] = if node[numbers - 1] == b'1' { b'2' } else { b'1' };
    [name(&process), name(&node)]
}

/// Whether the broker confirms what is sent to this name, and drops it, as RabbitMQ 4 does; 3.10 ends the connection.
async fn is_dropped(stage: &Stage, name: &str) -> bool {
    let channel = Wire::connect(stage).await.channel;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let sent = channel.basic_publish(short(""), short(name), options, b"to nobody", properties).await;
    match within_deadline("a confirm, or the end of the connection", sent.expect("sent")).await {
        Ok(confirmation) => matches!(confirmation, Confirmation::Ack(None)),
        Err(_) => false,
    }
}

fn with_reply_to(id: &str, reply_to: &str) -> Message {
    let mut message = bet(id);
    message.properties = message.properties.with_reply_to(short(reply_to));
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_names_delay_nobody_and_are_answered_to_the_status_exchange_unless_the_broker_drops_them() {
    /// The broker's delivery limit would be reached by then.
    const SOON: Duration = Duration::from_secs(20);
    on_both(async |base| {
        let stage = Stage::open(base, ACME).await;
        stage.add_player("acme", "alice").await;
        stage.deposit("acme", "alice", "1000.00", "CHF").await;
        let mut wire = Wire::connect(&stage).await;
        let mut statuses = wire.status_queue("v1.0.acme.#").await;
        let mut direct = consume(&wire.channel, "amq.rabbitmq.reply-to").await;
        let names = forged(&stage).await;
        let (of_process, of_node) = (is_dropped(&stage, &names[0]).await, is_dropped(&stage, &names[1]).await);
        let to_statuses = [of_process, of_node].into_iter().filter(|dropped| !dropped).count() * 5;
        let began = Instant::now();
        for number in 0..60_usize {
            let own = wire.replies.clone();
            let (kind, reply_to) = match number % 6 {
                0 => ("forged", names[number / 6 % 2].as_str()),
                1 | 2 => ("direct", "amq.rabbitmq.reply-to"),
                _ => ("plain", own.as_str()),
            };
            wire.send(with_reply_to(&format!("{kind}-{number}"), reply_to)).await;
        }
        for _ in 0..30 {
            let reply = wire.next_reply().await;
            assert_eq!((code(&reply).as_str(), &correlation(&reply)[..5]), ("201", "plain"));
        }
        let (mut answered, mut forged) = (BTreeSet::new(), 0);
        while answered.len() < 20 + to_statuses {
            let reply = tokio::select! {
                reply = next(&mut direct) => reply,
                reply = next(&mut statuses) => reply,
            };
            assert_eq!(code(&reply), "201");
            forged +=
                usize::from(correlation(&reply).starts_with("forged") && reply.exchange.as_str() == "v1.0.status");
            answered.insert(correlation(&reply).to_owned());
        }
        assert_eq!(forged, to_statuses);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        assert!(!stage.log().contains("the session with the broker ended"), "{}", stage.log());
        assert_eq!(wire.ready("v1.0.acme.dead").await, 0);
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000 - 6_000);
        stage.audit().await;
    })
    .await;
}
