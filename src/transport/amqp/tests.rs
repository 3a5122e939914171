//! What anybody may put into a message: properties and headers of every kind, in every place where they are read.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use proptest::prelude::*;

use super::admission::Admission;
use super::dead::{self, DeadLetter};
use super::message::{self, Died};
use super::{AmqpSettings, BrokerNodes, TLS_NAMES, connection, topology};
use crate::config::Secret;
use crate::dialects::egpp::{EgppReply, Operation};
use crate::ledger::Party;
use crate::ledger::command::Timestamp;
use crate::tls::Files;

/// Levels of tables in each other: more than a frame of the broker's default size can hold.
const DEEPEST: usize = 20_000;

/// What the program's threads have, with room for the larger frames of an unoptimized build.
const STACK: usize = 4 * 32 * 1024 * 1024;

fn short() -> impl Strategy<Value = ShortString> {
    let named = [
        "",
        "v1.0.acme.order.bet",
        "v1.0.other.dead",
        "v1.0.acme.replies",
        "amq.rabbitmq.reply-to",
        "amq.rabbitmq.reply-to.g2dkAA5yZXBseUAxMjcuMC4wLjEAAAAAAAAAAAAAAAA=.x",
        "amq.rabbitmq.reply-to.!!.x",
    ];
    prop_oneof![
        prop::sample::select(named.to_vec()).prop_map(ShortString::from),
        "\\PC{0,40}".prop_map(|text| topology::short(&text)),
    ]
}

fn value() -> impl Strategy<Value = AMQPValue> {
    let leaf = prop_oneof![
        Just(AMQPValue::Void),
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        any::<u32>().prop_map(AMQPValue::LongUInt),
        any::<f64>().prop_map(AMQPValue::Double),
        short().prop_map(AMQPValue::ShortString),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(|bytes| AMQPValue::LongString(bytes.into())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| AMQPValue::FieldArray(FieldArray::from(list))),
            prop::collection::vec(("[a-z-]{0,6}", inner), 0..4).prop_map(|pairs| AMQPValue::FieldTable(table(pairs))),
        ]
    })
}

fn table(pairs: Vec<(String, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in pairs {
        table.insert(topology::short(&name), value);
    }
    table
}

/// The headers that are read, and any others.
fn headers() -> impl Strategy<Value = FieldTable> {
    let read = [
        "authorization",
        "Authorization",
        "traceparent",
        "CC",
        "x-death",
        "x-delivery-count",
        message::COPY_TO,
        message::DEAD_AT,
        message::DEAD_REASON,
        message::DEAD_QUEUE,
        message::REDRIVEN,
    ];
    let name = prop_oneof![prop::sample::select(read.to_vec()).prop_map(str::to_owned), "\\PC{0,12}"];
    prop::collection::vec((name, value()), 0..8).prop_map(table)
}

fn properties() -> impl Strategy<Value = BasicProperties> {
    let ids = (prop::option::of(short()), prop::option::of(short()), prop::option::of(short()));
    let rest = (prop::option::of(headers()), any::<Option<u64>>(), any::<Option<u8>>(), short(), short());
    (ids, rest).prop_map(|((correlation, message, reply_to), (headers, timestamp, mode, user, expiration))| {
        let mut properties = BasicProperties::default().with_user_id(user).with_expiration(expiration);
        if let Some(correlation) = correlation {
            properties = properties.with_correlation_id(correlation);
        }
        if let Some(message) = message {
            properties = properties.with_message_id(message);
        }
        if let Some(reply_to) = reply_to {
            properties = properties.with_reply_to(reply_to);
        }
        if let Some(headers) = headers {
            properties = properties.with_headers(headers);
        }
        if let Some(timestamp) = timestamp {
            properties = properties.with_timestamp(timestamp);
        }
        mode.map_or(properties.clone(), |mode| properties.with_delivery_mode(mode))
    })
}

fn delivery(properties: BasicProperties) -> Delivery {
    let mut delivery = Delivery::mock(1, "v1.0".into(), "v1.0.acme.order.bet".into(), false, b"{}".to_vec());
    delivery.properties = properties;
    delivery
}

/// As Purser parks it, and the broker.
fn letter(properties: BasicProperties) -> DeadLetter {
    letter_from(topology::DEAD, properties)
}

fn letter_from(exchange: &str, properties: BasicProperties) -> DeadLetter {
    DeadLetter::of(Delivery { exchange: exchange.into(), ..delivery(properties) })
}

/// Of a party that restricts nothing, whose Purser is called `x`.
fn admission() -> Admission {
    Admission::new(&settings("amqp://x:y@127.0.0.1/"), Vec::new(), Vec::new())
}

fn settings(url: &str) -> AmqpSettings {
    AmqpSettings {
        nodes: BrokerNodes::new(vec![Secret::new(url)]),
        user: None,
        queues: topology::QueueSettings::new(topology::BrokerQueueType::Quorum, 20),
        prefetch: 10,
        tls: Files { names: &TLS_NAMES, ca: None, identity: None },
    }
}

/// What the broker writes of a message that it gives up in the queue of bets.
fn death() -> AMQPValue {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut death = FieldTable::default();
    death.insert("queue".into(), text("v1.0.acme.order.bet"));
    death.insert("exchange".into(), text("v1.0"));
    death.insert("routing-keys".into(), AMQPValue::FieldArray(vec![text("v1.0.acme.order.bet")].into()));
    AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into())
}

