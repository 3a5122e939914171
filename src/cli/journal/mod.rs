//! `purser journal`: what was asked and what was decided, for other programs and other ledgers.

pub mod line;
#[doc(hidden)]
pub mod moment;

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use clap::{Args, Subcommand};

use super::{Ended, output, party, usage};
use crate::app;
use crate::config::Config;
use crate::ledger::command::Timestamp;
use crate::storage::journal;

/// Bytes that are written at once.
const BUFFER: usize = 256 * 1024;

/// Commands between two looks at the progress.
const LOOK: u64 = 1_000;

#[derive(Subcommand)]
pub enum Journal {
    /// Write every command with its outcome to standard output, one JSON object a line.
    Export(Export),
}

#[derive(Args)]
pub struct Export {
    #[arg(long)]
    party: String,
    /// Commands received at this time or later: 2026-11-20T08:00:00Z, 2026-11-20, or 24h for a day ago.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<Timestamp>,
    /// Commands received before this time.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    until: Option<Timestamp>,
}

impl Journal {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::Export(export) => export.run(config).await,
        }
    }
}

impl Export {
    async fn run(self, config: &Config) -> Ended {
        let (party, _) = party(config, &self.party)?;
        let times = self.since.unwrap_or(Timestamp(i64::MIN))..self.until.unwrap_or(Timestamp(i64::MAX));
        if times.start > times.end {
            return Err(usage("--since is later than --until"));
        }
        let database = app::database(config);
        database.migrate().await?;
        let progress = output::counter("commands");
        let telling = database.query(move |conn| {
            let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
            let mut told = 0_u64;
            let ended = journal::tell(conn, &party, times, |recorded| {
                told += 1;
                if told.is_multiple_of(LOOK) {
                    progress.set_position(told);
                }
                match line::write(&mut out, &recorded) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => ControlFlow::Break(error),
                }
            })?;
            progress.finish_and_clear();
            Ok(match ended {
                ControlFlow::Continue(()) => out.flush(),
                ControlFlow::Break(error) => Err(error),
            })
        });
        match telling.await? {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
            written => Ok(written.map(|()| true)?),
        }
    }
}
