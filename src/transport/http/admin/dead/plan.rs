//! A plan: what an act would touch, and once it is run, how far it has come.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::stage::Stage;
use super::{KEPT, locked};
use crate::admin::redaction;
use crate::admin::shown;
use crate::admin::trail::DoneSoFar;
use crate::clock;
use crate::ledger::Party;
use crate::redaction::without_tokens;
use crate::storage::StoreError;
use crate::storage::letter_plans::{FoundPlan, KeptPlan};
use crate::transport::amqp::choice::{Choice, Fingerprint, LetterFilter};
use crate::transport::amqp::dead::{DeadError, DeadQueue};
use crate::transport::amqp::redrive::{Redriven, drop_letters, redrive};
use crate::transport::http::admin::routes::PATH;

/// Letters that one plan touches at the most; the rest takes another one.
const MOST_TOUCHED: usize = 100_000;

/// Letters that a plan names.
const MOST_NAMED: usize = 100;

/// A plan that nobody has written for so long is one that nobody works on: whoever does writes it every few seconds.
const MOST_SILENCE: Duration = Duration::from_secs(30);

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
    touched: Vec<Fingerprint>,
    told: PlanTold,
}

/// What a plan tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PlanTold {
    seen: u64,
    waiting: u64,
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

/// A plan as the ledger keeps it for other processes.
#[derive(Serialize, Deserialize)]
struct PlanRecord {
    act: LetterAct,
    filter: LetterFilter,
    made_at: String,
    told: PlanTold,
}

