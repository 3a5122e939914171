//! Three Purser processes on one Postgres and the same queues, and how one of them may end for a while.

use std::time::Duration;

use super::process::Serving;
use super::stage::Stage;
use crate::patience::{delay, until};

/// Seconds between heartbeats: a silent peer is given up by the broker after two or three of these.
const HEARTBEAT: &str = "?heartbeat=1";

/// The processes beside the stage's own.
const OTHERS: [&str; 2] = ["second", "third"];

/// How many there are.
pub const MEMBERS: usize = 1 + OTHERS.len();

/// The broker's and Postgres's port that a process is told.
pub type Ports = (u16, u16);

#[derive(Debug, Clone, Copy)]
pub enum End {
    /// SIGKILL, and another one at once.
    Kill,
    /// SIGTERM: what was taken is still answered.
    Drain,
    /// Stopped in the middle of whatever it does, and continued when others have taken over.
    Freeze(Duration),
}

/// Processes side by side, each with a configuration of its own.
pub struct Crew {
    pub stage: Stage,
    others: [Option<Serving>; 2],
    /// By which ports the first reaches the services, and by which the others.
    ways: Option<(Ports, Ports)>,
}

impl Crew {
    /// Starts them on a stage that serves nobody yet. Returns when the first is ready.
    pub async fn start(mut stage: Stage, ways: Option<(Ports, Ports)>) -> Self {
        stage.add_to_amqp_url(HEARTBEAT);
        let mut crew = Self { stage, others: [None, None], ways };
        (0..MEMBERS).rev().for_each(|number| crew.begin(number));
        crew.stage.until_ready().await;
        crew
    }

    /// The process of this number.
    fn member(&mut self, number: usize) -> &mut Option<Serving> {
        match number {
            0 => &mut self.stage.serving,
            _ => &mut self.others[number - 1],
        }
    }

    pub fn kill(&mut self, number: usize) {
        self.member(number).take().expect("it serves").kill();
    }

    pub fn begin(&mut self, number: usize) {
        if let Some((first, others)) = self.ways {
            let (amqp, postgres) = if number == 0 { first } else { others };
            self.stage.go_through(amqp, Some(postgres));
        }
        match number {
            0 => self.stage.serve(),
            _ => self.others[number - 1] = Some(self.stage.another_process(OTHERS[number - 1])),
        }
    }

    /// Lets one of them end, and begin or go on again.
    pub async fn suffer(&mut self, number: usize, end: End) {
        match end {
            End::Kill => {
                self.kill(number);
                self.begin(number);
            }
            End::Drain => {
                let member = self.member(number).take().expect("it serves");
                until("it serves", async || member.serves()).await;
                let ended = member.terminate().await;
                assert_eq!(ended.code(), Some(0), "process {number}");
                self.begin(number);
            }
            End::Freeze(spell) => {
                let frozen = self.member(number).as_ref().expect("it serves");
                frozen.signal("STOP");
                delay(spell).await;
                frozen.signal("CONT");
            }
        }
    }

    /// Makes sure that all of them live and that the first is ready.
    pub async fn is_well(&mut self) {
        for number in 0..MEMBERS {
            assert!(self.member(number).as_mut().is_some_and(Serving::is_alive), "process {number} has ended");
        }
        until("purser is ready", async || self.stage.is_ready().await).await;
    }
}
