//! The sessions of one party, in all processes, ask each other which bets are decided.
//!
//! Each session has a queue of its own, which goes away with its connection, bound to the exchange `v1.0.peers` by the
//! party's name. Whoever has a result or cancel without its bet surveys: it asks the broker what is ready and how many
//! consume, and then all sessions, itself included, what they have received and decided. [`Surveys`] judges.
//!
//! What is unacked in another process is known to nobody else: the broker tells the number of its consumers only. So one
//! that is frozen, or cut off, is missed until the broker has ended it and has its bets back; for as long others wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, Consumer, PublisherConfirm};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::queue_browser::PROMPT;
use super::subscriber::SubscribedQueue;
use super::topology::{self, PEERS, short};
use super::watch::{ReplyWatch, ToWatcher};
use crate::dialects::egpp::Operation;
use crate::ledger::Party;
use crate::wallet::BetBacklogs;
use crate::wallet::backlog::Mark;
use crate::wallet::survey::{SessionId, Survey, Surveys};

/// The pause between surveys: what a result without a bet waits for besides its grace.
const PAUSE: Duration = Duration::from_millis(25);

/// How long a survey may take at first, and at most: it takes as long as the bets of then take to be decided.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the broker is asked meanwhile whether somebody it counts on is gone.
const RECOUNT: Duration = Duration::from_millis(250);

/// How long somebody who says that he is leaving may take: longer than any shutdown. Then he is gone, and the broker has
/// what he left.
const LEAVING_LIMIT: Duration = Duration::from_secs(120);

/// How long surveys may fail because consumers are silent, before it is gone on without them: longer than any broker
/// keeps one that is frozen or cut off. It is some other program that reads the queue, and never answers.
const SILENCE_LIMIT: Duration = Duration::from_secs(180);

/// Counts that others wait for. An asker has one survey at a time and asks again only after a timeout; with more, the
/// surveys that come fail.
const MAX_COUNTS: usize = 256;

/// What sessions tell each other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(super) enum PeerMessage {
    /// How many bets have you received? Say so when they are decided.
    Survey {
        session: SessionId,
        number: u64,
        answer_to: String,
    },
    Answer {
        session: SessionId,
        number: u64,
        received: u64,
    },
    /// I shall take no more bets, and still have some.
    Leaving {
        session: SessionId,
    },
    /// I have none any more.
    Left {
        session: SessionId,
    },
    /// Give me the replies, for I judge the provider: of a sandbox party alone.
    Watch {
        watcher: Uuid,
        is_over: bool,
    },
}

/// A session among its party's.
#[derive(Clone)]
pub(crate) struct Membership {
    channel: Channel,
    session: SessionId,
    party: Party,
}

impl Membership {
    /// Makes the session known, which must be before it takes the first bet.
    pub async fn join(connection: &Connection, party: &Party) -> lapin::Result<(Self, Consumer)> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let membership = Self { channel, session: Uuid::new_v4(), party: party.clone() };
        let (queue, key) = (membership.queue(), short(&topology::peers_key(party)));
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        membership.channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        membership.channel.queue_bind(queue.clone(), short(PEERS), key, options, none).await?;
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
        let tag = short("purser-peers");
        let consumer = membership.channel.basic_consume(queue, tag, options, FieldTable::default()).await?;
        Ok((membership, consumer))
    }

    /// Says that the session is about to take no more bets. The others have it before the broker counts one less.
    pub async fn leave(&self) -> lapin::Result<()> {
        self.tell_all(&PeerMessage::Leaving { session: self.session }).await?.await?;
        Ok(())
    }

    /// Says that no bet is left in its hands.
    pub async fn left(&self) -> lapin::Result<()> {
        self.tell_all(&PeerMessage::Left { session: self.session }).await?.await?;
        Ok(())
    }

    fn queue(&self) -> ShortString {
        short(&topology::peer_queue(&self.party, self.session))
    }

    async fn tell_all(&self, message: &PeerMessage) -> lapin::Result<PublisherConfirm> {
        self.publish(short(PEERS), short(&topology::peers_key(&self.party)), message).await
    }

    async fn publish(
        &self,
        exchange: ShortString,
        key: ShortString,
        message: &impl Serialize,
    ) -> lapin::Result<PublisherConfirm> {
        let body = serde_json::to_vec(message).map_err(std::io::Error::from)?;
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        self.channel.basic_publish(exchange, key, options, &body, properties).await
    }
}

/// A survey under way.
struct Asking {
    number: u64,
    mark: Mark,
    ready: u64,
    consumers: usize,
    answers: BTreeMap<SessionId, u64>,
    /// Whether the question has come back: by then everything is here that others said before it.
    is_echoed: bool,
    until: Instant,
    recount: Instant,
}

