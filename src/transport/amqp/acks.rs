//! Which deliveries of one channel may be acknowledged, with as few frames as possible.
//!
//! Tags grow by one per delivery. When all up to some tag are done, one "multiple" ack covers them; when an early one
//! still waits (a result for its bet), those after it are acked one by one, but only once enough have gathered:
//! unacked ones count against the prefetch.

use std::collections::BTreeSet;

/// One `basic.ack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    pub tag: u64,
    pub multiple: bool,
}

/// The done and undone tags of one channel.
#[derive(Debug)]
pub struct AckTracker {
    /// All tags up to this one are acked.
    acked: u64,
    /// Done, but not acked yet, behind one that is not done.
    held: BTreeSet<u64>,
    /// Acked one by one, behind one that is not done.
    ahead: BTreeSet<u64>,
    /// How many may be held.
    patience: usize,
}

impl AckTracker {
    pub fn new(patience: usize) -> Self {
        Self { acked: 0, held: BTreeSet::new(), ahead: BTreeSet::new(), patience }
    }

    /// Marks `tags` as done and says what to send.
    pub fn done(&mut self, tags: impl IntoIterator<Item = u64>) -> Vec<Ack> {
        self.held.extend(tags);
        let mut last_held = None;
        loop {
            let next = self.acked + 1;
            if self.held.remove(&next) {
                last_held = Some(next);
            } else if !self.ahead.remove(&next) {
                break;
            }
            self.acked = next;
        }
        // The broker refuses a multiple ack for a tag that it has forgotten, so the last one held is named.
        let mut acks: Vec<Ack> = last_held.map(|tag| Ack { tag, multiple: true }).into_iter().collect();
        if self.held.len() > self.patience {
            acks.extend(self.flush());
        }
        acks
    }

    /// Acks for all that is done, whatever is in front of it.
    pub fn flush(&mut self) -> Vec<Ack> {
        let held = std::mem::take(&mut self.held);
        self.ahead.extend(&held);
        held.into_iter().map(|tag| Ack { tag, multiple: false }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(tag: u64) -> Ack {
        Ack { tag, multiple: true }
    }

    fn only(tag: u64) -> Ack {
        Ack { tag, multiple: false }
    }

    #[test]
    fn a_run_from_the_front_is_one_ack() {
        let mut tracker = AckTracker::new(2);
        assert_eq!(tracker.done([2, 1, 3]), [up_to(3)]);
        assert_eq!(tracker.done([5]), []);
        assert_eq!(tracker.done([4]), [up_to(5)]);
    }

    #[test]
    fn those_behind_an_undone_one_are_acked_singly_once_enough_have_gathered() {
        let mut tracker = AckTracker::new(2);
        assert_eq!(tracker.done([2, 3]), []);
        assert_eq!(tracker.done([4]), [only(2), only(3), only(4)]);
        assert_eq!(tracker.done([6]), []);
        assert_eq!(tracker.done([1]), [up_to(1)]);
        assert_eq!(tracker.done([5]), [up_to(6)]);
    }

    #[test]
    fn every_tag_is_acked_exactly_once_in_any_order() {
        let mut tracker = AckTracker::new(3);
        let mut unacked: BTreeSet<u64> = (1..=200).collect();
        let order = (0..200_u64).map(|i| (i * 77) % 200 + 1);
        for ack in order.flat_map(|tag| tracker.done([tag])).collect::<Vec<_>>() {
            assert!(unacked.remove(&ack.tag), "{ack:?} acks what is acked already");
            if ack.multiple {
                unacked.retain(|tag| *tag > ack.tag);
            }
        }
        assert!(unacked.is_empty());
    }
}
