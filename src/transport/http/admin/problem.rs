//! Errors of `/admin/v1`: `application/problem+json` (RFC 9457).

use std::fmt;

use serde_json::{Map, Value, json};

use crate::admin::Invalid;
use crate::admin::refusals::RefusalKind;
use crate::config::Role;
use crate::dialects::http::{Failure, Reply};
use crate::identity::operators::NotSignedIn;
use crate::identity::throttle::RetryAfter;
use crate::ledger::LedgerName;
use crate::storage::StoreError;
use crate::transport::http::operating::RETRY_AFTER;

const CONTENT_TYPE: &str = "application/problem+json";

/// Why a call is not answered as it was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub status: u16,
    pub title: &'static str,
    pub detail: String,
    more: Map<String, Value>,
    pub headers: Vec<(&'static str, String)>,
}

impl Problem {
    fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), more: Map::new(), headers: Vec::new() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "Bad request", detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "Not found", detail)
    }

    pub fn role_too_low(has: Role, needed: Role) -> Self {
        let detail = format!("this needs the role {needed}, and yours is {has}");
        Self::new(403, "Forbidden", detail).with("role", has.as_str()).with("needed_role", needed.as_str())
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", detail)
    }

    /// Of streams that do not end by themselves.
    pub fn too_many_streams() -> Self {
        let detail = "as many streams are open as there may be; end one, or come again";
        Self::new(503, "Temporarily unavailable", detail).with_header("retry-after", RETRY_AFTER)
    }

    /// Of the console: there is no session.
    pub fn not_signed_in() -> Self {
        NotSignedIn::Unknown.into()
    }

    /// Of the console: there was a session, or there never was one of this name.
    pub fn session_over() -> Self {
        let detail = "you are signed in no more: the twelve hours are over, or you signed out in another tab, or have \
                      another token by now; sign in again";
        Self { detail: detail.to_owned(), ..Self::not_signed_in() }
    }

    /// Of the console: a form was sent, and nobody is signed in to send it.
    pub fn form_without_session() -> Self {
        let detail = "you are signed in no more, so nothing was done: sign in, and send the form again";
        Self { detail: detail.to_owned(), ..Self::not_signed_in() }
    }

    /// Of the console: which of several sessions is meant nobody can tell.
    pub fn several_sessions() -> Self {
        let detail = "this browser sends more than one cookie called purser_console, so nobody can tell who you are: delete \
                      the cookies of this host and of those above it, and sign in";
        Self { detail: detail.to_owned(), ..Self::not_signed_in() }
    }

    /// Of the console: the page that a form was on was shown to somebody else than is signed in by now.
    pub fn page_of_another(shown_to: &str, now: &str) -> Self {
        let detail = format!(
            "this page was shown to {shown_to}, and {now} has signed in since, in another tab: nothing was done; open the \
             page again"
        );
        Self::new(409, "Conflict", detail)
    }

    /// Of the console: the session could not be ended for every process.
    pub fn still_signed_in() -> Self {
        let detail = "the ledger is away, so you are still signed in: sign out again in a while";
        Self::new(503, "Temporarily unavailable", detail).with_header("retry-after", RETRY_AFTER)
    }

    /// Of the console: the token that was typed is nobody's.
    pub fn wrong_token() -> Self {
        Self { detail: "this token is nobody's".to_owned(), ..Self::not_signed_in() }
    }

    /// Of the console: a form that none of its pages sent.
    pub fn form_from_elsewhere() -> Self {
        let detail = "this form was not sent by a page of the console, so nothing was done; behind a proxy that changes \
                      the host, http.public_url must say where it shows the console";
        Self::new(403, "Forbidden", detail)
    }

    pub fn method_not_allowed(methods: &[&str]) -> Self {
        let allow = methods.join(", ");
        Self::new(405, "Method not allowed", format!("this path takes {allow}")).with_header("allow", allow)
    }

    pub fn unsupported_media_type(expected: &str) -> Self {
        Self::new(415, "Unsupported media type", format!("the body must be {expected}"))
    }

    pub fn unavailable() -> Self {
        let detail = "the ledger is away or busy; ask the same again, with the same key where there is one";
        Self::new(503, "Temporarily unavailable", detail).with_header("retry-after", RETRY_AFTER)
    }

    /// What is asked for was found in no ledger that answered.
    pub fn ledgers_away(away: &[LedgerName]) -> Self {
        let names: Vec<&str> = away.iter().map(LedgerName::as_str).collect();
        let detail =
            format!("ledger {} could not be looked at, and it may be there; ask the same again", names.join(", "));
        Self::new(503, "Temporarily unavailable", detail).with_header("retry-after", RETRY_AFTER)
    }

    /// The broker, or what it does at the moment.
    pub fn broker_away() -> Self {
        let detail = "the broker is away, or has no queue of dead letters; the log says more. Ask the same again";
        Self::new(503, "Temporarily unavailable", detail).with_header("retry-after", RETRY_AFTER)
    }

    /// The index of histories has not got so far yet.
    pub fn behind(rows: i64) -> Self {
        let detail = format!("the index of histories is {rows} rows behind the journal; ask again in a while");
        Self::new(503, "Temporarily unavailable", detail).with_header("retry-after", RETRY_AFTER)
    }

    pub fn refused(kind: RefusalKind, detail: String) -> Self {
        match kind {
            RefusalKind::Unknown => Self::not_found(detail),
            RefusalKind::Conflict => Self::new(409, "Conflict", detail),
        }
    }

    pub fn reply(self) -> Reply {
        let Self { status, title, detail, more, headers } = self;
        let mut body = json!({ "type": "about:blank", "title": title, "status": status, "detail": detail });
        if let Value::Object(members) = &mut body {
            members.extend(more);
        }
        let reply = Reply::json(status, status.to_string(), &body);
        Reply { content_type: CONTENT_TYPE, headers, ..reply }
    }
}

/// As the trail has it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.status)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the database did not answer an operator");
        match error {
            StoreError::Outage(_) | StoreError::Conflict(_) | StoreError::Contention(_) => Self::unavailable(),
            StoreError::PartyMoved(_) => Self::refused(RefusalKind::Conflict, error.to_string()),
            StoreError::Rejected(_) => Failure::Fault.into(),
        }
    }
}

impl From<Invalid> for Problem {
    fn from(Invalid(why): Invalid) -> Self {
        Self::bad_request(why)
    }
}

impl From<NotSignedIn> for Problem {
    fn from(why: NotSignedIn) -> Self {
        match why {
            NotSignedIn::Unknown => {
                Self::new(401, "Unauthorized", "an operator's token is required: authorization: Bearer …")
                    .with_header("www-authenticate", "Bearer")
            }
            NotSignedIn::TooMany(RetryAfter(seconds)) => {
                Self::new(429, "Too many requests", "too many wrong tokens were tried from this address")
                    .with_header("retry-after", seconds.to_string())
            }
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound => Self::not_found("there is nothing under this path"),
            Failure::MethodNotAllowed => Self::method_not_allowed(&[]),
            Failure::TooLarge => Self::new(413, "Content too large", "the body is longer than is read"),
            Failure::Unreadable => Self::new(408, "Request timeout", "the body did not come whole in time"),
            Failure::Unavailable => Self::unavailable(),
            Failure::Fault => Self::new(500, "Internal server error", "a fault of ours; the log says more"),
        }
    }
}
