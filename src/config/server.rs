//! The sections that are about this program rather than about a party.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::error::{ConfigError, Place};
use super::network::Network;
use super::secret::Secret;
use super::section::{Section, Setting};
use crate::ledger::ids::Currency;
use crate::ledger::money::MAX_EXPONENT;

/// With one message in hand at a time there is never a batch, nor room for a result that waits for its bet.
const MIN_PREFETCH: i64 = 2;
/// Beyond this a batch takes longer to commit than its group commit saves.
const MAX_BATCH: i64 = 10_000;
/// A waiting result holds a place in the prefetch window; a minute of them is already a provider's fault.
const MAX_ORDERING_GRACE: Duration = Duration::from_secs(60);
const MIN_SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
const MAX_SHUTDOWN_GRACE: Duration = Duration::from_secs(600);

#[derive(Debug, Clone)]
pub struct Database {
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
            Self::Postgres(url) => f.write_str(&without_credentials(url)),
        }
    }
}

impl DatabaseUrl {
    /// Whether it goes to another machine without TLS.
    pub fn is_exposed(&self) -> bool {
        let Self::Postgres(url) = self else { return false };
        let (place, query) = url.expose().split_once('?').unwrap_or((url.expose(), ""));
        let is_encrypted = |mode: &str| matches!(mode, "require" | "verify-ca" | "verify-full");
        let encrypted = query.split('&').filter_map(|pair| pair.strip_prefix("sslmode=")).any(is_encrypted);
        !encrypted && is_elsewhere(place)
    }
}

#[derive(Debug, Clone)]
pub struct Amqp {
    /// None: no subscribers.
    pub url: Option<Secret>,
    pub queue_type: QueueType,
    pub prefetch: u16,
    pub delivery_limit: u32,
    pub ca_file: Option<PathBuf>,
    /// The certificate and its key are given together, for mutual TLS.
    pub client_cert_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
    /// What the broker calls Purser, where the certificate says it and not the URL.
    pub user: Option<String>,
}

impl Amqp {
    /// The broker's URL in this virtual host.
    pub fn url_in(&self, vhost: Option<&str>) -> Option<Secret> {
        let url = self.url.as_ref()?;
        let Some(vhost) = vhost else { return Some(url.clone()) };
        let mut parsed = Url::parse(url.expose()).ok()?;
        parsed.path_segments_mut().ok()?.clear().push(vhost);
        Some(Secret::new(String::from(parsed)))
    }

    /// Whether a certificate is the login, and nobody has said what the broker calls whoever shows it.
    pub fn is_nameless(&self) -> bool {
        let is_external =
            |url: &Secret| Url::parse(url.expose()).is_ok_and(|url| url.query_pairs().any(|pair| is_external(&pair)));
        self.user.is_none() && self.url.as_ref().is_some_and(is_external)
    }

    /// The address of this virtual host, fit for logs.
    pub fn address_in(&self, vhost: Option<&str>) -> Option<String> {
        self.url_in(vhost).as_ref().map(without_credentials)
    }

    /// Whether it goes to another machine without TLS.
    pub fn is_exposed(&self) -> bool {
        self.url.as_ref().is_some_and(|url| url.expose().starts_with("amqp:") && is_elsewhere(url.expose()))
    }

