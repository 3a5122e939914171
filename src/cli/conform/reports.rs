//! What was found, told on the terminal and in files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::cli::{CommandFailure, Ended, output, usage};
use crate::conformance::report::{BrokenRule as Fault, ConformanceVerdict, JudgedCase, Subject};
use crate::conformance::{CaseOutcome, ConformanceReport, html, junit};

#[derive(Args)]
pub struct ReportFiles {
    /// A report to be sent: one file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// A report for build servers.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The report for machines.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl ReportFiles {
    pub fn write(&self, report: &ConformanceReport) -> anyhow::Result<()> {
        let json = || Ok(serde_json::to_string_pretty(&report.json())? + "\n");
        write_file(self.html.as_deref(), || Ok(html::render(report)?))?;
        write_file(self.junit.as_deref(), || Ok(junit::render(report)))?;
        write_file(self.json.as_deref(), json)
    }
}

fn write_file(path: Option<&Path>, text: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, text()?).with_context(|| format!("cannot write {}", path.display()))
}

/// How the command ends. Where something kept it from judging, nothing says that anybody is wrong, so it is never status 1.
pub fn ended(subject: Subject, verdict: Result<ConformanceVerdict, CommandFailure>) -> Ended {
    let unjudged = || format!("the {} could not be judged", subject.name());
    match verdict {
        Ok(ConformanceVerdict::Conforms) => Ok(true),
        Ok(ConformanceVerdict::DoesNotConform) => Ok(false),
        Ok(ConformanceVerdict::CouldNotBeJudged) => Err(usage(unjudged())),
        Err(CommandFailure::Usage(error) | CommandFailure::Failed(error)) => {
            Err(CommandFailure::Usage(error.context(unjudged())))
        }
    }
}

pub fn tell(case: &JudgedCase) -> std::io::Result<()> {
    match &case.outcome {
        CaseOutcome::Passed => output::line(&format!("ok    {}: {}", case.id, case.title)),
        CaseOutcome::Skipped { why } => output::line(&format!("skip  {}: {why}", case.id)),
        CaseOutcome::NotJudged { why } => output::line(&format!("?     {}: {why}", case.id)),
        CaseOutcome::Failed(_) => output::line(&format!("FAIL  {}: {}", case.id, case.title)),
    }
}

/// Failures last, where they are seen, tokens hidden.
pub fn sum_up(report: &ConformanceReport) -> std::io::Result<()> {
    for case in &report.cases {
        let CaseOutcome::Failed(Fault { clause, what, expected, got, .. }) = &case.outcome else { continue };
        let (id, title) = (&case.id, &case.title);
        output::lines(&format!("\n{id}: {title}\n  {clause}\n  {what}\n    expected: {expected}\n    got: {got}"))?;
        if let Some(exchange) = case.exchanges.last() {
            output::line(&format!("    message: {}", exchange.request))?;
            let reply = exchange.reply.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
            output::line(&format!("    reply: {reply}"))?;
        }
        output::line(&format!("  again: {}", case.again))?;
    }
    let counts = report.counts();
    output::lines(&format!(
        "\n{}: {} passed, {} failed, {} not judged, {} skipped in {:.1} s (seed {})",
        report.verdict().words(),
        counts.passed,
        counts.failed,
        counts.not_judged,
        counts.skipped,
        report.head.took_ms as f64 / 1000.0,
        report.head.seed,
    ))
}
