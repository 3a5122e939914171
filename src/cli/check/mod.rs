//! `purser check`: looks at everything that `purser serve` needs, and changes nothing.

mod files;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;
use url::Url;

use super::ledger_choice::LedgerChoice;
use super::{Ended, output};
use crate::app;
use crate::config::{Config, DatabaseUrl, DemoSecret};
use crate::identity::TokenVerifier;
use crate::ledger::{LedgerName, Party};
use crate::storage::StoreError;
use crate::storage::migrations::SchemaState;
use crate::telemetry;
use crate::transport::amqp::comparison::{self, TopologyComparison};
use crate::transport::amqp::connection;

/// How long a collector may take to be connected to.
const COLLECTOR_PATIENCE: Duration = Duration::from_secs(3);

#[derive(Args)]
pub struct CheckArgs {
    #[arg(long)]
    json: bool,
}

/// One line of the check.
#[derive(Serialize)]
struct Line {
    what: String,
    /// Whether it hinders nobody from serving.
    fit: bool,
    level: Level,
    says: String,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl CheckArgs {
    pub async fn run(self, mut config: Config) -> Ended {
        let mut lines = vec![line("configuration", Ok(format!("{} parties", config.parties.len())))];
        lines.extend(sandboxes(&config));
        let demo = config.find_demo_secret().map_err(|error| error.to_string());
        lines.extend(keys(&config, &demo).await);
        for ledger in config.ledgers_in_use() {
            let what = if ledger.is_default() { "database".to_owned() } else { format!("ledger {ledger}") };
            lines.push(line(what, database(&config, ledger).await));
        }
        lines.extend(brokers(&config).await);
        lines.extend(traces(&config).await);
        let demo_file = demo.iter().flatten().next().map(|secret| secret.path.as_path());
        lines.extend(warnings(&config, demo_file));
        let fit = lines.iter().all(|line| line.fit);
        if self.json {
            output::json(&lines)?;
        } else {
            lines.iter().try_for_each(|line| output::line(&line.text()))?;
        }
        Ok(fit)
    }
}

impl Line {
    fn text(&self) -> String {
        match self.level {
            Level::Ok => format!("ok    {}: {}", self.what, self.says),
            Level::Fail => format!("FAIL  {}: {}", self.what, self.says),
            Level::Warn => format!("warn  {}", self.says),
        }
    }
}

fn line(what: impl Into<String>, said: Result<String, String>) -> Line {
    let (fit, level) = if said.is_ok() { (true, Level::Ok) } else { (false, Level::Fail) };
    Line { what: what.into(), fit, level, says: said.unwrap_or_else(|why| why) }
}

/// Parties in which nobody is in earnest: said, so that none is served as one by mistake.
fn sandboxes(config: &Config) -> Option<Line> {
    let sandboxes = config.parties.iter().filter(|(_, settings)| settings.is_sandbox);
    let names: Vec<&str> = sandboxes.map(|(party, _)| party.as_str()).collect();
    let says = || format!("{}: test players, such as test-500, behave as they are named", names.join(", "));
    (!names.is_empty()).then(|| line("sandboxes", Ok(says())))
}

/// Where traces go, if anywhere. That nobody is there is no reason not to serve.
async fn traces(config: &Config) -> Option<Line> {
    let collector = telemetry::collector(config.telemetry.otlp_endpoint.as_deref())?;
    if let Err(error) = telemetry::check(config.telemetry.otlp_endpoint.as_deref()) {
        return Some(line("traces", Err(error.to_string())));
    }
    let url = Url::parse(&collector).ok();
    let place = url.as_ref().and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
    let Some((host, port)) = place else {
        return Some(line("traces", Err("the collector's address is no URL".to_owned())));
    };
    let reaching = tokio::time::timeout(COLLECTOR_PATIENCE, tokio::net::TcpStream::connect((host.as_str(), port)));
    if !matches!(reaching.await, Ok(Ok(_))) {
        let says = format!("nobody answers at {host}:{port}, where traces go: they are dropped and counted");
        return Some(Line { what: "traces".to_owned(), fit: true, level: Level::Warn, says });
    }
    let share = config.telemetry.sample_ratio;
    Some(line(
        "traces",
        Ok(format!("to {host}:{port}, a share of {share} of the messages and requests that do not come sampled")),
    ))
}

fn warnings(config: &Config, demo_secret: Option<&Path>) -> Vec<Line> {
    let says = config.warnings.iter().cloned().chain(files::warnings(config, demo_secret));
    says.map(|says| Line { what: "warning".to_owned(), fit: true, level: Level::Warn, says }).collect()
}

/// The keys that player tokens are checked with, in files and behind addresses.
async fn keys(config: &Config, demo: &Result<Option<DemoSecret>, String>) -> Vec<Line> {
    let mut lines = Vec::new();
    match demo {
        Err(why) => return vec![line("keys", Err(why.clone()))],
        Ok(Some(secret)) if !secret.is_there => {
            let path = secret.path.display();
            return vec![line("demo party", Ok(format!("`purser serve` will make its secret, {path}")))];
        }
        Ok(Some(secret)) => {
            lines.push(line("demo party", Ok(format!("its secret is in {}", secret.path.display()))));
        }
        Ok(None) => {}
    }
    let handlers = match app::wire(config) {
        Ok(wiring) => wiring.handlers,
        Err(error) => return vec![line("keys", Err(format!("{error:#}")))],
    };
    let verifying = handlers.iter().filter(|handler| handler.verifier.is_some()).count();
    lines.push(line("keys", Ok(format!("{verifying} of {} parties verify player tokens", handlers.len()))));
    for handler in &handlers {
        if let Some(verifier) = handler.verifier.as_ref().filter(|verifier| verifier.is_remote()) {
            lines.push(line(format!("keys of {}", handler.rules.party), remote_keys(verifier).await));
        }
    }
    lines
}

async fn remote_keys(verifier: &TokenVerifier) -> Result<String, String> {
    let fetched = verifier.try_to_fetch().await;
    let (usable, passed_over) = fetched.map_err(|error| format!("jwks_url: {error}"))?;
    let not: Vec<String> = passed_over.iter().map(ToString::to_string).collect();
    let not = if not.is_empty() { String::new() } else { format!("; passed over: {}", not.join(", ")) };
    let says = format!("jwks_url has {usable} keys that check tokens{not}");
    if usable > 0 { Ok(says) } else { Err(says) }
}

async fn database(config: &Config, ledger: LedgerName) -> Result<String, String> {
    let encryption = app::Encryption::of(config).map_err(|error| error.to_string())?;
    let url = config.ledger_url(&ledger).ok_or("there is no such ledger")?;
    let tls = match url {
        DatabaseUrl::Sqlite(_) => "",
        DatabaseUrl::Postgres(_) => speaks(encryption.databases.contains_key(&ledger)),
    };
    if let DatabaseUrl::Sqlite(path) = url
        && !path.exists()
    {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        return match directory.filter(|directory| !directory.is_dir()) {
            Some(missing) => Err(format!("{url} cannot be made: there is no directory {}", missing.display())),
            None => Ok(format!("{url} is not there yet; `purser serve` or `purser migrate` will make it")),
        };
    }
    let choice = LedgerChoice::named(config, ledger).map_err(|error| error.to_string())?;
    match choice.schema().await {
        Ok(SchemaState::UpToDate(version)) => Ok(format!("{url} is reachable{tls}, schema {version}")),
        Ok(SchemaState::Behind { missing }) => {
            Ok(format!("{url} is reachable{tls}; `purser serve` or `purser migrate` will apply {}", missing.join(", ")))
        }
        Ok(SchemaState::Ahead { unknown }) => {
            Err(format!("{url} was migrated by a newer purser ({}); use that one", unknown.join(", ")))
        }
        Err(moved @ StoreError::PartyMoved(_)) => Err(moved.to_string()),
        Err(error) => Err(format!("{url} cannot be used: {}", error.why())),
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
    let Some(settings) = parties.first().and_then(|party| app::broker(config, party)) else {
        return vec![line("broker", Ok("off (amqp.url is empty)".to_owned()))];
    };
    let asking = settings.nodes.all().map(|node| connection::connect_to(&settings, node, None));
    let (mut lines, mut connections) = (Vec::new(), Vec::new());
    for (address, connected) in config.amqp.addresses_in(vhost).into_iter().zip(join_all(asking).await) {
        match connected {
            Ok(connection) => {
                let tls = speaks(address.starts_with("amqps:"));
                lines.push(line("broker", Ok(format!("{address} is reachable{tls}"))));
                connections.push(connection);
            }
            Err(error) => lines.push(line("broker", Err(format!("{address} cannot be reached: {error}")))),
        }
    }
    let Some(connection) = connections.first() else { return lines };
    lines.iter_mut().for_each(excuse);
    match comparison::compare(connection, parties, settings.queues).await {
        Ok(comparison) => lines.extend(topology(comparison, parties.len())),
        Err(error) => lines.push(line("topology", Err(error.to_string()))),
    }
    for connection in connections {
        // The connections go away with the program; closing them is a courtesy.
        let _ = connection.close(200, "checked".into()).await;
    }
    lines
}

/// While one node of a cluster answers, nobody is hindered by those that do not.
fn excuse(line: &mut Line) {
    if line.level == Level::Fail {
        let says = format!("broker: {}; the others are used meanwhile", line.says);
        *line = Line { what: "broker".to_owned(), fit: true, level: Level::Warn, says };
    }
}

fn topology(TopologyComparison { missing, mismatches, adopted }: TopologyComparison, parties: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    if !adopted.is_empty() {
        let says = format!("served as somebody else has declared it: {}", adopted.join(", "));
        lines.push(line("topology", Ok(says)));
    }
    if !missing.is_empty() {
        let says = format!("`purser serve` will declare {} for {parties} parties", missing.join(", "));
        lines.push(line("topology", Ok(says)));
    } else if mismatches.is_empty() {
        lines.push(line("topology", Ok(format!("as expected for {parties} parties"))));
    }
    lines.extend(mismatches.into_iter().map(|other| line(format!("topology {}", other.name), Err(other.difference))));
    lines
}
