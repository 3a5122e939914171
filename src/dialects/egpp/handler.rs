//! One party's handler: a message is opened, its player is identified, and what it asks becomes a ledger command.

use std::sync::Arc;

use super::sandbox::{self, Staged};
use super::wire::{self, EgppRequest, Malformed, PlayerField};
use super::{Operation, wire::RequestedAct};
use crate::config::{PartyConfig, PlayerTokens};
use crate::identity::{Rejection, TokenVerifier, Verified};
use crate::ledger::command::{self, Command, Timestamp};
use crate::ledger::orders::OrderKey;
use crate::ledger::orders::{CancelOrder, PlaceBet, SettleOrder, Terms};
use crate::ledger::{Currency, Game, OrderAct, Party, PlayerId, Pocket, Wallet};

/// How old a message's own timestamp may be to be believed, in seconds.
const MAX_TIMESTAMP_AGE: i64 = 24 * 60 * 60;

/// What the party's configuration says about its bets.
pub struct Rules {
    pub party: Party,
    pub currencies: Vec<Currency>,
    pub games: Vec<Game>,
    /// `(currency, largest bet, largest stake per UTC day)`, minor units.
    pub limits: Vec<(Currency, Option<i64>, Option<i64>)>,
    /// Whether a plain `playerId` is taken on the strength of the channel it came over.
    pub trusts_player_ids: bool,
    /// Whether its test players behave as they are named.
    pub is_sandbox: bool,
}

/// Opens the messages of one party.
pub struct EgppHandler {
    pub rules: Rules,
    /// Absent where the party has configured no key; then no token can be verified.
    pub verifier: Option<Arc<TokenVerifier>>,
}

/// What a message came over, and so what it takes to prove whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The party's own queues, which only the provider may write to.
    Queue,
    /// HTTP, where a player's token is always needed; with the provider's own key or without.
    Http { has_key: bool },
}

impl Channel {
    /// Whether an expired token stops the operation. It never stops a provider's result or cancel: money owed is owed.
    fn needs_live_token(self, operation: Operation) -> bool {
        operation.needs_live_token() || self == Self::Http { has_key: false }
    }
}

/// What came around the body.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    pub channel: Channel,
    pub correlation: Option<&'a str>,
    /// The `authorization` header.
    pub authorization: Option<&'a str>,
    /// The message's own timestamp, in seconds since 1970-01-01.
    pub sent_at: Option<i64>,
    pub received_at: Timestamp,
}

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    Balance(BalanceQuestion),
    Command(Box<Command>),
    /// Nothing of it, since a sandbox's test player asks.
    Staged(Staged),
    /// The same after [`sandbox::DELAY`], for the same reason.
    Late(Box<Opened>),
}

/// A question for a player's balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceQuestion {
    pub player: PlayerId,
    pub pocket: Pocket,
    /// Named in the reply where it was named in the question.
    pub wallet_asked: Option<Wallet>,
}

/// Why a message is not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// The token is missing, or not good: the reason.
    Unauthorized(&'static str),
    /// The token is another player's.
    Forbidden,
}

/// Why a message asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EgppRefused {
    Malformed(Malformed),
    Denied(Denied),
    /// The token names a key that is not known (yet).
    UnknownKey,
    /// There are no keys at all, so nobody can tell whether a token is good.
    KeysUnavailable,
}

impl EgppHandler {
    /// The handler of a configured party.
    pub fn of(party: &Party, settings: &PartyConfig, verifier: Option<Arc<TokenVerifier>>) -> Self {
        let limits = settings.limits.iter();
        let rules = Rules {
            party: party.clone(),
            currencies: settings.currencies.clone(),
            games: settings.games.clone(),
            limits: limits.map(|(currency, limits)| (*currency, limits.max_bet, limits.max_stake_per_day)).collect(),
            trusts_player_ids: settings.player_tokens == PlayerTokens::Trusted,
            is_sandbox: settings.is_sandbox,
        };
        Self { rules, verifier }
    }

    /// Opens a message.
    pub fn open(&self, operation: Operation, body: &[u8], envelope: &Envelope<'_>) -> Result<Opened, EgppRefused> {
        let request = wire::parse(operation, body, &self.rules.currencies).map_err(EgppRefused::Malformed)?;
        self.admit(operation, request, envelope)
    }

    /// Fetches the party's keys again, where they were not just asked for.
    pub(crate) async fn fetch_newer_keys(&self) {
        if let Some(verifier) = &self.verifier {
            verifier.refresh().await;
        }
    }

    /// Another number with each key set; 0 where there is none.
    pub(crate) fn keys_version(&self) -> u64 {
        self.verifier.as_ref().map_or(0, |verifier| verifier.keys_version())
    }

    /// Makes an attempt, and another with newer keys where the first met a token of an unknown key.
    pub(crate) async fn with_newer_keys<T>(
        &self,
        attempt: impl Fn() -> Result<T, EgppRefused>,
    ) -> Result<T, EgppRefused> {
        let Some(verifier) = &self.verifier else { return attempt() };
        let settled = verifier.with_newer_keys(attempt, |refused| *refused == EgppRefused::UnknownKey).await;
        settled.unwrap_or(Err(EgppRefused::KeysUnavailable))
    }

    /// Lets a well-formed request through, once it is known whose it is.
    pub(crate) fn admit(
        &self,
        operation: Operation,
        request: EgppRequest,
        envelope: &Envelope<'_>,
    ) -> Result<Opened, EgppRefused> {
        if envelope.correlation.is_none() {
            return Err(EgppRefused::Malformed(Malformed("correlation_id is missing".to_owned())));
        }
        let player = self.identify(operation, &request.player, envelope)?;
        let opened = self.translate(request, player.clone(), envelope);
        Ok(if self.rules.is_sandbox { sandbox::stage(operation, &player, opened) } else { opened })
    }

