//! How it goes, looked at once a second: rates and times out of what is recorded anyway, for `/admin/v1/live` and the
//! plots of the console's overview.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::health::{self, Trouble};
use super::operating::Readiness;
use crate::admin::shown;
use crate::clock;
use crate::ledger::Party;
use crate::metrics::{Interval, Samples};
use crate::transport::amqp::Broker;

const EVERY: Duration = Duration::from_secs(1);

/// Looks over which rates and times are told: one alone would jump about.
const WINDOW: usize = 10;

/// Moments that are kept for plots: two minutes.
const KEPT: usize = 120;

/// Streams at once: each holds a connection.
const STREAMS: usize = 32;

/// Moments of one stream; whoever wants more asks again, and is looked at again.
const LONGEST: usize = 3600;

/// What is looked at, and what was seen.
pub struct Live {
    readiness: Readiness,
    recorded: PrometheusHandle,
    parties: Vec<Party>,
    seen: Mutex<Seen>,
    newest: watch::Sender<Option<Arc<Moment>>>,
    streams: Arc<Semaphore>,
}

#[derive(Default)]
struct Seen {
    samples: VecDeque<Samples>,
    moments: VecDeque<Arc<Moment>>,
}

/// How it stood at one moment.
#[derive(Debug, Serialize)]
pub struct Moment {
    pub at: String,
    /// Requests answered a second, by party and operation; those of the last ten seconds.
    pub operations: Vec<OperationShown>,
    pub queues: Vec<QueueShown>,
    /// Age of what was received, by party.
    pub ages: Vec<AgeShown>,
    /// Results and cancels that wait for their bet.
    pub waiting: f64,
    /// Commands of a batch, on average.
    pub batch_commands: Option<f64>,
    pub connections: Vec<ConnectionShown>,
    pub health: Vec<TroubleShown>,
}

impl Moment {
    /// Without what no party asked for: whoever looks would see himself.
    pub fn of_parties(&self) -> impl Iterator<Item = &OperationShown> {
        self.operations.iter().filter(|shown| shown.party != "-")
    }
}

#[derive(Debug, Serialize)]
pub struct OperationShown {
    pub party: String,
    pub operation: String,
    pub per_second: f64,
    pub p50_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct QueueShown {
    pub party: String,
    pub queue: String,
    /// That lie ready.
    pub messages: f64,
}

#[derive(Debug, Serialize)]
pub struct AgeShown {
    pub party: String,
    pub p50_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct ConnectionShown {
    pub party: String,
    pub is_connected: bool,
}

#[derive(Debug, Serialize)]
pub struct TroubleShown {
    pub what: String,
    pub party: Option<Party>,
    pub detail: String,
    /// Whether something does not work; else it waits for a person.
    pub is_bad: bool,
    pub what_to_do: String,
}

impl Live {
    /// Begins to look, until the program drains.
    pub fn start(readiness: Readiness, recorded: PrometheusHandle, parties: Vec<Party>) -> Arc<Self> {
        let (newest, _) = watch::channel(None);
        let (seen, streams) = (Mutex::default(), Arc::new(Semaphore::new(STREAMS)));
        let live = Arc::new(Self { readiness, recorded, parties, seen, newest, streams });
        tokio::spawn(Arc::clone(&live).run());
        live
    }

    async fn run(self: Arc<Self>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut draining = self.readiness.draining.clone();
        loop {
            tokio::select! {
                _ = ticks.tick() => self.look(),
                _ = draining.wait_for(|draining| *draining) => return,
            }
        }
    }

    /// What is recorded now.
    pub fn samples(&self) -> Samples {
        Samples::parse(&self.recorded.render())
    }

    /// Those that are kept, the newest last.
    pub fn moments(&self) -> Vec<Arc<Moment>> {
        self.lock().moments.iter().map(Arc::clone).collect()
    }

    fn look(&self) {
        let now = self.samples();
        let mut seen = self.lock();
        let moment = Arc::new(self.moment(seen.samples.front().unwrap_or(&now), &now, seen.samples.len()));
        seen.samples.push_back(now);
        seen.moments.push_back(Arc::clone(&moment));
        if seen.samples.len() > WINDOW {
            seen.samples.pop_front();
        }
        if seen.moments.len() > KEPT {
            seen.moments.pop_front();
        }
        drop(seen);
        self.newest.send_replace(Some(moment));
    }

