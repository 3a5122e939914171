//! Dead letters over HTTP: what lies there, and plans of what to do with it.
//!
//! Whoever looks at a queue holds what he reads, so nobody else sees it meanwhile: of each party there is one look at a
//! time, and what it has seen is kept for a while. An act is planned first, which only looks, and touches what its plan has
//! seen and nothing else. Plans are kept in the ledger, too, so that any process shows and runs them.
//!
//! Reading order: [`snapshot`] (what is seen), [`look`] (how it comes to be seen), [`stage`] and [`plan`] (what is to be
//! done), [`calls`].

pub(crate) mod snapshot;
pub(crate) mod look;
pub(crate) mod stage;
pub(crate) mod plan;
pub(super) mod calls;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use self::look::LookStage;
use self::plan::Plan;
use self::snapshot::Snapshot;
use crate::ledger::Party;
use crate::transport::amqp::AmqpSettings;
use crate::transport::amqp::dead::{DeadError, DeadQueue};

/// How long what was seen is shown, and how long a plan may wait to be run or its end be asked for.
const KEPT: Duration = Duration::from_secs(600);

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
    turn: tokio::sync::Mutex<()>,
    /// The look that goes on, or has ended and nobody was told.
    under_way: Mutex<Option<watch::Receiver<LookStage>>>,
    /// What was seen last, and when.
    last: Mutex<Option<(Instant, Arc<Snapshot>)>>,
    plans: Mutex<BTreeMap<Uuid, Arc<Plan>>>,
}

impl DeadLetters {
    pub fn of(parties: impl IntoIterator<Item = (Party, AmqpSettings)>) -> Self {
        let letters = |(party, settings): (Party, AmqpSettings)| {
            let letters = PartyLetters {
                party: party.clone(),
                settings,
                turn: tokio::sync::Mutex::default(),
                under_way: Mutex::default(),
                last: Mutex::default(),
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

    fn kept(&self) -> Option<Arc<Snapshot>> {
        let last = locked(&self.last);
        last.as_ref().filter(|(since, _)| since.elapsed() < KEPT).map(|(_, snapshot)| Arc::clone(snapshot))
    }

    /// Some of what was seen is there no more.
    fn forget(&self) {
        *locked(&self.last) = None;
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
