//! The composition root: the only file that knows every module.

pub(crate) mod ledgers;
pub(crate) mod absence;
pub(crate) mod party_move;
mod subscriptions;
mod history;
mod counts;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::select_all;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::ledgers::ServedLedger;
use self::subscriptions::Subscription;
use crate::config::{Amqp, Config, DatabaseUrl, LeaderLocator, QueueType};
use crate::dialects::egpp::{EgppHandler, rest};
use crate::dialects::http::{Dialect, Mount, MountContext, PartyContext};
use crate::dialects::{self, asyncapi, openapi};
use crate::identity::TokenVerifier;
use crate::identity::operators::Operators;
use crate::identity::password::PasswordChecker;
use crate::ledger::{LedgerName, Party};
use crate::metrics;
use crate::storage::postgres::Address;
use crate::telemetry::Spans;
use crate::tls::Files;
use crate::transport::amqp::topology::{self, QueueSettings};
use crate::transport::amqp::{AmqpSettings, Broker, BrokerNodes, TLS_NAMES};
use crate::transport::http::admin::dead::DeadLetters;
use crate::transport::http::admin::{self, routes};
use crate::transport::http::console::{self, Console};
use crate::transport::http::documents;
use crate::transport::http::live::Live;
use crate::transport::http::mounts::{self, Serving};
use crate::transport::http::operating::{self, Readiness};
use crate::transport::http::origin::Origins;
use crate::transport::http::{server, traces};
use crate::wallet::{LedgersHealth, PartyWallet, SharedWallet, WalletByParty};

/// Members of each queue where the broker is a cluster: one on every node, up to so many. More would not survive more than
/// anybody has seen, and make every message slower.
const CLUSTER_GROUP_SIZE: u32 = 5;

/// How long the end waits for a collector that is slow.
const SPANS_PATIENCE: Duration = Duration::from_secs(2);

/// How long an HTTP request may take, beside what a result may wait for its bet.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// How to reach the broker for a party; `None` where none is configured.
pub(crate) fn broker(config: &Config, party: &Party) -> Option<AmqpSettings> {
    let amqp = &config.amqp;
    let vhost = config.parties.get(party).and_then(|party| party.amqp.vhost.as_deref());
    let urls = amqp.urls_in(vhost);
    (!urls.is_empty()).then(|| AmqpSettings {
        nodes: BrokerNodes::new(urls),
        user: amqp.user.clone(),
        queues: queues(amqp),
        prefetch: amqp.prefetch,
        tls: broker_files(config),
    })
}

/// Where several nodes are named, nothing may depend on one of them.
fn queues(amqp: &Amqp) -> QueueSettings {
    let is_cluster = amqp.urls.len() > 1;
    QueueSettings {
        queue_type: match amqp.queue_type {
            QueueType::Quorum => topology::BrokerQueueType::Quorum,
            QueueType::Classic => topology::BrokerQueueType::Classic,
        },
        delivery_limit: amqp.delivery_limit,
        group_size: amqp.queue_group_size.or(is_cluster.then_some(CLUSTER_GROUP_SIZE)),
        leader_locator: amqp
            .queue_leader_locator
            .or(is_cluster.then_some(LeaderLocator::Balanced))
            .map(LeaderLocator::as_str),
        disconnected_timeout: amqp.consumer_disconnected_timeout,
    }
}

fn broker_files(config: &Config) -> Files {
    let amqp = &config.amqp;
    let identity: Option<(PathBuf, PathBuf)> = amqp.client_cert_file.clone().zip(amqp.client_key_file.clone());
    Files { names: &TLS_NAMES, ca: amqp.ca_file.clone(), identity }
}

/// The files that connections to databases and broker are made with, where they speak TLS.
pub(crate) struct Encryption {
    /// By the ledger whose database it is.
    pub databases: BTreeMap<LedgerName, Files>,
    pub broker: Option<Files>,
}

impl Encryption {
    /// `Err` where the database's URL says something about TLS that cannot be understood.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        let mut databases = BTreeMap::new();
        for name in config.ledgers_in_use() {
            if let Some(DatabaseUrl::Postgres(url)) = config.ledger_url(&name) {
                let tls = Address::parse(url.expose()).map_err(anyhow::Error::msg)?.tls;
                databases.extend(tls.map(|files| (name, files)));
            }
        }
        let speaks = config.amqp.urls.iter().any(|url| url.expose().starts_with("amqps:"));
        Ok(Self { databases, broker: speaks.then(|| broker_files(config)) })
    }

    /// Reads the files, so that a start fails where one is missing or not what it should be, and does not wait for ever.
    pub fn check(&self) -> anyhow::Result<()> {
        for files in self.databases.values().chain(&self.broker) {
            files.client_config()?;
        }
        Ok(())
    }
}

