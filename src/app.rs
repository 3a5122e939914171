//! The composition root: the only file that knows every module.

mod history;
mod counts;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::select_all;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::admin::audits::Audits;
use crate::config::{Amqp, Config, DatabaseUrl, LeaderLocator, QueueType};
use crate::dialects::egpp::{EgppHandler, Operation, rest};
use crate::dialects::http::{Dialect, Mount, MountContext, PartyContext};
use crate::dialects::{self, asyncapi, openapi};
use crate::identity::TokenVerifier;
use crate::identity::operators::Operators;
use crate::identity::password::PasswordChecker;
use crate::ledger::Party;
use crate::metrics;
use crate::storage::postgres::Address;
use crate::storage::{Database, Reader, StoreError, sqlite};
use crate::telemetry::Spans;
use crate::tls::Files;
use crate::transport::amqp::admission::Admission;
use crate::transport::amqp::direct::SharedNodes;
use crate::transport::amqp::session::Context;
use crate::transport::amqp::topology::{self, QueueSettings};
use crate::transport::amqp::{AmqpSettings, Broker, BrokerNodes, Supervisor, TLS_NAMES};
use crate::transport::http::admin::dead::DeadLetters;
use crate::transport::http::admin::{self, routes};
use crate::transport::http::console::{self, Console};
use crate::transport::http::documents;
use crate::transport::http::live::Live;
use crate::transport::http::mounts::{self, Serving};
use crate::transport::http::operating::{self, Readiness};
use crate::transport::http::origin::Origins;
use crate::transport::http::{places, server};
use crate::wallet::{BetBacklogs, Bounds, Health, Sequencer, Shared};
use crate::wallet::{DatabaseHealth, LiveWallet, SharedWallet};

/// Writers on Postgres. Two would decide one batch while the other commits, but halve the batches: on two cores that
/// took a fifth more processor time for each command (see `docs/PERFORMANCE.md`).
const POSTGRES_LANES: usize = 1;

/// Pause between attempts to reach the database at the start.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// Members of each queue where the broker is a cluster: one on every node, up to so many. More would not survive more than
/// anybody has seen, and make every message slower.
const CLUSTER_GROUP_SIZE: u32 = 5;

/// How long the end waits for a collector that is slow.
const SPANS_PATIENCE: Duration = Duration::from_secs(2);

/// How long an HTTP request may take, beside what a result may wait for its bet.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// Waiting results and cancels of a queue above which it counts as crowded: this share of its prefetch.
const CROWD_SHARE_OF_PREFETCH: usize = 2;

/// The configured database.
pub fn database(config: &Config) -> Database {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) => Database::Sqlite(path.clone()),
        DatabaseUrl::Postgres(url) => Database::Postgres(url.expose().to_owned()),
    }
}

