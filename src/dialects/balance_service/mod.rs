//! The Balance Service: JSON objects that name a method, posted to an address that names it again.
//!
//! Reading order: [`gate`] (who may call), [`call`] (the object around the parameters), [`params`], [`decimal`] and
//! [`timestamp`] (what is in them), [`kind`] (the transaction types), [`desk`] (one party's counter), then its methods:
//! [`balance`], [`adjust`], [`queue`], [`find`]; [`model`] and [`code`] (what is answered), [`document`].

pub mod gate;
pub mod call;
pub mod params;
pub mod decimal;
pub mod timestamp;
pub mod kind;
pub mod desk;
pub mod balance;
pub mod adjust;
pub mod queue;
pub mod find;
pub mod model;
pub mod code;
pub mod document;

use std::sync::Arc;

use crate::dialects::http::{Dialect, Host, Mount, MountError, Route};
use desk::Desk;

/// The longest body that is read, in bytes: twenty times the largest call of the seed's.
const MAX_BODY: usize = 64 * 1024;

pub static DIALECT: Dialect = Dialect { name: "balance_service", mounts, failure: code::failure };

/// One mount for each party that has a section.
fn mounts(host: &Host<'_>) -> Result<Vec<Mount>, MountError> {
    let mounts = host.parties.iter().filter_map(|of_party| {
        let settings = of_party.settings.balance_service.clone()?;
        let (party, path) = (of_party.party.clone(), settings.path.clone());
        let desk = Arc::new(Desk { party: party.clone(), settings, config: host.config.clone() });
        Some(Mount { dialect: &DIALECT, party: Some(party), path, routes: vec![route(desk)] })
    });
    Ok(mounts.collect())
}

fn route(desk: Arc<Desk>) -> Route {
    Route {
        // Whatever is not POST is answered here, too: with the seed's code 1.
        method: None,
        path: "/{method}",
        operation: "call",
        max_body: MAX_BODY,
        handle: Arc::new(move |request| desk.answer(&request)),
        document: document::call,
    }
}

#[cfg(test)]
mod tests;
