//! The calls about dead letters.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::look::{LettersLook, LookShown, LookStage};
use super::plan::{LetterAct, Plan};
use super::snapshot::{COLUMNS, GROUP_COLUMNS, Snapshot};
use super::stage::Stage;
use super::{KEPT, PartyLetters};
use crate::admin::refusals::RefusalKind;
use crate::admin::trail::{self, Deed, DoneSoFar};
use crate::clock;
use crate::config::Role;
use crate::dialects::http::Reply;
use crate::ledger::Party;
use crate::ledger::command::Timestamp;
use crate::storage::{Reader, StoreError, letter_plans};
use crate::transport::amqp::choice::LetterFilter;
use crate::transport::amqp::dead::{DeadError, unless_lost};
use crate::transport::http::admin::listing::{ListPage, Listing};
use crate::transport::http::admin::problem::Problem;
use crate::transport::http::admin::{AdminAnswer, AdminRequest, Api};

/// How often it is written down how far a plan is that is worked on.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// How long a call waits for what goes on after it, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be planned.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPlan {
    act: LetterAct,
    /// Nothing in it: all.
    filter: PlanFilter,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFilter {
    id: Option<String>,
    reason: Option<String>,
    error: Option<String>,
    queue: Option<String>,
    /// Died at or after this time, RFC 3339.
    died_since: Option<String>,
}

impl PlanFilter {
    fn letters(self) -> Result<LetterFilter, Problem> {
        let Self { id, reason, error, queue, died_since } = self;
        let wrong = || Problem::bad_request("filter.died_since must be a time such as 2026-11-20T10:00:00Z");
        let died_since =
            died_since.map(|text| clock::parse(&text).ok_or_else(wrong)).transpose()?.map(Timestamp::second);
        Ok(LetterFilter { id, reason, error, queue, died_since })
    }
}

/// Why a plan was not carried out.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Dead(#[from] DeadError),
}

/// Works on a plan beside the call that waits for it, and writes down how far it is. However that breaks off, the plan does
/// not stay at work. Returns what ends when that is written down.
fn beside(
    reader: &Reader,
    plan: &Arc<Plan>,
    work: impl Future<Output = Result<(), RunError>> + Send + 'static,
) -> JoinHandle<()> {
    let (reader, plan) = (reader.clone(), Arc::clone(plan));
    tokio::spawn(async move {
        let mut working = tokio::spawn(work);
        let ended = loop {
            match tokio::time::timeout(WRITE_EVERY, &mut working).await {
                Ok(ended) => break ended,
                Err(_) => write(&reader, &plan).await,
            }
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => plan.fail(&error.to_string()),
            Err(_) => plan.fail("a fault of ours; the log says more"),
        }
        write(&reader, &plan).await;
    })
}

/// Waits for it, and not for long: whoever asked looks again.
async fn soon(working: JoinHandle<()>) {
    let _ = tokio::time::timeout(PATIENCE, working).await.map(drop);
}

/// For other processes. This one knows how far the plan is, whatever becomes of that.
async fn write(reader: &Reader, plan: &Plan) {
    let stage = plan.stage();
    let written = async {
        let kept = plan.kept(stage)?;
        reader.ask(move |conn| letter_plans::write(conn, &kept, stage.before())).await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, plan = %plan.id, "how far a plan is could not be written down");
    }
}

impl Api {
    fn letters(&self, party: &Party) -> Result<Arc<PartyLetters>, Problem> {
        let why = || Problem::refused(RefusalKind::Conflict, "amqp.url is empty: there is no broker to ask".to_owned());
        self.dead.of_party(party).ok_or_else(why)
    }

    /// What lies in a party's dead letters, or lay there not long ago.
    pub async fn dead_letters(&self, party: &Party) -> Result<LettersLook, Problem> {
        match self.letters(party)?.seen().await {
            LookStage::Seen(snapshot) => Ok(LettersLook::Over(snapshot)),
            LookStage::Looking { seen, waiting } => {
                Ok(LettersLook::GoesOn(LookShown { state: "looking", seen, waiting }))
            }
            LookStage::Failed(_) => Err(Problem::broker_away()),
        }
    }