/// How to reach the broker for a party; `None` where none is configured.
pub fn broker(config: &Config, party: &Party) -> Option<AmqpSettings> {
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

/// The files that connections to database and broker are made with, where they speak TLS.
pub struct Encryption {
    pub database: Option<Files>,
    pub broker: Option<Files>,
}

impl Encryption {
    /// `Err` where the database's URL says something about TLS that cannot be understood.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        let database = match &config.database.url {
            DatabaseUrl::Sqlite(_) => None,
            DatabaseUrl::Postgres(url) => Address::parse(url.expose()).map_err(anyhow::Error::msg)?.tls,
        };
        let speaks = config.amqp.urls.iter().any(|url| url.expose().starts_with("amqps:"));
        Ok(Self { database, broker: speaks.then(|| broker_files(config)) })
    }

    /// Reads the files, so that a start fails where one is missing or not what it should be, and does not wait for ever.
    pub fn check(&self) -> anyhow::Result<()> {
        for files in self.database.iter().chain(&self.broker) {
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
pub fn wire(config: &Config) -> anyhow::Result<Wiring> {
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
    let (broker_writers, brokers): (Vec<_>, Vec<_>) = served
        .map(|handler| {
            let (writer, state) = watch::channel(Broker::Away("not connected yet".to_owned()));
            ((Arc::clone(handler), writer), (handler.rules.party.clone(), state))
        })
        .unzip();
    let (lanes_writer, lanes_state) = watch::channel(Health::Away("not connected yet".to_owned()));
    let (reader_writer, reader_state) = watch::channel(Health::Ready);
    let health = DatabaseHealth { lanes: lanes_state, reader: reader_state };
    let readiness = Readiness { database: health.clone(), brokers, draining: draining.clone() };
    let database = database(&config);
    let bounds = Bounds {
        max_batch: config.ledger.max_batch,
        ordering_grace: config.ledger.ordering_grace,
        crowding_limit: usize::from(config.amqp.prefetch) / CROWD_SHARE_OF_PREFETCH,
    };
    let backlogs = BetBacklogs::of(broker_writers.iter().map(|(handler, _)| handler.rules.party.clone()));
    let shared = Shared { bounds, backlogs: backlogs.clone(), health: Arc::new(lanes_writer.clone()) };
    let (sequencer, mut lanes) = start_sequencer(&database, shared, reader_writer)?;
    let reader = Reader::new(database.clone());
    let wallet = LiveWallet::new(sequencer.clone(), reader.clone(), health, places::WORKING);
    // Before anything is served: it may be that the settings are wrong.
    let spans = Spans::start(&config.telemetry)?;
    let http = start_http(&config, readiness, mounts, Arc::new(wallet), &database).await?;
    let stopping = tokio::spawn(async move {
        stop.await;
        tracing::info!("draining");
        drain.send_replace(true);
        // Kept to the end, so that nobody takes its end for a drain.
        drain
    });

    let mut until_stop = draining.clone();
    let stopped_early = async { drop(until_stop.wait_for(|draining| *draining).await) };
    tokio::select! {
        migrated = migrate(&database, &lanes_writer) => migrated?,
        () = stopped_early => {
            drop(sequencer);
            drain_all(Vec::new(), http, lanes).await;
            return Ok(());
        }
    }
    if http.is_some() {
        config.parties.keys().for_each(|party| metrics::introduce(party.as_str()));
        tokio::spawn(counts::keep(reader, config.parties.keys().cloned().collect(), draining.clone()));
    }
    if config.ledger.history {
        tokio::spawn(history::follow(database, draining.clone()));
    }
    let amqp = subscribe(&config, broker_writers, (&sequencer, &backlogs, &spans), &draining);
    tracing::info!("serving");

    tokio::select! {
        stopped = stopping => drop(stopped.context("waiting for a signal")?),
        // Without its lanes the program could only look alive; whoever supervises it starts it again.
        (ended, ..) = select_all(&mut lanes) => {
            ended.context("a lane ended")?;
            anyhow::bail!("a lane ended before the program did");
        }
    }
    // The last handle but the transports': lanes end when nobody can submit any more.
    drop(sequencer);
    let end = tokio::time::Instant::now() + config.shutdown.grace;
    if tokio::time::timeout_at(end, drain_all(amqp, http, lanes)).await.is_err() {
        tracing::warn!("not everything was finished in time; what was not acked comes again");
    }
    if let Some(spans) = spans {
        spans.flush(SPANS_PATIENCE.min(end.saturating_duration_since(tokio::time::Instant::now()))).await;
    }
    Ok(())
}

/// Starts answering before anything else is there: health is asked for from the start, and a dialect says itself that
/// the database is away.
async fn start_http(
    config: &Config,
    readiness: Readiness,
    mounts: Vec<Mount>,
    wallet: SharedWallet,
    database: &Database,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(listen) = config.http.listen else { return Ok(None) };
    let listener = server::bind(listen).await.with_context(|| format!("http.listen {listen}"))?;
    let listen = listener.local_addr().unwrap_or(listen);
    tracing::info!(%listen, "listening for HTTP");
    let draining = readiness.draining.clone();
    let recorded = metrics::start()?;
    let origins =
        Origins { is_loopback: listen.ip().is_loopback(), trusted: config.http.trusted_proxies.as_slice().into() };
    let operators = Operators::of(&config.operators).map(|operators| {
        let (wallet, readiness, origins) = (Arc::clone(&wallet), readiness.clone(), origins.clone());
        let (config, operators) = (Arc::new(config.clone()), Arc::new(operators));
        let (reader, audits) = (Reader::new(database.clone()), Audits::new(database.clone()));
        let dead =
            DeadLetters::of(config.parties.keys().filter_map(|party| Some((party.clone(), broker(&config, party)?))));
        let live = Live::start(readiness.clone(), recorded.clone(), config.parties.keys().cloned().collect());
        let api = admin::Api { config, operators, reader, audits, dead, wallet, readiness, origins, live };
        let api = Arc::new(api);
        admin::router(Arc::clone(&api)).merge(console::router(Console::new(api)))
    });
    let documents = documents::router(&document(config, &mounts), &asyncapi::document(config.parties.keys()));
    let serving = Serving {
        wallet,
        mounts,
        elsewhere: &rest::DIALECT,
        origins,
        patience: config.ledger.ordering_grace + REQUEST_PATIENCE,
    };
    let router = mounts::router(serving).merge(operating::router(readiness, recorded));
    let router = router.merge(documents).merge(operators.unwrap_or_default());
    Ok(Some(tokio::spawn(server::serve(listener, router, draining))))
}

/// The OpenAPI document of what is configured.
pub fn document(config: &Config, mounts: &[Mount]) -> Value {
    let mut document = openapi::document(mounts);
    if !config.operators.is_empty() {
        routes::describe(&mut document);
    }
    document
}

/// Starts a supervisor for each party.
fn subscribe(
    config: &Config,
    parties: Vec<(Arc<EgppHandler>, watch::Sender<Broker>)>,
    (sequencer, backlogs, spans): (&Sequencer, &BetBacklogs, &Option<Arc<Spans>>),
    draining: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let first_sources = (0..).step_by(Operation::ALL.len());
    let contexts = parties.into_iter().zip(first_sources).filter_map(|((handler, state), first_source)| {
        let party = &handler.rules.party;
        let (settings, rules) = (broker(config, party)?, &config.parties.get(party)?.amqp);
        Some(Context {
            rooms: std::array::from_fn(|_| Arc::new(Semaphore::new(usize::from(settings.prefetch)))),
            admission: Arc::new(Admission::new(&settings, rules.users.clone(), rules.reply_queues.clone())),
            direct: SharedNodes::default(),
            settings,
            handler,
            first_source,
            sequencer: sequencer.clone(),
            backlogs: backlogs.clone(),
            spans: spans.clone(),
            broker: state,
            draining: draining.clone(),
        })
    });
    contexts.map(|context| tokio::spawn(Supervisor::new(context).run())).collect()
}

/// Brings the schema up to date; waits for a database that is not there yet.
async fn migrate(database: &Database, health: &watch::Sender<Health>) -> anyhow::Result<()> {
    loop {
        match database.migrate().await {
            Ok(applied) => {
                tracing::info!(applied = applied.len(), "the database schema is up to date");
                if let Ok(missing @ [_, ..]) = database.query(sqlite::compiled_without).await.as_deref() {
                    tracing::warn!(
                        ?missing,
                        "SQLite was compiled otherwise than .cargo/config.toml says, and may be slower"
                    );
                }
                health.send_replace(Health::Ready);
                return Ok(());
            }
            Err(StoreError::Outage(why)) => {
                tracing::warn!(error = why, "the database is away; trying again");
                health.send_replace(Health::Away(why));
                tokio::time::sleep(DATABASE_PAUSE).await;
            }
            Err(error) => return Err(error).context("bringing the database schema up to date"),
        }
    }
}

fn start_sequencer(
    database: &Database,
    shared: Shared,
    reader_health: watch::Sender<Health>,
) -> anyhow::Result<(Sequencer, Vec<JoinHandle<()>>)> {
    let lanes = match database {
        Database::Sqlite(_) => 1,
        Database::Postgres(_) => POSTGRES_LANES,
    };
    let stores = (0..lanes).map(|_| database.writer()).collect::<std::io::Result<Vec<_>>>()?;
    Ok(Sequencer::start(stores, database.balances(), shared, reader_health))
}

/// First no more is taken, then everything taken is answered, then the lanes end.
async fn drain_all(amqp: Vec<JoinHandle<()>>, http: Option<JoinHandle<()>>, lanes: Vec<JoinHandle<()>>) {
    for party in amqp {
        report("amqp", party.await);
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
