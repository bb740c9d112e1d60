//! [`Guesses`]: how many wrong passwords arrived lately, by client address and by user name.
//!
//! Nobody is locked out. The numbers decide which password is checked first, which wrong password is answered 429, and what is
//! logged. A wrong password that was sent before does not count again: a fleet with an old password guesses nothing.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

use super::super::connection::network;
use crate::time::{Timestamp, millis};

/// The limit of one address (of IPv6, of one network of 64 bits).
const OF_AN_ADDRESS: Limit = Limit { burst: 10, every: Duration::from_secs(6) };
/// The limit of one user name, from all addresses.
const OF_A_NAME: Limit = Limit { burst: 30, every: Duration::from_secs(2) };
/// The limit of all together.
const OF_ALL: Limit = Limit { burst: 60, every: Duration::from_secs(1) };
/// Maximum number of addresses, and of names, that are remembered; of any more, those with the fewest guesses are forgotten.
const REMEMBERED: usize = 4096;
/// Minimum time between two log lines about one address.
const BETWEEN_LINES: Duration = Duration::from_secs(60);
/// Maximum number of log lines in that time, about all addresses.
const MOST_LINES: u32 = 20;

/// A number of guesses at once, and one more in each interval.
#[derive(Clone, Copy, Debug)]
struct Limit {
    burst: u32,
    every: Duration,
}

/// The origin of a login: the address and the user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    /// Where the connection comes from.
    pub(super) address: Option<IpAddr>,
    /// The HMAC of the user name: names of any length take the same place.
    pub(super) name: [u8; 32],
}

/// The order in which passwords are checked: the lowest rank first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// How many of the limits (of the address, of the name, of everybody) are reached.
    over: u8,
    /// How many guesses the address has made lately.
    guesses: u32,
}

impl Rank {
    #[cfg(test)]
    pub(super) fn new(over: u8, guesses: u32) -> Self {
        Self { over, guesses }
    }

    /// Whether a limit is reached.
    pub(super) fn is_over(self) -> bool {
        self.over > 0
    }

    /// The best rank of those over a limit: for a password that was sent before, which no guesser does.
    pub(super) fn of_a_return(self) -> Self {
        self.min(Self { over: 1, guesses: 0 })
    }
}

/// A guess that was counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    /// Whether the address, the name and all together had room for one more. A guess over a limit is not added to it.
    added: [bool; 3],
}

impl Charge {
    /// Whether it changed a rank.
    pub(super) fn is_counted(self) -> bool {
        self.added.contains(&true)
    }

    /// Whether the guess was within all limits.
    pub(super) fn is_within_limits(self) -> bool {
        self.added == [true; 3]
    }
}

/// A log line about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The address.
    pub(super) address: IpAddr,
    /// How many of its logins failed since the last line about it.
    pub(super) failed: u64,
}

/// How many wrong passwords arrived lately.
#[derive(Debug)]
pub(super) struct Guesses(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    addresses: Counted<Option<IpAddr>>,
    names: Counted<[u8; 32]>,
    all: Counted<()>,
    /// When the minute of these log lines began, and their number.
    lines: (Timestamp, u32),
}

