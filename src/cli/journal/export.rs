//! `purser journal export`: a party's commands with their outcomes, one JSON object a line.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;

use super::seal::Sealing;
use super::{line, moment};
use crate::cli::ledger_choice::LedgerChoice;
use crate::cli::{Ended, failed, output, party, usage};
use crate::config::Config;
use crate::ledger::command::Timestamp;
use crate::storage::journal::{self, ToldUntil};

/// Bytes that are written at once.
const BUFFER: usize = 256 * 1024;

/// Commands between two looks at the progress.
const LOOK: u64 = 1_000;

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
    /// Seal the last line with the key in this file, so that whoever has it sees whether the export was changed.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Export {
    pub async fn run(self, config: &Config) -> Ended {
        let (party, _) = party(config, &self.party)?;
        let times = self.since.unwrap_or(Timestamp(i64::MIN))..self.until.unwrap_or(Timestamp(i64::MAX));
        if times.start > times.end {
            return Err(usage("--since is later than --until"));
        }
        let database = LedgerChoice::of_party(config, &party)?.look_at().await?;
        let mut sealing = Sealing::begin(self.key_file.as_deref()).map_err(|error| usage(error.to_string()))?;
        let progress = output::counter("commands");
        let telling = database.query(move |conn| {
            let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
            let mut told = 0_u64;
            let ended = journal::tell(conn, &party, times, |recorded| {
                told += 1;
                if told.is_multiple_of(LOOK) {
                    progress.set_position(told);
                }
                match sealing.write(&mut out, &recorded) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => ControlFlow::Break(error),
                }
            })?;
            progress.finish_and_clear();
            Ok(match ended {
                ToldUntil::All => sealing.finish(&mut out).and_then(|()| out.flush()).map(|()| None),
                ToldUntil::Part(error) => Err(error),
                ToldUntil::Pruned(until) => Ok(Some(until)),
            })
        });
        match telling.await? {
            Ok(None) => Ok(true),
            Ok(Some(until)) => {
                let until = line::written(until);
                Err(failed(format!("what was received before {until} is pruned: export the rest with --since {until}")))
            }
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
