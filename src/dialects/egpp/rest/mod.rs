//! The EGPP trading API 1.0, "REST like protocols" (sections 5.1.1.1 to 5.1.4.1): the same desk as the queues.
//!
//! The party comes from the player's token: its `party` claim, else its issuer, else there is only one.
//!
//! Reading order: this file (routes, and from a request to its reply), [`wire`] (bodies and queries), [`reply`]
//! (what is answered), [`document`] (its OpenAPI).

pub mod wire;
mod reply;
mod document;

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use uuid::Uuid;

use super::desk::{BalanceQuestion, Channel, Denied, Refused};
use super::sandbox::{self, Staged};
use super::wire::{MAX_BODY, Malformed, PlayerField, Request as Asked};
use super::{Desk, Envelope, Opened, Operation, status};
use crate::config::Secret;
use crate::dialects::http::{Dialect, Failure, Host, Mount, MountError, Next, Reply, Request, Route};
use crate::identity::claimed_home;
use crate::ledger::command::{Command, Timestamp};
use crate::ledger::{Act, Currency, OrderAct, OrderId, OrderRefusal, Outcome, PlayerId, PlayerKey, Refusal};

pub static DIALECT: Dialect = Dialect { name: "rest", mounts, failure };

/// Where the routes are. The seed's version goes into the path (section 5, "Versioning").
const PATH: &str = "/v1";

fn failure(failure: Failure) -> Reply {
    reply::of_status(status::of_failure(failure.status()))
}

/// One mount for all parties: each request says whose it is.
fn mounts(host: &Host<'_>) -> Result<Vec<Mount>, MountError> {
    let counters = host.parties.iter().map(|party| Counter {
        desk: Desk::of(party.party, party.settings, party.verifier.clone()),
        issuer: party.settings.jwt.as_ref().and_then(|jwt| jwt.issuer.clone()),
        api_keys: party.settings.rest.as_ref().map(|rest| rest.api_keys.clone()).unwrap_or_default(),
    });
    let counters: Arc<[Arc<Counter>]> = counters.map(Arc::new).collect();
    let route = |method, path, operation, handle: Handle, document| {
        let counters = Arc::clone(&counters);
        let handle = Arc::new(move |request| handle(&counters, request).unwrap_or_else(|reply| Next::Reply(*reply)));
        Route { method: Some(method), path, operation, max_body: MAX_BODY, handle, document }
    };
    let routes = vec![
        route(Method::GET, "/balance/{playerId}", "balance.get", balance_get, document::balance_get),
        route(Method::POST, "/order", "order.bet", order_bet, document::order_bet),
        route(Method::GET, "/order/{betId}", "order.get", order_get, document::order_get),
        route(Method::PUT, "/order/{betId}", "order.bet.result", order_bet_result, document::order_bet_result),
        route(Method::DELETE, "/order/{betId}", "order.bet.cancel", order_bet_cancel, document::order_bet_cancel),
        route(Method::POST, "/token", "token", token, document::token),
    ];
    Ok(vec![Mount { dialect: &DIALECT, party: None, path: PATH.to_owned(), routes }])
}

type Handle = fn(&[Arc<Counter>], Request) -> Result<Next, Box<Reply>>;

/// One party's desk, and what its provider proves itself with.
struct Counter {
    desk: Desk,
    issuer: Option<String>,
    api_keys: Vec<Secret>,
}

/// A request whose party is known.
struct Visit {
    counter: Arc<Counter>,
    /// The player's token, from whichever place it was in.
    token: String,
    has_key: bool,
    at: Timestamp,
    correlation: Arc<str>,
}

fn balance_get(counters: &[Arc<Counter>], request: Request) -> Result<Next, Box<Reply>> {
    let player = request.parameter("playerId").unwrap_or_default();
    let asked = wire::balance_get(player, &request.query_pairs(), &currencies(counters, &request));
    let asked = asked.map_err(malformed)?;
    Ok(Visit::of(counters, &request)?.open(Operation::BalanceGet, asked, None))
}

fn order_bet(counters: &[Arc<Counter>], request: Request) -> Result<Next, Box<Reply>> {
    let asked = wire::order_bet(json(&request)?, &currencies(counters, &request)).map_err(malformed)?;
    Ok(Visit::of(counters, &request)?.with_key()?.open(Operation::OrderBet, asked, None))
}

fn order_bet_result(counters: &[Arc<Counter>], request: Request) -> Result<Next, Box<Reply>> {
    let order = bet_id(&request)?;
    let asked = wire::order_bet_result(json(&request)?, &currencies(counters, &request)).map_err(malformed)?;
    Ok(Visit::of(counters, &request)?.with_key()?.open(Operation::OrderBetResult, asked, Some(order)))
}

