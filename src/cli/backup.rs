//! `purser backup`: a copy of the SQLite ledger, audited before it gets its name.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use tempfile::NamedTempFile;

use super::audit::print as print_audit;
use super::ledger_choice::LedgerOption;
use super::{CommandFailure, Ended, output, usage};
use crate::config::{Config, DatabaseUrl};
use crate::storage::audit::AuditReport;
use crate::storage::{Database, StoreError, backup};

#[derive(Args)]
pub struct Backup {
    /// The copy; there must be no such file yet.
    file: PathBuf,
    #[command(flatten)]
    ledger: LedgerOption,
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub async fn run(self, config: &Config) -> Ended {
        let ledger = self.ledger.one(config)?;
        if matches!(ledger.url, DatabaseUrl::Postgres(_)) {
            return Err(usage(
                "the ledger is on Postgres, whose own tools back it up: pg_dump for a copy of one moment, \
                 pg_basebackup with WAL archiving (pgBackRest, Barman, WAL-G) to go back to any moment",
            ));
        }
        if fs::symlink_metadata(&self.file).is_ok() {
            return Err(usage(format!("{} is there already: name a new file", self.file.display())));
        }
        let Database::Sqlite(ledger) = ledger.look_at().await? else {
            return Err(usage("the ledger is not on SQLite"));
        };
        let (copy, report) = copied(ledger, self.directory()).await?;
        if !report.findings.is_empty() {
            return self.keep_aside(copy, &report);
        }
        let bytes = copy.as_file().metadata()?.len();
        copy.persist_noclobber(&self.file)
            .map_err(|error| error.error)
            .with_context(|| format!("naming the copy {}", self.file.display()))?;
        // The name is on the disk when its directory is.
        File::open(self.directory())?.sync_all()?;
        self.report(&report, bytes)
    }

    fn directory(&self) -> PathBuf {
        let parent = self.file.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).to_owned()
    }

    fn report(&self, report: &AuditReport, bytes: u64) -> Ended {
        if self.json {
            output::json(&json!({ "file": self.file, "bytes": bytes, "audit": report }))?;
        } else {
            print_audit(report)?;
            output::line(&format!("backed up to {} ({bytes} bytes)", self.file.display()))?;
        }
        Ok(true)
    }

    /// The ledger is then as unsound as its copy, which is worth looking at but is no backup.
    fn keep_aside(&self, copy: NamedTempFile, report: &AuditReport) -> Ended {
        let (_, path) = copy.keep().map_err(|error| error.error)?;
        if self.json {
            output::json(&json!({ "kept_aside": path, "audit": report }))?;
        } else {
            print_audit(report)?;
            output::line(&format!(
                "no backup was made: the copy did not pass, and is kept aside as {}",
                path.display()
            ))?;
        }
        Ok(false)
    }
}

/// A copy under a name of its own, for its owner alone, synced. It goes away where this fails.
async fn copied(ledger: PathBuf, directory: PathBuf) -> Result<(NamedTempFile, AuditReport), CommandFailure> {
    let copying = tokio::task::spawn_blocking(move || {
        let copy = tempfile::Builder::new()
            .prefix("purser-backup-")
            .suffix(".partial")
            .tempfile_in(&directory)
            .with_context(|| format!("making a file in {}", directory.display()))?;
        let report = backup::copy(&ledger, copy.path()).map_err(|error: StoreError| anyhow::Error::new(error))?;
        copy.as_file().sync_all().context("syncing the copy")?;
        anyhow::Ok((copy, report))
    });
    Ok(copying.await??)
}
