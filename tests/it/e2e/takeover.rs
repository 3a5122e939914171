//! Three Pursers on one Postgres and the same queues, taking over from each other: killed, drained, and stopped in the
//! middle of whatever they did for so long that everybody else has given them up.

use std::time::Duration;

use rand::RngExt;

use super::play::{Plan, Play, invite, rng, seed};
use super::processes::{Crew, End, MEMBERS};
use super::services::Addresses;
use super::stage::{ACME, Base, Stage};

/// Long enough for the broker to hand the frozen one's messages to others.
const FROZEN: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_take_over_from_each_other() {
    let mut rng = rng(seed());
    let mut ends = vec![End::Freeze(FROZEN), End::Freeze(FROZEN)];
    for _ in 0..5 {
        ends.insert(rng.random_range(0..=ends.len()), if rng.random_bool(0.5) { End::Kill } else { End::Drain });
    }
    let stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
    let mut crew = Crew::start(stage, None).await;
    invite(&crew.stage).await;
    let play = Play::begin(&crew.stage, Plan::new(2000, &mut rng)).await;
    for end in ends {
        play.until_answered(play.answered() + rng.random_range(50..150)).await;
        let number = rng.random_range(0..MEMBERS);
        eprintln!("process {number}: {end:?}");
        crew.suffer(number, end).await;
    }
    play.finish(&crew.stage).await;
    crew.is_well().await;
}
