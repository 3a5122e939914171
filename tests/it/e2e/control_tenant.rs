//! Another party's provider, who asks at fixed moments and notes how long each answer takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use purser::config::Secret;
use purser::dialects::egpp::Operation;
use purser::provider::{Provider, ProviderRequest};
use purser::tls::Files;
use purser::transport::amqp::topology::{BrokerQueueType, QueueSettings};
use purser::transport::amqp::{AmqpSettings, BrokerNodes, TLS_NAMES};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::stage::{Stage, party};

/// The party beside the one that is flooded, and its player.
pub const CALM: &str = "calm";
pub const PLAYER: &str = "nina";

/// Between two bets: forty a second.
pub const PACE: Duration = Duration::from_millis(25);

/// How long answers took, from the moment at which their bets were due.
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The `per_mille`-th thousandth.
    pub fn at(&self, per_mille: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((self.0.len() * per_mille / 1000).min(last)).copied().unwrap_or_default()
    }
}

pub struct Neighbour {
    provider: Arc<Provider>,
    asked: u32,
}

/// A neighbour who is asking.
pub struct Asking {
    stop: watch::Sender<bool>,
    asking: JoinHandle<(Neighbour, Latencies)>,
}

impl Neighbour {
    pub async fn connect(stage: &Stage) -> Self {
        let settings = AmqpSettings {
            nodes: BrokerNodes::new(vec![Secret::new(stage.vhost.amqp_url())]),
            user: None,
            queues: QueueSettings::new(BrokerQueueType::Quorum, 20),
            prefetch: 1000,
            tls: Files { names: &TLS_NAMES, ca: None, identity: None },
        };
        let provider = Provider::connect(&settings, party(CALM)).await.expect("a provider");
        Self { provider: Arc::new(provider), asked: 0 }
    }

    /// Begins to ask.
    pub fn ask(mut self) -> Asking {
        let (stop, stopped) = watch::channel(false);
        let asking = tokio::spawn(async move {
            let mut under_way = JoinSet::new();
            let mut due = tokio::time::interval(PACE);
            while !*stopped.borrow() {
                let due = due.tick().await.into_std();
                under_way.spawn(bet(Arc::clone(&self.provider), self.asked, due));
                self.asked += 1;
            }
            let mut latencies = under_way.join_all().await;
            latencies.sort();
            (self, Latencies(latencies))
        });
        Asking { stop, asking }
    }
}

impl Asking {
    /// Asks no more, and waits for the last answer.
    pub async fn end(self) -> (Neighbour, Latencies) {
        self.stop.send_replace(true);
        self.asking.await.expect("every bet was answered, and taken")
    }
}

async fn bet(provider: Arc<Provider>, number: u32, due: Instant) -> Duration {
    let body = json!({
        "amount": 1, "currency": "CHF", "game": "wallstroulette", "round": 1, "playerId": PLAYER,
        "externalId": format!("calm-{number}"),
    });
    let request = ProviderRequest {
        operation: Operation::OrderBet,
        correlation: format!("calm-{number}"),
        body: body.to_string().into_bytes(),
        token: None,
    };
    let reply = provider.ask(request).await.expect("a reply");
    assert_eq!(reply.code(), "201", "{}", reply.text());
    due.elapsed()
}