    /// The broker's address, fit for logs.
    pub fn address(&self) -> Option<String> {
        self.url.as_ref().map(without_credentials)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueType {
    Quorum,
    Classic,
}

impl QueueType {
    /// The value of the queue argument `x-queue-type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Quorum, Self::Classic].into_iter().find(|queue_type| queue_type.as_str() == text)
    }
}

#[derive(Debug, Clone)]
pub struct Http {
    /// None: no HTTP.
    pub listen: Option<SocketAddr>,
    /// None: the admin API and the console are off.
    pub admin_token: Option<Secret>,
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

pub(super) fn database(mut section: Section) -> Result<Database, ConfigError> {
    let (place, url) = section.secret("url")?.ok_or_else(|| section.place().wrong("needs a url"))?;
    section.finish()?;
    Ok(Database { url: database_url(&place, url)? })
}

fn database_url(place: &Place, secret: Secret) -> Result<DatabaseUrl, ConfigError> {
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

pub(super) fn amqp(mut section: Section) -> Result<Amqp, ConfigError> {
    let url = section.secret("url")?;
    let queue_type = section.require("queue_type")?.parsed("must be \"quorum\" or \"classic\"", QueueType::parse)?;
    let prefetch = section.require("prefetch")?.integer(MIN_PREFETCH..=i64::from(u16::MAX))?;
    let delivery_limit = section.require("delivery_limit")?.integer(1..=i64::from(u32::MAX))?;
    let ca_file = section.path("ca_file")?;
    let client_cert_file = section.path("client_cert_file")?;
    let client_key_file = section.path("client_key_file")?;
    let user = section.text("user")?;
    if client_cert_file.is_some() != client_key_file.is_some() {
        return Err(section.place().wrong("needs client_cert_file and client_key_file together, or neither"));
    }
    if let Some((place, url)) = &url {
        let has_files = ca_file.is_some() || client_cert_file.is_some();
        check_encryption(place, url, has_files, client_cert_file.is_some())?;
    }
    section.finish()?;
    let (prefetch, delivery_limit) = (narrow(prefetch), narrow(delivery_limit));
    let url = url.map(|(_, url)| url);
    Ok(Amqp { url, queue_type, prefetch, delivery_limit, ca_file, client_cert_file, client_key_file, user })
}

/// What may be said after the question mark; anything else, such as the files that other clients take there, would be
/// passed over in silence.
const AMQP_PARAMETERS: [&str; 5] = ["auth_mechanism", "channel_max", "connection_timeout", "frame_max", "heartbeat"];

/// The URL, and whether what is said about TLS in it and beside it goes together.
fn check_encryption(place: &Place, secret: &Secret, has_files: bool, has_cert: bool) -> Result<(), ConfigError> {
    let parsed = Url::parse(secret.expose()).ok();
    let Some(url) = parsed.filter(|url| matches!(url.scheme(), "amqp" | "amqps") && url.has_host()) else {
        return Err(place.wrong("must be amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps:// for TLS"));
    };
    let is_plain = url.scheme() == "amqp";
    let is_unknown = |name: &str| !AMQP_PARAMETERS.contains(&name);
    if url.query_pairs().any(|(name, _)| is_unknown(&name)) {
        let known = AMQP_PARAMETERS.join(", ");
        return Err(
            place.wrong(format!("takes these parameters and no others: {known}; ca_file is a setting of its own"))
        );
    }
    if is_plain && has_files {
        return Err(place.wrong("begins with amqp://, so that the files for TLS would not be used; write amqps://"));
    }
    if url.query_pairs().any(|pair| is_external(&pair)) && (is_plain || !has_cert) {
        return Err(place.wrong("with auth_mechanism=external needs amqps://, client_cert_file and client_key_file"));
    }
    Ok(())
}

fn is_external((name, value): &(Cow<'_, str>, Cow<'_, str>)) -> bool {
    name == "auth_mechanism" && value.eq_ignore_ascii_case("external")
}

pub(super) fn http(mut section: Section) -> Result<Http, ConfigError> {
    let listen = section.require("listen")?.parsed(
        "must be an IP address and a port such as \"127.0.0.1:8080\", or empty for no HTTP",
        |text| {
            if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
        },
    )?;
    let admin_token = section.secret("admin_token")?.map(|(_, token)| token);
    let trusted_proxies = section.list("trusted_proxies")?.into_iter().map(network).collect::<Result<_, _>>()?;
    section.finish()?;
    Ok(Http { listen, admin_token, trusted_proxies })
}

fn network(setting: Setting) -> Result<Network, ConfigError> {
    setting.parsed("must be an IP address or a network such as \"10.0.0.0/8\"", Network::parse)
}

pub(super) fn ledger(mut section: Section) -> Result<Ledger, ConfigError> {
    let max_batch = narrow(section.require("max_batch")?.integer(1..=MAX_BATCH)?);
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
        let exponent = currency_section.require("exponent")?.integer(0..=i64::from(MAX_EXPONENT))?;
        currency_section.finish()?;
        exponents.insert(currency, narrow(exponent));
    }
    Ok(exponents)
}

/// For numbers whose bounds have been checked: nothing is ever cut off here.
fn narrow<T: TryFrom<i64> + Default>(checked: i64) -> T {
    T::try_from(checked).unwrap_or_default()
}

/// Whether a URL's host is another machine; several hosts are.
fn is_elsewhere(url: &str) -> bool {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_none_or(|host| host != "localhost" && host != "[::1]" && !host.starts_with("127."))
}

/// Scheme, host, port and path: never user, password or parameters.
fn without_credentials(secret: &Secret) -> String {
    let Ok(url) = Url::parse(secret.expose()) else {
        return secret.to_string();
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}
