//! The ledgers that operators reach: what is a party's is in its own, and a number is one of the ledger that is named, since
//! each ledger numbers its journal by itself.
//!
//! What may be anywhere is asked of each ledger that has parties, side by side: one that is away keeps no other from
//! answering, and whoever asked is told which it was. What parties have left behind is reached by the ledger's name.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::problem::Problem;
use crate::admin::audits::Audits;
use crate::admin::refusals::RefusalKind;
use crate::ledger::{LedgerName, Party};
use crate::storage::queries::AnyConnection;
use crate::storage::{Reader, StoreError};

/// How long a ledger may take to answer what all are asked: shorter than whoever asked waits, so that the others are heard.
const EACH_PATIENCE: Duration = Duration::from_secs(3);

/// A ledger, with connections of its own: nobody else's questions keep an operator waiting.
#[derive(Clone)]
pub struct OperatedLedger {
    pub name: LedgerName,
    /// Whether parties are configured to be in it. Where none is, nothing but its past is there.
    pub has_parties: bool,
    pub reader: Reader,
    pub audits: Audits,
}

impl OperatedLedger {
    /// A ledger without parties is brought up to date by nobody but whoever looks after it.
    pub async fn check(&self) -> Result<(), Problem> {
        if self.has_parties || self.reader.is_up_to_date().await? {
            return Ok(());
        }
        let name = &self.name;
        let why = format!(
            "no party is in ledger {name}, and its schema is not up to date: run `purser migrate --ledger {name}`"
        );
        Err(Problem::refused(RefusalKind::Conflict, why))
    }
}

/// All of them; at least one. Those that have parties come first, each by name.
pub struct OperatedLedgers {
    first: OperatedLedger,
    others: Vec<OperatedLedger>,
    of_parties: HashMap<Party, LedgerName>,
}

/// What the ledgers answered that were all asked the same.
pub struct LedgerAnswers<'a, T> {
    pub answers: Vec<(&'a OperatedLedger, T)>,
    /// Those that did not answer.
    pub away: Vec<LedgerName>,
}

impl<'a, T> LedgerAnswers<'a, Option<T>> {
    /// The first that has what is meant. Where none has, and one did not answer, it may be there.
    pub fn first(
        self,
        is_meant: impl Fn(&OperatedLedger, &T) -> bool,
    ) -> Result<Option<(&'a OperatedLedger, T)>, Problem> {
        let found = self.answers.into_iter().filter_map(|(ledger, answer)| Some((ledger, answer?)));
        match found.into_iter().find(|(ledger, answer)| is_meant(ledger, answer)) {
            None if !self.away.is_empty() => Err(Problem::ledgers_away(&self.away)),
            found => Ok(found),
        }
    }
}

impl OperatedLedgers {
    /// With the parties of each; `None` where there is no ledger.
    pub fn of(ledgers: impl IntoIterator<Item = (OperatedLedger, Vec<Party>)>) -> Option<Self> {
        let (mut all, mut of_parties) = (Vec::new(), HashMap::new());
        for (ledger, parties) in ledgers {
            of_parties.extend(parties.into_iter().map(|party| (party, ledger.name.clone())));
            all.push(ledger);
        }
        let mut all = all.into_iter();
        Some(Self { first: all.next()?, others: all.collect(), of_parties })
    }

    /// Those that are there, or should be.
    pub fn iter(&self) -> impl Iterator<Item = &OperatedLedger> {
        let is_there = |ledger: &&OperatedLedger| ledger.has_parties || ledger.reader.is_made();
        std::iter::once(&self.first).chain(self.others.iter().filter(is_there))
    }

    pub fn first(&self) -> &OperatedLedger {
        &self.first
    }

    pub fn are_several(&self) -> bool {
        self.iter().nth(1).is_some()
    }

    /// Asks each that has parties the same. An error where none answers.
    pub async fn ask_each<T: Send + 'static, Q>(
        &self,
        question: impl Fn(&OperatedLedger) -> Q,
    ) -> Result<LedgerAnswers<'_, T>, StoreError>
    where
        Q: Fn(&mut AnyConnection) -> Result<T, StoreError> + Send + Sync + 'static,
    {
        // Where there is one nobody else's answer waits for it, and the call has a limit of its own.
        let are_several = self.iter().filter(|ledger| ledger.has_parties).nth(1).is_some();
        let asking = self.iter().filter(|ledger| ledger.has_parties).map(|ledger| {
            let asked = ledger.reader.ask(question(ledger));
            let late = |_| Err(StoreError::Outage("it did not answer in time".to_owned()));
            async move {
                let answer = match are_several {
                    true => tokio::time::timeout(EACH_PATIENCE, asked).await.unwrap_or_else(late),
                    false => asked.await,
                };
                (ledger, answer)
            }
        });
        let (mut told, mut failure) = (LedgerAnswers { answers: Vec::new(), away: Vec::new() }, None);
        for (ledger, answer) in join_all(asking).await {
            match answer {
                Ok(answer) => told.answers.push((ledger, answer)),
                Err(error) => {
                    tracing::warn!(ledger = %ledger.name, %error, "a ledger did not answer an operator");
                    told.away.push(ledger.name.clone());
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if told.answers.is_empty() => Err(error),
            _ => Ok(told),
        }
    }

    /// That of a party; a party that is none has nothing in any.
    pub fn of_party(&self, party: &Party) -> &OperatedLedger {
        let name = self.of_parties.get(party);
        self.iter().find(|ledger| Some(&ledger.name) == name).unwrap_or(&self.first)
    }

    /// Whether what a ledger says of a party counts: it may have moved to another since. What is said of one that is
    /// configured no more counts wherever it is.
    pub fn is_of(&self, ledger: &OperatedLedger, party: &str) -> bool {
        let party = Party::recorded(party).ok();
        party.and_then(|party| self.of_parties.get(&party)).is_none_or(|name| *name == ledger.name)
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

    /// Where it is written down what was refused: in the ledger that was meant, where that can be, else in the first.
    pub async fn meant_by_refused(&self, party: &str, named: Option<&str>) -> &OperatedLedger {
        match self.meant(party, named) {
            Ok(ledger) if ledger.check().await.is_ok() => ledger,
            Ok(_) | Err(_) => &self.first,
        }
    }

    /// What the path to a number of this ledger's must end with.
    pub fn query_of(&self, ledger: &OperatedLedger) -> String {
        if ledger.name == self.first.name { String::new() } else { format!("?ledger={}", ledger.name) }
    }
}
