//! `purser audit`.

use clap::Args;

use super::{Ended, database_to_look_at, output};
use crate::config::Config;
use crate::storage::audit::{self, AuditReport};

#[derive(Args)]
pub struct Audit {
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub async fn run(self, config: &Config) -> Ended {
        let database = database_to_look_at(config).await?;
        let report = database.query(audit::run).await?;
        if self.json {
            output::json(&report)?
        } else {
            print(&report)?
        }
        Ok(report.findings.is_empty())
    }
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
