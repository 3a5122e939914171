//! The trail of operators' acts: every entry follows from the one before it, and the last is where it should be.

use super::{AuditReport, PAGE};
use crate::ledger::chain::{Hash, START};
use crate::storage::StoreError;
use crate::storage::checkpoint::hash;
use crate::storage::queries::AnyConnection;
use crate::storage::trail::{self, TrailRow};

/// Findings that are told.
const TOLD: usize = 20;

/// Where the trail ends, to be written down elsewhere.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TrailEnd {
    pub entries: u64,
    /// A hash over all of its entries; hexadecimal, empty where there are none.
    pub head: String,
}

pub(super) fn audit(conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
    let (mut last, mut previous, mut findings) = (0, START, Vec::new());
    loop {
        let page = trail::after(conn, last, PAGE)?;
        if page.is_empty() {
            break;
        }
        for row in page {
            findings.extend(finding(&row, last, &previous)?.filter(|_| findings.len() < TOLD));
            last = row.number;
            // What follows is judged by what stands there, so that one wrong entry is one finding.
            previous = hash(&row.hash)?;
            report.trail.entries += 1;
        }
    }
    let head = trail::head(conn)?;
    if head.number != last || head.hash != previous {
        findings.push(format!("the trail ends with entry {last}, and its head says {}", head.number));
    }
    if last > 0 {
        report.trail.head = previous.iter().map(|byte| format!("{byte:02x}")).collect();
    }
    report.findings.append(&mut findings);
    Ok(())
}

fn finding(row: &TrailRow, last: i64, previous: &Hash) -> Result<Option<String>, StoreError> {
    let number = row.number;
    Ok(if number != last + 1 {
        Some(format!("the trail has nothing between its entries {last} and {number}"))
    } else if row.link(previous) != hash(&row.hash)? {
        Some(format!("entry {number} of the trail does not follow from the one before it"))
    } else {
        None
    })
}
