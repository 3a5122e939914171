//! The broker of a simulated world: four queues, and what was delivered and not yet acked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::plan::Message;

pub const QUEUES: usize = 4;

/// One message on its way to one process.
pub struct Delivery {
    /// What it is acked by.
    pub tag: u64,
    pub message: Arc<Message>,
    /// When this copy of it was published.
    pub published: Duration,
    /// Whether it was handed out before.
    pub is_redelivered: bool,
}

/// A copy of a message in its queue.
#[derive(Clone)]
struct Copy {
    message: Arc<Message>,
    published: Duration,
    is_redelivered: bool,
}

#[derive(Default)]
pub struct Broker {
    queues: [Mutex<VecDeque<Copy>>; QUEUES],
    came: [Notify; QUEUES],
    unacked: Mutex<BTreeMap<u64, Unacked>>,
    next_tag: Mutex<u64>,
}

struct Unacked {
    process: usize,
    copy: Copy,
}

impl Broker {
    pub fn publish(&self, message: Arc<Message>, now: Duration) {
        let queue = message.queue;
        let copy = Copy { message, published: now, is_redelivered: false };
        self.queues[queue].lock().expect("nobody panics with it").push_back(copy);
        self.came[queue].notify_one();
    }

    /// The next message of a queue. Nothing is lost where the wait for it is given up.
    pub async fn take(&self, queue: usize, process: usize) -> Delivery {
        loop {
            let came = self.came[queue].notified();
            let front = self.queues[queue].lock().expect("nobody panics with it").pop_front();
            if let Some(copy) = front {
                // Others may wait for what is left.
                self.came[queue].notify_one();
                let tag = self.tag();
                let unacked = Unacked { process, copy: copy.clone() };
                self.unacked.lock().expect("nobody panics with it").insert(tag, unacked);
                let Copy { message, published, is_redelivered } = copy;
                return Delivery { tag, message, published, is_redelivered };
            }
            came.await;
        }
    }

    pub fn ack(&self, tag: u64) {
        let known = self.unacked.lock().expect("nobody panics with it").remove(&tag);
        assert!(known.is_some(), "an unknown tag is acked");
    }

    /// How many messages of a queue are ready.
    pub fn ready(&self, queue: usize) -> u64 {
        self.queues[queue].lock().expect("nobody panics with it").len() as u64
    }

    /// What a process did not ack goes back to the heads of its queues. Returns the queue of each.
    pub fn take_back(&self, process: usize) -> Vec<usize> {
        let mut unacked = self.unacked.lock().expect("nobody panics with it");
        let tags: Vec<u64> = unacked.iter().filter(|(_, un)| un.process == process).map(|(tag, _)| *tag).collect();
        let mut back = Vec::new();
        for tag in tags.iter().rev() {
            let Some(Unacked { copy, .. }) = unacked.remove(tag) else { continue };
            let queue = copy.message.queue;
            let copy = Copy { is_redelivered: true, ..copy };
            self.queues[queue].lock().expect("nobody panics with it").push_front(copy);
            self.came[queue].notify_one();
            back.push(queue);
        }
        back
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
