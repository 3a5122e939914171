//! The EGPP trading API 1.0, "REST like protocols" (sections 5.1.1.1 to 5.1.4.1): the same handling as the queues.
//!
//! The party comes from the player's token: its `party` claim, else its issuer, else there is only one.
//!
//! Reading order: this file (routes, and from a request to its reply), [`wire`] (bodies and queries), [`reply`]
//! (what is answered), [`document`] (its OpenAPI).

pub mod wire;
mod reply;
mod document;

use std::future::pending;
use std::sync::Arc;

use http::Method;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::handler::{BalanceQuestion, Channel, Denied, EgppRefused};
use super::sandbox::{self, Staged};
use super::wire::{EgppRequest, MAX_BODY, Malformed, PlayerField};
use super::{EgppHandler, Envelope, Opened, Operation, status};
use crate::config::Secret;
use crate::dialects::http::{
    Dialect, Failure, Handler, HandlerError, Mount, MountContext, MountError, Reply, Request, Route, handled_by,
};
use crate::identity::claimed_home;
use crate::ledger::command::Command;
use crate::ledger::{Act, Currency, OrderAct, OrderId, OrderRefusal, Outcome, Party, PlayerId, Refusal};
use crate::wallet::{SharedWallet, WalletPort};

pub static DIALECT: Dialect = Dialect { name: "rest", mounts, failure };

/// Where the routes are. The seed's version goes into the path (section 5, "Versioning").
const PATH: &str = "/v1";

/// Requests that a sandbox keeps waiting side by side; more are told to come again, so that they take no places from
/// parties that are in earnest.
const SANDBOX_WAITS_AT_ONCE: usize = 32;

fn failure(failure: Failure) -> Reply {
    reply::of_status(status::of_failure(failure.status()))
}

/// One mount for all parties: each request says whose it is.
fn mounts(context: &MountContext<'_>) -> Result<Vec<Mount>, MountError> {
    let of_parties = context.parties.iter().map(|party| PartyEndpoint {
        handler: EgppHandler::of(party.party, party.settings, party.verifier.clone()),
        issuer: party.settings.jwt.as_ref().and_then(|jwt| jwt.issuer.clone()),
        api_keys: party.settings.rest.as_ref().map(|rest| rest.api_keys.clone()).unwrap_or_default(),
    });
    let parties = of_parties.collect();
    let api = &Arc::new(Api { parties, sandbox_waits: Semaphore::new(SANDBOX_WAITS_AT_ONCE) });
    let route = |method, path, operation, handle: Handler, document| Route {
        method: Some(method),
        path,
        operation,
        max_body: MAX_BODY,
        handle,
        document,
    };
    let routes = vec![
        route(Method::GET, "/balance/{playerId}", "balance.get", handled_by(api, balance_get), document::balance_get),
        route(Method::POST, "/order", "order.bet", handled_by(api, order_bet), document::order_bet),
        route(Method::GET, "/order/{betId}", "order.get", handled_by(api, order_get), document::order_get),
        route(
            Method::PUT,
            "/order/{betId}",
            "order.bet.result",
            handled_by(api, order_bet_result),
            document::order_bet_result,
        ),
        route(
            Method::DELETE,
            "/order/{betId}",
            "order.bet.cancel",
            handled_by(api, order_bet_cancel),
            document::order_bet_cancel,
        ),
        route(Method::POST, "/token", "token", handled_by(api, token), document::token),
    ];
    Ok(vec![Mount { dialect: &DIALECT, party: None, path: PATH.to_owned(), routes }])
}

/// Every party, as requests find it.
struct Api {
    parties: Vec<PartyEndpoint>,
    /// Of all requests together.
    sandbox_waits: Semaphore,
}

/// One party, and what its provider proves itself with.
struct PartyEndpoint {
    handler: EgppHandler,
    issuer: Option<String>,
    api_keys: Vec<Secret>,
}

/// A request whose party is known.
struct PartyRequest<'a> {
    api: &'a Api,
    endpoint: &'a PartyEndpoint,
    request: &'a Request,
    /// The player's token, from whichever place it was in.
    token: String,
    has_key: bool,
}

async fn balance_get(api: Arc<Api>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
    let player = request.parameter("playerId").unwrap_or_default();
    let asked = wire::balance_get(player, &request.query_pairs(), &api.currencies(&request))?;
    PartyRequest::of(&api, &request)?.carry_out(&*wallet, Operation::BalanceGet, asked, None).await
}

async fn order_bet(api: Arc<Api>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
    let asked = wire::order_bet(json(&request)?, &api.currencies(&request))?;
    let provider = PartyRequest::of(&api, &request)?.with_key()?;
    provider.carry_out(&*wallet, Operation::OrderBet, asked, None).await
}

