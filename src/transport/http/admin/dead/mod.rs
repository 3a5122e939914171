//! Dead letters over HTTP: what lies there, and plans of what to do with it.
//!
//! Whoever looks at a queue holds what he reads, so nobody else sees it meanwhile: of each party there is one look at a
//! time, and what it has seen is kept for a while. An act is planned first, which only looks, and touches what its plan has
//! seen and nothing else. Plans are kept in the ledger, too, so that any process shows and runs them.
//!
//! Reading order: [`snapshot`] (what is seen), [`stage`] and [`plan`] (what is to be done), [`calls`].

pub(crate) mod snapshot;
pub(crate) mod stage;
pub(crate) mod plan;
pub(super) mod calls;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use self::plan::Plan;
use self::snapshot::Snapshot;
use crate::ledger::Party;
use crate::transport::amqp::AmqpSettings;
use crate::transport::amqp::dead::{DeadError, DeadQueue, unless_lost};

/// How long what was seen is shown, and how long a plan may wait to be run or its end be asked for.
const KEPT: Duration = Duration::from_secs(600);

/// How long a look waits for the one before it.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);

/// Plans of a party that are kept. Each may know a hundred thousand letters, in some MiB.
const MOST_PLANS: usize = 8;

/// The dead letters of every party that has a broker.
pub struct DeadLetters {
    parties: BTreeMap<Party, Arc<PartyLetters>>,
}

/// One party's.
struct PartyLetters {
    party: Party,
    settings: AmqpSettings,
    /// Held by whoever has the queue open.
    look: tokio::sync::Mutex<()>,
    seen: Mutex<Option<(Instant, Arc<Snapshot>)>>,
    plans: Mutex<BTreeMap<Uuid, Arc<Plan>>>,
}

impl DeadLetters {
    pub fn of(parties: impl IntoIterator<Item = (Party, AmqpSettings)>) -> Self {
        let letters = |(party, settings): (Party, AmqpSettings)| {
            let letters = PartyLetters {
                party: party.clone(),
                settings,
                look: tokio::sync::Mutex::default(),
                seen: Mutex::default(),
                plans: Mutex::default(),
            };
            (party, Arc::new(letters))
        };
        Self { parties: parties.into_iter().map(letters).collect() }
    }

    fn of_party(&self, party: &Party) -> Option<Arc<PartyLetters>> {
        self.parties.get(party).cloned()
    }
}

impl PartyLetters {
    async fn open(&self) -> Result<DeadQueue, DeadError> {
        DeadQueue::open(&self.settings, self.party.clone()).await
    }

    /// What was seen not long ago, else what is seen now; `None` where somebody else is at it, and not through soon.
    async fn snapshot(&self) -> Result<Option<Arc<Snapshot>>, DeadError> {
        if let Some(snapshot) = self.kept() {
            return Ok(Some(snapshot));
        }
        let Ok(_look) = tokio::time::timeout(LOOK_PATIENCE, self.look.lock()).await else { return Ok(None) };
        // Whoever had the queue open meanwhile may have seen all that is wanted.
        if let Some(snapshot) = self.kept() {
            return Ok(Some(snapshot));
        }
        let queue = self.open().await?;
        let snapshot = Arc::new(unless_lost(queue.lost(), Snapshot::take(queue)).await?);
        *locked(&self.seen) = Some((Instant::now(), Arc::clone(&snapshot)));
        Ok(Some(snapshot))
    }

    fn kept(&self) -> Option<Arc<Snapshot>> {
        let seen = locked(&self.seen);
        seen.as_ref().filter(|(since, _)| since.elapsed() < KEPT).map(|(_, snapshot)| Arc::clone(snapshot))
    }

    /// Some of what was seen is there no more.
    fn forget(&self) {
        *locked(&self.seen) = None;
    }

    fn plan(&self, id: Uuid) -> Option<Arc<Plan>> {
        locked(&self.plans).get(&id).filter(|plan| plan.is_kept(KEPT)).cloned()
    }

    /// One that another process has made is run here.
    fn adopt(&self, plan: &Arc<Plan>) {
        let mut plans = locked(&self.plans);
        plans.retain(|_, plan| plan.is_kept(KEPT));
        plans.insert(plan.id, Arc::clone(plan));
    }

    fn give_up(&self, plan: &Plan) {
        locked(&self.plans).remove(&plan.id);
    }

    /// `false` where too many are kept that are not over.
    fn keep(&self, plan: &Arc<Plan>) -> bool {
        let mut plans = locked(&self.plans);
        plans.retain(|_, plan| plan.is_kept(KEPT));
        let has_room = plans.len() < MOST_PLANS;
        if has_room {
            plans.insert(plan.id, Arc::clone(plan));
        }
        has_room
    }
}

/// No panic can leave what these hold half changed, so a poisoned lock is as good as any.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
