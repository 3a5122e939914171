//! Faults of every kind, drawn by a seed, while thousands of rounds are played: `scripts/chaos` runs it for longer.

use std::time::{Duration, Instant};

use purser::dialects::egpp::Operation;
use rand::RngExt;
use rand::rngs::StdRng;

use super::clocks::{Clock, HOUR, give_clock};
use super::contention::{Rival, quarrel};
use super::disk;
use super::kill_point_proxy::{Moment, Speech, Trap};
use super::play::{Plan, Play, invite, rng, seed};
use super::processes::{Crew, End, MEMBERS};
use super::proxy::{Proxy, Weather};
use super::services::{Addresses, Own};
use super::stage::{ACME, Base, Stage};
use crate::patience::until;

const ORDERS: u32 = 1500;

/// Faults in a history.
const FAULTS: usize = 8;

/// Seconds for which histories are played, where that is longer than one. Services are the test's own then, and may be
/// stopped and killed.
const SECONDS: &str = "PURSER_CHAOS_SECONDS";

/// What can happen at any moment.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Process(usize, End),
    /// The first process is killed exactly when this comes for the nth time.
    KillAt(Moment, usize),
    Broker(Weather),
    Postgres(Weather),
    CloseConnections,
    TerminateBackends,
    Deadlocks,
    DeleteQueue(Operation),
    /// `scripts/services` does this to one of the test's own, and starts it again.
    Service(&'static [&'static str]),
    /// The broker forgets all connections, and goes on.
    RestartBroker,
    DiskAlarm,
    /// The first process's clock is from now on so many hours ahead.
    Clock(i64),
}

fn one<T: Copy>(of: &[T], rng: &mut StdRng) -> T {
    of[rng.random_range(0..of.len())]
}

fn draw(is_own: bool, rng: &mut StdRng) -> Fault {
    match rng.random_range(0..if is_own { 18 } else { 13 }) {
        0 | 1 => Fault::Process(rng.random_range(0..MEMBERS), draw_end(is_own, rng)),
        2..=4 => {
            let moment = one(&Moment::ALL, rng);
            Fault::KillAt(moment, rng.random_range(1..moment.at_most()))
        }
        5 | 6 => Fault::Broker(draw_weather(rng)),
        7 | 8 => Fault::Postgres(draw_weather(rng)),
        9 => Fault::CloseConnections,
        10 => Fault::TerminateBackends,
        11 => Fault::Deadlocks,
        12 => {
            Fault::DeleteQueue(one(&[Operation::OrderBet, Operation::OrderBetResult, Operation::OrderBetCancel], rng))
        }
        13 => Fault::DiskAlarm,
        14 => Fault::RestartBroker,
        15 => Fault::Clock(rng.random_range(-100..100)),
        _ => Fault::Service(one(
            &[&["stop", "broker"], &["kill", "broker"], &["stop", "postgres"], &["kill", "postgres"]],
            rng,
        )),
    }
}

fn draw_end(is_own: bool, rng: &mut StdRng) -> End {
    match rng.random_range(0..3) {
        0 => End::Kill,
        1 => End::Drain,
        // Where there is time, longer than Postgres lets a transaction be idle.
        _ => End::Freeze(Duration::from_millis(rng.random_range(500..if is_own { 20_000 } else { 4_000 }))),
    }
}

fn draw_weather(rng: &mut StdRng) -> Weather {
    match rng.random_range(0..4) {
        0 => Weather::Slow(Duration::from_millis(rng.random_range(5..60))),
        1 => Weather::BlackHole,
        2 => Weather::HalfClosed,
        _ => Weather::Cut,
    }
}

/// Three Pursers on one Postgres and the same queues, with a proxy before either service, and a trap before these for
/// the first of them.
struct World<'a> {
    crew: Crew,
    trap: Trap,
    broker: Proxy,
    postgres: Proxy,
    own: Option<&'a Own>,
    clock: Option<Clock>,
}

