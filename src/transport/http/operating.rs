//! `/healthz`, `/readyz` and `/metrics`: what whoever runs the program looks at.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use metrics_process::Collector;
use serde::Serialize;
use tokio::sync::watch;

use crate::ledger::Party;
use crate::metrics;
use crate::transport::amqp::Broker;
use crate::wallet::{AbsentParties, LedgersHealth};

/// Seconds after which a caller should ask again while something is away.
pub const RETRY_AFTER: &str = "1";

/// What `/readyz` looks at.
#[derive(Clone)]
pub struct Readiness {
    pub databases: LedgersHealth,
    /// None where no broker is configured.
    pub brokers: Vec<(Party, watch::Receiver<Broker>)>,
    /// Every party, with those of its ledger who are not served from it.
    pub absent: Vec<(Party, watch::Receiver<AbsentParties>)>,
    pub draining: watch::Receiver<bool>,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    database: String,
    broker: String,
    /// How the connection of each party stands, in the same words.
    parties: BTreeMap<Party, String>,
}

/// The routes for whoever runs the program.
pub fn router(readiness: Readiness, recorded: PrometheusHandle) -> Router {
    let process = Collector::default();
    process.describe();
    let render = async move |State(readiness): State<Readiness>| {
        // What is so now is looked at now: whoever scrapes is not told of a moment before.
        readiness.record();
        process.collect();
        recorded.render()
    };
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(readiness)
}

async fn healthz() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "alive": true }))
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let report = readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = (status, Json(&report)).into_response();
    if !report.ready {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}

impl Readiness {
    fn record(&self) {
        metrics::readiness(self.report().ready, self.databases.are_there());
        for (party, broker) in &self.brokers {
            let is_connected = !matches!(&*broker.borrow(), Broker::Away(_));
            metrics::broker_connected(party.as_str(), is_connected);
        }
    }

    fn report(&self) -> Report {
        let database = self.report_databases();
        let broker = self.report_broker();
        let ready = database.is_ok() && broker.is_ok() && !*self.draining.borrow();
        let mut parties: BTreeMap<Party, String> =
            self.brokers.iter().map(|(party, broker)| (party.clone(), told(&broker.borrow()))).collect();
        for (party, why) in self.absent() {
            parties.entry(party).or_insert_with(|| format!("away: {why}"));
        }
        Report {
            ready,
            database: database.unwrap_or_else(|why| why),
            broker: broker.unwrap_or_else(|why| why),
            parties,
        }
    }

    /// Parties that are not served, and why. Where there is a broker, their connections say so, too.
    pub fn absent(&self) -> Vec<(Party, String)> {
        let why = |(party, absent): &(Party, watch::Receiver<AbsentParties>)| {
            Some((party.clone(), absent.borrow().get(party)?.clone()))
        };
        self.absent.iter().filter_map(why).collect()
    }

    /// `Err` where none can be used: the parties of a ledger that is there are served while another is away.
    fn report_databases(&self) -> Result<String, String> {
        let away = self.databases.away();
        let Some((ledger, why)) = away.first() else { return Ok("ready".to_owned()) };
        match ledger {
            Some(ledger) if self.databases.each().any(|(_, is_there)| is_there) => {
                Ok(format!("ready, but away for ledger {ledger}: {why}"))
            }
            _ => Err(format!("away: {why}")),
        }
    }

    /// `Err` where it cannot be used. That the connection of some party is away is said, but is no reason to take the
    /// others out of service: its own provider may have broken it.
    fn report_broker(&self) -> Result<String, String> {
        let (mut away, mut unexpected) = (Vec::new(), BTreeSet::new());
        for (party, broker) in &self.brokers {
            match &*broker.borrow() {
                Broker::Connected { mismatches } => {
                    unexpected.extend(mismatches.iter().map(|mismatch| mismatch.name.clone()));
                }
                Broker::Blocked { reason, .. } => return Err(format!("blocked: {reason}")),
                Broker::Away(why) => away.push((party, why.clone())),
            }
        }
        let unexpected: Vec<String> = unexpected.into_iter().collect();
        match away.first() {
            Some((_, why)) if away.len() == self.brokers.len() => Err(format!("away: {why}")),
            _ if !unexpected.is_empty() => {
                Err(format!("not as expected: {} (see `purser check`)", unexpected.join(", ")))
            }
            Some((party, why)) => Ok(format!("ready, but away for {party}: {why}")),
            None if self.brokers.is_empty() => self.report_without_broker(),
            None => Ok("ready".to_owned()),
        }
    }

    /// `Err` where nobody is served over HTTP either.
    fn report_without_broker(&self) -> Result<String, String> {
        let absent = self.absent();
        let Some((party, why)) = absent.first() else { return Ok("off".to_owned()) };
        let says = format!("off, and away for {party}: {why}");
        if absent.len() == self.absent.len() { Err(says) } else { Ok(says) }
    }
}

/// How one party's connection stands.
fn told(broker: &Broker) -> String {
    match broker {
        Broker::Connected { mismatches } if mismatches.is_empty() => "ready".to_owned(),
        Broker::Connected { mismatches } => {
            let names: Vec<&str> = mismatches.iter().map(|mismatch| mismatch.name.as_str()).collect();
            format!("not as expected: {} (see `purser check`)", names.join(", "))
        }
        Broker::Blocked { reason, .. } => format!("blocked: {reason}"),
        Broker::Away(why) => format!("away: {why}"),
    }
}
