//! `purser conform`: whether others keep what the interface promises. Status 0 where they do, 1 where they do not, 2
//! where that could not be judged.

mod money;
mod partners;
mod provider;
mod reports;
mod settled;
mod wallet;

use clap::Subcommand;

use super::Ended;
use crate::config::Config;

#[derive(Subcommand)]
pub enum Conform {
    /// Play a provider against a wallet, over its queues and HTTP alone, and judge each answer.
    ///
    /// Status 0: it conforms; 1: it does not; 2: it could not be judged.
    Wallet(Box<wallet::Judging>),
    /// Watch a sandbox party's provider while some of its replies are withheld, late or doubled, and judge what it sends.
    ///
    /// Status 0: it conforms; 1: it does not; 2: it could not be judged.
    Provider(provider::Watching),
}

impl Conform {
    pub async fn run(self, config: Config) -> Ended {
        match self {
            Self::Wallet(judging) => judging.run(config).await,
            Self::Provider(watching) => watching.run(config).await,
        }
    }
}
