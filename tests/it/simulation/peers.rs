//! The sessions of a simulated world, which ask each other what is decided as those of `transport::amqp::peers` do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use purser::transport::amqp::tally::BetTally;
use purser::wallet::BetBacklogs;
use purser::wallet::survey::{SessionId, Survey, Surveys};
use tokio::time::timeout;
use uuid::Uuid;

use super::plan::{BETS, acme};
use super::world::World;

/// The pause between surveys, and how long one may take.
const PAUSE: Duration = Duration::from_millis(25);
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// How long a question or answer is under way at most.
const UNDER_WAY_MS: u64 = 10;

pub struct Session {
    id: SessionId,
    pub tally: BetTally,
    is_dead: AtomicBool,
    is_leaving: AtomicBool,
}

impl Session {
    pub fn die(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
    }

    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    async fn answer(&self, world: &World) -> (SessionId, u64) {
        world.pass_up_to(UNDER_WAY_MS).await;
        let received = self.tally.count().await;
        world.pass_up_to(UNDER_WAY_MS).await;
        if self.is_dead.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        (self.id, received)
    }
}

/// Sessions by the number of their process, until the broker knows that they are gone.
#[derive(Default)]
pub struct Sessions(Mutex<BTreeMap<usize, Arc<Session>>>);

impl Sessions {
    pub fn join(&self, process: usize) -> Arc<Session> {
        let id = Uuid::from_u128(process as u128);
        let (is_dead, is_leaving) = (AtomicBool::new(false), AtomicBool::new(false));
        let session = Arc::new(Session { id, tally: BetTally::default(), is_dead, is_leaving });
        self.0.lock().expect("nobody panics with it").insert(process, Arc::clone(&session));
        session
    }

    pub fn remove(&self, process: usize) {
        self.0.lock().expect("nobody panics with it").remove(&process);
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.0.lock().expect("nobody panics with it").values().cloned().collect()
    }
}

/// Surveys the queue of bets whenever somebody waits.
pub async fn survey(world: Arc<World>, own: Arc<Session>, backlogs: BetBacklogs) {
    let (party, mut surveys) = (acme(), Surveys::default());
    loop {
        backlogs.wanted(&party).await;
        World::pass(PAUSE).await;
        let mark = backlogs.measure(&party);
        let ready = world.broker.ready(BETS);
        let consumers = world.sessions.all().iter().filter(|session| !session.is_leaving()).count();
        world.pass_up_to(UNDER_WAY_MS).await;
        let sessions = world.sessions.all();
        let leaving: BTreeSet<SessionId> =
            sessions.iter().filter(|session| session.is_leaving()).map(|session| session.id).collect();
        let asked = join_all(sessions.iter().map(|session| session.answer(&world)));
        let Ok(answers) = timeout(TIMEOUT, asked).await else {
            world.saw("a survey failed");
            continue;
        };
        let survey = Survey { mark, ready, consumers, answers: answers.into_iter().collect(), leaving };
        world.saw("surveyed");
        world.note(|| format!("{} surveys: {survey:?}", own.id));
        if let Some(passed) = surveys.judge(survey) {
            backlogs.pass(&party, passed);
        }
    }
}