/// A letter that a plan would touch.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
        let told = PlanTold {
            seen: 0,
            waiting: 0,
            named: Vec::new(),
            homeless: 0,
            is_whole: true,
            digest: String::new(),
            done: 0,
            answered: BTreeMap::new(),
            is_uncounted: false,
            error: None,
        };
        let state = State { since: Instant::now(), touched: Vec::new(), told };
        let (id, made_at) = (Uuid::new_v4(), shown::moment(clock::now()));
        let stage = watch::Sender::new(Stage::Looking);
        Self { id, party, act, filter, made_at, state: Mutex::new(state), stage }
    }

    /// As it is kept for other processes, at this stage.
    pub fn kept(&self, stage: Stage) -> Result<KeptPlan, StoreError> {
        let state = self.state();
        let touched = || state.touched.iter().flat_map(|letter| *letter.bytes()).collect();
        let (filter, made_at, told) = (self.filter.clone(), self.made_at.clone(), state.told.clone());
        let record = PlanRecord { act: self.act, filter, made_at, told };
        Ok(KeptPlan {
            id: self.id,
            party: self.party.clone(),
            stage: stage.as_str(),
            written_at: clock::now(),
            plan: serde_json::to_string(&record).map_err(|error| unreadable(self.id, error))?,
            // While it looks they become more, and afterwards they stay the same.
            touched: (stage == Stage::Ready).then(touched),
        })
    }

    /// One that another process has made; `None` where it is forgotten by now. What cannot be read, because it was damaged or
    /// another release wrote it, is run by nobody here.
    pub fn found(party: Party, id: Uuid, found: FoundPlan) -> Result<Option<Self>, StoreError> {
        // Another process's clock may be ahead.
        let silence = u64::try_from(clock::now().0.saturating_sub(found.written_at)).unwrap_or(0);
        let silence = Duration::from_micros(silence);
        if silence >= KEPT {
            return Ok(None);
        }
        let PlanRecord { act, filter, made_at, mut told } =
            serde_json::from_str(&found.plan).map_err(|error| unreadable(id, error))?;
        let written = Stage::named(&found.stage).ok_or_else(|| unreadable(id, "its stage is unknown"))?;
        let (touched, rest) = found.touched.as_chunks();
        if !rest.is_empty() {
            return Err(unreadable(id, "the last of its letters is there in part"));
        }
        let touched: Vec<_> = touched.iter().copied().map(Fingerprint::from_bytes).collect();
        let mut stage = written;
        if stage.is_at_work() && silence > MOST_SILENCE {
            stage = Stage::Failed;
            told.error = Some("the process that worked on it has ended".to_owned());
        }
        let state = Mutex::new(State { since: Instant::now(), touched, told });
        let plan = Self { id, party, act, filter, made_at, state, stage: watch::Sender::new(stage) };
        if written.knows_letters() && plan.digest() != plan.state().told.digest {
            return Err(unreadable(id, "its letters are not those that it was made for"));
        }
        Ok(Some(plan))
    }

    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// One that waits to be run, or to be asked how it ended, is kept for a while; one that is at work as long as it is.
    pub fn is_kept(&self, kept: Duration) -> bool {
        self.stage().is_at_work() || self.state().since.elapsed() < kept
    }

    /// Waits, and not for long, until it is no more at work.
    pub async fn settled(&self, patience: Duration) {
        let mut stage = self.stage.subscribe();
        let settled = stage.wait_for(|stage| !stage.is_at_work());
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
        self.state().told.error = Some(without_tokens(why));
        self.enter(Stage::Failed);
    }

    pub fn finish(&self) {
        self.enter(Stage::Done);
    }

    /// Looks what there is to touch.
    pub async fn look(&self, mut queue: DeadQueue) -> Result<(), DeadError> {
        let waiting = queue.count().await?;
        self.state().told.waiting = waiting;
        for _ in 0..waiting {
            let Some(letter) = queue.next().await? else { break };
            let mut state = self.state();
            state.told.seen += 1;
            if !self.filter.takes(&letter) {
                continue;
            }
            if self.act == LetterAct::Redrive && queue.home(&letter).is_none() {
                state.told.homeless += 1;
                continue;
            }
            if state.touched.len() == MOST_TOUCHED {
                state.told.is_whole = false;
                break;
            }
            state.touched.push(Fingerprint::of(&letter));
            if state.told.named.len() < MOST_NAMED {
                let (id, reason) = (without_tokens(letter.id()), without_tokens(letter.reason()));
                let queue = without_tokens(letter.queue());
                state.told.named.push(PlannedLetter { id, reason, queue });
            }
        }
        queue.release().await?;
        let digest = self.digest();
        self.state().told.digest = digest;
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
    pub async fn carry_out(&self, mut queue: DeadQueue, so_far: &DoneSoFar) -> Result<String, DeadError> {
        let choice = Choice::among(self.filter.clone(), &self.state().touched);
        let outcome = match self.act {
            LetterAct::Redrive => {
                let mut tell = |summary: &Redriven| {
                    so_far.tell(summary.counts());
                    self.note(summary);
                };
                let summary = redrive(&mut queue, &self.party, choice, false, &mut tell).await?;
                self.note(&summary);
                format!("done: {}", summary.counts())
            }
            LetterAct::Drop => {
                let mut tell = |dropped| {
                    so_far.tell(format!("{dropped} dropped"));
                    self.state().told.done = dropped;
                };
                let (dropped, _) = drop_letters(&mut queue, choice, false, &mut tell).await?;
                format!("done: {dropped} dropped")
            }
        };
        queue.release().await?;
        Ok(outcome)
    }

    fn note(&self, summary: &Redriven) {
        let mut state = self.state();
        state.told.done = summary.put_back;
        state.told.answered.clone_from(&summary.answered);
        state.told.is_uncounted = summary.is_uncounted;
    }

    /// For the trail.
    pub fn detail(&self) -> Value {
        let state = self.state();
        let (touches, digest) = (state.touched.len(), &state.told.digest);
        serde_json::json!({
            "plan": self.id, "filter": self.filter.described(), "touches": touches, "digest": digest,
        })
    }

    pub fn shown(&self) -> PlanShown {
        let stage = self.stage();
        let state = self.state();
        let (touches, told) = (state.touched.len(), &state.told);
        let is_redrive = self.act == LetterAct::Redrive;
        let answered: u64 = told.answered.values().sum();
        let is_counted = is_redrive && !told.is_uncounted;
        PlanShown {
            id: self.id,
            party: self.party.clone(),
            act: self.act,
            filter: redaction::exact(self.filter.described()),
            state: stage,
            made_at: self.made_at.clone(),
            seen: told.seen,
            waiting: told.waiting,
            touches,
            letters: told.named.clone(),
            homeless: told.homeless,
            is_whole: told.is_whole,
            digest: told.digest.clone(),
            run: format!("{PATH}/parties/{}/dead-letters/plans/{}/run", self.party, self.id),
            done: told.done,
            gone: (stage == Stage::Done).then(|| (touches as u64).saturating_sub(told.done)),
            answered: is_counted.then(|| told.answered.clone()),
            unanswered: is_counted.then(|| told.done.saturating_sub(answered)),
            error: told.error.clone(),
        }
    }
}

fn unreadable(plan: Uuid, why: impl fmt::Display) -> StoreError {
    StoreError::Rejected(format!("plan {plan} of dead letters: {why}"))
}

#[cfg(test)]
mod tests;
