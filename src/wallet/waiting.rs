//! The waiting room: results and cancels that overtook their bet.
//!
//! Pure: time is an argument, counted from any fixed start. A command waits for its order to become known. Its patience
//! begins when its bet can no longer lie in the party's queue ([`super::backlog`]), and then it gives up after the grace.
//!
//! Whoever waits holds a place in its queue's prefetch. So that a flood of results without bets cannot hold up the
//! queue, a source with more than `crowding_limit` commands whose patience has begun gets a tenth of the grace.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use super::CommandSource;
use super::backlog::{BetBacklogs, Mark};
use crate::ledger::{OrderId, OrderIds, Party};

/// How much of the grace is left to a crowded source.
const CROWDED_SHARE: u32 = 10;

/// From when on a command's patience counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Its bet may still be in the queue, until this mark is passed.
    From(Mark),
    /// It has begun.
    Since(Duration),
}

/// Whose commands are counted together, and come due in turns with the others'.
type PartySource = (CommandSource, Party);

/// A command that waits.
#[derive(Debug)]
struct Waiter<T> {
    item: T,
    source: PartySource,
    order: OrderIds,
    patience: Patience,
}

/// Commands that wait for their order.
#[derive(Debug)]
pub struct WaitingRoom<T> {
    grace: Duration,
    crowding_limit: usize,
    http_limit: usize,
    waiters: HashMap<u64, Waiter<T>>,
    /// By either of the orders that would tell them what they wait for.
    by_order: BTreeMap<OrderId, Vec<u64>>,
    /// Those whose bets may still be in the queue.
    by_mark: BTreeMap<Party, BTreeSet<(Mark, u64)>>,
    /// Those whose patience has begun, and when. What comes over HTTP is of one source, so the party tells them apart.
    by_source: BTreeMap<PartySource, BTreeSet<(Duration, u64)>>,
    /// Whose command was the last to come due: whoever is after it is first next time.
    last_due: Option<PartySource>,
    next_ticket: u64,
}

