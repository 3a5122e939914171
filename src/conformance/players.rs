//! Players who have money. A case has its players for itself, so that what it sees of their balances is its own doing.

use tokio::sync::{Mutex, mpsc};

/// Those who are free.
pub struct Players {
    count: usize,
    give_back: mpsc::UnboundedSender<String>,
    free: Mutex<mpsc::UnboundedReceiver<String>>,
}

/// Players whom nobody else plays until they are given back.
pub struct Lease {
    pub players: Vec<String>,
    give_back: mpsc::UnboundedSender<String>,
}

impl Players {
    pub fn new(names: Vec<String>) -> Self {
        // Never more in it than there are players.
        let (give_back, free) = mpsc::unbounded_channel();
        let count = names.len();
        names.into_iter().for_each(|name| drop(give_back.send(name)));
        Self { count, give_back, free: Mutex::new(free) }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Waits for as many as are asked for. One asks at a time: two that each hold one of the last two would wait for ever.
    pub async fn lease(&self, many: usize) -> Lease {
        let mut free = self.free.lock().await;
        let mut lease = Lease { players: Vec::new(), give_back: self.give_back.clone() };
        while lease.players.len() < many.min(self.count) {
            lease.players.extend(free.recv().await);
        }
        lease
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Where nobody is left to take them, nobody needs them.
        self.players.drain(..).for_each(|player| drop(self.give_back.send(player)));
    }
}
