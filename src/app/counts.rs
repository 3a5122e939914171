//! Counts for `/metrics` what waits for a person in a ledger, and tells when it was last found sound.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock;
use crate::ledger::Party;
use crate::metrics::{self, LedgerLabel};
use crate::storage::last_audit::{self, AuditVerdict};
use crate::storage::{Reader, approvals, voids};

const EVERY: Duration = Duration::from_secs(15);

/// Until the program drains. While the database is away the last count stands.
pub async fn keep(reader: Reader, label: LedgerLabel, parties: Vec<Party>, mut draining: watch::Receiver<bool>) {
    loop {
        if let Ok(last) = reader.ask(last_audit::read).await {
            metrics::audit_succeeded(&label, last.as_ref().map_or(0, |last| last.succeeded_at));
            if let Some(last) = last {
                metrics::audit_verdict(&label, told(last.verdict()));
            }
        }
        if let Ok(waiting) = reader.ask(|conn| approvals::pending(conn, clock::now())).await {
            metrics::approvals_pending(&label, waiting);
        }
        if let Ok(counted) = reader.ask(voids::pending).await {
            let counted: HashMap<String, i64> = counted.into_iter().collect();
            for party in &parties {
                metrics::voids_pending(party.as_str(), counted.get(party.as_str()).copied().unwrap_or(0));
            }
        }
        let drained = draining.wait_for(|draining| *draining);
        if tokio::time::timeout(EVERY, drained).await.is_ok() {
            return;
        }
    }
}

fn told(verdict: AuditVerdict) -> f64 {
    match verdict {
        AuditVerdict::Sound => 1.0,
        AuditVerdict::Unsound => 0.0,
        AuditVerdict::BrokenOff => -1.0,
    }
}
