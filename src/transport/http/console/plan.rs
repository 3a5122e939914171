//! A plan for dead letters: what it would touch, the form that runs it, and what came of that.

use askama::Template;

use super::Console;
use super::forms::FailedForm;
use super::frame::Frame;
use super::pages::PageRequest;
use crate::admin::shown;
use crate::config::Role;
use crate::ledger::command::Timestamp;
use crate::redaction::without_tokens;
use crate::transport::amqp::choice::LetterFilter;
use crate::transport::http::admin::dead::plan::{LetterAct, PlanShown};
use crate::transport::http::admin::dead::stage::Stage;
use crate::transport::http::admin::problem::Problem;

#[derive(Template)]
#[template(path = "console/plan.html")]
struct PlanPage {
    frame: Frame,
    plan: PlanShown,
    party: String,
    /// What its letters say.
    filter: Vec<(&'static str, String)>,
    stage: &'static str,
    is_drop: bool,
    /// Whether it changes by itself.
    is_going: bool,
    is_failed: bool,
    may_run: bool,
    /// Why the last form did nothing.
    why: Option<String>,
}

/// The page, with the form that did nothing where there is one.
pub async fn show(console: &Console, asked: PageRequest, failed: Option<&FailedForm>) -> Result<String, Problem> {
    let party = asked.party()?;
    let plan = console.api.plan(&party, asked.parameters.get("plan")).await?;
    let (filter, plan) = (described(&plan.filter), plan.shown());
    let is_drop = plan.act == LetterAct::Drop;
    let needed = if is_drop { Role::Admin } else { Role::Operator };
    let page = PlanPage {
        party: party.to_string(),
        filter,
        stage: told(plan.state),
        is_drop,
        is_going: matches!(plan.state, Stage::Looking | Stage::Running),
        is_failed: plan.state == Stage::Failed,
        may_run: plan.state == Stage::Ready && plan.touches > 0 && asked.viewing.role >= needed,
        plan,
        why: failed.map(|failed| failed.why.clone()),
        frame: asked.frame,
    };
    Ok(page.render()?)
}

fn told(stage: Stage) -> &'static str {
    match stage {
        Stage::Looking => "looking what there is",
        Stage::Ready => "ready: nothing was touched yet",
        Stage::Running => "running",
        Stage::Done => "done",
        Stage::Failed => "failed",
    }
}

fn described(filter: &LetterFilter) -> Vec<(&'static str, String)> {
    let LetterFilter { id, reason, error, queue, died_since } = filter;
    let since = died_since.map(|seconds| shown::moment(Timestamp::of_second(seconds)));
    let said = [
        ("Id", id.clone()),
        ("Reason", reason.clone()),
        ("Error", error.clone()),
        ("Came from", queue.clone()),
        ("Died since", since),
    ];
    let told = |text: String| if text.is_empty() { "none".to_owned() } else { without_tokens(&text) };
    said.into_iter().filter_map(|(name, text)| Some((name, told(text?)))).collect()
}
