//! Why a session with the broker ended.

use std::time::Duration;

use super::connection::{self, Unreachable};
use super::publisher::PublishError;
use crate::tls::TlsError;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the broker did not answer in time")]
    Silent,
    #[error("no answer within {} s", .0.as_secs_f32())]
    Slow(Duration),
    #[error("{}", connection::told(.0))]
    Unreachable(Vec<Unreachable>),
    #[error("connected to {place}: {error}")]
    Lost { place: String, error: Box<SessionError> },
    #[error("a consumer was cancelled by the broker: its queue was deleted, or has moved")]
    Cancelled,
    #[error("what the broker did not find, or was not as expected, is otherwise now; subscribing again")]
    Changed,
    #[error("a message was let go of without an answer, as where its party is about to move; it comes again")]
    TurnedAway,
    #[error("a subscriber ended unexpectedly: {0}")]
    Ended(#[from] tokio::task::JoinError),
    #[error("amqp.url is not valid: {0}")]
    Url(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{0}")]
    Refused(String),
}

impl SessionError {
    /// Whether it ended over a message that was let go of: the broker is well.
    pub(super) fn is_turned_away(&self) -> bool {
        match self {
            Self::TurnedAway => true,
            Self::Lost { error, .. } => error.is_turned_away(),
            _ => false,
        }
    }
}
