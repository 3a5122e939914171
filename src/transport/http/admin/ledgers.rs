//! The ledgers that operators reach: what is a party's is in its own, and a number is one of the ledger that is named, since
//! each ledger numbers its journal by itself.

use std::collections::HashMap;

use super::problem::Problem;
use crate::admin::audits::Audits;
use crate::ledger::{LedgerName, Party};
use crate::storage::Reader;

/// A ledger, with connections of its own: nobody else's questions keep an operator waiting.
#[derive(Clone)]
pub struct OperatedLedger {
    pub name: LedgerName,
    pub reader: Reader,
    pub audits: Audits,
}

/// All of them; at least one.
pub struct OperatedLedgers {
    first: OperatedLedger,
    others: Vec<OperatedLedger>,
    of_parties: HashMap<Party, LedgerName>,
}

impl OperatedLedgers {
    /// `None` where there is none.
    pub fn of(ledgers: impl IntoIterator<Item = (OperatedLedger, Vec<Party>)>) -> Option<Self> {
        let (mut all, mut of_parties) = (Vec::new(), HashMap::new());
        for (ledger, parties) in ledgers {
            of_parties.extend(parties.into_iter().map(|party| (party, ledger.name.clone())));
            all.push(ledger);
        }
        let mut all = all.into_iter();
        Some(Self { first: all.next()?, others: all.collect(), of_parties })
    }

    pub fn iter(&self) -> impl Iterator<Item = &OperatedLedger> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub fn first(&self) -> &OperatedLedger {
        &self.first
    }

    pub fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// That of a party; a party that is none has nothing in any.
    pub fn of_party(&self, party: &Party) -> &OperatedLedger {
        let name = self.of_parties.get(party);
        self.iter().find(|ledger| Some(&ledger.name) == name).unwrap_or(&self.first)
    }

    /// Whether what a ledger says of a party counts: it may have moved to another since.
    pub fn is_of(&self, ledger: &OperatedLedger, party: &str) -> bool {
        Party::recorded(party).is_ok_and(|party| self.of_party(&party).name == ledger.name)
    }

    /// What a call is about: its party's ledger, else the one that it names, else the first.
    pub fn meant(&self, party: &str, named: Option<&str>) -> Result<&OperatedLedger, Problem> {
        match (Party::parse(party), named.filter(|name| !name.is_empty())) {
            (Ok(party), _) => Ok(self.of_party(&party)),
            (Err(_), None) => Ok(&self.first),
            (Err(_), Some(name)) => self.iter().find(|ledger| ledger.name.as_str() == name).ok_or_else(|| {
                let names: Vec<&str> = self.iter().map(|ledger| ledger.name.as_str()).collect();
                Problem::bad_request(format!("there is no ledger of that name; there is {}", names.join(", ")))
            }),
        }
    }

    /// What the path to a number of this ledger's must end with.
    pub fn query_of(&self, ledger: &OperatedLedger) -> String {
        if ledger.name == self.first.name { String::new() } else { format!("?ledger={}", ledger.name) }
    }
}