#[test]
fn a_letter_says_who_sent_it_and_who_gets_a_copy_by_nobody_elses_word() {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let rules = Admission::new(&settings("amqp://x:y@127.0.0.1/"), vec!["games".to_owned()], Vec::new());
    let forged = ["x-purser-user-id", "X-Purser-User-Id"].map(|name| (name.to_owned(), text("games")));
    for headers in [vec![forged[0].clone()], vec![forged[1].clone()], forged.to_vec()] {
        let given_up = [headers, vec![("x-death".to_owned(), death())]].concat();
        let alive = dead::alive(&letter(BasicProperties::default().with_headers(table(given_up))), "", Some("x"));
        assert_eq!(rules.sender(&alive), None, "{alive:?}");
    }
    // Purser wrote it where it parked the letter itself, or has put it back before.
    let parked = BasicProperties::default().with_headers(table(vec![forged[0].clone()]));
    let stray = dead::alive(&letter_from("", parked.clone()), "", Some("x"));
    assert_eq!(rules.sender(&stray), None, "nobody has parked what was sent straight to the dead letters");
    assert_eq!(rules.sender(&dead::alive(&letter(parked.clone()), "", Some("x"))), Some("games"));
    let again = parked.with_headers(table(vec![forged[0].clone(), ("x-death".to_owned(), death())]));
    let again = again.with_user_id("x".into());
    assert_eq!(rules.sender(&dead::alive(&letter(again), "", Some("x"))), Some("games"));

    let party = Party::parse("acme").unwrap();
    let elsewhere = vec![("X-Purser-Copy-To".to_owned(), text("victim.replies"))];
    let alive = dead::alive(&letter(BasicProperties::default().with_headers(table(elsewhere))), "ours", Some("x"));
    let reply = message::reply(&delivery(alive.clone()), (&party, Operation::OrderBet), &rules, reply());
    let copy = message::copy(&delivery(alive), &rules, &reply).expect("a copy");
    assert_eq!(copy.routing_key.as_str(), "ours");
}

/// lapin keeps a connection that is being made, and a thread, until the socket says something.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_says_nothing_is_given_up_for_good() {
    for scheme in ["amqp", "amqps"] {
        is_given_up(scheme).await;
    }
}

