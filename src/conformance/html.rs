//! The report for people: one file without script that loads nothing, to be sent as it is.

use askama::Template;
use serde_json::Value;

use super::provider::Traffic;
use super::report::{BrokenRule, CaseOutcome, ConformanceReport, JudgedCase, ShownExchange, Subject};

const STYLE: &str = include_str!("html.css");

#[derive(Template)]
#[template(path = "conformance.html")]
struct ReportPage {
    style: &'static str,
    title: String,
    facts: Vec<(&'static str, String)>,
    failures: Vec<FailedCase>,
    rows: Vec<CaseRow>,
}

struct FailedCase {
    id: String,
    title: String,
    clause: String,
    facts: Vec<(&'static str, String)>,
    /// What was sent, and what came.
    exchanges: Vec<(String, String)>,
}

struct CaseRow {
    id: String,
    title: String,
    clause: String,
    class: &'static str,
    outcome: String,
}

/// The whole page.
pub fn render(report: &ConformanceReport) -> askama::Result<String> {
    let head = &report.head;
    let whose = match head.subject {
        Subject::Wallet => "Wallet",
        Subject::Provider => "Provider",
    };
    let page = ReportPage {
        style: STYLE,
        title: legible(&format!("{whose} of party {} {}", head.party, report.verdict().words())),
        facts: facts(report).into_iter().map(|(name, value)| (name, legible(&value))).collect(),
        failures: report.cases.iter().filter_map(FailedCase::of).collect(),
        rows: report.cases.iter().map(CaseRow::of).collect(),
    };
    page.render()
}

fn facts(report: &ConformanceReport) -> Vec<(&'static str, String)> {
    let (head, counts, json) = (&report.head, report.counts(), report.json());
    let dialects: Vec<&str> = head.dialects.iter().map(|dialect| dialect.name()).collect();
    let mut facts = vec![
        ("Judged by", head.program.clone()),
        ("Began", head.began.clone()),
        ("Took", format!("{}.{:03} s", head.took_ms / 1000, head.took_ms % 1000)),
        ("Dialects", dialects.join(", ")),
        (
            "Cases",
            format!(
                "{} passed, {} failed, {} not judged, {} skipped",
                counts.passed, counts.failed, counts.not_judged, counts.skipped
            ),
        ),
        ("Seed", head.seed.to_string()),
        ("Catalogue (SHA-256)", head.catalogue.clone()),
        ("Schemas (SHA-256)", head.schemas.clone()),
        ("Results (SHA-256)", json["digest"].as_str().unwrap_or_default().to_owned()),
    ];
    facts.extend(head.traffic.as_ref().map(|traffic| ("Traffic", told(traffic))));
    facts
}

fn told(traffic: &Traffic) -> String {
    let Traffic { messages, repeats, withheld, late, doubled, bets, refused, settled, settled_elsewhere } = traffic;
    format!(
        "{messages} messages, of them {repeats} repeats; replies: {withheld} withheld, {late} late, {doubled} doubled; \
         bets: {bets} accepted, {refused} refused, {settled} settled, {settled_elsewhere} settled elsewhere"
    )
}

impl CaseRow {
    fn of(case: &JudgedCase) -> Self {
        let (class, outcome) = match &case.outcome {
            CaseOutcome::Passed => ("passed", "passed".to_owned()),
            CaseOutcome::Failed(_) => ("failed", "failed".to_owned()),
            CaseOutcome::Skipped { why } => ("skipped", format!("skipped: {why}")),
            CaseOutcome::NotJudged { why } => ("failed", format!("not judged: {why}")),
        };
        let [id, title, clause, outcome] =
            [&case.id, &case.title, &case.clause.to_string(), &outcome].map(|text| legible(text));
        Self { id, title, clause, class, outcome }
    }
}

impl FailedCase {
    fn of(case: &JudgedCase) -> Option<Self> {
        let CaseOutcome::Failed(BrokenRule { clause, what, expected, got, .. }) = &case.outcome else { return None };
        let facts = [("What", what), ("Expected", expected), ("Got", got), ("Judge it again", &case.again)];
        let exchange = |ShownExchange { request, reply }: &ShownExchange| {
            let reply = reply.as_ref().map_or_else(|| "nothing".to_owned(), pretty);
            (legible(&pretty(request)), legible(&reply))
        };
        Some(Self {
            id: legible(&case.id),
            title: legible(&case.title),
            clause: legible(&clause.to_string()),
            facts: facts.map(|(name, value)| (name, legible(value))).into(),
            exchanges: case.exchanges.iter().map(exchange).collect(),
        })
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// What would reorder or hide other text is written out.
fn legible(text: &str) -> String {
    let mut legible = String::with_capacity(text.len());
    for c in text.chars() {
        let hides = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c != '\n' && (c.is_control() || hides) {
            legible.extend(c.escape_unicode());
        } else {
            legible.push(c);
        }
    }
    legible
}
