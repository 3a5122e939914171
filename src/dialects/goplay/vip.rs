//! `POST /partner/1/vip` (seed 002): a player buys VIP status, by a level that the party has priced.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::document;
use super::handler::GoPlayHandler;
use super::parameters::{FormParameters, Repeated};
use super::partner::{grant_of, malformed, refused};
use super::scope::Scope;
use super::wire::{Said, unstored};
use crate::config::goplay::VipLevel;
use crate::dialects::http::{HandlerError, Reply, Request};
use crate::identity::grants::Grant;
use crate::ledger::command::{Act, Command};
use crate::ledger::outcome::{Done, Outcome, Refusal};
use crate::ledger::shop::BuyVip;
use crate::ledger::{AccountRefusal, Amount, ShopAct, ShopDone, ShopRefusal};
use crate::wallet::SharedWallet;

pub const SCOPE: Scope = Scope::new("vip", "buy VIP status for you, paid with your GoPlay Tokens");

/// The longest `Idempotency-Key`, in characters.
const MAX_KEY: usize = 255;

pub async fn buy(handler: Arc<GoPlayHandler>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
    let query = FormParameters::of_query(&request);
    let form = FormParameters::of_form(&request);
    let form = form.ok_or_else(|| malformed("The body must be application/x-www-form-urlencoded"))?;
    let level = level(&query, &form).map_err(|_| malformed("level is there more than once"))?.unwrap_or_default();
    let key = idempotency_key(&request).map_err(malformed)?;
    let grant = grant_of(&handler, &*wallet, &request, [&query, &form], SCOPE).await?;
    let priced = handler.settings.vip.iter().find(|priced| priced.name == level);
    let buy = priced.and_then(|level| purchase(&handler, level, &grant, key));
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
        Outcome::Done(Done::Account(_) | Done::Order(_) | Done::Transaction(_) | Done::Shop(_)) => {
            refused("refused", "The purchase was refused")
        }
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
        Refusal::Shop(ShopRefusal::VipNotHigher) => ("vip_not_higher", "The player has this VIP level or a higher one"),
        // Other acts of the shop's are refused for these.
        Refusal::Shop(_) | Refusal::Order(_) | Refusal::Transaction(_) => otherwise,
    }
}

/// The operation, as OpenAPI has it.
pub fn describe() -> Value {
    let key = json!({
        "name": "idempotency-key", "in": "header", "required": false,
        "description": "The partner's own name for this purchase of this player's: the same again buys nothing more.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
    });
    json!({
        "operationId": "goplay-vip",
        "tags": ["GoPlay"],
        "summary": "Buy VIP status for the player",
        "description": "Needs the scope `vip`. Takes the level's price from the player's GoPlay Tokens, or nothing.",
        "security": document::token_security(),
        "parameters": [document::access_token(), key],
        "requestBody": document::form(&json!({
            "type": "object",
            "required": ["level"],
            "properties": {
                "level": document::text("The level to buy, such as `standard` or `gold`."),
                "access_token": document::text("Unless it is in the query or in the authorization header."),
            },
        })),
        "responses": document::partner_responses(document::body::<Said>("Bought, or refused: see `success` and `message`.")),
    })
}
