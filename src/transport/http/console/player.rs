//! A player: what they have, what they may still stake today, what became of their commands, and money by hand.

use askama::Template;
use uuid::Uuid;

use super::forms::FailedForm;
use super::frame::Frame;
use super::pages::PageRequest;
use super::told::{self, CommandTold, OutcomeTold};
use crate::admin::cash::MAX_REASON;
use crate::admin::{Viewing, history, players, search};
use crate::clock;
use crate::ledger::{Bucket, Party, PlayerId};
use crate::transport::http::admin::listing::ListPage;
use crate::transport::http::admin::problem::Problem;

/// A command of theirs.
struct Line {
    number: i64,
    at: String,
    correlation: Option<String>,
    command: CommandTold,
    outcome: OutcomeTold,
}

/// A form that moves money. Its key is made with it: sent twice, it moves once.
struct MoneyForm {
    act: &'static str,
    /// What is said of it, and what its button is called.
    title: &'static str,
    key: String,
    amount: String,
    currency: String,
    bucket: String,
    reason: String,
    /// Why the last try did nothing.
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "console/player.html")]
struct PlayerPage {
    frame: Frame,
    player: players::PlayerShown,
    /// The page's own path, encoded.
    path: String,
    forms: Vec<MoneyForm>,
    currencies: Vec<String>,
    buckets: [&'static str; 4],
    max_reason: usize,
    /// `Err`: by how many rows the index of histories is behind.
    history: Result<Vec<Line>, i64>,
    is_first: bool,
    next: Option<i64>,
}

/// The page, with the form that did nothing where there is one.
pub async fn show(asked: PageRequest, failed: Option<&FailedForm>) -> Result<String, Problem> {
    let (party, player, at) = (asked.party()?, asked.player()?, clock::now());
    let page = ListPage::read(&asked.query)?;
    let before = page.after_number()?;
    let (viewing, most) = (asked.viewing.clone(), page.limit + 1);
    let (of, who) = (party.clone(), player.clone());
    let looked = asked.ledger.reader.ask(move |conn| {
        let Some(shown) = players::show(conn, &viewing, &of, &who, at)? else { return Ok(None) };
        Ok(Some((shown, history::of_player(conn, &viewing, &of, &who, before, most)?)))
    });
    let (shown, history) = looked.await?.ok_or_else(|| Problem::not_found("there is no such player"))?;
    let mut next = None;
    let history = history.map(|mut rows| {
        next = (rows.len() > page.limit).then(|| rows[page.limit - 1].number.0);
        rows.truncate(page.limit);
        rows.iter().map(|row| line(&asked.viewing, &party, row)).collect()
    });
    let currencies: Vec<String> = asked
        .viewing
        .config
        .parties
        .get(&party)
        .map_or_else(Vec::new, |settings| settings.all_currencies().map(|currency| currency.to_string()).collect());
    let forms = if asked.frame.may_move() { forms(&shown, failed) } else { Vec::new() };
    let page = PlayerPage {
        path: path(&party, &player),
        frame: asked.frame,
        player: shown,
        forms,
        currencies,
        buckets: Bucket::ALL.map(Bucket::as_str),
        max_reason: MAX_REASON,
        history,
        is_first: before.is_none(),
        next,
    };
    Ok(page.render()?)
}

/// A player's page, below the console's path.
pub fn path(party: &Party, player: &PlayerId) -> String {
    format!("parties/{party}/players/{}", search::encoded(player.as_str()))
}

fn line(viewing: &Viewing, party: &Party, row: &history::HistoryShown) -> Line {
    let command = row.command.clone().unwrap_or_default();
    let (command, outcome) = told::row(viewing, party.as_str(), &command, &row.outcome);
    Line { number: row.number.0, at: row.at.clone(), correlation: row.correlation.clone(), command, outcome }
}

fn forms(player: &players::PlayerShown, failed: Option<&FailedForm>) -> Vec<MoneyForm> {
    let form = |(act, title)| {
        let failed = failed.filter(|failed| failed.act == act);
        let said = |name: &str| failed.map_or("", |failed| failed.value(name)).to_owned();
        let made = || Some(Uuid::new_v4().to_string());
        MoneyForm {
            act,
            title,
            key: Some(said("key")).filter(|key| !key.is_empty()).or_else(made).unwrap_or_default(),
            amount: said("amount"),
            currency: Some(said("currency"))
                .filter(|code| !code.is_empty())
                .unwrap_or(player.home_currency.to_string()),
            bucket: said("bucket"),
            reason: said("reason"),
            error: failed.map(|failed| failed.why.clone()),
        }
    };
    [("deposits", "Deposit"), ("withdrawals", "Withdraw")].map(form).into()
}
