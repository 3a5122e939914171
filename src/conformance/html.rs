//! The report for people: one file without script that loads nothing, to be sent as it is.

use std::fmt::Write as _;

use serde_json::Value;

use super::provider::Traffic;
use super::report::{BrokenRule, CaseOutcome, ConformanceReport, JudgedCase, ShownExchange, Subject};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;\
background:#fff}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;\
border-bottom:1px solid #ccc}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f2f2f2;padding:.6rem}\
.failed{color:#a00000;font-weight:bold}.passed{color:#00600f}h2{margin-top:2.5rem}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}pre{background:#262626}.failed{color:#ff8a80}\
.passed{color:#8fdf9a}}";

/// The whole page.
pub fn render(report: &ConformanceReport) -> String {
    let head = &report.head;
    let whose = match head.subject {
        Subject::Wallet => "Wallet",
        Subject::Provider => "Provider",
    };
    let title = format!("{whose} of party {} {}", head.party, report.verdict().words());
    let json = report.json();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style></head>\n\
         <body><main><h1>{title}</h1>\n<table>\n",
        title = escaped(&title),
    );
    let counts = report.counts();
    let dialects: Vec<&str> = head.dialects.iter().map(|dialect| dialect.name()).collect();
    for (name, value) in [
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
    ] {
        let _ = writeln!(page, "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escaped(&value));
    }
    if let Some(traffic) = &head.traffic {
        let _ = writeln!(page, "<tr><th scope=\"row\">Traffic</th><td>{}</td></tr>", told(traffic));
    }
    page.push_str("</table>\n");
    report.cases.iter().for_each(|case| page.push_str(&failure(case)));
    page.push_str("<h2>All cases</h2>\n<table><tr><th>Case</th><th>What</th><th>Clause</th><th>Outcome</th></tr>\n");
    report.cases.iter().for_each(|case| page.push_str(&row(case)));
    page.push_str("</table></main></body></html>\n");
    page
}

fn told(traffic: &Traffic) -> String {
    let Traffic { messages, repeats, withheld, late, doubled, bets, refused, settled } = traffic;
    format!(
        "{messages} messages, of them {repeats} repeats; replies: {withheld} withheld, {late} late, {doubled} doubled; \
         bets: {bets} accepted, {refused} refused, {settled} settled"
    )
}

fn row(case: &JudgedCase) -> String {
    let (class, told) = match &case.outcome {
        CaseOutcome::Passed => ("passed", "passed".to_owned()),
        CaseOutcome::Failed(_) => ("failed", "failed".to_owned()),
        CaseOutcome::Skipped { why } => ("skipped", format!("skipped: {why}")),
        CaseOutcome::NotJudged { why } => ("failed", format!("not judged: {why}")),
    };
    let cells = [&case.id, &case.title, &case.clause.to_string()].map(|cell| format!("<td>{}</td>", escaped(cell)));
    format!("<tr>{}<td class=\"{class}\">{}</td></tr>\n", cells.concat(), escaped(&told))
}

fn failure(case: &JudgedCase) -> String {
    let CaseOutcome::Failed(BrokenRule { clause, what, expected, got, .. }) = &case.outcome else {
        return String::new();
    };
    let mut part = format!(
        "<h2 class=\"failed\">{}: {}</h2>\n<blockquote>{}</blockquote>\n<table>\n",
        escaped(&case.id),
        escaped(&case.title),
        escaped(&clause.to_string()),
    );
    for (name, value) in [("What", what), ("Expected", expected), ("Got", got), ("Judge it again", &case.again)] {
        let _ = writeln!(part, "<tr><th scope=\"row\">{name}</th><td><code>{}</code></td></tr>", escaped(value));
    }
    part.push_str("</table>\n");
    for ShownExchange { request, reply } in &case.exchanges {
        let reply = reply.as_ref().map_or_else(|| "nothing".to_owned(), pretty);
        let _ = write!(part, "<pre>{}\n\n→ {}</pre>\n", escaped(&pretty(request)), escaped(&reply));
    }
    part
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Text of HTML. What would reorder or hide other text is written out.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' => safe.push('\n'),
            c if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                safe.extend(c.escape_unicode());
            }
            c => safe.push(c),
        }
    }
    safe
}
