//! Judges a provider by its own traffic, and decides which replies it is to miss.
//!
//! It is told of every message with its reply, in the order in which they were dealt with, and answers with what becomes of
//! the reply. Of every five new messages of an operation one is answered late and one twice; of orders one is not answered,
//! once or twice, since an order is to be asked again until it is. Which ones, the seed decides.
//!
//! Reading order: [`rules`] (what a provider is held to), [`message`] (what is told of a message),
//! [`elsewhere`] (what did not come over the queues), this file.

mod rules;
pub(crate) mod message;
pub(crate) mod elsewhere;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::elsewhere::SettledElsewhere;
use self::message::{Bet, Content, JudgedOrder, ProviderMessage};
use self::rules::{Breaches, ProviderRule};
use super::Catalogue;
use super::report::{JudgedCase, ShownExchange};

/// Messages that one watch takes: what is kept of them stays below a few hundred megabytes.
pub const MOST_MESSAGES: u64 = 100_000;

/// New messages of an operation, of which one is withheld, one late and one doubled.
const CYCLE: u64 = 5;

/// What was sent so soon after a refusal may have crossed it.
const CROSSING: Duration = Duration::from_secs(2);

/// Refusals that a bet keeps under its id.
const STICKY: [&str; 5] = ["491", "492", "493", "495", "496"];

/// What becomes of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interference {
    None,
    Late,
    Twice,
    Withheld,
}

/// How long a provider has, and which replies it misses.
#[derive(Debug, Clone)]
pub struct WatchTerms {
    /// How long it is watched.
    pub run_for: Duration,
    /// How long it has to ask again where no reply came.
    pub retry_within: Duration,
    /// How long it has to settle a bet.
    pub settle_within: Duration,
    /// How late a late reply is.
    pub delay: Duration,
    pub seed: u64,
}

/// What passed.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Traffic {
    pub messages: u64,
    pub repeats: u64,
    pub withheld: u64,
    pub late: u64,
    pub doubled: u64,
    pub bets: u64,
    pub refused: u64,
    /// Over the queues.
    pub settled: u64,
    pub settled_elsewhere: u64,
}

/// One order's operation, as it came first.
struct KnownOrder {
    content: Value,
    /// It was refused, and said to be, in a way that binds nobody: what is asked next may be something else.
    may_change: bool,
    /// Since when the provider has the refusal; none: it has none.
    refused_at: Option<Duration>,
    silence: Option<Silence>,
    /// How many more replies are withheld.
    silences_left: u64,
}

/// A reply that was withheld, and for which nobody has asked again yet.
struct Silence {
    since: Duration,
    exchange: ShownExchange,
}

/// A bet that was accepted.
struct Accepted {
    placed_at: Duration,
    /// When its provider was told, where a reply was sent on; its time to settle it begins then.
    told_at: Option<Duration>,
    exchange: ShownExchange,
}

impl Accepted {
    fn known_at(&self) -> Duration {
        self.told_at.unwrap_or(self.placed_at)
    }
}

pub struct ProviderWatch {
    terms: WatchTerms,
    pub traffic: Traffic,
    /// New messages, by operation.
    fresh: BTreeMap<String, u64>,
    asked: HashMap<JudgedOrder, KnownOrder>,
    /// What was sent under a correlation id.
    correlations: HashMap<String, [u8; 32]>,
    accepted: HashMap<Bet, Accepted>,
    /// When, after the beginning.
    settled: HashMap<Bet, Duration>,
    elsewhere: SettledElsewhere,
    breaches: Breaches,
}

impl ProviderWatch {
    pub fn new(terms: WatchTerms) -> Self {
        Self {
            terms,
            traffic: Traffic::default(),
            fresh: BTreeMap::new(),
            asked: HashMap::new(),
            correlations: HashMap::new(),
            accepted: HashMap::new(),
            settled: HashMap::new(),
            elsewhere: SettledElsewhere::Unknown("nobody looked".to_owned()),
            breaches: Breaches::default(),
        }
    }

