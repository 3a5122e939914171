//! What a provider is held to. The sentences stand in `schemas/conformance/provider.toml`.

use std::collections::BTreeMap;

use super::message::ProviderMessage;
use crate::conformance::Catalogue;
use crate::conformance::catalogue::SpokenDialect;
use crate::conformance::report::{BrokenRule, CaseOutcome, JudgedCase, ShownExchange};

/// Breaches of one rule that a report shows: the first ones.
const MOST_SHOWN: usize = 20;

/// In the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProviderRule {
    CorrelationIds,
    UniqueIds,
    Persistence,
    WellFormed,
    SameBody,
    Retries,
    NewIds,
    Settlement,
}

impl ProviderRule {
    pub const ALL: [Self; 8] = [
        Self::CorrelationIds,
        Self::UniqueIds,
        Self::Persistence,
        Self::WellFormed,
        Self::SameBody,
        Self::Retries,
        Self::NewIds,
        Self::Settlement,
    ];

    /// The rule of the catalogue, and the case of the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::CorrelationIds => "provider_correlation_ids",
            Self::UniqueIds => "provider_unique_ids",
            Self::Persistence => "provider_persistence",
            Self::WellFormed => "provider_well_formed",
            Self::SameBody => "provider_same_body",
            Self::Retries => "provider_retries",
            Self::NewIds => "provider_new_ids",
            Self::Settlement => "provider_settlement",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::CorrelationIds => "Every message has a correlation id",
            Self::UniqueIds => "No two messages share a correlation id",
            Self::Persistence => "Every message is persistent",
            Self::WellFormed => "No message is malformed",
            Self::SameBody => "What is asked again is the same",
            Self::Retries => "What is not answered is asked again",
            Self::NewIds => "After a refusal comes a new id",
            Self::Settlement => "Every bet is settled",
        }
    }

    /// Where nothing came by which it can be judged: what that says of the whole.
    fn unseen(self) -> CaseOutcome {
        match self {
            Self::SameBody => CaseOutcome::Skipped { why: "nothing was asked again".to_owned() },
            Self::NewIds => CaseOutcome::Skipped { why: "no bet was refused".to_owned() },
            Self::Retries => CaseOutcome::NotJudged { why: "no reply was withheld for long enough".to_owned() },
            Self::Settlement => CaseOutcome::NotJudged { why: "no bet was accepted long enough ago".to_owned() },
            Self::CorrelationIds | Self::UniqueIds | Self::Persistence | Self::WellFormed => {
                CaseOutcome::NotJudged { why: "no message came".to_owned() }
            }
        }
    }
}

/// How one rule was broken, and how often. The words are about the last exchange that is shown.
#[derive(Default)]
struct Breach {
    count: u64,
    what: String,
    expected: String,
    got: String,
    exchanges: Vec<ShownExchange>,
}

/// What was judged by each rule, and what was not as it must be.
#[derive(Default)]
pub struct Breaches {
    judged: BTreeMap<ProviderRule, u64>,
    broken: BTreeMap<ProviderRule, Breach>,
    /// Why something was not judged.
    open: BTreeMap<ProviderRule, String>,
}

impl Breaches {
    /// Something has come that the rule is about.
    pub fn count(&mut self, rule: ProviderRule) {
        *self.judged.entry(rule).or_default() += 1;
    }

    pub fn add(&mut self, rule: ProviderRule, message: &ProviderMessage, what: &str, expected: &str, got: &str) {
        self.add_exchange(rule, message.exchange.clone(), what, expected, got);
    }

    pub fn add_exchange(&mut self, rule: ProviderRule, exchange: ShownExchange, what: &str, expected: &str, got: &str) {
        let breach = self.broken.entry(rule).or_default();
        breach.count += 1;
        if breach.exchanges.len() < MOST_SHOWN {
            breach.exchanges.push(exchange);
            (breach.what, breach.expected, breach.got) = (what.to_owned(), expected.to_owned(), got.to_owned());
        }
    }

    /// Not all could be judged that the rule is about. What is broken is broken nonetheless.
    pub fn leave_open(&mut self, rule: ProviderRule, why: String) {
        self.open.insert(rule, why);
    }

    pub fn judged(mut self, catalogue: &Catalogue, again: &str) -> Vec<JudgedCase> {
        let mut cases = Vec::new();
        for rule in ProviderRule::ALL {
            let clause = catalogue.rule(rule.name());
            let (outcome, exchanges) = match (self.broken.remove(&rule), self.open.remove(&rule)) {
                (Some(Breach { count, what, expected, got, exchanges }), _) => {
                    let got = if count > 1 { format!("{got}; {count} such messages in all") } else { got };
                    let clause = clause.clone();
                    let failure = BrokenRule { rule: Some(rule.name()), clause, what, expected, got };
                    (CaseOutcome::Failed(failure), exchanges)
                }
                (None, Some(why)) => (CaseOutcome::NotJudged { why }, Vec::new()),
                (None, None) if self.judged.contains_key(&rule) => (CaseOutcome::Passed, Vec::new()),
                (None, None) => (rule.unseen(), Vec::new()),
            };
            let (id, title, again) = (rule.name().to_owned(), rule.title().to_owned(), again.to_owned());
            cases.push(JudgedCase {
                id,
                title,
                dialect: SpokenDialect::Amqp,
                clause,
                outcome,
                took_ms: 0,
                exchanges,
                again,
            });
        }
        cases
    }
}
