//! Whether a delivery is a request at all: sent to the queue that it is in, by somebody who may, and legible.
//!
//! A broker's permissions end where its own routing begins. Headers `CC` and `BCC`, an exchange with `v1.0` as its
//! alternate, an exchange bound to `v1.0` and a queue that dead-letters into `v1.0` carry messages past a provider's topic
//! permissions into any party's queue. All of them leave the exchange or the routing key that the message was sent with,
//! or an account of where it died, so that is looked at before anything else.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPUri, SASLMechanism};

use super::AmqpSettings;
use super::message::{self, MISROUTED, ORIGINAL_USER, REDRIVEN, UNREADABLE};
use super::topology::{DEAD, PEERS, REQUESTS, STATUS};

/// Why a delivery is no request. It moves nothing and is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfit {
    /// From one of Purser's own exchanges: its own word, back again. It is dropped, so that no binding makes a loop.
    Echo,
    /// Not sent to this queue, or by nobody who may. It goes to the dead letters, with this reason.
    Misrouted(&'static str),
    /// No client can read it as it came. It goes to the dead letters, as far as it can be read.
    Unreadable,
}

impl Unfit {
    /// As `/metrics` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Misrouted(_) => MISROUTED,
            Self::Unreadable => UNREADABLE,
        }
    }

    pub fn why(self) -> &'static str {
        match self {
            Self::Echo => "from an exchange of Purser's own; dropped",
            Self::Misrouted(why) => why,
            Self::Unreadable => "its properties have names that are not UTF-8, or are more than a frame may hold",
        }
    }
}

/// Who may ask, and where answers may go: one party's rules.
#[derive(Debug)]
pub struct Admission {
    /// What the broker calls Purser; unknown where a certificate says it and the configuration does not.
    own_user: Option<String>,
    /// None: whoever can write to the queues.
    users: Vec<String>,
    /// Beginnings of reply queues' names; none: any name.
    reply_queues: Vec<String>,
}

impl Admission {
    pub fn new(settings: &AmqpSettings, users: Vec<String>, reply_queues: Vec<String>) -> Self {
        Self { own_user: own_user(settings), users, reply_queues }
    }

    /// Judges a delivery of `queue`.
    pub(crate) fn admit(&self, queue: &str, delivery: &Delivery, is_mended: bool) -> Result<(), Unfit> {
        let (exchange, key) = (delivery.exchange.as_str(), delivery.routing_key.as_str());
        let deaths = Deaths::of(&delivery.properties);
        if is_own_exchange(exchange) || deaths.any(|death| is_own_exchange(death.exchange)) {
            return Err(Unfit::Echo);
        }
        if !matches!(exchange, REQUESTS | "") {
            return Err(Unfit::Misrouted("it was sent to another exchange"));
        }
        if key != queue {
            return Err(Unfit::Misrouted("it was sent to another queue"));
        }
        if !deaths.are_of(queue) {
            return Err(Unfit::Misrouted("it has died in another queue"));
        }
        if is_mended {
            return Err(Unfit::Unreadable);
        }
        if !self.may_ask(&delivery.properties) {
            return Err(Unfit::Misrouted("its user_id is not among the party's amqp_users"));
        }
        Ok(())
    }

    /// Whether Purser itself has sent it: the broker vouches for that.
    fn is_own(&self, properties: &BasicProperties) -> bool {
        let user = properties.user_id().as_ref().map(|user| user.as_str());
        user.is_some() && user == self.own_user.as_deref()
    }

    /// Whether Purser asks on its own account, as `purser demo` does, and has not put back another's message.
    fn is_own_request(&self, properties: &BasicProperties) -> bool {
        self.is_own(properties) && message::exact_header(properties, REDRIVEN).is_none()
    }

    /// The user whom the broker knows the message's sender as. Of a message that was put back: its first sender.
    pub fn sender<'a>(&self, properties: &'a BasicProperties) -> Option<&'a str> {
        if self.is_own(properties) && !self.is_own_request(properties) {
            return message::exact_text(properties, ORIGINAL_USER);
        }
        properties.user_id().as_ref().map(|user| user.as_str())
    }

    fn may_ask(&self, properties: &BasicProperties) -> bool {
        let is_known = |user: &str| self.users.iter().any(|known| known == user);
        self.users.is_empty() || self.is_own_request(properties) || self.sender(properties).is_some_and(is_known)
    }

    /// Whether the request may have its reply sent to this queue. Purser's own requests, those of `purser demo`, ask for
    /// queues that the broker has named.
    pub(crate) fn may_reply_to(&self, queue: &str, properties: &BasicProperties) -> bool {
        self.reply_queues.is_empty()
            || self.reply_queues.iter().any(|prefix| queue.starts_with(prefix.as_str()))
            || self.is_own_request(properties)
    }

    /// Whether a copy of the reply may be asked for: by Purser alone, since it writes where the sender could not.
    pub(crate) fn may_have_copy(&self, properties: &BasicProperties) -> bool {
        self.is_own(properties)
    }
}

/// What the broker calls Purser: whoever the URL signs in as, unless a certificate does.
pub(crate) fn own_user(settings: &AmqpSettings) -> Option<String> {
    if settings.user.is_some() {
        return settings.user.clone();
    }
    let uri: AMQPUri = settings.nodes.any()?.parse().ok()?;
    let is_external = uri.query.auth_mechanism == Some(SASLMechanism::External);
    (!is_external).then_some(uri.authority.userinfo.username)
}

fn is_own_exchange(exchange: &str) -> bool {
    matches!(exchange, STATUS | DEAD | PEERS)
}

/// The broker's account of where a message has died before.
pub(super) enum Deaths<'a> {
    Told(Vec<Death<'a>>),
    /// No broker writes such a one.
    Nonsense,
}

pub(super) struct Death<'a> {
    queue: &'a str,
    exchange: &'a str,
    /// The first of the keys that it was sent with; the others are `CC`.
    routing_key: &'a str,
}

impl<'a> Deaths<'a> {
    pub fn of(properties: &'a BasicProperties) -> Self {
        let deaths = match message::exact_header(properties, "x-death") {
            None => return Self::Told(Vec::new()),
            Some(AMQPValue::FieldArray(deaths)) => deaths.as_slice().iter().map(Death::of).collect(),
            Some(_) => None,
        };
        deaths.map_or(Self::Nonsense, Self::Told)
    }

    /// Whether all of them were in this queue, of a message that was sent to it.
    pub(crate) fn are_of(&self, queue: &str) -> bool {
        let Self::Told(deaths) = self else { return false };
        let is_of_queue = |death: &Death<'_>| {
            death.queue == queue && death.routing_key == queue && matches!(death.exchange, REQUESTS | "")
        };
        deaths.iter().all(is_of_queue)
    }

    fn any(&self, is_so: impl Fn(&Death<'_>) -> bool) -> bool {
        matches!(self, Self::Told(deaths) if deaths.iter().any(is_so))
    }
}

impl<'a> Death<'a> {
    fn of(value: &'a AMQPValue) -> Option<Self> {
        let AMQPValue::FieldTable(death) = value else { return None };
        let AMQPValue::FieldArray(keys) = death.inner().get("routing-keys")? else { return None };
        let routing_key = text(keys.as_slice().first()?)?;
        Some(Self { queue: named(death, "queue")?, exchange: named(death, "exchange")?, routing_key })
    }
}

fn named<'a>(table: &'a FieldTable, name: &str) -> Option<&'a str> {
    text(table.inner().get(name)?)
}

fn text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}
