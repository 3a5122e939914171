//! The pages that players see: plain HTML without a script, made for a phone and for a keyboard as much as for a mouse.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::request::AuthorizationRequest;
use super::scope::{self, Scope};
use crate::dialects::http::Reply;

const STYLE: &str = include_str!("page.css");

/// What the sign-in page is filled with.
pub struct SignInPage<'a> {
    pub asked: &'a AuthorizationRequest,
    pub ticket: &'a str,
    /// What was typed before, so that it need not be typed again.
    pub username: &'a str,
    pub problem: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "goplay/sign_in.html")]
struct SignInTemplate<'a> {
    style: &'static str,
    client: &'a str,
    scopes: &'a [Scope],
    hidden: Vec<(&'static str, &'a str)>,
    username: &'a str,
    problem: Option<&'a str>,
    /// Where the player goes from here.
    back: &'a str,
}

#[derive(Template)]
#[template(path = "goplay/problem.html")]
struct ProblemTemplate<'a> {
    style: &'static str,
    message: &'a str,
}

/// The page on which a player signs in and allows or denies.
pub fn sign_in(status: u16, code: &'static str, filled: &SignInPage<'_>) -> Reply {
    let SignInPage { asked, ticket, username, problem } = *filled;
    let (scopes, back) = (scope::text(&asked.scopes), asked.back.source());
    let page = SignInTemplate {
        style: STYLE,
        client: &asked.client.id,
        scopes: &asked.scopes,
        hidden: hidden(asked, ticket, &scopes),
        username,
        problem,
        back: &back,
    };
    let policy = format!("form-action 'self' {back}");
    html(status, code, &page, &policy)
}

/// A page that says why it goes no further.
pub fn problem(status: u16, code: &'static str, message: &str) -> Reply {
    let page = ProblemTemplate { style: STYLE, message };
    html(status, code, &page, "form-action 'none'")
}

fn hidden<'a>(asked: &'a AuthorizationRequest, ticket: &'a str, scopes: &'a str) -> Vec<(&'static str, &'a str)> {
    let fixed = [
        ("ticket", ticket),
        ("response_type", "code"),
        ("client_id", &*asked.client.id),
        ("redirect_uri", &*asked.back.redirect_uri),
        ("scope", scopes),
        ("code_challenge", asked.challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let state = asked.back.state.as_deref().map(|state| ("state", state));
    fixed.into_iter().chain(state).collect()
}

fn html(status: u16, code: &'static str, page: &impl Template, form_action: &str) -> Reply {
    let document = match page.render() {
        Ok(document) => document,
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            return Reply::empty(500, "500");
        }
    };
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; {form_action}; \
         frame-ancestors 'none'"
    );
    Reply {
        status,
        content_type: "text/html; charset=utf-8",
        headers: vec![
            ("content-security-policy", policy),
            ("x-frame-options", "DENY".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ],
        body: document.into_bytes(),
        code: code.into(),
    }
}
