//! What is not as it should be, and what to do about it.

use super::operating::Readiness;
use super::runbook::{self, Pieces, Remedy};
use crate::ledger::{LedgerName, Party};
use crate::metrics::{Sample, Samples};
use crate::transport::amqp::Broker;

/// Rows that the index of histories may be behind: as the alert has it.
const BEHIND: f64 = 150_000.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something does not work.
    Bad,
    /// Something waits for a person.
    Waits,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub level: Level,
    pub what: String,
    pub party: Option<Party>,
    /// In the words of whatever told us.
    pub detail: String,
    /// Rows of the runbook's table.
    pub rows: Vec<Remedy>,
    /// Or a section of it.
    pub section: Pieces,
}

impl Trouble {
    fn of_row(what: &str, party: Option<&Party>, detail: String, sees: &str) -> Self {
        let rows = runbook::rows(sees);
        Self { level: Level::Bad, what: what.to_owned(), party: party.cloned(), detail, rows, section: Vec::new() }
    }

    fn of_alert(level: Level, what: &str, party: Option<&Party>, detail: String, alert: &str) -> Self {
        let section = runbook::alert(alert);
        Self { level, what: what.to_owned(), party: party.cloned(), detail, rows: Vec::new(), section }
    }

    /// As plain text.
    pub fn what_to_do(&self) -> String {
        let are_several = self.rows.len() > 1;
        let rows = self.rows.iter().map(|row| {
            let (sees, todo) = (runbook::plain(&row.sees), runbook::plain(&row.todo));
            if are_several { format!("{sees}: {todo}") } else { todo }
        });
        let section = Some(runbook::plain(&self.section)).filter(|text| !text.is_empty());
        rows.chain(section).collect::<Vec<_>>().join("; ")
    }

    pub fn is_bad(&self) -> bool {
        self.level == Level::Bad
    }
}

/// Everything that is not as it should be, the worst first.
pub fn troubles<'a>(
    readiness: &Readiness,
    samples: &Samples,
    parties: impl Iterator<Item = &'a Party>,
) -> Vec<Trouble> {
    let mut found = of_database(readiness);
    found.extend(of_brokers(readiness));
    if *readiness.draining.borrow() {
        let detail = "this process finishes what it has, and ends".to_owned();
        found.push(Trouble::of_alert(Level::Bad, "Draining", None, detail, "PurserNotReady"));
    }
    found.extend(of_audits(samples));
    parties.for_each(|party| found.extend(of_party(samples, party)));
    let behind = samples.of("purser_history_behind_rows").map(|sample| sample.value).fold(0.0, f64::max);
    if behind > BEHIND {
        let detail = format!("{behind} rows of the journal");
        let what = "The index of histories is far behind";
        found.push(Trouble::of_alert(Level::Bad, what, None, detail, "PurserHistoryBehind"));
    }
    found.sort_by_key(|trouble| !trouble.is_bad());
    found
}

fn of_database(readiness: &Readiness) -> Vec<Trouble> {
    let trouble = |(ledger, why): (Option<LedgerName>, String)| {
        let detail = ledger.map_or_else(|| why.clone(), |ledger| format!("ledger {ledger}: {why}"));
        Trouble::of_row("The database is away", None, detail, "`/readyz`: `database: away")
    };
    readiness.databases.away().into_iter().map(trouble).collect()
}

fn of_brokers(readiness: &Readiness) -> Vec<Trouble> {
    let is_away = |state: &Broker| matches!(state, Broker::Away(_));
    let are_all_away = readiness.brokers.iter().all(|(_, state)| is_away(&state.borrow()));
    let mut found = Vec::new();
    if readiness.brokers.is_empty() {
        let sees = "`/readyz`: `off, and away for P";
        let trouble = |(party, why)| Trouble::of_row("A party is not served", Some(&party), why, sees);
        found.extend(readiness.absent().into_iter().map(trouble));
    }
    for (party, state) in &readiness.brokers {
        match &*state.borrow() {
            Broker::Away(why) if are_all_away => {
                found.push(Trouble::of_row("The broker is away", None, why.clone(), "`/readyz`: `broker: away`"));
                return found;
            }
            Broker::Away(why) => {
                let sees = "`/readyz`: `ready, but away for P";
                found.push(Trouble::of_row("A party's connection is away", Some(party), why.clone(), sees));
            }
            Broker::Blocked { reason, .. } => {
                let sees = "`/readyz`: `broker: blocked`";
                found.push(Trouble::of_row("The broker takes no messages", Some(party), reason.clone(), sees));
            }
            Broker::Connected { mismatches } if !mismatches.is_empty() => {
                let names: Vec<&str> = mismatches.iter().map(|mismatch| mismatch.name.as_str()).collect();
                let (what, sees) = ("Queues or exchanges are not as expected", "`/readyz`: `not as expected");
                found.push(Trouble::of_row(what, Some(party), names.join(", "), sees));
            }
            Broker::Connected { .. } => {}
        }
    }
    found
}

/// By what the last audits found. Who started them need not look at what came of them.
fn of_audits(samples: &Samples) -> Vec<Trouble> {
    let unsound = samples.of("purser_audit_sound").filter(|sample| sample.value == 0.0);
    let trouble = |sample: &Sample| {
        let ledger = Some(sample.label("ledger")).filter(|ledger| !ledger.is_empty());
        let of = ledger.map_or_else(String::new, |ledger| format!(" of ledger {ledger}"));
        let detail = format!("the last audit{of} has findings");
        Trouble::of_row("The ledger is not sound", None, detail, "`purser audit` names rows")
    };
    unsound.map(trouble).collect()
}

