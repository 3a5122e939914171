//! Signing in and out: a token is exchanged for a cookie. Whoever is not signed in sees this page everywhere.

use std::net::IpAddr;

use askama::Template;
use axum::body::Body;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::frame;
use super::pages;
use super::same_site;
use super::sessions::Ticket;
use super::{Console, STYLE, forms, see};
use crate::clock;
use crate::dialects::http::Reply;
use crate::identity::operators::SignedIn;
use crate::transport::http::admin::problem::Problem;

/// Where the form goes.
pub const PATH: &str = "/console/sign-in";

/// Where the form of signing out goes.
pub const OUT: &str = "/console/sign-out";

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage<'a> {
    root: String,
    style: &'a str,
    /// Why the last try was of no use; empty where there was none.
    error: &'a str,
    /// Whether it was what was typed.
    is_wrong: bool,
    /// The page that was asked for, below the console's path.
    to: &'a str,
}

/// The form, with the status of whatever is in the way. Nothing else is answered to whoever is not signed in, the stylesheet
/// neither: so this page has its style within, named by its hash.
pub fn page(parts: &Parts, problem: &Problem, to: &str) -> Reply {
    let to = wanted(parts, to);
    // Who has come for the first time, or has just signed out, is told nothing but where to sign in.
    let is_first_try = *problem == Problem::not_signed_in() && parts.uri.path() != PATH;
    let error = if is_first_try || parts.uri.path() == OUT { "" } else { problem.detail.as_str() };
    let is_wrong = parts.uri.path() == PATH && problem.status == 401;
    let page = SignInPage { root: frame::root(parts.uri.path()), style: STYLE, error, is_wrong, to };
    let Ok(html) = page.render() else { return Reply::empty(500, "500") };
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let reply = frame::page(problem.status, html).with_header("content-security-policy", policy);
    problem.headers.iter().fold(reply, |reply, (name, value)| reply.with_header(name, value.clone()))
}

impl Console {
    pub(super) async fn sign_in(
        &self,
        parts: &Parts,
        body: Body,
        address: IpAddr,
        who: &mut Option<SignedIn>,
    ) -> Reply {
        // A script that signs in says nothing; a browser does, and must not be made to by another site.
        if same_site::is_own(&parts.headers, self.public()) == Some(false) {
            return page(parts, &Problem::form_from_elsewhere(), "");
        }
        let form = match forms::read(parts, body).await {
            Ok(form) => form,
            Err(problem) => return page(parts, &problem, ""),
        };
        let (token, to) = (forms::value(&form, "token").trim(), forms::value(&form, "to"));
        let operator = match self.api.operators.sign_in(Some(token), address, clock::now()) {
            Ok(operator) => operator,
            Err(why) => {
                let problem = Problem::from(why);
                let problem = if problem.status == 401 { Problem::wrong_token() } else { problem };
                return page(parts, &problem, to);
            }
        };
        *who = Some(operator.clone());
        if let Some(former) = Ticket::of(&parts.headers)
            && let Err(error) = self.sessions.end(&former).await
        {
            tracing::warn!(%error, "a session that another takes the place of lasts until its time is over");
        }
        let Some(session) = self.sessions.open(&operator, clock::now()).await else {
            return page(parts, &Problem::not_signed_in(), to);
        };
        let is_https = same_site::is_https(&parts.headers, self.public());
        let to = if is_page(to) { to } else { "" };
        see(format!("./{to}")).with_header("set-cookie", session.set_cookie(is_https))
    }

    /// Whoever keeps a copy of the cookie must not be signed in with it: so the browser keeps its own until it is over.
    pub(super) async fn sign_out(&self, parts: &Parts, session: Option<&Ticket>) -> Result<Reply, Problem> {
        if let Some(session) = session {
            self.sessions.end(session).await.map_err(|_| Problem::still_signed_in())?;
        }
        let is_https = same_site::is_https(&parts.headers, self.public());
        Ok(see("./").with_header("set-cookie", Ticket::end_cookie(is_https)))
    }
}

/// Where it leads once somebody has signed in: to the page that was asked for, or that the form is on that was sent.
fn wanted<'a>(parts: &'a Parts, to: &'a str) -> &'a str {
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let below = path.strip_prefix("/console/").unwrap_or_default();
    let pages = match parts.method.as_str() {
        "GET" | "HEAD" => [below, ""],
        _ if parts.uri.path() == PATH => [to, ""],
        _ => [below, below.rsplit_once('/').map_or("", |(page, _)| page)],
    };
    pages.into_iter().find(|page| is_page(page)).unwrap_or_default()
}

/// Whether a path with its query is one of our pages, and so leads nowhere else.
fn is_page(to: &str) -> bool {
    let path = to.split('?').next().unwrap_or_default();
    to.bytes().all(|byte| byte.is_ascii_graphic())
        && matches!(pages::find(&format!("/console/{path}")), pages::FoundPage::Page(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_a_page_of_ours_or_to_the_first() {
        for to in ["", "health", "search?q=alice", "parties/acme/players/a%2Fb", "journal/5"] {
            assert!(is_page(to), "{to}");
        }
        for to in
            ["/evil.example", "//evil.example", "https://evil.example", "console.css", "a\r\nb", "sign-out", "\\x"]
        {
            assert!(!is_page(to), "{to}");
        }
    }
}
