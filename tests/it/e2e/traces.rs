//! Traces: what a collector gets, and what is lost with one that is away or silent: nothing but traces.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::short;
use serde_json::json;
use tokio::net::TcpListener;

use super::collector::{Collector, attribute, hex};
use super::services::free_port;
use super::stage::{ACME, Base, Stage, on_both};
use super::wire::{Message, Wire, bet, code, header};
use crate::patience::{until, within_deadline};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn config(port: u16, ratio: &str) -> String {
    format!("{ACME}\n[telemetry]\notlp_endpoint = \"http://127.0.0.1:{port}\"\nsample_ratio = {ratio}\n")
}

fn traced(message: Message, traceparent: &str) -> Message {
    let mut headers = FieldTable::default();
    headers.insert(short("traceparent"), AMQPValue::LongString(traceparent.into()));
    Message { properties: message.properties.with_headers(headers), ..message }
}

async fn open(config: &str, base: Base) -> Stage {
    let stage = Stage::open(base, config).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10000.00", "CHF").await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sampled_message_is_a_span_of_its_trace_and_linked_to_its_batch() {
    on_both(async |base| {
        let collector = Collector::start().await;
        let mut stage = open(&config(collector.port, "0"), base).await;
        let mut wire = Wire::connect(&stage).await;
        let sampled = format!("00-{TRACE}-{PARENT}-01");
        let answered = wire.ask(traced(bet("one"), &sampled)).await;
        let unsampled = format!("00-{TRACE}-{PARENT}-00");
        let passed_on = wire.ask(traced(bet("two"), &unsampled)).await;
        let alone = wire.ask(bet("three")).await;
        assert_eq!([&answered, &passed_on, &alone].map(code), ["201", "201", "201"]);
        assert_eq!(header(&passed_on.properties, "traceparent"), unsampled);
        // What is over when the program ends was exported before.
        stage.stop().await;

        let place = "v1.0:v1.0.acme.order.bet";
        let messages = collector.named(&format!("process {place}"));
        let [message] = &messages[..] else { panic!("one is sampled: {messages:?}") };
        assert_eq!((hex(&message.trace_id), hex(&message.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
        assert_eq!(message.kind(), SpanKind::Consumer);
        assert!(message.start_time_unix_nano > 0 && message.end_time_unix_nano > message.start_time_unix_nano);
        for (name, value) in [
            ("messaging.system", "rabbitmq"),
            ("messaging.operation.name", "process"),
            ("messaging.operation.type", "process"),
            ("messaging.destination.name", place),
            ("messaging.rabbitmq.destination.routing_key", "v1.0.acme.order.bet"),
            ("messaging.message.conversation_id", "one"),
            ("purser.party", "acme"),
            ("purser.dialect", "egpp"),
            ("purser.operation", "order.bet"),
            ("purser.code", "201"),
        ] {
            assert_eq!(attribute(&message.attributes, name).as_deref(), Some(value), "{name} of {message:?}");
        }
        let [link] = &message.links[..] else { panic!("one batch: {message:?}") };

        let batches = collector.named("batch");
        let [batch] = &batches[..] else { panic!("one has a sampled message: {batches:?}") };
        assert_eq!((&link.trace_id, &link.span_id), (&batch.trace_id, &batch.span_id));
        assert!(batch.parent_span_id.is_empty() && batch.trace_id != message.trace_id, "{batch:?}");
        assert_eq!(batch.links.iter().map(|link| &link.span_id).collect::<Vec<_>>(), [&message.span_id]);
        assert_eq!(attribute(&batch.attributes, "purser.batch.commands").as_deref(), Some("1"));
        for step in ["load", "decide", "commit"] {
            let steps = collector.named(step);
            let [step] = &steps[..] else { panic!("one {step}: {steps:?}") };
            assert_eq!((&step.trace_id, &step.parent_span_id), (&batch.trace_id, &batch.span_id));
            assert!(step.start_time_unix_nano >= batch.start_time_unix_nano, "{step:?}");
            assert!(step.end_time_unix_nano <= batch.end_time_unix_nano, "{step:?}");
        }

        let replies: Vec<Span> =
            collector.spans().into_iter().filter(|span| span.kind() == SpanKind::Producer).collect();
        let [reply] = &replies[..] else { panic!("one reply is traced: {replies:?}") };
        assert_eq!((&reply.trace_id, &reply.parent_span_id), (&message.trace_id, &message.span_id));
        let named = format!("00-{TRACE}-{}-01", hex(&reply.span_id));
        assert_eq!(header(&answered.properties, "traceparent"), named);
        let resource = collector.requests.lock().expect("no panic")[0].resource_spans[0].resource.clone();
        let attributes = resource.expect("a resource").attributes;
        assert_eq!(attribute(&attributes, "service.name").as_deref(), Some("purser"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_unsampled_is_sampled_by_chance() {
    let collector = Collector::start().await;
    let stage = open(&config(collector.port, "1"), Base::Sqlite).await;
    let mut wire = Wire::connect(&stage).await;
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    assert_eq!(code(&wire.ask(traced(bet("unsampled"), &unsampled)).await), "201");
    let none = "00-00000000000000000000000000000000-0000000000000000-01";
    assert_eq!(code(&wire.ask(traced(bet("one"), none)).await), "201");
    assert_eq!(code(&wire.ask(Message::new(Operation::OrderBet, "bad", &json!({}))).await), "400");
    let balance = json!({ "playerId": "alice", "currency": "CHF" });
    wire.ask(Message::new(Operation::BalanceGet, "balance", &balance)).await;
    until("all are exported", async || {
        collector.spans().iter().filter(|span| span.kind() == SpanKind::Consumer).count() == 4
    })
    .await;
    let spans = collector.spans();
    let of = |id: &str| {
        let found = spans
            .iter()
            .find(|span| attribute(&span.attributes, "messaging.message.conversation_id").as_deref() == Some(id));
        found.unwrap_or_else(|| panic!("no span of {id}: {spans:?}"))
    };
    for (id, links) in [("one", 1), ("bad", 0), ("balance", 0)] {
        let span = of(id);
        assert!(span.parent_span_id.is_empty() && span.links.len() == links, "{span:?}");
    }
    assert_eq!(attribute(&of("bad").attributes, "purser.code").as_deref(), Some("400"));
    // Whoever sent it has no span, but a trace.
    let unsampled = of("unsampled");
    assert_eq!((hex(&unsampled.trace_id), hex(&unsampled.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    let metrics = reqwest::get(stage.url("/metrics")).await.expect("an answer").text().await.expect("text");
    assert!(metrics.contains("purser_spans_lost_total{reason=\"queue_full\"} 0"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_silent_costs_traces_alone() {
    const BETS: usize = 300;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent_port = silent.local_addr().expect("an address").port();
    // Kept open, and never answered.
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            kept.push(stream);
        }
    });
    for port in [free_port(), silent_port] {
        let mut stage = open(&config(port, "1"), Base::Sqlite).await;
        let mut wire = Wire::connect(&stage).await;
        wire.send_all((0..BETS).map(|number| bet(&format!("bet-{number}")))).await;
        for _ in 0..BETS {
            assert_eq!(code(&wire.next_reply().await), "201");
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 1_000_000 - 100 * BETS as i64);
        until("what was lost is counted", async || {
            let metrics = reqwest::get(stage.url("/metrics")).await.expect("an answer").text().await.expect("text");
            let lost = "purser_spans_lost_total{reason=\"export_failed\"} ";
            let lost = metrics.lines().find_map(|line| line.strip_prefix(lost)?.parse().ok());
            lost.is_some_and(|lost: u64| lost > 0)
        })
        .await;
        assert_eq!(code(&wire.ask(bet("one more")).await), "201");
        within_deadline("the end", tokio::time::timeout(Duration::from_secs(10), stage.stop())).await.expect("an end");
        stage.audit().await;
    }
}
