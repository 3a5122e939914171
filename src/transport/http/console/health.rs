//! The page of what is not as it should be.

use askama::Template;

use super::frame::Frame;
use super::pages::PageRequest;
use super::{Console, overview};
use crate::transport::http::admin::problem::Problem;
use crate::transport::http::health::{self, Trouble};

#[derive(Template)]
#[template(path = "console/health.html")]
struct HealthPage {
    frame: Frame,
    troubles: Vec<Trouble>,
    /// What holds, in a word each: the database of each ledger, and each party's connection to the broker.
    states: Vec<(String, &'static str)>,
}

pub fn show(console: &Console, asked: PageRequest) -> Result<String, Problem> {
    let readiness = &console.api.readiness;
    let databases = readiness.databases.words().map(|(ledger, word)| {
        (ledger.map_or_else(|| "database".to_owned(), |ledger| format!("database, ledger {ledger}")), word)
    });
    let brokers = readiness.brokers.iter().map(|(party, state)| {
        let (word, _) = overview::told(&state.borrow());
        (format!("broker, party {party}"), word)
    });
    let states = databases.chain(brokers).collect();
    let troubles = health::troubles(readiness, &console.api.live.samples(), asked.viewing.config.parties.keys());
    Ok(HealthPage { frame: asked.frame, troubles, states }.render()?)
}