    pub fn is_full(&self) -> bool {
        self.traffic.messages >= MOST_MESSAGES
    }

    /// Judges a message that was dealt with `at` this time after the beginning, and decides on its reply.
    pub fn handle(&mut self, at: Duration, message: &ProviderMessage) -> Interference {
        self.traffic.messages += 1;
        let content = message.content();
        self.judge_envelope(message, &content);
        let interference = match content.order.clone() {
            Some(order) => self.judge_order(at, message, order, &content),
            None => {
                self.judge_shape(message);
                self.interfere(message, false)
            }
        };
        match interference {
            Interference::None => {}
            Interference::Late => self.traffic.late += 1,
            Interference::Twice => self.traffic.doubled += 1,
            Interference::Withheld => self.traffic.withheld += 1,
        }
        interference
    }

    fn judge_envelope(&mut self, message: &ProviderMessage, content: &Content) {
        self.breaches.count(ProviderRule::Persistence);
        if !message.is_persistent {
            let (what, got) = ("a message's delivery mode", "it is transient");
            self.breaches.add(ProviderRule::Persistence, message, what, "2 (persistent)", got);
        }
        self.breaches.count(ProviderRule::CorrelationIds);
        let Some(id) = &message.correlation else {
            let (what, got) = ("a message's correlation id", "neither correlation_id nor message_id");
            return self.breaches.add(ProviderRule::CorrelationIds, message, what, "one of its own", got);
        };
        self.breaches.count(ProviderRule::UniqueIds);
        // What is asked again with other data is a repeat as well: another rule says what is wrong with it.
        let named = content.order.as_ref().map(|order| format!("{order:?}"));
        let named = named.unwrap_or_else(|| format!("{} {}", message.operation, content.value));
        let sent = Sha256::digest(named).into();
        if *self.correlations.entry(id.clone()).or_insert(sent) != sent {
            let got = format!("{id}, which another message had before");
            self.breaches.add(ProviderRule::UniqueIds, message, "a message's correlation id", "one of its own", &got);
        }
    }

    /// What is malformed for want of a correlation id is said already.
    fn judge_shape(&mut self, message: &ProviderMessage) {
        self.breaches.count(ProviderRule::WellFormed);
        let why = match (&message.parked, message.code.as_deref()) {
            (Some(why), _) => why.as_str(),
            (None, Some("400")) => "it was answered 400",
            _ => return,
        };
        if message.correlation.is_some() && message.code.as_deref() != Some("500") {
            let (what, expected) = ("a message", "one that the published schemas allow, sent to its queue");
            self.breaches.add(ProviderRule::WellFormed, message, what, expected, why);
        }
    }

    fn judge_order(
        &mut self,
        at: Duration,
        message: &ProviderMessage,
        order: JudgedOrder,
        content: &Content,
    ) -> Interference {
        let known = self.asked.get(&order);
        if known.is_some_and(|asked| !asked.may_change || asked.content == content.value) {
            return self.judge_repeat(at, message, &order, content);
        }
        self.judge_shape(message);
        // What is answered 400, 401 or 403 is not kept.
        if !message.is_answered() {
            return Interference::None;
        }
        let interference = self.interfere(message, at + self.terms.retry_within < self.terms.run_for);
        let is_withheld = interference == Interference::Withheld;
        let is_binding = order.operation == "order.bet" || message.code.as_deref() == Some("200");
        let asked = KnownOrder {
            content: content.value.clone(),
            may_change: !is_binding && !is_withheld,
            refused_at: None,
            silence: is_withheld.then(|| Silence { since: at, exchange: message.exchange.clone() }),
            silences_left: if is_withheld { self.draw(&message.operation) % 2 } else { 0 },
        };
        self.asked.insert(order.clone(), asked);
        self.note_outcome(at, message, &order, interference);
        interference
    }