async fn order_bet_result(api: Arc<Api>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
    let order = bet_id(&request)?;
    let asked = wire::order_bet_result(json(&request)?, &api.currencies(&request))?;
    let provider = PartyRequest::of(&api, &request)?.with_key()?;
    provider.carry_out(&*wallet, Operation::OrderBetResult, asked, Some(order)).await
}

async fn order_bet_cancel(api: Arc<Api>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
    let order = bet_id(&request)?;
    let asked = match (request.body.is_empty(), request.query.is_empty()) {
        (true, _) => wire::cancel_by_query(&request.query_pairs()),
        (false, true) => wire::order_bet_cancel(json(&request)?),
        (false, false) => Err(Malformed("the parameters must be in the body or in the query, not in both".to_owned())),
    };
    let asked = asked?;
    let provider = PartyRequest::of(&api, &request)?.with_key()?;
    provider.carry_out(&*wallet, Operation::OrderBetCancel, asked, Some(order)).await
}

async fn order_get(api: Arc<Api>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
    let order = bet_id(&request)?;
    let asking = PartyRequest::of(&api, &request)?;
    let player = asking.player().await?;
    let found = wallet.order(asking.party().clone(), order).await?;
    Ok(reply::of_order(found, &player))
}

async fn token(api: Arc<Api>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
    let asked = wire::token(json(&request)?)?;
    let asking = PartyRequest::with_token(&api, &request, asked.token)?;
    let player = asking.player().await?;
    let found = wallet.player(asking.party().clone(), player).await?;
    Ok(reply::of_token(found, asked.wallet))
}

impl<'a> PartyRequest<'a> {
    fn of(api: &'a Api, request: &'a Request) -> Result<Self, HandlerError> {
        let Some(authorization) = request.header("authorization") else {
            return Err(unauthorized("a player token is required"));
        };
        let token = request.bearer().map(str::to_owned);
        let token = token.filter(|_| !authorization.is_empty());
        Self::with_token(api, request, token.ok_or_else(|| unauthorized(NOT_BEARER))?)
    }

    fn with_token(api: &'a Api, request: &'a Request, token: String) -> Result<Self, HandlerError> {
        let endpoint = api.endpoint_of(Some(&token)).ok_or_else(|| unauthorized("the token is no party's here"))?;
        let has_key = match request.header("x-api-key") {
            Some(given) if Secret::is_among(given, &endpoint.api_keys) => true,
            Some(_) if !endpoint.api_keys.is_empty() => return Err(unauthorized("x-api-key is not the provider's")),
            _ => false,
        };
        Ok(Self { api, endpoint, request, token, has_key })
    }

    /// Where the party's provider has a key, whatever moves money needs it: a player has a token, too, and with it alone
    /// could bet on a game whose end is known already.
    fn with_key(self) -> Result<Self, HandlerError> {
        if self.has_key || self.endpoint.api_keys.is_empty() {
            Ok(self)
        } else {
            Err(unauthorized("the provider's own key is required in the header x-api-key"))
        }
    }

    fn party(&self) -> &'a Party {
        &self.endpoint.handler.rules.party
    }

    /// Does what is asked; `order` is the one in the path.
    async fn carry_out(
        &self,
        wallet: &dyn WalletPort,
        operation: Operation,
        asked: EgppRequest,
        order: Option<OrderId>,
    ) -> Result<Reply, HandlerError> {
        self.request.whose.set(self.party());
        let (handler, authorization) = (&self.endpoint.handler, self.authorization());
        let envelope = self.envelope(&authorization);
        let mut opened = handler.with_newer_keys(|| handler.admit(operation, asked.clone(), &envelope)).await?;
        loop {
            match opened {
                Opened::Balance(question) => return self.balance(wallet, question).await,
                Opened::Command(command) => return decide(wallet, *command, order).await,
                Opened::Staged(staged) => return self.staged_reply(staged).await,
                Opened::Late(later) => {
                    self.wait_in_sandbox(tokio::time::sleep(sandbox::DELAY)).await?;
                    opened = *later;
                }
            }
        }
    }

    /// The token's player.
    async fn player(&self) -> Result<PlayerId, HandlerError> {
        self.request.whose.set(self.party());
        let (handler, authorization) = (&self.endpoint.handler, self.authorization());
        let envelope = self.envelope(&authorization);
        // What is only read needs what a balance needs.
        let identify = || handler.identify(Operation::BalanceGet, &PlayerField::Absent, &envelope);
        Ok(handler.with_newer_keys(identify).await?)
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn envelope<'b>(&'b self, authorization: &'b str) -> Envelope<'b> {
        Envelope {
            channel: Channel::Http { has_key: self.has_key },
            correlation: Some(&self.request.correlation),
            authorization: Some(authorization),
            sent_at: None,
            received_at: self.request.at,
        }
    }

    async fn balance(&self, wallet: &dyn WalletPort, question: BalanceQuestion) -> Result<Reply, HandlerError> {
        let (player, pocket) = (question.player.clone(), question.pocket.clone());
        let balance = wallet.balance(self.party().clone(), player, pocket).await?;
        Ok(reply::of_balance(&question, balance))
    }

    /// Where there is no answer, the request runs out of time.
    async fn staged_reply(&self, staged: Staged) -> Result<Reply, HandlerError> {
        match staged.reply() {
            Some(status) => Ok(reply::of_status(status)),
            None => self.wait_in_sandbox(pending()).await,
        }
    }

    /// Whoever waits holds a place that others could use.
    async fn wait_in_sandbox<T>(&self, waiting: impl Future<Output = T>) -> Result<T, HandlerError> {
        let _permit = self.api.sandbox_waits.try_acquire().map_err(|_| Failure::Unavailable)?;
        Ok(waiting.await)
    }
}

