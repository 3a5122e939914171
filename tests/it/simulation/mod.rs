//! The sequencer in a thousand small worlds: one thread, a clock of their own, and a seed from which everything follows.
//!
//! A [`world`] has a database that goes wrong on cue ([`store`], [`books`], [`weather`]), a [`broker`], and processes
//! ([`process`], which survey the queue of bets as [`peers`] do) with real lanes between the two, which crash and take over from each other. A [`plan`] says what is
//! asked; the [`judge`] looks at every answer as it is given, and at everything when it is over.
//!
//! `PURSER_SIMULATION_SEED` repeats one history and tells it; `PURSER_SIMULATION_SECONDS` goes on for so long.

mod world;
mod fault_plan;
mod plan;
mod books;
mod store;
mod broker;
mod peers;
mod process;
mod judge;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Histories in one run, unless the environment says otherwise.
const HISTORIES: u64 = 1000;

/// What a thousand histories must have come upon, since properties hold of nothing if nothing happens.
const SIGHTS: [&str; 22] = [
    "away at load",
    "away before the commit",
    "away after the commit",
    "away during the commit",
    "conflict",
    "conflict by itself",
    "contention",
    "rejected",
    "slow",
    "poison",
    "crashed with unacked",
    "drained",
    "clock set",
    "repeated",
    "gave up",
    "tombstone",
    "bet after its tombstone",
    "paid after a wait",
    "paid long after the grace",
    "surveyed",
    "a survey failed",
    "given back at a drain",
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// Runs one history; returns what it came upon.
fn check(seed: u64) -> BTreeMap<&'static str, u64> {
    let told = world::run(seed, false);
    if !told.findings.is_empty() {
        tell(seed);
        panic!("PURSER_SIMULATION_SEED={seed} finds {:#?}", told.findings);
    }
    told.seen
}

fn tell(seed: u64) {
    for line in world::run(seed, true).lines {
        println!("{line}");
    }
}

#[test]
fn a_thousand_histories_end_well() {
    if let Some(seed) = number("PURSER_SIMULATION_SEED") {
        tell(seed);
        check(seed);
        return;
    }
    let (start, mut seen) = (Instant::now(), BTreeMap::new());
    let length = number("PURSER_SIMULATION_SECONDS").map(Duration::from_secs);
    // The same every time, unless there is time for others.
    let first = if length.is_some() { u64::from(rand::random::<u32>()) } else { 0 };
    let mut histories = 0;
    while length.map_or(histories < HISTORIES, |length| start.elapsed() < length) {
        for (sight, count) in check(first + histories) {
            *seen.entry(sight).or_insert(0) += count;
        }
        histories += 1;
    }
    println!("{histories} histories from seed {first} in {:.1?}: {seen:?}", start.elapsed());
    let missed: Vec<&str> = SIGHTS.into_iter().filter(|sight| !seen.contains_key(sight)).collect();
    assert!(length.is_some() || missed.is_empty(), "no history came upon {missed:?}");
}

#[test]
fn a_seed_is_a_history() {
    for seed in 0..20 {
        let [once, again] = [(); 2].map(|()| world::run(seed, true));
        let differs = once.lines.iter().zip(&again.lines).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(once.digest, again.digest, "seed {seed}");
    }
}
