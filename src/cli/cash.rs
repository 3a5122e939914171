//! `purser deposit` and `purser withdraw`.

use clap::Args;
use serde_json::json;

use super::{Ended, Failure, failed, output, party, usage};
use crate::app;
use crate::clock;
use crate::config::Config;
use crate::ledger::command::{Act, Cash as Movement, Command};
use crate::ledger::money::{format_decimal, parse_decimal};
use crate::ledger::{Amount, Bucket, Currency, Done, Outcome, PlayerId, Pocket, Refusal, Wallet};
use crate::sequencer::direct;

#[derive(Args)]
pub struct Cash {
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
    /// Your own name for this movement: the same again moves nothing and gives the same answer.
    #[arg(long)]
    key: Option<String>,
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy)]
pub enum Direction {
    Deposit,
    Withdraw,
}

impl Cash {
    pub async fn run(self, config: &Config, direction: Direction) -> Ended {
        let (party, settings) = party(config, &self.party)?;
        let movement = self.movement(config)?;
        let currency = movement.pocket.currency;
        if !settings.all_currencies().any(|known| known == currency) {
            return Err(usage(format!("--currency {currency} is not one of party {party}'s")));
        }
        let act = match direction {
            Direction::Deposit => Act::Deposit(movement),
            Direction::Withdraw => Act::Withdraw(movement),
        };
        let command = Command { party, at: clock::now(), correlation: None, act };
        let database = app::database(config);
        database.migrate().await?;
        let outcome = direct::apply(&mut database.writer()?, command).await?;
        self.report(outcome, currency, config.exponent(currency))
    }

    fn movement(&self, config: &Config) -> Result<Movement, Failure> {
        let currency = Currency::parse(&self.currency).map_err(|error| usage(format!("--currency {error}")))?;
        let minor = parse_decimal(&self.amount, config.exponent(currency))
            .map_err(|error| usage(format!("--amount {error}")))?;
        let bucket = Bucket::parse(&self.bucket)
            .ok_or_else(|| usage("--bucket must be one of real, bonus, ring_fenced, gbt_bonus"))?;
        let key = match &self.key {
            Some(key) if key.is_empty() => return Err(usage("--key must not be empty")),
            Some(key) => key.as_str().into(),
            None => uuid::Uuid::new_v4().to_string().into(),
        };
        Ok(Movement {
            player: PlayerId::recorded(&self.player).map_err(|error| usage(format!("--player {error}")))?,
            pocket: Pocket {
                currency,
                bucket,
                wallet: Wallet::parse(&self.wallet).map_err(|error| usage(format!("--wallet {error}")))?,
                product: self.product,
            },
            amount: Amount::new(minor).map_err(|_| usage("--amount must be more than nothing"))?,
            key,
        })
    }

    fn report(&self, outcome: Outcome, currency: Currency, exponent: u32) -> Ended {
        let balance = match outcome {
            Outcome::Done(Done::Deposited { balance } | Done::Withdrawn { balance }) => balance,
            Outcome::Done(_) => return Err(failed("the ledger answered something else")),
            Outcome::Refused(refusal) => return Err(self.refused(refusal, currency, exponent)),
        };
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

    fn refused(&self, refusal: Refusal, currency: Currency, exponent: u32) -> Failure {
        match refusal {
            Refusal::PlayerUnknown => {
                let (party, player) = (&self.party, &self.player);
                failed(format!(
                    "there is no player {player}; `purser player add --party {party} --player {player}` makes one"
                ))
            }
            Refusal::InsufficientFunds { balance } => {
                failed(format!("the balance is {} {currency}, too little", format_decimal(balance, exponent)))
            }
            Refusal::KeyReused => failed("this --key was used before for another movement"),
            Refusal::BalanceOverflow => failed("the balance would be more than an account can hold"),
            other => failed(format!("refused: {other:?}")),
        }
    }
}