const NOT_BEARER: &str = "the authorization header must read 'Bearer <token>'";

/// `order` is the one in the path: what the body names must be the same.
async fn decide(wallet: &dyn WalletPort, command: Command, order: Option<OrderId>) -> Result<Reply, HandlerError> {
    let named = command.order();
    if order.is_some() && order != named {
        return Err(reply::of_status(status::of_refusal(Refusal::Order(OrderRefusal::OrderUnknown))).into());
    }
    let created = matches!(command.act, Act::Order(OrderAct::PlaceBet(_))).then_some(named).flatten();
    let decided = wallet.decide(command).await?;
    Ok(answered(decided.outcome, created))
}

/// The reply to a bet (its order's), result or cancel that is decided, the same whenever it is asked for.
pub(crate) fn answered(outcome: Outcome, placed: Option<OrderId>) -> Reply {
    reply::of_outcome(outcome, placed.map(|id| format!("{PATH}/order/{}", id.uuid())))
}

impl Api {
    /// The party that a token belongs to, by what it claims; its signature is checked there.
    fn endpoint_of(&self, token: Option<&str>) -> Option<&PartyEndpoint> {
        let home = token.and_then(claimed_home).unwrap_or_default();
        if let Some(party) = home.party {
            return self.parties.iter().find(|endpoint| endpoint.handler.rules.party.as_str() == party);
        }
        let has_issued = |endpoint: &&PartyEndpoint| endpoint.issuer.is_some() && endpoint.issuer == home.issuer;
        self.parties.iter().find(has_issued).or(match &self.parties[..] {
            [only] => Some(only),
            _ => None,
        })
    }

    /// The currencies that a request may name: its party's, or any party's where it does not say whose it is.
    fn currencies(&self, request: &Request) -> Vec<Currency> {
        match self.endpoint_of(request.bearer()) {
            Some(endpoint) => endpoint.handler.rules.currencies.clone(),
            None => {
                self.parties.iter().flat_map(|endpoint| endpoint.handler.rules.currencies.iter().copied()).collect()
            }
        }
    }
}

fn bet_id(request: &Request) -> Result<OrderId, HandlerError> {
    let id = request.parameter("betId").and_then(|id| Uuid::try_parse(id).ok());
    id.map(OrderId::from_uuid).ok_or_else(|| Malformed("betId must be a UUID".to_owned()).into())
}

fn json(request: &Request) -> Result<&[u8], HandlerError> {
    if request.is_content_type("application/json") {
        Ok(&request.body)
    } else {
        Err(reply::of_status(status::of_failure(415)).into())
    }
}

fn unauthorized(why: &'static str) -> HandlerError {
    EgppRefused::Denied(Denied::Unauthorized(why)).into()
}

impl From<Malformed> for HandlerError {
    fn from(malformed: Malformed) -> Self {
        EgppRefused::Malformed(malformed).into()
    }
}

impl From<EgppRefused> for HandlerError {
    fn from(refused: EgppRefused) -> Self {
        let status = match refused {
            EgppRefused::Malformed(malformed) => status::of_malformed(&malformed),
            EgppRefused::Denied(denied) => status::of_denied(&denied),
            EgppRefused::UnknownKey => status::of_unknown_key(),
            // Nobody can tell whether the token is good: that is no fault of the caller's.
            EgppRefused::KeysUnavailable => return Failure::Unavailable.into(),
        };
        reply::of_status(status).into()
    }
}