impl<'a> World<'a> {
    async fn begin(own: Option<&'a Own>) -> Self {
        let addresses = own.map_or_else(Addresses::shared, |own| own.addresses.clone());
        let mut stage = Stage::prepare(Base::Postgres, ACME, &addresses).await;
        let clock = own.map(|_| give_clock(&mut stage));
        let broker = Proxy::before(stage.amqp_port()).await;
        let postgres = Proxy::before(stage.postgres_port().expect("Postgres")).await;
        let others = (broker.address.port(), postgres.address.port());
        let mut trap = Trap::new();
        let first = (trap.before(others.0, Speech::Amqp).await, trap.before(others.1, Speech::Postgres).await);
        let crew = Crew::start(stage, Some((first, others))).await;
        invite(&crew.stage).await;
        Self { crew, trap, broker, postgres, own, clock }
    }

    fn own(&self) -> &Own {
        self.own.expect("services of the test's own")
    }

    async fn suffer(&mut self, fault: Fault, play: &Play, rng: &mut StdRng) {
        // Short of the heartbeat's patience or well beyond a retry's: either may happen.
        let spell = Duration::from_millis(rng.random_range(50..1500));
        let stage = &self.crew.stage;
        match fault {
            Fault::Process(number, end) => self.crew.suffer(number, end).await,
            Fault::KillAt(moment, nth) => {
                self.trap.arm(moment, nth);
                // Where others have done everything that was left, the moment may not come.
                until("the moment has come", async || self.trap.is_sprung() || play.is_over()).await;
                self.crew.kill(0);
                self.trap.open();
                self.crew.begin(0);
            }
            Fault::Broker(weather) => during(&self.broker, weather, spell).await,
            Fault::Postgres(weather) => during(&self.postgres, weather, spell).await,
            Fault::CloseConnections => {
                stage.vhost.close_connections_of_purser().await;
            }
            Fault::TerminateBackends => stage.postgres.as_ref().expect("a database").terminate_backends().await,
            Fault::Deadlocks => quarrel(&Rival::connect(&stage.database).await, play, rng).await,
            Fault::DeleteQueue(operation) => play.lose_queue(stage, operation).await,
            Fault::Service(end) => {
                self.own().run(end).await;
                self.own().run(&["start", end[1]]).await;
            }
            Fault::RestartBroker => {
                self.own().run(&["rabbitmqctl", "-q", "stop_app"]).await;
                self.own().run(&["rabbitmqctl", "-q", "start_app"]).await;
            }
            Fault::DiskAlarm => {
                disk::raise_disk_alarm(self.own()).await;
                crate::patience::delay(spell).await;
                disk::clear_disk_alarm(self.own()).await;
            }
            Fault::Clock(hours) => self.clock.as_ref().expect("a clock").set(hours * HOUR),
        }
    }
}

async fn during(proxy: &Proxy, weather: Weather, spell: Duration) {
    proxy.set(weather);
    crate::patience::delay(spell).await;
    proxy.set(Weather::Fair);
}

/// One history: rounds are played, faults happen, and in the end everything adds up.
async fn play_through(seed: u64, own: Option<&Own>) {
    let mut rng = rng(seed);
    let mut world = World::begin(own).await;
    let play = Play::begin(&world.crew.stage, Plan::new(ORDERS, &mut rng)).await;
    let share = play.len() / (FAULTS + 1);
    for number in 0..FAULTS {
        play.until_answered(number * share + rng.random_range(1..share)).await;
        let fault = draw(own.is_some(), &mut rng);
        eprintln!("seed {seed}, fault {number}: {fault:?}");
        world.suffer(fault, &play, &mut rng).await;
    }
    world.crew.is_well().await;
    play.finish(&world.crew.stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_every_event_is_answered_once_and_for_all() {
    let seconds = std::env::var(SECONDS).ok().map(|text| Duration::from_secs(text.parse().expect("seconds")));
    let own = match seconds {
        Some(_) => Some(Own::start(&["broker", "postgres"]).await),
        None => None,
    };
    let (start, mut seed) = (Instant::now(), seed());
    loop {
        play_through(seed, own.as_ref()).await;
        if seconds.is_none_or(|seconds| start.elapsed() >= seconds) {
            return;
        }
        seed = seed.wrapping_add(1);
    }
}
