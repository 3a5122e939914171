//! `purser migrate`.

use clap::Args;

use super::ledger_choice::LedgerOption;
use super::{Ended, output};
use crate::config::Config;
use crate::storage::usernames::{self, Nameless};

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
            let nameless = ledger.look_at().await?.query(usernames::nameless).await?;
            nameless.into_iter().for_each(tell);
        }
        Ok(true)
    }
}

/// Says who lost a name to whoever had it before.
fn tell(Nameless { party, username, player }: Nameless) {
    let why = "another player had the same username before; this one signs in by the id alone";
    eprintln!("player {} of party {party} ({}): {why}", output::safe(&player), output::safe(&username));
}
