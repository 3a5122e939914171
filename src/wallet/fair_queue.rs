//! What waits for the next batch, by party: each party puts in one, and then the next party does.
//!
//! A party that is flooded fills every batch that it can, but whoever has only a few commands finds them all in the next
//! one, however many of the others' came before. A party's own order is kept, and with it each player's.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use crate::ledger::Party;

/// One queue for each party, emptied in turns. Only parties that have something are remembered.
#[derive(Debug)]
pub struct FairQueue<T> {
    queues: HashMap<Party, VecDeque<T>>,
    /// Whose turn it is next. Every party with a queue stands here once.
    order: VecDeque<Party>,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { queues: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> FairQueue<T> {
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn push(&mut self, party: Party, item: T) {
        match self.queues.entry(party) {
            Entry::Occupied(mut queue) => queue.get_mut().push_back(item),
            Entry::Vacant(place) => {
                self.order.push_back(place.key().clone());
                place.insert(VecDeque::from([item]));
            }
        }
    }

    /// The next one of the party whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let party = self.order.pop_front()?;
        let queue = self.queues.get_mut(&party)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&party);
        } else {
            self.order.push_back(party);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: &str) -> Party {
        Party::parse(name).unwrap()
    }

    #[test]
    fn a_flood_does_not_keep_others_out_of_the_next_batch() {
        let mut turns = FairQueue::default();
        (0..1000).for_each(|number| turns.push(party("loud"), ("loud", number)));
        (0..3).for_each(|number| turns.push(party("calm"), ("calm", number)));
        let batch: Vec<_> = std::iter::from_fn(|| turns.pop()).take(8).collect();
        let of = |who| batch.iter().filter(|(of, _)| *of == who).map(|(_, number)| *number).collect::<Vec<i32>>();
        assert_eq!(of("calm"), [0, 1, 2]);
        assert_eq!(of("loud"), [0, 1, 2, 3, 4], "who is alone takes every turn, in his own order");
    }

    #[test]
    fn everything_comes_out_once_and_nothing_is_remembered_afterwards() {
        let mut turns = FairQueue::default();
        for number in 0..100 {
            turns.push(party(&format!("party-{}", number % 7)), number);
        }
        let mut out: Vec<u32> = std::iter::from_fn(|| turns.pop()).collect();
        out.sort_unstable();
        assert_eq!(out, (0..100).collect::<Vec<_>>());
        assert!(turns.is_empty() && turns.queues.is_empty());
    }
}
