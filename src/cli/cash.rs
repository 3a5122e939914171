//! `purser deposit` and `purser withdraw`.

use clap::Args;
use serde_json::json;

use super::refusal::refused;
use super::{CommandFailure, Ended, failed, invalid, output, party, trail, usage};
use crate::admin::approvals::{self, ApprovalRequest, Road};
use crate::admin::cash;
pub use crate::admin::cash::Direction;
use crate::admin::trail::Deed;
use crate::cli::ledger_choice::LedgerChoice;
use crate::clock;
use crate::config::{Config, PartyConfig};
use crate::ledger::accounts::Cash;
use crate::ledger::command::Command;
use crate::ledger::money::format_decimal;
use crate::ledger::{AccountDone, Currency, Done, Outcome, Party, PlayerId, Pocket};
use crate::storage::Reader;
use crate::wallet::direct;

#[derive(Args)]
pub struct CashArgs {
    #[arg(long)]
    party: String,
    #[arg(long)]
    player: String,
    #[arg(long)]
    currency: String,
    /// In major units: 12.34
    #[arg(long, allow_hyphen_values = true)]
    amount: String,
    /// real, bonus, ring_fenced or gbt_bonus
    #[arg(long, default_value = "real")]
    bucket: String,
    #[arg(long, default_value = "")]
    wallet: String,
    #[arg(long, default_value_t = 0)]
    product: i32,
    /// Your own name for this transfer: the same again moves nothing and gives the same answer.
    #[arg(long)]
    key: Option<String>,
    #[arg(long)]
    json: bool,
}

impl CashArgs {
    pub async fn run(self, config: &Config, direction: Direction) -> Ended {
        let (party, settings) = party(config, &self.party)?;
        let transfer = self.transfer(config, &party, settings)?;
        let currency = transfer.pocket.currency;
        let detail = json!({
            "amount": self.amount, "currency": currency, "bucket": self.bucket, "wallet": self.wallet,
            "product": self.product, "key": transfer.key,
        });
        let (act, of, target) = (direction.as_str(), Some(party.clone()), transfer.player.to_string());
        let deed = Deed { act, party: of, target, detail };
        let database = LedgerChoice::to_change(config, &party).await?;
        let request = ApprovalRequest {
            party: party.clone(),
            player: transfer.player.clone(),
            act: direction.act(transfer.clone()),
            key: transfer.key.to_string(),
            currency,
            amount_minor: transfer.amount.minor(),
            reason: String::new(),
            deed: deed.clone(),
        };
        let act = match approvals::road(&Reader::new(database.clone()), config, &trail::actor(), request).await? {
            Road::Open => direction.act(transfer),
            Road::Waits(approval) => return super::approvals::waits(config, &approval, self.json),
            Road::Moved(approval) => approval.command,
            Road::Closed(_, why) => return Err(failed(why)),
        };
        let command = Command { party, at: clock::now(), correlation: None, act };
        let balance = trail::recorded(&database, deed, async {
            let balance = match direct::apply(&mut database.writer()?, command.clone()).await? {
                Outcome::Done(done) => balance(&done)?,
                Outcome::Refused(refusal) => return Err(refused(config, &command, currency, refusal)),
            };
            Ok((balance, format!("done: balance {} {currency}", format_decimal(balance, config.exponent(currency)))))
        });
        self.report(balance.await?, currency, config.exponent(currency))
    }

    fn transfer(&self, config: &Config, party: &Party, settings: &PartyConfig) -> Result<Cash, CommandFailure> {
        let pocket = Pocket {
            currency: cash::currency(party, settings, &self.currency).map_err(invalid)?,
            bucket: cash::bucket(&self.bucket).map_err(invalid)?,
            wallet: cash::wallet(&self.wallet).map_err(invalid)?,
            product: self.product,
        };
        let key = match &self.key {
            Some(key) if key.is_empty() => return Err(usage("--key must not be empty")),
            Some(key) => key.clone(),
            None => uuid::Uuid::new_v4().to_string(),
        };
        let player = PlayerId::recorded(&self.player).map_err(|error| usage(format!("--player {error}")))?;
        cash::transfer(config, player, pocket, &self.amount, &key).map_err(invalid)
    }

    fn report(&self, balance: i64, currency: Currency, exponent: u32) -> Ended {
        let text = format_decimal(balance, exponent);
        if self.json {
            output::json(
                &json!({ "balance": text, "balance_minor": balance, "currency": currency, "bucket": self.bucket }),
            )?;
        } else {
            output::line(&format!("balance {text} {currency} ({})", self.bucket))?;
        }
        Ok(true)
    }
}

/// The balance right after it, in minor units.
fn balance(done: &Done) -> Result<i64, CommandFailure> {
    match done {
        Done::Account(AccountDone::Deposited { balance } | AccountDone::Withdrawn { balance }) => Ok(*balance),
        Done::Account(_) | Done::Order(_) | Done::Transaction(_) | Done::Shop(_) => {
            Err(failed("the ledger answered something else"))
        }
    }
}
