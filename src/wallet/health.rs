//! Whether the databases of the ledgers are there, for whoever asks before work is begun, and for `/readyz`.

use tokio::sync::watch;

use super::Health;
use crate::ledger::LedgerName;
use crate::metrics::LedgerLabel;

/// How a ledger's gauges are told from another's.
pub fn label(ledger: &LedgerName) -> LedgerLabel {
    if ledger.is_default() { LedgerLabel::none() } else { LedgerLabel::named(ledger.as_str()) }
}

/// Whether the database can be written, by the lanes' word, and read, by the balance reader's.
#[derive(Clone)]
pub struct DatabaseHealth {
    pub lanes: watch::Receiver<Health>,
    pub reader: watch::Receiver<Health>,
}

impl DatabaseHealth {
    /// Whether the database answers, be it to refuse.
    pub fn answers(&self) -> bool {
        ![&self.lanes, &self.reader].into_iter().any(|health| health.borrow().is_away())
    }

    /// Why the database cannot be used, where it cannot.
    pub fn away(&self) -> Option<String> {
        [&self.lanes, &self.reader].into_iter().find_map(|health| match &*health.borrow() {
            Health::Ready => None,
            Health::Refusing(why) => Some(format!("it refuses whatever it is to write: {why}")),
            Health::Away(why) => Some(why.clone()),
        })
    }

    fn word(&self) -> &'static str {
        match (self.away(), self.answers()) {
            (None, _) => "ready",
            (Some(_), true) => "refuses to write",
            (Some(_), false) => "away",
        }
    }
}

/// The same of every ledger that parties are in.
#[derive(Clone)]
pub struct LedgersHealth(Vec<(LedgerName, DatabaseHealth)>);

impl LedgersHealth {
    pub fn of(ledgers: impl IntoIterator<Item = (LedgerName, DatabaseHealth)>) -> Self {
        Self(ledgers.into_iter().collect())
    }

    /// Of one ledger alone.
    pub fn of_one(health: DatabaseHealth) -> Self {
        Self::of([(LedgerName::default_ledger(), health)])
    }

    /// Whether every one is there.
    pub fn are_there(&self) -> bool {
        self.named().all(|(_, health)| health.away().is_none())
    }

    /// Whether none answers. Parties whose ledger is there are served while another is away.
    pub fn are_all_away(&self) -> bool {
        self.0.iter().all(|(_, health)| !health.answers())
    }

    /// Whether each is there. One alone is called by no name.
    pub fn each(&self) -> impl Iterator<Item = (Option<&LedgerName>, bool)> {
        self.named().map(|(ledger, health)| (ledger, health.away().is_none()))
    }

    /// How each is, in a word or two. One alone is called by no name.
    pub fn words(&self) -> impl Iterator<Item = (Option<&LedgerName>, &'static str)> {
        self.named().map(|(ledger, health)| (ledger, health.word()))
    }

    /// Those that are away, and why. One alone is called by no name.
    pub fn away(&self) -> Vec<(Option<LedgerName>, String)> {
        self.named().filter_map(|(ledger, health)| Some((ledger.cloned(), health.away()?))).collect()
    }

    fn named(&self) -> impl Iterator<Item = (Option<&LedgerName>, &DatabaseHealth)> {
        let name = |ledger| (self.0.len() > 1).then_some(ledger);
        self.0.iter().map(move |(ledger, health)| (name(ledger), health))
    }
}
