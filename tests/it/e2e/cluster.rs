//! Three RabbitMQ nodes that are one cluster (`scripts/cluster`), and the loss of the one that Purser is on.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::play::{Plan, Play, invite, rng, seed};
use super::services::{Addresses, free_ports, unique_name};
use super::stage::{ACME, Base, Stage};
use crate::patience::{pause, until};

/// Set, the test runs: three nodes take more of a machine than every change should have to wait for.
const WANTED: &str = "PURSER_TEST_CLUSTER";

/// What `scripts/cluster` needs in a row.
const PORTS: u16 = 61;

const NODES: [u16; 3] = [1, 2, 3];

/// The node through which the test's own provider plays; it stays.
const PROVIDERS: u16 = 3;

const ORDERS: u32 = 6000;

/// The longest pause between two answers that is no failure: many times what it takes on a machine with nothing else to do,
/// and far from what it takes until a node is back.
const LONGEST_SILENCE: Duration = Duration::from_secs(12);

/// A cluster of the test's own; gone with it.
struct Cluster {
    base: u16,
    directory: PathBuf,
}

impl Cluster {
    async fn start() -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique_name());
        let cluster = Self { base: free_ports(PORTS), directory };
        cluster.run(&["start"]).await;
        cluster
    }

    /// The node's own addresses.
    fn addresses(&self, node: u16) -> Addresses {
        Addresses::of_node(self.base + node, self.base + 10 + node)
    }

    async fn run(&self, arguments: &[&str]) {
        let mut command = self.command(arguments);
        let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
        let ran = ran.expect("scripts/cluster runs");
        assert!(ran.status.success(), "scripts/cluster {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/cluster"));
        command.args(arguments).env("PURSER_CLUSTER_DIR", &self.directory);
        command.env("PURSER_CLUSTER_PORT", self.base.to_string());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.command(&["stop", "--clean"]).output() {
            eprintln!("{}: {error}", self.directory.display());
        }
    }
}

/// The longest time in which nothing was answered, from now until so many events are.
async fn longest_silence(play: &Play, events: usize) -> Duration {
    let (mut longest, mut last, mut at) = (Duration::ZERO, play.answered(), Instant::now());
    until("the play goes on", async || {
        pause().await;
        let answered = play.answered();
        if answered != last {
            longest = longest.max(at.elapsed());
            (last, at) = (answered, Instant::now());
        }
        answered >= events
    })
    .await;
    longest
}

/// Every queue has a member on each node, and not all leaders are on one.
async fn is_spread(stage: &Stage) {
    let queues = stage.vhost.queues().await;
    let purser = queues.iter().filter(|(name, queue)| name.starts_with("v1.0.acme") && queue["type"] == "quorum");
    let mut leaders: Vec<String> = Vec::new();
    for (name, queue) in purser {
        assert_eq!(queue["members"].as_array().map(Vec::len), Some(NODES.len()), "{name}: {queue}");
        leaders.push(queue["leader"].to_string());
    }
    assert_eq!(leaders.len(), 5, "{queues:?}");
    leaders.sort();
    leaders.dedup();
    assert!(leaders.len() > 1, "all led by {leaders:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_the_node_that_purser_is_on_is_a_pause_and_nothing_else() {
    if std::env::var_os(WANTED).is_none() {
        println!("left out: {WANTED} is not set");
        return;
    }
    let cluster = Cluster::start().await;
    let mut stage = Stage::prepare(Base::Postgres, ACME, &cluster.addresses(PROVIDERS)).await;
    let url = stage.vhost.amqp_url();
    let own_port = format!(":{}/", cluster.base + PROVIDERS);
    let urls = NODES.map(|node| url.replace(&own_port, &format!(":{}/", cluster.base + node)));
    stage.replace_in_config(&format!("url = {url:?}"), &format!("url = {urls:?}"));
    stage.serve();
    stage.until_ready().await;
    is_spread(&stage).await;
    invite(&stage).await;
    let play = Play::begin(&stage, Plan::new(ORDERS, &mut rng(seed()))).await;
    play.until_answered(play.len() / 4).await;
    let killing = async {
        cluster.run(&["kill", "1"]).await;
        play.answered()
    };
    // Not until all are: RabbitMQ counts the lost consumer among those of the bet queue until the node is back, so that a
    // result without a bet waits for that one's word.
    let most = play.len() / 4 * 3;
    let (silence, answered) = tokio::join!(longest_silence(&play, most), killing);
    assert!(answered < most, "it was killed in the middle of it");
    println!("the node that Purser was on was killed: nothing answered for {} ms", silence.as_millis());
    assert!(silence < LONGEST_SILENCE, "{silence:?}");
    let lost = format!("connected to 127.0.0.1:{}", cluster.base + 1);
    assert!(stage.log().contains(&lost), "Purser was on it: {}", stage.log());
    cluster.run(&["start", "1"]).await;
    play.finish(&stage).await;
    assert!(stage.is_alive());
}
