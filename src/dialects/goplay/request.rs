//! What an authorization request asks (RFC 6749, 4.1.1; RFC 7636, 4.3).
//!
//! Until it is known whose request it is and that the client has registered this redirect URI, nobody is sent anywhere:
//! the player is told on a page. From then on, the client is.

use url::Url;

use super::handler::GoPlayHandler;
use super::parameters::FormParameters;
use super::scope::{self, Scope};
use super::wire::OauthError;
use crate::config::OauthClient;
use crate::identity::pkce::Challenge;

/// The longest `state` that is carried, in bytes: it comes back in an address.
const MAX_STATE: usize = 2048;

/// An authorization request that may be put to the player.
#[derive(Debug, Clone)]
pub struct AuthorizationRequest {
    pub client: OauthClient,
    pub back: Back,
    pub scopes: Vec<Scope>,
    pub challenge: Challenge,
}

/// Where the player's browser goes afterwards.
#[derive(Debug, Clone)]
pub struct Back {
    /// As registered.
    pub redirect_uri: String,
    pub state: Option<String>,
    target: Url,
}

/// Why it may not.
#[derive(Debug)]
pub enum Wrong {
    /// To be told on a page.
    Nowhere(&'static str),
    Client(Box<Back>, OauthError),
}

impl AuthorizationRequest {
    pub fn parse(handler: &GoPlayHandler, parameters: &FormParameters) -> Result<Self, Wrong> {
        let (client, mut back) = client(handler, parameters).map_err(Wrong::Nowhere)?;
        let asked = back.read_state(parameters).and_then(|()| what(parameters));
        match asked {
            Ok((scopes, challenge)) => Ok(Self { client: client.clone(), back, scopes, challenge }),
            Err(error) => Err(Wrong::Client(Box::new(back), error)),
        }
    }
}

/// Who asks, and where the answer goes.
fn client<'a>(
    handler: &'a GoPlayHandler,
    parameters: &FormParameters,
) -> Result<(&'a OauthClient, Back), &'static str> {
    let twice = |_| "The address has client_id or redirect_uri more than once.";
    let id = parameters.one("client_id").map_err(twice)?.ok_or("The address does not say which partner it is for.")?;
    let client = handler.configured(id).ok_or("The address is for a partner that is not known here.")?;
    let asked = parameters.one("redirect_uri").map_err(twice)?.ok_or("The address does not say where to return to.")?;
    let registered = client.redirect_uris.iter().find(|registered| *registered == asked);
    let registered = registered.ok_or("The address would return to a place that the partner has not registered.")?;
    let target = Url::parse(registered).map_err(|_| "The partner's return address is not valid.")?;
    Ok((client, Back { redirect_uri: registered.clone(), state: None, target }))
}

fn what(parameters: &FormParameters) -> Result<(Vec<Scope>, Challenge), OauthError> {
    match parameters.one("response_type")? {
        Some("code") => {}
        Some(_) => return Err(OauthError::new("unsupported_response_type", "response_type must be code")),
        None => return Err(OauthError::invalid_request("response_type is missing: it must be code")),
    }
    let challenge = parameters.one("code_challenge")?;
    let challenge = challenge.ok_or_else(|| OauthError::invalid_request("code_challenge is missing (RFC 7636)"))?;
    if parameters.one("code_challenge_method")? != Some("S256") {
        return Err(OauthError::invalid_request("code_challenge_method must be S256"));
    }
    let challenge = Challenge::parse(challenge)
        .ok_or_else(|| OauthError::invalid_request("code_challenge must be a SHA-256 digest in base64url"))?;
    Ok((scope::parse(parameters.one("scope")?)?, challenge))
}

impl Back {
    fn read_state(&mut self, parameters: &FormParameters) -> Result<(), OauthError> {
        let state = parameters.one("state")?;
        if state.is_some_and(|state| state.len() > MAX_STATE) {
            return Err(OauthError::invalid_request("state is too long"));
        }
        self.state = state.map(str::to_owned);
        Ok(())
    }

    /// The address with the outcome in its query.
    pub fn address(&self, outcome: &[(&str, &str)]) -> String {
        let mut target = self.target.clone();
        target.query_pairs_mut().extend_pairs(outcome);
        if let Some(state) = &self.state {
            target.query_pairs_mut().append_pair("state", state);
        }
        target.into()
    }

    pub fn with_error(&self, error: &OauthError) -> String {
        self.address(&[("error", error.error), ("error_description", error.error_description)])
    }

    /// Where it leads, as a Content-Security-Policy names it.
    pub fn source(&self) -> String {
        match self.target.host() {
            Some(url::Host::Domain(_) | url::Host::Ipv4(_)) if self.target.origin().is_tuple() => {
                self.target.origin().ascii_serialization()
            }
            // The policy knows no IPv6 addresses, and a scheme of a program's own has no host.
            _ => format!("{}:", self.target.scheme()),
        }
    }
}
