//! Which nodes' names are tried, and when the connection for direct replies is opened again.
//!
//! A broker makes an atom of every node name that it reads, and never forgets one; RabbitMQ 3.10 also ends the connection
//! over a node that is not in its cluster. So a name of another node than those known is tried a few times only. The
//! broker's own node is known from the start; the others of a cluster prove themselves when the first reply to one of
//! their clients is taken.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::DirectName;

/// Node names that nobody has proved, tried by one party for as long as the program runs.
const MAX_UNPROVED: usize = 16;

/// Proved ones: more than any cluster has.
const MAX_PROVED: usize = 64;

/// So many forged names within this time, and the rest of it does without direct replies: each costs a connection.
const MAX_ENDS: usize = 8;
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// How long no connection is tried after one could not be opened.
const FAILURE_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub struct ProvenNodes {
    proved: BTreeSet<Vec<u8>>,
    /// Not proved, and whether the connection has ended over one of its names.
    tried: BTreeMap<Vec<u8>, bool>,
    /// When the connection has ended over a forged name, the latest ones.
    ends: VecDeque<Instant>,
    failed: Option<Instant>,
}

impl ProvenNodes {
    /// The broker has given this name to us.
    pub fn note_own(&mut self, name: &str) {
        self.failed = None;
        if let Some(name) = DirectName::parse(name) {
            self.note_proof(&name);
        }
    }

    /// The broker has taken a reply to this name.
    pub fn note_proof(&mut self, name: &DirectName<'_>) {
        if self.proved.len() < MAX_PROVED && !self.proved.contains(&name.node) {
            self.proved.insert(name.node.clone());
            self.tried.remove(&name.node);
        }
    }

    /// Whether a reply to this name may be sent.
    pub fn may_be_tried(&mut self, name: &DirectName<'_>) -> bool {
        if self.proved.contains(&name.node) {
            return true;
        }
        match self.tried.get(&name.node) {
            Some(has_ended) => !has_ended,
            None if self.tried.len() < MAX_UNPROVED => self.tried.insert(name.node.clone(), false).is_none(),
            None => false,
        }
    }

    /// The connection has ended over this name.
    pub fn note_end(&mut self, name: &DirectName<'_>) {
        if let Some(has_ended) = self.tried.get_mut(&name.node) {
            *has_ended = true;
        }
        self.ends.push_back(Instant::now());
        if self.ends.len() > MAX_ENDS {
            self.ends.pop_front();
        }
    }

    pub fn note_failure(&mut self) {
        self.failed = Some(Instant::now());
    }

    pub fn may_connect(&self) -> bool {
        let is_crowded =
            self.ends.len() == MAX_ENDS && self.ends.front().is_some_and(|end| end.elapsed() < ENDS_WITHIN);
        !is_crowded && self.failed.is_none_or(|failed| failed.elapsed() > FAILURE_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(node: usize) -> DirectName<'static> {
        DirectName { node: node.to_string().into_bytes(), text: "" }
    }

    #[test]
    fn nodes_that_nobody_proves_are_tried_a_few_times_and_those_known_always() {
        let mut nodes = ProvenNodes::default();
        nodes.note_proof(&name(0));
        let tried = (1..100).filter(|node| nodes.may_be_tried(&name(*node))).count();
        assert_eq!(tried, MAX_UNPROVED);
        assert!(nodes.may_be_tried(&name(0)) && nodes.may_be_tried(&name(1)));
        nodes.note_end(&name(1));
        assert!(!nodes.may_be_tried(&name(1)), "the connection has ended over it");
        nodes.note_proof(&name(2));
        assert!(nodes.may_be_tried(&name(2)) && nodes.may_be_tried(&name(1000)), "whoever proves itself makes room");
    }

    #[test]
    fn many_ends_at_once_are_the_last_for_a_while() {
        let mut nodes = ProvenNodes::default();
        nodes.note_proof(&name(0));
        for _ in 0..MAX_ENDS {
            assert!(nodes.may_connect());
            nodes.note_end(&name(0));
        }
        assert!(!nodes.may_connect());
    }
}
