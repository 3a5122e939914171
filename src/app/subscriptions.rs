//! The parties' queues: one supervisor each, while the party is served from the ledger that it is configured for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::ledgers::ServedLedger;
use super::{broker, report};
use crate::config::Config;
use crate::dialects::egpp::{EgppHandler, Operation};
use crate::ledger::Party;
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
    contexts.map(|context| tokio::spawn(serve(context, ledger.absent()))).collect()
}

async fn serve(context: Context, absent: watch::Receiver<AbsentParties>) {
    let supervised =
        SupervisedParty { party: context.handler.rules.party.clone(), broker: context.broker.clone(), absent };
    let start = |stopping| tokio::spawn(Supervisor::new(Context { draining: stopping, ..context.clone() }).run());
    supervise(supervised, context.draining.clone(), start).await;
}

struct SupervisedParty {
    party: Party,
    broker: watch::Sender<Broker>,
    absent: watch::Receiver<AbsentParties>,
}

/// Serves a party's queues until the program drains, but for while the party is absent: then they are not read, and what
/// was taken is answered or goes back. Whatever `start` starts ends once it is told to stop.
async fn supervise(
    supervised: SupervisedParty,
    mut draining: watch::Receiver<bool>,
    start: impl Fn(watch::Receiver<bool>) -> JoinHandle<()>,
) {
    let SupervisedParty { party, broker, mut absent } = supervised;
    while !*draining.borrow() {
        let why = absent.borrow_and_update().get(&party).cloned();
        if let Some(why) = why {
            broker.send_replace(Broker::Away(why));
            tokio::select! {
                changed = absent.changed() => if changed.is_err() { return },
                _ = draining.wait_for(|draining| *draining) => return,
            }
            continue;
        }
        let (stop, stopping) = watch::channel(false);
        let mut served = start(stopping);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_party_whose_supervisor_has_panicked_is_served_again() {
        let (party, broker) = (Party::parse("acme").unwrap(), watch::channel(Broker::Away(String::new())).0);
        let (_absent, nobody) = watch::channel(AbsentParties::default());
        let (drain, draining) = watch::channel(false);
        let starts = AtomicU32::new(0);
        let start = |mut stopping: watch::Receiver<bool>| {
            let is_first = starts.fetch_add(1, Ordering::Relaxed) == 0;
            let drain = drain.clone();
            tokio::spawn(async move {
                assert!(!is_first, "a bug");
                drain.send_replace(true);
                drop(stopping.wait_for(|stopping| *stopping).await);
            })
        };
        supervise(SupervisedParty { party, broker, absent: nobody }, draining, start).await;
        assert_eq!(starts.into_inner(), 2);
    }
}
