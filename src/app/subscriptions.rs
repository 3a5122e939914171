//! The parties' queues: one supervisor each, while the party is served from the ledger that it is configured for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::ledgers::ServedLedger;
use super::{broker, report};
use crate::config::Config;
use crate::dialects::egpp::{EgppHandler, Operation};
use crate::telemetry::Spans;
use crate::transport::amqp::admission::Admission;
use crate::transport::amqp::direct::SharedNodes;
use crate::transport::amqp::session::Context;
use crate::transport::amqp::{Broker, Supervisor};
use crate::wallet::AbsentParties;

/// How long a party is left alone whose supervisor has ended by itself.
const AFTER_A_BUG: Duration = Duration::from_secs(1);

/// A party's queues, before anybody reads them.
pub struct Subscription {
    pub handler: Arc<EgppHandler>,
    pub broker: watch::Sender<Broker>,
}

impl Subscription {
    pub fn is_of(&self, ledger: &ServedLedger) -> bool {
        ledger.parties.contains(&self.handler.rules.party)
    }
}

/// Starts a supervisor for each party of a ledger.
pub fn subscribe(
    config: &Config,
    subscriptions: Vec<Subscription>,
    ledger: &ServedLedger,
    spans: &Option<Arc<Spans>>,
    draining: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let first_sources = (0..).step_by(Operation::ALL.len());
    let contexts = subscriptions.into_iter().zip(first_sources).filter_map(|(subscription, first_source)| {
        let Subscription { handler, broker: state } = subscription;
        let party = &handler.rules.party;
        let (settings, rules) = (broker(config, party)?, &config.parties.get(party)?.amqp);
        Some(Context {
            rooms: std::array::from_fn(|_| Arc::new(Semaphore::new(usize::from(settings.prefetch)))),
            admission: Arc::new(Admission::new(&settings, rules.users.clone(), rules.reply_queues.clone())),
            direct: SharedNodes::default(),
            settings,
            handler,
            first_source,
            sequencer: ledger.sequencer.clone(),
            backlogs: ledger.backlogs.clone(),
            spans: spans.clone(),
            broker: state,
            draining: draining.clone(),
        })
    });
    contexts.map(|context| tokio::spawn(supervise(context, ledger.absent()))).collect()
}

/// Serves a party's queues until the program drains, but for while the party is absent: then they are not read, and what
/// was taken is answered or goes back.
async fn supervise(context: Context, mut absent: watch::Receiver<AbsentParties>) {
    let party = context.handler.rules.party.clone();
    let mut draining = context.draining.clone();
    while !*draining.borrow() {
        let why = absent.borrow_and_update().get(&party).cloned();
        if let Some(why) = why {
            context.broker.send_replace(Broker::Away(why));
            tokio::select! {
                changed = absent.changed() => if changed.is_err() { return },
                _ = draining.wait_for(|draining| *draining) => return,
            }
            continue;
        }
        let (stop, stopping) = watch::channel(false);
        let mut served = tokio::spawn(Supervisor::new(Context { draining: stopping, ..context.clone() }).run());
        let ended = tokio::select! {
            _ = absent.wait_for(|absent| absent.contains_key(&party)) => None,
            _ = draining.wait_for(|draining| *draining) => None,
            ended = &mut served => Some(ended),
        };
        if let Some(ended) = ended {
            // Nobody told it to: a bug of ours. The party is served all the same.
            report("amqp", ended);
            tokio::time::sleep(AFTER_A_BUG).await;
            continue;
        }
        stop.send_replace(true);
        report("amqp", served.await);
    }
}