/// By what was last counted of its queues and voids.
fn of_party(samples: &Samples, party: &Party) -> Vec<Trouble> {
    let mut found = Vec::new();
    let is_theirs = |label: &str| label == party.as_str();
    for sample in samples.of("purser_queue_consumers").filter(|sample| is_theirs(sample.label("party"))) {
        let name = sample.label("queue");
        if sample.value < 1.0 && !is_dead(name) {
            let (what, detail) = ("Nobody reads a queue", name.to_owned());
            found.push(Trouble::of_alert(Level::Bad, what, Some(party), detail, "PurserQueueUnread"));
        }
    }
    for sample in samples.of("purser_queue_messages").filter(|sample| is_theirs(sample.label("party"))) {
        if sample.value > 0.0 && is_dead(sample.label("queue")) {
            let detail = format!("{} in {}", sample.value, sample.label("queue"));
            found.push(Trouble::of_alert(Level::Waits, "Dead letters", Some(party), detail, "PurserDeadLetters"));
        }
    }
    let voids = samples.value("purser_voids_pending", &[("party", party.as_str())]).filter(|voids| *voids > 0.0);
    if let Some(voids) = voids {
        let (what, detail) = ("Voids wait for an approver", voids.to_string());
        found.push(Trouble::of_alert(Level::Waits, what, Some(party), detail, "PurserVoidsWaiting"));
    }
    found
}

/// The dead letters of a party: nobody consumes them, and so it should be.
pub fn is_dead(queue: &str) -> bool {
    queue.ends_with(".dead")
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::transport::amqp::topology::Mismatch;
    use crate::wallet::{DatabaseHealth, Health, LedgersHealth};

    fn party(name: &str) -> Party {
        Party::parse(name).unwrap()
    }

    fn readiness(database: Health, brokers: Vec<(&str, Broker)>, is_draining: bool) -> Readiness {
        let health = watch::channel(database).1;
        Readiness {
            databases: LedgersHealth::of_one(DatabaseHealth { lanes: health.clone(), reader: health }),
            brokers: brokers.into_iter().map(|(name, state)| (party(name), watch::channel(state).1)).collect(),
            absent: Vec::new(),
            draining: watch::channel(is_draining).1,
        }
    }

    /// Where there is no broker, and acme is away.
    fn without_acme() -> Readiness {
        let absent = watch::channel([(party("acme"), "moves".to_owned())].into()).1;
        Readiness { absent: vec![(party("acme"), absent)], ..readiness(Health::Ready, vec![], false) }
    }

    /// Every state says what to do, in the words of the document.
    #[test]
    fn whatever_is_wrong_has_a_remedy() {
        let away = || Broker::Away("gone".to_owned());
        let fine = || Broker::Connected { mismatches: vec![] };
        let mismatch = Mismatch { name: "v1.0.acme.dead".to_owned(), difference: "other".to_owned(), is_absent: false };
        let blocked = Broker::Blocked { reason: "memory".to_owned(), mismatches: vec![] };
        let samples = "purser_queue_consumers{party=\"acme\",queue=\"v1.0.acme.order.bet\"} 0\n\
                       purser_queue_consumers{party=\"acme\",queue=\"v1.0.acme.dead\"} 0\n\
                       purser_queue_messages{party=\"acme\",queue=\"v1.0.acme.dead\"} 3\n\
                       purser_queue_messages{party=\"acme\",queue=\"v1.0.acme.order.bet\"} 3\n\
                       purser_voids_pending{party=\"acme\"} 2\npurser_history_behind_rows 200000\n\
                       purser_audit_sound 1\npurser_audit_sound{ledger=\"old\"} -1\n";
        let unsound = "purser_audit_sound 0\npurser_audit_sound{ledger=\"second\"} 0\n";
        for (readiness, samples, expected) in [
            (readiness(Health::Ready, vec![("acme", fine())], false), "", vec![]),
            (readiness(Health::Away("x".to_owned()), vec![], false), "", vec!["The database is away"]),
            (readiness(Health::Ready, vec![("acme", away()), ("b", away())], false), "", vec!["The broker is away"]),
            (
                readiness(Health::Ready, vec![("acme", away()), ("b", fine())], false),
                "",
                vec!["A party's connection is away"],
            ),
            (readiness(Health::Ready, vec![("acme", blocked)], false), "", vec!["The broker takes no messages"]),
            (
                readiness(Health::Ready, vec![("acme", Broker::Connected { mismatches: vec![mismatch] })], false),
                "",
                vec!["Queues or exchanges are not as expected"],
            ),
            (readiness(Health::Ready, vec![], true), "", vec!["Draining"]),
            (readiness(Health::Ready, vec![], false), unsound, vec!["The ledger is not sound"; 2]),
            (without_acme(), "", vec!["A party is not served"]),
            (
                readiness(Health::Ready, vec![], false),
                samples,
                vec![
                    "Nobody reads a queue",
                    "The index of histories is far behind",
                    "Dead letters",
                    "Voids wait for an approver",
                ],
            ),
        ] {
            let acme = party("acme");
            let found = troubles(&readiness, &Samples::parse(samples), std::iter::once(&acme));
            let names: Vec<&str> = found.iter().map(|trouble| trouble.what.as_str()).collect();
            assert_eq!(names, expected);
            for trouble in &found {
                assert!(!trouble.what_to_do().is_empty(), "{trouble:?}");
            }
        }
    }
}
