//! The partner API proper (seed 002): a player's profile and VIP membership, for whoever holds an access token.

use std::sync::Arc;

use uuid::Uuid;

use super::handler::GoPlayHandler;
use super::parameters::{FormParameters, Repeated};
use super::scope::Scope;
use super::wire::{ProfileReply, Said, unstored};
use crate::config::VipLevel;
use crate::dialects::http::exact::Number;
use crate::dialects::http::{HandlerError, Reply, Request};
use crate::identity::grants::{Grant, GrantAct, TokenHash};
use crate::ledger::account::{Bucket, Pocket};
use crate::ledger::command::{Act, Command};
use crate::ledger::outcome::{Done, Outcome, Refusal};
use crate::ledger::shop::BuyVip;
use crate::ledger::state::PlayerState;
use crate::ledger::{AccountRefusal, Amount, ShopAct, ShopDone, ShopRefusal};
use crate::wallet::{SharedWallet, WalletPort};

/// The longest `Idempotency-Key`, in characters.
const MAX_KEY: usize = 255;

pub async fn profile(
    handler: Arc<GoPlayHandler>,
    wallet: SharedWallet,
    request: Request,
) -> Result<Reply, HandlerError> {
    let (query, no_form) = (FormParameters::of_query(&request), FormParameters::none());
    let grant = grant_of(&handler, &*wallet, &request, [&query, &no_form], Scope::Profile).await?;
    let player = wallet.player(handler.party.clone(), grant.player).await?;
    Ok(told(&handler, &player.ok_or_else(gone)?))
}

fn told(handler: &GoPlayHandler, state: &PlayerState) -> Reply {
    let currency = handler.settings.currency;
    let balance = |pocket: &Pocket| Number::of_minor(state.account(pocket).balance, handler.exponent);
    let profile = &state.player.profile;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let reply = ProfileReply {
        success: true,
        message: "",
        nickname: text(&profile.nickname),
        email: text(&profile.email),
        gender: text(&profile.gender),
        vip: state.vip.as_deref().map(str::to_owned),
        goplay_token: balance(&Pocket::real(currency)),
        free_goplay_token: balance(&Pocket { bucket: Bucket::Bonus, ..Pocket::real(currency) }),
    };
    unstored(Reply::json(200, "ok", &reply))
}

pub async fn buy_vip(
    handler: Arc<GoPlayHandler>,
    wallet: SharedWallet,
    request: Request,
) -> Result<Reply, HandlerError> {
    let query = FormParameters::of_query(&request);
    let form = FormParameters::of_form(&request);
    let form = form.ok_or_else(|| malformed("The body must be application/x-www-form-urlencoded"))?;
    let level = level(&query, &form).map_err(|_| malformed("level is there more than once"))?.unwrap_or_default();
    let key = idempotency_key(&request).map_err(malformed)?;
    let grant = grant_of(&handler, &*wallet, &request, [&query, &form], Scope::Vip).await?;
    let buy = handler.level(level).and_then(|level| purchase(&handler, level, &grant, key));
    let buy = buy.ok_or_else(|| refused("vip_unknown", "There is no such VIP level"))?;
    let (party, correlation) = (handler.party.clone(), Some(Arc::clone(&request.correlation)));
    let decided =
        wallet.decide(Command { party, at: request.at, correlation, act: Act::Shop(ShopAct::BuyVip(buy)) }).await?;
    Ok(bought(decided.outcome))
}

fn level<'a>(query: &'a FormParameters, form: &'a FormParameters) -> Result<Option<&'a str>, Repeated> {
    match (query.one("level")?, form.one("level")?) {
        (Some(_), Some(_)) => Err(Repeated("level")),
        (in_query, in_form) => Ok(in_query.or(in_form)),
    }
}

fn idempotency_key(request: &Request) -> Result<Option<&str>, &'static str> {
    let mut headers = request.headers.get_all("idempotency-key").iter();
    let Some(header) = headers.next() else { return Ok(None) };
    let text = header.to_str().ok().filter(|text| (1..=MAX_KEY).contains(&text.len()) && headers.next().is_none());
    text.map(Some).ok_or("Idempotency-Key must be there once, with 1 to 255 printable ASCII characters")
}

/// `None` where the level has no price, which the configuration does not let in.
fn purchase(handler: &GoPlayHandler, level: &VipLevel, grant: &Grant, key: Option<&str>) -> Option<BuyVip> {
    Some(BuyVip {
        player: grant.player.clone(),
        level: level.name.as_str().into(),
        price: Amount::new(level.price_minor).ok()?,
        currency: handler.settings.currency,
        ladder: handler.settings.vip.iter().map(|level| level.name.as_str().into()).collect(),
        key: purchase_key(grant, key).into(),
    })
}

/// Keys are a client's own, and a player's own. The lengths keep one's apart from another's.
fn purchase_key(grant: &Grant, key: Option<&str>) -> String {
    let Some(key) = key else { return format!("once:{}", Uuid::new_v4()) };
    let (client, player) = (&grant.client.id, grant.player.as_str());
    format!("key:{}:{client}:{}:{player}:{key}", client.len(), player.len())
}

fn bought(outcome: Outcome) -> Reply {
    match outcome {
        Outcome::Done(Done::Shop(ShopDone::VipBought { .. })) => unstored(Reply::json(200, "bought", &Said::done())),
        Outcome::Refused(refusal) => {
            let (code, message) = why_not(refusal);
            refused(code, message)
        }
        // What other acts do.
        Outcome::Done(
            Done::Account(_)
            | Done::Order(_)
            | Done::Transaction(_)
            | Done::Shop(ShopDone::OffersStocked { .. } | ShopDone::KeysBought { .. }),
        ) => refused("refused", "The purchase was refused"),
    }
}

fn why_not(refusal: Refusal) -> (&'static str, &'static str) {
    let otherwise = ("refused", "The purchase was refused");
    match refusal {
        Refusal::Account(refusal) => match refusal {
            AccountRefusal::InsufficientFunds { .. } => ("insufficient_funds", "The player has too few GoPlay Tokens"),
            AccountRefusal::KeyReused => ("key_reused", "This Idempotency-Key was used for another level"),
            AccountRefusal::PlayerUnknown => ("player_unknown", "The player is not known any more"),
            AccountRefusal::UsernameTaken | AccountRefusal::BalanceOverflow => otherwise,
        },
        Refusal::Shop(refusal) => match refusal {
            ShopRefusal::VipNotHigher => ("vip_not_higher", "The player has this VIP level or a higher one"),
            ShopRefusal::OfferUnknown
            | ShopRefusal::OfferCurrencyDiffers
            | ShopRefusal::OfferPriceDiffers { .. }
            | ShopRefusal::OutOfStock { .. } => otherwise,
        },
        Refusal::Order(_) | Refusal::Transaction(_) => otherwise,
    }
}

/// What the access token is good for (RFC 6750).
async fn grant_of(
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

fn refused(code: &'static str, message: &str) -> Reply {
    unstored(Reply::json(200, code, &Said::refused(message)))
}

fn malformed(message: &str) -> Reply {
    let challenge = "Bearer realm=\"goplay\", error=\"invalid_request\"";
    challenged(400, "invalid_request", message, challenge.to_owned())
}

/// Without a token there is no error to name (RFC 6750, 3).
fn unauthorized(error: &str, message: &str) -> Reply {
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

/// The token outlived its player: as good as none.
fn gone() -> Reply {
    unauthorized(", error=\"invalid_token\"", "The player is not known any more")
}
