//! One case, played step by step until it is done or something is not as it must be.

mod messages;
mod calls;

use std::collections::BTreeMap;

use jiff::fmt::friendly::SpanPrinter;
use serde_json::{Value, json};

use self::messages::{told_reply, told_request};
use super::Wallet;
use super::catalogue::{
    Awaited, BalanceStep, Case, CaseStep, Catalogue, Clause, Expect, Message, Need, PublishRoute, Repeat,
    SpokenDialect, TokenKind, WaitStep,
};
use super::expect::{self, Difference};
use super::http::{HttpError, PreparedRequest, Response};
use super::report::{BrokenRule, CaseOutcome, ShownExchange, shown};
use super::tokens::TokenError;
use super::values::{Unset, Values};
use super::wire::{Missing, ReceivedReply, SentRequest, Wire, WireError};

/// Exchanges that a report shows of one case: the last ones are those that matter.
const SHOWN: usize = 20;

/// Why a case ends before its last step.
pub(super) enum CaseStopped {
    Failed(Box<BrokenRule>),
    Skipped(&'static str),
    NotJudged(String),
}

impl From<WireError> for CaseStopped {
    fn from(error: WireError) -> Self {
        Self::NotJudged(error.to_string())
    }
}

impl From<TokenError> for CaseStopped {
    fn from(error: TokenError) -> Self {
        Self::NotJudged(error.to_string())
    }
}

impl From<Unset> for CaseStopped {
    fn from(error: Unset) -> Self {
        Self::NotJudged(error.to_string())
    }
}

impl From<HttpError> for CaseStopped {
    fn from(error: HttpError) -> Self {
        Self::NotJudged(format!("HTTP: {error}"))
    }
}

/// What was sent under a name, and what came back.
enum Sent {
    Message(SentRequest, Option<ReceivedReply>),
    Call(PreparedRequest, Response),
}

pub(super) struct CasePlay<'a> {
    wallet: &'a Wallet,
    catalogue: &'a Catalogue,
    case: &'a Case,
    values: Values,
    wire: Wire<'a>,
    sent: BTreeMap<String, Sent>,
    exchanges: Vec<ShownExchange>,
}

/// The names of a player's tokens, for dialects that have them in the body.
const TOKENS: [(&str, TokenKind); 4] = [
    ("token", TokenKind::Good),
    ("expired_token", TokenKind::Expired),
    ("forged_token", TokenKind::Forged),
    ("other_token", TokenKind::Other),
];

/// Why a case cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum CannotOpen {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// The player who is nobody.
pub(super) const STRANGER: &str = "cf-nobody-at-all";

impl<'a> CasePlay<'a> {
    /// With one player of the case's own, or two.
    pub async fn open(
        wallet: &'a Wallet,
        catalogue: &'a Catalogue,
        case: &'a Case,
        run: &str,
        players: &[String],
    ) -> Result<Self, CannotOpen> {
        let terms = &wallet.terms;
        let mut values = Values::new(terms.seed, run, &case.id);
        for (name, player) in ["player", "player2"].iter().zip(players) {
            values.set(name, player.as_str());
        }
        values.set("player_in_path", players.first().map(|player| escaped(player)).unwrap_or_default());
        values.set("stranger", STRANGER);
        values.set("party", wallet.queues.party.as_str());
        values.set("currency", terms.currency.as_str());
        values.set("game", terms.game.as_str());
        if let Some(number) = players.first().and_then(|player| player.parse().ok()) {
            values.set_number("player_number", number);
        }
        wallet.partners.fill(&mut values);
        if case.dialect == Some(SpokenDialect::Quickplay) {
            for (name, kind) in TOKENS {
                let player = players.first().map_or(STRANGER, String::as_str);
                values.set(name, wallet.tokens.make(kind, player, STRANGER)?.unwrap_or_default());
            }
        }
        if let Some((currency, limit)) = &terms.limit {
            values.set("limit_currency", currency.as_str());
            values.set_number("limit", *limit);
        }
        let wire = Wire::open(&wallet.connection, &wallet.queues).await?;
        Ok(Self { wallet, catalogue, case, values, wire, sent: BTreeMap::new(), exchanges: Vec::new() })
    }

    /// Plays all steps; answers with what was said, too, where the wallet failed.
    pub async fn play(mut self, players: &[String]) -> (CaseOutcome, Vec<ShownExchange>) {
        let stopped = self.steps(players).await;
        self.wire.close().await;
        match stopped {
            Ok(()) => (CaseOutcome::Passed, Vec::new()),
            Err(CaseStopped::NotJudged(why)) => (CaseOutcome::NotJudged { why }, Vec::new()),
            Err(CaseStopped::Skipped(why)) => (CaseOutcome::Skipped { why: why.to_owned() }, Vec::new()),
            Err(CaseStopped::Failed(failure)) => {
                let first = self.exchanges.len().saturating_sub(SHOWN);
                (CaseOutcome::Failed(*failure), self.exchanges.split_off(first))
            }
        }
    }