    /// `looks` ago it stood as `before`.
    fn moment(&self, before: &Samples, now: &Samples, looks: usize) -> Moment {
        let seconds = f64::from(u32::try_from(looks).unwrap_or(u32::MAX)).max(1.0) * EVERY.as_secs_f64();
        let batches = Interval::all(before, now, "purser_batch_commands").into_values().next().unwrap_or_default();
        let connection = |(party, state): &(Party, watch::Receiver<Broker>)| ConnectionShown {
            party: party.to_string(),
            is_connected: !matches!(&*state.borrow(), Broker::Away(_)),
        };
        Moment {
            at: shown::moment(clock::now()),
            operations: operations(before, now, seconds),
            queues: queues(now),
            ages: self.ages(before, now),
            waiting: now.sum("purser_waiting_commands").unwrap_or(0.0),
            batch_commands: (batches.count > 0.0).then(|| batches.sum / batches.count),
            connections: self.readiness.brokers.iter().map(connection).collect(),
            health: health::troubles(&self.readiness, now, self.parties.iter()).iter().map(trouble).collect(),
        }
    }

    fn ages(&self, before: &Samples, now: &Samples) -> Vec<AgeShown> {
        let taken = Interval::all(before, now, "purser_request_age_seconds");
        let taken: HashMap<&str, &Interval> =
            taken.iter().filter_map(|(labels, taken)| Some((labels.get("party")?.as_str(), taken))).collect();
        let age = |party: &Party| {
            let quantile = |share| taken.get(party.as_str())?.quantile(share);
            AgeShown { party: party.to_string(), p50_seconds: quantile(0.5), p99_seconds: quantile(0.99) }
        };
        self.parties.iter().map(age).collect()
    }

    /// Server-sent events, one a moment; `None` where there are too many streams.
    pub fn stream(&self) -> Option<Body> {
        let permit = Arc::clone(&self.streams).try_acquire_owned().ok()?;
        let (mut newest, draining) = (self.newest.subscribe(), self.readiness.draining.clone());
        if newest.borrow().is_some() {
            newest.mark_changed();
        }
        let begun = (newest, draining, permit, 0);
        let events = stream::unfold(begun, |(mut newest, mut draining, permit, sent)| async move {
            let moment = tokio::select! {
                changed = newest.changed() => changed.ok().and_then(|()| newest.borrow_and_update().clone()),
                _ = draining.wait_for(|draining| *draining) => None,
            };
            let event = event(&*moment.filter(|_| sent < LONGEST)?);
            Some((Ok::<Bytes, Infallible>(event), (newest, draining, permit, sent + 1)))
        });
        Some(Body::from_stream(events))
    }

    /// No panic can leave what was seen half changed.
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(moment: &Moment) -> Bytes {
    format!("event: moment\ndata: {}\n\n", serde_json::to_string(moment).unwrap_or_default()).into()
}

fn operations(before: &Samples, now: &Samples, seconds: f64) -> Vec<OperationShown> {
    let shown = |(mut labels, taken): (BTreeMap<String, String>, Interval)| OperationShown {
        party: labels.remove("party").unwrap_or_default(),
        operation: labels.remove("operation").unwrap_or_default(),
        per_second: taken.count / seconds,
        p50_seconds: taken.quantile(0.5),
        p99_seconds: taken.quantile(0.99),
    };
    let mut shown: Vec<_> =
        Interval::all(before, now, "purser_request_duration_seconds").into_iter().map(shown).collect();
    shown.sort_by(|a, b| (&a.party, &a.operation).cmp(&(&b.party, &b.operation)));
    shown
}

fn queues(now: &Samples) -> Vec<QueueShown> {
    let shown = now.of("purser_queue_messages").map(|sample| QueueShown {
        party: sample.label("party").to_owned(),
        queue: sample.label("queue").to_owned(),
        messages: sample.value,
    });
    let mut shown: Vec<QueueShown> = shown.collect();
    shown.sort_by(|a, b| a.queue.cmp(&b.queue));
    shown
}

fn trouble(trouble: &Trouble) -> TroubleShown {
    TroubleShown {
        what: trouble.what.clone(),
        party: trouble.party.clone(),
        detail: trouble.detail.clone(),
        is_bad: trouble.is_bad(),
        what_to_do: trouble.what_to_do(),
    }
}
