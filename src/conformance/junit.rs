//! The report for build servers: JUnit's XML.

use std::fmt::Write as _;

use super::report::{BrokenRule, CaseOutcome, ConformanceReport, JudgedCase};

/// The whole document.
pub fn render(report: &ConformanceReport) -> String {
    let counts = report.counts();
    let head = &report.head;
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
         <testsuite name=\"purser conform {}, party {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" \
         time=\"{}\" timestamp=\"{}\">\n",
        head.subject.name(),
        escaped(&head.party),
        report.cases.len(),
        counts.failed,
        counts.not_judged,
        counts.skipped,
        seconds(head.took_ms),
        escaped(&head.began),
    );
    for case in &report.cases {
        // Writing into a text cannot fail.
        let _ = write!(
            xml,
            "<testcase classname=\"{}\" name=\"{}: {}\" time=\"{}\"",
            case.dialect.name(),
            escaped(&case.id),
            escaped(&case.title),
            seconds(case.took_ms),
        );
        xml.push_str(&outcome(case));
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

fn outcome(case: &JudgedCase) -> String {
    match &case.outcome {
        CaseOutcome::Passed => "/>\n".to_owned(),
        CaseOutcome::Skipped { why } => format!("><skipped message=\"{}\"/></testcase>\n", escaped(why)),
        CaseOutcome::NotJudged { why } => format!("><error message=\"{}\"/></testcase>\n", escaped(why)),
        CaseOutcome::Failed(BrokenRule { clause, what, expected, got, .. }) => {
            let text = format!("{clause}\nexpected: {expected}\ngot: {got}\nagain: {}", case.again);
            let exchanges = case.exchanges.iter().map(|exchange| {
                let reply = exchange.reply.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
                format!("\nrequest: {}\nreply: {reply}", exchange.request)
            });
            let text = text + &exchanges.collect::<String>();
            format!("><failure message=\"{}\">{}</failure></testcase>\n", escaped(what), escaped(&text))
        }
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Text of XML. Characters that XML cannot have are written out.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                safe.extend(c.escape_unicode());
            }
            c => safe.push(c),
        }
    }
    safe
}
