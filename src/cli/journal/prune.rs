//! `purser journal prune`: old commands are brought down to what repeats and the audit need.

use clap::Args;

use serde_json::json;

use super::{line, moment};
use crate::admin::trail::{Deed, DoneSoFar};
use crate::cli::ledger_choice::LedgerOption;
use crate::cli::{Ended, failed, output, trail, usage};
use crate::clock;
use crate::config::Config;
use crate::ledger::command::Timestamp;
use crate::storage::pruning::{self, Pruned};
use crate::storage::queries::AnyConnection;
use crate::storage::{StoreError, audit};

#[derive(Args)]
pub struct Prune {
    /// Commands received before this time: 2026-11-20T08:00:00Z, 2026-11-20, or 90d for ninety days ago.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    before: Timestamp,
    /// Only say how much would be pruned.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    ledger: LedgerOption,
    #[arg(long)]
    json: bool,
}

/// What was done, or would be.
#[derive(serde::Serialize)]
struct Summary {
    before: String,
    /// The last journal row that was looked at.
    up_to: i64,
    /// Rows that are to be pruned.
    rows: i64,
    #[serde(flatten)]
    pruned: Pruned,
}

impl Prune {
    /// Each step is one transaction: killed in between, it is taken up again where it was.
    pub async fn run(self, config: &Config) -> Ended {
        if self.before > clock::now() {
            return Err(usage("--before lies in the future"));
        }
        let ledger = self.ledger.one(config)?;
        let database = if self.dry_run { ledger.look_at().await? } else { ledger.change().await? };
        // What is pruned cannot be audited later: it must be right now.
        let report = database.query(audit::run).await?;
        if let Some(finding) = report.findings.first() {
            let count = report.findings.len();
            return Err(failed(format!(
                "nothing is pruned, since the ledger is not sound: purser audit has {count} findings, first: {finding}"
            )));
        }
        let Self { before, dry_run, .. } = self;
        let so_far = DoneSoFar::default();
        let told = so_far.clone();
        let pruning = database.query(move |conn| prune(conn, before, dry_run, &told));
        let summary = if dry_run {
            pruning.await?
        } else {
            let detail = json!({ "before": line::written(before) });
            let deed = Deed { act: "journal prune", party: None, target: "the journal".to_owned(), detail };
            let working = async {
                let summary = pruning.await?;
                let outcome = format!("done: up to journal row {}: {}", summary.up_to, counts(&summary.pruned));
                Ok((summary, outcome))
            };
            trail::recorded_in_steps(&database, deed, &so_far, working).await?
        };
        if self.json {
            output::json(&summary)?
        } else {
            self.print(&summary)?
        }
        Ok(true)
    }

    fn print(&self, summary: &Summary) -> std::io::Result<()> {
        let Summary { before, up_to, rows, .. } = summary;
        if *rows == 0 {
            return output::line(&format!("nothing was received before {before} that is not pruned"));
        }
        if self.dry_run {
            return output::line(&format!("{rows} journal rows, up to row {up_to}, would be looked at"));
        }
        output::line(&format!("up to journal row {up_to}: {}", counts(&summary.pruned)))
    }
}

fn counts(Pruned { shortened, dropped, whole }: &Pruned) -> String {
    format!("{shortened} shortened, {dropped} dropped, {whole} left whole")
}

fn prune(
    conn: &mut AnyConnection,
    before: Timestamp,
    dry_run: bool,
    so_far: &DoneSoFar,
) -> Result<Summary, StoreError> {
    let reach = pruning::reach(conn, before)?;
    let mut pruned = Pruned::default();
    let progress = output::progress_bar(reach.rows.unsigned_abs(), "journal rows");
    while !dry_run && let Some(step) = pruning::step(conn, reach.last)? {
        pruned += step;
        so_far.tell(counts(&pruned));
        progress.set_position(pruned.rows());
    }
    progress.finish_and_clear();
    Ok(Summary { before: line::written(before), up_to: reach.last, rows: reach.rows, pruned })
}
