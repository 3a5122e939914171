//! Three Pursers on one Postgres and the same queues, taking over from each other: killed, drained, and stopped in the
//! middle of whatever they did for so long that everybody else has given them up.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::play::{Plan, Play, invite, rng, seed};
use super::process::Serving;
use super::services::Addresses;
use super::stage::{ACME, Base, Stage};
use crate::patience::{delay, until};

/// The broker gives a silent peer up after two or three seconds of this.
const HEARTBEAT: &str = "?heartbeat=1";

/// Long enough for the broker to hand the frozen one's messages to others.
const FROZEN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
enum End {
    Kill,
    Drain,
    Freeze(Duration),
}

/// Purser processes side by side, each with a configuration of its own.
struct Crew {
    stage: Stage,
    others: [Option<Serving>; 2],
}

const OTHERS: [&str; 2] = ["second", "third"];

impl Crew {
    async fn open() -> Self {
        let mut stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
        stage.add_to_amqp_url(HEARTBEAT);
        stage.serve();
        stage.until_ready().await;
        invite(&stage).await;
        let others = OTHERS.map(|name| Some(stage.another_process(name)));
        Self { stage, others }
    }

    /// The process of this number.
    fn member(&mut self, number: usize) -> &mut Option<Serving> {
        match number {
            0 => &mut self.stage.serving,
            _ => &mut self.others[number - 1],
        }
    }

    fn start(&mut self, number: usize) {
        match number {
            0 => self.stage.serve(),
            _ => self.others[number - 1] = Some(self.stage.another_process(OTHERS[number - 1])),
        }
    }

    async fn suffer(&mut self, number: usize, end: End) {
        match end {
            End::Kill => {
                self.member(number).take().expect("it serves").kill();
                self.start(number);
            }
            End::Drain => {
                let ended = self.member(number).take().expect("it serves").terminate().await;
                assert_eq!(ended.code(), Some(0), "process {number}");
                self.start(number);
            }
            End::Freeze(spell) => {
                let frozen = self.member(number).as_ref().expect("it serves");
                frozen.signal("STOP");
                delay(spell).await;
                frozen.signal("CONT");
            }
        }
    }

    /// All of them, and none has ended by itself.
    fn are_alive(&mut self) -> bool {
        (0..=OTHERS.len()).all(|number| self.member(number).as_mut().is_some_and(Serving::is_alive))
    }
}

async fn play_with(orders: u32, ends: &[End], rng: &mut StdRng) {
    let mut crew = Crew::open().await;
    let play = Play::begin(&crew.stage, Plan::new(orders, rng)).await;
    for end in ends {
        play.until_answered(play.answered() + rng.random_range(50..150)).await;
        let number = rng.random_range(0..=OTHERS.len());
        eprintln!("process {number}: {end:?}");
        crew.suffer(number, *end).await;
    }
    until("purser is ready", async || crew.stage.is_ready().await).await;
    play.finish(&crew.stage).await;
    assert!(crew.are_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_take_over_from_each_other() {
    let mut rng = rng(seed());
    let mut ends = vec![End::Freeze(FROZEN), End::Freeze(FROZEN)];
    for _ in 0..6 {
        ends.insert(rng.random_range(0..=ends.len()), if rng.random_bool(0.5) { End::Kill } else { End::Drain });
    }
    play_with(2500, &ends, &mut rng).await;
}
