//! Players with money, for a wallet that may not be ours.

use std::process::Stdio;

use clap::Args;

use crate::cli::ledger_choice::LedgerChoice;
use crate::cli::{CommandFailure, crowd, party, usage};
use crate::config::Config;
use crate::conformance::judge::NEEDED;
use crate::ledger::{Amount, Currency, PlayerId};

/// Minor units that each new player gets.
const MONEY: i64 = 10 * NEEDED;

/// Who plays, and who gives them money.
#[derive(Args)]
#[group(id = "money", required = true, multiple = false)]
pub struct Money {
    /// Players of the wallet's who have money already: a,b,c. The more, the more cases at once.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    players: Vec<String>,
    /// A command that creates a player with money in the wallet: {player}, {party}, {currency} and {minor} are filled in.
    #[arg(long, value_name = "COMMAND")]
    fund_with: Option<String>,
    /// Create players with money in the configured ledger: the wallet is this Purser's.
    #[arg(long)]
    fund: bool,
}

impl Money {
    /// The players, with money where they are new.
    pub async fn players(
        &self,
        config: &Config,
        name: &str,
        currency: &str,
        many: u16,
    ) -> Result<Vec<String>, CommandFailure> {
        if !self.players.is_empty() {
            return Ok(self.players.clone());
        }
        // Numbers, since some partners know players by nothing else; below the most that 32 bits hold.
        let first = rand::random_range(1_000_000_000..2_000_000_000);
        let names: Vec<String> = (first..).take(usize::from(many)).map(|number: u32| number.to_string()).collect();
        match &self.fund_with {
            Some(command) => {
                for player in &names {
                    run_command(command, player, name, currency).await?;
                }
            }
            None => fund(config, name, currency, &names).await?,
        }
        Ok(names)
    }

    /// The same choice for another run.
    pub fn again(&self) -> String {
        match (&self.fund_with, self.players.is_empty()) {
            (Some(command), _) => format!("--fund-with {}", super::wallet::quoted(command)),
            (None, true) => "--fund".to_owned(),
            (None, false) => format!("--players {}", super::wallet::quoted(&self.players.join(","))),
        }
    }
}

async fn fund(config: &Config, name: &str, currency: &str, names: &[String]) -> Result<(), CommandFailure> {
    let (party, _) = party(config, name)?;
    let currency = Currency::parse(currency).map_err(|error| usage(format!("--currency {error}")))?;
    let money = Amount::new(MONEY)?;
    crowd::check_threshold(config, currency, money)?;
    let players = names.iter().map(|name| PlayerId::parse(name)).collect::<Result<Vec<_>, _>>()?;
    let opening = LedgerChoice::to_change(config, &party).await;
    let database = opening.map_err(|error| usage(format!("the ledger: {error}")))?;
    crowd::invite(&database, &party, currency, &players, money).await
}

/// Runs it in a shell. What it prints goes to standard error, since results are ours.
async fn run_command(command: &str, player: &str, party: &str, currency: &str) -> Result<(), CommandFailure> {
    let filled = [("{player}", player), ("{party}", party), ("{currency}", currency), ("{minor}", &MONEY.to_string())]
        .iter()
        .fold(command.to_owned(), |command, (name, value)| command.replace(name, value));
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &filled]).stdin(Stdio::null()).stdout(std::io::stderr());
    let ended = tokio::task::spawn_blocking(move || shell.status()).await?;
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(usage(format!("--fund-with for {player} ended with {status}"))),
        Err(error) => Err(usage(format!("--fund-with: no shell: {error}"))),
    }
}
