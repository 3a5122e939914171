//! What was found, in a form that can be quoted as evidence.

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::catalogue::{Clause, SpokenDialect};
use super::provider::Traffic;

/// What is shown of a body.
const SHOWN_BYTES: usize = 2000;

/// A message and what came back, tokens hidden.
#[derive(Debug, Clone, Serialize)]
pub struct ShownExchange {
    pub request: Value,
    /// None where nothing came.
    pub reply: Option<Value>,
}

/// Where somebody did not keep their word.
#[derive(Debug, Clone, Serialize)]
pub struct BrokenRule {
    /// The rule of every reply that is broken; none: the case's own clause.
    pub rule: Option<&'static str>,
    pub clause: Clause,
    pub what: String,
    pub expected: String,
    pub got: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum CaseOutcome {
    Passed,
    Failed(BrokenRule),
    /// Something was not given that the case needs.
    Skipped {
        why: String,
    },
    /// Something went wrong that is not the wallet's doing.
    NotJudged {
        why: String,
    },
}

/// One case, judged.
#[derive(Debug, Clone, Serialize)]
pub struct JudgedCase {
    pub id: String,
    pub title: String,
    pub dialect: SpokenDialect,
    pub clause: Clause,
    pub outcome: CaseOutcome,
    pub took_ms: u64,
    /// What was said, where the wallet failed.
    pub exchanges: Vec<ShownExchange>,
    /// The line that judges this case again.
    pub again: String,
}

/// Who is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Wallet,
    Provider,
}

impl Subject {
    pub fn name(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Provider => "provider",
        }
    }
}

/// What a report begins with.
#[derive(Debug, Clone, Serialize)]
pub struct ReportHead {
    pub program: String,
    pub subject: Subject,
    pub party: String,
    pub dialects: Vec<SpokenDialect>,
    /// SHA-256 of the catalogue.
    pub catalogue: String,
    /// SHA-256 of the messages' schemas.
    pub schemas: String,
    pub seed: u64,
    /// UTC.
    pub began: String,
    pub took_ms: u64,
    /// What passed while a provider was watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

#[derive(Debug, Clone)]
pub struct ConformanceReport {
    pub head: ReportHead,
    pub cases: Vec<JudgedCase>,
}

/// What is to be said in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConformanceVerdict {
    Conforms,
    DoesNotConform,
    CouldNotBeJudged,
}

impl ConformanceVerdict {
    pub fn words(self) -> &'static str {
        match self {
            Self::Conforms => "conforms",
            Self::DoesNotConform => "does not conform",
            Self::CouldNotBeJudged => "could not be judged",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    pub not_judged: usize,
}

impl ConformanceReport {
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for case in &self.cases {
            match case.outcome {
                CaseOutcome::Passed => counts.passed += 1,
                CaseOutcome::Failed(_) => counts.failed += 1,
                CaseOutcome::Skipped { .. } => counts.skipped += 1,
                CaseOutcome::NotJudged { .. } => counts.not_judged += 1,
            }
        }
        counts
    }

    /// One failure is enough to say no; to say yes, all that was asked for must have been judged.
    pub fn verdict(&self) -> ConformanceVerdict {
        match self.counts() {
            Counts { failed: 1.., .. } => ConformanceVerdict::DoesNotConform,
            Counts { not_judged: 1.., .. } | Counts { passed: 0, .. } => ConformanceVerdict::CouldNotBeJudged,
            _ => ConformanceVerdict::Conforms,
        }
    }

    /// The whole, members in alphabetical order. `digest` is the SHA-256 of the same without `digest`, written without
    /// blanks.
    pub fn json(&self) -> Value {
        let mut report = json!({
            "head": self.head, "verdict": self.verdict(), "counts": self.counts(), "cases": self.cases,
        });
        let digest = super::hex(&Sha256::digest(report.to_string()));
        report["digest"] = digest.into();
        report
    }

    /// The report with these texts hidden wherever they stand.
    pub fn hiding(mut self, secrets: &[String]) -> Self {
        for case in &mut self.cases {
            for ShownExchange { request, reply } in &mut case.exchanges {
                hide(request, secrets);
                reply.iter_mut().for_each(|reply| hide(reply, secrets));
            }
            if let CaseOutcome::Failed(failure) = &mut case.outcome {
                for text in [&mut failure.what, &mut failure.expected, &mut failure.got] {
                    *text = hidden(text, secrets);
                }
            }
        }
        self
    }
}

fn hide(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text) => *text = hidden(text, secrets),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, secrets)),
        Value::Object(members) => members.values_mut().for_each(|member| hide(member, secrets)),
        _ => {}
    }
}

fn hidden(text: &str, secrets: &[String]) -> String {
    let hide = |text: String, secret: &String| text.replace(secret.as_str(), "(hidden)");
    secrets.iter().filter(|secret| !secret.is_empty()).fold(text.to_owned(), hide)
}

/// A body as a report shows it: text, and of a long one the beginning.
pub fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    match text.char_indices().nth(SHOWN_BYTES) {
        None => text.into_owned(),
        Some((end, _)) => format!("{} … ({} bytes)", &text[..end], body.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[CaseOutcome]) -> ConformanceReport {
        let clause = Clause { document: "d".into(), section: "s".into(), sentence: "t".into() };
        let case = |outcome: &CaseOutcome| JudgedCase {
            id: "id".to_owned(),
            title: String::new(),
            dialect: SpokenDialect::Amqp,
            clause: clause.clone(),
            outcome: outcome.clone(),
            took_ms: 1,
            exchanges: vec![ShownExchange { request: json!({ "a": ["Bearer secret.token"] }), reply: None }],
            again: String::new(),
        };
        let head = ReportHead {
            program: String::new(),
            subject: Subject::Wallet,
            party: String::new(),
            dialects: vec![],
            catalogue: String::new(),
            schemas: String::new(),
            seed: 1,
            began: String::new(),
            took_ms: 1,
            traffic: None,
        };
        ConformanceReport { head, cases: outcomes.iter().map(case).collect() }
    }

    #[test]
    fn one_failure_says_no_and_nothing_judged_says_nothing() {
        let clause = Clause { document: "d".into(), section: "s".into(), sentence: "t".into() };
        let word = || "x".to_owned();
        let failed =
            CaseOutcome::Failed(BrokenRule { rule: None, clause, what: word(), expected: word(), got: word() });
        let skipped = CaseOutcome::Skipped { why: word() };
        let torn = CaseOutcome::NotJudged { why: word() };
        for (outcomes, verdict) in [
            (vec![], ConformanceVerdict::CouldNotBeJudged),
            (vec![skipped.clone()], ConformanceVerdict::CouldNotBeJudged),
            (vec![CaseOutcome::Passed, skipped], ConformanceVerdict::Conforms),
            (vec![CaseOutcome::Passed, torn.clone()], ConformanceVerdict::CouldNotBeJudged),
            (vec![CaseOutcome::Passed, torn, failed], ConformanceVerdict::DoesNotConform),
        ] {
            assert_eq!(report(&outcomes).verdict(), verdict);
        }
    }

    #[test]
    fn tokens_are_hidden_wherever_they_stand() {
        let hidden = report(&[CaseOutcome::Passed]).hiding(&["secret.token".to_owned(), String::new()]);
        assert_eq!(hidden.cases[0].exchanges[0].request, json!({ "a": ["Bearer (hidden)"] }));
    }
}
