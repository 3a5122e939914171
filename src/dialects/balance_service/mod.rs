//! The Balance Service: JSON objects that name a method, posted to an address that names it again.
//!
//! Reading order: [`gate`] (who may call), [`call`] (the object around the parameters), [`params`] and
//! [`timestamp`] (what is in them), [`kind`] (the transaction types), [`handler`] (one party's handler), then its methods:
//! [`balance`], [`adjust`], [`queue`], [`find`]; [`outcome`], [`model`] and [`code`] (what is answered), [`document`].

mod gate;
pub mod call;
mod params;
pub mod timestamp;
mod kind;
mod handler;
mod balance;
mod adjust;
mod queue;
mod find;
mod outcome;
mod model;
mod code;
pub mod document;

use std::sync::Arc;

use serde_json::Value;

use crate::dialects::http::{self, Dialect, Handler, Mount, MountContext, MountError, Request, Route};
use crate::wallet::SharedWallet;
use call::Method;
use handler::BalanceServiceHandler;

/// The longest body that is read, in bytes: twenty times the largest call of the seed's.
const MAX_BODY: usize = 64 * 1024;

pub static DIALECT: Dialect = Dialect { name: "balance_service", mounts, failure: code::failure };

/// One mount for each party that has a section.
fn mounts(context: &MountContext<'_>) -> Result<Vec<Mount>, MountError> {
    let mounts = context.parties.iter().filter_map(|of_party| {
        let settings = of_party.settings.balance_service.clone()?;
        let (party, path) = (of_party.party.clone(), settings.path.clone());
        let handler =
            Arc::new(BalanceServiceHandler { party: party.clone(), settings, config: context.config.clone() });
        Some(Mount { dialect: &DIALECT, party: Some(party), path, routes: routes(&handler) })
    });
    Ok(mounts.collect())
}

/// The methods' own addresses, so that each is documented and counted by itself, and one for all other spellings.
fn routes(handler: &Arc<BalanceServiceHandler>) -> Vec<Route> {
    let of_methods = Method::ALL.into_iter().map(|method| {
        let handle = http::handled_by(
            handler,
            move |handler: Arc<BalanceServiceHandler>, wallet: SharedWallet, request: Request| async move {
                handler.answer(method.name(), &*wallet, &request).await
            },
        );
        route(method.path(), method.name(), handle, document::of(method))
    });
    let elsewhere = http::handled_by(
        handler,
        |handler: Arc<BalanceServiceHandler>, wallet: SharedWallet, request: Request| async move {
            handler.answer(request.parameter("method").unwrap_or_default(), &*wallet, &request).await
        },
    );
    of_methods.chain([route("/{method}", "other", elsewhere, document::elsewhere)]).collect()
}

fn route(path: &'static str, operation: &'static str, handle: Handler, document: fn() -> Value) -> Route {
    // Whatever is not POST is answered by the dialect, too: with the seed's code 1.
    Route { method: None, path, operation, max_body: MAX_BODY, handle, document }
}

#[cfg(test)]
mod tests;
