//! How often passwords may be tried: by login, and by everybody together. In memory, so each process counts for
//! itself; time is an argument.

use std::collections::HashMap;

use crate::ledger::command::Timestamp;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Tries in a row that nobody has to wait for: people mistype.
const FREE_TRIES: u32 = 5;

/// The same for programs: several may sign in side by side, and those under way count as failed. Their passwords are
/// not words that so few tries could find.
pub const FREE_TRIES_OF_PROGRAMS: u32 = 200;

/// The wait after the last free try; each further one doubles it.
const FIRST_WAIT: i64 = 10 * MICROS_PER_SECOND;

/// The longest wait: nobody can lock a player out for much longer than it takes to ask for help.
const MAX_WAIT: i64 = 15 * 60 * MICROS_PER_SECOND;

/// After this long without a try, a login starts afresh.
const FORGOTTEN_AFTER: i64 = 60 * 60 * MICROS_PER_SECOND;

const MINUTE: i64 = 60 * MICROS_PER_SECOND;

/// Failed tries of all logins together in a minute: one password tried on many logins is slow, too, and the hashing
/// takes no more than a part of one processor. It also bounds the memory: the forgotten are swept out every minute.
const TRIES_PER_MINUTE: u32 = 600;

/// Seconds after which to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub i64);

/// Counts tries.
#[derive(Debug)]
pub struct Throttle {
    free_tries: u32,
    logins: HashMap<Box<str>, Tries>,
    minute: Timestamp,
    in_minute: u32,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    last: Timestamp,
}

impl Tries {
    /// Until when the next try has to wait.
    fn until(self, free_tries: u32) -> i64 {
        let Some(beyond) = self.count.checked_sub(free_tries) else { return self.last.0 };
        let wait = FIRST_WAIT.saturating_mul(1_i64.checked_shl(beyond.min(32)).unwrap_or(i64::MAX));
        self.last.0.saturating_add(wait.min(MAX_WAIT))
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::with_free_tries(FREE_TRIES)
    }
}

impl Throttle {
    pub fn with_free_tries(free_tries: u32) -> Self {
        Self { free_tries, logins: HashMap::new(), minute: Timestamp(i64::MIN), in_minute: 0 }
    }

    /// Lets a try in, or not. It counts as failed until [`Self::succeeded`], so that tries at once are counted, too.
    pub fn admit(&mut self, login: &str, at: Timestamp) -> Result<(), Wait> {
        self.sweep(at);
        if self.in_minute >= TRIES_PER_MINUTE {
            return Err(wait_from(at, self.minute.0.saturating_add(MINUTE)));
        }
        let tries = self.logins.entry(login.into()).or_insert(Tries { count: 0, last: at });
        let until = tries.until(self.free_tries);
        if until > at.0 {
            return Err(wait_from(at, until));
        }
        *tries = Tries { count: tries.count.saturating_add(1), last: at };
        self.in_minute = self.in_minute.saturating_add(1);
        Ok(())
    }

    /// The last try of this login was good: it starts afresh.
    pub fn succeeded(&mut self, login: &str) {
        self.logins.remove(login);
        self.in_minute = self.in_minute.saturating_sub(1);
    }

    fn sweep(&mut self, at: Timestamp) {
        if at.0.saturating_sub(self.minute.0) >= MINUTE {
            self.minute = at;
            self.in_minute = 0;
            self.logins.retain(|_, tries| at.0.saturating_sub(tries.last.0) < FORGOTTEN_AFTER);
        }
    }
}

fn wait_from(at: Timestamp, until: i64) -> Wait {
    let micros = until.saturating_sub(at.0).max(1);
    Wait(micros.saturating_add(MICROS_PER_SECOND - 1) / MICROS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp(second * MICROS_PER_SECOND)
    }

    #[test]
    fn the_sixth_try_in_a_row_waits_and_each_further_one_twice_as_long() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE_TRIES {
            assert_eq!(throttle.admit("alice", second(0)), Ok(()));
        }
        let mut now = 0;
        for wait in [10, 20, 40, 80, 160, 320, 640, 900, 900] {
            assert_eq!(throttle.admit("alice", second(now)), Err(Wait(wait)), "at {now}");
            assert_eq!(throttle.admit("alice", second(now + wait - 1)), Err(Wait(1)), "asking does not lengthen it");
            now += wait;
            assert_eq!(throttle.admit("alice", second(now)), Ok(()), "at {now}");
        }
        assert_eq!(throttle.admit("bob", second(now)), Ok(()), "each login for itself");
    }

    #[test]
    fn success_and_a_long_silence_start_afresh() {
        let mut throttle = Throttle::default();
        for login in ["alice", "bob"] {
            for _ in 0..FREE_TRIES {
                assert_eq!(throttle.admit(login, second(0)), Ok(()));
            }
        }
        throttle.succeeded("alice");
        assert_eq!(throttle.admit("alice", second(1)), Ok(()));
        assert_eq!(throttle.admit("bob", second(1)), Err(Wait(9)));
        assert_eq!(throttle.admit("bob", second(3601)), Ok(()));
        assert_eq!(throttle.logins.len(), 1, "alice is forgotten");
    }

    #[test]
    fn everybody_together_waits_for_the_next_minute() {
        let mut throttle = Throttle::default();
        for number in 0..TRIES_PER_MINUTE {
            assert_eq!(throttle.admit(&format!("player {number}"), second(100)), Ok(()));
        }
        assert_eq!(throttle.admit("alice", second(101)), Err(Wait(59)));
        throttle.succeeded("player 7");
        assert_eq!(throttle.admit("alice", second(101)), Ok(()), "who knew the password takes nobody's place");
        assert_eq!(throttle.admit("bob", second(102)), Err(Wait(58)));
        assert_eq!(throttle.admit("bob", second(160)), Ok(()));
    }
}
