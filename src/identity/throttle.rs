//! How often passwords may be tried: by address and login together, by address, and by login. So whoever guesses locks
//! out nobody but himself. In memory, so each process counts for itself; time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};

use crate::ledger::command::Timestamp;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// How often whoever may try.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleLimits {
    /// Tries in a row of one login from one address that nobody has to wait for.
    pub free_tries: u32,
    /// Failed tries from one address in a minute, whatever the logins: names that are made up cost their hashing, too.
    pub address_per_minute: u32,
    /// Failed tries of one login in an hour, whatever the addresses: far more than one address has in that time, so that
    /// it takes many to get there. Whoever has signed in before from where he is does not wait for them.
    pub login_per_hour: u32,
}

/// People mistype, and some share an address.
pub const PEOPLE: ThrottleLimits = ThrottleLimits { free_tries: 5, address_per_minute: 60, login_per_hour: 100 };

/// Programs may sign in side by side, and those under way count as failed. Their passwords are not words that so few
/// tries could find.
pub const PROGRAMS: ThrottleLimits = ThrottleLimits { free_tries: 200, address_per_minute: 300, login_per_hour: 2_000 };

/// The wait after the last free try; each further one doubles it.
const FIRST_WAIT: i64 = 10 * MICROS_PER_SECOND;

/// The longest wait: nobody is locked out for much longer than it takes to ask for help.
const MAX_WAIT: i64 = 15 * 60 * MICROS_PER_SECOND;

/// After this long without a try, a login starts afresh.
const FORGOTTEN_AFTER: i64 = HOUR;

const MINUTE: i64 = 60 * MICROS_PER_SECOND;
const HOUR: i64 = 60 * MINUTE;

/// For how long it is remembered from where a login has signed in.
const KNOWN_FOR: i64 = 30 * 24 * HOUR;

/// Entries of each kind: some megabytes in all. Beyond them the one that was used longest ago is forgotten.
const MAX_ENTRIES: usize = 10_000;

/// Bits of an IPv6 address that tell one subscriber from another.
const SUBSCRIBER_BITS: u32 = 64;

/// Seconds after which to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(pub i64);

/// On what strength a password is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// From this address, by whomever.
    Stranger(IpAddr),
    /// By whoever is signed in with this login already, from wherever.
    SignedIn,
}

/// Counts tries.
#[derive(Debug)]
pub struct Throttle {
    limits: ThrottleLimits,
    /// By login and address.
    pairs: Counts,
    addresses: Counts,
    logins: Counts,
    /// Logins with the addresses that they have signed in from.
    known: Counts,
}

/// A digest of what is counted: as long for a name of a thousand characters as for any other.
type Key = [u8; 16];

#[derive(Debug, Clone, Copy)]
struct Count {
    tries: u32,
    first: Timestamp,
    last: Timestamp,
}

impl Throttle {
    pub fn new(limits: ThrottleLimits) -> Self {
        let counts = Counts::default;
        Self { limits, pairs: counts(), addresses: counts(), logins: counts(), known: counts() }
    }

    /// Lets a try in, or not. It counts as failed until [`Self::succeeded`], so that tries at once are counted, too.
    pub fn admit(&mut self, login: &str, standing: Standing, at: Timestamp) -> Result<(), RetryAfter> {
        let keys = Keys::of(login, standing);
        let pair = self.pairs.idle_for(&keys.pair, at, FORGOTTEN_AFTER);
        if let Some(until) = pair.map(|pair| self.until(pair)).filter(|until| *until > at.0) {
            return Err(wait_from(at, until));
        }
        let others = keys.address.filter(|_| self.known.idle_for(&keys.pair, at, KNOWN_FOR).is_none());
        if let Some(address) = others {
            self.addresses.check(&address, at, MINUTE, self.limits.address_per_minute)?;
            self.logins.check(&keys.login, at, HOUR, self.limits.login_per_hour)?;
            self.addresses.add(address, at, MINUTE);
            self.logins.add(keys.login, at, HOUR);
        }
        if pair.is_none() {
            self.pairs.0.remove(&keys.pair);
        }
        self.pairs.add(keys.pair, at, i64::MAX);
        Ok(())
    }

    /// A try of this login was good: it starts afresh, and is known there from now on.
    pub fn succeeded(&mut self, login: &str, standing: Standing, at: Timestamp) {
        let keys = Keys::of(login, standing);
        self.pairs.0.remove(&keys.pair);
        if let Some(address) = keys.address {
            // One who is known was not counted, and gives nobody else's try back.
            if self.known.idle_for(&keys.pair, at, KNOWN_FOR).is_none() {
                self.addresses.take_back(&address);
                self.logins.take_back(&keys.login);
            }
            self.known.0.remove(&keys.pair);
            self.known.add(keys.pair, at, i64::MAX);
        }
    }

