//! Replies that nobody can be given.

use std::time::{Duration, Instant};

use lapin::BasicProperties;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

use super::faults::with_alice;
use super::services::Own;
use super::stage::{ACME, Base, Stage, on_both};
use super::wire::{Wire, bet, code, consume, publish};
use crate::patience::until;

/// How many replies each line of the log tells of that could not be routed.
fn unroutable(log: &str) -> Vec<u64> {
    let lines = log.lines().filter(|line| line.contains("replies could not be routed"));
    let count = |line: &str| {
        let (_, rest) = line.split_once("replies=").expect("a count");
        rest.split(' ').next().expect("a number").parse().expect("a number")
    };
    lines.map(count).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_cannot_be_routed_are_one_line_a_batch() {
    const BETS: u64 = 400;
    on_both(async |base| {
        let mut stage = with_alice(base).await;
        stage.stop().await;
        let wire = Wire::connect(&stage).await;
        for order in 0..BETS {
            let mut message = bet(&format!("batch-{order}"));
            message.properties = message.properties.with_reply_to("a.queue.that.is.gone".into());
            wire.send(message).await;
        }
        stage.serve();
        until("all replies are told of", async || unroutable(&stage.log()).iter().sum::<u64>() == BETS).await;
        let log = stage.log();
        let lines = unroutable(&log).len() as u64;
        assert!(lines <= BETS / 4, "{lines} lines for {BETS} replies");
        let first = log.lines().find(|line| line.contains("replies could not be routed")).expect("a line");
        assert!(first.contains("a.queue.that.is.gone") && first.contains("batch-"), "{first}");
        stage.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_cannot_be_routed_is_logged_and_its_request_acked() {
    on_both(async |base| {
        let mut stage = with_alice(base).await;
        let mut wire = Wire::connect(&stage).await;
        let forged = ["amq.rabbitmq.reply-to.foo", "amq.rabbitmq.reply-to.foo.bar", "amq.rabbitmq.reply-to.a.b.c"];
        let gone = ["a.queue.that.is.gone", "", forged[0], forged[1], forged[2]];
        for (order, reply_to) in gone.into_iter().enumerate() {
            let order = &format!("unroutable-{order}");
            let mut message = bet(order);
            message.properties = message.properties.with_reply_to(reply_to.into());
            wire.send(message).await;
            until("the log has its correlation id", async || {
                let log = stage.log();
                log.lines().any(|line| line.contains("could not be routed") && line.contains(order.as_str()))
            })
            .await;
            assert_eq!(code(&wire.ask(bet(order)).await), "201", "the provider can ask again");
        }
        // Of a direct reply that nobody waits for any more, the broker does not say so.
        let mut message = bet("direct");
        message.properties = message.properties.with_reply_to(direct_name_of_nobody(&stage).await.into());
        wire.send(message).await;
        assert_eq!(code(&wire.ask(bet("direct")).await), "201");
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000 - 600);
        assert!(!stage.log().contains("the session with the broker ended"), "{}", stage.log());
        // Whatever was not acked would be there again after Purser.
        stage.stop().await;
        assert_eq!(wire.ready("v1.0.acme.order.bet").await, 0);
        assert_eq!(wire.ready("v1.0.acme.dead").await, 0);
    })
    .await;
}

/// The name of a direct reply queue whose owner has gone.
async fn direct_name_of_nobody(stage: &Stage) -> String {
    let mut wire = Wire::connect(stage).await;
    let _replies = consume(&wire.channel, "amq.rabbitmq.reply-to").await;
    let properties = BasicProperties::default().with_reply_to("amq.rabbitmq.reply-to".into());
    publish(&wire.channel, "", &wire.replies, b"to itself", properties).await;
    let delivery = wire.next_reply().await;
    delivery.properties.reply_to().as_ref().expect("a direct name").as_str().to_owned()
}

/// A queue whose quorum is lost confirms nothing. On one node that is a queue whose process stands still; one that has had
/// a reply over this channel before, since RabbitMQ 3.10 keeps the channel itself waiting over the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_queue_that_confirms_nothing_keeps_no_others_waiting() {
    /// More than there are places for batches without a confirm.
    const HELD: u32 = 6;
    let own = Own::start(&["broker"]).await;
    let mut stage = Stage::prepare(Base::Sqlite, ACME, &own.addresses).await;
    stage.serve();
    stage.until_ready().await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "1000.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    wire.channel.queue_declare("held".into(), options, arguments).await.expect("a queue");
    let process = async |does: &str| {
        let url = stage.vhost.amqp_url();
        let vhost = url.rsplit('/').next().expect("a virtual host");
        let name = format!("rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"held\">>)");
        let code = format!("{{ok, Q}} = rabbit_amqqueue:lookup({name}), ok = sys:{does}(amqqueue:get_pid(Q)).");
        own.run(&["rabbitmqctl", "-q", "eval", &code]).await;
    };
    for order in 0..=HELD {
        let mut message = bet(&format!("held-{order}"));
        message.properties = message.properties.with_reply_to("held".into());
        wire.send(message).await;
        if order == 0 {
            until("the first is there", async || wire.ready("held").await == 1).await;
            process("suspend").await;
            continue;
        }
        // One at a time, so that none shares a batch with another.
        let left = 100_000 - 100 * i64::from(order + 1);
        until("it is decided", async || stage.balance("acme", "alice", "CHF").await == left).await;
    }
    let asked = Instant::now();
    assert_eq!(code(&wire.ask(bet("other")).await), "201");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    process("resume").await;
    until("the others come late", async || wire.ready("held").await == HELD + 1).await;
    // All are acked.
    stage.stop().await;
    assert_eq!(wire.ready("v1.0.acme.order.bet").await, 0);
}
