//! `purser approvals`: transfers by hand that wait for a second person.

use clap::{Args, Subcommand};
use serde_json::json;
use uuid::Uuid;

use super::refusal::refused;
use super::{CommandFailure, Ended, failed, output, trail};
use crate::admin::approvals::{self, Approval, ApprovalShown};
use crate::cli::ledger_choice::{LedgerChoice, LedgerOption};
use crate::clock;
use crate::config::Config;
use crate::ledger::Outcome;
use crate::storage::{Database, Reader};
use crate::wallet::direct;

/// Approvals that are read at a time.
const PAGE: i64 = 1000;

#[derive(Subcommand)]
pub enum Approvals {
    /// Show what waits, oldest first.
    List(ListApprovals),
    /// Move what somebody else has asked for.
    Approve(Decide),
    /// Move nothing: whoever wants it has to ask again.
    Reject(Decide),
}

#[derive(Args)]
pub struct ListApprovals {
    /// Show what was decided on or has expired, too.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    ledger: LedgerOption,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Decide {
    #[arg(value_name = "ID")]
    id: Uuid,
    #[command(flatten)]
    ledger: LedgerOption,
    #[arg(long)]
    json: bool,
}

impl Approvals {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::List(list) => list.run(config).await,
            Self::Approve(decide) => decide.approve(config).await,
            Self::Reject(decide) => decide.reject(config).await,
        }
    }
}

/// Tells whoever asked that it waits.
pub fn waits(config: &Config, approval: &Approval, json: bool) -> Ended {
    let shown = approvals::shown(config, approval, &[], clock::now());
    if json {
        output::json(&shown)?;
    } else {
        let ApprovalShown { id, amount, currency, expires_at, .. } = shown;
        output::line(&format!(
            "nothing was moved yet: {amount} {currency} waits until {expires_at} for a second person, approval {id}"
        ))?;
    }
    Ok(true)
}

impl ListApprovals {
    async fn run(self, config: &Config) -> Ended {
        let (mut found, mut were_all_looked_at) = (Vec::new(), true);
        for ledger in self.ledger.all(config)? {
            let name = ledger.name.clone();
            match self.of_ledger(config, ledger).await {
                Ok(listed) => found.extend(listed),
                Err(why) => {
                    were_all_looked_at = false;
                    eprintln!("{}", output::safe(&format!("ledger {name} could not be looked at: {why}")));
                }
            }
        }
        if self.json {
            output::json(&found)?;
        } else if found.is_empty() {
            output::line("nothing waits for a second person")?;
        } else {
            let heading = ["id", "state", "act", "party", "player", "amount", "currency", "asked by", "expires"];
            output::table(&heading, &found.into_iter().map(cells).collect::<Vec<_>>())?;
        }
        Ok(were_all_looked_at)
    }

    async fn of_ledger(&self, config: &Config, ledger: LedgerChoice) -> Result<Vec<ApprovalShown>, CommandFailure> {
        let (name, config, all) = (ledger.name.clone(), config.clone(), self.all);
        let database = ledger.look_at().await?;
        let listing = database.query(move |conn| {
            let mut listed: Vec<ApprovalShown> = Vec::new();
            loop {
                let after = listed.last().map(|last| last.id);
                let page = approvals::list(conn, &config, &name, all, after, PAGE)?;
                if page.is_empty() {
                    return Ok(listed);
                }
                listed.extend(page);
            }
        });
        Ok(listing.await?)
    }
}

fn cells(shown: ApprovalShown) -> Vec<String> {
    let ApprovalShown { id, state, act, party, player, amount, currency, asked_by, expires_at, .. } = shown;
    let (id, party, player, currency) = (id.to_string(), party.to_string(), player.to_string(), currency.to_string());
    vec![id, state.to_owned(), act, party, player, amount, currency, asked_by, expires_at]
}

impl Decide {
    async fn approve(self, config: &Config) -> Ended {
        let database = self.find(config).await?;
        let reader = Reader::new(database.clone());
        let moving = async |approval: &Approval| carry_out(config, &database, approval).await;
        let (approval, ()) = approvals::approve::<_, CommandFailure>(&reader, &trail::actor(), self.id, moving).await?;
        self.tell(&approval, "moved")
    }

    async fn reject(self, config: &Config) -> Ended {
        let database = self.find(config).await?;
        let approval = approvals::reject(&Reader::new(database), &trail::actor(), self.id).await??;
        self.tell(&approval, "rejected: nothing is moved")
    }

    /// The database of the ledger whose approval it is. One that is away hinders nobody who is found in another.
    async fn find(&self, config: &Config) -> Result<Database, CommandFailure> {
        let (ledgers, mut unsaid) = (self.ledger.all(config)?, Vec::new());
        let is_only = ledgers.len() == 1;
        for ledger in ledgers {
            if is_only {
                return ledger.change().await;
            }
            let name = ledger.name.clone();
            match self.is_in(config, ledger).await {
                Ok(true) => return LedgerChoice::named(config, name)?.change().await,
                Ok(false) => {}
                Err(why) => unsaid.push(format!("; ledger {name} could not be looked at: {why}")),
            }
        }
        Err(failed(format!("there is no approval {}{}", self.id, unsaid.concat())))
    }

    async fn is_in(&self, config: &Config, ledger: LedgerChoice) -> Result<bool, CommandFailure> {
        let (name, id) = (ledger.name.clone(), self.id);
        let found = ledger.look_at().await?.query(move |conn| crate::storage::approvals::find(conn, id)).await?;
        // What a party left behind that has moved is decided on where it is now.
        Ok(found.is_some_and(|approval| config.ledger_of(&approval.party) == name))
    }

    fn tell(&self, approval: &Approval, what: &str) -> Ended {
        let id = self.id;
        if self.json {
            output::json(&json!({ "id": id, "state": approval.state.as_str() }))?;
        } else {
            output::line(&format!("{} of player {}: {what} (approval {id})", approval.act, approval.player))?;
        }
        Ok(true)
    }
}

async fn carry_out(config: &Config, database: &Database, approval: &Approval) -> Result<((), String), CommandFailure> {
    let command = approval.command(clock::now());
    match direct::apply(&mut database.writer()?, command.clone()).await? {
        Outcome::Done(_) => Ok(((), "done".to_owned())),
        Outcome::Refused(refusal) => Err(refused(config, &command, approval.currency, refusal)),
    }
}
