//! Malformed messages: each is answered 400 and becomes a dead letter as it came; nothing moves, and nobody else notices.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::options::QueuePurgeOptions;
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::short;
use serde_json::{Value, json};

use super::raw::{self, Properties};
use super::stage::{ACME, Base, Stage, on_both};
use super::wire::{Message, Wire, code, header};
use crate::patience::until;

const DEAD: &str = "v1.0.acme.dead";

/// The bytes of a bet as it should be, with one thing replaced.
fn bet_with(was: &str, is: &str) -> Vec<u8> {
    let bet =
        r#"{"amount":100,"currency":"CHF","game":"wallstroulette","round":1,"externalId":"one","playerId":"alice"}"#;
    assert!(bet.contains(was), "{was}");
    bet.replace(was, is).into_bytes()
}

/// Bodies of a bet that are none, and what the reply's error says of each.
fn malformed_bets() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let external_id = |is: &str| bet_with("\"one\"", is);
    let player = |is: &str| bet_with("\"alice\"", is);
    let amount = |is: &str| bet_with("100", is);
    let deep = |open: &str, close: &str, depth| amount(&format!("{}1{}", open.repeat(depth), close.repeat(depth)));
    vec![
        ("nothing", vec![], "must be a JSON object"),
        ("blanks", b"   ".to_vec(), "must be a JSON object"),
        ("text", b"hello".to_vec(), "must be a JSON object"),
        ("xml", b"<bet/>".to_vec(), "must be a JSON object"),
        ("null", b"null".to_vec(), "must be a JSON object"),
        ("an array", br#"[100,"CHF","wallstroulette",1,"one","alice"]"#.to_vec(), "must be a JSON object"),
        ("an empty object", b"{}".to_vec(), "missing field amount"),
        ("half an object", bet_with("\"alice\"}", "\"ali"), "not valid JSON"),
        ("two objects", bet_with("\"alice\"}", "\"alice\"}{}"), "not valid JSON"),
        ("a byte order mark", [b"\xef\xbb\xbf".as_slice(), &amount("1")].concat(), "must be a JSON object"),
        ("UTF-16", "{\"amount\":1}".encode_utf16().flat_map(u16::to_be_bytes).collect(), "must be a JSON object"),
        ("invalid UTF-8", replaced_byte(&external_id("\"o?e\""), b'?', 0xff), "not valid JSON"),
        ("a lone surrogate", external_id(r#""\ud800""#), "not valid JSON"),
        ("a raw control character", external_id("\"o\nne\""), "not valid JSON"),
        ("an escaped control character", external_id(r#""o\u0000ne""#), "externalId"),
        ("an amount of 2^63", amount("9223372036854775808"), "amount has the wrong type or is out of range"),
        ("an amount of 10^40", amount(&format!("1{}", "0".repeat(40))), "amount has the wrong type or is out of range"),
        ("an exponent", amount("1e2"), "amount has the wrong type or is out of range"),
        ("an endless exponent", amount("1e999999999"), "not valid JSON"),
        ("a fraction", amount("100.0"), "amount has the wrong type or is out of range"),
        ("an amount in quotes", amount("\"100\""), "amount has the wrong type or is out of range"),
        ("a negative amount", amount("-100"), "amount must be an integer of at least 1"),
        ("no amount at all", amount("0"), "amount must be an integer of at least 1"),
        ("not a number", amount("NaN"), "not valid JSON"),
        ("null as amount", amount("null"), "amount has the wrong type or is out of range"),
        ("a list as amount", amount("[100]"), "amount has the wrong type or is out of range"),
        ("a field twice", bet_with("\"round\":1", "\"round\":1,\"amount\":1"), "duplicate field amount"),
        ("an unknown field", bet_with("\"round\":1", "\"round\":1,\"bonus\":1"), "unknown field bonus"),
        ("another spelling", bet_with("externalId", "externalid"), "unknown field externalid"),
        ("20,000 arrays deep", deep("[", "]", 20_000), "amount has the wrong type or is out of range"),
        ("12,000 objects deep", deep("{\"\":", "}", 12_000), "amount has the wrong type or is out of range"),
        ("20,000 arrays deep, unknown", bet_with("\"round\":1", &format!("\"x\":{}", "[".repeat(20_000))), "unknown"),
        ("64 KiB and one byte", padded(64 * 1024 + 1), "longer than 65536 bytes"),
        ("200 KiB", padded(200 * 1024), "longer than 65536 bytes"),
        ("a lower case currency", bet_with("CHF", "chf"), "currency"),
        ("an unknown currency", bet_with("CHF", "XXX"), "currency XXX is not one of this party's"),
        ("a short game", bet_with("wallstroulette", "wall"), "game"),
        ("round nought", bet_with("\"round\":1", "\"round\":0"), "round must be an integer of at least 1"),
        ("an empty externalId", external_id("\"\""), "externalId"),
        ("an externalId of 37", external_id(&format!("\"{}\"", "x".repeat(37))), "externalId"),
        ("an empty playerId", player("\"\""), "playerId"),
        ("a playerId of 21", player(&format!("\"{}\"", "x".repeat(21))), "playerId"),
        ("a number as playerId", player("7"), "playerId has the wrong type or is out of range"),
        ("null as walletId", bet_with("\"round\":1", "\"round\":1,\"walletId\":null"), "walletId has the wrong type"),
        ("an empty walletId", bet_with("\"round\":1", "\"round\":1,\"walletId\":\"\""), "walletId"),
    ]
}

/// A bet that is well-formed but for its length.
fn padded(length: usize) -> Vec<u8> {
    let mut body = bet_with("100", "1");
    body.resize(length, b' ');
    body
}

fn replaced_byte(bytes: &[u8], was: u8, is: u8) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte == was { is } else { *byte }).collect()
}

/// Malformed in another operation's way.
fn malformed_others() -> Vec<(Operation, Value, &'static str)> {
    let order = |more: Value| {
        let mut body = json!({ "game": "wallstroulette", "externalId": "one", "playerId": "alice" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let result =
        |result: &str, amount: i64| order(json!({ "result": result, "amount": amount, "currency": "CHF", "round": 1 }));
    vec![
        (Operation::BalanceGet, json!({ "playerId": "alice" }), "missing field currency"),
        (Operation::BalanceGet, json!({ "currency": "CHF" }), "missing field playerId"),
        (Operation::BalanceGet, json!({ "currency": "CHF", "playerId": ["alice"] }), "playerId has the wrong type"),
        (Operation::OrderBetResult, result("draw", 1), "result must be one of win, tie, lose"),
        (Operation::OrderBetResult, result("win", 0), "amount must be an integer of at least 1"),
        (Operation::OrderBetResult, result("lose", -1), "amount must be an integer of at least 1"),
        (
            Operation::OrderBetResult,
            order(json!({ "result": "win", "currency": "CHF", "round": 1 })),
            "missing field amount",
        ),
        (Operation::OrderBetCancel, order(json!({ "amount": 1 })), "unknown field amount"),
        (Operation::OrderBetCancel, json!({ "externalId": "one", "playerId": "alice" }), "missing field game"),
    ]
}

/// A stage where Alice has 10.00 CHF.
struct Scene {
    stage: Stage,
    wire: Wire,
}

impl Scene {
    async fn open(base: Base) -> Self {
        let stage = Stage::open(base, ACME).await;
        stage.add_player("acme", "alice").await;
        stage.deposit("acme", "alice", "10.00", "CHF").await;
        let wire = Wire::connect(&stage).await;
        Self { stage, wire }
    }

    /// Sends something malformed; answers with its reply, once its dead letter has been looked at.
    async fn check(&mut self, what: &str, message: Message, says: &str) -> (Delivery, BasicProperties) {
        let (body, queue) = (message.body.clone(), format!("v1.0.acme.{}", message.operation.name()));
        let reply = self.wire.ask(message).await;
        let told: Value = serde_json::from_slice(&reply.data).expect("JSON");
        let error = told["error"].as_str().unwrap_or_default();
        assert_eq!(told["code"], "400", "{what}: {told}");
        assert!(error.starts_with("REQUEST_DATA_FORMAT: ") && error.contains(says), "{what}: {error}");
        assert!(error.chars().count() <= 200, "{what}: {error}");
        let dead = self.wire.take(DEAD).await.delivery;
        assert!(dead.data == body, "{what}: the dead letter's body is not as it came");
        assert_eq!(header(&dead.properties, "x-purser-reason"), "malformed", "{what}");
        assert_eq!(format!("REQUEST_DATA_FORMAT: {}", header(&dead.properties, "x-purser-error")), error, "{what}");
        assert_eq!(header(&dead.properties, "x-purser-queue"), queue, "{what}");
        assert_eq!(*dead.properties.delivery_mode(), Some(2), "{what}");
        (reply, dead.properties)
    }

    /// Nothing moved, nobody died, and a well-formed bet is taken.
    async fn finish(mut self) {
        assert_eq!(self.stage.balance("acme", "alice", "CHF").await, 1000);
        let good: Value = serde_json::from_slice(&bet_with("100", "100")).expect("JSON");
        let reply = self.wire.ask(Message::new(Operation::OrderBet, "good", &good)).await;
        assert_eq!(String::from_utf8_lossy(&reply.data), r#"{"code":"201"}"#);
        assert_eq!(self.wire.ready(DEAD).await, 0, "only what is malformed is parked");
        assert!(self.stage.is_alive());
        let log = self.stage.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains("the session with the broker ended"), "{log}");
        self.stage.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_body_is_answered_400_and_parked_as_it_came() {
    on_both(async |base| {
        let mut scene = Scene::open(base).await;
        for (what, body, says) in malformed_bets() {
            let message = Message { body, ..Message::new(Operation::OrderBet, what, &Value::Null) };
            scene.check(what, message, says).await;
        }
        for (operation, body, says) in malformed_others() {
            scene.check(&format!("{} {body}", operation.name()), Message::new(operation, "other", &body), says).await;
        }
        scene.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_around_a_malformed_body_is_parked_with_it_but_acts_no_more() {
    on_both(async |base| {
        let mut scene = Scene::open(base).await;
        for (what, properties, kept) in surroundings() {
            let mut message = Message::new(Operation::OrderBet, what, &json!([]));
            message.properties = properties.with_correlation_id(short(what));
            let (reply, dead) = scene.check(what, message, "must be a JSON object").await;
            assert_eq!(reply.properties.correlation_id().as_ref().map(|id| id.as_str()), Some(what));
            for (name, value) in kept {
                assert_eq!(header(&dead, name), value, "{what}");
            }
            assert_eq!((dead.user_id(), dead.expiration()), (&None, &None), "{what}");
        }
        scene.finish().await;
    })
    .await;
}

/// A name, the properties, and headers of the dead letter.
type Surrounding = (&'static str, BasicProperties, Vec<(&'static str, String)>);

/// Properties that would act again on the dead letter, and what is found in its headers instead.
fn surroundings() -> Vec<Surrounding> {
    let plain = BasicProperties::default;
    let with = |name: &str, value: AMQPValue| {
        let mut headers = FieldTable::default();
        headers.insert(short(name), value);
        plain().with_headers(headers)
    };
    let text = |text: &str| AMQPValue::LongString(text.into());
    let queues = || AMQPValue::FieldArray(FieldArray::from(vec![text(DEAD), text("v1.0.acme.order.bet.cancel")]));
    let owned = |text: &str| text.to_owned();
    vec![
        ("plain", plain(), vec![]),
        ("user_id", plain().with_user_id("guest".into()), vec![("x-purser-user-id", owned("guest"))]),
        ("expiration", plain().with_expiration("60000".into()), vec![("x-purser-expiration", owned("60000"))]),
        ("priority", plain().with_priority(9), vec![]),
        ("a CC header", with("CC", AMQPValue::FieldArray(FieldArray::default())), vec![("CC", owned(""))]),
        ("a BCC header", with("BCC", AMQPValue::FieldArray(FieldArray::default())), vec![("BCC", owned(""))]),
        ("a cc header of another case", with("cc", queues()), vec![]),
        ("a header", with("x-game-server", text("7")), vec![("x-game-server", owned("7"))]),
        ("our own header", with("x-purser-reason", text("none")), vec![]),
        ("a header that is no text", with("x-number", AMQPValue::LongLongInt(i64::MAX)), vec![]),
        ("a 60 KiB header", with("x-long", text(&"x".repeat(60 * 1024))), vec![("x-long", "x".repeat(60 * 1024))]),
        ("a 100 KiB header", with("x-long", text(&"x".repeat(100 * 1024))), vec![("x-long", owned(""))]),
        ("a header of 50 tables in each other", with("x-deep", nested(50)), vec![]),
        ("a traceparent that is none", with("traceparent", text("hello")), vec![("traceparent", owned("hello"))]),
        ("a timestamp beyond all days", plain().with_timestamp(u64::MAX), vec![]),
        ("a content type", plain().with_content_type("text/xml".into()), vec![]),
    ]
}

fn nested(depth: usize) -> AMQPValue {
    (0..depth).fold(AMQPValue::Void, |inner, _| {
        let mut table = FieldTable::default();
        table.insert("a".into(), inner);
        AMQPValue::FieldTable(table)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_overflow_a_stack_of_ordinary_size_do_not_end_the_program() {
    on_both(async |base| {
        let mut scene = Scene::open(base).await;
        let mut message = Message::new(Operation::OrderBet, "deep", &json!([]));
        let mut headers = FieldTable::default();
        headers.insert("x-deep".into(), nested(500));
        message.properties = message.properties.with_headers(headers);
        assert_eq!(code(&scene.wire.ask(message).await), "400");
        // Not taken: it would overflow the stack of this test.
        until("it is parked", async || scene.wire.ready(DEAD).await == 1).await;
        scene.wire.channel.queue_purge(DEAD.into(), QueuePurgeOptions::default()).await.expect("purged");
        scene.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_copied_to_other_queues_is_parked_once_for_each_and_not_copied_again() {
    on_both(async |base| {
        let mut scene = Scene::open(base).await;
        let mut message = Message::new(Operation::OrderBet, "copied", &json!([]));
        let mut headers = FieldTable::default();
        let copies = vec![AMQPValue::LongString("v1.0.acme.order.bet.cancel".into())];
        headers.insert("CC".into(), AMQPValue::FieldArray(FieldArray::from(copies)));
        message.properties = message.properties.with_headers(headers);
        scene.wire.ask(message).await;
        let mut parked = Vec::new();
        for _ in 0..2 {
            let dead = scene.wire.take(DEAD).await.delivery.properties;
            assert!(dead.headers().as_ref().is_some_and(|headers| !headers.contains_key("CC")));
            parked.push((header(&dead, "x-purser-queue"), header(&dead, "x-purser-reason")));
        }
        parked.sort();
        // A copy was not sent to the queue that it is in, and is not answered.
        let expected = [("v1.0.acme.order.bet", "malformed"), ("v1.0.acme.order.bet.cancel", "misrouted")];
        assert_eq!(parked, expected.map(|(queue, reason)| (queue.to_owned(), reason.to_owned())));
        scene.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_correlation_id_and_message_id_a_good_body_is_malformed() {
    on_both(async |base| {
        let mut scene = Scene::open(base).await;
        for (what, id) in [("absent", None), ("empty", Some(""))] {
            let body = serde_json::from_slice(&bet_with("100", "100")).expect("JSON");
            let mut message = Message::new(Operation::OrderBet, what, &body);
            message.properties = BasicProperties::default();
            if let Some(id) = id {
                message.properties =
                    BasicProperties::default().with_correlation_id(id.into()).with_message_id(id.into());
            }
            let (reply, _) = scene.check(what, message, "correlation_id is missing").await;
            assert_eq!(reply.properties.correlation_id(), &None);
        }
        scene.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_an_answer_and_never_a_dead_letter() {
    on_both(async |base| {
        let mut scene = Scene::open(base).await;
        let bet = |was: &str, is: &str| serde_json::from_slice::<Value>(&bet_with(was, is)).expect("JSON");
        let unknown = json!({ "game": "wallstroulette", "externalId": "nobody's", "playerId": "alice" });
        let refused = [
            (Operation::OrderBet, bet("100", "100000").to_string().replace("one", "dear"), "492"),
            (Operation::OrderBet, bet("wallstroulette", "unknowngame").to_string(), "496"),
            (Operation::OrderBet, bet("alice", "nobody").to_string().replace("one", "two"), "495"),
            (Operation::OrderBet, bet("CHF", "EUR").to_string().replace("100", "1001").replace("one", "max"), "491"),
            (Operation::OrderBetCancel, unknown.to_string(), "493"),
            (Operation::BalanceGet, json!({ "currency": "CHF", "playerId": "nobody" }).to_string(), "495"),
        ];
        for (operation, body, code) in refused {
            let body = serde_json::from_str(&body).expect("JSON");
            let reply = scene.wire.ask(Message::new(operation, code, &body)).await;
            let told: Value = serde_json::from_slice(&reply.data).expect("JSON");
            assert_eq!(told["code"], code, "{body}");
        }
        // A queue's dead letters come in order, so a malformed message shows that nothing was parked before it.
        let malformed = Message::new(Operation::OrderBet, "malformed", &json!([]));
        scene.check("malformed", malformed, "must be a JSON object").await;
        scene.finish().await;
    })
    .await;
}

/// What of a message nobody can read.
const ILLEGIBLE: [Properties<'_>; 3] = [
    Properties { correlation_id: b"caf\xe9", reply_to: b"", headers: &[] },
    Properties { correlation_id: b"reply", reply_to: b"\xff", headers: &[] },
    Properties { correlation_id: b"header", reply_to: b"", headers: &[(b"caf\xe9", "text")] },
];

/// Puts messages there that nobody can read.
async fn send_illegible(stage: &Stage, destination: (&'static str, &'static str)) {
    let url = stage.vhost.amqp_url();
    let publishing = tokio::task::spawn_blocking(move || {
        for properties in &ILLEGIBLE {
            raw::publish(&url, destination, properties, &bet_with("100", "100"));
        }
    });
    publishing.await.expect("published");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_client_can_read_is_parked_at_once_and_its_neighbours_are_served() {
    on_both(async |base| {
        let stage = Stage::open(base, &format!("delivery_limit = 1\n{ACME}")).await;
        stage.add_player("acme", "alice").await;
        stage.deposit("acme", "alice", "10.00", "CHF").await;
        let mut wire = Wire::connect(&stage).await;
        for neighbour in ["before", "after"] {
            let body = bet_with("100", "1").into_iter().collect::<Vec<u8>>();
            let body = String::from_utf8(body).expect("UTF-8").replace("one", neighbour);
            let body = serde_json::from_str(&body).expect("JSON");
            assert_eq!(code(&wire.ask(Message::new(Operation::OrderBet, neighbour, &body)).await), "201");
            send_illegible(&stage, ("v1.0", "v1.0.acme.order.bet")).await;
        }
        for id in ["caf?", "reply", "header", "caf?", "reply", "header"] {
            let dead = wire.take(DEAD).await.delivery;
            let reason = header(&dead.properties, "x-purser-reason");
            assert_eq!((dead.properties.correlation_id(), reason), (&Some(id.into()), "unreadable".to_owned()));
            assert_eq!(dead.data, bet_with("100", "100"), "the body is kept");
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 998);
        stage.deposit("acme", "alice", "0.02", "CHF").await;
        Scene { stage, wire }.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_that_no_client_can_read_are_listed_and_dropped_like_others() {
    let mut scene = Scene::open(Base::Sqlite).await;
    send_illegible(&scene.stage, ("v1.0.dead", DEAD)).await;
    let malformed = Message::new(Operation::OrderBet, "malformed", &json!([]));
    scene.wire.ask(malformed).await;
    let list = async |scene: &Scene| {
        let told = scene.stage.done(&["dead", "list", "--party", "acme", "--json"]).await;
        let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.map(|line| line["reason"].as_str().expect("a reason").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(&scene).await, ["unreadable", "unreadable", "unreadable", "malformed"]);
    // Purser would ask in its sender's place for what nobody can read.
    let told = scene.stage.done(&["dead", "redrive", "--party", "acme", "--json"]).await;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["homeless"], &told["answered"]), (&json!(3), &json!({ "400": 1 })));
    scene.wire.next_reply().await;
    scene.stage.done(&["dead", "drop", "--party", "acme", "--reason", "unreadable"]).await;
    assert_eq!(list(&scene).await, ["malformed"]);
    scene.stage.done(&["dead", "drop", "--party", "acme", "--all"]).await;
    scene.finish().await;
}
