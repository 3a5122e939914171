//! Faults of every kind, drawn by a seed, while thousands of rounds are played: `scripts/chaos` runs it for longer.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use super::play::{Plan, Play, invite, rng, seed};
use super::process::Serving;
use super::proxy::{Proxy, Weather};
use super::services::Addresses;
use super::stage::{ACME, Base, Stage};
use crate::patience::until;

const ORDERS: u32 = 1500;

/// Faults in a history of the ordinary test run.
const FAULTS: usize = 8;

/// Seconds for which histories are played, where that is longer than one.
const SECONDS: &str = "PURSER_CHAOS_SECONDS";

/// What can happen at any moment.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillPurser,
    KillTheOther,
    Broker(Weather),
    Postgres(Weather),
    CloseConnections,
    TerminateBackends,
}

fn draw(rng: &mut StdRng) -> Fault {
    let weather = match rng.random_range(0..4) {
        0 => Weather::Slow(Duration::from_millis(rng.random_range(5..60))),
        1 => Weather::BlackHole,
        2 => Weather::HalfClosed,
        _ => Weather::Cut,
    };
    match rng.random_range(0..8) {
        0 => Fault::KillPurser,
        1 => Fault::KillTheOther,
        2 | 3 => Fault::Broker(weather),
        4 | 5 => Fault::Postgres(weather),
        6 => Fault::CloseConnections,
        _ => Fault::TerminateBackends,
    }
}

/// Two Pursers on one Postgres and the same queues, with a proxy before either service.
struct World {
    stage: Stage,
    other: Option<Serving>,
    broker: Proxy,
    postgres: Proxy,
}

impl World {
    async fn begin() -> Self {
        let mut stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
        let broker = Proxy::before(stage.amqp_port()).await;
        let postgres = Proxy::before(stage.postgres_port().expect("Postgres")).await;
        stage.go_through(broker.address.port(), Some(postgres.address.port()));
        stage.serve();
        stage.until_ready().await;
        invite(&stage).await;
        let other = Some(stage.another_process("other"));
        Self { stage, other, broker, postgres }
    }

    async fn suffer(&mut self, fault: Fault, rng: &mut StdRng) {
        // Short of the heartbeat's patience or well beyond a retry's: either may happen.
        let spell = Duration::from_millis(rng.random_range(50..1500));
        match fault {
            Fault::KillPurser => {
                self.stage.serving.take().expect("it serves").kill();
                self.stage.serve();
            }
            Fault::KillTheOther => {
                self.other.take().expect("it serves").kill();
                self.other = Some(self.stage.another_process("other"));
            }
            Fault::Broker(weather) => during(&self.broker, weather, spell).await,
            Fault::Postgres(weather) => during(&self.postgres, weather, spell).await,
            Fault::CloseConnections => {
                self.stage.vhost.close_connections_of_purser().await;
            }
            Fault::TerminateBackends => {
                self.stage.postgres.as_ref().expect("a database").terminate_backends().await;
            }
        }
    }
}

async fn during(proxy: &Proxy, weather: Weather, spell: Duration) {
    proxy.set(weather);
    crate::patience::delay(spell).await;
    proxy.set(Weather::Fair);
}

/// One history: rounds are played, faults happen, and in the end everything adds up.
async fn play_through(seed: u64) {
    let mut rng = rng(seed);
    let mut world = World::begin().await;
    let play = Play::begin(&world.stage, Plan::new(ORDERS, &mut rng)).await;
    let share = play.len() / (FAULTS + 1);
    for number in 0..FAULTS {
        play.until_answered(number * share + rng.random_range(1..share)).await;
        let fault = draw(&mut rng);
        eprintln!("seed {seed}, fault {number}: {fault:?}");
        world.suffer(fault, &mut rng).await;
    }
    until("purser is ready again", async || world.stage.is_ready().await).await;
    play.finish(&world.stage).await;
    world.stage.audit().await;
    assert!(world.stage.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_every_event_is_answered_once_and_for_all() {
    let seconds = std::env::var(SECONDS).ok().map_or(0, |text| text.parse().expect("seconds"));
    let (start, mut seed) = (Instant::now(), seed());
    loop {
        play_through(seed).await;
        if start.elapsed() >= Duration::from_secs(seconds) {
            return;
        }
        seed = seed.wrapping_add(1);
    }
}
