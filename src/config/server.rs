//! The sections that are about this program rather than about a party.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::error::{ConfigError, SettingPlace};
use super::hosts;
use super::network::Network;
use super::secret::Secret;
use super::section::{Section, Setting};
use crate::ledger::ids::Currency;
use crate::ledger::money::MAX_EXPONENT;

/// Beyond this a batch takes longer to commit than its group commit saves.
const MAX_BATCH: usize = 10_000;
/// A waiting result holds a place in the prefetch window; a minute of them is already a provider's fault.
const MAX_ORDERING_GRACE: Duration = Duration::from_secs(60);
const MIN_SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
const MAX_SHUTDOWN_GRACE: Duration = Duration::from_secs(600);

#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    pub url: DatabaseUrl,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(Secret),
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => f.write_str(&hosts::without_credentials(url)),
        }
    }
}

impl DatabaseUrl {
    /// Whether there is something at it to be looked at: to open a file that was never made would make it.
    pub fn is_made(&self) -> bool {
        match self {
            Self::Sqlite(path) => path.exists(),
            Self::Postgres(_) => true,
        }
    }

    /// Whether it goes to another machine without TLS.
    pub fn is_exposed(&self) -> bool {
        let Self::Postgres(url) = self else { return false };
        let query = url.expose().split_once('?').map_or("", |(_, query)| query);
        let is_encrypted = |mode: &str| matches!(mode, "require" | "verify-ca" | "verify-full");
        let encrypted = query.split('&').filter_map(|pair| pair.strip_prefix("sslmode=")).any(is_encrypted);
        !encrypted && hosts::of_postgres(url.expose()).iter().any(|host| hosts::is_elsewhere(host))
    }
}

#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// None: no HTTP.
    pub listen: Option<SocketAddr>,
    /// None: the admin API and the console are off.
    pub admin_token: Option<Secret>,
    /// Where a proxy shows it, with its path prefix.
    pub public_url: Option<Url>,
    /// Whose word on where a request comes from is taken.
    pub trusted_proxies: Vec<Network>,
}

#[derive(Debug, Clone)]
pub struct Ledger {
    /// How many commands may be committed together.
    pub max_batch: usize,
    /// How long a result or cancel waits for its bet.
    pub ordering_grace: Duration,
    /// Whether `serve` keeps the index of histories close behind the journal.
    pub history: bool,
}

#[derive(Debug, Clone)]
pub struct Shutdown {
    /// How long `serve` may take to finish what it took.
    pub grace: Duration,
}

pub(super) fn database(mut section: Section) -> Result<DatabaseSettings, ConfigError> {
    let (place, url) = section.secret("url")?.ok_or_else(|| section.place().wrong("needs a url"))?;
    section.finish()?;
    Ok(DatabaseSettings { url: database_url(&place, url)? })
}

fn database_url(place: &SettingPlace, secret: Secret) -> Result<DatabaseUrl, ConfigError> {
    let text = secret.expose();
    if text.starts_with("sqlite:") && text.contains(":memory:") {
        return Err(place.wrong("must be a file: an in-memory ledger would forget every bet at the next start"));
    }
    if let Some(path) = text.strip_prefix("sqlite://") {
        return match path {
            "" => Err(place.wrong("names no file; write sqlite://purser.db or sqlite:///var/lib/purser/purser.db")),
            path if path.contains('?') => Err(place.wrong("must not carry parameters after the SQLite file")),
            path => Ok(DatabaseUrl::Sqlite(PathBuf::from(path))),
        };
    }
    let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
    // Several hosts, as Postgres clients allow, are no URL of the standard.
    if is_postgres && (text.contains(',') || Url::parse(text).is_ok()) {
        return Ok(DatabaseUrl::Postgres(secret));
    }
    Err(place.wrong("must be sqlite://FILE or postgres://USER:PASSWORD@HOST:PORT/DATABASE"))
}

pub(super) fn http(mut section: Section) -> Result<HttpSettings, ConfigError> {
    let listen = section.require("listen")?.parsed(
        "must be an IP address and a port such as \"127.0.0.1:8080\", or empty for no HTTP",
        |text| {
            if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
        },
    )?;
    let admin_token = section.secret("admin_token")?.map(|(_, token)| token);
    let public_url = section.require("public_url")?.parsed(
        "must be an address such as \"https://ops.example/purser\", without query and fragment, or empty",
        |text| {
            if text.is_empty() { Some(None) } else { parse_public_url(text).map(Some) }
        },
    )?;
    let trusted_proxies = section.list("trusted_proxies")?.into_iter().map(network).collect::<Result<_, _>>()?;
    section.finish()?;
    Ok(HttpSettings { listen, admin_token, public_url, trusted_proxies })
}

fn parse_public_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    (is_plain && url.query().is_none() && url.fragment().is_none()).then_some(url)
}

fn network(setting: Setting) -> Result<Network, ConfigError> {
    setting.parsed("must be an IP address or a network such as \"10.0.0.0/8\"", Network::parse)
}

pub(super) fn ledger(mut section: Section) -> Result<Ledger, ConfigError> {
    let max_batch = section.require("max_batch")?.integer(1..=MAX_BATCH)?;
    let ordering_grace = section.require("ordering_grace")?.duration(Duration::ZERO..=MAX_ORDERING_GRACE)?;
    let history = section.require("history")?.flag()?;
    section.finish()?;
    Ok(Ledger { max_batch, ordering_grace, history })
}

pub(super) fn shutdown(mut section: Section) -> Result<Shutdown, ConfigError> {
    let grace = section.require("grace")?.duration(MIN_SHUTDOWN_GRACE..=MAX_SHUTDOWN_GRACE)?;
    section.finish()?;
    Ok(Shutdown { grace })
}

pub(super) fn currencies(section: Section) -> Result<BTreeMap<Currency, u32>, ConfigError> {
    let mut exponents = BTreeMap::new();
    for (code, setting) in section.entries() {
        let currency = Currency::parse(&code).map_err(|error| setting.place.wrong(error.to_string()))?;
        let mut currency_section = setting.section()?;
        let exponent = currency_section.require("exponent")?.integer(0..=MAX_EXPONENT)?;
        currency_section.finish()?;
        exponents.insert(currency, exponent);
    }
    Ok(exponents)
}
