//! `[amqp]`: the broker's nodes, and how queues are kept there.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::error::{ConfigError, SettingPlace};
use super::hosts;
use super::secret::Secret;
use super::section::Section;

/// With one message in hand at a time there is never a batch, nor room for a result that waits for its bet.
const MIN_PREFETCH: u16 = 2;

/// Members of one queue: each one more makes every message slower, and no cluster survives the better for it.
const MAX_GROUP_SIZE: u32 = 9;

/// Below the first a hiccup of the network would hand everything out again; above the second nobody waits for it.
const MIN_DISCONNECTED_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_DISCONNECTED_TIMEOUT: Duration = Duration::from_secs(86_400);

#[derive(Debug, Clone)]
pub struct Amqp {
    /// The nodes of one cluster, tried in turn. None: no subscribers.
    pub urls: Vec<Secret>,
    pub queue_type: QueueType,
    /// Members of a new quorum queue; none: as many as there are nodes, up to five, where several are named, and else as
    /// the broker likes it.
    pub queue_group_size: Option<u32>,
    /// Where a new quorum queue's leader is; none: spread where several nodes are named, else as the broker likes it.
    pub queue_leader_locator: Option<LeaderLocator>,
    /// After how long RabbitMQ (4.3 and later) hands out again what a consumer on an unreachable node has; none: as the
    /// broker likes it.
    pub consumer_disconnected_timeout: Option<Duration>,
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
    /// The broker's URLs in this virtual host.
    pub fn urls_in(&self, vhost: Option<&str>) -> Vec<Secret> {
        let Some(vhost) = vhost else { return self.urls.clone() };
        let moved = |url: &Secret| {
            let mut parsed = Url::parse(url.expose()).ok()?;
            parsed.path_segments_mut().ok()?.clear().push(vhost);
            Some(Secret::new(String::from(parsed)))
        };
        self.urls.iter().filter_map(moved).collect()
    }

    /// Whether a certificate is the login, and nobody has said what the broker calls whoever shows it.
    pub fn is_nameless(&self) -> bool {
        let is_external =
            |url: &Secret| Url::parse(url.expose()).is_ok_and(|url| url.query_pairs().any(|pair| is_external(&pair)));
        self.user.is_none() && self.urls.iter().any(is_external)
    }

    /// The addresses of this virtual host, fit for logs.
    pub fn addresses_in(&self, vhost: Option<&str>) -> Vec<String> {
        self.urls_in(vhost).iter().map(hosts::without_credentials).collect()
    }

    /// The first of them, to be shown where one is enough.
    pub fn address_in(&self, vhost: Option<&str>) -> Option<String> {
        self.addresses_in(vhost).into_iter().next()
    }

    /// The settings whose URL goes to another machine without TLS.
    pub fn exposed(&self) -> Vec<String> {
        let is_exposed = |url: &&Secret| {
            let parsed = Url::parse(url.expose()).ok();
            let host = parsed.as_ref().and_then(Url::host_str);
            url.expose().starts_with("amqp:") && host.is_none_or(hosts::is_elsewhere)
        };
        let exposed: Vec<&Secret> = self.urls.iter().filter(is_exposed).collect();
        match (self.urls.len(), exposed.is_empty()) {
            (_, true) => Vec::new(),
            (1, _) => vec!["amqp.url".to_owned()],
            _ => {
                let addresses: Vec<String> = exposed.into_iter().map(hosts::without_credentials).collect();
                vec![format!("amqp.url ({})", addresses.join(", "))]
            }
        }
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

/// On which node a new queue's leader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderLocator {
    /// On the one through which it is declared.
    ClientLocal,
    /// On one that leads few.
    Balanced,
}

impl LeaderLocator {
    /// The value of the queue argument `x-queue-leader-locator`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientLocal => "client-local",
            Self::Balanced => "balanced",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::ClientLocal, Self::Balanced].into_iter().find(|locator| locator.as_str() == text)
    }
}