/// Answers the others, and surveys when somebody waits.
pub(crate) struct Peers {
    membership: Membership,
    /// The bet queue, where this session consumes it.
    bets: Option<Arc<SubscribedQueue>>,
    /// Whether the broker had it at first: to ask for one that is not there would end the channel.
    has_bet_queue: bool,
    backlogs: BetBacklogs,
    /// None: the party is no sandbox.
    watch: Option<Arc<ReplyWatch>>,
    surveys: Surveys,
    asking: Option<Asking>,
    last_number: u64,
    not_before: Instant,
    timeout: Duration,
    leaving: BTreeMap<SessionId, Instant>,
    silent_since: Option<Instant>,
    /// What others are told once it is true.
    counts: FuturesUnordered<BoxFuture<'static, (String, PeerMessage)>>,
}

impl Peers {
    pub fn new(
        membership: Membership,
        (bets, has_bet_queue): (Option<Arc<SubscribedQueue>>, bool),
        backlogs: BetBacklogs,
        watch: Option<Arc<ReplyWatch>>,
    ) -> Self {
        Self {
            membership,
            bets,
            has_bet_queue,
            backlogs,
            watch,
            surveys: Surveys::default(),
            asking: None,
            last_number: 0,
            not_before: Instant::now(),
            timeout: SHORTEST_TIMEOUT,
            leaving: BTreeMap::new(),
            silent_since: None,
            counts: FuturesUnordered::new(),
        }
    }