    /// A plan of this name, as a path has it. This process may know it, or the ledger does; the one further on is right.
    pub async fn plan(&self, party: &Party, id: &str) -> Result<Arc<Plan>, Problem> {
        let id = Uuid::try_parse(id).map_err(|_| Problem::bad_request("a plan is named by a UUID"))?;
        let here = self.letters(party)?.plan(id);
        if let Some(plan) = here.as_ref().filter(|plan| plan.stage().is_at_work()) {
            return Ok(Arc::clone(plan));
        }
        let of = party.clone();
        let found = self.ledgers.of_party(party).reader.ask(move |conn| letter_plans::find(conn, &of, id)).await;
        let found = match (found, &here) {
            (Ok(found), _) => found,
            (Err(_), Some(_)) => None,
            (Err(error), None) => return Err(error.into()),
        };
        // What is written down, and not that nobody writes any more: that may be for want of the ledger.
        let is_further = |here: &Arc<Plan>| {
            let written = found.as_ref().and_then(|found| Stage::named(&found.stage));
            written.is_some_and(|written| written > here.stage())
        };
        let plan = match here.filter(|here| !is_further(here)) {
            Some(here) => Some(here),
            None => found.map(|found| Plan::found(party.clone(), id, found)).transpose()?.flatten().map(Arc::new),
        };
        plan.ok_or_else(|| Problem::not_found("there is no such plan any more: they are kept for ten minutes"))
    }
}

pub async fn list(api: &Api, asked: &AdminRequest) -> Result<AdminAnswer, Problem> {
    let page = ListPage::read(&asked.query)?;
    let snapshot = match api.dead_letters(&asked.party()?).await? {
        LettersLook::Over(snapshot) => snapshot,
        LettersLook::GoesOn(look) => return Ok(AdminAnswer::Shown(Reply::json(202, "202", &look))),
    };
    let after = place(&page)?;
    let later: Vec<_> = snapshot.letters.iter().skip(after).take(page.limit + 1).collect();
    let listing = Listing::new(&COLUMNS, &page, &later, |letter| letter.number.to_string())?;
    Ok(AdminAnswer::List(seen(listing, &snapshot)))
}

pub async fn groups(api: &Api, asked: &AdminRequest) -> Result<AdminAnswer, Problem> {
    let page = ListPage::read(&asked.query)?;
    let snapshot = match api.dead_letters(&asked.party()?).await? {
        LettersLook::Over(snapshot) => snapshot,
        LettersLook::GoesOn(look) => return Ok(AdminAnswer::Shown(Reply::json(202, "202", &look))),
    };
    let (after, groups) = (place(&page)?, snapshot.groups());
    let later: Vec<_> = groups.iter().skip(after).take(page.limit + 1).collect();
    let listing = Listing::new(&GROUP_COLUMNS, &page, &later, |group| group.number.to_string())?;
    Ok(AdminAnswer::List(seen(listing, &snapshot)))
}

fn place(page: &ListPage) -> Result<usize, Problem> {
    Ok(usize::try_from(page.after_number()?.unwrap_or(0)).unwrap_or(0))
}

fn seen(listing: Listing, snapshot: &Snapshot) -> Listing {
    listing
        .with("taken_at", snapshot.taken_at.clone())
        .with("seen", snapshot.letters.len())
        .with("waiting", snapshot.waiting)
}

/// Looks, and touches nothing.
pub async fn make_plan(api: &Api, asked: &AdminRequest) -> Result<Reply, Problem> {
    let party = asked.party()?;
    let letters = api.letters(&party)?;
    let NewPlan { act, filter } = asked.read()?;
    let plan = Arc::new(Plan::new(party, act, filter.letters()?));
    check_role(asked, &plan).await?;
    if !letters.keep(&plan) {
        let why =
            "too many plans are kept: run one, or wait until the oldest is forgotten, ten minutes after it was made";
        return Err(Problem::refused(RefusalKind::Conflict, why.to_owned()));
    }
    let kept_micros = i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
    let (kept, before) = (plan.kept(plan.stage())?, Timestamp(clock::now().0.saturating_sub(kept_micros)));
    let reader = &asked.ledger.reader;
    if let Err(error) = reader.ask(move |conn| letter_plans::keep(conn, &kept, before)).await {
        letters.give_up(&plan);
        return Err(error.into());
    }
    let looking = Arc::clone(&plan);
    let working = beside(reader, &plan, async move {
        let _turn = letters.turn.lock().await;
        let looked = async {
            let queue = letters.open().await?;
            unless_lost(queue.lost(), looking.look(queue)).await
        };
        looked.await.map_err(RunError::from)
    });
    soon(working).await;
    match plan.stage() {
        Stage::Failed => Err(Problem::broker_away()),
        Stage::Looking => Ok(Reply::json(202, "202", &plan.shown())),
        Stage::Ready | Stage::Running | Stage::Done => Ok(Reply::json(201, "201", &plan.shown())),
    }
}

