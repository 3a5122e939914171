//! What to do next when a store's work has failed: the one place that says how often it is tried again, and after which error.
//!
//! | | outage | contention | conflict | rejected | party moved |
//! |---|---|---|---|---|---|
//! | a lane's batch | wait | again, both together | ← | give up | without them |
//! | a lane's command | wait | again, then wait | again | again, a few times | without them |
//! | commands without a lane | give up | again, both together | ← | give up | give up |
//! | a barrier | again, all three together | ← | ← | give up | give up |
//! | a schema | wait | give up | give up | give up | give up |
//!
//! Nothing here waits: pauses are the caller's. Whoever asks again whatever the error is (balances, the index of histories)
//! has nothing to decide, and no budget.

use super::StoreError;
use crate::ledger::Party;

/// How often work is tried again because others were in its way.
const MOST_ENCOUNTERS: u32 = 10;

/// How often a single command is refused before it is called the culprit.
const CULPRIT_TRIES: u32 = 3;

/// How often a writer that hangs is waited for.
const BARRIER_TRIES: u32 = 10;

/// Whose work it is, and so how much it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetriedWork {
    /// A batch of a lane's; given up, its commands are tried by themselves.
    LaneBatch,
    /// A command of a batch that was given up; given up itself, it is the culprit.
    LaneCommand,
    /// Commands whose asker would rather hear of an outage than wait.
    WithoutLane,
    /// Waiting for the batches that have begun, and only so long at a time.
    Barrier,
    /// Bringing a schema up to date before it is served.
    Schema,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextTry<'error> {
    /// The same again.
    Again,
    /// The same again, when the database may be there.
    Wait,
    /// The same without what is of these parties.
    Without(&'error [Party]),
    GiveUp,
}

/// What one piece of work has met so far.
#[derive(Debug)]
pub struct RetryBudget {
    work: RetriedWork,
    outages: u32,
    contentions: u32,
    conflicts: u32,
    rejections: u32,
}

impl RetryBudget {
    pub fn new(work: RetriedWork) -> Self {
        Self { work, outages: 0, contentions: 0, conflicts: 0, rejections: 0 }
    }

    /// What to do after this error, and those before it.
    pub fn after<'error>(&mut self, error: &'error StoreError) -> NextTry<'error> {
        use RetriedWork::{Barrier, LaneBatch, LaneCommand, Schema, WithoutLane};
        use StoreError::{Conflict, Contention, Outage, PartyMoved, Rejected};
        self.count(error);
        let encounters = self.contentions.saturating_add(self.conflicts);
        match (self.work, error) {
            (LaneBatch | LaneCommand, PartyMoved(parties)) => NextTry::Without(parties),
            (LaneBatch | LaneCommand | Schema, Outage(_)) => NextTry::Wait,
            (LaneBatch | WithoutLane, Contention(_) | Conflict(_)) => again_if(encounters <= MOST_ENCOUNTERS),
            // Contention never is the command's own fault, however often it is met.
            (LaneCommand, Contention(_)) if self.contentions > MOST_ENCOUNTERS => NextTry::Wait,
            (LaneCommand, Contention(_)) => NextTry::Again,
            // The next try sees what the other writer wrote, so only a conflict that is met again and again is.
            (LaneCommand, Conflict(_)) => again_if(self.conflicts <= MOST_ENCOUNTERS),
            (LaneCommand, Rejected(_)) => again_if(self.rejections < CULPRIT_TRIES),
            (Barrier, Outage(_) | Contention(_) | Conflict(_)) => {
                again_if(self.outages.saturating_add(encounters) < BARRIER_TRIES)
            }
            (LaneBatch, Rejected(_))
            | (WithoutLane, Outage(_) | Rejected(_) | PartyMoved(_))
            | (Barrier, Rejected(_) | PartyMoved(_))
            | (Schema, Contention(_) | Conflict(_) | Rejected(_) | PartyMoved(_)) => NextTry::GiveUp,
        }
    }

    fn count(&mut self, error: &StoreError) {
        let met = match error {
            StoreError::Outage(_) => &mut self.outages,
            StoreError::Contention(_) => &mut self.contentions,
            StoreError::Conflict(_) => &mut self.conflicts,
            StoreError::Rejected(_) => &mut self.rejections,
            StoreError::PartyMoved(_) => return,
        };
        // A database may be away for ever.
        *met = met.saturating_add(1);
    }
}

