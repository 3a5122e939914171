//! Who is connected, and who has to make room: connections are bounded, and a newcomer takes the place of whoever has
//! kept us waiting longest.
//!
//! A connection *works* from when a request has come whole until its reply is made; else it *waits for its client*: to
//! send the head of a request, or its body, or to read a reply. Only so many may work at once, and a few more may be
//! open than may work. So there is always one that waits: nobody can keep others out by holding connections, and what
//! works is never cut off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Requests that are worked on side by side.
pub const WORKING: usize = 1024;

/// Connections beyond those: the operating routes, which answer at once and without a place, are reached through them.
const SPARE: usize = 64;

/// Of the files that the system lets the program open, connections take one in so many: ledger and broker need some, too.
const SHARE_OF_FILES: usize = 2;

/// Every open connection.
pub struct Places {
    /// How many may be open.
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: HashMap<u64, Open>,
    working: usize,
    next: u64,
}

struct Open {
    /// None: it works.
    waits_since: Option<Instant>,
    let_go: Arc<Notify>,
}

/// One connection's place; free again when it is dropped.
pub struct ConnectionPlace {
    places: Arc<Places>,
    id: u64,
    let_go: Arc<Notify>,
}

/// A request that is worked on, until it is dropped.
pub struct Work<'a>(&'a ConnectionPlace);

impl Places {
    /// As many as fit where the program may open this many files; `None`: as many as it likes.
    pub fn new(files: Option<usize>) -> Arc<Self> {
        let fitting = files.map_or(usize::MAX, |files| files / SHARE_OF_FILES);
        let most = fitting.clamp(SPARE + 1, WORKING + SPARE);
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// A place for a new connection. Where all are taken, whoever has waited longest for its client is let go.
    pub fn open(self: &Arc<Self>, now: Instant) -> ConnectionPlace {
        let let_go = Arc::new(Notify::new());
        let mut state = self.lock();
        if state.open.len() >= self.most {
            state.let_one_go();
        }
        let id = state.next;
        state.next += 1;
        state.open.insert(id, Open { waits_since: Some(now), let_go: Arc::clone(&let_go) });
        ConnectionPlace { places: Arc::clone(self), id, let_go }
    }

    /// No panic can leave the state half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn let_one_go(&mut self) {
        let waiting = self.open.iter().filter_map(|(id, open)| Some((open.waits_since?, *id)));
        // Fewer may work than may be open, so there is one.
        if let Some((_, id)) = waiting.min()
            && let Some(open) = self.open.remove(&id)
        {
            open.let_go.notify_one();
        }
    }
}

impl ConnectionPlace {
    /// Ends when the place is needed for somebody else.
    pub async fn let_go(&self) {
        self.let_go.notified().await;
    }

    /// The client has just been heard of.
    pub fn heard(&self, now: Instant) {
        if let Some(open) = self.places.lock().open.get_mut(&self.id) {
            open.waits_since = Some(now);
        }
    }

    /// Begins to work on a request that has come whole; `None` where too many are worked on, or the place is gone.
    pub fn work(&self) -> Option<Work<'_>> {
        let mut state = self.places.lock();
        let has_room = state.working < self.places.most - SPARE;
        let open = state.open.get_mut(&self.id).filter(|_| has_room)?;
        open.waits_since = None;
        state.working += 1;
        Some(Work(self))
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        let Self(place) = self;
        let mut state = place.places.lock();
        state.working -= 1;
        if let Some(open) = state.open.get_mut(&place.id) {
            open.waits_since = Some(Instant::now());
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.places.lock().open.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    fn is_let_go(place: &ConnectionPlace) -> bool {
        place.let_go().now_or_never().is_some()
    }

    #[test]
    fn a_newcomer_takes_the_place_of_whoever_has_waited_longest() {
        let (places, start) = (Places::new(None), Instant::now());
        let at = |second: usize| start + Duration::from_secs(second as u64);
        let open: Vec<ConnectionPlace> = (0..WORKING + SPARE).map(|number| places.open(at(number))).collect();
        open[0].heard(at(5000));
        let working = open[1].work();
        let newcomers = [places.open(at(5001)), places.open(at(5002))];
        let gone: Vec<usize> = (0..open.len()).filter(|number| is_let_go(&open[*number])).collect();
        assert_eq!(gone, [2, 3], "not who was just heard of, and not who works");
        assert!(open[2].work().is_none(), "whose place is gone begins nothing");
        assert!(working.is_some() && newcomers.iter().all(|place| !is_let_go(place)));
        assert_eq!(places.lock().open.len(), WORKING + SPARE);
    }

    #[test]
    fn fewer_may_work_than_may_be_open() {
        for (files, most) in [(None, WORKING + SPARE), (Some(1024), 512), (Some(20), SPARE + 1)] {
            let (places, now) = (Places::new(files), Instant::now());
            let open: Vec<ConnectionPlace> = (0..most).map(|_| places.open(now)).collect();
            let working: Vec<Work<'_>> = open.iter().filter_map(ConnectionPlace::work).collect();
            assert_eq!(working.len(), most - SPARE, "{files:?}");
            let newcomer = places.open(now);
            assert!(newcomer.work().is_none());
            drop(working);
            assert!(newcomer.work().is_some());
        }
    }

    #[test]
    fn what_ends_leaves_nothing_behind() {
        let places = Places::new(None);
        let place = places.open(Instant::now());
        drop(place.work());
        drop(place);
        let state = places.lock();
        assert_eq!((state.open.len(), state.working), (0, 0));
    }
}