    /// What a player has, or why that cannot be said: nobody answers, or the player has no balance. None where the wallet
    /// answers, and wrongly: that is for the cases to say.
    pub async fn money_of(&mut self, player: &str) -> Result<Option<i64>, String> {
        match self.balance_of(player).await {
            Ok(balance) => Ok(Some(balance)),
            Err(CaseStopped::Failed(failure)) => match failure.rule {
                Some("answered" | "queues" | "balance") => Err(format!("{}: {}", failure.what, failure.got)),
                _ => Ok(None),
            },
            Err(CaseStopped::NotJudged(why)) => Err(why),
            Err(CaseStopped::Skipped(why)) => Err(why.to_owned()),
        }
    }

    pub async fn leave(self) {
        self.wire.close().await;
    }

    async fn steps(&mut self, players: &[String]) -> Result<(), CaseStopped> {
        for (name, player) in ["start", "start2"].into_iter().zip(players) {
            let balance = self.balance_of(player).await?;
            self.values.set_number(name, balance);
            self.stay_below_limit(balance)?;
        }
        for step in &self.case.step {
            match step {
                CaseStep::Ask(message) => self.ask(message).await?,
                CaseStep::Send(message) => self.send(message).await?,
                CaseStep::Reply(awaited) => self.reply(awaited).await?,
                CaseStep::Repeat(repeat) => self.repeat(repeat).await?,
                CaseStep::Copies(message) => self.copies(message).await?,
                CaseStep::Many(message) => self.many(message).await?,
                CaseStep::Wait(WaitStep { grace_percent }) => {
                    tokio::time::sleep(self.wallet.terms.grace * *grace_percent / 100).await;
                }
                CaseStep::Balance(balance) => self.balance(balance).await?,
                CaseStep::Http(call) => self.call(call).await?,
            }
        }
        Ok(())
    }

    /// A bet of more than there is must not be one above the limit, too.
    fn stay_below_limit(&self, balance: i64) -> Result<(), CaseStopped> {
        let limits = self.wallet.terms.limit.iter().filter(|(currency, _)| *currency == self.wallet.terms.currency);
        let exceeds = limits.map(|(_, limit)| *limit).any(|limit| balance >= limit);
        if exceeds && self.case.needs.contains(&Need::BelowLimit) {
            return Err(CaseStopped::Skipped("the player has as much as the limit of a single bet, or more"));
        }
        Ok(())
    }

    async fn ask(&mut self, message: &Message) -> Result<(), CaseStopped> {
        self.send(message).await?;
        self.reply(&Awaited { of: message.name.clone(), expect: message.expect.clone() }).await
    }

    async fn send(&mut self, message: &Message) -> Result<(), CaseStopped> {
        let request = self.request(message)?;
        self.publish(&[&request]).await?;
        self.sent.insert(message.name.clone(), Sent::Message(request, None));
        Ok(())
    }

    async fn reply(&mut self, awaited: &Awaited) -> Result<(), CaseStopped> {
        let request = match self.sent.get(&awaited.of) {
            Some(Sent::Message(request, _)) => request.clone(),
            Some(Sent::Call(..)) | None => return Err(self.unsent(&awaited.of)),
        };
        let reply = self.receive(&request).await?;
        self.expect(&awaited.expect, &reply)?;
        self.sent.insert(awaited.of.clone(), Sent::Message(request, Some(reply)));
        Ok(())
    }

    async fn repeat(&mut self, repeat: &Repeat) -> Result<(), CaseStopped> {
        let (mut request, first) = match self.sent.get(&repeat.of) {
            Some(Sent::Message(request, Some(reply))) => (request.clone(), reply.clone()),
            Some(Sent::Call(call, response)) => {
                let (call, response) = (call.clone(), response.clone());
                return self.call_again(&call, &response).await;
            }
            Some(Sent::Message(_, None)) | None => return Err(self.unsent(&repeat.of)),
        };
        request.route = repeat.route.unwrap_or(request.route);
        self.publish(&[&request]).await?;
        let again = self.receive(&request).await?;
        expect::repeat(&first.body, &again.body).map_err(|difference| self.failed(difference))
    }

    async fn copies(&mut self, message: &Message) -> Result<(), CaseStopped> {
        let first = self.request(message)?;
        let copy = |at: usize| SentRequest {
            correlation_id: Some(uuid::Uuid::new_v4().to_string()),
            route: if at.is_multiple_of(2) { PublishRoute::Exchange } else { PublishRoute::Queue },
            ..first.clone()
        };
        let replies = self.all((0..message.count).map(copy).collect(), &message.expect).await?;
        let Some((first, others)) = replies.split_first() else { return Ok(()) };
        let alike = others.iter().try_for_each(|other| expect::repeat(&first.body, &other.body));
        alike.map_err(|difference| self.failed(difference))
    }