async fn is_given_up(scheme: &str) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let gone = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await?;
        tokio::io::copy(&mut socket, &mut tokio::io::sink()).await
    });
    let settings = settings(&format!("{scheme}://x:y@127.0.0.1:{port}/?connection_timeout=200"));
    assert!(connection::connect(&settings).await.is_err());
    let gone = tokio::time::timeout(std::time::Duration::from_secs(20), gone).await;
    assert!(gone.is_ok(), "its {scheme} socket is still open");
}

fn reply() -> EgppReply {
    EgppReply { code: "400", body: b"{}".to_vec(), is_balance: false }
}

proptest! {
    #[test]
    fn whatever_the_properties_a_reply_goes_to_no_queue_of_our_own(properties in properties(), at in any::<i64>()) {
        let (party, delivery) = (Party::parse("acme").unwrap(), delivery(properties));
        let _ = message::envelope(&delivery.properties, Timestamp(at));
        for operation in Operation::ALL {
            let answer = message::reply(&delivery, (&party, operation), &admission(), reply());
            prop_assert!(!answer.exchange.as_str().is_empty() || !topology::is_ours(answer.routing_key.as_str()));
            if let Some(copy) = message::copy(&delivery, &admission(), &answer) {
                prop_assert!(!topology::is_ours(copy.routing_key.as_str()));
            }
        }
    }

    #[test]
    fn whatever_the_properties_a_dead_letter_can_be_published_and_looked_at(properties in properties(), at in any::<i64>()) {
        let (party, delivery) = (Party::parse("acme").unwrap(), delivery(properties));
        let died = Died { reason: "malformed", error: "why", at, frame_max: 131_072 };
        let parked = message::dead_letter(&delivery, (&party, Operation::OrderBet), &admission(), died);
        let kept = &parked.properties;
        // The broker refuses another's user id, and acts on the others.
        prop_assert!(kept.user_id().is_none() && kept.expiration().is_none());
        prop_assert!(kept.headers().iter().all(|headers| !headers.contains_key("CC") && !headers.contains_key("BCC")));
        for seen in [letter(delivery.properties.clone()), letter(kept.clone())] {
            let _ = (seen.id(), seen.error(), seen.queue(), seen.died_at(), seen.redriven());
            for (name, text) in seen.described() {
                prop_assert!(!name.eq_ignore_ascii_case("authorization") || text == "(hidden)", "{name}: {text}");
            }
        }
        let parked = letter(kept.clone());
        prop_assert_eq!((parked.reason(), parked.died_at()), ("malformed", Some(at)));
    }
}

#[test]
fn tables_as_deep_as_a_frame_holds_are_parked_and_looked_at() {
    let looking = || {
        let nest = |inner, _| AMQPValue::FieldTable(table(vec![(String::new(), inner)]));
        let deep = (0..DEEPEST).fold(AMQPValue::Void, nest);
        let headers = table(vec![("deep".to_owned(), deep)]);
        let (party, delivery) =
            (Party::parse("acme").unwrap(), delivery(BasicProperties::default().with_headers(headers)));
        let died = Died { reason: "malformed", error: "why", at: 0, frame_max: 131_072 };
        let parked = message::dead_letter(&delivery, (&party, Operation::OrderBet), &admission(), died);
        let dropped = |letter: &DeadLetter| letter.described().contains_key("x-purser-headers-dropped");
        assert!(dropped(&letter(parked.properties)));
        assert_eq!(letter(delivery.properties).described()["deep"], "(a table of 1)");
    };
    std::thread::Builder::new().stack_size(STACK).spawn(looking).unwrap().join().unwrap();
}

#[test]
fn queues_of_our_own_are_known_by_their_names() {
    let ours = ["v1.0.acme.order.bet", "v1.0.b.balance.get", "v1.0.x.order.bet.result", "v1.0.acme.dead"];
    let theirs = ["", "v1.0", "v1.0.acme", "v1.0.acme.replies", "v1.0.acme.order", "v2.0.acme.dead", "acme.dead"];
    assert_eq!(ours.map(topology::is_ours), [true; 4]);
    assert_eq!(theirs.map(topology::is_ours), [false; 7]);
}
