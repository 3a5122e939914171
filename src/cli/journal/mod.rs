//! `purser journal`: what was asked and what was decided, for other programs and other ledgers.

pub mod line;
pub(crate) mod seal;
pub(crate) mod told;
pub(crate) mod show;
mod export;
mod index;
#[doc(hidden)]
pub mod moment;
mod prune;

use clap::Subcommand;

use super::Ended;
use crate::config::Config;

#[derive(Subcommand)]
pub(crate) enum Journal {
    /// Write every command with its outcome to standard output, one JSON object a line.
    Export(export::Export),
    /// Show a row and what it moved, the rows of a correlation id, or a player's history.
    Show(show::ShowJournal),
    /// Bring the index of histories up to date with the journal.
    Index(index::Index),
    /// Bring old commands down to what repeats and the audit need. Export them first: there is no way back.
    Prune(prune::Prune),
}

impl Journal {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::Export(export) => export.run(config).await,
            Self::Show(show) => show.run(config).await,
            Self::Index(index) => index.run(config).await,
            Self::Prune(prune) => prune.run(config).await,
        }
    }
}
