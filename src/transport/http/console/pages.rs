//! Which pages there are, and for whom.

use axum::http::request::Parts;
use url::form_urlencoded;

use super::frame::Frame;
use super::{
    Console, PATH, SCRIPT, STYLE, approvals, audit, dead, find, health, new_player, overview, plan, player, records,
    trail, voids,
};
use crate::admin::{self, Viewing};
use crate::config::Role;
use crate::ledger::{Party, PlayerId};
use crate::transport::http::admin::ledgers::OperatedLedger;
use crate::transport::http::admin::problem::Problem;
use crate::transport::http::admin::routes::{self, PathParameters, fit};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsolePage {
    Overview,
    Search,
    Player,
    NewPlayer,
    Order,
    Transaction,
    Entry,
    DeadLetters,
    DeadLetter,
    Plan,
    Voids,
    Approvals,
    Approval,
    Audit,
    Trail,
    Health,
}

/// How a page is reached.
#[derive(Debug)]
pub struct PageRoute {
    pub page: ConsolePage,
    /// Below the console's; `{name}` stands for one segment.
    pub path: &'static str,
    /// The lowest role that may.
    pub role: Role,
    /// As in logs and metrics.
    pub operation: &'static str,
    /// Whether it has nothing to say while the database is away.
    pub needs_database: bool,
}

const fn page(page: ConsolePage, path: &'static str, operation: &'static str) -> PageRoute {
    PageRoute { page, path, role: Role::Viewer, operation, needs_database: true }
}

/// Every page there is. Their paths are those of `/admin/v1`, where it has the same.
const PAGES: [PageRoute; 16] = [
    PageRoute { needs_database: false, ..page(ConsolePage::Overview, "/", "overview") },
    page(ConsolePage::Search, "/search", "search"),
    page(ConsolePage::Player, "/parties/{party}/players/{player}", "player"),
    PageRoute { role: Role::Operator, ..page(ConsolePage::NewPlayer, "/new-player", "new player") },
    page(ConsolePage::Order, "/orders/{order}", "order"),
    page(ConsolePage::Transaction, "/transactions/{number}", "transaction"),
    page(ConsolePage::Entry, "/journal/{number}", "journal"),
    // What lies in the broker is there while the database is away.
    PageRoute { needs_database: false, ..page(ConsolePage::DeadLetters, "/dead-letters", "dead letters") },
    PageRoute {
        needs_database: false,
        ..page(ConsolePage::DeadLetter, "/parties/{party}/dead-letters/letters/{number}", "dead letter")
    },
    PageRoute {
        needs_database: false,
        ..page(ConsolePage::Plan, "/parties/{party}/dead-letters/plans/{plan}", "dead letter plan")
    },
    page(ConsolePage::Voids, "/voids", "voids"),
    PageRoute { role: Role::Approver, ..page(ConsolePage::Approvals, "/approvals", "approvals") },
    // Whoever asked may look what became of it; others have to be approvers.
    PageRoute { role: Role::Operator, ..page(ConsolePage::Approval, "/approvals/{approval}", "approval") },
    PageRoute { role: Role::Operator, ..page(ConsolePage::Audit, "/audit", "audit") },
    PageRoute { role: Role::Admin, ..page(ConsolePage::Trail, "/trail", "trail") },
    PageRoute { needs_database: false, ..page(ConsolePage::Health, "/health", "health") },
];

/// What a path leads to.
pub enum FoundPage {
    Page(&'static PageRoute, PathParameters),
    /// Its type and text.
    File(&'static str, &'static str),
    Moved(&'static str),
    Nothing,
}

/// Finds a page. `path` is the whole, undecoded.
pub fn find(path: &str) -> FoundPage {
    let Some(below) = path.strip_prefix(PATH) else { return FoundPage::Nothing };
    match below {
        "" => return FoundPage::Moved("console/"),
        "/console.css" => return FoundPage::File("text/css; charset=utf-8", STYLE),
        "/console.js" => return FoundPage::File("text/javascript; charset=utf-8", SCRIPT),
        _ => {}
    }
    let fitting = PAGES.iter().find_map(|route| Some((route, fit(route.path, below)?)));
    fitting.map_or(FoundPage::Nothing, |(route, parameters)| FoundPage::Page(route, parameters))
}

/// Whether something is sent to this path.
pub fn is_form(path: &str) -> bool {
    let below = path.strip_prefix(PATH).unwrap_or_default();
    matches!(below, "/sign-in" | "/sign-out")
        || matches!(routes::find("POST", &format!("{}{below}", routes::PATH)), routes::FoundRoute::Route(..))
}

/// A page that is asked for by somebody who may see it.
pub struct PageRequest {
    pub parameters: PathParameters,
    pub query: Vec<(String, String)>,
    pub viewing: Viewing,
    /// The one that the page is about.
    pub ledger: OperatedLedger,
    pub frame: Frame,
}

impl PageRequest {
    /// What the query says; empty where it says nothing.
    pub fn value(&self, name: &str) -> &str {
        self.query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    pub fn number(&self) -> Result<i64, Problem> {
        let number = self.parameters.get("number").parse();
        number.map_err(|_| Problem::bad_request("the path must end with a number"))
    }

    pub fn party(&self) -> Result<Party, Problem> {
        let found = admin::party(&self.viewing.config, self.parameters.get("party"));
        found.map(|(party, _)| party).ok_or_else(|| Problem::not_found("there is no such party"))
    }

    /// The party that a page is about: that of its path, else the one that the query chooses, else the first.
    pub fn chosen_party(&self) -> Result<Party, Problem> {
        let chosen = [self.parameters.get("party"), self.value("party")].into_iter().find(|name| !name.is_empty());
        let config = &self.viewing.config;
        let party = match chosen {
            Some(name) => admin::party(config, name).map(|(party, _)| party),
            None => config.parties.keys().next().cloned(),
        };
        party.ok_or_else(|| Problem::not_found("there is no such party"))
    }

    /// The names of all parties, to choose from.
    pub fn parties(&self) -> Vec<String> {
        self.viewing.config.parties.keys().map(ToString::to_string).collect()
    }

    pub fn player(&self) -> Result<PlayerId, Problem> {
        let player = PlayerId::recorded(self.parameters.get("player"));
        player.map_err(|error| Problem::bad_request(format!("player {error}")))
    }
}

pub fn query(parts: &Parts) -> Vec<(String, String)> {
    form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// The page's HTML.
pub async fn show(console: &Console, route: &PageRoute, asked: PageRequest) -> Result<String, Problem> {
    match route.page {
        ConsolePage::Overview => overview::show(console, asked).await,
        ConsolePage::Search => find::show(console, asked).await,
        ConsolePage::Player => player::show(asked, None).await,
        ConsolePage::NewPlayer => new_player::show(asked, None),
        ConsolePage::Order => records::order(console, asked).await,
        ConsolePage::Transaction => records::transaction(asked).await,
        ConsolePage::Entry => records::entry(asked).await,
        ConsolePage::DeadLetters => dead::show(console, asked, None).await,
        ConsolePage::DeadLetter => dead::show_letter(console, asked).await,
        ConsolePage::Plan => plan::show(console, asked, None).await,
        ConsolePage::Voids => voids::show(console, asked, None).await,
        ConsolePage::Approvals => approvals::show(console, asked).await,
        ConsolePage::Approval => approvals::show_one(console, asked, None).await,
        ConsolePage::Audit => audit::show(asked, None).await,
        ConsolePage::Trail => trail::show(asked).await,
        ConsolePage::Health => health::show(console, asked),
    }
}
