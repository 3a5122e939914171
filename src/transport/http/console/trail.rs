//! The trail: who did what, newest first.

use askama::Template;
use serde_json::Value;

use super::Console;
use super::frame::Frame;
use super::pages::Asked;
use crate::admin::trail::Shown;
use crate::storage::trail;
use crate::transport::http::admin::listing::Page;
use crate::transport::http::admin::problem::Problem;

struct Line {
    entry: Shown,
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

pub async fn show(console: &Console, asked: Asked) -> Result<String, Problem> {
    let page = Page::read(&asked.query)?;
    let (before, most) = (page.after_number()?, page.one_more());
    let found = console.api.reader.ask(move |conn| trail::before(conn, before.unwrap_or(i64::MAX), most)).await?;
    let next = (found.len() > page.limit).then(|| found[page.limit - 1].number);
    let lines = found.into_iter().take(page.limit).map(|row| line(Shown::of(row))).collect();
    Ok(TrailPage { frame: asked.frame, lines, is_first: before.is_none(), next }.render()?)
}

fn line(entry: Shown) -> Line {
    let said = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let members = entry.detail.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null() && *value != "");
    let detail = members.map(|(name, value)| (name.clone(), said(value))).collect();
    Line { entry, detail }
}