    /// Works for as long as the session lives; ends where its channel does.
    pub async fn run(mut self, mut messages: Consumer) -> lapin::Result<()> {
        let (backlogs, party) = (self.backlogs.clone(), self.membership.party.clone());
        loop {
            let asking = self.asking.as_ref().map(|asking| asking.until.min(asking.recount));
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.hear(&message?).await?,
                    None => return Ok(()),
                },
                Some((queue, answer)) = self.counts.next(), if !self.counts.is_empty() => {
                    self.membership.publish(ShortString::default(), short(&queue), &answer).await?;
                }
                () = sleep_until(asking.unwrap_or(self.not_before)), if asking.is_some() => self.look_again().await?,
                () = wanted(&backlogs, &party, self.not_before), if asking.is_none() => self.ask().await?,
            }
        }
    }

    async fn hear(&mut self, message: &Delivery) -> lapin::Result<()> {
        let Ok(message) = serde_json::from_slice(&message.data) else {
            tracing::warn!(party = %self.membership.party, "a message among sessions is none of theirs");
            return Ok(());
        };
        match message {
            PeerMessage::Survey { session, number, answer_to } => {
                if session == self.membership.session
                    && let Some(asking) = self.asking.as_mut().filter(|asking| asking.number == number)
                {
                    asking.is_echoed = true;
                }
                self.count(number, answer_to).await?;
            }
            PeerMessage::Answer { session, number, received } => {
                if let Some(asking) = self.asking.as_mut().filter(|asking| asking.number == number) {
                    asking.answers.insert(session, received);
                }
            }
            PeerMessage::Leaving { session } => {
                self.leaving.insert(session, Instant::now());
                // It was counted as a consumer, and is none any more.
                self.fail();
            }
            PeerMessage::Left { session } => _ = self.leaving.remove(&session),
            PeerMessage::Watch { watcher, is_over } => self.be_watched(watcher, is_over).await?,
        }
        self.conclude();
        Ok(())
    }

    /// Only a sandbox party is watched, whoever asks.
    async fn be_watched(&mut self, watcher: Uuid, is_over: bool) -> lapin::Result<()> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let queue = short(&topology::watch_queue(&self.membership.party, watcher));
        watch.note((!is_over).then(|| queue.clone()));
        let heard = ToWatcher::Heard { session: self.membership.session };
        self.membership.publish(ShortString::default(), queue, &heard).await.map(drop)
    }

    /// Counts what this session has received. A session that takes no bets has nothing to say.
    async fn count(&mut self, number: u64, answer_to: String) -> lapin::Result<()> {
        let Some(bets) = self.bets.clone().filter(|_| self.counts.len() < MAX_COUNTS) else { return Ok(()) };
        let session = self.membership.session;
        // What the broker has sent by now comes before its answer on the same channel.
        let _ = ready_and_consumers(&bets.channel, &self.membership.party).await?;
        self.counts.push(Box::pin(async move {
            bets.receive_all().await;
            let received = bets.tally.count().await;
            (answer_to, PeerMessage::Answer { session, number, received })
        }));
        Ok(())
    }

    /// Begins a survey.
    async fn ask(&mut self) -> lapin::Result<()> {
        let mark = self.backlogs.measure(&self.membership.party);
        self.last_number += 1;
        let (number, now) = (self.last_number, Instant::now());
        let Some((ready, consumers)) = self.measure().await? else {
            self.not_before = now + RECOUNT;
            return Ok(());
        };
        let answer_to = self.membership.queue().to_string();
        let question = PeerMessage::Survey { session: self.membership.session, number, answer_to };
        // Nobody waits for the confirm: the question comes back to whoever asked it.
        drop(self.membership.tell_all(&question).await?);
        self.asking = Some(Asking {
            number,
            mark,
            ready,
            consumers,
            answers: BTreeMap::new(),
            is_echoed: false,
            until: now + self.timeout,
            recount: now + RECOUNT,
        });
        Ok(())
    }

    /// A survey takes long: is everybody still there who is waited for?
    async fn look_again(&mut self) -> lapin::Result<()> {
        let Some(asking) = &mut self.asking else { return Ok(()) };
        let now = Instant::now();
        self.leaving.retain(|_, since| now - *since < LEAVING_LIMIT);
        if now < asking.until {
            asking.recount = now + RECOUNT;
            let then = asking.consumers;
            match self.measure().await? {
                Some((_, now)) if now != then => self.fail(),
                _ => self.conclude(),
            }
            return Ok(());
        }
        self.timeout = (self.timeout * 2).min(LONGEST_TIMEOUT);
        let silent_since = *self.silent_since.get_or_insert(now);
        if now - silent_since < SILENCE_LIMIT {
            self.fail();
        } else if let Some(asking) = self.asking.take() {
            tracing::warn!(
                party = %self.membership.party,
                consumers = asking.consumers,
                answered = asking.answers.len(),
                "something else consumes the bet queue and does not answer; results do not wait for it any longer"
            );
            let consumers = asking.consumers.min(asking.answers.len());
            self.judge(Asking { consumers, ..asking });
        }
        Ok(())
    }

    /// Bets that are ready, and consumers; `None` where that is not to be believed.
    ///
    /// A quorum queue that is too busy to answer the broker within 250 ms has neither messages nor consumers there
    /// (RabbitMQ 3.10). While this session consumes that is no answer; else a prompt one is.
    async fn measure(&mut self) -> lapin::Result<Option<(u64, usize)>> {
        if !self.has_bet_queue {
            return Ok(None);
        }
        let asked = Instant::now();
        let (channel, party) = (self.channel().clone(), self.membership.party.clone());
        let (ready, consumers) = ready_and_consumers(&channel, &party).await?;
        let consumes = self.bets.is_some() && !self.leaving.contains_key(&self.membership.session);
        let is_known = consumers > 0 || (!consumes && asked.elapsed() < PROMPT);
        Ok(is_known.then_some((ready, consumers)))
    }

    fn fail(&mut self) {
        self.asking = None;
        self.not_before = Instant::now() + PAUSE;
    }

    /// Ends the survey where nobody is missing any more.
    fn conclude(&mut self) {
        let leaving = self.leaving.keys().copied().collect();
        let is_complete = |asking: &mut Asking| asking.is_echoed && asking.survey(&leaving).is_complete();
        if let Some(asking) = self.asking.take_if(is_complete) {
            self.silent_since = None;
            self.timeout = SHORTEST_TIMEOUT;
            self.judge(asking);
        }
    }

    fn judge(&mut self, asking: Asking) {
        self.not_before = Instant::now() + PAUSE;
        let leaving = self.leaving.keys().copied().collect();
        if let Some(mark) = self.surveys.judge(asking.survey(&leaving)) {
            self.backlogs.pass(&self.membership.party, mark);
        }
    }

    /// The bets' own channel, where there is one: what the broker sent before its answer is here by then.
    fn channel(&self) -> &Channel {
        self.bets.as_ref().map_or(&self.membership.channel, |bets| &bets.channel)
    }
}

impl Asking {
    fn survey(&self, leaving: &BTreeSet<SessionId>) -> Survey {
        let Self { mark, ready, consumers, .. } = *self;
        Survey { mark, ready, consumers, answers: self.answers.clone(), leaving: leaving.clone() }
    }
}

/// Ends when somebody waits, and not before the pause is over.
async fn wanted(backlogs: &BetBacklogs, party: &Party, not_before: Instant) {
    backlogs.wanted(party).await;
    sleep_until(not_before).await;
}

/// Bets that are ready, and consumers of the bet queue.
async fn ready_and_consumers(channel: &Channel, party: &Party) -> lapin::Result<(u64, usize)> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = short(&topology::request_queue(party, Operation::OrderBet));
    let declared = channel.queue_declare(queue, options, FieldTable::default()).await?;
    // More consumers than a machine can count are as many as never answer.
    Ok((u64::from(declared.message_count()), usize::try_from(declared.consumer_count()).unwrap_or(usize::MAX)))
}