    fn judge_repeat(
        &mut self,
        at: Duration,
        message: &ProviderMessage,
        order: &JudgedOrder,
        content: &Content,
    ) -> Interference {
        let Some(asked) = self.asked.get_mut(order) else { return Interference::None };
        // The broker has delivered it again; its sender has done nothing.
        if message.is_redelivered && asked.content == content.value {
            return Interference::None;
        }
        self.traffic.repeats += 1;
        let is_same = asked.content == content.value;
        let is_refused = asked.refused_at.is_some_and(|refused| at > refused + CROSSING);
        let name = || format!("{} {} of {}", order.operation, order.bet.external_id, order.bet.game);
        if is_refused {
            let what = format!("what follows the refusal of {}", name());
            let got = if is_same { "the same bet again" } else { "another bet under the same id" };
            self.breaches.add(ProviderRule::NewIds, message, &what, "a bet with a new externalId, or none", got);
        } else if is_same {
            self.breaches.count(ProviderRule::SameBody);
        } else {
            let (what, expected) = (format!("the body of {}", name()), asked.content.to_string());
            let got = content.value.to_string();
            self.breaches.add(ProviderRule::SameBody, message, &what, &expected, &got);
        }
        if let Some(silence) = asked.silence.take_if(|_| is_same) {
            let took = at.saturating_sub(silence.since);
            self.breaches.count(ProviderRule::Retries);
            if took > self.terms.retry_within {
                let (within, took) = (seconds(self.terms.retry_within), seconds(took));
                let what = format!("what follows the silence about {}", name());
                let (expected, got) = (format!("the same message within {within}"), format!("it after {took}"));
                self.breaches.add(ProviderRule::Retries, message, &what, &expected, &got);
            }
        }
        let may_be_withheld = is_same && at + self.terms.retry_within < self.terms.run_for;
        if may_be_withheld && asked.silences_left > 0 {
            asked.silences_left -= 1;
            asked.silence = Some(Silence { since: at, exchange: message.exchange.clone() });
            return Interference::Withheld;
        }
        if is_same {
            self.note_outcome(at, message, order, Interference::None);
        }
        Interference::None
    }

    /// What the wallet has decided, and since when its provider knows.
    fn note_outcome(&mut self, at: Duration, message: &ProviderMessage, order: &JudgedOrder, done: Interference) {
        let code = message.code.as_deref().unwrap_or_default();
        let is_bet = order.operation == "order.bet";
        let knows_at = match done {
            Interference::Withheld => None,
            Interference::Late => Some(at + self.terms.delay),
            Interference::None | Interference::Twice => Some(at),
        };
        if is_bet && code == "201" {
            let accepted = self.accepted.entry(order.bet.clone()).or_insert_with(|| {
                self.traffic.bets += 1;
                Accepted { placed_at: at, told_at: None, exchange: message.exchange.clone() }
            });
            accepted.told_at = accepted.told_at.or(knows_at);
        }
        if !is_bet && code == "200" && !self.settled.contains_key(&order.bet) {
            self.traffic.settled += 1;
            self.settled.insert(order.bet.clone(), at);
        }
        let Some(knows_at) = knows_at else { return };
        if let Some(asked) = self.asked.get_mut(order).filter(|_| is_bet && STICKY.contains(&code))
            && asked.refused_at.is_none()
        {
            self.traffic.refused += 1;
            self.breaches.count(ProviderRule::NewIds);
            asked.refused_at = Some(knows_at);
        }
    }

    /// One of every few new messages.
    fn interfere(&mut self, message: &ProviderMessage, may_be_withheld: bool) -> Interference {
        if !message.is_answered() {
            return Interference::None;
        }
        let place = self.draw(&message.operation);
        *self.fresh.entry(message.operation.clone()).or_default() += 1;
        match place % CYCLE {
            0 if may_be_withheld => Interference::Withheld,
            1 => Interference::Late,
            2 => Interference::Twice,
            _ => Interference::None,
        }
    }

