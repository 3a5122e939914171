//! `/metrics` against everything that speaks of it: the documents, the alert rules and the dashboard.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use purser::dialects::egpp::Operation;
use serde_json::{Value, json};

use super::admin::execute;
use super::client::now;
use super::server;
use crate::e2e::stage::{ACME, Base, Stage};
use crate::e2e::wire::{Message, Wire, bet, code};
use crate::patience::until;

/// Where metrics are named.
const NAMED_IN: [&str; 6] = [
    "deploy/prometheus/purser.rules.yml",
    "deploy/prometheus/purser.rules.test.yml",
    "deploy/grafana/dashboards/purser.json",
    "docs/OPERATING.md",
    "docs/DEPLOYING.md",
    "CHANGELOG.md",
];

const OPERATING: &str = "docs/OPERATING.md";
const RULES: &str = "deploy/prometheus/purser.rules.yml";

/// What a histogram is shown as.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file")
}

async fn metrics(stage: &Stage) -> String {
    reqwest::get(stage.url("/metrics")).await.expect("an answer").text().await.expect("text")
}

/// Every metric's type, and the names of those that have HELP.
fn types(metrics: &str) -> (BTreeMap<&str, &str>, BTreeSet<&str>) {
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let helped = metrics.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    (types.collect(), helped.map(|(name, _)| name).collect())
}

/// The value of one series.
fn value(metrics: &str, series: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Every word of a text that looks like the name of a metric. A name that ends with `_` is of many.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("purser_") || word.starts_with("process_"))
        .filter(|word| !word.ends_with('_'))
        .collect()
}

