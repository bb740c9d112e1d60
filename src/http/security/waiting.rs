//! [`Waiting`]: the passwords that wait to be hashed, and which of them is next.
//!
//! The best [`Rank`] is next, and of two equal ones the later: while more arrive than can be hashed, the first to arrive would
//! delay all others. There are few places; the oldest password with the worst rank loses its place.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::guesses::{Guess, Rank};
use super::job::{Job, Verdict};

/// Maximum places for passwords of clients within the limits.
const PLACES: usize = 64;
/// Maximum places for those over a limit. A guesser that waits does not guess again meanwhile. With fewer places, a hundred
/// connections that are refused at once would guess so often that a good login among them had no chance.
const PLACES_OVER_LIMIT: usize = 128;
/// After a hash, passwords over a limit wait this many times as long as it took, so guesses use at most a quarter of a processor.
const REST: u32 = 3;
/// But no longer than this, also where a hash takes long: a good login may be among them.
const LONGEST_REST: Duration = Duration::from_millis(250);
/// How many passwords are remembered that lost their place, by a part of their tag: a power of two.
const RETURNS: usize = 1 << 15;

/// A password that waits.
#[derive(Debug)]
pub(super) struct Entry {
    job: Arc<Job>,
    guess: Guess,
    /// Whether it had lost its place before.
    is_back: bool,
    /// Its rank as of the last arrival.
    rank: Rank,
    /// Grows with each arrival.
    arrived: u64,
    /// All requests that sent it.
    waiters: Vec<oneshot::Sender<Verdict>>,
}

impl Entry {
    /// Sends the result to all requests that wait for it.
    pub(super) fn tell(self, verdict: Verdict) {
        for waiter in self.waiters {
            // A request that was dropped needs no answer.
            let _gone = waiter.send(verdict);
        }
    }

    fn look_at(&mut self, rank: impl Fn(&Guess) -> Rank) {
        let now = rank(&self.guess);
        self.rank = if self.is_back && now.is_over() { now.of_a_return() } else { now };
    }

    fn order(&self) -> (Rank, Reverse<u64>) {
        (self.rank, Reverse(self.arrived))
    }
}

/// What the thread does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Hash this, and report it ([`Waiting::hashed`]).
    Hash(Arc<Job>),
    /// Wait this long, unless another arrives.
    Rest(Duration),
    /// Wait until one arrives.
    Nothing,
}

/// A password that was given a place.
#[derive(Debug)]
pub(super) struct Place {
    /// Its result.
    pub(super) verdict: oneshot::Receiver<Verdict>,
    /// Whether another request waits for the same already.
    pub(super) is_shared: bool,
}

impl Place {
    /// A place for a password whose result is known already.
    pub(super) fn of(known: Verdict) -> Self {
        let (waiter, verdict) = oneshot::channel();
        let _waits = waiter.send(known);
        Self { verdict, is_shared: true }
    }
}

/// The passwords that wait.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The places for passwords within the limits, and for those over one.
    places: usize,
    places_over_limit: usize,
    entries: Vec<Entry>,
    /// What is being hashed.
    current: Option<Entry>,
    arrivals: u64,
    rest_until: Option<Instant>,
    /// A part of the tags of passwords that lost their place, each at the place that another part names.
    lost: Vec<u32>,
}

impl Waiting {
    /// Each password that waits keeps one of the connections that may be `busy` at a time: together they leave a quarter of
    /// those to others.
    pub(super) fn new(busy: usize) -> Self {
        Self {
            places: PLACES.min(busy / 4).max(1),
            places_over_limit: PLACES_OVER_LIMIT.min(busy / 2).max(1),
            entries: Vec::new(),
            current: None,
            arrivals: 0,
            rest_until: None,
            lost: Vec::new(),
        }
    }

    /// Gives a password a place, and returns the one that lost its place for it, if any. `rank` gives the current ranks. A
    /// further guess makes the ranks of all waiting passwords of the same client worse, if it `is_counted`; beyond the limits it
    /// is not, and changes nothing.
    pub(super) fn enter(
        &mut self,
        job: Job,
        guess: Guess,
        is_counted: bool,
        rank: impl Fn(&Guess) -> Rank,
    ) -> (Place, Option<Entry>) {
        let (waiter, verdict) = oneshot::channel();
        self.arrivals += 1;
        let same = self.entries.iter_mut().chain(&mut self.current).find(|entry| entry.job.tag == job.tag);
        let is_shared = same.is_some();
        match same {
            Some(same) => {
                same.waiters.retain(|waiter| !waiter.is_closed());
                same.waiters.push(waiter);
                same.arrived = self.arrivals;
                if rank(&guess) < rank(&same.guess) {
                    same.guess = guess;
                }
                same.look_at(&rank);
            }
            None => {
                let is_back = self.has_lost(&job.tag);
                let (job, waiters) = (Arc::new(job), vec![waiter]);
                let mut entry = Entry { job, guess, is_back, rank: rank(&guess), arrived: self.arrivals, waiters };
                entry.look_at(&rank);
                self.entries.push(entry);
            }
        }
        self.drop_abandoned();
        if is_counted {
            self.entries.iter_mut().for_each(|entry| entry.look_at(&rank));
        }
        (Place { verdict, is_shared }, self.displace())
    }

