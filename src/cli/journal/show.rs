//! `purser journal show`: one row and all that the ledger knows of it, the rows of a correlation id, or a player's history.

use clap::Args;
use serde_json::Value;

use super::told;
use crate::cli::ledger_choice::{LedgerChoice, LedgerOption};
use crate::cli::{CommandFailure, Ended, failed, output, party, usage};
use crate::config::Config;
use crate::ledger::PlayerId;
use crate::storage::Database;
use crate::storage::history::{self, Detail, HistoryAnswer, HistoryRow, MOST_ROWS};

/// Rows of a history that are shown where nobody says how many.
const SHOWN: &str = "50";

#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["number", "correlation", "player"])))]
pub struct ShowJournal {
    /// The journal's row with this number, with its chain and its transfers.
    #[arg(long, value_name = "N")]
    number: Option<i64>,
    /// The rows with this correlation id.
    #[arg(long, value_name = "ID", requires = "party")]
    correlation: Option<String>,
    #[arg(long)]
    party: Option<String>,
    /// The player's history, newest first.
    #[arg(long, value_name = "ID", requires = "party")]
    player: Option<String>,
    /// Of the history: only rows with lower numbers.
    #[arg(long, value_name = "N", requires = "player")]
    before: Option<i64>,
    /// Of the history: so many rows, 1000 at the most.
    #[arg(long, value_name = "N", requires = "player", default_value = SHOWN)]
    limit: usize,
    #[command(flatten)]
    ledger: LedgerOption,
    #[arg(long)]
    json: bool,
}

impl ShowJournal {
    pub async fn run(self, config: &Config) -> Ended {
        match (self.number, &self.correlation, &self.player) {
            (Some(number), ..) => self.number(config, number).await,
            (None, Some(correlation), _) => self.correlation(config, correlation.clone()).await,
            (None, None, Some(player)) => self.history(config, player).await,
            (None, None, None) => Err(usage("say --number, --correlation or --player")),
        }
    }

    async fn number(&self, config: &Config, number: i64) -> Ended {
        let database = self.ledger.one(config)?.look_at().await?;
        let found = database.query(move |conn| history::detail(conn, number)).await?;
        let missing = || failed(format!("the journal has no row {number}, or pruning has dropped it"));
        let detail = found.ok_or_else(missing)?;
        if self.json {
            output::json(&told::detail(config, &detail))?;
        } else {
            told::print(config, &detail)?;
        }
        Ok(true)
    }

    async fn correlation(&self, config: &Config, correlation: String) -> Ended {
        let (party, _) = party(config, self.party.as_deref().unwrap_or_default())?;
        let database = LedgerChoice::of_party(config, &party)?.look_at().await?;
        let (of, id) = (party.clone(), correlation.clone());
        let rows = rows(database.query(move |conn| history::of_correlation(conn, &of, &id)).await?)?;
        if rows.is_empty() && !self.json {
            return Err(failed(format!("no command of {party} with correlation id {correlation} was decided")));
        }
        let details = details(&database, rows.iter().map(|row| row.number).collect()).await?;
        print_details(config, &details, self.json)
    }

    async fn history(&self, config: &Config, player: &str) -> Ended {
        let (party, _) = party(config, self.party.as_deref().unwrap_or_default())?;
        let player = PlayerId::recorded(player).map_err(|error| usage(format!("--player {error}")))?;
        let (before, limit) = (self.before, self.limit);
        if !(1..=MOST_ROWS).contains(&limit) {
            return Err(usage(format!("--limit is from 1 to {MOST_ROWS}")));
        }
        let database = LedgerChoice::of_party(config, &party)?.look_at().await?;
        let (of, whose) = (party.clone(), player.clone());
        let found = database.query(move |conn| history::of_player(conn, &of, &whose, before, limit)).await?;
        let rows = rows(found)?;
        if self.json {
            output::json(&rows.iter().map(told::row).collect::<Vec<Value>>())?;
            return Ok(true);
        }
        if rows.is_empty() {
            output::line(&format!("nothing was decided of {party}'s player {player}"))?;
            return Ok(true);
        }
        told::table(&rows)?;
        if let Some(last) = rows.last().filter(|_| rows.len() == limit) {
            eprintln!("older ones: --before {}", last.number);
        }
        Ok(true)
    }
}

fn rows(found: HistoryAnswer) -> Result<Vec<HistoryRow>, CommandFailure> {
    match found {
        HistoryAnswer::Rows(rows) => Ok(rows),
        HistoryAnswer::Behind(rows) => Err(failed(format!(
            "the index of histories is {rows} journal rows behind, too many to look at one by one: `purser serve` brings it \
             up to date (unless ledger.history is off), and so does `purser journal index`"
        ))),
    }
}

async fn details(database: &Database, numbers: Vec<i64>) -> Result<Vec<Detail>, CommandFailure> {
    let reading = database.query(move |conn| {
        let details = numbers.into_iter().filter_map(|number| history::detail(conn, number).transpose());
        details.collect()
    });
    Ok(reading.await?)
}

/// Prints rows one after another, an empty line between them; or as an array.
pub fn print_details(config: &Config, details: &[Detail], is_json: bool) -> Ended {
    if is_json {
        output::json(&details.iter().map(|detail| told::detail(config, detail)).collect::<Vec<Value>>())?;
        return Ok(true);
    }
    for (detail, position) in details.iter().zip(0..) {
        if position > 0 {
            output::line("")?;
        }
        told::print(config, detail)?;
    }
    Ok(true)
}
