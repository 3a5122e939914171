//! A plan: what an act would touch, and once it is run, how far it has come.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::locked;
use crate::admin::redaction::{self, without_tokens};
use crate::admin::shown;
use crate::clock;
use crate::ledger::Party;
use crate::transport::amqp::choice::{Choice, Fingerprint, LetterFilter};
use crate::transport::amqp::dead::{DeadError, DeadQueue};
use crate::transport::amqp::redrive::{Redriven, drop_letters, redrive};
use crate::transport::http::admin::routes::PATH;

/// Letters that one plan touches at the most; the rest takes another one.
const MOST_TOUCHED: usize = 100_000;

/// Letters that a plan names.
const MOST_NAMED: usize = 100;

/// What is done with the letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterAct {
    /// They go back to their queues.
    Redrive,
    /// They are taken out for good.
    Drop,
}

impl LetterAct {
    /// As the trail calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redrive => "dead redrive",
            Self::Drop => "dead drop",
        }
    }
}

/// How far a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Looking,
    Ready,
    Running,
    Done,
    Failed,
}

pub struct Plan {
    pub id: Uuid,
    pub party: Party,
    pub act: LetterAct,
    pub filter: LetterFilter,
    made_at: String,
    state: Mutex<State>,
    /// Changes with the stage.
    stage: watch::Sender<Stage>,
}

struct State {
    /// When the stage began.
    since: Instant,
    seen: u64,
    waiting: u64,
    touched: Vec<Fingerprint>,
    named: Vec<PlannedLetter>,
    homeless: u64,
    is_whole: bool,
    digest: String,
    /// Once it runs.
    done: u64,
    answered: BTreeMap<String, u64>,
    is_uncounted: bool,
    error: Option<String>,
}

/// A letter that a plan would touch.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedLetter {
    pub id: String,
    pub reason: String,
    pub queue: String,
}

/// A plan, as it is shown.
#[derive(Serialize)]
pub struct PlanShown {
    pub id: Uuid,
    pub party: Party,
    pub act: LetterAct,
    pub filter: Value,
    pub state: Stage,
    pub made_at: String,
    /// How many letters were looked at, of how many.
    pub seen: u64,
    pub waiting: u64,
    /// How many it touches, and the first of them.
    pub touches: usize,
    pub letters: Vec<PlannedLetter>,
    /// Meant, and left where they are: they were no requests to the queue that they came from.
    pub homeless: u64,
    /// Whether all that are meant are in it; the rest takes another plan.
    pub is_whole: bool,
    /// Over the act, the filter and every letter that it touches.
    pub digest: String,
    /// Where it is run.
    pub run: String,
    /// How many were touched so far.
    pub done: u64,
    /// Planned, and there no more when it was run.
    pub gone: Option<u64>,
    /// What those that were put back were answered, by code; null where nobody can tell.
    pub answered: Option<BTreeMap<String, u64>>,
    pub unanswered: Option<u64>,
    pub error: Option<String>,
}

impl Plan {
    pub fn new(party: Party, act: LetterAct, filter: LetterFilter) -> Self {
        let state = State {
            since: Instant::now(),
            seen: 0,
            waiting: 0,
            touched: Vec::new(),
            named: Vec::new(),
            homeless: 0,
            is_whole: true,
            digest: String::new(),
            done: 0,
            answered: BTreeMap::new(),
            is_uncounted: false,
            error: None,
        };
        let (id, made_at) = (Uuid::new_v4(), shown::moment(clock::now()));
        let stage = watch::Sender::new(Stage::Looking);
        Self { id, party, act, filter, made_at, state: Mutex::new(state), stage }
    }

    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// One that waits to be run, or to be asked how it ended, is kept for a while; one that is at work as long as it is.
    pub fn is_kept(&self, kept: Duration) -> bool {
        matches!(self.stage(), Stage::Looking | Stage::Running) || self.state().since.elapsed() < kept
    }