/// What is made of the configuration before anything runs.
pub struct Wiring {
    /// One handler per party.
    pub handlers: Vec<Arc<EgppHandler>>,
    /// Every HTTP dialect in use.
    pub mounts: Vec<Mount>,
}

/// Reads key files, so it fails where one is missing or not a key.
pub(crate) fn wire(config: &Config) -> anyhow::Result<Wiring> {
    wire_with(config, dialects::HTTP)
}

/// Wires a list of dialects of the caller's own.
pub fn wire_with(config: &Config, http: &[&'static Dialect]) -> anyhow::Result<Wiring> {
    let mut parties = Vec::new();
    for (party, settings) in &config.parties {
        let verifier = match &settings.jwt {
            Some(jwt) => Some(TokenVerifier::open(party, jwt).with_context(|| format!("parties.{party}.jwt"))?),
            None => None,
        };
        parties.push(PartyContext { party, settings, verifier });
    }
    let handler = |host: &PartyContext<'_>| Arc::new(EgppHandler::of(host.party, host.settings, host.verifier.clone()));
    let handlers = parties.iter().map(handler).collect();
    let host = MountContext { config, parties, passwords: PasswordChecker::default() };
    let mut mounts = Vec::new();
    for dialect in http {
        mounts.extend((dialect.mounts)(&host)?);
    }
    mounts::check(&mounts)?;
    Ok(Wiring { handlers, mounts })
}

/// Runs until `stop` comes, then drains.
pub async fn serve(
    config: Config,
    wiring: Wiring,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let Wiring { handlers, mounts } = wiring;
    let (drain, draining) = watch::channel(false);
    let served = handlers.iter().filter(|_| !config.amqp.urls.is_empty());
    let (mut subscriptions, brokers): (Vec<_>, Vec<_>) = served
        .map(|handler| {
            let (broker, state) = watch::channel(Broker::Away("not connected yet".to_owned()));
            (Subscription { handler: Arc::clone(handler), broker }, (handler.rules.party.clone(), state))
        })
        .unzip();
    let (mut ledgers, mut lanes) = (Vec::new(), Vec::new());
    for name in config.ledgers_in_use() {
        let (ledger, tasks) = ServedLedger::start(&config, name)?;
        ledgers.push(Arc::new(ledger));
        lanes.extend(tasks);
    }
    let databases = LedgersHealth::of(ledgers.iter().map(|ledger| (ledger.name.clone(), ledger.health.clone())));
    let absent = ledgers.iter().flat_map(|ledger| ledger.parties.iter().map(|party| (party.clone(), ledger.absent())));
    let readiness = Readiness { databases, brokers, absent: absent.collect(), draining: draining.clone() };
    // Before anything is served: it may be that the settings are wrong.
    let spans = Spans::start(&config.telemetry)?;
    let http = start_http(&config, readiness, mounts, &ledgers, spans.clone()).await?;
    let stopping = tokio::spawn(async move {
        stop.await;
        tracing::info!("draining");
        drain.send_replace(true);
        // Kept to the end, so that nobody takes its end for a drain.
        drain
    });

    let config = Arc::new(config);
    let mut parties: Vec<JoinHandle<anyhow::Result<()>>> = Vec::new();
    for ledger in &ledgers {
        let theirs = subscriptions.extract_if(.., |subscription| subscription.is_of(ledger)).collect();
        let serving = serve_ledger(Arc::clone(&config), Arc::clone(ledger), theirs, spans.clone(), draining.clone());
        parties.push(tokio::spawn(serving));
    }
    tokio::select! {
        stopped = stopping => drop(stopped.context("waiting for a signal")?),
        // Without its lanes the program could only look alive; whoever supervises it starts it again.
        (ended, ..) = select_all(&mut lanes) => {
            ended.context("a lane ended")?;
            anyhow::bail!("a lane ended before the program did");
        }
        why = first_failure(&mut parties) => return Err(why),
    }
    // The last handles but the transports': lanes end when nobody can submit any more, and not before it is known why.
    drop(ledgers);
    let end = tokio::time::Instant::now() + config.shutdown.grace;
    if tokio::time::timeout_at(end, drain_all(parties, http, lanes)).await.is_err() {
        tracing::warn!("not everything was finished in time; what was not acked comes again");
    }
    if let Some(spans) = spans {
        spans.flush(SPANS_PATIENCE.min(end.saturating_duration_since(tokio::time::Instant::now()))).await;
    }
    Ok(())
}

/// Serves the parties of one ledger until the program drains: they have to wait for their database, and for no other.
async fn serve_ledger(
    config: Arc<Config>,
    ledger: Arc<ServedLedger>,
    subscriptions: Vec<Subscription>,
    spans: Option<Arc<Spans>>,
    mut draining: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    tokio::select! {
        migrated = ledger.migrate() => migrated?,
        _ = draining.wait_for(|draining| *draining) => return Ok(()),
    }
    ledger.keep_company(&config, &draining);
    let amqp = subscriptions::subscribe(&config, subscriptions, &ledger, &spans, &draining);
    tracing::info!(ledger = %ledger.name, "serving");
    // Its lanes end when nobody holds a handle any more.
    drop(ledger);
    for party in amqp {
        report("amqp", party.await);
    }
    // One without subscribers is served over HTTP alone.
    drop(draining.wait_for(|draining| *draining).await);
    Ok(())
}

/// Why the parties of a ledger cannot be served at all; never, as long as they are.
async fn first_failure(parties: &mut Vec<JoinHandle<anyhow::Result<()>>>) -> anyhow::Error {
    while !parties.is_empty() {
        let (ended, place, _) = select_all(parties.iter_mut()).await;
        drop(parties.swap_remove(place));
        match ended.context("serving a ledger") {
            Ok(Ok(())) => {}
            Ok(Err(error)) | Err(error) => return error,
        }
    }
    std::future::pending().await
}

/// Starts answering before anything else is there: health is asked for from the start, and a dialect says itself that
/// the database is away.
async fn start_http(
    config: &Config,
    readiness: Readiness,
    mounts: Vec<Mount>,
    ledgers: &[Arc<ServedLedger>],
    spans: Option<Arc<Spans>>,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(listen) = config.http.listen else { return Ok(None) };
    let listener = server::bind(listen).await.with_context(|| format!("http.listen {listen}"))?;
    let listen = listener.local_addr().unwrap_or(listen);
    tracing::info!(%listen, "listening for HTTP");
    let draining = readiness.draining.clone();
    let recorded = metrics::start()?;
    config.parties.keys().for_each(|party| metrics::introduce(party.as_str()));
    let origins =
        Origins { is_loopback: listen.ip().is_loopback(), trusted: config.http.trusted_proxies.as_slice().into() };
    let wallet = wallet(ledgers);
    let operated = ledgers::operated(config).context("no party is configured")?;
    let operators = Operators::of(&config.operators).map(|operators| {
        let (wallet, readiness, origins) = (Arc::clone(&wallet), readiness.clone(), origins.clone());
        let (config, operators) = (Arc::new(config.clone()), Arc::new(operators));
        let dead =
            DeadLetters::of(config.parties.keys().filter_map(|party| Some((party.clone(), broker(&config, party)?))));
        let live = Live::start(readiness.clone(), recorded.clone(), config.parties.keys().cloned().collect());
        let api = Arc::new(admin::Api { config, operators, ledgers: operated, dead, wallet, readiness, origins, live });
        admin::router(Arc::clone(&api)).merge(console::router(Console::new(api)))
    });
    let documents = documents::router(&document(config, &mounts), &asyncapi::document(config.parties.keys()))?;
    let serving = Serving {
        wallet,
        mounts,
        elsewhere: &rest::DIALECT,
        origins,
        patience: config.ledger.ordering_grace + REQUEST_PATIENCE,
    };
    // Health and metrics have no spans: they are asked for all the time, and nobody looks for them.
    let asked = mounts::router(serving).merge(documents).merge(operators.unwrap_or_default());
    let router = traces::traced(asked, spans).merge(operating::router(readiness, recorded));
    Ok(Some(tokio::spawn(server::serve(listener, router, draining))))
}

/// What requests are answered from: each party's ledger.
fn wallet(ledgers: &[Arc<ServedLedger>]) -> SharedWallet {
    Arc::new(WalletByParty::of(ledgers.iter().flat_map(|ledger| {
        let wallet: SharedWallet = Arc::new(ledger.wallet());
        let of =
            move |party: &Party| (party.clone(), PartyWallet { wallet: Arc::clone(&wallet), absent: ledger.absent() });
        ledger.parties.iter().map(of)
    })))
}

/// The OpenAPI document of what is configured.
pub(crate) fn document(config: &Config, mounts: &[Mount]) -> Value {
    let mut document = openapi::document(mounts);
    if !config.operators.is_empty() {
        routes::describe(&mut document);
    }
    document
}

/// First no more is taken, then everything taken is answered, then the lanes end.
async fn drain_all(
    parties: Vec<JoinHandle<anyhow::Result<()>>>,
    http: Option<JoinHandle<()>>,
    lanes: Vec<JoinHandle<()>>,
) {
    for ledger in parties {
        if let Ok(Err(error)) = ledger.await {
            tracing::error!(%error, "a ledger could not be served");
        }
    }
    if let Some(http) = http {
        report("http", http.await);
    }
    for lane in lanes {
        report("lane", lane.await);
    }
    tracing::info!("drained");
}

fn report(task: &str, ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(task, %error, "a task did not end well");
    }
}