impl<T> WaitingRoom<T> {
    pub fn new(grace: Duration, crowding_limit: usize) -> Self {
        Self {
            grace,
            crowding_limit,
            http_limit: crowding_limit,
            waiters: HashMap::new(),
            by_order: BTreeMap::new(),
            by_mark: BTreeMap::new(),
            by_source: BTreeMap::new(),
            last_due: None,
            next_ticket: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Lets no more than so many of a party wait with patience that came over HTTP.
    pub fn with_http_limit(self, limit: usize) -> Self {
        Self { http_limit: limit, ..self }
    }

    /// How long a command of this source may wait at present, once its patience has begun.
    fn grace_of(&self, source: &PartySource) -> Duration {
        let waiting = self.by_source.get(source).map_or(0, BTreeSet::len);
        let limit = if source.0 == CommandSource::HTTP { self.http_limit } else { self.crowding_limit };
        if waiting > limit { self.grace / CROWDED_SHARE } else { self.grace }
    }

    /// Takes in a command.
    pub fn park(&mut self, item: T, source: CommandSource, (party, order): (Party, OrderIds), patience: Patience) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        for id in order.both() {
            self.by_order.entry(id).or_default().push(ticket);
        }
        let source = (source, party);
        match patience {
            Patience::From(mark) => _ = self.by_mark.entry(source.1.clone()).or_default().insert((mark, ticket)),
            Patience::Since(since) => _ = self.by_source.entry(source.clone()).or_default().insert((since, ticket)),
        }
        self.waiters.insert(ticket, Waiter { item, source, order, patience });
    }

    /// Lets the patience begin of all whose bets have left the queue.
    pub fn begin_patience(&mut self, backlogs: &BetBacklogs, now: Duration) {
        for (party, waiting) in &mut self.by_mark {
            while let Some((mark, ticket)) = waiting.first().copied()
                && backlogs.is_passed(party, mark)
            {
                waiting.pop_first();
                if let Some(waiter) = self.waiters.get_mut(&ticket) {
                    waiter.patience = Patience::Since(now);
                    self.by_source.entry(waiter.source.clone()).or_default().insert((now, ticket));
                }
            }
        }
        self.by_mark.retain(|_, waiting| !waiting.is_empty());
    }

    /// Takes out those whose patience cannot begin any more, since nobody reads their party's queues.
    pub fn give_back(&mut self, backlogs: &BetBacklogs) -> Vec<T> {
        let closed = self.by_mark.iter().filter(|(party, _)| backlogs.is_closed(party));
        let tickets: Vec<u64> = closed.flat_map(|(_, waiting)| waiting.iter().map(|(_, ticket)| *ticket)).collect();
        tickets.into_iter().filter_map(|ticket| self.leave(ticket)).map(|(item, _)| item).collect()
    }

    /// Takes out those that nobody waits for any more.
    pub fn let_go(&mut self, is_abandoned: impl Fn(&T) -> bool) -> Vec<T> {
        let abandoned = self.waiters.iter().filter(|(_, waiter)| is_abandoned(&waiter.item));
        let tickets: Vec<u64> = abandoned.map(|(ticket, _)| *ticket).collect();
        tickets.into_iter().filter_map(|ticket| self.leave(ticket)).map(|(item, _)| item).collect()
    }

    /// Those who waited for `order`, in the order in which they came, each with its patience.
    pub fn release(&mut self, order: OrderId) -> Vec<(T, Patience)> {
        let tickets = self.by_order.get(&order).cloned().unwrap_or_default();
        tickets.into_iter().filter_map(|ticket| self.leave(ticket)).collect()
    }

    /// At most `limit` of those whose patience has ended, the sources in turns: one that has always some must not keep the
    /// others waiting.
    pub fn due(&mut self, now: Duration, limit: usize) -> Vec<(T, Patience)> {
        let last = self.last_due.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let until_last = self.last_due.as_ref().map(|last| self.by_source.range(..=last));
        let in_turns = self.by_source.range((last, Bound::Unbounded)).chain(until_last.into_iter().flatten());
        let due = in_turns.map(|(source, waiting)| {
            let grace = self.grace_of(source);
            (source, waiting.iter().take_while(move |(since, _)| *since + grace <= now))
        });
        let mut due: VecDeque<_> = due.collect();
        let mut tickets = Vec::new();
        while tickets.len() < limit
            && let Some((source, mut theirs)) = due.pop_front()
        {
            if let Some((_, ticket)) = theirs.next() {
                tickets.push((source, *ticket));
                due.push_back((source, theirs));
            }
        }
        let last_due = tickets.last().map(|(source, _)| (*source).clone());
        let tickets: Vec<u64> = tickets.into_iter().map(|(_, ticket)| ticket).collect();
        self.last_due = last_due.or(self.last_due.take());
        tickets.into_iter().filter_map(|ticket| self.leave(ticket)).collect()
    }

    /// When somebody's patience ends next.
    pub fn next_due(&self) -> Option<Duration> {
        let firsts = self.by_source.iter().filter_map(|(source, waiting)| {
            let (since, _) = waiting.first()?;
            Some(*since + self.grace_of(source))
        });
        firsts.min()
    }

    /// Orders that are waited for, at most `limit` of them, beginning after `last` and then from the front.
    pub fn orders_after(&self, last: Option<OrderId>, limit: usize) -> Vec<OrderId> {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.by_order.range((after, Bound::Unbounded));
        behind.take(limit).map(|(order, _)| *order).collect()
    }

    fn leave(&mut self, ticket: u64) -> Option<(T, Patience)> {
        let waiter = self.waiters.remove(&ticket)?;
        for id in waiter.order.both() {
            if let Some(tickets) = self.by_order.get_mut(&id) {
                tickets.retain(|other| *other != ticket);
                if tickets.is_empty() {
                    self.by_order.remove(&id);
                }
            }
        }
        match waiter.patience {
            Patience::From(mark) => {
                if let Some(waiting) = self.by_mark.get_mut(&waiter.source.1) {
                    waiting.remove(&(mark, ticket));
                    if waiting.is_empty() {
                        self.by_mark.remove(&waiter.source.1);
                    }
                }
            }
            Patience::Since(since) => {
                if let Some(waiting) = self.by_source.get_mut(&waiter.source) {
                    waiting.remove(&(since, ticket));
                    if waiting.is_empty() {
                        self.by_source.remove(&waiter.source);
                    }
                }
            }
        }
        Some((waiter.item, waiter.patience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const RESULTS: CommandSource = CommandSource(1);
    const OTHERS: CommandSource = CommandSource(2);

    fn order(number: u128) -> OrderId {
        OrderId::from_uuid(Uuid::from_u128(number))
    }

    /// An order, and its player's refusal under the same key.
    fn orders(number: u128) -> OrderIds {
        OrderIds { accepted: order(number), refused: order(100 + number) }
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn acme() -> Party {
        Party::parse("acme").unwrap()
    }

    fn room() -> WaitingRoom<&'static str> {
        WaitingRoom::new(ms(2000), 2)
    }

    fn items(taken: Vec<(&'static str, Patience)>) -> Vec<&'static str> {
        taken.into_iter().map(|(item, _)| item).collect()
    }

    #[test]
    fn a_known_order_releases_its_waiters_in_arrival_order() {
        let mut room = room();
        room.park("first", RESULTS, (acme(), orders(1)), Patience::Since(ms(0)));
        room.park("other", RESULTS, (acme(), orders(2)), Patience::Since(ms(1)));
        room.park("second", RESULTS, (acme(), orders(1)), Patience::Since(ms(2)));
        assert_eq!(items(room.release(order(1))), ["first", "second"]);
        assert_eq!(room.release(order(1)), []);
        assert_eq!(room.release(order(101)), []);
        assert_eq!(room.len(), 1);
    }

    #[test]
    fn patience_begins_when_the_bets_of_then_are_decided() {
        let backlogs = BetBacklogs::of([acme()]);
        let mut room = room();
        let early = backlogs.mark(&acme()).unwrap();
        room.park("early", RESULTS, (acme(), orders(1)), Patience::From(early));
        let measured = backlogs.measure(&acme());
        let late = backlogs.mark(&acme()).unwrap();
        room.park("late", RESULTS, (acme(), orders(2)), Patience::From(late));
        room.begin_patience(&backlogs, ms(60_000));
        assert_eq!((room.next_due(), items(room.due(ms(60_000), 10))), (None, vec![]));
        backlogs.pass(&acme(), measured);
        room.begin_patience(&backlogs, ms(61_000));
        assert_eq!(room.next_due(), Some(ms(63_000)));
        assert_eq!(items(room.due(ms(62_999), 10)), Vec::<&str>::new());
        assert_eq!(items(room.due(ms(63_000), 10)), ["early"]);
        assert_eq!(room.len(), 1);
    }

    #[test]
    fn who_waits_for_a_queue_that_nobody_reads_is_given_back() {
        let backlogs = BetBacklogs::of([acme()]);
        let mut room = room();
        let mark = backlogs.mark(&acme()).unwrap();
        room.park("waits", RESULTS, (acme(), orders(1)), Patience::From(mark));
        room.park("is patient", RESULTS, (acme(), orders(2)), Patience::Since(ms(0)));
        assert_eq!(room.give_back(&backlogs), Vec::<&str>::new());
        backlogs.close(&acme());
        assert_eq!(room.give_back(&backlogs), ["waits"]);
        assert_eq!(room.len(), 1);
    }

    #[test]
    fn a_crowded_source_gets_a_tenth_of_the_grace_and_others_all_of_it() {
        let mut room = room();
        for number in 0..3 {
            room.park("flood", RESULTS, (acme(), orders(number)), Patience::Since(ms(0)));
        }
        let beta = Party::parse("beta").unwrap();
        let grace = |room: &WaitingRoom<_>, source, party: &Party| room.grace_of(&(source, party.clone()));
        assert_eq!((grace(&room, RESULTS, &acme()), room.next_due()), (ms(200), Some(ms(200))));
        assert_eq!((grace(&room, OTHERS, &acme()), grace(&room, RESULTS, &beta)), (ms(2000), ms(2000)));
        room.release(order(0));
        assert_eq!((grace(&room, RESULTS, &acme()), room.next_due()), (ms(2000), Some(ms(2000))));
    }

    #[test]
    fn no_more_than_the_limit_come_due_at_once() {
        let mut room = room();
        for number in 0..5 {
            room.park("flood", RESULTS, (acme(), orders(number)), Patience::Since(ms(0)));
        }
        room.park("other", OTHERS, (acme(), orders(9)), Patience::Since(ms(0)));
        assert_eq!(room.due(ms(2000), 3).len(), 3);
        assert_eq!(room.due(ms(2000), 3).len(), 3);
    }

    #[test]
    fn a_source_that_always_has_some_due_keeps_nobody_waiting() {
        let mut room = room();
        for source in 2..6 {
            let orders = orders(u128::from(source));
            room.park("other", CommandSource(source), (acme(), orders), Patience::Since(ms(0)));
        }
        let mut others = 0;
        for _ in 0..2 {
            for number in 0..5 {
                room.park("flood", RESULTS, (acme(), orders(10 + number)), Patience::Since(ms(0)));
            }
            others += items(room.due(ms(2000), 3)).iter().filter(|item| **item == "other").count();
        }
        assert_eq!(others, 4);
    }

    #[test]
    fn orders_are_told_in_portions() {
        let mut room = room();
        for number in [3, 1, 2, 2] {
            room.park("waits", RESULTS, (acme(), orders(number)), Patience::Since(ms(0)));
        }
        assert_eq!(room.orders_after(None, 2), [order(1), order(2)]);
        assert_eq!(room.orders_after(Some(order(2)), 2), [order(3), order(101)]);
        assert_eq!(room.orders_after(Some(order(103)), 2), []);
        assert_eq!(items(room.release(order(102))), ["waits", "waits"], "who is refused is told, too");
    }
}
