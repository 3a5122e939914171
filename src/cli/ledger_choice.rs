//! Which ledger a command is about: its party's, or the one that `--ledger` names.

use clap::Args;

use super::{CommandFailure, failed, usage};
use crate::app::party_move::MoveEnd;
use crate::app::{absence, ledgers};
use crate::config::{Config, DatabaseUrl};
use crate::ledger::{LedgerName, Party};
use crate::storage::Database;
use crate::storage::migrations::SchemaState;

/// For commands that are about no party.
#[derive(Args)]
pub struct LedgerOption {
    /// The ledger, where there are several: a name under `ledgers`, or `default` for that of database.url.
    #[arg(long = "ledger", value_name = "NAME")]
    name: Option<String>,
}

/// A ledger, before its database is opened.
pub struct LedgerChoice {
    pub name: LedgerName,
    pub url: DatabaseUrl,
    database: Database,
}

impl LedgerOption {
    /// The named one; else the only one.
    pub fn one(&self, config: &Config) -> Result<LedgerChoice, CommandFailure> {
        let mut all = self.all(config)?;
        match (all.pop(), all.is_empty()) {
            (Some(ledger), true) => Ok(ledger),
            _ => Err(usage(format!("there are several ledgers: say --ledger {}", names(config)))),
        }
    }

    /// The named one; else every one that is there.
    pub fn all(&self, config: &Config) -> Result<Vec<LedgerChoice>, CommandFailure> {
        let Some(name) = &self.name else {
            return config.ledgers_known().into_iter().map(|name| LedgerChoice::named(config, name)).collect();
        };
        let name = LedgerName::parse(name).map_err(|error| usage(format!("--ledger {error}")))?;
        Ok(vec![LedgerChoice::named(config, name)?])
    }
}

fn names(config: &Config) -> String {
    let named = config.ledgers.keys().map(LedgerName::as_str);
    std::iter::once("default").chain(named).collect::<Vec<_>>().join(", ")
}

impl LedgerChoice {
    /// The ledger that a party is in.
    pub fn of_party(config: &Config, party: &Party) -> Result<Self, CommandFailure> {
        Self::named(config, config.ledger_of(party))
    }

    /// The database of the ledger that a party is in, for a command that changes something of it. A party that is in another
    /// ledger than the configuration says is not changed: from here nobody would serve what it has there.
    pub async fn to_change(config: &Config, party: &Party) -> Result<Database, CommandFailure> {
        let ledger = Self::of_party(config, party)?;
        let name = ledger.name.clone();
        let database = ledger.change().await?;
        match absence::of_changed(config, &name, &database, party).await? {
            Some(why) => Err(failed(format!("party {party} is not in ledger {name}: {why}"))),
            None => Ok(database),
        }
    }

    /// The ledger of this name.
    pub fn named(config: &Config, name: LedgerName) -> Result<Self, CommandFailure> {
        match (config.ledger_url(&name), ledgers::database(config, &name)) {
            (Some(url), Some(database)) => Ok(Self { name, url: url.clone(), database }),
            _ => Err(usage(format!("there is no ledger {name}; there is {}", names(config)))),
        }
    }

    /// For a command that only looks: it writes nothing, and brings no schema up to date.
    pub async fn look_at(self) -> Result<Database, CommandFailure> {
        let Self { database, url, .. } = self;
        match database.schema().await? {
            SchemaState::UpToDate(_) => Ok(database),
            SchemaState::Behind { missing } => Err(failed(format!(
                "the schema of {url} is not up to date (it lacks {}): run `purser migrate`",
                missing.join(", ")
            ))),
            SchemaState::Ahead { unknown } => Err(failed(format!(
                "{url} was migrated by a newer purser (it has {}): use that one",
                unknown.join(", ")
            ))),
        }
    }

    /// For a command that changes something: its schema is brought up to date.
    pub async fn change(self) -> Result<Database, CommandFailure> {
        self.database.migrate().await?;
        Ok(self.database)
    }

    /// What its schema lacked, brought up to date.
    pub async fn migrate(&self) -> Result<Vec<String>, CommandFailure> {
        Ok(self.database.migrate().await?)
    }

    /// One end of a move.
    pub fn end(self) -> MoveEnd {
        MoveEnd { name: self.name, database: self.database }
    }

    /// How its schema stands.
    pub async fn schema(&self) -> Result<SchemaState, crate::storage::StoreError> {
        self.database.schema().await
    }
}
