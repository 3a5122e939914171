//! The trail: who did what, newest first.

use askama::Template;
use serde_json::Value;

use super::frame::Frame;
use super::pages::PageRequest;
use crate::admin::trail::TrailShown;
use crate::storage::trail;
use crate::transport::http::admin::listing::ListPage;
use crate::transport::http::admin::problem::Problem;

struct Line {
    entry: TrailShown,
    detail: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "console/trail.html")]
struct TrailPage {
    frame: Frame,
    lines: Vec<Line>,
    is_first: bool,
    next: Option<i64>,
}

pub async fn show(asked: PageRequest) -> Result<String, Problem> {
    let page = ListPage::read(&asked.query)?;
    let (before, most) = (page.after_number()?, page.one_more());
    let found = asked.ledger.reader.ask(move |conn| trail::before(conn, before.unwrap_or(i64::MAX), most)).await?;
    let next = (found.len() > page.limit).then(|| found[page.limit - 1].number);
    let lines = found.into_iter().take(page.limit).map(|row| line(TrailShown::of(row))).collect();
    Ok(TrailPage { frame: asked.frame, lines, is_first: before.is_none(), next }.render()?)
}

fn line(entry: TrailShown) -> Line {
    let said = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let members = entry.detail.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null() && *value != "");
    let detail = members.map(|(name, value)| (name.clone(), said(value))).collect();
    Line { entry, detail }
}
