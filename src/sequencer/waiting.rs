//! The waiting room: results and cancels that overtook their bet.
//!
//! Pure: time is an argument, counted from any fixed start. A command waits for its order to become known, is looked
//! at again after 50 ms, 100 ms, 200 ms … (another process may have stored the bet), and gives up after the grace.
//!
//! Whoever waits holds a place in its queue's prefetch. So that a flood of results without bets cannot hold up the
//! queue, a source with more than `crowd` commands waiting gets a tenth of the grace.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::Source;
use crate::ledger::OrderId;

/// When a waiting command is looked at again for the first time.
const FIRST_LOOK: Duration = Duration::from_millis(50);

/// How much of the grace is left to a crowded source.
const CROWDED_SHARE: u32 = 10;

/// A command that waits, and since when.
#[derive(Debug)]
struct Waiter<T> {
    item: T,
    source: Source,
    order: OrderId,
    due: Duration,
}

/// Commands that wait for their order.
#[derive(Debug)]
pub struct WaitingRoom<T> {
    grace: Duration,
    crowd: usize,
    waiters: HashMap<u64, Waiter<T>>,
    by_order: HashMap<OrderId, Vec<u64>>,
    by_due: BTreeSet<(Duration, u64)>,
    by_source: HashMap<Source, usize>,
    next_ticket: u64,
}

impl<T> WaitingRoom<T> {
    pub fn new(grace: Duration, crowd: usize) -> Self {
        Self {
            grace,
            crowd,
            waiters: HashMap::new(),
            by_order: HashMap::new(),
            by_due: BTreeSet::new(),
            by_source: HashMap::new(),
            next_ticket: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// How long a command of this source may wait at present.
    pub fn patience(&self, source: Source) -> Duration {
        let waiting = self.by_source.get(&source).copied().unwrap_or(0);
        if waiting > self.crowd { self.grace / CROWDED_SHARE } else { self.grace }
    }

    /// Takes in a command that came at `arrived`.
    pub fn park(&mut self, item: T, source: Source, order: OrderId, arrived: Duration, now: Duration) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let waited = now.saturating_sub(arrived);
        let due = (now + waited.max(FIRST_LOOK)).min(arrived + self.grace).max(now);
        self.waiters.insert(ticket, Waiter { item, source, order, due });
        self.by_order.entry(order).or_default().push(ticket);
        self.by_due.insert((due, ticket));
        *self.by_source.entry(source).or_default() += 1;
    }

    /// Those who waited for `order`, in the order in which they came.
    pub fn release(&mut self, order: OrderId) -> Vec<T> {
        let tickets = self.by_order.remove(&order).unwrap_or_default();
        tickets.into_iter().filter_map(|ticket| self.remove(ticket)).collect()
    }

    /// At most `limit` of those whose time has come: to be looked at again, or to give up.
    pub fn due(&mut self, now: Duration, limit: usize) -> Vec<T> {
        let due = self.by_due.iter().take_while(|(due, _)| *due <= now).take(limit);
        let tickets: Vec<u64> = due.map(|(_, ticket)| *ticket).collect();
        tickets.into_iter().filter_map(|ticket| self.leave(ticket)).collect()
    }

    /// When somebody's time comes next.
    pub fn next_due(&self) -> Option<Duration> {
        self.by_due.first().map(|(due, _)| *due)
    }

    fn leave(&mut self, ticket: u64) -> Option<T> {
        let order = self.waiters.get(&ticket)?.order;
        if let Some(tickets) = self.by_order.get_mut(&order) {
            tickets.retain(|other| *other != ticket);
            if tickets.is_empty() {
                self.by_order.remove(&order);
            }
        }
        self.remove(ticket)
    }

    fn remove(&mut self, ticket: u64) -> Option<T> {
        let waiter = self.waiters.remove(&ticket)?;
        self.by_due.remove(&(waiter.due, ticket));
        if let Some(count) = self.by_source.get_mut(&waiter.source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&waiter.source);
            }
        }
        Some(waiter.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const BETS: Source = Source(1);
    const OTHERS: Source = Source(2);

    fn order(number: u128) -> OrderId {
        OrderId::from_uuid(Uuid::from_u128(number))
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn room() -> WaitingRoom<&'static str> {
        WaitingRoom::new(ms(2000), 2)
    }

    #[test]
    fn a_known_order_releases_its_waiters_in_arrival_order() {
        let mut room = room();
        room.park("first", BETS, order(1), ms(0), ms(0));
        room.park("other", BETS, order(2), ms(1), ms(1));
        room.park("second", BETS, order(1), ms(2), ms(2));
        assert_eq!(room.release(order(1)), ["first", "second"]);
        assert_eq!(room.release(order(1)), Vec::<&str>::new());
        assert_eq!(room.len(), 1);
    }

    #[test]
    fn looks_get_rarer_and_end_with_the_grace() {
        let mut room = room();
        let mut now = ms(0);
        let mut looks = Vec::new();
        while now < ms(2000) {
            room.park("late", BETS, order(1), ms(0), now);
            now = room.next_due().expect("somebody waits");
            assert_eq!(room.due(now, 10), ["late"]);
            looks.push(now.as_millis());
        }
        assert_eq!(looks, [50, 100, 200, 400, 800, 1600, 2000]);
        assert!(room.is_empty());
    }

    #[test]
    fn a_crowded_source_gets_a_tenth_of_the_grace_and_others_all_of_it() {
        let mut room = room();
        for number in 0..3 {
            room.park("flood", BETS, order(number), ms(0), ms(0));
        }
        assert_eq!(room.patience(BETS), ms(200));
        assert_eq!(room.patience(OTHERS), ms(2000));
        room.release(order(0));
        assert_eq!(room.patience(BETS), ms(2000));
    }

    #[test]
    fn no_more_than_the_limit_come_due_at_once() {
        let mut room = room();
        for number in 0..5 {
            room.park("flood", BETS, order(number), ms(0), ms(0));
        }
        assert_eq!(room.due(ms(60), 3).len(), 3);
        assert_eq!(room.due(ms(60), 3).len(), 2);
    }
}
