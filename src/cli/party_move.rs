//! `purser party move`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::ledger_choice::LedgerChoice;
use super::{CommandFailure, Ended, failed, output, party, trail, usage};
use crate::admin::trail::Deed;
use crate::app::party_move::{MoveEnd, MoveReport, PartyMover};
use crate::config::Config;
use crate::ledger::{LedgerName, Party};

#[derive(Subcommand)]
pub enum PartyCommand {
    /// Move a party with its players and their money to another ledger, beside a running `serve`.
    Move(MoveParty),
}

#[derive(Args)]
pub struct MoveParty {
    #[arg(long)]
    party: String,
    /// The ledger to move it to: a name under `ledgers`, or `default` for that of database.url.
    #[arg(long, value_name = "NAME")]
    to: String,
    /// The ledger that it is in (default: the one that the configuration says).
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// Give up a move that was broken off: the party is served from where it was again.
    #[arg(long)]
    abandon: bool,
    #[arg(long)]
    json: bool,
}

impl PartyCommand {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::Move(moving) => moving.run(config).await,
        }
    }
}

impl MoveParty {
    async fn run(self, config: &Config) -> Ended {
        let (party, _) = party(config, &self.party)?;
        let (from, to) = self.ends(config, &party)?;
        let progress = output::counter("commands");
        let told = progress.clone();
        let mover = PartyMover::new(party.clone(), from.clone(), to.clone(), move |done| told.set_position(done));
        let act = if self.abandon { "party move abandon" } else { "party move" };
        let (target, detail) = (to.name.to_string(), json!({ "from": from.name }));
        let deed = Deed { act, party: Some(party.clone()), target, detail };
        from.database.migrate().await?;
        if self.abandon {
            let abandoning = async {
                let is_served = mover.abandon().await?;
                Ok((is_served, "done".to_owned()))
            };
            let is_served = trail::recorded(&from.database, deed.clone(), abandoning).await?;
            // It may be away, which is a reason to give up.
            if let Err(why) = Self::tell_other(&to, deed).await {
                eprintln!("the trail of ledger {} does not have it: {}", to.name, output::safe(&why.to_string()));
            }
            return self.tell_abandoned(&party, (&from.name, &to.name), is_served);
        }
        to.database.migrate().await?;
        let with_outcome = |report: MoveReport| {
            let outcome = format!("done: {} commands", report.commands);
            (report, outcome)
        };
        // In the trails of both ledgers before it begins, and when it has ended, however it did.
        let moving = async { Ok(with_outcome(mover.run().await?)) };
        let moving = async { Ok(with_outcome(trail::recorded(&from.database, deed.clone(), moving).await?)) };
        let moved = trail::recorded(&to.database, deed.clone(), moving).await;
        progress.finish_and_clear();
        let report = moved?;
        if self.json {
            output::json(&report)?;
            return Ok(true);
        }
        let (commands, accounts, away) = (report.commands, report.accounts, report.away_ms);
        output::line(&format!(
            "party {party} is in ledger {} now: {commands} commands, {accounts} accounts, away for {away} ms",
            to.name
        ))?;
        output::line(&format!("set parties.{party}.ledger = \"{}\", and start every `purser serve` again", to.name))?;
        Ok(true)
    }

    fn ends(&self, config: &Config, party: &Party) -> Result<(MoveEnd, MoveEnd), CommandFailure> {
        let named =
            |option: &str, name: &str| LedgerName::parse(name).map_err(|error| usage(format!("--{option} {error}")));
        let to = named("to", &self.to)?;
        let from = match &self.from {
            Some(from) => named("from", from)?,
            None => config.ledger_of(party),
        };
        if from == to {
            return Err(failed(format!(
                "party {party} is configured to be in ledger {to}: where it comes from, --from must say"
            )));
        }
        let end = |name| LedgerChoice::named(config, name).map(LedgerChoice::end);
        Ok((end(from)?, end(to)?))
    }

    /// Where the party would have gone it is known, too, that it does not.
    async fn tell_other(to: &MoveEnd, deed: Deed) -> Result<(), CommandFailure> {
        to.database.migrate().await?;
        trail::recorded(&to.database, deed, async { Ok(((), "done".to_owned())) }).await
    }

    fn tell_abandoned(&self, party: &Party, (from, to): (&LedgerName, &LedgerName), is_served: bool) -> Ended {
        if self.json {
            output::json(&json!({ "party": party, "served_from": is_served.then_some(from) }))?;
        } else if is_served {
            output::line(&format!("party {party} is served from ledger {from} again"))?;
        } else {
            output::line(&format!(
                "what ledger {from} has of party {party} is not given up for ledger {to} any more; nothing is said of which is \
                 in earnest"
            ))?;
        }
        Ok(true)
    }
}