fn again_if(is_within: bool) -> NextTry<'static> {
    if is_within { NextTry::Again } else { NextTry::GiveUp }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error a letter, and what each is followed by: `o`utage, c`o`ntention (`t`), con`f`lict, `r`ejected, party `m`oved;
    /// `a`gain, `w`ait, without (`-`), give up (`!`).
    const RUNS: &[(RetriedWork, &str, &str)] = &[
        (RetriedWork::LaneBatch, "oooooooooooooooooooooooo", "wwwwwwwwwwwwwwwwwwwwwwww"),
        (RetriedWork::LaneBatch, "fffffffffff", "aaaaaaaaaa!"),
        (RetriedWork::LaneBatch, "ttttttttttt", "aaaaaaaaaa!"),
        (RetriedWork::LaneBatch, "tftftftftft", "aaaaaaaaaa!"),
        (RetriedWork::LaneBatch, "ffoffmffofftft", "aawaa-aawaaaa!"),
        (RetriedWork::LaneBatch, "r", "!"),
        (RetriedWork::LaneCommand, "oooooooooooooooooooooooo", "wwwwwwwwwwwwwwwwwwwwwwww"),
        (RetriedWork::LaneCommand, "fffffffffff", "aaaaaaaaaa!"),
        (RetriedWork::LaneCommand, "ttttttttttttt", "aaaaaaaaaawww"),
        (RetriedWork::LaneCommand, "ttttttttttffffffffffrrtfr", "aaaaaaaaaaaaaaaaaaaaaaw!!"),
        (RetriedWork::LaneCommand, "rorfr", "awaa!"),
        (RetriedWork::LaneCommand, "m", "-"),
        (RetriedWork::WithoutLane, "tftftftftft", "aaaaaaaaaa!"),
        (RetriedWork::WithoutLane, "o", "!"),
        (RetriedWork::WithoutLane, "r", "!"),
        (RetriedWork::WithoutLane, "m", "!"),
        (RetriedWork::Barrier, "oftoftofto", "aaaaaaaaa!"),
        (RetriedWork::Barrier, "r", "!"),
        (RetriedWork::Barrier, "m", "!"),
        (RetriedWork::Schema, "oooooooooooo", "wwwwwwwwwwww"),
        (RetriedWork::Schema, "t", "!"),
        (RetriedWork::Schema, "f", "!"),
        (RetriedWork::Schema, "r", "!"),
        (RetriedWork::Schema, "m", "!"),
    ];

    fn error(letter: char) -> StoreError {
        let why = "on cue".to_owned();
        match letter {
            'o' => StoreError::Outage(why),
            't' => StoreError::Contention(why),
            'f' => StoreError::Conflict(why),
            'r' => StoreError::Rejected(why),
            'm' => StoreError::PartyMoved(vec![Party::parse("acme").expect("a party")]),
            other => panic!("no error is called {other}"),
        }
    }

    #[test]
    fn work_is_tried_again_for_as_long_as_it_may_help() {
        for (work, errors, ought) in RUNS {
            let mut budget = RetryBudget::new(*work);
            let next = errors.chars().map(|letter| match budget.after(&error(letter)) {
                NextTry::Again => 'a',
                NextTry::Wait => 'w',
                NextTry::Without(parties) if parties.len() == 1 => '-',
                NextTry::Without(parties) => panic!("without {parties:?}"),
                NextTry::GiveUp => '!',
            });
            assert_eq!(next.collect::<String>(), *ought, "{work:?}: {errors}");
        }
    }

    #[test]
    fn an_outage_is_waited_out_however_long_it_takes() {
        let mut budget = RetryBudget { outages: u32::MAX, ..RetryBudget::new(RetriedWork::LaneBatch) };
        assert_eq!(budget.after(&error('o')), NextTry::Wait);
    }
}
