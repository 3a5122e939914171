//! The broker of a simulated world: four queues, and what was delivered and not yet acked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::plan::Message;

pub const QUEUES: usize = 4;

/// One message on its way to one process.
pub struct Delivery {
    /// What it is acked by.
    pub tag: u64,
    pub message: Arc<Message>,
}

#[derive(Default)]
pub struct Broker {
    queues: [Mutex<VecDeque<Arc<Message>>>; QUEUES],
    came: [Notify; QUEUES],
    unacked: Mutex<BTreeMap<u64, Unacked>>,
    next_tag: Mutex<u64>,
}

struct Unacked {
    process: usize,
    message: Arc<Message>,
}

impl Broker {
    pub fn publish(&self, message: Arc<Message>) {
        let queue = message.queue;
        self.queues[queue].lock().expect("nobody panics with it").push_back(message);
        self.came[queue].notify_one();
    }

    /// The next message of a queue. Nothing is lost where the wait for it is given up.
    pub async fn take(&self, queue: usize, process: usize) -> Delivery {
        loop {
            let came = self.came[queue].notified();
            if let Some(message) = self.queues[queue].lock().expect("nobody panics with it").pop_front() {
                // Others may wait for what is left.
                self.came[queue].notify_one();
                let tag = self.tag();
                let unacked = Unacked { process, message: Arc::clone(&message) };
                self.unacked.lock().expect("nobody panics with it").insert(tag, unacked);
                return Delivery { tag, message };
            }
            came.await;
        }
    }

    pub fn ack(&self, tag: u64) {
        let known = self.unacked.lock().expect("nobody panics with it").remove(&tag);
        assert!(known.is_some(), "an unknown tag is acked");
    }

    /// What a process did not ack goes back to the heads of its queues. Returns how many that are.
    pub fn take_back(&self, process: usize) -> usize {
        let mut unacked = self.unacked.lock().expect("nobody panics with it");
        let tags: Vec<u64> = unacked.iter().filter(|(_, un)| un.process == process).map(|(tag, _)| *tag).collect();
        for tag in tags.iter().rev() {
            let Some(Unacked { message, .. }) = unacked.remove(tag) else { continue };
            let queue = message.queue;
            self.queues[queue].lock().expect("nobody panics with it").push_front(message);
            self.came[queue].notify_one();
        }
        tags.len()
    }

    /// Whether every message was acked.
    pub fn is_done(&self) -> bool {
        let empty = |queue: &Mutex<VecDeque<_>>| queue.lock().expect("nobody panics with it").is_empty();
        self.queues.iter().all(empty) && self.unacked.lock().expect("nobody panics with it").is_empty()
    }

    fn tag(&self) -> u64 {
        let mut next = self.next_tag.lock().expect("nobody panics with it");
        *next += 1;
        *next
    }
}
