//! What goes wrong in a history, how often, and until when.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// What may happen to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// Another writer was faster.
    Conflict,
    /// The database ended it for another's sake.
    Contention,
    /// The database was gone before it wrote.
    AwayBefore,
    /// It wrote, and was gone before it said so.
    AwayAfter,
    /// It was gone, and writes a little later.
    InFlight,
}

impl Mishap {
    pub const ALL: [Self; 5] = [Self::Conflict, Self::Contention, Self::AwayBefore, Self::AwayAfter, Self::InFlight];
}

/// Chances are between 0 and 1.
#[derive(Debug)]
pub struct Weather {
    /// One way or one statement, at most.
    pub latency_ms: u64,
    pub slow: f64,
    pub load_away: f64,
    /// In the order of [`Mishap::ALL`].
    pub commit: [f64; 5],
    /// When nobody reaches the database: from, until.
    pub outages: Vec<(Duration, Duration)>,
    /// From then on nothing goes wrong any more, so that every history comes to its end.
    pub fair_from: Duration,
}

impl Weather {
    /// Of ten histories two are in fair weather; in others each trouble is absent, rare or frequent by itself.
    pub fn draw(rng: &mut StdRng, fair_from: Duration) -> Self {
        let fair = rng.random_bool(0.2);
        let chance = |rng: &mut StdRng, most: f64| match rng.random_range(0..3) {
            _ if fair => 0.0,
            0 => 0.0,
            1 => most / 5.0,
            _ => most,
        };
        let slow = chance(rng, 0.04);
        let load_away = chance(rng, 0.15);
        let commit = [chance(rng, 0.5), chance(rng, 0.3), chance(rng, 0.15), chance(rng, 0.15), chance(rng, 0.15)];
        let mut outages = Vec::new();
        for _ in 0..if fair { 0 } else { rng.random_range(0..3) } {
            let from = rng.random_range(0..fair_from.as_millis() as u64);
            let length = rng.random_range(10..4000);
            outages.push((Duration::from_millis(from), Duration::from_millis(from + length).min(fair_from)));
        }
        Self { latency_ms: rng.random_range(0..20), slow, load_away, commit, outages, fair_from }
    }

    pub fn is_away(&self, now: Duration) -> bool {
        self.outages.iter().any(|(from, until)| (*from..*until).contains(&now))
    }
}
