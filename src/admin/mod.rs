//! What operators ask and do, once: `/admin/v1`, the console and the command line are its faces.
//!
//! What is asked is a plain function from a connection to something that can be shown; an act is one from words to a
//! command of the ledger, and back from its outcome. Who may do what is the faces' to check, and every act of theirs goes
//! through [`trail`].
//!
//! Reading order: [`shown`] (how amounts, numbers and times are written), [`redaction`] (what is not shown at all),
//! [`parties`], [`players`], [`history`], [`journal`], [`orders`], [`transactions`], [`search`], [`voids`], [`cash`], [`refusals`],
//! [`trail`], [`approvals`], [`audits`].

pub(crate) mod shown;
pub(crate) mod redaction;
pub(crate) mod parties;
pub(crate) mod players;
pub(crate) mod history;
pub(crate) mod journal;
pub(crate) mod orders;
pub(crate) mod transactions;
pub(crate) mod search;
pub(crate) mod voids;
pub(crate) mod cash;
pub(crate) mod refusals;
pub mod trail;
pub mod approvals;
pub(crate) mod audits;

use std::sync::Arc;

use crate::config::{Config, PartyConfig, Role};
use crate::ledger::Party;

/// The lowest role that sees people's e-mail addresses.
const SEES_EMAIL: Role = Role::Operator;

/// Whoever looks, and what they may see.
#[derive(Debug, Clone)]
pub(crate) struct Viewing {
    pub config: Arc<Config>,
    pub role: Role,
}

impl Viewing {
    pub(crate) fn sees_email(&self) -> bool {
        self.role >= SEES_EMAIL
    }
}

/// What was asked for cannot be: it names nothing, or makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// The configured party of this name.
pub(crate) fn party<'a>(config: &'a Config, name: &str) -> Option<(Party, &'a PartyConfig)> {
    let party = Party::parse(name).ok()?;
    let settings = config.parties.get(&party)?;
    Some((party, settings))
}
