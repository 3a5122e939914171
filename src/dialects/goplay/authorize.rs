//! `GET` and `POST /oauth/authorize`: a player signs in and allows a client something, or not (RFC 6749, 4.1.1, 4.1.2).
//!
//! There is no session: each request is allowed with the password, or denied without.

use std::sync::Arc;

use uuid::Uuid;

use super::desk::Desk;
use super::page::{self, SignIn};
use super::parameters::{Parameters, Repeated};
use super::request::{Asked, Wrong};
use super::scope;
use super::ticket::{cookie_of, is_https, set_cookie};
use super::wire::OauthError;
use crate::config::Secret;
use crate::dialects::http::{Next, PasswordHash, Reply, Request};
use crate::identity::grants::{Grant, GrantAct, GrantAnswer, Granted, TokenHash, random_text};
use crate::identity::throttle::{Standing, Wait};
use crate::ledger::command::Timestamp;
use crate::ledger::{PlayerId, PlayerKey};

/// The longest name and password that are looked at, in bytes; `purser player add` takes no longer password.
const MAX_TYPED: usize = 1024;

/// `GET`: the page, or what is wrong with the request.
pub fn show(desk: &Arc<Desk>, request: Request) -> Next {
    Next::Reply(match Asked::parse(desk, &Parameters::of_query(&request)) {
        Ok(asked) => Visit::new(desk, &request, asked, "").page(200, "page", None),
        Err(wrong) => refused(wrong, 302),
    })
}

/// `POST`: the page, filled in.
pub fn submit(desk: &Arc<Desk>, request: Request) -> Next {
    let Some(form) = Parameters::of_form(&request) else {
        return Next::Reply(page::problem(400, "invalid_request", "This is not the form of the sign-in page."));
    };
    let asked = match Asked::parse(desk, &form) {
        Ok(asked) => asked,
        Err(wrong) => return Next::Reply(refused(wrong, 303)),
    };
    let Ok(typed) = Typed::read(&form) else {
        return Next::Reply(page::problem(400, "invalid_request", "The form has a field more than once."));
    };
    let fits = cookie_of(&request).is_some_and(|cookie| desk.tickets.fits(cookie, &asked, &typed.ticket));
    let visit = Visit::new(desk, &request, asked, &typed.username);
    if !fits {
        let problem = "This page was out of date, or cookies are off. Please try again.";
        return Next::Reply(visit.page(403, "out_of_date", Some(problem)));
    }
    if typed.denies {
        let denied = OauthError::new("access_denied", "The player has not allowed it");
        return Next::Reply(redirect(303, denied.error, visit.asked.back.with_error(&denied)));
    }
    visit.look_up(typed.password)
}

/// What was typed and pressed.
struct Typed {
    ticket: String,
    username: String,
    password: Secret,
    denies: bool,
}

impl Typed {
    fn read(form: &Parameters) -> Result<Self, Repeated> {
        let text = |name| form.one(name).map(|value| value.unwrap_or_default().to_owned());
        let password = Secret::new(text("password")?);
        Ok(Self { ticket: text("ticket")?, username: text("username")?, password, denies: text("decision")? == "deny" })
    }
}

/// A player before the page.
struct Visit {
    desk: Arc<Desk>,
    asked: Asked,
    username: String,
    at: Timestamp,
    from: Standing,
    is_https: bool,
}

impl Visit {
    fn new(desk: &Arc<Desk>, request: &Request, asked: Asked, username: &str) -> Self {
        let (desk, username) = (Arc::clone(desk), username.to_owned());
        Self {
            desk,
            asked,
            username,
            at: request.at,
            from: Standing::Stranger(request.address),
            is_https: is_https(request),
        }
    }

    /// The page with a new ticket.
    fn page(&self, status: u16, code: &'static str, problem: Option<&str>) -> Reply {
        let cookie = random_text();
        let ticket = self.desk.tickets.sign(cookie.expose(), &self.asked);
        let sign_in = SignIn { asked: &self.asked, ticket: &ticket, username: &self.username, problem };
        page::sign_in(status, code, &sign_in).with_header("set-cookie", set_cookie(&cookie, self.is_https))
    }

    fn wrong_password(&self) -> Reply {
        self.page(403, "wrong_password", Some("Username or password is wrong."))
    }

    /// Finds out whose password it would be.
    fn look_up(self, password: Secret) -> Next {
        if self.username.is_empty() || password.expose().is_empty() {
            let problem = "Please enter your username and your password.";
            return Next::Reply(self.page(400, "incomplete", Some(problem)));
        }
        if self.username.len() > MAX_TYPED || password.expose().len() > MAX_TYPED {
            return Next::Reply(self.wrong_password());
        }
        let (party, login) = (self.desk.party.clone(), self.username.clone());
        Next::PlayerOfLogin { party, login, then: Box::new(move |player| self.admit(password, player)) }
    }

    /// Tries the password, if it may be tried now. A player's names count together.
    fn admit(self, password: Secret, player: Option<PlayerId>) -> Next {
        let login = player.as_ref().map_or(self.username.as_str(), PlayerId::as_str);
        let admitted = self.desk.throttle().admit(login, self.from, self.at);
        match admitted {
            Ok(()) => self.sign_in(password, player),
            Err(Wait(seconds)) => {
                let problem = format!("Too many tries. Please wait {seconds} seconds and try again.");
                let page = self.page(429, "too_many_tries", Some(&problem));
                Next::Reply(page.with_header("retry-after", seconds.to_string()))
            }
        }
    }

    /// A name that nobody has takes the same way as a player's: its password is looked for, and one is hashed.
    fn sign_in(self, password: Secret, player: Option<PlayerId>) -> Next {
        let key = player.as_ref().map(|player| PlayerKey::of(&self.desk.party, player));
        let against = PasswordHash::OfPlayer(key.unwrap_or_else(PlayerKey::nobody));
        let then = Box::new(move |is_right: bool| match player.filter(|_| is_right) {
            Some(player) => self.allow(player),
            None => Next::Reply(self.wrong_password()),
        });
        Next::CheckPassword { password, against, then }
    }

    fn allow(self, player: PlayerId) -> Next {
        self.desk.throttle().succeeded(player.as_str(), self.from, self.at);
        let Self { desk, asked, at, .. } = self;
        let grant = Grant {
            id: Uuid::new_v4(),
            client: desk.client(&asked.client),
            player,
            redirect_uri: asked.back.redirect_uri.as_str().into(),
            challenge: asked.challenge,
        };
        let granted = Granted { grant, scope: scope::text(&asked.scopes).into() };
        let code = random_text();
        let act = GrantAct::Allow { granted, code: TokenHash::of(code.expose()), at };
        let then = move |allowed: GrantAnswer| {
            let address = match allowed {
                Ok(_) => asked.back.address(&[("code", code.expose())]),
                Err(_) => asked.back.with_error(&OauthError::new("server_error", "The code could not be kept")),
            };
            Next::Reply(redirect(303, "allowed", address))
        };
        Next::Grants(Box::new(act), Box::new(then))
    }
}

/// What is wrong with a request, to whom it concerns.
fn refused(wrong: Wrong, status: u16) -> Reply {
    match wrong {
        Wrong::Nowhere(message) => page::problem(400, "invalid_request", message),
        Wrong::Client(back, error) => redirect(status, error.error, back.with_error(&error)),
    }
}

fn redirect(status: u16, code: &'static str, address: String) -> Reply {
    let reply = Reply::empty(status, code).with_header("location", address);
    reply.with_header("cache-control", "no-store").with_header("referrer-policy", "no-referrer")
}