    async fn many(&mut self, message: &Message) -> Result<(), CaseStopped> {
        let mut requests = Vec::new();
        for number in 0..message.count {
            self.values.set("n", number.to_string());
            requests.push(self.request(message)?);
        }
        self.all(requests, &message.expect).await.map(drop)
    }

    /// Sends all at once, and judges every reply.
    async fn all(&mut self, requests: Vec<SentRequest>, expect: &Expect) -> Result<Vec<ReceivedReply>, CaseStopped> {
        self.publish(&requests.iter().collect::<Vec<_>>()).await?;
        let mut replies = Vec::new();
        for request in &requests {
            let reply = self.receive(request).await?;
            self.expect(expect, &reply)?;
            replies.push(reply);
        }
        Ok(replies)
    }

    async fn balance(&mut self, balance: &BalanceStep) -> Result<(), CaseStopped> {
        let player = self.values.text(&balance.player)?;
        let (expected, got) = (self.values.number(&balance.is)?, self.balance_of(&player).await?);
        if got == expected {
            return Ok(());
        }
        let expected = format!("{expected} ({})", balance.is);
        Err(self.failed(Difference { rule: None, what: "the player's balance", expected, got: got.to_string() }))
    }

    async fn balance_of(&mut self, player: &str) -> Result<i64, CaseStopped> {
        let asked = json!({ "operation": "balance.get", "player": player });
        let message: Message =
            serde_json::from_value(asked).map_err(|error| CaseStopped::NotJudged(error.to_string()))?;
        let request = self.request(&message)?;
        self.publish(&[&request]).await?;
        let reply = self.receive(&request).await?;
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let (whose, currency) = (body["playerId"].as_str(), body["currency"].as_str());
        match body["balance"].as_i64() {
            Some(balance) if whose == Some(player) && currency == Some(self.wallet.terms.currency.as_str()) => {
                Ok(balance)
            }
            _ => {
                let expected = format!("the balance of {player} in {}", self.wallet.terms.currency);
                let got = shown(&reply.body);
                Err(self.failed(Difference { rule: Some("balance"), what: "the answer to balance.get", expected, got }))
            }
        }
    }

    async fn publish(&mut self, requests: &[&SentRequest]) -> Result<(), CaseStopped> {
        match self.wire.send(requests).await {
            Err(WireError::NotRouted(queue)) => {
                let (what, expected) = ("a request was returned by the broker", "a queue takes it".to_owned());
                Err(self.failed(Difference {
                    rule: Some("queues"),
                    what,
                    expected,
                    got: format!("nothing takes {queue}"),
                }))
            }
            other => Ok(other?),
        }
    }

    /// The reply to a request, with what every reply must have.
    async fn receive(&mut self, request: &SentRequest) -> Result<ReceivedReply, CaseStopped> {
        let patience = self.wallet.terms.patience;
        let came = self.wire.reply(request.correlation(), patience).await;
        let reply = came.as_ref().ok().or(match &came {
            Err(Missing::Stray(reply)) => Some(reply),
            Err(Missing::Silence) | Ok(_) => None,
        });
        self.exchanges.push(ShownExchange { request: told_request(request), reply: reply.map(told_reply) });
        let expected = || format!("a reply with correlation id {}", named(request.correlation()));
        let (rule, what, got) = match came {
            Ok(reply) => {
                expect::envelope(request, &reply).map_err(|difference| self.failed(difference))?;
                return Ok(reply);
            }
            Err(Missing::Silence) => {
                let got = format!("none in {}", SpanPrinter::new().unsigned_duration_to_string(&patience));
                ("answered", "the reply to a confirmed request", got)
            }
            Err(Missing::Stray(reply)) => {
                let got = format!("a reply with correlation id {}", named(&reply.correlation));
                ("correlation", "the reply's correlation id", got)
            }
        };
        Err(self.failed(Difference { rule: Some(rule), what, expected: expected(), got }))
    }

    fn expect(&self, expect: &Expect, reply: &ReceivedReply) -> Result<(), CaseStopped> {
        let body = self.values.object(&expect.body)?;
        expect::reply(expect, &body, &reply.body).map_err(|difference| self.failed(difference))
    }

    fn unsent(&self, name: &str) -> CaseStopped {
        CaseStopped::NotJudged(format!("case {} sends nothing called {name:?} before", self.case.id))
    }

    fn failed(&self, difference: Difference) -> CaseStopped {
        let Difference { rule, what, expected, got } = difference;
        let clause: Clause = rule.map_or_else(|| self.case.clause.clone(), |rule| self.catalogue.rule(rule));
        CaseStopped::Failed(Box::new(BrokenRule { rule, clause, what: what.to_owned(), expected, got }))
    }
}

/// A text as one part of a path.
fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let bytes = text.bytes();
    bytes.map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn named(correlation: &str) -> &str {
    if correlation.is_empty() { "(none)" } else { correlation }
}
