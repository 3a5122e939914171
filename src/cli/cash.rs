//! `purser deposit` and `purser withdraw`.

use clap::Args;
use serde_json::json;

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
use crate::ledger::{AccountDone, AccountRefusal, Currency, Done, Outcome, Party, PlayerId, Pocket, Refusal};
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
        let database = LedgerChoice::of_party(config, &party)?.change().await?;
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
            let outcome = direct::apply(&mut database.writer()?, command).await?;
            let balance = self.balance(outcome, currency, config.exponent(currency))?;
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

    /// The balance right after it, in minor units.
    fn balance(&self, outcome: Outcome, currency: Currency, exponent: u32) -> Result<i64, CommandFailure> {
        match outcome {
            Outcome::Done(Done::Account(AccountDone::Deposited { balance } | AccountDone::Withdrawn { balance })) => {
                Ok(balance)
            }
            Outcome::Done(_) => Err(failed("the ledger answered something else")),
            Outcome::Refused(refusal) => Err(self.refused(refusal, currency, exponent)),
        }
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

    fn refused(&self, refusal: Refusal, currency: Currency, exponent: u32) -> CommandFailure {
        match refusal {
            Refusal::Account(AccountRefusal::PlayerUnknown) => {
                let (party, player) = (&self.party, &self.player);
                failed(format!(
                    "there is no player {player}; `purser player add --party {party} --player {player}` makes one"
                ))
            }
            Refusal::Account(AccountRefusal::InsufficientFunds { balance }) => {
                failed(format!("the balance is {} {currency}, too little", format_decimal(balance, exponent)))
            }
            Refusal::Account(AccountRefusal::KeyReused) => failed("this --key was used before for another transfer"),
            Refusal::Account(AccountRefusal::BalanceOverflow) => {
                failed("the balance would be more than an account can hold")
            }
            Refusal::Account(AccountRefusal::UsernameTaken)
            | Refusal::Order(_)
            | Refusal::Transaction(_)
            | Refusal::Shop(_) => failed(format!("refused: {refusal:?}")),
        }
    }
}
