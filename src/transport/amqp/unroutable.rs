//! Replies that no queue took: counted, and told in the log.

use std::sync::Arc;

use lapin::Confirmation;

use super::message;
use super::subscriber::SubscribedQueue;
use crate::metrics;
use crate::redaction::without_tokens;

/// A batch's replies that no queue took. All are one party's, since a session is.
#[derive(Default)]
pub(super) struct Unroutable {
    count: u64,
    first: Option<FirstUnroutable>,
}

struct FirstUnroutable {
    queue: Arc<SubscribedQueue>,
    routing_key: String,
    correlation: String,
}

impl Unroutable {
    /// What came back names itself: lapin may have handed it to another reply's confirm.
    pub fn add(&mut self, queue: &Arc<SubscribedQueue>, correlation: &str, confirmation: &Confirmation) {
        self.count += 1;
        if self.first.is_some() {
            return;
        }
        let returned = match confirmation {
            Confirmation::Ack(returned) | Confirmation::Nack(returned) => returned.as_ref(),
            Confirmation::NotRequested => None,
        };
        let returned = returned.map(|message| &message.delivery);
        let its_own = returned.and_then(|delivery| message::correlation(&delivery.properties));
        self.first = Some(FirstUnroutable {
            queue: Arc::clone(queue),
            routing_key: returned.map(|delivery| delivery.routing_key.to_string()).unwrap_or_default(),
            correlation: its_own.map_or(correlation, |id| id.as_str()).to_owned(),
        });
    }

    /// One line, however many there are.
    pub fn tell(&self) {
        let Some(first) = &self.first else { return };
        let party = first.queue.handler.rules.party.as_str();
        metrics::unroutable(party, self.count);
        tracing::warn!(
            party,
            replies = self.count,
            routing_key = first.routing_key,
            correlation_id = without_tokens(&first.correlation),
            "replies could not be routed, of which this is the first; the provider can ask again with the same messages"
        );
    }
}
