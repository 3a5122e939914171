//! What has to be known to speak a wallet's dialects for partners.

use std::collections::BTreeMap;

use super::catalogue::SpokenDialect;
use super::request_signer::RequestSigner;
use super::values::Values;

/// The partners' side of a wallet; of a dialect that lacks something it is said what.
#[derive(Default)]
pub struct PartnerAccess {
    pub values: BTreeMap<&'static str, String>,
    pub numbers: BTreeMap<&'static str, i64>,
    /// What of the values no report may show.
    pub secrets: Vec<String>,
    pub lacking: BTreeMap<SpokenDialect, String>,
    /// Signs as QuickPlay.
    pub signer: Option<RequestSigner>,
}

impl PartnerAccess {
    /// Makes the values known to a case.
    pub fn fill(&self, values: &mut Values) {
        self.values.iter().for_each(|(name, value)| values.set(name, value.as_str()));
        self.numbers.iter().for_each(|(name, number)| values.set_number(name, *number));
    }
}
