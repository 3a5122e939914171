//! Voids that wait for a person, and what became of the others.

use askama::Template;

use super::Console;
use super::forms::FailedForm;
use super::frame::Frame;
use super::pages::PageRequest;
use crate::admin::cash::MAX_REASON;
use crate::admin::{self, search, voids};
use crate::config::Config;
use crate::ledger::{LedgerName, Party};
use crate::storage::voids as queue;
use crate::transport::http::admin::listing::ListPage;
use crate::transport::http::admin::problem::Problem;

struct Line {
    void: voids::VoidShown,
    /// What the transaction moved, bucket by bucket.
    amounts: Vec<String>,
    player: String,
    is_pending: bool,
}

#[derive(Template)]
#[template(path = "console/voids.html")]
struct VoidsPage {
    frame: Frame,
    party: String,
    parties: Vec<PartyChoice>,
    all: bool,
    lines: Vec<Line>,
    is_first: bool,
    next: Option<i64>,
    max_reason: usize,
    /// Why the last form did nothing, and for which transaction it was.
    error: Option<(String, String)>,
}

struct PartyChoice {
    name: String,
    /// `None` where its ledger is away.
    pending: Option<i64>,
}

/// The parties with how many wait, and the ledgers that could not be looked at.
async fn choices(console: &Console, config: &Config) -> Result<(Vec<PartyChoice>, Vec<LedgerName>), Problem> {
    let told = console.api.ledgers.ask_each(|_| queue::pending).await?;
    let pending = |party: &Party| {
        let name = &console.api.ledgers.of_party(party).name;
        let (_, waiting) = told.answers.iter().find(|(ledger, _)| ledger.name == *name)?;
        Some(waiting.iter().find(|(known, _)| known == party.as_str()).map_or(0, |(_, count)| *count))
    };
    let choice = |party: &Party| PartyChoice { name: party.to_string(), pending: pending(party) };
    Ok((config.parties.keys().map(choice).collect(), told.away))
}

pub async fn show(console: &Console, mut asked: PageRequest, failed: Option<&FailedForm>) -> Result<String, Problem> {
    let config = &asked.viewing.config;
    let (parties, away) = choices(console, config).await?;
    asked.frame.away = away;
    let first = parties.iter().find(|party| party.pending > Some(0));
    let first = first.or_else(|| parties.iter().find(|party| party.pending.is_some())).or(parties.first());
    let wanted = match (failed.map(|failed| failed.party.as_str()), asked.value("party")) {
        (Some(party), _) => party.to_owned(),
        (None, "") => first.map(|party| party.name.clone()).unwrap_or_default(),
        (None, party) => party.to_owned(),
    };
    let (party, _) = admin::party(config, &wanted).ok_or_else(|| Problem::not_found("there is no such party"))?;
    let page = ListPage::read(&asked.query)?;
    let (after, most, all) = (page.after_number()?, page.one_more(), asked.value("all") == "true");
    let of = party.clone();
    let reader = &console.api.ledgers.of_party(&party).reader;
    let found = reader.ask(move |conn| queue::page(conn, &of, all, after, most)).await?;
    let next = (found.len() > page.limit).then(|| found[page.limit - 1].source.number);
    let shown = found.iter().take(page.limit).map(|queued| line(voids::shown(config, queued), &wanted));
    let page = VoidsPage {
        lines: shown.collect(),
        party: wanted.clone(),
        parties,
        all,
        is_first: after.is_none(),
        next,
        max_reason: MAX_REASON,
        error: failed.map(|failed| (failed.target.clone(), failed.why.clone())),
        frame: asked.frame,
    };
    Ok(page.render()?)
}

fn line(void: voids::VoidShown, party: &str) -> Line {
    let buckets = [
        ("real", &void.real, void.real_minor),
        ("ring-fenced", &void.ring_fenced, void.ring_fenced_minor),
        ("bonus", &void.bonus, void.bonus_minor),
        ("gbt bonus", &void.gbt_bonus, void.gbt_bonus_minor),
    ];
    let amounts = buckets.into_iter().filter(|(_, _, minor)| minor.0 != 0);
    let amounts = amounts.map(|(bucket, amount, _)| format!("{amount} {} {bucket}", void.currency)).collect();
    let player = format!("parties/{party}/players/{}", search::encoded(&void.player));
    Line { amounts, player, is_pending: void.state == "pending", void }
}
