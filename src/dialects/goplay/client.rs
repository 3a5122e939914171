//! Who is calling: client authentication by HTTP Basic or in the body (RFC 6749, 2.3.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use super::handler::GoPlayHandler;
use super::parameters::FormParameters;
use super::wire::OauthError;
use crate::config::{OauthClient, Secret};
use crate::dialects::http::Request;

/// The client that a request proves to come from.
pub fn authenticate<'a>(
    handler: &'a GoPlayHandler,
    request: &Request,
    form: &FormParameters,
) -> Result<&'a OauthClient, OauthError> {
    let named = form.one("client_id")?;
    let secret = form.one("client_secret")?;
    let Some(header) = basic(request)? else {
        let (Some(id), Some(secret)) = (named, secret) else {
            return Err(OauthError::invalid_client("The client must authenticate: by HTTP Basic or in the body"));
        };
        return check(handler, id, secret).ok_or_else(unknown);
    };
    if secret.is_some() {
        return Err(OauthError::invalid_request("The client must authenticate in one way only"));
    }
    let client = decoded(&header).and_then(|(id, secret)| check(handler, &id, &secret));
    // Some libraries send the texts as they are, without encoding them first.
    let client = client.or_else(|| header.split_once(':').and_then(|(id, secret)| check(handler, id, secret)));
    match client {
        Some(client) if named.is_none_or(|named| named == client.id) => Ok(client),
        Some(_) => Err(OauthError::invalid_request("client_id is not the client that authenticates")),
        None => Err(unknown()),
    }
}

fn unknown() -> OauthError {
    OauthError::invalid_client("No such client with this secret")
}

/// Takes as long for an unknown client as for a wrong secret.
fn check<'a>(handler: &'a GoPlayHandler, id: &str, secret: &str) -> Option<&'a OauthClient> {
    match handler.configured(id) {
        Some(client) => client.secret.matches(secret).then_some(client),
        None => {
            let _ = Secret::new("nobody").matches(secret);
            None
        }
    }
}

/// The text within `Authorization: Basic …`.
fn basic(request: &Request) -> Result<Option<String>, OauthError> {
    let mut headers = request.headers.get_all("authorization").iter();
    let Some(header) = headers.next() else { return Ok(None) };
    let garbled = || OauthError::invalid_client("The authorization header must read 'Basic <base64>', once");
    let text = header.to_str().map_err(|_| garbled())?;
    let (scheme, encoded) = text.split_once(' ').ok_or_else(garbled)?;
    if !scheme.eq_ignore_ascii_case("basic") || headers.next().is_some() {
        return Err(garbled());
    }
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| garbled())?;
    String::from_utf8(bytes).map(Some).map_err(|_| garbled())
}

/// Id and secret, each encoded as in a form.
fn decoded(header: &str) -> Option<(String, String)> {
    let (id, secret) = header.split_once(':')?;
    Some((decode(id), decode(secret)))
}

fn decode(text: &str) -> String {
    // A value alone would be split at `&` and `=`; encoded text has neither.
    let pair = format!("v={}", text.replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