impl Guesses {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Counts {
            addresses: Counted::new(OF_AN_ADDRESS),
            names: Counted::new(OF_A_NAME),
            all: Counted::new(OF_ALL),
            lines: (Timestamp::NEVER, 0),
        }))
    }

    /// Counts a guess.
    pub(super) fn count(&self, guess: &Guess, now: Timestamp) -> Charge {
        let counts = &mut *self.0.lock();
        let of_address = counts.addresses.add(key(guess.address), now);
        Charge { added: [of_address, counts.names.add(guess.name, now), counts.all.add((), now)] }
    }

    /// The ranks of guesses at this moment. Nothing is counted until this is dropped.
    pub(super) fn ranks(&self, now: Timestamp) -> impl Fn(&Guess) -> Rank {
        let counts = self.0.lock();
        move |guess| {
            let address = key(guess.address);
            let is_over = [
                counts.addresses.is_over(&address, now),
                counts.names.is_over(&guess.name, now),
                counts.all.is_over(&(), now),
            ];
            let over = is_over.into_iter().map(u8::from).sum();
            Rank { over, guesses: counts.addresses.level(&address, now) }
        }
    }

    /// Takes a counted guess back, because it was none.
    pub(super) fn forgive(&self, guess: &Guess, charge: Charge) {
        let counts = &mut *self.0.lock();
        let [of_address, of_name, of_all] = charge.added;
        if of_address {
            counts.addresses.forgive(&key(guess.address));
        }
        if of_name {
            counts.names.forgive(&guess.name);
        }
        if of_all {
            counts.all.forgive(&());
        }
    }

    /// The time until a guess of this kind is within all limits again.
    pub(super) fn retry_after(&self, guess: &Guess, now: Timestamp) -> Duration {
        let counts = self.0.lock();
        let address = counts.addresses.wait(&key(guess.address), now);
        address.max(counts.names.wait(&guess.name, now)).max(counts.all.wait(&(), now))
    }

    /// Notes that a login was wrong or refused, and returns a line if it has to be logged.
    pub(super) fn failed(&self, guess: &Guess, now: Timestamp) -> Option<Line> {
        let address = guess.address?;
        let counts = &mut *self.0.lock();
        let is_over = counts.addresses.is_over(&key(Some(address)), now);
        let debt = counts.addresses.debts.get_mut(&key(Some(address)))?;
        debt.failed += 1;
        if !is_over || now.since(debt.told) < BETWEEN_LINES {
            return None;
        }
        if now.since(counts.lines.0) >= BETWEEN_LINES {
            counts.lines = (now, 0);
        }
        if counts.lines.1 >= MOST_LINES {
            return None;
        }
        counts.lines.1 += 1;
        debt.told = now;
        Some(Line { address, failed: std::mem::take(&mut debt.failed) })
    }
}

/// An address, or the IPv6 network in which one client has all addresses.
fn key(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(network)
}

/// The guesses of one address or name, as a debt that decreases with time.
#[derive(Clone, Copy, Debug)]
struct Debt {
    paid_off: Timestamp,
    /// Failed logins since the last log line.
    failed: u64,
    told: Timestamp,
}

#[derive(Debug)]
struct Counted<K> {
    limit: Limit,
    debts: HashMap<K, Debt>,
}

impl<K: Copy + Eq + Hash> Counted<K> {
    fn new(limit: Limit) -> Self {
        Self { limit, debts: HashMap::new() }
    }

    fn owed(&self, key: &K, now: Timestamp) -> Duration {
        self.debts.get(key).map_or(Duration::ZERO, |debt| debt.paid_off.since(now))
    }

    fn level(&self, key: &K, now: Timestamp) -> u32 {
        let level = self.owed(key, now).as_millis().div_ceil(self.limit.every.as_millis());
        u32::try_from(level).unwrap_or(u32::MAX)
    }

    fn is_over(&self, key: &K, now: Timestamp) -> bool {
        self.level(key, now) >= self.limit.burst
    }

    fn wait(&self, key: &K, now: Timestamp) -> Duration {
        self.owed(key, now).saturating_sub(self.limit.every * (self.limit.burst - 1))
    }

    /// Adds one, unless the limit is reached: so a client that stops guessing is soon within it again.
    fn add(&mut self, key: K, now: Timestamp) -> bool {
        if self.is_over(&key, now) {
            return false;
        }
        self.make_room(&key, now);
        let nothing = Debt { paid_off: now, failed: 0, told: Timestamp::NEVER };
        let debt = self.debts.entry(key).or_insert(nothing);
        debt.paid_off = debt.paid_off.max(now) + self.limit.every;
        true
    }

    fn forgive(&mut self, key: &K) {
        if let Some(debt) = self.debts.get_mut(key) {
            debt.paid_off = debt.paid_off - self.limit.every;
        }
    }

    fn make_room(&mut self, key: &K, now: Timestamp) {
        if self.debts.len() < REMEMBERED || self.debts.contains_key(key) {
            return;
        }
        self.debts.retain(|_, debt| debt.paid_off > now);
        let least = |a: &(&K, &Debt), b: &(&K, &Debt)| -> Ordering { a.1.paid_off.cmp(&b.1.paid_off) };
        if self.debts.len() >= REMEMBERED
            && let Some(least) = self.debts.iter().min_by(least).map(|(key, _)| *key)
        {
            self.debts.remove(&least);
        }
    }
}

