//! What one person alone may not move by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::ConfigError;
use super::section::Section;
use crate::ledger::ids::Currency;

/// Whoever is to look at it should have the time to; and what was asked for a month ago is asked for again.
const MIN_EXPIRE: Duration = Duration::from_secs(1);
const MAX_EXPIRE: Duration = Duration::from_secs(31 * 24 * 60 * 60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRules {
    /// Minor units: a transfer by hand of more than this waits for a second person. Of a currency that is not named none does.
    pub threshold: BTreeMap<Currency, i64>,
    /// How long it waits.
    pub expire: Duration,
}

impl ApprovalRules {
    /// Whether a transfer of so many minor units waits for a second person.
    pub fn holds(&self, currency: Currency, amount_minor: i64) -> bool {
        self.threshold.get(&currency).is_some_and(|threshold| amount_minor > *threshold)
    }
}

pub(super) fn approvals(mut section: Section) -> Result<ApprovalRules, ConfigError> {
    let mut threshold = BTreeMap::new();
    for (code, setting) in section.section("threshold")?.map(Section::entries).unwrap_or_default() {
        let currency = Currency::parse(&code).map_err(|error| setting.place.wrong(error.to_string()))?;
        threshold.insert(currency, setting.integer(0..=i64::MAX)?);
    }
    let expire = section.require("expire")?.duration(MIN_EXPIRE..=MAX_EXPIRE)?;
    section.finish()?;
    Ok(ApprovalRules { threshold, expire })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parse;

    const PARTY: &str = "[parties.acme]\ncurrencies = [\"CHF\", \"EUR\"]\nplayer_tokens = \"trusted\"\n";

    #[test]
    fn a_threshold_is_the_most_that_one_person_moves_alone() {
        let config =
            parse(&format!("{PARTY}[approvals]\nthreshold = {{ CHF = 100000, EUR = 0 }}\nexpire = \"2h\"")).unwrap();
        let [chf, eur, gbp] = ["CHF", "EUR", "GBP"].map(|code| Currency::parse(code).unwrap());
        let held = [(chf, 100_000), (chf, 100_001), (eur, 1), (gbp, i64::MAX)];
        assert_eq!(held.map(|(currency, amount)| config.approvals.holds(currency, amount)), [false, true, true, false]);
        assert_eq!(config.approvals.expire.as_secs(), 7_200);
        let usual = parse(PARTY).unwrap().approvals;
        assert_eq!((usual.threshold.len(), usual.expire.as_secs()), (0, 86_400));
    }

    #[test]
    fn what_is_wrong_with_approvals_is_named() {
        for (toml, expected) in [
            ("threshold = { GBP = 1 }", "approvals.threshold.GBP is for a currency that no party has"),
            (
                "threshold = { CHF = -1 }",
                "approvals.threshold.CHF (set in test.toml) must be a whole number of at least 0",
            ),
            ("threshold = { CHF = \"ten\" }", "approvals.threshold.CHF"),
            ("threshold = 5", "approvals.threshold (set in test.toml) must be a table"),
            ("expire = \"0s\"", "approvals.expire (set in test.toml) must be a duration"),
            ("colour = 1", "approvals.colour (set in test.toml) is not a setting"),
        ] {
            let error = parse(&format!("{PARTY}[approvals]\n{toml}")).expect_err(toml).to_string();
            assert!(error.contains(expected), "{error}\n{expected}");
        }
    }
}
