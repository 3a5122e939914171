//! `purser balance`.

use clap::Args;
use serde::Serialize;

use super::{Ended, failed, output, party, usage};
use crate::admin::players;
use crate::cli::ledger_choice::LedgerChoice;
use crate::config::Config;
use crate::ledger::money::format_decimal;
use crate::ledger::state::PlayerState;
use crate::ledger::{Account, Bucket, Currency, PlayerId, PlayerKey};
use crate::storage::queries;

#[derive(Args)]
pub struct BalanceArgs {
    #[arg(long)]
    party: String,
    #[arg(long)]
    player: String,
    #[arg(long)]
    currency: Option<String>,
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line {
    currency: Currency,
    bucket: Bucket,
    wallet: String,
    product: i32,
    /// Major units.
    balance: String,
    balance_minor: i64,
}

impl BalanceArgs {
    pub async fn run(self, config: &Config) -> Ended {
        let (party, _) = party(config, &self.party)?;
        let player = PlayerId::recorded(&self.player).map_err(|error| usage(format!("--player {error}")))?;
        let currency = self.currency.as_deref().map(Currency::parse).transpose();
        let currency = currency.map_err(|error| usage(format!("--currency {error}")))?;
        let database = LedgerChoice::of_party(config, &party)?.look_at().await?;
        let key = PlayerKey::of(&party, &player);
        let found = database.query(move |conn| queries::player(conn, key)).await?;
        let found = found.ok_or_else(|| failed(format!("there is no player {player}")))?;
        let lines = lines(config, &found, currency);
        if self.json {
            output::json(&lines)?;
        } else {
            let rows = lines.iter().map(|line| {
                let wallet = format!(
                    "{}{}",
                    line.wallet,
                    if line.product == 0 { String::new() } else { format!("#{}", line.product) }
                );
                vec![line.currency.to_string(), line.bucket.as_str().to_owned(), wallet, line.balance.clone()]
            });
            output::table(&["currency", "bucket", "wallet", "balance"], &rows.collect::<Vec<_>>())?;
        }
        Ok(true)
    }
}

fn lines(config: &Config, player: &PlayerState, currency: Option<Currency>) -> Vec<Line> {
    let line = |account: Account| Line {
        currency: account.pocket.currency,
        bucket: account.pocket.bucket,
        wallet: account.pocket.wallet.to_string(),
        product: account.pocket.product,
        balance: format_decimal(account.balance, config.exponent(account.pocket.currency)),
        balance_minor: account.balance,
    };
    players::accounts(player, currency).into_iter().map(line).collect()
}
