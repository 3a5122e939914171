//! What every page has: a heading with the search, the links that its reader may follow, and what the last form did.

use askama::Template;

use super::sessions::Notice;
use crate::config::Role;
use crate::dialects::http::Reply;
use crate::identity::operators::SignedIn;
use crate::ledger::LedgerName;
use crate::transport::http::admin::ledgers::{OperatedLedger, OperatedLedgers};
use crate::transport::http::admin::problem::Problem;

/// The frame of a page for one reader.
pub struct Frame {
    /// Leads from this page to where the console begins.
    pub root: String,
    pub operator: SignedIn,
    pub notice: Option<Notice>,
    /// What is looked for.
    pub q: String,
    /// What links to numbers of the page's ledger end with.
    pub ledger: String,
    /// The names of all ledgers, where there are several, and whether the page is of each.
    pub ledgers: Vec<(String, bool)>,
    /// Ledgers that could not be looked at: what is there is missing on the page.
    pub away: Vec<LedgerName>,
    /// The first segment of the page's path.
    first: String,
}

impl Frame {
    pub fn new(path: &str, operator: SignedIn, notice: Option<Notice>) -> Self {
        let first = path.split('/').nth(2).unwrap_or_default().to_owned();
        let (q, ledger, ledgers, away) = (String::new(), String::new(), Vec::new(), Vec::new());
        Self { root: root(path), operator, notice, q, ledger, ledgers, away, first }
    }

    /// Of a page that is about one of the ledgers.
    pub fn within(mut self, ledgers: &OperatedLedgers, ledger: &OperatedLedger) -> Self {
        self.ledger = ledgers.query_of(ledger);
        if ledgers.are_several() {
            self.ledgers = ledgers.iter().map(|other| (other.name.to_string(), other.name == ledger.name)).collect();
        }
        self
    }

    /// Whether the page is in the part of the console that this link leads to.
    pub fn is_in(&self, first: &str) -> bool {
        self.first == first
    }

    pub fn may_move(&self) -> bool {
        self.operator.role >= Role::Operator
    }

    pub fn may_decide(&self) -> bool {
        self.operator.role >= Role::Approver
    }

    pub fn sees_trail(&self) -> bool {
        self.operator.role >= Role::Admin
    }
}

/// The way from a page to where the console begins, whatever stands before both.
pub fn root(path: &str) -> String {
    match path.strip_prefix("/console/") {
        Some(below) => format!("./{}", "../".repeat(below.matches('/').count())),
        None => "console/".to_owned(),
    }
}

const HTML: &str = "text/html; charset=utf-8";

/// Whether somebody sees this.
pub fn is_page(reply: &Reply) -> bool {
    reply.content_type == HTML
}

pub fn page(status: u16, html: String) -> Reply {
    let body = html.into_bytes();
    Reply { content_type: HTML, body, ..Reply::empty(status, status.to_string()) }
}

#[derive(Template)]
#[template(path = "console/problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    problem: &'a Problem,
}

/// What stands in the way, to somebody who is signed in.
pub fn problem_page(frame: Frame, problem: &Problem) -> Reply {
    let Ok(html) = (ProblemPage { frame, problem }).render() else { return Reply::empty(500, "500") };
    let reply = page(problem.status, html);
    problem.headers.iter().fold(reply, |reply, (name, value)| reply.with_header(name, value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_from_every_depth() {
        for (path, expected) in [
            ("/console", "console/"),
            ("/console/", "./"),
            ("/console/health", "./"),
            ("/console/orders/5", "./../"),
            ("/console/parties/acme/players/a%2Fb", "./../../../"),
        ] {
            assert_eq!(root(path), expected, "{path}");
        }
    }
}
