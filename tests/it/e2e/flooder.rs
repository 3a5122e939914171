//! A provider that floods its party's queues: as fast as the broker takes it, and deaf to its replies if asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::{AMQPValue, FieldTable};
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::{REQUESTS, request_queue, short};
use serde_json::json;
use tokio::task::JoinHandle;

use super::raw::{Peer, Properties};
use super::stage::party;
use super::wire::Wire;

/// The party that is flooded.
pub const LOUD: &str = "loud";

/// Its players, each with more money than is ever bet.
pub const PLAYERS: u64 = 10_000;

/// Bytes of a large message: just what a body may have.
pub const LARGE: usize = 64 * 1024;

/// How often a provider that is done looks whether it should go.
const LOOK: Duration = Duration::from_millis(50);

/// Where replies to a flood go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replies {
    /// Into a durable queue that nobody reads.
    Kept,
    /// Into a queue that is full and rejects what comes.
    Full,
    /// Into a queue whose consumer never reads its socket.
    Unread,
    /// Straight to a client that never reads its socket.
    UnreadDirect,
    /// To the status exchange, where nobody has bound a queue.
    Nowhere,
}

/// What a flood consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Bets, each by another of ten thousand players.
    Bets,
    /// The same, as large as a message may be.
    LargeBets,
    /// Bets by players whom nobody has ever seen, each another.
    Strangers,
    /// Results of bets that never come.
    Orphans,
    Balances,
    /// No JSON.
    Malformed,
    LargeMalformed,
    /// A correlation id that is not UTF-8, which no client can read.
    Unreadable,
}

#[derive(Debug, Clone, Copy)]
pub struct Flood {
    pub name: &'static str,
    pub what: What,
    pub replies: Replies,
}

/// Every kind of flood but the unreadable one, which ends in the dead letters.
pub const FLOODS: [Flood; 12] = [
    Flood { name: "10,000 players' bets", what: What::Bets, replies: Replies::Kept },
    Flood { name: "reply queue full", what: What::Bets, replies: Replies::Full },
    Flood { name: "replies never read", what: What::Bets, replies: Replies::Unread },
    Flood { name: "direct replies never read", what: What::Bets, replies: Replies::UnreadDirect },
    Flood { name: "no reply queue", what: What::Bets, replies: Replies::Nowhere },
    Flood { name: "64 KiB bets", what: What::LargeBets, replies: Replies::Kept },
    Flood { name: "strangers' bets", what: What::Strangers, replies: Replies::Kept },
    Flood { name: "results without bets", what: What::Orphans, replies: Replies::Kept },
    Flood { name: "balances", what: What::Balances, replies: Replies::Kept },
    Flood { name: "malformed", what: What::Malformed, replies: Replies::Kept },
    Flood { name: "malformed, no reply queue", what: What::Malformed, replies: Replies::Nowhere },
    Flood { name: "malformed 64 KiB", what: What::LargeMalformed, replies: Replies::Full },
];

impl What {
    pub fn operation(self) -> Operation {
        match self {
            Self::Orphans => Operation::OrderBetResult,
            Self::Balances => Operation::BalanceGet,
            _ => Operation::OrderBet,
        }
    }

    /// Bytes of one message, roughly.
    pub fn size(self) -> usize {
        if matches!(self, Self::LargeBets | Self::LargeMalformed) { LARGE } else { 256 }
    }

    /// The body of one message; the number is never used again.
    fn body(self, number: u64) -> Vec<u8> {
        let player = match self {
            Self::Strangers => format!("stranger-{number}"),
            _ => player(number % PLAYERS),
        };
        let bet = json!({
            "amount": 1, "currency": "CHF", "game": "wallstroulette", "round": 1, "playerId": player,
            "externalId": format!("flood-{number}"),
        });
        match self {
            Self::Bets | Self::Strangers | Self::Unreadable => bet.to_string().into_bytes(),
            Self::LargeBets => filled(bet.to_string().into_bytes(), b' '),
            Self::Orphans => {
                let mut result = bet;
                result["result"] = "win".into();
                result.to_string().into_bytes()
            }
            Self::Balances => json!({ "currency": "CHF", "playerId": player }).to_string().into_bytes(),
            Self::Malformed => vec![b'?'; 200],
            Self::LargeMalformed => filled(Vec::new(), b'?'),
        }
    }
}

/// As large as a body may be.
fn filled(mut body: Vec<u8>, with: u8) -> Vec<u8> {
    body.resize(LARGE, with);
    body
}

pub fn player(number: u64) -> String {
    format!("player-{number}")
}

/// A flood under way, on a thread of its own.
pub struct Flooding {
    stop: Arc<AtomicBool>,
    published: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Flooding {
    /// Publishes messages with the numbers from `first` on: as many as `limit`, or until it is stopped.
    pub async fn begin(wire: &Wire, url: String, flood: Flood, (first, limit): (u64, u64)) -> Self {
        let reply_to = reply_queue(wire, flood.replies).await;
        let (stop, published) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&published));
        let thread = tokio::task::spawn_blocking(move || {
            let mut peer = Peer::connect(&url);
            match flood.replies {
                Replies::Unread => {
                    peer.declare(&reply_to);
                    peer.consume(&reply_to);
                }
                Replies::UnreadDirect => peer.consume(&reply_to),
                Replies::Kept | Replies::Full | Replies::Nowhere => {}
            }
            let queue = request_queue(&party(LOUD), flood.what.operation());
            let go_on = || !stopped.load(Ordering::Relaxed);
            for number in first..first.saturating_add(limit) {
                let correlation = match flood.what {
                    What::Unreadable => [b"\xe9", number.to_string().as_bytes()].concat(),
                    _ => number.to_string().into_bytes(),
                };
                let properties =
                    Properties { correlation_id: &correlation, reply_to: reply_to.as_bytes(), headers: &[] };
                let body = flood.what.body(number);
                if !peer.publish((REQUESTS, &queue), &properties, &body, go_on) || !go_on() {
                    break;
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
            peer.flush(go_on);
            // It stays until it is told to go, and some stay deaf: with a connection the broker forgets what it has
            // read from it and not yet put into a queue.
            while go_on() {
                std::thread::park_timeout(LOOK);
            }
        });
        Self { stop, published, thread }
    }

    /// Ends it; answers with how many messages it has published.
    pub async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.await.expect("the flood did not panic");
        self.published.load(Ordering::Relaxed)
    }
}

/// The name to have replies sent to; declared where it has to outlive the flood.
async fn reply_queue(wire: &Wire, replies: Replies) -> String {
    let mut arguments = FieldTable::default();
    let queue = match replies {
        Replies::Kept => "loud.replies",
        Replies::Full => {
            arguments.insert(short("x-max-length"), AMQPValue::LongInt(10));
            arguments.insert(short("x-overflow"), AMQPValue::LongString("reject-publish".into()));
            "loud.full"
        }
        Replies::Unread => return "loud.unread".to_owned(),
        Replies::UnreadDirect => return "amq.rabbitmq.reply-to".to_owned(),
        Replies::Nowhere => return String::new(),
    };
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    wire.channel.queue_declare(short(queue), options, arguments).await.expect("a reply queue");
    wire.channel.queue_purge(short(queue), QueuePurgeOptions::default()).await.expect("purged");
    queue.to_owned()
}
