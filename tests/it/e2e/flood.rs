//! Floods: one party's provider does his worst while another party's goes on as ever. Memory stays within its bound, and
//! the neighbour is answered; `scripts/soak` runs it for longer, on numbers that mean something.

use std::time::{Duration, Instant};

use lapin::options::QueuePurgeOptions;
use purser::clock;
use purser::dialects::egpp::Operation;
use purser::ledger::accounts::{Cash, OpenPlayer};
use purser::ledger::command::{Act, Command};
use purser::ledger::player::Profile;
use purser::ledger::{AccountAct, Amount, Currency, PlayerId, Pocket};
use purser::transport::amqp::topology::{request_queue, short};
use purser::wallet::direct;

use super::control_tenant::{self, CALM, Latencies, Neighbour};
use super::flooder::{FLOODS, Flood, Flooding, LARGE, LOUD, PLAYERS, Replies, What, player};
use super::stage::{Base, Stage, party};
use super::wire::Wire;
use crate::patience::{delay, pause, until};

const PARTIES: &str = r#"
[ledger]
ordering_grace = "600ms"
[parties.loud]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
[parties.calm]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
"#;

/// Seconds of each flood where that is asked for: then the bounds on latency are checked, too.
const SECONDS: &str = "PURSER_SOAK_SECONDS";

/// Messages of a flood in the ordinary test run: more than a queue's prefetch.
const MESSAGES: u64 = 2_100;

/// How long the neighbour may wait for an answer in the ordinary test run, on whatever machine that is.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the neighbour may wait for 99 of 100 answers in a soak, and where the broker's disk is full of messages as
/// large as they may be.
const PROMISE: Duration = Duration::from_secs(1);
const LARGE_PROMISE: Duration = Duration::from_secs(5);

/// Commands of one transaction, where players are invited.
const CHUNK: u64 = 250;

/// The loud party's dead letters.
const DEAD: &str = "v1.0.loud.dead";

const MIB: u64 = 1024 * 1024;

/// The default prefetch, and the queues of a party.
const PREFETCH: u64 = 2000;
const QUEUES: u64 = Operation::ALL.len() as u64;

/// What `docs/PERFORMANCE.md` promises of memory, in bytes, where one party's messages fill its prefetch.
fn bound(parties: u64, message: u64) -> u64 {
    64 * MIB + parties * 16 * MIB + PREFETCH * QUEUES * (4 * 1024 + 3 * message)
}

/// What came of a flood.
struct Row {
    flood: Flood,
    published: u64,
    answered: u64,
    took: Duration,
    peak: u64,
    neighbour: Latencies,
}

struct World {
    stage: Stage,
    wire: Wire,
    /// The number of the next message that floods.
    next: u64,
}

impl World {
    async fn open(base: Base) -> Self {
        Self::open_with(base, PARTIES).await
    }

    async fn open_with(base: Base, parties: &str) -> Self {
        let stage = Stage::open(base, parties).await;
        invite(&stage, LOUD, (0..PLAYERS).map(player).collect()).await;
        invite(&stage, CALM, vec![control_tenant::PLAYER.to_owned()]).await;
        let wire = Wire::connect(&stage).await;
        Self { stage, wire, next: 0 }
    }

    /// A flood of so many messages, all of which are answered in the end; or of so many seconds, and what is left in the
    /// queue is thrown away.
    async fn endure(&mut self, flood: Flood, neighbour: Neighbour, seconds: Option<u64>) -> (Neighbour, Row) {
        let serving = self.stage.serving.as_ref().expect("it serves");
        serving.forget_peak();
        let before = self.answered().await;
        let (began, asking) = (Instant::now(), neighbour.ask());
        let numbers = (self.next, if seconds.is_some() { u64::MAX } else { MESSAGES });
        let flooding = Flooding::begin(&self.wire, self.stage.vhost.amqp_url(), flood, numbers).await;
        match seconds {
            Some(seconds) => delay(Duration::from_secs(seconds)).await,
            None => self.until_answered(flood, before + MESSAGES).await,
        }
        let (answered, took) = (self.answered().await - before, began.elapsed());
        let (neighbour, latencies) = asking.end().await;
        let published = flooding.end().await;
        self.next += published + 1;
        let peak = self.stage.serving.as_ref().expect("it serves").peak();
        if seconds.is_some() {
            self.clear(flood.what).await;
        }
        (neighbour, Row { flood, published, answered, took, peak, neighbour: latencies })
    }

