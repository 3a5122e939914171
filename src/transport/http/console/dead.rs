//! Dead letters: what lay there at the last look, by what they died of, one of them whole, and the form that plans what is
//! done with them.

use askama::Template;
use url::form_urlencoded;

use super::Console;
use super::forms::FailedForm;
use super::frame::Frame;
use super::pages::PageRequest;
use crate::config::Role;
use crate::ledger::Party;
use crate::transport::http::admin::dead::look::{LettersLook, LookShown};
use crate::transport::http::admin::dead::snapshot::{Group, LetterShown, Snapshot};
use crate::transport::http::admin::listing::ListPage;
use crate::transport::http::admin::problem::Problem;

/// What letters of one group say.
struct Cause {
    reason: String,
    error: String,
    queue: String,
}

struct GroupLine {
    group: Group,
    /// The query that lists its letters.
    query: String,
}

/// The form that makes a plan, with what was typed or is meant.
struct PlanForm {
    party: String,
    is_drop: bool,
    may_drop: bool,
    id: String,
    reason: String,
    error: String,
    queue: String,
    /// An empty field fits everything, so whoever means letters without one says so.
    has_no_error: bool,
    has_no_queue: bool,
    died_since: String,
    /// Why the last try did nothing.
    why: Option<String>,
}

#[derive(Template)]
#[template(path = "console/dead.html")]
struct DeadPage {
    frame: Frame,
    party: String,
    parties: Vec<String>,
    taken_at: String,
    seen: usize,
    waiting: u64,
    groups: Vec<GroupLine>,
    /// The group whose letters are listed; else all are.
    cause: Option<Cause>,
    letters: Vec<LetterShown>,
    /// The query of the first page of these letters.
    query: String,
    is_first: bool,
    next: Option<usize>,
    form: Option<PlanForm>,
}

/// What is shown instead of letters while they are looked at.
#[derive(Template)]
#[template(path = "console/looking.html")]
struct LookingPage {
    frame: Frame,
    party: String,
    parties: Vec<String>,
    look: LookShown,
    /// The query that leads here again.
    query: String,
}

#[derive(Template)]
#[template(path = "console/letter.html")]
struct LetterPage {
    frame: Frame,
    party: String,
    letter: LetterShown,
    taken_at: String,
    /// What letters like this one are listed by.
    query: String,
    /// What looks for its id elsewhere.
    search: String,
    may_plan: bool,
    may_drop: bool,
}

impl Cause {
    /// The group that a query chooses.
    fn read(asked: &PageRequest) -> Option<Self> {
        let is_named = asked.query.iter().any(|(name, _)| name == "reason");
        let text = |name: &str| asked.value(name).to_owned();
        is_named.then(|| Self { reason: text("reason"), error: text("error"), queue: text("queue") })
    }

    fn has(&self, letter: &LetterShown) -> bool {
        letter.reason == self.reason && letter.error == self.error && letter.queue == self.queue
    }
}

fn query(party: &str, cause: Option<(&str, &str, &str)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("party", party);
    if let Some((reason, error, queue)) = cause {
        query.append_pair("reason", reason).append_pair("error", error).append_pair("queue", queue);
    }
    query.finish()
}

/// The page, with the form that did nothing where there is one.
pub async fn show(console: &Console, asked: PageRequest, failed: Option<&FailedForm>) -> Result<String, Problem> {
    let (party, page) = (asked.chosen_party()?, ListPage::read(&asked.query)?);
    let after = usize::try_from(page.after_number()?.unwrap_or(0)).unwrap_or(0);
    let cause = Cause::read(&asked);
    let snapshot = match console.api.dead_letters(&party).await? {
        LettersLook::Over(snapshot) => snapshot,
        LettersLook::GoesOn(look) if failed.is_none() => return still_looking(asked, &party, look),
        // What stood in the form's way is the better answer.
        LettersLook::GoesOn(_) => return Err(Problem::unavailable()),
    };
    let party = party.to_string();
    let mut letters = listed(&snapshot, cause.as_ref(), after, page.limit + 1);
    let next = (letters.len() > page.limit).then(|| letters[page.limit - 1].number);
    letters.truncate(page.limit);
    let group = |group: Group| {
        let query = query(&party, Some((&group.reason, &group.error, &group.queue)));
        GroupLine { group, query }
    };
    let role = asked.viewing.role;
    let chosen = cause.as_ref().map(|cause| (&*cause.reason, &*cause.error, &*cause.queue));
    let page = DeadPage {
        parties: asked.parties(),
        taken_at: snapshot.taken_at.clone(),
        seen: snapshot.letters.len(),
        waiting: snapshot.waiting,
        groups: snapshot.groups().into_iter().map(group).collect(),
        query: query(&party, chosen),
        form: (role >= Role::Operator).then(|| form(&party, role, cause.as_ref(), failed)),
        cause,
        letters,
        is_first: after == 0,
        next,
        party,
        frame: asked.frame,
    };
    Ok(page.render()?)
}

