//! `purser check`.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::{Ended, output};
use crate::app;
use crate::config::{Config, DatabaseUrl};
use crate::ledger::Party;
use crate::storage::StoreError;
use crate::storage::migrations::Schema;
use crate::transport::amqp::{session, topology};

#[derive(Args)]
pub struct Check {
    #[arg(long)]
    json: bool,
}

/// One line of the check: `Ok` is fit, `Err` is not; both say why.
#[derive(Serialize)]
struct Line {
    what: String,
    fit: bool,
    says: String,
}

impl Check {
    pub async fn run(self, mut config: Config) -> Ended {
        let mut lines = vec![line("configuration", Ok(format!("{} parties", config.parties.len())))];
        let demo = config.ensure_demo_secret();
        if let Some(path) = demo.as_ref().ok().and_then(Option::as_ref) {
            lines.push(line("demo party", Ok(format!("its secret is in {}", path.display()))));
        }
        lines.push(line("keys", keys(&config, demo.err())));
        lines.push(line("database", database(&config).await));
        lines.extend(brokers(&config).await);
        let fit = lines.iter().all(|line| line.fit);
        if self.json {
            output::json(&lines)?;
        } else {
            for line in &lines {
                output::line(&format!("{:<4}  {}: {}", if line.fit { "ok" } else { "FAIL" }, line.what, line.says))?;
            }
            for warning in &config.warnings {
                output::line(&format!("warn  {warning}"))?;
            }
        }
        Ok(fit)
    }
}

fn line(what: impl Into<String>, said: Result<String, String>) -> Line {
    let fit = said.is_ok();
    Line { what: what.into(), fit, says: said.unwrap_or_else(|why| why) }
}

fn keys(config: &Config, demo: Option<std::io::Error>) -> Result<String, String> {
    if let Some(error) = demo {
        return Err(error.to_string());
    }
    let desks = app::wire(config).map_err(|error| format!("{error:#}"))?.desks;
    Ok(format!(
        "{} of {} parties verify player tokens",
        desks.iter().filter(|desk| desk.verifier.is_some()).count(),
        desks.len()
    ))
}

async fn database(config: &Config) -> Result<String, String> {
    let url = &config.database.url;
    let encryption = app::Encryption::of(config).map_err(|error| error.to_string())?;
    let tls = match url {
        DatabaseUrl::Sqlite(_) => "",
        DatabaseUrl::Postgres(_) => speaks(encryption.database.is_some()),
    };
    match app::database(config).schema().await {
        Ok(Schema::UpToDate(version)) => Ok(format!("{url} is reachable{tls}, schema {version}")),
        Ok(Schema::Behind { missing }) => {
            Ok(format!("{url} is reachable{tls}; `purser serve` or `purser migrate` will apply {}", missing.join(", ")))
        }
        Ok(Schema::Ahead { unknown }) => {
            Err(format!("{url} was migrated by a newer purser ({}); use that one", unknown.join(", ")))
        }
        Err(
            StoreError::Outage(why)
            | StoreError::Conflict(why)
            | StoreError::Contention(why)
            | StoreError::Rejected(why),
        ) => Err(format!("{url} cannot be used: {why}")),
    }
}

/// Where there is TLS, the server has been verified: there is no other.
fn speaks(tls: bool) -> &'static str {
    if tls { " (TLS)" } else { " (no TLS)" }
}

/// Each virtual host once, with the topology of the parties in it.
async fn brokers(config: &Config) -> Vec<Line> {
    let mut parties: BTreeMap<Option<&str>, Vec<Party>> = BTreeMap::new();
    for (party, settings) in &config.parties {
        parties.entry(settings.amqp.vhost.as_deref()).or_default().push(party.clone());
    }
    let mut lines = Vec::new();
    for (vhost, parties) in parties {
        lines.extend(broker(config, vhost, &parties).await);
    }
    lines
}

async fn broker(config: &Config, vhost: Option<&str>, parties: &[Party]) -> Vec<Line> {
    let settings = parties.first().and_then(|party| app::broker(config, party));
    let (Some(settings), Some(address)) = (settings, config.amqp.address_in(vhost)) else {
        return vec![line("broker", Ok("off (amqp.url is empty)".to_owned()))];
    };
    let tls = speaks(address.starts_with("amqps:"));
    let connection = match session::connect(&settings).await {
        Ok(connection) => connection,
        Err(error) => return vec![line("broker", Err(format!("{address} cannot be reached: {error}")))],
    };
    let mut lines = vec![line("broker", Ok(format!("{address} is reachable{tls}")))];
    let declared = topology::declare(&connection, parties, settings.queue_type, settings.delivery_limit).await;
    match declared {
        Ok(mismatches) if mismatches.is_empty() => {
            lines.push(line("topology", Ok(format!("as expected for {} parties", parties.len()))));
        }
        Ok(mismatches) => {
            let says =
                |mismatch: topology::Mismatch| line(format!("topology {}", mismatch.name), Err(mismatch.difference));
            lines.extend(mismatches.into_iter().map(says));
        }
        Err(error) => lines.push(line("topology", Err(error.to_string()))),
    }
    // The connection goes away with the program; closing it is a courtesy.
    let _ = connection.close(200, "checked".into()).await;
    lines
}