pub(super) fn amqp(mut section: Section) -> Result<Amqp, ConfigError> {
    let urls = section.secrets("url")?;
    let queue_type = section.require("queue_type")?.parsed("must be \"quorum\" or \"classic\"", QueueType::parse)?;
    let group_size = section.require("queue_group_size")?;
    let group_size = if group_size.is_empty() { None } else { Some(group_size.integer(1..=MAX_GROUP_SIZE)?) };
    let locator = section.require("queue_leader_locator")?;
    let locator = if locator.is_empty() {
        None
    } else {
        Some(locator.parsed("must be \"client-local\" or \"balanced\"", LeaderLocator::parse)?)
    };
    let timeout = section.require("consumer_disconnected_timeout")?;
    let timeout = if timeout.is_empty() {
        None
    } else {
        Some(timeout.duration(MIN_DISCONNECTED_TIMEOUT..=MAX_DISCONNECTED_TIMEOUT)?)
    };
    let prefetch = section.require("prefetch")?.integer(MIN_PREFETCH..=u16::MAX)?;
    let delivery_limit = section.require("delivery_limit")?.integer(1..=u32::MAX)?;
    let ca_file = section.path("ca_file")?;
    let client_cert_file = section.path("client_cert_file")?;
    let client_key_file = section.path("client_key_file")?;
    let user = section.text("user")?;
    if client_cert_file.is_some() != client_key_file.is_some() {
        return Err(section.place().wrong("needs client_cert_file and client_key_file together, or neither"));
    }
    for (place, url) in &urls {
        let has_files = ca_file.is_some() || client_cert_file.is_some();
        check_encryption(place, url, has_files, client_cert_file.is_some())?;
    }
    check_agreement(&urls)?;
    section.finish()?;
    Ok(Amqp {
        urls: urls.into_iter().map(|(_, url)| url).collect(),
        queue_type,
        queue_group_size: group_size,
        queue_leader_locator: locator,
        consumer_disconnected_timeout: timeout,
        prefetch,
        delivery_limit,
        ca_file,
        client_cert_file,
        client_key_file,
        user,
    })
}

/// What may be said after the question mark; anything else, such as the files that other clients take there, would be
/// passed over in silence.
const AMQP_PARAMETERS: [&str; 5] = ["auth_mechanism", "channel_max", "connection_timeout", "frame_max", "heartbeat"];

/// Bytes of a frame: less would leave no room for a token, or for what a dead letter says beside its message's own headers.
const MIN_FRAME_MAX: u32 = 16 * 1024;

/// The URL, and whether what is said about TLS in it and beside it goes together.
fn check_encryption(place: &SettingPlace, secret: &Secret, has_files: bool, has_cert: bool) -> Result<(), ConfigError> {
    let parsed = Url::parse(secret.expose()).ok();
    let is_one = |url: &Url| matches!(url.scheme(), "amqp" | "amqps") && url.host_str().is_some_and(is_one_host);
    let Some(url) = parsed.filter(is_one) else {
        return Err(place.wrong(
            "must be amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps:// for TLS; several nodes are a list of such URLs",
        ));
    };
    let is_plain = url.scheme() == "amqp";
    let is_unknown = |name: &str| !AMQP_PARAMETERS.contains(&name);
    if url.query_pairs().any(|(name, _)| is_unknown(&name)) {
        let known = AMQP_PARAMETERS.join(", ");
        return Err(
            place.wrong(format!("takes these parameters and no others: {known}; ca_file is a setting of its own"))
        );
    }
    let is_too_small = |size: &str| size.parse::<u32>().map_or(true, |bytes| bytes < MIN_FRAME_MAX);
    if url.query_pairs().any(|(name, value)| name == "frame_max" && is_too_small(&value)) {
        return Err(place.wrong(format!("has a frame_max that is not a number of at least {MIN_FRAME_MAX} bytes")));
    }
    if is_plain && has_files {
        return Err(place.wrong("begins with amqp://, so that the files for TLS would not be used; write amqps://"));
    }
    if url.query_pairs().any(|pair| is_external(&pair)) && (is_plain || !has_cert) {
        return Err(place.wrong("with auth_mechanism=external needs amqps://, client_cert_file and client_key_file"));
    }
    Ok(())
}

/// Several hosts in one URL, as Postgres has them, would be one that no name server knows.
fn is_one_host(host: &str) -> bool {
    !host.is_empty() && !host.contains([',', ' '])
}

/// The nodes of one cluster have the same users and virtual hosts: what differs is a slip of the pen, and whoever moved
/// from one node to the next would be somebody else, or elsewhere.
fn check_agreement(urls: &[(SettingPlace, Secret)]) -> Result<(), ConfigError> {
    let parts = |secret: &Secret| {
        let url = Url::parse(secret.expose()).ok()?;
        let mechanism = url.query_pairs().find(is_external).is_some();
        let vhost = url.path().replace("%2F", "%2f");
        let vhost = if matches!(vhost.as_str(), "" | "/") { "/%2f".to_owned() } else { vhost };
        Some((url.username().to_owned(), vhost, mechanism))
    };
    let Some(((first, one), others)) = urls.split_first() else { return Ok(()) };
    match others.iter().find(|(_, other)| parts(other) != parts(one)) {
        None => Ok(()),
        Some((place, _)) if place.key == first.key => {
            Err(place.wrong("names several users, virtual hosts or login mechanisms; these are nodes of one cluster"))
        }
        Some((place, _)) => Err(place.wrong(format!(
            "names another user, virtual host or login mechanism than {first}; these are nodes of one cluster"
        ))),
    }
}

fn is_external((name, value): &(Cow<'_, str>, Cow<'_, str>)) -> bool {
    name == "auth_mechanism" && value.eq_ignore_ascii_case("external")
}