    async fn until_answered(&self, flood: Flood, answered: u64) {
        until(&format!("{} are answered", flood.name), async || self.answered().await >= answered).await;
    }

    /// How many requests of the loud party have been answered and acked.
    async fn answered(&self) -> u64 {
        let text = reqwest::get(self.stage.url("/metrics")).await.expect("metrics").text().await.expect("text");
        let of_loud = |line: &&str| line.starts_with("purser_requests_total") && line.contains("party=\"loud\"");
        let counts = text.lines().filter(of_loud).filter_map(|line| line.rsplit_once(' '));
        counts.map(|(_, count)| count.parse::<u64>().expect("a count")).sum()
    }

    /// Throws away what still waits, and waits until what was taken is answered.
    async fn clear(&self, what: What) {
        let queue = request_queue(&party(LOUD), what.operation());
        let mut answered = self.answered().await;
        loop {
            self.wire.channel.queue_purge(short(&queue), QueuePurgeOptions::default()).await.expect("purged");
            delay(Duration::from_secs(1)).await;
            let now = self.answered().await;
            if std::mem::replace(&mut answered, now) == now && self.wire.ready(&queue).await == 0 {
                break;
            }
        }
        for queue in ["loud.replies", DEAD] {
            // The first is not there before a flood has used it.
            if self.wire.consumers(queue).await.is_some() {
                self.wire.channel.queue_purge(short(queue), QueuePurgeOptions::default()).await.expect("purged");
            }
        }
    }

    async fn calm(&self, neighbour: Neighbour, bets: u32) -> (Neighbour, Latencies) {
        let asking = neighbour.ask();
        let end = Instant::now() + control_tenant::PACE * bets;
        while Instant::now() < end {
            pause().await;
        }
        asking.end().await
    }

    /// Nothing was lost on the way and nobody fell.
    async fn finish(mut self) {
        assert!(self.stage.is_alive());
        let log = self.stage.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains("the session with the broker ended"), "{log}");
        self.stage.audit().await;
        self.stage.stop().await;
    }
}

/// Opens players with more money than they ever bet.
async fn invite(stage: &Stage, of: &str, players: Vec<String>) {
    let (party, currency) = (party(of), Currency::parse("CHF").expect("a currency"));
    let command = |act| Command { party: party.clone(), at: clock::now(), correlation: None, act };
    let mut writer = stage.database.writer().expect("a writer");
    for chunk in players.chunks(usize::try_from(CHUNK).expect("a small number")) {
        let commands = chunk.iter().flat_map(|id| {
            let player = PlayerId::parse(id).expect("a player");
            let profile =
                Profile { home_currency: currency, username: None, nickname: None, email: None, gender: None };
            let amount = Amount::new(1_000_000_000).expect("an amount");
            let pocket = Pocket::real(currency);
            let cash = Cash { player: player.clone(), pocket, amount, key: format!("invited-{id}").into() };
            [
                command(Act::Account(AccountAct::OpenPlayer(OpenPlayer { player, profile }))),
                command(Act::Account(AccountAct::Deposit(cash))),
            ]
        });
        direct::apply_all(&mut writer, commands.collect()).await.expect("invited");
    }
}

