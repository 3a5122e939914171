//! The overview: each party, with what is connected, what lies in its queues and what waits for a person.

use askama::Template;

use super::Console;
use super::frame::Frame;
use super::pages::PageRequest;
use super::plots::{self, Plot};
use crate::ledger::Party;
use crate::metrics::Samples;
use crate::transport::amqp::Broker;
use crate::transport::http::admin::problem::Problem;
use crate::transport::http::health::{self, Trouble};
use crate::transport::http::live::{Moment, OperationShown};

/// A party, as it stands. Counts are texts, since what was never counted is not nought.
struct PartyLine {
    name: String,
    is_sandbox: bool,
    broker: &'static str,
    is_connected: bool,
    /// What lies ready in its request queues, in their order, and in the dead letters.
    queues: Vec<String>,
    dead: String,
    voids: String,
}

/// What was answered of one operation in the last ten seconds.
struct Pace {
    party: String,
    operation: String,
    per_second: String,
    p50: String,
    p99: String,
}

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage {
    frame: Frame,
    parties: Vec<PartyLine>,
    /// The request queues' operations, as the columns are called.
    operations: [&'static str; 4],
    waiting: String,
    approvals: String,
    troubles: Vec<Trouble>,
    plots: Vec<Plot>,
    paces: Vec<Pace>,
    database: &'static str,
    version: &'static str,
}

/// The request queues of a party end so.
const OPERATIONS: [&str; 4] = ["balance.get", "order.bet", "order.bet.result", "order.bet.cancel"];

pub async fn show(console: &Console, asked: PageRequest) -> Result<String, Problem> {
    let (samples, readiness, config) = (console.api.live.samples(), &console.api.readiness, &asked.viewing.config);
    let moments = console.api.live.moments();
    let line = |party: &Party, is_sandbox| {
        let state = readiness.brokers.iter().find(|(known, _)| known == party);
        let (broker, is_connected) = state.map_or(("off", true), |(_, state)| told(&state.borrow()));
        let queue = |name: &str| {
            let queue = format!("v1.0.{party}.{name}");
            counted(&samples, "purser_queue_messages", &[("queue", &queue)])
        };
        PartyLine {
            name: party.to_string(),
            is_sandbox,
            broker,
            is_connected,
            queues: OPERATIONS.map(queue).into(),
            dead: queue("dead"),
            voids: counted(&samples, "purser_voids_pending", &[("party", party.as_str())]),
        }
    };
    let page = OverviewPage {
        plots: plots::of(&moments),
        paces: moments.last().map_or_else(Vec::new, |moment| paces(moment)),
        parties: config.parties.iter().map(|(party, settings)| line(party, settings.is_sandbox)).collect(),
        operations: ["balances", "bets", "results", "cancels"],
        waiting: told_count(samples.sum("purser_waiting_commands")),
        approvals: told_count(samples.sum("purser_approvals_pending")),
        troubles: health::troubles(readiness, &samples, config.parties.keys()),
        database: readiness.databases.words().map(|(_, word)| word).find(|word| *word != "ready").unwrap_or("ready"),
        version: env!("CARGO_PKG_VERSION"),
        frame: asked.frame,
    };
    Ok(page.render()?)
}

pub fn told(broker: &Broker) -> (&'static str, bool) {
    match broker {
        Broker::Away(_) => ("away", false),
        Broker::Blocked { .. } => ("blocked", false),
        Broker::Connected { mismatches } if mismatches.is_empty() => ("connected", true),
        Broker::Connected { .. } => ("not as expected", false),
    }
}

/// Of the operations that had anything to do.
fn paces(moment: &Moment) -> Vec<Pace> {
    let busy = moment.of_parties().filter(|shown| shown.per_second > 0.0);
    let pace = |shown: &OperationShown| Pace {
        party: shown.party.clone(),
        operation: shown.operation.clone(),
        per_second: format!("{:.1}", shown.per_second),
        p50: plots::milliseconds(shown.p50_seconds),
        p99: plots::milliseconds(shown.p99_seconds),
    };
    busy.map(pace).collect()
}

fn counted(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> String {
    told_count(samples.value(name, labels))
}

fn told_count(count: Option<f64>) -> String {
    count.map_or_else(|| "–".to_owned(), |count| count.to_string())
}
