//! GoPlay's partner API: an OAuth 2.0 provider (RFC 6749, 6750, 7009, 7636), a player's profile, and VIP memberships.
//!
//! Reading order: [`handler`] (what a party's requests share), [`parameters`] and [`client`] (what every OAuth request has),
//! [`request`] (what an authorization request asks), [`page`] and [`ticket`] (the sign-in page), then the operations:
//! [`authorize`], [`token`], and behind an access token ([`partner`]) [`profile`] and [`vip`]. [`document`] describes those of
//! OAuth; each of the other two brings its scope and its document.

mod handler;
mod parameters;
mod client;
mod scope;
mod request;
mod page;
mod ticket;
mod authorize;
mod token;
mod partner;
mod profile;
mod vip;
mod wire;
mod document;

use std::sync::Arc;

use ::http::Method;
use serde_json::Value;

use crate::dialects::http::{Dialect, Failure, Handler, Mount, MountContext, MountError, Reply, Route, handled_by};
use handler::GoPlayHandler;
use scope::Scope;

pub static DIALECT: Dialect = Dialect { name: "goplay", mounts, failure };

/// What a client may be allowed, in the order in which a player is asked.
const SCOPES: [Scope; 2] = [profile::SCOPE, vip::SCOPE];

/// What is said where a client asks for anything else.
const UNKNOWN_SCOPE: &str = "scope must be of the words profile and vip";

/// The longest form that is read: the authorization request comes again with the player's name and password.
const MAX_FORM: usize = 64 * 1024;

/// The longest body of a request that needs none.
const NO_BODY: usize = 1024;

fn mounts(context: &MountContext<'_>) -> Result<Vec<Mount>, MountError> {
    let goplays = context.parties.iter().filter_map(|party| Some((party.party, party.settings.goplay.as_ref()?)));
    let mounts = goplays.map(|(party, goplay)| {
        let config = context.config;
        let (exponent, public_url) = (config.exponent(goplay.currency), config.http.public_url.as_ref());
        let passwords = context.passwords.clone();
        let handler = Arc::new(GoPlayHandler::new(party.clone(), goplay.clone(), exponent, public_url, passwords));
        Mount { dialect: &DIALECT, party: Some(party.clone()), path: goplay.path.clone(), routes: routes(&handler) }
    });
    Ok(mounts.collect())
}

fn routes(handler: &Arc<GoPlayHandler>) -> Vec<Route> {
    let route = |method, path, operation, handle: Handler, document: fn() -> Value| {
        let max_body = if method == Method::GET { NO_BODY } else { MAX_FORM };
        Route { method: Some(method), path, operation, max_body, handle, document }
    };
    vec![
        route(Method::GET, "/oauth/authorize", "authorize.page", handled_by(handler, authorize::show), document::show),
        route(Method::POST, "/oauth/authorize", "authorize", handled_by(handler, authorize::submit), document::submit),
        route(Method::POST, "/oauth/token", "token", handled_by(handler, token::exchange), document::exchange),
        route(Method::POST, "/oauth/revoke", "revoke", handled_by(handler, token::revoke), document::revoke),
        route(Method::GET, "/partner/1/profile", "profile", handled_by(handler, profile::show), profile::describe),
        route(Method::POST, "/partner/1/vip", "vip", handled_by(handler, vip::buy), vip::describe),
    ]
}

/// One object for both kinds of callers: those of the partner API and those of OAuth.
fn failure(failure: Failure) -> Reply {
    let (error, message) = match failure {
        Failure::NotFound => ("not_found", "There is nothing under this path"),
        Failure::MethodNotAllowed => ("method_not_allowed", "This path does not take this method"),
        Failure::TooLarge => ("invalid_request", "The body is too long"),
        Failure::Unreadable => ("invalid_request", "The body did not come whole and in time"),
        Failure::Unavailable => ("temporarily_unavailable", "Not possible at the moment; please try again"),
        Failure::Fault => ("server_error", "Something went wrong on our side"),
    };
    Reply::json(failure.status(), error, &wire::FailedReply::new(error, message))
        .with_header("cache-control", "no-store")
}

#[cfg(test)]
mod tests;