impl Row {
    fn check(&self, seconds: Option<u64>) {
        let message = u64::try_from(self.flood.what.size()).expect("a size");
        let (peak, bound) = (self.peak / MIB, bound(2, message) / MIB);
        assert!(peak <= bound, "{}: {peak} MiB, and the bound is {bound}", self.flood.name);
        let (waited, patience) = match seconds {
            Some(_) if self.flood.what.size() == LARGE => (self.neighbour.at(990), LARGE_PROMISE),
            Some(_) => (self.neighbour.at(990), PROMISE),
            None => (self.neighbour.at(1000), PATIENCE),
        };
        assert!(waited <= patience, "{}: the neighbour waited {waited:?}", self.flood.name);
    }

    fn tell(&self, alone: &Latencies) {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        println!(
            "{:<28} {:>9} {:>9.0} {:>6} {:>7} {:>9.1} {:>9.1} {:>6.1} {:>6.1}",
            self.flood.name,
            self.published,
            self.answered as f64 / self.took.as_secs_f64(),
            self.peak / MIB,
            self.neighbour.count(),
            ms(self.neighbour.at(500)),
            ms(self.neighbour.at(990)),
            ms(self.neighbour.at(500)) / ms(alone.at(500)),
            ms(self.neighbour.at(990)) / ms(alone.at(990)),
        );
    }
}

fn tell_alone(alone: &Latencies, peak: u64) {
    println!(
        "{:<28} {:>9} {:>9} {:>6} {:>7} {:>9} {:>9} {:>6} {:>6}",
        "flood", "published", "answ./s", "MiB", "asked", "p50 ms", "p99 ms", "ratio", "ratio"
    );
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    println!(
        "{:<28} {:>9} {:>9} {:>6} {:>7} {:>9.1} {:>9.1}",
        "(none)",
        "",
        "",
        peak / MIB,
        alone.count(),
        ms(alone.at(500)),
        ms(alone.at(990))
    );
}

async fn all_floods(base: Base) {
    let seconds: Option<u64> = std::env::var(SECONDS).ok().map(|text| text.parse().expect("seconds"));
    let mut world = World::open(base).await;
    let neighbour = Neighbour::connect(&world.stage).await;
    let bets = seconds.map_or(40, |seconds| u32::try_from(seconds * 40).expect("a while"));
    let (mut neighbour, alone) = world.calm(neighbour, bets).await;
    tell_alone(&alone, world.stage.serving.as_ref().expect("it serves").peak());
    let mut rows = Vec::new();
    for flood in FLOODS {
        let row;
        (neighbour, row) = world.endure(flood, neighbour, seconds).await;
        row.tell(&alone);
        rows.push(row);
    }
    rows.iter().for_each(|row| row.check(seconds));
    world.finish().await;
}

/// No client can read them: each ends its party's session, until the broker gives it up. That is the party's own trouble.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_no_client_can_read_are_no_trouble_to_the_other_party() {
    const POISON: u64 = 50;
    let mut world = World::open_with(Base::Postgres, &format!("delivery_limit = 3\n{PARTIES}")).await;
    let mut neighbour = Neighbour::connect(&world.stage).await;
    let asking = neighbour.ask();
    let flood = Flood { name: "unreadable", what: What::Unreadable, replies: Replies::Nowhere };
    let url = world.stage.vhost.amqp_url();
    let flooding = Flooding::begin(&world.wire, url, flood, (0, POISON)).await;
    until("all are parked", async || u64::from(world.wire.ready(DEAD).await) == POISON).await;
    flooding.end().await;
    let latencies;
    (neighbour, latencies) = asking.end().await;
    let longest = latencies.at(1000);
    println!("beside messages that nobody can read the longest of {} waits was {longest:?}", latencies.count());
    assert!(longest <= PATIENCE, "the neighbour waited {longest:?}");
    let log = world.stage.log();
    assert!(!log.contains("the session with the broker ended"), "{log}");

    // What the loud party sends next is served again.
    let good = Flood { name: "good again", what: What::Bets, replies: Replies::Kept };
    let row;
    world.next = POISON;
    (_, row) = world.endure(good, neighbour, None).await;
    row.check(None);
    world.stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_floods_one_party_memory_is_bounded_and_the_other_is_answered() {
    all_floods(Base::Postgres).await;
}
