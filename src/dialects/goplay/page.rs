//! The pages that players see: plain HTML without a script, made for a phone and for a keyboard as much as for a mouse.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::request::AuthorizationRequest;
use super::scope;
use crate::dialects::http::Reply;
use crate::dialects::http::html::escape;

const STYLE: &str = include_str!("page.css");

/// What the sign-in page is filled with.
pub struct SignInPage<'a> {
    pub asked: &'a AuthorizationRequest,
    pub ticket: &'a str,
    /// What was typed before, so that it need not be typed again.
    pub username: &'a str,
    pub problem: Option<&'a str>,
}

/// The page on which a player signs in and allows or denies.
pub fn sign_in(status: u16, code: &'static str, page: &SignInPage<'_>) -> Reply {
    let asked = page.asked;
    let client = escape(&asked.client.id);
    let allowed: String = asked.scopes.iter().map(|scope| format!("<li>{}</li>\n", escape(scope.sentence()))).collect();
    let problem = page.problem.map_or(String::new(), |problem| {
        format!("<p class=\"problem\" id=\"problem\" role=\"alert\">{}</p>\n", escape(problem))
    });
    let body = format!(
        "<h1>Sign in</h1>\n\
         <p><strong>{client}</strong> asks for your permission to:</p>\n<ul>\n{allowed}</ul>\n{problem}\
         <form method=\"post\" action=\"authorize\">\n{hidden}{fields}\
         <button type=\"submit\" name=\"decision\" value=\"allow\">Allow</button>\n\
         <button type=\"submit\" name=\"decision\" value=\"deny\" class=\"quiet\" formnovalidate>Deny</button>\n\
         </form>\n\
         <p class=\"quiet-text\">You will return to {back}. Your password stays here.</p>\n",
        hidden = hidden(asked, page.ticket),
        fields = fields(page),
        back = escape(&asked.back.source()),
    );
    let policy = format!("form-action 'self' {}", asked.back.source());
    html(status, code, "Sign in", &body, &policy)
}

/// A page that says why it goes no further.
pub fn problem(status: u16, code: &'static str, message: &str) -> Reply {
    let body = format!(
        "<h1>This does not work</h1>\n<p>{}</p>\n<p>Please go back to where you came from and try again.</p>\n",
        escape(message)
    );
    html(status, code, "This does not work", &body, "form-action 'none'")
}

fn hidden(asked: &AuthorizationRequest, ticket: &str) -> String {
    let scopes = scope::text(&asked.scopes);
    let fixed = [
        ("ticket", ticket),
        ("response_type", "code"),
        ("client_id", &asked.client.id),
        ("redirect_uri", &asked.back.redirect_uri),
        ("scope", &scopes),
        ("code_challenge", asked.challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let state = asked.back.state.as_deref().map(|state| ("state", state));
    let input =
        |(name, value): (&str, &str)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escape(value));
    fixed.into_iter().chain(state).map(input).collect()
}

/// Name and password, with the cursor where something is to be typed.
fn fields(page: &SignInPage<'_>) -> String {
    let (on_name, on_password) = if page.username.is_empty() { (" autofocus", "") } else { ("", " autofocus") };
    let described = if page.problem.is_some() { " aria-describedby=\"problem\"" } else { "" };
    format!(
        "<label for=\"username\">Username</label>\n\
         <input id=\"username\" name=\"username\" value=\"{}\" autocomplete=\"username\" autocapitalize=\"none\" \
         spellcheck=\"false\" required{on_name}{described}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" \
         required{on_password}{described}>\n",
        escape(page.username)
    )
}

fn html(status: u16, code: &'static str, title: &str, body: &str, form_action: &str) -> Reply {
    let document = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    );
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