/// A look that goes on keeps nobody waiting.
fn still_looking(asked: PageRequest, party: &Party, look: LookShown) -> Result<String, Problem> {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&asked.query).finish();
    let (party, parties) = (party.to_string(), asked.parties());
    Ok(LookingPage { party, parties, look, query, frame: asked.frame }.render()?)
}

fn listed(snapshot: &Snapshot, cause: Option<&Cause>, after: usize, most: usize) -> Vec<LetterShown> {
    let meant = snapshot.letters.iter().filter(|letter| cause.is_none_or(|cause| cause.has(letter)));
    meant.filter(|letter| letter.number > after).take(most).cloned().collect()
}

fn form(party: &str, role: Role, cause: Option<&Cause>, failed: Option<&FailedForm>) -> PlanForm {
    let value = |name: &str, meant: Option<&String>| match failed {
        Some(failed) => failed.value(name).to_owned(),
        None => meant.cloned().unwrap_or_default(),
    };
    let has_none = |name: &str, meant: Option<&String>| match failed {
        Some(failed) => failed.values("none").any(|value| value == name),
        None => meant.is_some_and(String::is_empty),
    };
    let (error, queue) = (cause.map(|cause| &cause.error), cause.map(|cause| &cause.queue));
    PlanForm {
        party: party.to_owned(),
        is_drop: value("act", None) == "drop",
        may_drop: role >= Role::Admin,
        id: value("id", None),
        reason: value("reason", cause.map(|cause| &cause.reason)),
        error: value("error", error),
        queue: value("queue", queue),
        has_no_error: has_none("error", error),
        has_no_queue: has_none("queue", queue),
        died_since: value("died_since", None),
        why: failed.map(|failed| failed.why.clone()),
    }
}

/// A letter is named by its place in a look, and by its mark: a later look, or another process's, may have another one there.
pub async fn show_letter(console: &Console, asked: PageRequest) -> Result<String, Problem> {
    let (party, number) = (asked.party()?, asked.number()?);
    let snapshot = match console.api.dead_letters(&party).await? {
        LettersLook::Over(snapshot) => snapshot,
        LettersLook::GoesOn(look) => return still_looking(asked, &party, look),
    };
    let (is_that_look, mark) = (snapshot.taken_at == asked.value("look"), asked.value("mark"));
    let is_there = |letter: &&LetterShown| is_that_look && i64::try_from(letter.number) == Ok(number);
    let mut alike = snapshot.letters.iter().filter(|letter| letter.mark == mark);
    let letter = alike.clone().find(is_there).or_else(|| alike.next()).cloned();
    let gone = "the dead letters were looked at anew since, and it is not among them: find it in the list again";
    let letter = letter.ok_or_else(|| Problem::not_found(gone))?;
    let (party, role) = (party.to_string(), asked.viewing.role);
    let page = LetterPage {
        query: query(&party, Some((&letter.reason, &letter.error, &letter.queue))),
        search: form_urlencoded::Serializer::new(String::new()).append_pair("q", &letter.id).finish(),
        taken_at: snapshot.taken_at.clone(),
        // A filter for no id would take all.
        may_plan: role >= Role::Operator && !letter.id.trim().is_empty(),
        may_drop: role >= Role::Admin,
        party,
        letter,
        frame: asked.frame,
    };
    Ok(page.render()?)
}
