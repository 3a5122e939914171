//! The spans of HTTP requests: whose they are, what they say, and which batch they lead to.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use purser::config::Role;
use serde_json::json;

use super::admin::{config, token};
use super::client::{Call, Response};
use crate::e2e::collector::{Collector, attribute, hex};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::patience::until;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// By the dialect that [`config`]'s party speaks.
fn balance_of(user: &str) -> Call {
    let params = json!({ "user_id": user, "product_id": 0 });
    Call::new("POST", "/api/GetUserBalance").json(&json!({ "method": "GetUserBalance", "params": params }))
}

fn deposit(key: &str) -> Call {
    let body = json!({ "amount": "1.00", "currency": "CHF", "key": key, "reason": "a test" });
    let call = Call::new("POST", "/admin/v1/parties/acme/players/alice/deposits");
    call.bearer(&token(Role::Operator)).json(&body)
}

async fn open(base: Base, telemetry: &str) -> Stage {
    let stage = Stage::open(base, &format!("{}{telemetry}", config())).await;
    stage.add_player("acme", "alice").await;
    stage
}

fn served(collector: &Collector) -> Vec<Span> {
    collector.spans().into_iter().filter(|span| span.kind() == SpanKind::Server).collect()
}

fn assert_says(span: &Span, expected: &[(&str, Option<&str>)]) {
    for (name, value) in expected {
        assert_eq!(attribute(&span.attributes, name).as_deref(), *value, "{name} of {span:?}");
    }
}

/// That the reply names the span.
fn assert_named(response: &Response, span: &Span) {
    let named = format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
    assert_eq!(response.header("traceparent"), named);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sampled_request_is_a_span_of_its_trace_and_linked_to_its_batch() {
    on_both(async |base| {
        let collector = Collector::start().await;
        let mut stage = open(base, &collector.settings("0")).await;
        let sampled = format!("00-{TRACE}-{PARENT}-01");
        let moved = deposit("one").header("traceparent", sampled.clone()).header("x-correlation-id", "corr-1");
        let moved = moved.send(&stage).await;
        let asked = balance_of("7").header("traceparent", sampled.clone()).send(&stage).await;
        let unsampled = format!("00-{TRACE}-{PARENT}-00");
        let passed_on = balance_of("7").header("traceparent", unsampled.clone()).send(&stage).await;
        assert_eq!((moved.status, asked.status, passed_on.status), (201, 200, 200), "{}", moved.text());
        assert_eq!(passed_on.header("traceparent"), unsampled);
        // Health is asked for all the time.
        Call::new("GET", "/healthz").header("traceparent", sampled).send(&stage).await;
        stage.stop().await;

        let spans = served(&collector);
        let [deposit, balance] = &spans[..] else { panic!("two are sampled: {spans:?}") };
        for (span, response) in [(deposit, &moved), (balance, &asked)] {
            assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
            assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano > span.start_time_unix_nano);
            assert_named(response, span);
        }
        let route = "/admin/v1/parties/{party}/players/{player}/deposits";
        assert_eq!(deposit.name, format!("POST {route}"));
        assert_says(
            deposit,
            &[
                ("http.request.method", Some("POST")),
                ("http.route", Some(route)),
                ("http.response.status_code", Some("201")),
                ("url.scheme", Some("http")),
                ("error.type", None),
                ("purser.party", None),
                ("purser.dialect", Some("admin")),
                ("purser.operation", Some("deposit")),
                ("purser.code", Some("201")),
                ("purser.correlation_id", Some("corr-1")),
            ],
        );
        let batches = collector.named("batch");
        let [batch] = &batches[..] else { panic!("one has a sampled request: {batches:?}") };
        let [link] = &deposit.links[..] else { panic!("one batch: {deposit:?}") };
        assert_eq!((&link.trace_id, &link.span_id), (&batch.trace_id, &batch.span_id));
        assert_eq!(batch.links.iter().map(|link| &link.span_id).collect::<Vec<_>>(), [&deposit.span_id]);

        assert_eq!(balance.name, "POST /api/GetUserBalance");
        assert_says(
            balance,
            &[
                ("purser.party", Some("acme")),
                ("purser.dialect", Some("balance_service")),
                ("purser.operation", Some("GetUserBalance")),
            ],
        );
        assert!(balance.links.is_empty(), "{balance:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_unsampled_is_sampled_by_chance_and_named_by_its_method_where_it_leads_nowhere() {
    let collector = Collector::start().await;
    let stage = open(Base::Sqlite, &collector.settings("1")).await;
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    let answered = balance_of("7").header("traceparent", unsampled).send(&stage).await;
    let nowhere = Call::new("GET", "/nowhere/alice").send(&stage).await;
    until("both are exported", async || served(&collector).len() == 2).await;
    let spans = served(&collector);
    assert_eq!((hex(&spans[0].trace_id), hex(&spans[0].parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert!(spans[1].parent_span_id.is_empty());
    assert_named(&answered, &spans[0]);
    assert_named(&nowhere, &spans[1]);
    assert_eq!(spans[1].name, "GET");
    assert_says(&spans[1], &[("http.route", None), ("http.response.status_code", Some("404"))]);
    assert!(!format!("{spans:?}").contains("alice"), "an address is in a span");
}
