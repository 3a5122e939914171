//! `purser migrate`.

use clap::Args;

use super::ledger_choice::LedgerOption;
use super::{Ended, output};
use crate::config::Config;

#[derive(Args)]
pub struct Migrate {
    #[command(flatten)]
    ledger: LedgerOption,
}

impl Migrate {
    pub async fn run(self, config: &Config) -> Ended {
        let ledgers = self.ledger.all(config)?;
        let are_several = ledgers.len() > 1;
        for ledger in ledgers {
            let says = match ledger.migrate().await?.as_slice() {
                [] => "the schema is up to date".to_owned(),
                versions => format!("applied {}", versions.join(", ")),
            };
            output::line(&if are_several { format!("ledger {}: {says}", ledger.name) } else { says })?;
        }
        Ok(true)
    }
}