/// Whole seconds, rounded up, at least one: for `Retry-After`.
pub(super) fn whole_seconds(wait: Duration) -> i64 {
    (millis(wait) + 999).div_euclid(1000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(address: [u8; 4], name: u8) -> Guess {
        Guess { address: Some(IpAddr::from(address)), name: [name; 32] }
    }

    const START: Timestamp = Timestamp(1_000_000);

    #[test]
    fn an_address_has_ten_guesses_and_one_more_every_six_seconds() {
        let guesses = Guesses::new();
        let one = guess([10, 0, 0, 1], 1);
        let over: Vec<bool> = (0..12).map(|_| !guesses.count(&one, START).is_within_limits()).collect();
        assert_eq!(over, [[false; 10].as_slice(), &[true; 2]].concat());
        assert_eq!(whole_seconds(guesses.retry_after(&one, START)), 6);
        assert!(guesses.count(&guess([10, 0, 0, 2], 1), START).is_within_limits(), "another address");
        let later = START + OF_AN_ADDRESS.every;
        assert_eq!(guesses.retry_after(&one, later), Duration::ZERO);
        let charges = [guesses.count(&one, later), guesses.count(&one, later)];
        assert_eq!(charges.map(Charge::is_within_limits), [true, false]);
    }

    #[test]
    fn a_name_has_thirty_guesses_from_however_many_addresses() {
        let guesses = Guesses::new();
        let over: Vec<bool> =
            (0..32).map(|place| !guesses.count(&guess([10, 0, 0, place], 1), START).is_within_limits()).collect();
        assert_eq!(over, [[false; 30].as_slice(), &[true; 2]].concat());
        let other = guesses.count(&guess([10, 0, 1, 1], 2), START);
        assert!(other.is_within_limits(), "another name from another address");
    }

    #[test]
    fn a_guess_that_was_none_is_taken_back() {
        let guesses = Guesses::new();
        let one = guess([10, 0, 0, 1], 1);
        for _ in 0..100 {
            let charge = guesses.count(&one, START);
            assert_eq!(guesses.ranks(START)(&one), Rank::new(0, 1));
            guesses.forgive(&one, charge);
        }
        let charges: Vec<_> = (0..50).map(|_| guesses.count(&one, START)).collect();
        charges[1..].iter().for_each(|charge| guesses.forgive(&one, *charge));
        assert_eq!(guesses.ranks(START)(&one), Rank::new(0, 1), "no more than was added");
    }

    #[test]
    fn one_network_of_ipv6_is_one_client() {
        let address = |text: &str| Some(text.parse().unwrap());
        assert_eq!(key(address("2001:db8::1")), key(address("2001:db8::ffff:0:0:1")));
        assert_ne!(key(address("2001:db8::1")), key(address("2001:db8:0:1::1")));
        assert_eq!(key(address("::ffff:10.0.0.1")), key(address("10.0.0.1")));
        assert_ne!(key(address("10.0.0.1")), key(address("10.0.0.2")));
    }

    #[test]
    fn failures_are_logged_once_a_minute_with_their_number() {
        let guesses = Guesses::new();
        let one = guess([10, 0, 0, 1], 1);
        let fail = |now| {
            guesses.count(&one, now);
            guesses.failed(&one, now)
        };
        let lines: Vec<Line> = (0..200).filter_map(|_| fail(START)).collect();
        assert_eq!(lines, [Line { address: IpAddr::from([10, 0, 0, 1]), failed: 10 }]);
        assert_eq!(fail(START + BETWEEN_LINES - Duration::from_millis(1)), None);
        let again = START + BETWEEN_LINES;
        let lines: Vec<Line> = (0..200).filter_map(|_| fail(again)).collect();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].failed >= 191, "{lines:?}");
    }

    #[test]
    fn many_addresses_tell_the_log_little_and_take_little_memory() {
        let guesses = Guesses::new();
        let mut lines = 0;
        for place in 0..4200_u32 {
            let guess = Guess { address: Some(IpAddr::from(place.to_be_bytes())), name: [0; 32] };
            for _ in 0..OF_AN_ADDRESS.burst + 1 {
                guesses.count(&guess, START);
                lines += u32::from(guesses.failed(&guess, START).is_some());
            }
        }
        assert_eq!(lines, MOST_LINES);
        assert_eq!(guesses.0.lock().addresses.debts.len(), REMEMBERED);
    }

    #[test]
    fn the_address_with_the_most_guesses_is_forgotten_last() {
        let mut counted = Counted::new(OF_A_NAME);
        assert!((0..10).all(|_| counted.add(u32::MAX, START)));
        assert!((0..4200).all(|name| counted.add(name, START)));
        assert_eq!(counted.level(&u32::MAX, START), 10);
        assert_eq!(counted.debts.len(), REMEMBERED);
    }
}
