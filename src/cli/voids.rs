//! `purser voids`: what partners have asked operators to take back (Balance Service `QueueManualVoidReturn`).

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::refusal::{no_void, refused};
use super::{Ended, failed, invalid, output, party, trail};
use crate::admin::approvals::{self, Road};
use crate::admin::shown;
use crate::admin::trail::Deed;
use crate::admin::voids::{request, resolve};
use crate::cli::ledger_choice::LedgerChoice;
use crate::clock;
use crate::config::Config;
use crate::ledger::account::Bucket;
use crate::ledger::command::Command;
use crate::ledger::money::format_decimal;
use crate::ledger::transactions::VoidState;
use crate::ledger::{Currency, Done, Outcome, TransactionDone};
use crate::storage::Reader;
use crate::storage::voids::{self, Queued};
use crate::wallet::direct;

#[derive(Subcommand)]
pub enum Voids {
    /// Show the voids that wait, oldest first.
    List(ListVoids),
    /// Move back what the transaction moved.
    Approve(Resolve),
    /// Leave the transaction as it is.
    Dismiss(Resolve),
}

#[derive(Args)]
pub struct ListVoids {
    #[arg(long)]
    party: String,
    /// Show those that were approved or dismissed, too.
    #[arg(long)]
    all: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Resolve {
    /// The number of the transaction: its bet365_games_transaction_id.
    #[arg(value_name = "ID")]
    source: i64,
    #[arg(long)]
    party: String,
    #[arg(long)]
    json: bool,
}

/// Amounts are what the transaction moved, in major units.
#[derive(Serialize)]
struct Line {
    id: i64,
    player: String,
    transaction_type_id: i32,
    partner_transaction_id: String,
    state: &'static str,
    currency: Currency,
    real: String,
    ring_fenced: String,
    bonus: String,
    gbt_bonus: String,
    queued_at: String,
}

impl Voids {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::List(list) => list.run(config).await,
            Self::Approve(resolve) => resolve.run(config, true).await,
            Self::Dismiss(resolve) => resolve.run(config, false).await,
        }
    }
}

impl ListVoids {
    async fn run(self, config: &Config) -> Ended {
        let (party, _) = party(config, &self.party)?;
        let database = LedgerChoice::of_party(config, &party)?.look_at().await?;
        let found = database.query(move |conn| voids::list(conn, &party, self.all)).await?;
        let lines: Vec<Line> = found.iter().map(|queued| line(config, queued)).collect();
        if self.json {
            output::json(&lines)?;
        } else if lines.is_empty() {
            output::line("no voids wait")?;
        } else {
            let heading =
                ["id", "player", "type", "state", "currency", "real", "ring_fenced", "bonus", "gbt_bonus", "since"];
            output::table(&heading, &lines.into_iter().map(Line::cells).collect::<Vec<_>>())?;
        }
        Ok(true)
    }
}

fn line(config: &Config, queued: &Queued) -> Line {
    let source = &queued.source;
    let amount = |bucket| format_decimal(source.moved.get(bucket), config.exponent(source.currency));
    Line {
        id: source.number,
        player: queued.player.to_string(),
        transaction_type_id: source.label.kind,
        partner_transaction_id: source.label.reference.to_string(),
        state: queued.void.state.as_str(),
        currency: source.currency,
        real: amount(Bucket::Real),
        ring_fenced: amount(Bucket::RingFenced),
        bonus: amount(Bucket::Bonus),
        gbt_bonus: amount(Bucket::GbtBonus),
        queued_at: shown::second(queued.void.queued_at),
    }
}

impl Line {
    fn cells(self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.player,
            self.transaction_type_id.to_string(),
            self.state.to_owned(),
            self.currency.to_string(),
            self.real,
            self.ring_fenced,
            self.bonus,
            self.gbt_bonus,
            self.queued_at,
        ]
    }
}

impl Resolve {
    async fn run(self, config: &Config, approve: bool) -> Ended {
        let (party, _) = party(config, &self.party)?;
        let database = LedgerChoice::to_change(config, &party).await?;
        let (of, source) = (party.clone(), self.source);
        let queued = database.query(move |conn| voids::find(conn, &of, source)).await?;
        let queued = queued.ok_or_else(|| no_void(&party, source))?;
        let deed = Deed {
            act: if approve { "void approve" } else { "void dismiss" },
            party: Some(party.clone()),
            target: self.source.to_string(),
            detail: json!({ "player": queued.player, "currency": queued.source.currency }),
        };
        if approve {
            let request = request(&party, &queued, deed.clone()).map_err(invalid)?;
            match approvals::road(&Reader::new(database.clone()), config, &trail::actor(), request).await? {
                Road::Open | Road::Moved(_) => {}
                Road::Waits(approval) => return super::approvals::waits(config, &approval, self.json),
                Road::Closed(_, why) => return Err(failed(why)),
            }
        }
        let act = resolve(&queued, approve);
        let command = Command { party, at: clock::now(), correlation: None, act };
        let resolved = trail::recorded(&database, deed, async {
            match direct::apply(&mut database.writer()?, command.clone()).await? {
                Outcome::Done(Done::Transaction(TransactionDone::VoidApproved { transaction })) => {
                    Ok((Some(transaction), format!("approved: transaction {transaction} moved it back")))
                }
                Outcome::Done(Done::Transaction(TransactionDone::VoidDismissed)) => {
                    Ok((None, "dismissed: nothing was moved".to_owned()))
                }
                Outcome::Done(_) => Err(failed("the ledger answered something else")),
                Outcome::Refused(refusal) => Err(refused(config, &command, queued.source.currency, refusal)),
            }
        });
        match resolved.await? {
            Some(transaction) => self.approved(transaction),
            None => self.dismissed(),
        }
    }

    fn approved(&self, transaction: i64) -> Ended {
        let (id, state) = (self.source, VoidState::Approved.as_str());
        if self.json {
            output::json(&json!({ "id": id, "state": state, "transaction": transaction }))?;
        } else {
            output::line(&format!("void of transaction {id} approved: transaction {transaction} moved it back"))?;
        }
        Ok(true)
    }

    fn dismissed(&self) -> Ended {
        let (id, state) = (self.source, VoidState::Dismissed.as_str());
        if self.json {
            output::json(&json!({ "id": id, "state": state }))?;
        } else {
            output::line(&format!("void of transaction {id} dismissed: nothing was moved"))?;
        }
        Ok(true)
    }
}