    /// Takes the place of the worst, if there are too many.
    fn displace(&mut self) -> Option<Entry> {
        let over = self.entries.iter().filter(|entry| entry.rank.is_over()).count();
        if over <= self.places_over_limit && self.entries.len() - over <= self.places {
            return None;
        }
        let of_those = self.entries.iter().filter(|entry| entry.rank.is_over() == (over > self.places_over_limit));
        let arrived = of_those.max_by_key(|entry| entry.order())?.arrived;
        let lost = self.take(arrived)?;
        self.note_loss(&lost.job.tag);
        Some(lost)
    }

    /// What to do now.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        self.drop_abandoned();
        let Some(best) = self.entries.iter().min_by_key(|entry| entry.order()) else { return Next::Nothing };
        if best.rank.is_over()
            && let Some(rest) = self.rest_until.map(|until| until.saturating_duration_since(now))
            && !rest.is_zero()
        {
            return Next::Rest(rest);
        }
        let arrived = best.arrived;
        self.current = self.take(arrived);
        self.current.as_ref().map_or(Next::Nothing, |entry| Next::Hash(Arc::clone(&entry.job)))
    }

    /// Notes that a hash has ended and how long it took. Returns those that waited for it.
    pub(super) fn hashed(&mut self, took: Duration, now: Instant) -> Option<Entry> {
        self.rest_until = Some(now + took.saturating_mul(REST).min(LONGEST_REST));
        self.current.take()
    }

    fn take(&mut self, arrived: u64) -> Option<Entry> {
        let place = self.entries.iter().position(|entry| entry.arrived == arrived)?;
        Some(self.entries.swap_remove(place))
    }

    fn drop_abandoned(&mut self) {
        self.entries.retain(|entry| !entry.waiters.iter().all(oneshot::Sender::is_closed));
    }

    fn has_lost(&self, tag: &[u8; 32]) -> bool {
        let (place, part) = parts(tag);
        self.lost.get(place) == Some(&part)
    }

    fn note_loss(&mut self, tag: &[u8; 32]) {
        self.lost.resize(RETURNS, 0);
        let (place, part) = parts(tag);
        self.lost[place] = part;
    }
}

