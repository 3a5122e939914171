//! The CodeGames hub: partners sign in, look at gift-card offers, buy keys of them, and fetch what they bought.
//!
//! A success has a body of its own; every refusal is `{"code", "message"}` with an HTTP status that fits.
//! Seed: "CODE GAMES API-HUB".
//!
//! Reading order: [`wire`] (what is sent), [`refusal`] (why not), [`users`] (who asks), [`handler`] (what is done about
//! it), [`answer`] (what is answered), [`document`] (what we say of it).

mod wire;
mod refusal;
mod users;
mod handler;
mod answer;
mod document;

use std::sync::{Arc, Mutex};

use super::http::{Dialect, Failure, Mount, MountContext, MountError, PartyContext, Reply, Route, handled_by};
use crate::identity::sealing::Vault;
use crate::identity::throttle::{PROGRAMS, Throttle};
use handler::CodeGamesHandler;
use users::Users;

/// The longest call, `pay`, holds a few hundred bytes.
const MAX_BODY: usize = 16 * 1024;

pub static DIALECT: Dialect = Dialect { name: "codegames", mounts, failure };

fn mounts(context: &MountContext<'_>) -> Result<Vec<Mount>, MountError> {
    let parties = context.parties.iter();
    parties.filter_map(|party| mount(context, party).transpose()).collect()
}

fn mount(context: &MountContext<'_>, of: &PartyContext<'_>) -> Result<Option<Mount>, MountError> {
    let Some(settings) = &of.settings.codegames else { return Ok(None) };
    let unusable = || MountError(format!("parties.{}.codegames.keys_secret: no keys can be derived of it", of.party));
    let handler = Arc::new(CodeGamesHandler {
        party: of.party.clone(),
        currency: settings.currency,
        exponent: context.config.exponent(settings.currency),
        users: Users::new(of.party, settings).ok_or_else(unusable)?,
        vault: Vault::open(&settings.keys_secret, of.party).map_err(|_| unusable())?,
        passwords: context.passwords.clone(),
        throttle: Mutex::new(Throttle::new(PROGRAMS)),
    });
    let route = |path, operation, handle, document| Route::post(path, operation, MAX_BODY, handle, document);
    let routes = vec![
        route("/auth/sign-in", "sign-in", handled_by(&handler, CodeGamesHandler::sign_in), document::sign_in),
        route("/partner/product-offers/check", "check", handled_by(&handler, CodeGamesHandler::check), document::check),
        route("/partner/product-offers/pay", "pay", handled_by(&handler, CodeGamesHandler::pay), document::pay),
        route("/partner/product-offers/keys", "keys", handled_by(&handler, CodeGamesHandler::keys), document::keys),
    ];
    Ok(Some(Mount { dialect: &DIALECT, party: Some(of.party.clone()), path: settings.path.clone(), routes }))
}

fn failure(failure: Failure) -> Reply {
    answer::failed(failure)
}

#[cfg(test)]
mod tests;