/// Purser after a little of everything that is counted.
async fn played() -> (Stage, Wire) {
    let stage = Stage::open(Base::Sqlite, ACME).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "100.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    let mut sent = bet("one");
    sent.properties = sent.properties.with_timestamp(u64::try_from(now() - 7).expect("a time"));
    assert_eq!(code(&wire.ask(sent).await), "201");
    wire.ask(Message::new(Operation::OrderBet, "malformed", &json!([]))).await;
    server::bet("over-http").send(&stage).await;
    (stage, wire)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_documented_alerted_on_and_drawn_is_there() {
    let (stage, _wire) = played().await;
    // Without an audit there is nothing to say of one.
    let audited = "INSERT INTO last_audit (id, began_at, ended_at, report, succeeded_at) VALUES (1, 1, 2, '{}', 2)";
    assert!(execute(&stage, audited).await);
    until("all is shown", async || {
        let shown = metrics(&stage).await;
        value(&shown, r#"purser_voids_pending{party="acme"}"#).is_some()
            && shown.contains("purser_queue_messages{")
            && value(&shown, "purser_audit_sound").is_some()
    })
    .await;
    let shown = metrics(&stage).await;
    let (types, helped) = types(&shown);
    let without_help: Vec<_> = types.keys().filter(|name| !helped.contains(*name)).collect();
    assert_eq!(without_help, Vec::<&&str>::new(), "metrics without HELP");
    let is_shown = |name: &str| {
        let whole = PARTS.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        types.contains_key(name) || types.get(whole) == Some(&"histogram")
    };
    let mut unknown = Vec::new();
    for path in NAMED_IN {
        let text = file(path);
        unknown.extend(names(&text).into_iter().filter(|name| !is_shown(name)).map(|name| format!("{path}: {name}")));
    }
    assert_eq!(unknown, Vec::<String>::new(), "named, but not in /metrics");
    let documents = file(OPERATING);
    let documented = names(&documents);
    let undocumented: Vec<_> = types.keys().filter(|name| !documented.contains(*name)).collect();
    assert_eq!(undocumented, Vec::<&&str>::new(), "not in {OPERATING}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_timed_and_queues_looked_at() {
    let (stage, _wire) = played().await;
    let addresses = r#"{party="acme",operation="order.bet"}"#;
    until("they are timed", async || {
        let shown = metrics(&stage).await;
        let timed = value(&shown, &format!("purser_request_duration_seconds_count{addresses}"));
        timed.is_some_and(|timed| timed >= 2.0)
    })
    .await;
    let shown = metrics(&stage).await;
    let age = value(&shown, r#"purser_request_age_seconds_sum{party="acme"}"#).expect("an age");
    assert!((7.0..30.0).contains(&age), "{age}");
    assert_eq!(value(&shown, r#"purser_request_age_seconds_count{party="acme"}"#), Some(1.0));
    for up in ["purser_ready", "purser_database_up", r#"purser_broker_connected{party="acme"}"#] {
        assert_eq!(value(&shown, up), Some(1.0), "{up}");
    }
    assert_eq!(value(&shown, r#"purser_dead_letters_total{party="acme",reason="malformed"}"#), Some(1.0));
    assert_eq!(value(&shown, r#"purser_dead_letters_total{party="acme",reason="fault"}"#), Some(0.0));
    // The next look is up to a quarter of a minute away.
    until("the dead letter is seen", async || {
        let shown = metrics(&stage).await;
        let of = |metric: &str, queue: &str| value(&shown, &format!(r#"{metric}{{party="acme",queue="{queue}"}}"#));
        of("purser_queue_messages", "v1.0.acme.dead") == Some(1.0)
            && of("purser_queue_consumers", "v1.0.acme.dead") == Some(0.0)
            && of("purser_queue_consumers", "v1.0.acme.order.bet") == Some(1.0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_queue_that_is_missing_ends_no_session() {
    let (stage, mut wire) = played().await;
    wire.channel
        .queue_delete("v1.0.acme.dead".into(), lapin::options::QueueDeleteOptions::default())
        .await
        .expect("deleted");
    until("it is seen to be gone", async || {
        let shown = metrics(&stage).await;
        value(&shown, r#"purser_queue_messages{party="acme",queue="v1.0.acme.dead"}"#) == Some(0.0)
    })
    .await;
    assert_eq!(code(&wire.ask(bet("two")).await), "201");
    assert!(!stage.log().contains("the session with the broker ended"), "{}", stage.log());
}

#[test]
fn every_alert_has_a_section_that_says_what_to_do() {
    let (rules, documents) = (file(RULES), file(OPERATING));
    // As they are made of headings.
    let anchors: BTreeSet<String> = documents
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .map(|anchor| anchor.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect())
        .collect();
    let alerts = rules.matches("- alert: ").count();
    let books: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).collect();
    assert!(alerts > 0 && alerts == books.len(), "{alerts} alerts, {} runbooks", books.len());
    for book in books {
        let anchor = book.strip_prefix("docs/OPERATING.md#").expect("a section of docs/OPERATING.md");
        assert!(anchors.contains(anchor), "{book}: there is no such section");
    }
    for part in ["severity", "summary", "description"] {
        assert_eq!(rules.matches(&format!("{part}: ")).count(), alerts, "{part}");
    }
}

/// What the alerts see is not hidden from the program by the way in which it is started.
#[test]
fn the_unit_hides_nothing_that_alerts_are_about() {
    let unit = file("deploy/systemd/purser.service");
    assert!(file(RULES).contains("process_start_time_seconds"), "of /proc/stat");
    assert!(!unit.lines().any(|line| line.trim() == "ProcSubset=pid"), "it hides /proc/stat");
}

#[test]
fn the_dashboard_is_json_and_every_panel_asks_something() {
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana/dashboards/purser.json")).expect("JSON");
    for panel in dashboard["panels"].as_array().expect("panels") {
        let asked = panel["targets"].as_array().expect("targets");
        assert!(!asked.is_empty() && asked.iter().all(|asked| asked["expr"].is_string()), "{panel}");
    }
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    assert!(variables.iter().any(|variable| variable["name"] == "party"));
}
