//! Search: one exact name or number, in every party.

use askama::Template;

use super::Console;
use super::frame::Frame;
use super::pages::PageRequest;
use crate::admin::search::{Hit, MAX_QUERY, PAGES, SearchPlace};
use crate::transport::http::admin::problem::Problem;

#[derive(Template)]
#[template(path = "console/search.html")]
struct SearchPage {
    frame: Frame,
    hits: Vec<HitView>,
    looked: String,
    passed_over: String,
    parties: String,
    /// What is not found so.
    note: &'static str,
    /// Whether it was looked for anything.
    is_asked: bool,
}

struct HitView {
    is: String,
    party: String,
    /// Its page, below the console's path.
    path: Option<String>,
}

pub async fn show(console: &Console, mut asked: PageRequest) -> Result<String, Problem> {
    let q = asked.value("q").trim().to_owned();
    asked.frame.q.clone_from(&q);
    let is_asked = !q.is_empty();
    if q.chars().count() > MAX_QUERY {
        return Err(Problem::bad_request(format!("what is looked for has {MAX_QUERY} characters at the most")));
    }
    let mut page = SearchPage {
        frame: asked.frame,
        hits: Vec::new(),
        looked: String::new(),
        passed_over: String::new(),
        parties: String::new(),
        note: "",
        is_asked,
    };
    if is_asked {
        let found = console.api.search(&asked.viewing, &q).await?;
        page.frame.away = found.away;
        page.hits = found.found.iter().map(hit).collect();
        page.looked = names(&found.looked);
        page.passed_over = names(&found.passed_over);
        page.note = found.note;
        page.parties = found.parties.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    Ok(page.render()?)
}

fn hit(hit: &Hit) -> HitView {
    let path = hit.path.as_deref().and_then(|path| path.strip_prefix(PAGES));
    let path = path.map(|path| path.trim_start_matches('/').to_owned());
    HitView { is: name(hit.is).to_owned(), party: hit.party.clone(), path }
}

fn names(places: &[SearchPlace]) -> String {
    places.iter().map(|place| name(*place)).collect::<Vec<_>>().join(", ")
}

fn name(place: SearchPlace) -> &'static str {
    match place {
        SearchPlace::Player => "player",
        SearchPlace::Username => "username",
        SearchPlace::ExternalId => "externalId",
        SearchPlace::BetId => "betId",
        SearchPlace::TransactionNumber => "transaction number",
        SearchPlace::PartnerTransactionId => "partner_transaction_id",
        SearchPlace::CodegamesTxnId => "CodeGames txnId",
        SearchPlace::CodegamesOrder => "CodeGames order",
        SearchPlace::JournalNumber => "journal number",
        SearchPlace::CorrelationId => "correlation id",
    }
}
