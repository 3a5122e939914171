//! How much lies ready in a party's queues, and how many consume them: for `/metrics`.
//!
//! A passive declaration says both. Each has a channel of its own, since the broker closes the channel of whoever asks for
//! a queue that is not there, and that must not end anything else.

use std::time::Duration;

use lapin::Connection;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tokio::time::sleep;

use super::topology::{attempt, dead_queue, request_queue, short};
use crate::dialects::egpp::Operation;
use crate::ledger::Party;
use crate::metrics;

/// How often the broker is asked: as often as it is worth to be scraped, and nothing beside what a message costs it.
const EVERY: Duration = Duration::from_secs(15);

/// Looks for as long as the connection lives; the error is what ended it.
pub async fn watch(connection: &Connection, party: &Party) -> lapin::Error {
    loop {
        if let Err(error) = look(connection, party).await {
            return error;
        }
        sleep(EVERY).await;
    }
}

async fn look(connection: &Connection, party: &Party) -> lapin::Result<()> {
    let requests = Operation::ALL.map(|operation| request_queue(party, operation));
    for name in requests.into_iter().chain([dead_queue(party)]) {
        let (mut messages, mut consumers) = (0, 0);
        let asked = attempt(connection, &name, async |channel| {
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let queue = channel.queue_declare(short(&name), options, FieldTable::default()).await?;
            (messages, consumers) = (queue.message_count(), queue.consumer_count());
            Ok(())
        });
        // Of a queue that is not there nothing lies ready, and nobody consumes it.
        drop(asked.await?);
        metrics::queue(party.as_str(), &name, messages, consumers);
    }
    Ok(())
}
