//! Dead letters in an operator's hands: looked at, put back, dropped, and nothing lost whatever interrupts.

use std::time::Duration;

use futures_util::future::join_all;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::short;
use serde_json::{Value, json};

use super::process::purser;
use super::proxy::{Proxy, Weather};
use super::services::number;
use super::stage::{ACME, Base, Stage};
use super::wire::{Message, Wire, code, correlation, publish};
use crate::patience::{delay, until};

pub const DEAD: &str = "v1.0.acme.dead";

fn bet(id: &str) -> Value {
    json!({
        "amount": 1, "currency": "CHF", "game": "wallstroulette", "round": 1, "externalId": id, "playerId": "alice",
    })
}

/// A bet that a fault of ours has parked, as the program would have left it.
pub async fn park(wire: &Wire, id: &str) {
    park_with(wire, id, FieldTable::default()).await;
}

/// The same, for many at a time.
pub async fn park_many(wire: &Wire, letters: usize) {
    const AT_ONCE: usize = 100;
    let ids: Vec<String> = (0..letters).map(|number| format!("bet-{number}")).collect();
    for some in ids.chunks(AT_ONCE) {
        join_all(some.iter().map(|id| park(wire, id))).await;
    }
}

/// Waits until what a killed command held is back in the queue.
async fn until_still(wire: &Wire) {
    let (mut letters, mut looks) = (wire.ready(DEAD).await, 0);
    until("what was held is back", async || {
        delay(Duration::from_millis(20)).await;
        let now = wire.ready(DEAD).await;
        looks = if std::mem::replace(&mut letters, now) == now { looks + 1 } else { 0 };
        looks == 10 && wire.consumers(DEAD).await == Some(0)
    })
    .await;
}

