//! QuickPlay's partner wallet: QuickPlay calls us to learn who a player is, and to move money in and out of contests.
//!
//! Every call is signed. A success is `200 {"data": …}`, a refusal `400 {"error": …}` with a [`code::QuickPlayCode`].
//! Seed: "Partner QP Integration".
//!
//! Reading order: [`wire`] (what is sent), [`code`] (why not), [`handler`] (what is done about it), [`answer`] (what is
//! answered), [`document`] (what we say of it).

mod wire;
mod code;
mod handler;
mod answer;
mod document;

use std::sync::Arc;

use super::http::{Dialect, Failure, Mount, MountContext, MountError, PartyContext, Reply, Route, handled_by};
use crate::identity::SignatureKey;
use handler::QuickPlayHandler;

/// What a call holds is a few hundred bytes, and a token at most 8 KiB.
const MAX_BODY: usize = 64 * 1024;

pub static DIALECT: Dialect = Dialect { name: "quickplay", mounts, failure };

fn mounts(context: &MountContext<'_>) -> Result<Vec<Mount>, MountError> {
    let parties = context.parties.iter();
    parties.filter_map(|party| mount(context, party).transpose()).collect()
}

fn mount(context: &MountContext<'_>, of: &PartyContext<'_>) -> Result<Option<Mount>, MountError> {
    let Some(settings) = &of.settings.quickplay else { return Ok(None) };
    let place = format!("parties.{}.quickplay", of.party);
    let verifier = of.verifier.clone().ok_or_else(|| {
        MountError(format!("{place} needs a [parties.{}.jwt] section to check the players' tokens with", of.party))
    })?;
    let signer = SignatureKey::open(&settings.public_key_file, settings.digest)
        .map_err(|error| MountError(format!("{place}.public_key_file: {error}")))?;
    let handler = Arc::new(QuickPlayHandler {
        party: of.party.clone(),
        partner: settings.partner.clone(),
        currency: settings.currency,
        exponent: context.config.exponent(settings.currency),
        currencies: context.config.currencies.clone(),
        signer,
        verifier,
    });
    let route = |path, operation, handle, document| Route::post(path, operation, MAX_BODY, handle, document);
    let routes = vec![
        route("/auth", "auth", handled_by(&handler, QuickPlayHandler::auth), document::auth),
        route(
            "/user-details",
            "user-details",
            handled_by(&handler, QuickPlayHandler::user_details),
            document::user_details,
        ),
        route(
            "/transaction",
            "transaction",
            handled_by(&handler, QuickPlayHandler::transaction),
            document::transaction,
        ),
    ];
    Ok(Some(Mount { dialect: &DIALECT, party: Some(of.party.clone()), path: settings.path.clone(), routes }))
}

fn failure(failure: Failure) -> Reply {
    answer::failed(failure)
}

#[cfg(test)]
mod tests;