    /// Until when the next try has to wait.
    fn until(&self, pair: Count) -> i64 {
        let Some(beyond) = pair.tries.checked_sub(self.limits.free_tries) else { return pair.last.0 };
        let wait = FIRST_WAIT.saturating_mul(1_i64.checked_shl(beyond.min(32)).unwrap_or(i64::MAX));
        pair.last.0.saturating_add(wait.min(MAX_WAIT))
    }
}

/// What a try counts under.
struct Keys {
    pair: Key,
    login: Key,
    /// None: no address counts.
    address: Option<Key>,
}

impl Keys {
    fn of(login: &str, standing: Standing) -> Self {
        let by_login = key(&[b"login", login.as_bytes()]);
        match standing {
            Standing::Stranger(address) => {
                let address = subscriber(address).to_string();
                let pair = key(&[b"pair", login.as_bytes(), address.as_bytes()]);
                Self { pair, login: by_login, address: Some(key(&[b"address", address.as_bytes()])) }
            }
            Standing::SignedIn => Self { pair: key(&[b"session", login.as_bytes()]), login: by_login, address: None },
        }
    }
}

fn key(parts: &[&[u8]]) -> Key {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut key = Key::default();
    key.copy_from_slice(&hasher.finalize()[..size_of::<Key>()]);
    key
}

/// The part of an address that its owner cannot choose freely.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> SUBSCRIBER_BITS << SUBSCRIBER_BITS).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[derive(Debug, Default)]
struct Counts(HashMap<Key, Count>);

impl Counts {
    /// A count that was used within that time.
    fn idle_for(&self, key: &Key, at: Timestamp, most: i64) -> Option<Count> {
        self.0.get(key).copied().filter(|count| at.0.saturating_sub(count.last.0) < most)
    }

    /// Whether there is room for one more within the time that began with the first.
    fn check(&self, key: &Key, at: Timestamp, within: i64, most: u32) -> Result<(), RetryAfter> {
        let Some(count) = self.0.get(key) else { return Ok(()) };
        let until = count.first.0.saturating_add(within);
        if count.tries >= most && until > at.0 { Err(wait_from(at, until)) } else { Ok(()) }
    }

    fn add(&mut self, key: Key, at: Timestamp, within: i64) {
        if self.0.len() >= MAX_ENTRIES && !self.0.contains_key(&key) {
            self.make_room();
        }
        let fresh = Count { tries: 0, first: at, last: at };
        let count = self.0.entry(key).or_insert(fresh);
        if at.0.saturating_sub(count.first.0) >= within {
            *count = fresh;
        }
        *count = Count { tries: count.tries.saturating_add(1), last: at, ..*count };
    }

    fn take_back(&mut self, key: &Key) {
        if let Some(count) = self.0.get_mut(key) {
            count.tries = count.tries.saturating_sub(1);
        }
    }

    fn make_room(&mut self) {
        let oldest = self.0.iter().min_by_key(|(_, count)| count.last).map(|(key, _)| *key);
        if let Some(oldest) = oldest {
            self.0.remove(&oldest);
        }
    }
}