    /// Waits, and not for long, until it is no more at work.
    pub async fn settled(&self, patience: Duration) {
        let mut stage = self.stage.subscribe();
        let settled = stage.wait_for(|stage| !matches!(stage, Stage::Looking | Stage::Running));
        // Whoever asked looks again.
        let _ = tokio::time::timeout(patience, settled).await.map(drop);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn enter(&self, stage: Stage) {
        self.state().since = Instant::now();
        self.stage.send_replace(stage);
    }

    /// `false` where it is not ready: it runs once.
    pub fn begin(&self) -> bool {
        let mut is_first = false;
        self.stage.send_if_modified(|stage| {
            is_first = *stage == Stage::Ready;
            if is_first {
                *stage = Stage::Running;
            }
            is_first
        });
        is_first
    }

    pub fn fail(&self, why: &str) {
        self.state().error = Some(without_tokens(why));
        self.enter(Stage::Failed);
    }

    pub fn finish(&self) {
        self.enter(Stage::Done);
    }

    /// Looks what there is to touch.
    pub async fn look(&self, mut queue: DeadQueue) -> Result<(), DeadError> {
        let waiting = queue.count().await?;
        self.state().waiting = waiting;
        for _ in 0..waiting {
            let Some(letter) = queue.next().await? else { break };
            let mut state = self.state();
            state.seen += 1;
            if !self.filter.takes(&letter) {
                continue;
            }
            if self.act == LetterAct::Redrive && queue.home(&letter).is_none() {
                state.homeless += 1;
                continue;
            }
            if state.touched.len() == MOST_TOUCHED {
                state.is_whole = false;
                break;
            }
            state.touched.push(Fingerprint::of(&letter));
            if state.named.len() < MOST_NAMED {
                let (id, reason) = (without_tokens(letter.id()), without_tokens(letter.reason()));
                state.named.push(PlannedLetter { id, reason, queue: without_tokens(letter.queue()) });
            }
        }
        queue.release().await?;
        let digest = self.digest();
        self.state().digest = digest;
        self.enter(Stage::Ready);
        Ok(())
    }

    fn digest(&self) -> String {
        let mut touched = self.state().touched.clone();
        touched.sort_unstable();
        let mut hasher = Sha256::new();
        for text in [self.act.as_str(), self.party.as_str(), &self.filter.described().to_string()] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        touched.iter().for_each(|letter| hasher.update(letter.bytes()));
        shown::hex(&hasher.finalize())
    }

    /// Does what is planned, and says how it ended.
    pub async fn carry_out(&self, mut queue: DeadQueue) -> Result<String, DeadError> {
        let choice = Choice::among(self.filter.clone(), &self.state().touched);
        let outcome = match self.act {
            LetterAct::Redrive => {
                let mut tell = |so_far: &Redriven| self.note(so_far);
                let summary = redrive(&mut queue, &self.party, choice, false, &mut tell).await?;
                self.note(&summary);
                format!("done: {} put back, answered {:?}", summary.put_back, summary.answered)
            }
            LetterAct::Drop => {
                let mut tell = |dropped| self.state().done = dropped;
                let (dropped, _) = drop_letters(&mut queue, choice, false, &mut tell).await?;
                format!("done: {dropped} dropped")
            }
        };
        queue.release().await?;
        Ok(outcome)
    }

    fn note(&self, summary: &Redriven) {
        let mut state = self.state();
        state.done = summary.put_back;
        state.answered.clone_from(&summary.answered);
        state.is_uncounted = summary.is_uncounted;
    }

    /// For the trail.
    pub fn detail(&self) -> Value {
        let state = self.state();
        let (touches, digest) = (state.touched.len(), &state.digest);
        serde_json::json!({
            "plan": self.id, "filter": self.filter.described(), "touches": touches, "digest": digest,
        })
    }

    pub fn shown(&self) -> PlanShown {
        let stage = self.stage();
        let state = self.state();
        let touches = state.touched.len();
        let is_redrive = self.act == LetterAct::Redrive;
        let answered: u64 = state.answered.values().sum();
        let is_told = is_redrive && !state.is_uncounted;
        PlanShown {
            id: self.id,
            party: self.party.clone(),
            act: self.act,
            filter: redaction::exact(self.filter.described()),
            state: stage,
            made_at: self.made_at.clone(),
            seen: state.seen,
            waiting: state.waiting,
            touches,
            letters: state.named.clone(),
            homeless: state.homeless,
            is_whole: state.is_whole,
            digest: state.digest.clone(),
            run: format!("{PATH}/parties/{}/dead-letters/plans/{}/run", self.party, self.id),
            done: state.done,
            gone: (stage == Stage::Done).then(|| (touches as u64).saturating_sub(state.done)),
            answered: is_told.then(|| state.answered.clone()),
            unanswered: is_told.then(|| state.done.saturating_sub(answered)),
            error: state.error.clone(),
        }
    }
}
