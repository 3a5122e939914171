//! How long a frame may be, and messages whose properties are longer: they are parked, and end nothing.

use lapin::types::{AMQPValue, FieldTable};

use super::services::Addresses;
use super::stage::{ACME, Base, Stage};
use super::wire::{Message, Wire, bet, code, correlation, header};

const DEAD: &str = "v1.0.acme.dead";

/// What the broker offers.
const OFFERED: usize = 131_072;

/// Around the text of a header: the frame, class, weight, body size, flags, delivery mode, the table and the header's name
/// and type.
const AROUND: usize = 8 + 12 + 2 + 1 + 4 + 2 + 1 + 4;

/// A bet with a header of so many bytes.
fn with_header(order: &str, bytes: usize) -> Message {
    let mut headers = FieldTable::default();
    headers.insert("h".into(), AMQPValue::LongString("x".repeat(bytes).into()));
    let mut message = bet(order);
    message.properties = message.properties.with_headers(headers);
    message
}

/// One delivery of each message is all that there is: a session that ends over one loses it.
async fn prepare() -> Stage {
    Stage::prepare(Base::Sqlite, &format!("delivery_limit = 1\n{ACME}"), &Addresses::shared()).await
}

async fn fund(stage: &Stage) {
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10.00", "CHF").await;
}

async fn is_sound(stage: &Stage, left: i64) {
    assert!(!stage.log().contains("the session with the broker ended"), "{}", stage.log());
    assert_eq!(stage.balance("acme", "alice", "CHF").await, left);
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_smaller_frames_longer_headers_are_parked_and_others_are_served() {
    let mut stage = prepare().await;
    stage.add_to_amqp_url("?frame_max=16384");
    stage.serve();
    stage.until_ready().await;
    fund(&stage).await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(with_header("fits", 15_000)).await), "201");
    wire.send(with_header("long", 20_000)).await;
    let mut malformed = with_header("malformed", 15_000);
    malformed.body = b"{}".to_vec();
    let mut headers = malformed.properties.headers().clone().unwrap_or_default();
    headers.insert("authorization".into(), AMQPValue::LongString("Bearer token".into()));
    malformed.properties = malformed.properties.with_headers(headers);
    assert_eq!(code(&wire.ask(malformed).await), "400");
    assert_eq!(code(&wire.ask(bet("after")).await), "201");
    let letters = [wire.take(DEAD).await.delivery, wire.take(DEAD).await.delivery];
    let mut reasons = letters.each_ref().map(|letter| header(&letter.properties, "x-purser-reason"));
    reasons.sort();
    assert_eq!(reasons, ["malformed", "unreadable"]);
    for letter in letters {
        let is_dropped =
            letter.properties.headers().as_ref().is_some_and(|headers| {
                headers.inner().get("x-purser-headers-dropped") == Some(&AMQPValue::Boolean(true))
            });
        match header(&letter.properties, "x-purser-reason").as_str() {
            "malformed" => {
                assert!(is_dropped && correlation(&letter) == "malformed");
                assert_eq!(header(&letter.properties, "authorization"), "Bearer token");
            }
            _ => assert_eq!(letter.data, bet("long").body, "the body is kept"),
        }
    }
    is_sound(&stage, 800).await;
}

/// RabbitMQ notes in the headers of a quorum queue's message how often it came: 3.10 from its first delivery on, 4.0 from its
/// second, so that there it still fits.
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_fill_a_frame_and_grow_on_their_way_are_parked_or_answered() {
    let mut stage = prepare().await;
    stage.serve();
    stage.until_ready().await;
    fund(&stage).await;
    let mut wire = Wire::connect(&stage).await;
    let (order, reply_to) = ("full", wire.replies.clone());
    let mut message = with_header(order, OFFERED - AROUND - 1 - order.len() - 1 - reply_to.len());
    message.properties = message.properties.with_reply_to(reply_to.into());
    wire.send(message).await;
    let parked = Wire::connect(&stage).await;
    let left = tokio::select! {
        letter = parked.take(DEAD) => {
            assert_eq!(header(&letter.delivery.properties, "x-purser-reason"), "unreadable");
            assert_eq!(letter.delivery.data, bet(order).body, "the body is kept");
            900
        }
        reply = wire.next_reply() => {
            assert_eq!((code(&reply).as_str(), correlation(&reply)), ("201", order));
            800
        }
    };
    assert_eq!(code(&wire.ask(bet("after")).await), "201");
    is_sound(&stage, left).await;
}
