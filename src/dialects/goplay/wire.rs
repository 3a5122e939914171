//! What goes over the wire, beside [profiles](super::profile). The OpenAPI document and `schemas/goplay/` are generated from these types.

use schemars::JsonSchema;
use serde::Serialize;

use super::parameters::Repeated;
use crate::dialects::http::{HandlerError, Reply};

/// Seed 002: whether it was done, and if not, why. Also the reply to every refused call of the partner API.
#[derive(Serialize, JsonSchema)]
pub struct Said {
    pub success: bool,
    /// Why not, for people; empty where it was done.
    pub message: String,
}

impl Said {
    pub fn done() -> Self {
        Self { success: true, message: String::new() }
    }

    pub fn refused(message: impl Into<String>) -> Self {
        Self { success: false, message: message.into() }
    }
}

/// What is said where no operation answers, in the words of both APIs.
#[derive(Serialize, JsonSchema)]
pub struct FailedReply {
    pub success: bool,
    pub message: &'static str,
    pub error: &'static str,
    pub error_description: &'static str,
}

impl FailedReply {
    pub fn new(error: &'static str, message: &'static str) -> Self {
        Self { success: false, message, error, error_description: message }
    }
}

/// RFC 6749, 5.1.
#[derive(Serialize, JsonSchema)]
pub struct TokensReply<'a> {
    pub access_token: &'a str,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
    pub refresh_token: &'a str,
    /// What the access token is good for: words with spaces between.
    pub scope: &'a str,
}

/// RFC 6749, 5.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OauthError {
    pub error: &'static str,
    pub error_description: &'static str,
}

impl OauthError {
    pub fn new(error: &'static str, error_description: &'static str) -> Self {
        Self { error, error_description }
    }

    pub fn invalid_request(error_description: &'static str) -> Self {
        Self::new("invalid_request", error_description)
    }

    pub fn invalid_client(error_description: &'static str) -> Self {
        Self::new("invalid_client", error_description)
    }

    pub fn reply(&self) -> Reply {
        if self.error == "invalid_client" {
            unstored(Reply::json(401, self.error, self)).with_header("www-authenticate", "Basic realm=\"goplay\"")
        } else {
            unstored(Reply::json(400, self.error, self))
        }
    }
}

impl From<Repeated> for OauthError {
    fn from(_: Repeated) -> Self {
        Self::invalid_request("A parameter is there more than once")
    }
}

impl From<OauthError> for HandlerError {
    fn from(error: OauthError) -> Self {
        error.reply().into()
    }
}

/// A reply that no cache may keep (RFC 6749, 5.1).
pub fn unstored(reply: Reply) -> Reply {
    reply.with_header("cache-control", "no-store").with_header("pragma", "no-cache")
}
