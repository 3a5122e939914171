//! `purser audit`.

use clap::Args;
use serde::Serialize;

use super::ledger_choice::LedgerOption;
use super::{Ended, output};
use crate::config::Config;
use crate::ledger::LedgerName;
use crate::storage::audit::{self, AuditReport};

#[derive(Args)]
pub struct Audit {
    #[command(flatten)]
    ledger: LedgerOption,
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub async fn run(self, config: &Config) -> Ended {
        let ledgers = self.ledger.all(config)?;
        let are_several = ledgers.len() > 1;
        let mut are_sound = true;
        for ledger in ledgers {
            let name = ledger.name.clone();
            let report = ledger.look_at().await?.query(audit::run).await?;
            are_sound &= report.findings.is_empty();
            match (self.json, are_several) {
                (true, true) => output::json(&OfLedger { ledger: name, report })?,
                (true, false) => output::json(&report)?,
                (false, true) => {
                    output::line(&format!("ledger {name}"))?;
                    print(&report)?;
                }
                (false, false) => print(&report)?,
            }
        }
        Ok(are_sound)
    }
}

/// One of several ledgers, a line of JSON each.
#[derive(Serialize)]
struct OfLedger {
    ledger: LedgerName,
    #[serde(flatten)]
    report: AuditReport,
}

/// Prints the report for people.
pub fn print(report: &AuditReport) -> std::io::Result<()> {
    let rows: Vec<Vec<String>> = report
        .books
        .iter()
        .map(|book| {
            let minor = [book.players, book.house, book.cashier].map(|minor| minor.to_string());
            [book.party.clone(), book.currency.clone()].into_iter().chain(minor).collect()
        })
        .collect();
    output::table(&["party", "currency", "players", "house", "cashier"], &rows)?;
    let AuditReport { commands, transfers, orders, players, digest, .. } = report;
    output::line(&format!("{commands} commands, {transfers} transfers, {orders} orders, {players} players"))?;
    output::line(&format!("digest {digest}"))?;
    for head in &report.heads {
        output::line(&format!("chain {} ends at journal row {}: {}", head.chain, head.seq, head.head))?;
    }
    if report.trail.entries > 0 {
        output::line(&format!("trail of {} entries ends with {}", report.trail.entries, report.trail.head))?;
    }
    for finding in &report.findings {
        output::line(&format!("WRONG: {finding}"))?;
    }
    output::line(if report.findings.is_empty() { "the ledger is sound" } else { "the ledger is NOT sound" })
}
