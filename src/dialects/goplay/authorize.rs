//! `GET` and `POST /oauth/authorize`: a player signs in and allows a client something, or not (RFC 6749, 4.1.1, 4.1.2).
//!
//! There is no session: each request is allowed with the password, or denied without.

use std::sync::Arc;

use uuid::Uuid;

use super::handler::GoPlayHandler;
use super::page::{self, SignInPage};
use super::parameters::{FormParameters, Repeated};
use super::request::{AuthorizationRequest, Wrong};
use super::scope;
use super::ticket::{cookie_of, is_forwarded_https, set_cookie};
use super::wire::OauthError;
use crate::config::Secret;
use crate::dialects::http::{HandlerError, Reply, Request};
use crate::identity::grants::{Grant, GrantAct, Granted, TokenHash, random_text};
use crate::identity::throttle::{RetryAfter, Standing};
use crate::ledger::command::Timestamp;
use crate::ledger::{PlayerId, PlayerKey};
use crate::wallet::{SharedWallet, WalletPort};

/// The longest name and password that are looked at, in bytes; `purser player add` takes no longer password.
const MAX_TYPED: usize = 1024;

/// `GET`: the page, or what is wrong with the request.
pub async fn show(handler: Arc<GoPlayHandler>, _: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
    match AuthorizationRequest::parse(&handler, &FormParameters::of_query(&request)) {
        Ok(asked) => Ok(SignInRequest::new(&handler, &request, asked, "").page(200, "page", None)),
        Err(wrong) => Ok(refused(wrong, 302)),
    }
}

/// `POST`: the page, filled in.
pub async fn submit(
    handler: Arc<GoPlayHandler>,
    wallet: SharedWallet,
    request: Request,
) -> Result<Reply, HandlerError> {
    let Some(form) = FormParameters::of_form(&request) else {
        return Ok(page::problem(400, "invalid_request", "This is not the form of the sign-in page."));
    };
    let asked = AuthorizationRequest::parse(&handler, &form).map_err(|wrong| refused(wrong, 303))?;
    let Ok(typed) = Typed::read(&form) else {
        return Ok(page::problem(400, "invalid_request", "The form has a field more than once."));
    };
    let fits = cookie_of(&request).is_some_and(|cookie| handler.tickets.fits(cookie, &asked, &typed.ticket));
    let sign_in = SignInRequest::new(&handler, &request, asked, &typed.username);
    if !fits {
        let problem = "This page was out of date, or cookies are off. Please try again.";
        return Ok(sign_in.page(403, "out_of_date", Some(problem)));
    }
    if typed.denies {
        let denied = OauthError::new("access_denied", "The player has not allowed it");
        return Ok(redirect(303, denied.error, sign_in.asked.back.with_error(&denied)));
    }
    let player = sign_in.check_password(&*wallet, typed.password).await?;
    sign_in.allow(&*wallet, player).await
}

/// What was typed and pressed.
struct Typed {
    ticket: String,
    username: String,
    password: Secret,
    denies: bool,
}

impl Typed {
    fn read(form: &FormParameters) -> Result<Self, Repeated> {
        let text = |name| form.one(name).map(|value| value.unwrap_or_default().to_owned());
        let password = Secret::new(text("password")?);
        Ok(Self { ticket: text("ticket")?, username: text("username")?, password, denies: text("decision")? == "deny" })
    }
}

/// A player before the page.
struct SignInRequest<'a> {
    handler: &'a GoPlayHandler,
    asked: AuthorizationRequest,
    username: String,
    at: Timestamp,
    from: Standing,
    is_https: bool,
}

impl<'a> SignInRequest<'a> {
    fn new(handler: &'a GoPlayHandler, request: &Request, asked: AuthorizationRequest, username: &str) -> Self {
        Self {
            handler,
            asked,
            username: username.to_owned(),
            at: request.at,
            from: Standing::Stranger(request.address),
            is_https: handler.is_https || is_forwarded_https(request),
        }
    }

    /// The page with a new ticket.
    fn page(&self, status: u16, code: &'static str, problem: Option<&str>) -> Reply {
        let cookie = random_text();
        let ticket = self.handler.tickets.sign(cookie.expose(), &self.asked);
        let sign_in = SignInPage { asked: &self.asked, ticket: &ticket, username: &self.username, problem };
        page::sign_in(status, code, &sign_in).with_header("set-cookie", set_cookie(&cookie, self.is_https))
    }

    fn wrong_password(&self) -> Reply {
        self.page(403, "wrong_password", Some("Username or password is wrong."))
    }

    /// The player whose name and password these are. A name that nobody has takes the same way as a player's: its password
    /// is looked for, and one is hashed.
    async fn check_password(&self, wallet: &dyn WalletPort, password: Secret) -> Result<PlayerId, HandlerError> {
        if self.username.is_empty() || password.expose().is_empty() {
            let problem = "Please enter your username and your password.";
            return Err(self.page(400, "incomplete", Some(problem)).into());
        }
        if self.username.len() > MAX_TYPED || password.expose().len() > MAX_TYPED {
            return Err(self.wrong_password().into());
        }
        let player = wallet.player_of_login(self.handler.party.clone(), self.username.clone()).await?;
        self.admit(player.as_ref())?;
        let key = player.as_ref().map_or_else(PlayerKey::nobody, |player| PlayerKey::of(&self.handler.party, player));
        let hash = wallet.password_hash(self.handler.party.clone(), key).await?;
        let is_right = self.handler.passwords.fits(password, hash).await?;
        player.filter(|_| is_right).ok_or_else(|| self.wrong_password().into())
    }

    /// Whether a password may be tried now. A player's names count together.
    fn admit(&self, player: Option<&PlayerId>) -> Result<(), HandlerError> {
        let login = player.map_or(self.username.as_str(), PlayerId::as_str);
        let Err(RetryAfter(seconds)) = self.handler.throttle().admit(login, self.from, self.at) else { return Ok(()) };
        let problem = format!("Too many tries. Please wait {seconds} seconds and try again.");
        let page = self.page(429, "too_many_tries", Some(&problem));
        Err(page.with_header("retry-after", seconds.to_string()).into())
    }

    async fn allow(self, wallet: &dyn WalletPort, player: PlayerId) -> Result<Reply, HandlerError> {
        self.handler.throttle().succeeded(player.as_str(), self.from, self.at);
        let Self { handler, asked, at, .. } = self;
        let grant = Grant {
            id: Uuid::new_v4(),
            client: handler.client(&asked.client),
            player,
            redirect_uri: asked.back.redirect_uri.as_str().into(),
            challenge: asked.challenge,
        };
        let granted = Granted { grant, scope: scope::text(&asked.scopes).into() };
        let code = random_text();
        let act = GrantAct::Allow { granted, code: TokenHash::of(code.expose()), at };
        let address = match wallet.grants(handler.party.clone(), act).await? {
            Ok(_) => asked.back.address(&[("code", code.expose())]),
            Err(_) => asked.back.with_error(&OauthError::new("server_error", "The code could not be kept")),
        };
        Ok(redirect(303, "allowed", address))
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