/// The same, with headers that go before its own.
pub async fn park_with(wire: &Wire, id: &str, mut headers: FieldTable) {
    for (name, value) in [
        ("x-purser-reason", "fault"),
        ("x-purser-error", "the disk was on fire"),
        ("x-purser-queue", "v1.0.acme.order.bet"),
        ("x-purser-dead-at", "1700000000"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ] {
        if !headers.contains_key(name) {
            headers.insert(short(name), AMQPValue::LongString(value.into()));
        }
    }
    let properties = BasicProperties::default()
        .with_correlation_id(short(id))
        .with_reply_to(short(&wire.replies))
        .with_delivery_mode(2)
        .with_headers(headers);
    publish(&wire.channel, "v1.0.dead", DEAD, bet(id).to_string().as_bytes(), properties).await;
}

/// {"alg":"none"} and {"sub":"alice"}.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2ln";

async fn open() -> (Stage, Wire) {
    let stage = Stage::open(Base::Sqlite, ACME).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10.00", "CHF").await;
    let wire = Wire::connect(&stage).await;
    (stage, wire)
}

async fn told(stage: &Stage, arguments: &[&str]) -> String {
    stage.done(&[&["dead"], arguments, &["--party", "acme"]].concat()).await
}

async fn lines(stage: &Stage, arguments: &[&str]) -> Vec<Value> {
    let told = told(stage, &[arguments, &["--json"]].concat()).await;
    told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_looked_at_without_being_taken() {
    let (stage, mut wire) = open().await;
    assert_eq!(told(&stage, &["list"]).await, "no dead letters\n");
    wire.ask(Message::new(Operation::OrderBet, "bad", &json!([]))).await;
    for id in ["one", "two", "three"] {
        let mut secret = FieldTable::default();
        secret.insert(short("authorization"), AMQPValue::LongString("Bearer top-secret".into()));
        park_with(&wire, id, secret).await;
    }
    for _ in 0..3 {
        let ids: Vec<Value> = lines(&stage, &["list"]).await.iter().map(|line| line["id"].clone()).collect();
        assert_eq!(ids, ["bad", "one", "two", "three"]);
    }
    let faults = lines(&stage, &["list", "--reason", "fault"]).await;
    assert_eq!(faults.len(), 3);
    assert_eq!(faults[0]["died_at"], "2023-11-14T22:13:20Z");
    assert_eq!(lines(&stage, &["list", "--since", "1h"]).await.len(), 1);
    let shown = told(&stage, &["show", "--id", "two"]).await;
    for part in ["the disk was on fire", "v1.0.acme.order.bet", "\"externalId\":\"two\"", "authorization: (hidden)"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(!shown.contains("top-secret"));
    // A token in a header of the provider's own, and in place of an id.
    let mut headers = FieldTable::default();
    for name in ["x-player", "x-purser-error"] {
        headers.insert(short(name), AMQPValue::LongString(format!("of {TOKEN}").into()));
    }
    park_with(&wire, TOKEN, headers).await;
    let told = told(&stage, &["list"]).await + &told(&stage, &["show", "--id", TOKEN]).await;
    assert!(told.contains("x-player: of (token)") && told.contains("correlation_id: (token)"), "{told}");
    assert!(!told.contains(TOKEN) && !told.contains("eyJzdWIi"), "{told}");
    stage.done(&["dead", "drop", "--party", "acme", "--id", TOKEN]).await;
    until("all are back", async || wire.ready(DEAD).await == 4).await;
    let missing = stage.run(&["dead", "show", "--party", "acme", "--id", "nothing"]).await;
    assert_eq!(missing.status.code(), Some(1));
}

/// As deep as the headers of a dead letter are kept.
#[tokio::test(flavor = "multi_thread")]
async fn letters_with_deep_headers_are_looked_at_and_put_back_like_others() {
    let (stage, wire) = open().await;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(9_000), "}".repeat(9_000));
    let headers = format!(r#"{{"x-purser-queue":"v1.0.acme.order.bet","deep":{deep}}}"#);
    stage.vhost.put("v1.0.dead", DEAD, &format!(r#"{{"correlation_id":"deep","headers":{headers}}}"#)).await;
    assert!(told(&stage, &["show", "--id", "deep"]).await.contains("deep: (a table of 1)"));
    until("it is back", async || wire.ready(DEAD).await == 1).await;
    assert_eq!(lines(&stage, &["redrive"]).await[0]["answered"], json!({ "400": 1 }));
    let again = &lines(&stage, &["list"]).await[0];
    assert_eq!((&again["id"], &again["redriven"]), (&json!("deep"), &json!(1)));
    assert!(!stage.log().contains("overflow"), "{}", stage.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_are_put_back_are_answered_and_counted() {
    let (stage, mut wire) = open().await;
    wire.ask(Message::new(Operation::OrderBet, "bad", &json!([]))).await;
    park(&wire, "one").await;
    park(&wire, "two").await;
    let dry = &lines(&stage, &["redrive", "--dry-run"]).await[0];
    assert_eq!((&dry["redriven"], &dry["dry_run"]), (&json!(3), &json!(true)));
    until("all are back", async || wire.ready(DEAD).await == 3).await;

    let summary = &lines(&stage, &["redrive"]).await[0];
    assert_eq!(summary["answered"], json!({ "201": 2, "400": 1 }));
    // The provider is answered where it asked to be; what is malformed is so again.
    for _ in 0..3 {
        let reply = wire.next_reply().await;
        assert_eq!(code(&reply), if correlation(&reply) == "bad" { "400" } else { "201" });
    }
    let left = lines(&stage, &["list"]).await;
    assert_eq!((left.len(), &left[0]["id"], &left[0]["redriven"]), (1, &json!("bad"), &json!(1)));
    lines(&stage, &["redrive", "--id", "bad"]).await;
    assert_eq!(lines(&stage, &["list"]).await[0]["redriven"], 2);
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 998);
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_dropped_only_when_they_are_named() {
    let (stage, wire) = open().await;
    for id in ["one", "two", "three"] {
        park(&wire, id).await;
    }
    let unnamed = stage.run(&["dead", "drop", "--party", "acme"]).await;
    assert_eq!(unnamed.status.code(), Some(2));
    assert_eq!(
        told(&stage, &["drop", "--id", "two", "--dry-run"]).await,
        "1 of 3 dead letters of acme would be dropped\n"
    );
    assert_eq!(told(&stage, &["drop", "--id", "two"]).await, "1 of 3 dead letters of acme dropped\n");
    let ids: Vec<Value> = lines(&stage, &["list"]).await.iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["one", "three"]);
    told(&stage, &["drop", "--all"]).await;
    until("none is left", async || wire.ready(DEAD).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_is_killed_loses_nothing_and_can_be_repeated() {
    const LETTERS: usize = 3_000;
    let (stage, mut wire) = open().await;
    stage.deposit("acme", "alice", "90.00", "CHF").await;
    park_many(&wire, LETTERS).await;
    let mut answered = std::collections::BTreeSet::new();
    let mut killed = 0;
    // Killed at whatever moment some have been put back.
    while wire.ready(DEAD).await as usize > LETTERS / 2 && killed < 3 {
        let mut child = purser(&stage.config(), &["dead", "redrive", "--party", "acme"]).spawn().expect("purser runs");
        let reply = wire.next_reply().await;
        child.kill().expect("killed");
        child.wait().expect("a status");
        assert_eq!(code(&reply), "201", "{}", correlation(&reply));
        answered.insert(correlation(&reply).to_owned());
        killed += 1;
        until_still(&wire).await;
    }
    let letters = wire.ready(DEAD).await;
    assert!(killed > 0 && letters > 0, "{letters} letters after {killed} kills");
    lines(&stage, &["redrive"]).await;
    while answered.len() < LETTERS {
        let reply = wire.next_reply().await;
        assert_eq!(code(&reply), "201", "{}", correlation(&reply));
        answered.insert(correlation(&reply).to_owned());
    }
    until("none is left", async || wire.ready(DEAD).await == 0).await;
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_000 - LETTERS as i64);
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_or_drop_that_loses_its_broker_says_so_and_can_be_repeated() {
    const LETTERS: usize = 3_000;
    let (stage, wire) = open().await;
    stage.deposit("acme", "alice", "90.00", "CHF").await;
    let (port, proxy) = (stage.amqp_port(), Proxy::before(stage.amqp_port()).await);
    stage.replace_in_config(&format!(":{port}/"), &format!(":{}/", proxy.address.port()));
    park_many(&wire, LETTERS).await;
    for after in [10, 100, 200] {
        assert_eq!(cut_off(&stage, &wire, &proxy, &["redrive"], after).await, Some(1));
    }
    lines(&stage, &["redrive"]).await;
    until("none is left", async || wire.ready(DEAD).await == 0).await;
    until("each has moved its money", async || stage.balance("acme", "alice", "CHF").await == 10_000 - LETTERS as i64)
        .await;
    park_many(&wire, LETTERS).await;
    for after in [10, 50, 100, 150] {
        assert_eq!(cut_off(&stage, &wire, &proxy, &["drop", "--all"], after).await, Some(1));
    }
    told(&stage, &["drop", "--all"]).await;
    until("none is left", async || wire.ready(DEAD).await == 0).await;
    let ended = async |how: &str| {
        let ended = format!("SELECT count(*) FROM trail WHERE act LIKE 'dead %' AND outcome LIKE '{how}'");
        number(&stage.database, ended).await
    };
    let broken_off =
        ended("broken off after % put back, answered {%}: %").await + ended("broken off after % dropped: %").await;
    assert!(broken_off > 0, "some were done before");
    assert_eq!((broken_off + ended("not done: %").await, ended("done: %").await), (7, 2));
    stage.audit().await;
}

/// Runs a command on the dead letters through a proxy, and cuts it off so many milliseconds after it began to read them.
/// Its status.
async fn cut_off(stage: &Stage, wire: &Wire, proxy: &Proxy, command: &[&str], after: u64) -> Option<i32> {
    let arguments = [&["dead"], command, &["--party", "acme"]].concat();
    let mut child = purser(&stage.config(), &arguments).spawn().expect("purser runs");
    until("it reads", async || wire.consumers(DEAD).await == Some(1)).await;
    delay(Duration::from_millis(after)).await;
    proxy.set(Weather::Cut);
    let mut ended = None;
    until("it ends", async || {
        ended = child.try_wait().expect("a child");
        ended.is_some()
    })
    .await;
    until_still(wire).await;
    proxy.set(Weather::Fair);
    ended.and_then(|status| status.code())
}
