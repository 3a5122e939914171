//! `purser listen`: a party's requests with their decisions, as they happen. They are read from the journal: nothing is taken
//! from a queue, and what a queue holds is none of it.

use std::io;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::journal::told::flat;
use super::journal::{line, moment};
use super::{Ended, output, party};
use crate::cli::ledger_choice::LedgerChoice;
use crate::config::Config;
use crate::dialects::egpp::status;
use crate::ledger::command::Timestamp;
use crate::ledger::recorded::Recorded;
use crate::storage::Reader;
use crate::storage::follow::Follower;

/// The pause between looks: what is decided is shown well within a second of its commit.
const PAUSE: Duration = Duration::from_millis(200);

/// The pause while the database is away.
const PAUSE_OF_OUTAGE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub struct Listen {
    #[arg(long)]
    party: String,
    /// Begin with what was received at this time or later: 2026-11-20T08:00:00Z, or 5m for five minutes ago.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<Timestamp>,
    /// One JSON object a line, as in an export of the journal.
    #[arg(long)]
    json: bool,
}

impl Listen {
    pub async fn run(self, config: &Config) -> Ended {
        let (party, _) = party(config, &self.party)?;
        let reader = Reader::new(LedgerChoice::of_party(config, &party)?.look_at().await?);
        let (start, since) = (Instant::now(), self.since);
        let mut follower = reader.ask(move |conn| Follower::begin(conn, since, Duration::ZERO)).await?;
        eprintln!("listening to {party}; Ctrl-C ends it");
        let mut is_away = false;
        loop {
            let (before, of, now) = (follower.clone(), party.clone(), start.elapsed());
            let looked = reader.ask(move |conn| {
                let mut follower = before.clone();
                let found = follower.look(conn, &of, now)?;
                Ok((follower, found))
            });
            let looked = tokio::select! {
                looked = looked => looked,
                ended = tokio::signal::ctrl_c() => return Ok(ended.map(|()| true)?),
            };
            let pause = match looked {
                Ok((after, found)) => {
                    follower = after;
                    is_away = false;
                    match found.iter().try_for_each(|recorded| self.show(recorded)) {
                        Ok(()) => {}
                        // Whoever reads has seen enough.
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(true),
                        Err(error) => return Err(error.into()),
                    }
                    PAUSE
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_away, true) {
                        eprintln!("{}; it is asked again until it answers", output::safe(&error.to_string()));
                    }
                    PAUSE_OF_OUTAGE
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                ended = tokio::signal::ctrl_c() => return Ok(ended.map(|()| true)?),
            }
        }
    }

    fn show(&self, recorded: &Recorded) -> io::Result<()> {
        if self.json { line::write(&mut io::stdout().lock(), recorded) } else { output::line(&told(recorded)?) }
    }
}

/// A request and its decision as people read them: when, the code that the trading API has for it, what was asked by whom,
/// and how it was decided.
fn told(recorded: &Recorded) -> io::Result<String> {
    let command = serde_json::to_value(&recorded.keyed.command)?;
    let outcome = serde_json::to_value(recorded.outcome)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let when = line::written(recorded.keyed.command.at);
    let code = status::of_outcome(recorded.outcome).code;
    let mut words = vec![when, code.to_string(), text(&command["act"]), text(&command["player"])];
    for name in ["order", "round", "stake", "result", "amount", "pocket", "name", "source", "change", "level", "offer"]
    {
        if let Some(value) = command.get(name) {
            words.push(format!("{name}={}", flat(value)));
        }
    }
    if let Some(correlation) = &recorded.keyed.command.correlation {
        words.push(format!("correlation={correlation}"));
    }
    words.push(format!("-> {}", flat(&outcome)));
    Ok(words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}