pub async fn show_plan(api: &Api, asked: &AdminRequest) -> Result<AdminAnswer, Problem> {
    let plan = api.plan(&asked.party()?, asked.parameters.get("plan")).await?;
    Ok(AdminAnswer::Shown(told(&plan, 200)))
}

fn told(plan: &Plan, status: u16) -> Reply {
    Reply::json(status, status.to_string(), &plan.shown())
}

/// To lose letters for good takes more than to put them back.
async fn check_role(asked: &AdminRequest, plan: &Plan) -> Result<(), Problem> {
    let (has, needed) = (asked.viewing.role, Role::Admin);
    if plan.act != LetterAct::Drop || has >= needed {
        return Ok(());
    }
    trail::refused(
        &asked.ledger.reader,
        &asked.actor,
        &deed(plan),
        &format!("the role is {has}, and {needed} is needed"),
    )
    .await?;
    Err(Problem::role_too_low(has, needed))
}

fn deed(plan: &Plan) -> Deed {
    let target = format!("dead letters of {}", plan.party);
    Deed { act: plan.act.as_str(), party: Some(plan.party.clone()), target, detail: plan.detail() }
}

/// Does what is planned, once. Asked again it tells how far that is.
pub async fn run(api: &Api, asked: &AdminRequest) -> Result<Reply, Problem> {
    let party = asked.party()?;
    let (letters, plan) = (api.letters(&party)?, api.plan(&party, asked.parameters.get("plan")).await?);
    check_role(asked, &plan).await?;
    if begin(asked, &plan).await? {
        letters.adopt(&plan);
        let (reader, actor, running) = (asked.ledger.reader.clone(), asked.actor.clone(), Arc::clone(&plan));
        let theirs = Arc::clone(&letters);
        let working = beside(&asked.ledger.reader, &plan, async move {
            let so_far = DoneSoFar::default();
            let work = async {
                let _turn = theirs.turn.lock().await;
                theirs.forget();
                let queue = theirs.open().await?;
                let outcome = unless_lost(queue.lost(), running.carry_out(queue, &so_far)).await?;
                Ok::<_, RunError>(((), outcome))
            };
            trail::recorded_in_steps(&reader, &actor, &deed(&running), &so_far, work).await?;
            running.finish();
            Ok(())
        });
        soon(working).await;
    } else if letters.plan(plan.id).is_some() {
        plan.settled(PATIENCE).await;
    }
    let plan = api.plan(&party, asked.parameters.get("plan")).await?;
    match plan.stage() {
        Stage::Looking => Err(Problem::refused(RefusalKind::Conflict, "the plan is not made yet".to_owned())),
        Stage::Ready | Stage::Running => Ok(told(&plan, 202)),
        Stage::Done | Stage::Failed => Ok(told(&plan, 200)),
    }
}

/// Whether this call is the one that runs the plan: it runs once, whichever processes are asked.
async fn begin(asked: &AdminRequest, plan: &Plan) -> Result<bool, Problem> {
    if plan.stage() != Stage::Ready {
        return Ok(false);
    }
    // Where the ledger was away when it was ready, it is told now.
    write(&asked.ledger.reader, plan).await;
    let (id, at, stages) = (plan.id, clock::now(), (Stage::Ready.as_str(), Stage::Running.as_str()));
    let is_first = asked.ledger.reader.ask(move |conn| letter_plans::turn(conn, id, stages, at)).await?;
    Ok(is_first && plan.begin())
}