    /// The place of the operation's next new message.
    fn draw(&self, operation: &str) -> u64 {
        self.terms.seed.wrapping_add(self.fresh.get(operation).copied().unwrap_or_default())
    }

    /// The bets that have had their time `at` this moment, and for which nothing came over the queues that settles them.
    pub fn unsettled(&self, at: Duration) -> Vec<Bet> {
        let due = self.accepted.iter().filter(|(_, accepted)| accepted.known_at() + self.terms.settle_within <= at);
        due.map(|(bet, _)| bet).filter(|bet| !self.settled.contains_key(bet)).cloned().collect()
    }

    /// What became of those.
    pub fn complete(&mut self, elsewhere: SettledElsewhere) {
        self.traffic.settled_elsewhere = elsewhere.count();
        self.elsewhere = elsewhere;
    }

    /// What is found when the watch ends `at` this time after its beginning.
    pub fn close(mut self, at: Duration, catalogue: &Catalogue, again: &str) -> Vec<JudgedCase> {
        let within = self.terms.retry_within;
        let unanswered = self.asked.drain().filter_map(|(order, asked)| Some((order, asked.silence?)));
        let mut unanswered: Vec<_> = unanswered.filter(|(_, silence)| silence.since + within <= at).collect();
        unanswered.sort_by_key(|(_, silence)| silence.since);
        for (order, Silence { exchange, .. }) in unanswered {
            self.breaches.count(ProviderRule::Retries);
            let what = format!("what follows the silence about {} {}", order.operation, order.bet.external_id);
            let (expected, got) = (format!("the same message within {}", seconds(within)), "nothing");
            self.breaches.add_exchange(ProviderRule::Retries, exchange, &what, &expected, got);
        }
        self.judge_settlements(at);
        self.breaches.judged(catalogue, again)
    }

    fn judge_settlements(&mut self, at: Duration) {
        let mut accepted: Vec<_> = self.accepted.drain().collect();
        accepted.sort_by_key(|(_, accepted)| accepted.placed_at);
        let mut unknown = 0_u64;
        for (bet, accepted) in accepted {
            let accepted_at = accepted.known_at();
            let untold = accepted_at.saturating_sub(accepted.placed_at);
            let is_due = accepted_at + self.terms.settle_within <= at;
            let took = match (self.settled.get(&bet), &self.elsewhere) {
                (Some(settled_at), _) => Some(settled_at.saturating_sub(accepted_at)),
                (None, _) if !is_due => continue,
                (None, SettledElsewhere::Known(settled)) => settled.get(&bet).map(|took| took.saturating_sub(untold)),
                (None, SettledElsewhere::Unknown(_)) => {
                    unknown += 1;
                    continue;
                }
            };
            self.breaches.count(ProviderRule::Settlement);
            let got = match took {
                Some(took) if took <= self.terms.settle_within => continue,
                Some(took) => format!("it after {}", seconds(took)),
                None => format!("none in {}", seconds(at.saturating_sub(accepted_at))),
            };
            let what = format!("what became of bet {} of {}", bet.external_id, bet.game);
            let expected = format!("a result or a cancel within {}", seconds(self.terms.settle_within));
            self.breaches.add_exchange(ProviderRule::Settlement, accepted.exchange, &what, &expected, &got);
        }
        if let (1.., SettledElsewhere::Unknown(why)) = (unknown, &self.elsewhere) {
            let why = format!(
                "{unknown} bets were not settled over the queues, and whether they were over REST the ledger could not \
                 be asked: {why}"
            );
            self.breaches.leave_open(ProviderRule::Settlement, why);
        }
    }
}

fn seconds(time: Duration) -> String {
    jiff::fmt::friendly::SpanPrinter::new().unsigned_duration_to_string(&Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests;
