//! What the calls of the partner API (seed 002) have in common: an access token, and how they refuse.

use super::handler::GoPlayHandler;
use super::parameters::FormParameters;
use super::scope::Scope;
use super::wire::{Said, unstored};
use crate::dialects::http::{HandlerError, Reply, Request};
use crate::identity::grants::{Grant, GrantAct, TokenHash};
use crate::wallet::WalletPort;

/// What the access token is good for (RFC 6750).
pub async fn grant_of(
    handler: &GoPlayHandler,
    wallet: &dyn WalletPort,
    request: &Request,
    places: [&FormParameters; 2],
    needed: Scope,
) -> Result<Grant, HandlerError> {
    let token = access_token(request, places).map_err(malformed)?;
    let token = token.ok_or_else(|| unauthorized("", "An access_token is needed"))?;
    let act = GrantAct::Look { access: TokenHash::of(token), party: handler.party.clone(), at: request.at };
    match wallet.grants(handler.party.clone(), act).await? {
        Ok(granted) if needed.is_in(&granted.scope) => Ok(granted.grant),
        Ok(_) => Err(insufficient(needed).into()),
        Err(_) => Err(unauthorized(", error=\"invalid_token\"", "The access_token is not valid (any more)").into()),
    }
}

/// The one token in query, form or header.
fn access_token<'a>(request: &'a Request, places: [&'a FormParameters; 2]) -> Result<Option<&'a str>, &'static str> {
    const TWICE: &str = "The access_token must be there once: in the query, the form or the header";
    let mut found = None;
    for place in places {
        let token = place.one("access_token").map_err(|_| TWICE)?;
        if token.is_some() && found.is_some() {
            return Err(TWICE);
        }
        found = found.or(token);
    }
    let headers = request.headers.get_all("authorization").iter().count();
    match (request.bearer(), found) {
        (Some(_), Some(_)) => Err(TWICE),
        (Some(token), None) if headers == 1 => Ok(Some(token)),
        (None, found) if headers == 0 => Ok(found),
        _ => Err("The authorization header must read 'Bearer <token>', once"),
    }
}

pub fn refused(code: &'static str, message: &str) -> Reply {
    unstored(Reply::json(200, code, &Said::refused(message)))
}

pub fn malformed(message: &str) -> Reply {
    let challenge = "Bearer realm=\"goplay\", error=\"invalid_request\"";
    challenged(400, "invalid_request", message, challenge.to_owned())
}

/// Without a token there is no error to name (RFC 6750, 3).
pub fn unauthorized(error: &str, message: &str) -> Reply {
    challenged(401, "invalid_token", message, format!("Bearer realm=\"goplay\"{error}"))
}

fn insufficient(needed: Scope) -> Reply {
    let scope = needed.as_str();
    let message = format!("The access_token is not good for this: it needs the scope {scope}");
    let challenge = format!("Bearer realm=\"goplay\", error=\"insufficient_scope\", scope=\"{scope}\"");
    challenged(403, "insufficient_scope", &message, challenge)
}

fn challenged(status: u16, code: &'static str, message: &str, challenge: String) -> Reply {
    unstored(Reply::json(status, code, &Said::refused(message))).with_header("www-authenticate", challenge)
}
