//! RabbitMQ: durable subscribers, confirmed replies, multiple acks, and our own reconnect.
//!
//! Reading order: [`nodes`] (where the broker is), [`connection`] (how it is reached), [`topology`] (what is declared),
//! [`adopted`] (what may differ), [`comparison`] (how it is found), [`legible`] (what lapin can read), [`admission`] (what
//! is a request), [`message`] (a delivery and its reply), [`subscriber`] (one queue), [`key_line`] (who waits for
//! newer keys), [`publisher`] (replies, confirms,
//! acks), [`unroutable`] (replies that no queue takes), [`direct`] (replies by direct reply-to), [`acks`] (which tags may be acked), [`tally`] (which bets are
//! undecided), [`peers`] (which bets are undecided elsewhere), [`watch`] (a sandbox's replies, handed to whoever judges its
//! provider), [`watcher`] (who that is), [`depths`] (how much lies in the queues), [`session`] (one
//! connection's life), [`supervisor`] (the next one), [`dead`] (what operators do with dead letters), [`choice`]
//! (which ones), [`redrive`] (back to their queues), [`queue_browser`] (how they get at them).

pub mod nodes;
pub mod connection;
pub mod topology;
mod adopted;
pub mod comparison;
pub mod legible;
pub mod admission;
pub mod message;
mod key_line;
pub mod subscriber;
pub mod publisher;
mod unroutable;
pub mod direct;
pub mod acks;
pub mod tally;
pub mod peers;
pub mod watch;
pub mod watcher;
mod depths;
pub mod session;
mod session_error;
pub mod supervisor;
pub mod dead;
pub mod choice;
pub mod redrive;
mod queue_browser;

use crate::tls::{Files, Names};

pub use nodes::BrokerNodes;
pub use supervisor::{Broker, Supervisor};

/// How to reach the broker and what to declare there.
#[derive(Debug, Clone)]
pub struct AmqpSettings {
    pub nodes: BrokerNodes,
    /// What the broker calls Purser, where a certificate says it and not the URL.
    pub user: Option<String>,
    pub queues: topology::QueueSettings,
    pub prefetch: u16,
    /// For `amqps://`.
    pub tls: Files,
}

/// What the files for TLS are called in the configuration.
pub const TLS_NAMES: Names = Names { ca: "amqp.ca_file", cert: "amqp.client_cert_file", key: "amqp.client_key_file" };

#[cfg(test)]
mod tests;
