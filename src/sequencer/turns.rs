//! What waits for the next batch, by source: each source puts in one, and then the next source does.
//!
//! A queue that is flooded fills every batch that it can, but whoever has only a few commands finds them all in the next
//! one, however many of the others' came before.

use std::collections::{HashMap, VecDeque};

use super::Source;

/// Queues of sources that are emptied in turns. A source's own order is kept. Only sources that have something are
/// remembered.
#[derive(Debug)]
pub struct Turns<T> {
    queues: HashMap<Source, VecDeque<T>>,
    /// Whose turn it is next. Every source with a queue stands here once.
    order: VecDeque<Source>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { queues: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Turns<T> {
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn push(&mut self, source: Source, item: T) {
        let queue = self.queues.entry(source).or_default();
        if queue.is_empty() {
            self.order.push_back(source);
        }
        queue.push_back(item);
    }

    /// The next one of the source whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let source = self.order.pop_front()?;
        let queue = self.queues.get_mut(&source)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&source);
        } else {
            self.order.push_back(source);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_does_not_keep_others_out_of_the_next_batch() {
        let mut turns = Turns::default();
        (0..1000).for_each(|number| turns.push(Source(1), ("flood", number)));
        (0..3).for_each(|number| turns.push(Source(2), ("few", number)));
        let batch: Vec<_> = std::iter::from_fn(|| turns.pop()).take(8).collect();
        let of = |who| batch.iter().filter(|(of, _)| *of == who).map(|(_, number)| *number).collect::<Vec<i32>>();
        assert_eq!(of("few"), [0, 1, 2]);
        assert_eq!(of("flood"), [0, 1, 2, 3, 4], "who is alone takes every turn, in his own order");
    }

    #[test]
    fn everything_comes_out_once_and_nothing_is_remembered_afterwards() {
        let mut turns = Turns::default();
        for number in 0..100 {
            turns.push(Source(number % 7), number);
        }
        let mut out: Vec<u32> = std::iter::from_fn(|| turns.pop()).collect();
        out.sort_unstable();
        assert_eq!(out, (0..100).collect::<Vec<_>>());
        assert!(turns.is_empty() && turns.queues.is_empty());
    }
}