fn wait_from(at: Timestamp, until: i64) -> RetryAfter {
    let micros = until.saturating_sub(at.0).max(1);
    RetryAfter(micros.saturating_add(MICROS_PER_SECOND - 1) / MICROS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp(second * MICROS_PER_SECOND)
    }

    fn from(last: u8) -> Standing {
        Standing::Stranger(IpAddr::from([198, 51, 100, last]))
    }

    fn from_v6(text: &str) -> Standing {
        Standing::Stranger(text.parse().unwrap())
    }

    fn people() -> Throttle {
        Throttle::new(PEOPLE)
    }

    #[test]
    fn who_is_known_gives_nobody_elses_try_back() {
        let mut throttle = people();
        throttle.succeeded("regular", from(1), second(0));
        for name in 0..PEOPLE.address_per_minute {
            assert_eq!(throttle.admit(&format!("guess-{name}"), from(1), second(1)), Ok(()));
        }
        assert!(throttle.admit("alice", from(1), second(2)).is_err());
        assert_eq!(throttle.admit("regular", from(1), second(2)), Ok(()));
        throttle.succeeded("regular", from(1), second(2));
        assert!(throttle.admit("alice", from(1), second(2)).is_err());
    }

    #[test]
    fn the_sixth_try_in_a_row_waits_and_each_further_one_twice_as_long() {
        let mut throttle = people();
        for _ in 0..PEOPLE.free_tries {
            assert_eq!(throttle.admit("alice", from(1), second(0)), Ok(()));
        }
        let mut now = 0;
        for wait in [10, 20, 40, 80, 160, 320, 640, 900, 900] {
            assert_eq!(throttle.admit("alice", from(1), second(now)), Err(RetryAfter(wait)), "at {now}");
            let asked = throttle.admit("alice", from(1), second(now + wait - 1));
            assert_eq!(asked, Err(RetryAfter(1)), "asking does not lengthen it");
            now += wait;
            assert_eq!(throttle.admit("alice", from(1), second(now)), Ok(()), "at {now}");
        }
        assert_eq!(throttle.admit("bob", from(1), second(now)), Ok(()), "each login for itself");
        assert_eq!(throttle.admit("alice", from(2), second(now)), Ok(()), "each address for itself");
    }

    #[test]
    fn success_and_a_long_silence_start_afresh() {
        let mut throttle = people();
        for login in ["alice", "bob"] {
            for _ in 0..PEOPLE.free_tries {
                assert_eq!(throttle.admit(login, from(1), second(0)), Ok(()));
            }
        }
        throttle.succeeded("alice", from(1), second(1));
        assert_eq!(throttle.admit("alice", from(1), second(1)), Ok(()));
        assert_eq!(throttle.admit("bob", from(1), second(1)), Err(RetryAfter(9)));
        for _ in 0..PEOPLE.free_tries {
            assert_eq!(throttle.admit("bob", from(1), second(3601)), Ok(()));
        }
        assert_eq!(throttle.admit("bob", from(1), second(3601)), Err(RetryAfter(10)));
    }

    #[test]
    fn made_up_names_use_up_one_address_and_no_other() {
        let mut throttle = people();
        throttle.succeeded("regular", from(1), second(99));
        for number in 0..PEOPLE.address_per_minute {
            assert_eq!(throttle.admit(&format!("player {number}"), from(1), second(100)), Ok(()));
        }
        assert_eq!(throttle.admit("alice", from(1), second(101)), Err(RetryAfter(59)));
        assert_eq!(throttle.admit("alice", from(2), second(101)), Ok(()));
        assert_eq!(throttle.admit("regular", from(1), second(101)), Ok(()), "known there");
        throttle.succeeded("player 7", from(1), second(101));
        assert_eq!(throttle.admit("alice", from(1), second(101)), Ok(()), "who knew the password takes nobody's place");
        assert_eq!(throttle.admit("bob", from(1), second(102)), Err(RetryAfter(58)));
        assert_eq!(throttle.admit("bob", from(1), second(160)), Ok(()));
    }

    #[test]
    fn one_address_never_uses_up_a_login_and_many_do_not_where_it_is_known() {
        for limits in [PEOPLE, PROGRAMS] {
            let mut throttle = Throttle::new(limits);
            throttle.succeeded("alice", from(0), second(0));
            // As fast as it may, for an hour.
            let tried = (0..3600).filter(|now| throttle.admit("alice", from(1), second(*now)).is_ok()).count();
            assert!(tried < limits.login_per_hour as usize / 4, "{tried}");
            let mut tried = 0;
            for address in 2..u8::MAX {
                tried += (0..limits.free_tries)
                    .filter(|_| throttle.admit("alice", from(address), second(3600)).is_ok())
                    .count();
            }
            assert!(tried <= limits.login_per_hour as usize, "{tried}");
            assert!(throttle.admit("alice", from(255), second(3601)).is_err(), "from anywhere new");
            assert_eq!(throttle.admit("alice", from(0), second(3601)), Ok(()), "where alice was before");
        }
    }

    #[test]
    fn who_is_signed_in_waits_for_nobody_and_may_not_guess_either() {
        let mut throttle = people();
        for _ in 0..PEOPLE.free_tries {
            assert_eq!(throttle.admit("alice", from(1), second(0)), Ok(()));
        }
        assert!(throttle.admit("alice", from(1), second(0)).is_err());
        for _ in 0..PEOPLE.free_tries {
            assert_eq!(throttle.admit("alice", Standing::SignedIn, second(0)), Ok(()));
        }
        assert_eq!(throttle.admit("alice", Standing::SignedIn, second(0)), Err(RetryAfter(10)));
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_address() {
        let mut throttle = people();
        for number in 0..PEOPLE.free_tries {
            assert_eq!(throttle.admit("alice", from_v6(&format!("2001:db8::{number}")), second(0)), Ok(()));
        }
        assert!(throttle.admit("alice", from_v6("2001:db8::ffff"), second(0)).is_err());
        assert_eq!(throttle.admit("alice", from_v6("2001:db8:0:1::1"), second(0)), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_what_is_in_use_is_kept() {
        let mut counts = Counts::default();
        let of = |number: usize| key(&[&number.to_be_bytes()]);
        for number in 0..MAX_ENTRIES + 100 {
            let at = second(i64::try_from(number).unwrap());
            counts.add(of(usize::MAX), at, i64::MAX);
            counts.add(of(number), at, i64::MAX);
        }
        assert_eq!(counts.0.len(), MAX_ENTRIES);
        assert!(counts.0.contains_key(&of(usize::MAX)) && !counts.0.contains_key(&of(0)));
    }
}
