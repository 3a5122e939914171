//! Where the broker is: the nodes of one cluster, and which of them is tried next.
//!
//! A node that greeted us is where the next connection begins, one that was lost or did not answer is where it does not.
//! Nothing is asked of a node that is not needed: whoever has a connection stays on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::uri::AMQPUri;

use crate::config::Secret;

/// How long a node may take to let us in where there is another to be tried. One that is well takes milliseconds, and a
/// packet that got lost is sent again after one second; whoever waits longer holds up everybody's bets for a node that
/// swallows what is sent to it.
const NODE_PATIENCE: Duration = Duration::from_secs(3);

/// The most that it may take: the only one there is, or one of a cluster whose nodes were all too slow before, because
/// everybody signs in at once, say.
const LONGEST_PATIENCE: Duration = Duration::from_secs(15);

/// One node, by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node(usize);

/// The nodes of one cluster. Clones know what one of them has learned.
#[derive(Debug, Clone)]
pub struct BrokerNodes {
    /// `amqp://` or `amqps://`; never empty where a connection is wanted.
    urls: Arc<[Secret]>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    /// The one that is tried first.
    first: usize,
    /// How often in a row every one of them was tried in vain.
    failed_rounds: u32,
}

impl BrokerNodes {
    pub fn new(urls: Vec<Secret>) -> Self {
        Self { urls: urls.into(), memory: Arc::default() }
    }

    pub fn count(&self) -> usize {
        self.urls.len()
    }

    /// One of the URLs, for what is the same in all: the user, say.
    pub fn any(&self) -> Option<&str> {
        self.urls.first().map(Secret::expose)
    }

    /// All of them as they are configured.
    pub fn all(&self) -> impl Iterator<Item = Node> + use<> {
        (0..self.urls.len()).map(Node)
    }

    /// All of them, the most promising first.
    pub(crate) fn in_turn(&self) -> Vec<Node> {
        let (first, count) = (self.memory().first, self.count());
        (0..count).map(|place| Node((first + place) % count)).collect()
    }

    /// Where a node is; an error says what is wrong with its URL.
    pub fn uri(&self, node: Node) -> Result<AMQPUri, String> {
        let url = self.urls.get(node.0).map(Secret::expose).unwrap_or_default();
        let mut uri: AMQPUri = url.parse()?;
        if let Some(address) = ipv6(url) {
            uri.authority.host = address;
        }
        Ok(uri)
    }

    /// Host and port, fit for logs.
    pub fn place(&self, node: Node) -> String {
        match self.uri(node).map(|uri| uri.authority) {
            Ok(authority) if authority.host.contains(':') => format!("[{}]:{}", authority.host, authority.port),
            Ok(authority) => format!("{}:{}", authority.host, authority.port),
            Err(_) => "amqp.url".to_owned(),
        }
    }

    /// How long each of so many addresses may take at present.
    pub fn patience(&self, addresses: usize) -> Duration {
        if self.count().max(addresses) <= 1 {
            return LONGEST_PATIENCE;
        }
        let longer = 2_u32.saturating_pow(self.memory().failed_rounds);
        NODE_PATIENCE.saturating_mul(longer).min(LONGEST_PATIENCE)
    }

    /// It has let us in.
    pub(crate) fn note_success(&self, node: Node) {
        *self.memory() = Memory { first: node.0, failed_rounds: 0 };
    }

    /// It is lost, or was not to be had: others are tried before it is again.
    pub(crate) fn note_loss(&self, node: Node) {
        let mut memory = self.memory();
        if memory.first == node.0 {
            memory.first = (node.0 + 1) % self.count().max(1);
        }
    }

    /// None was to be had.
    pub(crate) fn note_failed_round(&self) {
        let mut memory = self.memory();
        memory.failed_rounds = memory.failed_rounds.saturating_add(1);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address where the URL has one of IPv6, for which lapin would take `localhost`.
fn ipv6(url: &str) -> Option<String> {
    match url::Url::parse(url).ok()?.host()? {
        url::Host::Ipv6(address) => Some(address.to_string()),
        url::Host::Ipv4(_) | url::Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(hosts: &[&str]) -> BrokerNodes {
        BrokerNodes::new(hosts.iter().map(|host| Secret::new(format!("amqp://u:hush@{host}/v"))).collect())
    }

    fn order(nodes: &BrokerNodes) -> String {
        nodes.in_turn().into_iter().map(|node| nodes.place(node)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_was_lost_is_tried_last_and_what_let_us_in_first() {
        let nodes = nodes(&["a", "b:1", "[::1]:2"]);
        assert_eq!(order(&nodes), "a:5672 b:1 [::1]:2");
        let in_turn = nodes.in_turn();
        nodes.note_loss(in_turn[0]);
        assert_eq!(order(&nodes), "b:1 [::1]:2 a:5672");
        // Somebody else has lost it as well: that says nothing of the next one.
        nodes.clone().note_loss(in_turn[0]);
        assert_eq!(order(&nodes), "b:1 [::1]:2 a:5672");
        nodes.note_loss(in_turn[1]);
        nodes.note_success(in_turn[2]);
        assert_eq!(order(&nodes), "[::1]:2 a:5672 b:1");
        nodes.note_loss(in_turn[2]);
        assert_eq!(order(&nodes), "a:5672 b:1 [::1]:2");
        assert!(!format!("{nodes:?}").contains("hush"), "{nodes:?}");
    }

    #[test]
    fn a_silent_node_costs_little_until_all_are_slow() {
        let (one, three) = (nodes(&["a"]), nodes(&["a", "b", "c"]));
        assert_eq!(one.patience(1), LONGEST_PATIENCE);
        assert_eq!((one.patience(3), three.patience(1)), (NODE_PATIENCE, NODE_PATIENCE));
        three.note_failed_round();
        assert_eq!(three.patience(1), NODE_PATIENCE * 2);
        (0..100).for_each(|_| three.note_failed_round());
        assert_eq!(three.patience(1), LONGEST_PATIENCE);
        three.note_success(Node(1));
        assert_eq!(three.patience(1), NODE_PATIENCE);
    }
}