/// Two parts of a tag: a place, and what stands there, which is never zero.
fn parts(tag: &[u8; 32]) -> (usize, u32) {
    let [a, b, c, d, e, f, ..] = *tag;
    (usize::from(u16::from_le_bytes([a, b])) % RETURNS, u32::from_le_bytes([c, d, e, f]) | 1)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn job(number: u16) -> Job {
        let mut tag = [1; 32];
        tag[..2].copy_from_slice(&number.to_le_bytes());
        Job::of_nobody(tag)
    }

    /// Whose rank is what the last number of the address says.
    fn guess(address: u8) -> Guess {
        Guess { address: Some(IpAddr::from([10, 0, 0, address])), name: [0; 32] }
    }

    /// An address that guesses nothing has rank 0, one over its limit 100.
    fn rank(guess: &Guess) -> Rank {
        let Some(IpAddr::V4(address)) = guess.address else { panic!("an IPv4 address") };
        let guesses = address.octets()[3];
        Rank::new(guesses / 100, guesses.into())
    }

    /// Lets every password wait.
    struct Lobby {
        waiting: Waiting,
        places: Vec<Place>,
        lost: Vec<u16>,
    }

    impl Default for Lobby {
        fn default() -> Self {
            Self::of(usize::MAX)
        }
    }

    impl Lobby {
        /// `busy` is the maximum number of busy connections.
        fn of(busy: usize) -> Self {
            Self { waiting: Waiting::new(busy), places: Vec::new(), lost: Vec::new() }
        }

        fn enter(&mut self, number: u16, address: u8) {
            let (place, lost) = self.waiting.enter(job(number), guess(address), false, rank);
            self.places.push(place);
            self.lost.extend(lost.map(|lost| number_of(&lost.job)));
        }

        /// The order in which they would be hashed, time for rests given.
        fn order(&mut self) -> Vec<u16> {
            let (mut order, mut now) = (Vec::new(), Instant::now());
            loop {
                match self.waiting.next(now) {
                    Next::Hash(job) => order.push(number_of(&job)),
                    Next::Rest(rest) => now += rest,
                    Next::Nothing => return order,
                }
            }
        }
    }

    fn number_of(job: &Job) -> u16 {
        u16::from_le_bytes([job.tag[0], job.tag[1]])
    }

    #[test]
    fn the_fewest_guesses_go_first_and_of_equal_ones_the_latest() {
        let mut lobby = Lobby::default();
        for (number, address) in [(1, 3), (2, 0), (3, 200), (4, 0), (5, 100)] {
            lobby.enter(number, address);
        }
        assert_eq!(lobby.order(), [4, 2, 1, 5, 3]);
    }

    /// Hundreds of guesses from an address that a good client shares, for the same user: the good one is next.
    #[test]
    fn after_a_burst_of_guesses_the_next_one_goes_first() {
        let mut lobby = Lobby::default();
        (0..300).for_each(|number| lobby.enter(number, 200));
        lobby.enter(1000, 200);
        assert_eq!(lobby.lost.len(), 301 - PLACES_OVER_LIMIT);
        assert!(lobby.lost.is_sorted(), "the first to come had to go");
        assert_eq!(lobby.order()[0], 1000);
    }

    /// Many addresses, each with many guesses; a client of an address that never guessed goes before all of them.
    #[test]
    fn a_fresh_address_goes_before_many_that_guess() {
        let mut lobby = Lobby::default();
        for number in 0..8600 {
            lobby.enter(number, if number < 4300 { 1 } else { 100 });
            if number == 100 {
                lobby.enter(u16::MAX, 0);
            }
        }
        assert_eq!(lobby.waiting.entries.len(), PLACES + PLACES_OVER_LIMIT);
        assert_eq!(lobby.order()[0], u16::MAX);
    }

    /// Connections that wait for a hash are busy for as long: guesses must not keep all of them.
    #[test]
    fn passwords_that_wait_leave_busy_connections_to_others() {
        for busy in [4, 32, 85, 170] {
            let mut lobby = Lobby::of(busy);
            (0..400).for_each(|number| lobby.enter(number, if number % 2 == 0 { 1 } else { 100 }));
            let waiting = lobby.waiting.entries.len();
            assert!(waiting <= busy - busy.div_ceil(4) && waiting + lobby.lost.len() == 400, "{waiting} of {busy}");
        }
        let mut lobby = Lobby::of(1);
        lobby.enter(1, 0);
        assert_eq!(lobby.order(), [1], "who is alone is not refused");
    }

    #[test]
    fn a_password_that_lost_its_place_and_comes_again_is_kept() {
        let mut lobby = Lobby::default();
        lobby.enter(9000, 200);
        (0..1000).for_each(|number| lobby.enter(number, 200));
        assert!(lobby.lost.contains(&9000));
        lobby.lost.clear();
        lobby.enter(9000, 200);
        (1000..2000).for_each(|number| lobby.enter(number, 200));
        assert!(!lobby.lost.contains(&9000));
        assert_eq!(lobby.order()[0], 9000);
    }

    /// An address whose first guess waits, and that makes many more then, is no better for it.
    #[test]
    fn a_guess_that_is_counted_makes_those_that_wait_worse() {
        let mut lobby = Lobby::default();
        let first = lobby.waiting.enter(job(1), guess(1), true, |_| Rank::new(0, 1));
        let good = lobby.waiting.enter(job(2), guess(2), true, |_| Rank::new(0, 1));
        let guesser = guess(1);
        let now = |guess: &Guess| Rank::new(0, if *guess == guesser { 9 } else { 1 });
        let last = lobby.waiting.enter(job(3), guess(1), true, now);
        assert_eq!(lobby.order(), [2, 3, 1]);
        drop((first, good, last));
    }

    #[test]
    fn guesses_over_the_limit_rest_and_others_do_not() {
        let (mut lobby, now) = (Lobby::default(), Instant::now());
        assert!(lobby.waiting.hashed(Duration::from_millis(50), now).is_none());
        lobby.enter(1, 100);
        assert!(matches!(lobby.waiting.next(now), Next::Rest(rest) if rest == Duration::from_millis(150)));
        lobby.enter(2, 0);
        assert!(matches!(lobby.waiting.next(now), Next::Hash(job) if number_of(&job) == 2));
        assert!(matches!(lobby.waiting.next(now + Duration::from_millis(150)), Next::Hash(_)));
        assert!(lobby.waiting.hashed(Duration::from_secs(5), now).is_some());
        lobby.enter(3, 100);
        assert!(matches!(lobby.waiting.next(now), Next::Rest(LONGEST_REST)));
    }

    #[tokio::test]
    async fn one_hash_answers_all_requests_with_the_same_password_and_dropped_ones_get_none() {
        let (mut lobby, now) = (Lobby::default(), Instant::now());
        lobby.enter(1, 200);
        lobby.enter(1, 0);
        drop(lobby.waiting.enter(job(2), guess(0), false, rank));
        assert!(matches!(lobby.waiting.next(now), Next::Hash(job) if number_of(&job) == 1));
        lobby.enter(1, 0);
        assert_eq!(lobby.places.iter().map(|place| place.is_shared).collect::<Vec<_>>(), [false, true, true]);
        lobby.waiting.hashed(Duration::ZERO, now).unwrap().tell(Verdict::Right);
        for place in lobby.places {
            assert_eq!(place.verdict.await, Ok(Verdict::Right));
        }
        assert!(matches!(lobby.waiting.next(now), Next::Nothing));
    }
}