    /// The player that the message is about, once every token in it is verified and all agree.
    pub(crate) fn identify(
        &self,
        operation: Operation,
        field: &PlayerField,
        envelope: &Envelope<'_>,
    ) -> Result<PlayerId, EgppRefused> {
        let header = match envelope.authorization {
            Some(authorization) => Some(self.verify(operation, bearer(authorization)?, envelope)?),
            None => None,
        };
        let named = match field {
            PlayerField::Absent => {
                let verified = header.as_ref().ok_or_else(|| unauthorized("a player token is required"))?;
                verified.player.clone()
            }
            PlayerField::Plain(player) => player.clone(),
            PlayerField::Token(token) => self.verify(operation, token, envelope)?.player,
        };
        let has_token = header.is_some() || matches!(field, PlayerField::Token(_));
        let is_trusted = envelope.channel == Channel::Queue && self.rules.trusts_player_ids;
        if !has_token && !is_trusted {
            return Err(unauthorized("a player token is required"));
        }
        match header {
            Some(verified) if verified.player != named => Err(EgppRefused::Denied(Denied::Forbidden)),
            _ => Ok(named),
        }
    }

    fn verify(&self, operation: Operation, token: &str, envelope: &Envelope<'_>) -> Result<Verified, EgppRefused> {
        let verifier = self.verifier.as_ref().ok_or_else(|| unauthorized("this party takes no tokens"))?;
        let verified = verifier.verify_now(token).map_err(|rejection| match rejection {
            Rejection::UnknownKey => EgppRefused::UnknownKey,
            other => unauthorized(reason(&other)),
        })?;
        if envelope.channel.needs_live_token(operation) && verified.time_claims_at(judged_at(envelope)).is_err() {
            return Err(unauthorized("the player token has expired or is not valid yet"));
        }
        Ok(verified)
    }

    fn translate(&self, request: EgppRequest, player: PlayerId, envelope: &Envelope<'_>) -> Opened {
        let wallet = request.wallet;
        let in_wallet = |currency| Pocket::real_in(currency, wallet.clone().unwrap_or_else(Wallet::default_wallet));
        let act = match request.act {
            RequestedAct::Balance { currency } => {
                let pocket = in_wallet(currency);
                return Opened::Balance(BalanceQuestion { player, pocket, wallet_asked: wallet });
            }
            RequestedAct::Bet { order, round, stake, currency } => {
                let terms = self.terms(&order, Some(currency));
                command::Act::Order(OrderAct::PlaceBet(PlaceBet {
                    player,
                    order,
                    round,
                    stake,
                    pocket: in_wallet(currency),
                    terms,
                }))
            }
            RequestedAct::Result { order, round, result, currency } => {
                let terms = self.terms(&order, None);
                command::Act::Order(OrderAct::SettleOrder(SettleOrder {
                    player,
                    order,
                    round,
                    result,
                    currency,
                    wallet,
                    terms,
                }))
            }
            RequestedAct::Cancel { order } => {
                let terms = self.terms(&order, None);
                command::Act::Order(OrderAct::CancelOrder(CancelOrder { player, order, wallet, terms }))
            }
        };
        let correlation = envelope.correlation.map(Into::into);
        let party = self.rules.party.clone();
        Opened::Command(Box::new(Command { party, at: envelope.received_at, correlation, act }))
    }

    fn terms(&self, order: &OrderKey, stake_currency: Option<Currency>) -> Terms {
        let limits = self.rules.limits.iter().find(|(currency, ..)| Some(*currency) == stake_currency);
        Terms {
            game_offered: self.rules.games.contains(&order.game),
            max_bet: limits.and_then(|(_, max_bet, _)| *max_bet),
            max_stake_per_day: limits.and_then(|(.., max_stake)| *max_stake),
        }
    }
}

fn unauthorized(why: &'static str) -> EgppRefused {
    EgppRefused::Denied(Denied::Unauthorized(why))
}

/// What a provider is told about a token that is no good.
fn reason(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::TooLong => "the player token is too long",
        Rejection::Malformed => "the player token is not a valid JWT",
        Rejection::Algorithm => "the player token is signed with another algorithm than the party's",
        Rejection::UnknownKey | Rejection::AmbiguousKey | Rejection::KeysUnavailable => {
            "the player token names no key of the party's"
        }
        Rejection::Signature => "the player token's signature is not valid",
        Rejection::Issuer => "the player token has another issuer than the party's",
        Rejection::Audience => "the player token is meant for another audience",
        Rejection::Party => "the player token is another party's",
        Rejection::Endless => "the player token must say when it expires (exp)",
        Rejection::Subject => "the player token's subject is not a player id",
    }
}

fn bearer(authorization: &str) -> Result<&str, EgppRefused> {
    match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(unauthorized("the authorization header must read 'Bearer <token>'")),
    }
}

/// The moment at which a token's times are judged: when the message was sent, where that can be believed, so that a
/// bet that queued through an outage is not refused for a token that was good when it was placed.
fn judged_at(envelope: &Envelope<'_>) -> i64 {
    let now = envelope.received_at.second();
    match envelope.sent_at {
        Some(sent) if sent <= now && now - sent <= MAX_TIMESTAMP_AGE => sent,
        _ => now,
    }
}