fn order_bet_cancel(counters: &[Arc<Counter>], request: Request) -> Result<Next, Box<Reply>> {
    let order = bet_id(&request)?;
    let asked = match (request.body.is_empty(), request.query.is_empty()) {
        (true, _) => wire::cancel_by_query(&request.query_pairs()),
        (false, true) => wire::order_bet_cancel(json(&request)?),
        (false, false) => Err(Malformed("the parameters must be in the body or in the query, not in both".to_owned())),
    };
    let asked = asked.map_err(malformed)?;
    Ok(Visit::of(counters, &request)?.with_key()?.open(Operation::OrderBetCancel, asked, Some(order)))
}

fn order_get(counters: &[Arc<Counter>], request: Request) -> Result<Next, Box<Reply>> {
    let order = bet_id(&request)?;
    let visit = Visit::of(counters, &request)?;
    Ok(visit.identified(move |visit, player| {
        let party = visit.counter.desk.rules.party.clone();
        let found = Box::new(move |found: Option<(crate::ledger::Order, PlayerId)>| {
            let ours = found.filter(|(order, _)| order.party == party);
            Next::Reply(reply::of_order(ours, &player))
        });
        Next::Order(order, found)
    }))
}

fn token(counters: &[Arc<Counter>], request: Request) -> Result<Next, Box<Reply>> {
    let asked = wire::token(json(&request)?).map_err(malformed)?;
    let visit = Visit::with_token(counters, &request, asked.token)?;
    Ok(visit.identified(move |visit, player| {
        let key = PlayerKey::of(&visit.counter.desk.rules.party, &player);
        Next::Player(key, Box::new(move |found| Next::Reply(reply::of_token(found, asked.wallet))))
    }))
}

impl Visit {
    fn of(counters: &[Arc<Counter>], request: &Request) -> Result<Self, Box<Reply>> {
        let Some(authorization) = request.header("authorization") else {
            return Err(unauthorized("a player token is required"));
        };
        let token = request.bearer().map(str::to_owned);
        let token = token.filter(|_| !authorization.is_empty());
        Self::with_token(counters, request, token.ok_or_else(|| unauthorized(NOT_BEARER))?)
    }

    fn with_token(counters: &[Arc<Counter>], request: &Request, token: String) -> Result<Self, Box<Reply>> {
        let counter = counter_of(counters, Some(&token)).ok_or_else(|| unauthorized("the token is no party's here"))?;
        let has_key = match request.header("x-api-key") {
            Some(given) if Secret::is_among(given, &counter.api_keys) => true,
            Some(_) if !counter.api_keys.is_empty() => return Err(unauthorized("x-api-key is not the provider's")),
            _ => false,
        };
        let (counter, correlation) = (Arc::clone(counter), Arc::clone(&request.correlation));
        Ok(Self { counter, token, has_key, at: request.at, correlation })
    }

    /// Where the party's provider has a key, whatever moves money needs it: a player has a token, too, and with it alone
    /// could bet on a game whose end is known already.
    fn with_key(self) -> Result<Self, Box<Reply>> {
        if self.has_key || self.counter.api_keys.is_empty() {
            Ok(self)
        } else {
            Err(unauthorized("the provider's own key is required in the header x-api-key"))
        }
    }

    fn open(self, operation: Operation, asked: Asked, order: Option<OrderId>) -> Next {
        let party = self.counter.desk.rules.party.clone();
        Next::Of(party, Box::new(self.try_open(operation, asked, order, true)))
    }

    /// `again`: whether the party's keys may still be fetched anew.
    fn try_open(self, operation: Operation, asked: Asked, order: Option<OrderId>, again: bool) -> Next {
        let opened = self.with_envelope(|desk, envelope| desk.admit(operation, asked.clone(), envelope));
        match opened {
            Ok(opened) => self.go_on(opened, order),
            Err(Refused::UnknownKey) if again => {
                self.refreshed(move |visit| visit.try_open(operation, asked, order, false))
            }
            Err(refused) => Next::Reply(of_refused(&refused)),
        }
    }

    fn go_on(self, opened: Opened, order: Option<OrderId>) -> Next {
        match opened {
            Opened::Balance(question) => self.balance(question),
            Opened::Command(command) => decide(*command, order),
            Opened::Late(opened) => Next::Wait(sandbox::DELAY, Box::new(move |()| self.go_on(*opened, order))),
            Opened::Staged(staged) => staged_reply(staged),
        }
    }

    /// Goes on with the token's player.
    fn identified(self, then: impl FnOnce(&Self, PlayerId) -> Next + Send + 'static) -> Next {
        let party = self.counter.desk.rules.party.clone();
        Next::Of(party, Box::new(self.try_identify(then, true)))
    }

    fn try_identify(self, then: impl FnOnce(&Self, PlayerId) -> Next + Send + 'static, again: bool) -> Next {
        let identified = self.with_envelope(|desk, envelope| {
            // What is only read needs what a balance needs.
            desk.identify(Operation::BalanceGet, &PlayerField::Absent, envelope)
        });
        match identified {
            Ok(player) => then(&self, player),
            Err(Refused::UnknownKey) if again => self.refreshed(move |visit| visit.try_identify(then, false)),
            Err(refused) => Next::Reply(of_refused(&refused)),
        }
    }

