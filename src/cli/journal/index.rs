//! `purser journal index`: brings the index of histories up to date, or builds it anew.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::ledger_choice::LedgerOption;
use crate::cli::{Ended, output};
use crate::config::Config;
use crate::storage::history::index::{self, IndexStep, Indexer, SEGMENT};
use crate::storage::history::{self};

/// The pause before it is looked again whether a row that is missing has been committed.
const PAUSE: Duration = Duration::from_millis(50);

/// How often in a row nothing may be found to do, while rows are missing that may still be committed.
const PATIENCE: u32 = 100;

#[derive(Args)]
pub struct Index {
    /// Drop what there is of it, and build it from the journal. Look-ups wait meanwhile, where the journal is long.
    #[arg(long)]
    rebuild: bool,
    #[command(flatten)]
    ledger: LedgerOption,
    #[arg(long)]
    json: bool,
}

impl Index {
    /// Each step is one transaction: killed in between, it is taken up again where it was, by whoever follows.
    pub async fn run(self, config: &Config) -> Ended {
        let database = self.ledger.one(config)?.change().await?;
        let rebuild = self.rebuild;
        let indexing = database.query(move |conn| {
            index::prepare(conn)?;
            if rebuild {
                index::rebuild(conn)?;
            }
            let (mut indexer, mut indexed, mut idle) = (Indexer::new(SEGMENT), 0, 0);
            let behind = history::behind(conn)?;
            let progress = output::progress_bar(behind.unsigned_abs(), "journal rows");
            loop {
                let IndexStep { read, indexed: now, has_more } = indexer.step(conn)?;
                indexed += now;
                progress.inc(read as u64);
                idle = if has_more { 0 } else { idle + 1 };
                if idle > PATIENCE || (idle > 0 && !indexer.waits()) {
                    break;
                }
                if idle > 0 {
                    std::thread::sleep(PAUSE);
                }
            }
            progress.finish_and_clear();
            Ok((indexed, history::behind(conn)?))
        });
        let (indexed, behind) = indexing.await?;
        if self.json {
            output::json(&json!({ "indexed": indexed, "behind": behind }))?;
        } else {
            let rest = "look-ups read them one by one, until they fill a segment of the index";
            output::line(&format!("{indexed} journal rows were added to the index; {behind} come after it: {rest}"))?;
        }
        Ok(true)
    }
}
