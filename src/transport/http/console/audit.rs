//! Audits: the one that runs, and what the last one has found.

use askama::Template;
use serde_json::Value;

use super::forms::FailedForm;
use super::frame::Frame;
use super::pages::PageRequest;
use crate::admin::audits::{EndedShown, RunningShown};
use crate::transport::http::admin::problem::Problem;

/// Findings that are shown; the command line has the others.
const MOST_FINDINGS: usize = 200;

/// What the last one has found.
struct Ended {
    audit: EndedShown,
    /// Where it could not be carried to its end.
    error: Option<String>,
    findings: Vec<String>,
    /// How many more there are.
    more: usize,
    counted: Vec<(&'static str, String)>,
    books: Vec<[String; 5]>,
    heads: Vec<[String; 3]>,
}

#[derive(Template)]
#[template(path = "console/audit.html")]
struct AuditPage {
    frame: Frame,
    running: Option<RunningShown>,
    last: Option<Ended>,
    succeeded_at: Option<String>,
    /// Why the last form did nothing.
    error: Option<String>,
}

/// The page, with the form that did nothing where there is one.
pub async fn show(asked: PageRequest, failed: Option<&FailedForm>) -> Result<String, Problem> {
    let known = asked.ledger.audits.show(&asked.ledger.reader).await?;
    let page = AuditPage {
        frame: asked.frame,
        running: known.running,
        last: known.last.map(ended),
        succeeded_at: known.succeeded_at,
        error: failed.map(|failed| failed.why.clone()),
    };
    Ok(page.render()?)
}

fn ended(audit: EndedShown) -> Ended {
    let report = &audit.report;
    let rows = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    let mut findings: Vec<String> = rows("findings").iter().map(text).collect();
    let more = findings.len().saturating_sub(MOST_FINDINGS);
    findings.truncate(MOST_FINDINGS);
    let counts = [("Commands", "commands"), ("Transfers", "transfers"), ("Orders", "orders"), ("Players", "players")];
    Ended {
        error: report.get("error").map(text),
        findings,
        more,
        counted: counts.into_iter().filter_map(|(word, name)| Some((word, text(report.get(name)?)))).collect(),
        books: rows("books")
            .iter()
            .map(|book| ["party", "currency", "players", "house", "cashier"].map(|name| text(&book[name])))
            .collect(),
        heads: rows("heads").iter().map(|head| ["chain", "seq", "head"].map(|name| text(&head[name]))).collect(),
        audit,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