    fn with_envelope<T>(&self, work: impl FnOnce(&Desk, &Envelope<'_>) -> T) -> T {
        let authorization = format!("Bearer {}", self.token);
        let envelope = Envelope {
            channel: Channel::Http { has_key: self.has_key },
            correlation: Some(&self.correlation),
            authorization: Some(&authorization),
            sent_at: None,
            received_at: self.at,
        };
        work(&self.counter.desk, &envelope)
    }

    fn refreshed(self, then: impl FnOnce(Self) -> Next + Send + 'static) -> Next {
        match self.counter.desk.verifier.clone() {
            Some(verifier) => Next::RefreshKeys(verifier, Box::new(move |()| then(self))),
            None => Next::Reply(of_refused(&Refused::UnknownKey)),
        }
    }

    fn balance(&self, question: BalanceQuestion) -> Next {
        let key = PlayerKey::of(&self.counter.desk.rules.party, &question.player);
        Next::Player(
            key,
            Box::new(move |found| {
                let balance = found.map(|player| player.account(&question.pocket).balance);
                Next::Reply(reply::of_balance(&question, balance))
            }),
        )
    }
}

/// Where there is no answer, the request runs out of time.
fn staged_reply(staged: Staged) -> Next {
    let reply = staged.reply().map(reply::of_status);
    reply.map_or_else(|| Next::Wait(Duration::MAX, Box::new(move |()| staged_reply(staged))), Next::Reply)
}

const NOT_BEARER: &str = "the authorization header must read 'Bearer <token>'";

/// `order` is the one in the path: what the body names must be the same.
fn decide(command: Command, order: Option<OrderId>) -> Next {
    let named = command.order();
    if order.is_some() && order != named {
        return Next::Reply(reply::of_status(status::of_refusal(Refusal::Order(OrderRefusal::OrderUnknown))));
    }
    let created = matches!(command.act, Act::Order(OrderAct::PlaceBet(_))).then_some(named).flatten();
    let decided =
        Box::new(move |decided: crate::dialects::http::Decided| Next::Reply(answered(decided.outcome, created)));
    Next::Decide(Box::new(command), decided)
}

/// The reply to a bet (its order's), result or cancel that is decided, the same whenever it is asked for.
pub fn answered(outcome: Outcome, placed: Option<OrderId>) -> Reply {
    reply::of_outcome(outcome, placed.map(|id| format!("{PATH}/order/{}", id.uuid())))
}

/// The counter that a token belongs to, by what it claims; its signature is checked there.
fn counter_of<'a>(counters: &'a [Arc<Counter>], token: Option<&str>) -> Option<&'a Arc<Counter>> {
    let home = token.and_then(claimed_home).unwrap_or_default();
    if let Some(party) = home.party {
        return counters.iter().find(|counter| counter.desk.rules.party.as_str() == party);
    }
    let by_issuer = counters.iter().find(|counter| counter.issuer.is_some() && counter.issuer == home.issuer);
    by_issuer.or(match counters {
        [only] => Some(only),
        _ => None,
    })
}

/// The currencies that a request may name: its party's, or any party's where it does not say whose it is.
fn currencies(counters: &[Arc<Counter>], request: &Request) -> Vec<Currency> {
    match counter_of(counters, request.bearer()) {
        Some(counter) => counter.desk.rules.currencies.clone(),
        None => counters.iter().flat_map(|counter| counter.desk.rules.currencies.iter().copied()).collect(),
    }
}

fn bet_id(request: &Request) -> Result<OrderId, Box<Reply>> {
    let id = request.parameter("betId").and_then(|id| Uuid::try_parse(id).ok());
    id.map(OrderId::from_uuid).ok_or_else(|| malformed(Malformed("betId must be a UUID".to_owned())))
}

fn json(request: &Request) -> Result<&[u8], Box<Reply>> {
    if request.is_content_type("application/json") {
        Ok(&request.body)
    } else {
        Err(Box::new(reply::of_status(status::of_failure(415))))
    }
}

fn malformed(malformed: Malformed) -> Box<Reply> {
    Box::new(reply::of_status(status::of_malformed(&malformed)))
}

fn unauthorized(why: &'static str) -> Box<Reply> {
    Box::new(of_refused(&Refused::Denied(Denied::Unauthorized(why))))
}

fn of_refused(refused: &Refused) -> Reply {
    let status = match refused {
        Refused::Malformed(malformed) => status::of_malformed(malformed),
        Refused::Denied(denied) => status::of_denied(denied),
        Refused::UnknownKey => status::of_unknown_key(),
    };
    reply::of_status(status)
}
