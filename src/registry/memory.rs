//! [`Memory`]: whether a registry knows what clients know.
//!
//! A replica of a cluster that opened without a copy may be new, or may have lost a registry that its clients still have a list
//! of. It cannot tell until a client shows it: by a request for a delta, which Java's clients send only when they have a list, or
//! by a renewal of an instance that never registered here. From then on fetches are refused until every client had time to renew,
//! be answered 404, and register again. Clients keep their list if a fetch is refused, but would replace it with a list that is
//! nearly empty.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{info, warn};

use super::counted_time::CountedTime;
use crate::time::Timestamp;

/// For so many halves of a renewal interval fetches are refused. One interval is not enough: a renewal that was sent to an address that
/// is gone fails after the 13 seconds of a Java client's time-outs, and the next one follows an interval later.
const HALF_INTERVALS_REFUSED: u32 = 3;
/// After this many renewal intervals without a sign, there were no clients before. Three intervals are a lease.
const INTERVALS_IN_DOUBT: u32 = 3;

/// Whether a replica knows what clients know. Replicas send it to each other as a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerMemory {
    /// It knows what clients know.
    #[default]
    Whole,
    /// It opened without a copy, and no client has shown yet that anything is missing.
    InDoubt,
    /// The same, and a delta is no sign that it does: since then a client fetched everything, and such a client asks for deltas
    /// next, at any replica; or what clients hold a list of was restored from a snapshot.
    Fetched,
    /// It opened without a copy, and clients showed that they knew a registry before.
    Lost,
}

impl PeerMemory {
    /// Its word in the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::InDoubt => "in-doubt",
            Self::Fetched => "in-doubt-fetched",
            Self::Lost => "lost",
        }
    }

    /// Whether it is still open whether anything is missing.
    pub(super) fn is_in_doubt(self) -> bool {
        matches!(self, Self::InDoubt | Self::Fetched)
    }

    /// Reads a word; an unknown one means doubt.
    pub fn named(word: &str) -> Self {
        match word {
            "whole" => Self::Whole,
            "lost" => Self::Lost,
            "in-doubt-fetched" => Self::Fetched,
            _ => Self::InDoubt,
        }
    }
}

/// The sign that clients knew a registry before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A delta was requested before any full fetch, here or at a peer.
    Delta,
    /// An unknown instance was renewed.
    Renewal,
    /// A peer has lost its memory, too.
    Peer,
}

impl Sign {
    /// The reason in words, to follow "since".
    pub fn words(self) -> &'static str {
        match self {
            Self::Delta => "a client asked for a delta, so it holds a list",
            Self::Renewal => "a client renewed an instance that is not registered here",
            Self::Peer => "a peer lost its memory, too",
        }
    }
}

/// A lost memory: why reads are refused, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The sign.
    pub sign: Sign,
    /// When the sign was seen.
    pub since: Timestamp,
    /// Until when reads are refused.
    pub until: Timestamp,
}

/// A change to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Reads are refused from now on.
    Began(Lost),
    /// Reads are answered again; and whether a peer's records ended the loss, or time.
    Ended(Lost, bool),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Whole,
    InDoubt {
        since: Timestamp,
        /// Whether a client sent a full fetch: from then on a delta is no sign.
        fetched: bool,
    },
    Lost(Lost),
}

/// Whether a registry knows what clients know; see the module.
#[derive(Debug)]
pub struct Memory {
    renewal_interval: Duration,
    state: State,
    time: CountedTime,
}

impl Memory {
    /// The memory of a standalone registry, or of one that has not opened yet: never in doubt. `renewal_interval` is how often
    /// clients renew.
    pub fn new(renewal_interval: Duration) -> Self {
        Self { renewal_interval, state: State::Whole, time: CountedTime::default() }
    }

    /// The replica of a cluster opens, with this memory.
    pub fn opened(&mut self, with: PeerMemory, now: Timestamp) {
        self.time = CountedTime::since(now);
        self.state = match with {
            PeerMemory::Whole => State::Whole,
            PeerMemory::InDoubt | PeerMemory::Lost => State::InDoubt { since: now, fetched: false },
            PeerMemory::Fetched => State::InDoubt { since: now, fetched: true },
        };
    }

    /// The state of the memory, which peers are sent.
    pub fn is(&self, now: Timestamp) -> PeerMemory {
        let (longest, now) = (self.renewal_interval * INTERVALS_IN_DOUBT, self.time.at(now));
        match self.state {
            State::InDoubt { since, fetched: false } if now < since + longest => PeerMemory::InDoubt,
            State::InDoubt { since, fetched: true } if now < since + longest => PeerMemory::Fetched,
            State::Lost(lost) if now < lost.until => PeerMemory::Lost,
            State::Whole | State::InDoubt { .. } | State::Lost(_) => PeerMemory::Whole,
        }
    }

    /// Why reads are refused, if they are.
    pub fn lost(&self, now: Timestamp) -> Option<Lost> {
        match self.state {
            State::Lost(lost) if self.time.at(now) < lost.until => Some(lost),
            State::Whole | State::InDoubt { .. } | State::Lost(_) => None,
        }
    }

    /// Looks at the clock, and moves the times that are noted with it if it has leapt.
    fn look(&mut self, now: Timestamp) {
        let leapt = self.time.look(now);
        let moved = |time: &mut Timestamp| time.0 = time.0.saturating_add(leapt);
        match &mut self.state {
            State::Whole => {}
            State::InDoubt { since, .. } => moved(since),
            State::Lost(lost) => [&mut lost.since, &mut lost.until].into_iter().for_each(moved),
        }
    }

    /// Ends a state whose time is over. To be called once a second.
    pub fn tick(&mut self, now: Timestamp) -> Option<News> {
        self.look(now);
        if self.is(now) != PeerMemory::Whole {
            return None;
        }
        self.settle(false)
    }

    /// Notes a full fetch, which a client without a list sends.
    pub fn fetched(&mut self) {
        if let State::InDoubt { fetched, .. } = &mut self.state {
            *fetched = true;
        }
    }

    /// Notes a request for a delta: the client has a list, which no replica of this cluster gave it.
    pub fn delta_asked(&mut self, now: Timestamp) -> Option<News> {
        let State::InDoubt { fetched: false, .. } = self.state else { return None };
        self.shown(Sign::Delta, now)
    }

    /// Notes the renewal of an instance that is unknown, and was never here. `last_dirty` is when its client last changed its data,
    /// by the client's clock. One that did so since this replica opened is no sign: it may have registered at a peer a moment ago.
    pub fn renewed_unknown(&mut self, last_dirty: Option<Timestamp>, now: Timestamp) -> Option<News> {
        self.look(now);
        let State::InDoubt { since, .. } = self.state else { return None };
        if last_dirty.is_some_and(|last_dirty| last_dirty > since) {
            return None;
        }
        self.shown(Sign::Renewal, now)
    }

    /// Notes that a peer's records were taken over. `peer` is the state of the peer's memory.
    pub fn compared_with(&mut self, peer: PeerMemory, now: Timestamp) -> Option<News> {
        match peer {
            PeerMemory::Whole => self.settle(true),
            PeerMemory::InDoubt => None,
            PeerMemory::Fetched => {
                self.fetched();
                None
            }
            PeerMemory::Lost => self.shown(Sign::Peer, now),
        }
    }

    fn shown(&mut self, sign: Sign, now: Timestamp) -> Option<News> {
        self.look(now);
        if !self.is(now).is_in_doubt() {
            return None;
        }
        let lost = Lost { sign, since: now, until: now + self.renewal_interval * HALF_INTERVALS_REFUSED / 2 };
        self.state = State::Lost(lost);
        Some(News::Began(lost))
    }

    fn settle(&mut self, by_peer: bool) -> Option<News> {
        match std::mem::take(&mut self.state) {
            State::Lost(lost) => Some(News::Ended(lost, by_peer)),
            State::Whole | State::InDoubt { .. } => None,
        }
    }
}

/// A registry's memory, shared by threads. While it is whole, which is nearly always, no thread takes the lock.
#[derive(Debug)]
pub(super) struct SharedMemory {
    pub(super) whole: AtomicBool,
    pub(super) memory: Mutex<Memory>,
}

impl SharedMemory {
    pub(super) fn new(renewal_interval: Duration) -> Self {
        Self { whole: AtomicBool::new(true), memory: Mutex::new(Memory::new(renewal_interval)) }
    }

    /// Changes it, and logs the result.
    pub(super) fn change(&self, now: Timestamp, change: impl FnOnce(&mut Memory) -> Option<News>) {
        let news = {
            let mut memory = self.memory.lock();
            let news = change(&mut memory);
            self.whole.store(memory.state == State::Whole, Relaxed);
            news
        };
        match news {
            None => {}
            Some(News::Began(lost)) => warn!(
                why = lost.sign.words(),
                for_secs = lost.until.since(lost.since).as_secs(),
                "this registry has lost its memory: it refuses fetches, so that clients keep their lists, until they have \
                 registered again"
            ),
            Some(News::Ended(lost, by_peer)) => {
                let (after_secs, how) =
                    (now.since(lost.since).as_secs(), if by_peer { "a peer's records" } else { "time" });
                info!(after_secs, how, "this registry answers fetches again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: Timestamp = Timestamp(1_000_000);
    const INTERVAL: Duration = Duration::from_secs(30);

    fn in_doubt() -> Memory {
        let mut memory = Memory::new(INTERVAL);
        memory.opened(PeerMemory::InDoubt, OPENED);
        memory
    }

    /// Lets time pass, and returns what happened last.
    fn pass(memory: &mut Memory, from: Timestamp, to: Timestamp) -> Option<News> {
        let mut news = None;
        let mut now = from;
        while now < to {
            now = to.min(now + Duration::from_secs(1));
            news = memory.tick(now).or(news);
        }
        news
    }

    /// A clock that leaps by an hour, either way, neither ends a loss before its time nor makes it longer.
    #[test]
    fn a_leap_of_the_clock_is_no_time() {
        let hour = Duration::from_secs(3600);
        for leap in [|at| at + Duration::from_secs(3600), |at: Timestamp| Timestamp(at.0 - 3_600_000)] {
            let mut doubt = in_doubt();
            let at = leap(OPENED);
            assert_eq!(doubt.is(at), PeerMemory::InDoubt);
            let Some(News::Began(lost)) = doubt.renewed_unknown(None, at) else { panic!("it is still in doubt") };
            assert_eq!(lost.since, at);
            let mut lost = in_doubt();
            lost.delta_asked(OPENED);
            assert_eq!(lost.is(at), PeerMemory::Lost, "clients had no time to register again");
            let end = at + INTERVAL * HALF_INTERVALS_REFUSED / 2;
            assert_eq!(pass(&mut lost, at, end - Duration::from_secs(3)), None);
            assert_eq!(lost.is(end - Duration::from_secs(3)), PeerMemory::Lost);
            assert!(matches!(
                pass(&mut lost, end - Duration::from_secs(3), end + Duration::from_secs(1)),
                Some(News::Ended(_, false))
            ));
            assert_eq!(lost.is(end + hour), PeerMemory::Whole);
        }
    }

    #[test]
    fn a_lone_server_and_one_with_a_copy_are_never_in_doubt() {
        let mut copied = Memory::new(INTERVAL);
        copied.opened(PeerMemory::Whole, OPENED);
        for mut memory in [Memory::new(INTERVAL), copied] {
            assert_eq!(memory.delta_asked(OPENED), None);
            assert_eq!(memory.renewed_unknown(None, OPENED), None);
            assert_eq!(memory.compared_with(PeerMemory::Lost, OPENED), None);
            assert_eq!(memory.is(OPENED), PeerMemory::Whole);
        }
    }

    #[test]
    fn reads_are_refused_until_a_renewal_that_hung_is_repeated() {
        let refused = INTERVAL + Duration::from_secs(15);
        for sign in [Sign::Delta, Sign::Renewal, Sign::Peer] {
            let (mut memory, at) = (in_doubt(), OPENED + Duration::from_secs(7));
            let show = |memory: &mut Memory, at| match sign {
                Sign::Delta => memory.delta_asked(at),
                Sign::Renewal => memory.renewed_unknown(Some(OPENED), at),
                Sign::Peer => memory.compared_with(PeerMemory::Lost, at),
            };
            pass(&mut memory, OPENED, at);
            let lost = Lost { sign, since: at, until: at + refused };
            assert_eq!(show(&mut memory, at), Some(News::Began(lost)));
            let later = at + refused - Duration::from_millis(1);
            assert_eq!(pass(&mut memory, at, later), None);
            assert_eq!(show(&mut memory, later), None, "it is said once, and the first sign counts");
            assert_eq!(
                (memory.lost(later), memory.is(later), memory.tick(later)),
                (Some(lost), PeerMemory::Lost, None)
            );
            assert_eq!((memory.lost(at + refused), memory.is(at + refused)), (None, PeerMemory::Whole));
            assert_eq!(memory.tick(at + refused), Some(News::Ended(lost, false)));
            assert_eq!(show(&mut memory, at + refused), None, "it never begins again");
        }
    }

    #[test]
    fn a_new_registry_never_refuses_anything() {
        let mut memory = in_doubt();
        memory.fetched();
        assert_eq!(memory.delta_asked(OPENED), None, "after a full fetch a delta is what follows");
        assert_eq!(memory.is(OPENED), PeerMemory::Fetched);
        let mut told = in_doubt();
        told.compared_with(PeerMemory::Fetched, OPENED);
        assert_eq!(told.delta_asked(OPENED), None, "the full fetch was answered by another replica");
        let mut quiet = in_doubt();
        let end = OPENED + Duration::from_secs(90);
        let before = end - Duration::from_millis(1);
        for memory in [&mut quiet, &mut memory] {
            assert_eq!(pass(memory, OPENED, before), None);
        }
        assert_eq!((quiet.is(before), memory.is(before)), (PeerMemory::InDoubt, PeerMemory::Fetched));
        assert_eq!((quiet.is(end), quiet.tick(end), memory.is(end)), (PeerMemory::Whole, None, PeerMemory::Whole));
        assert_eq!(quiet.renewed_unknown(None, end), None);
    }

    #[test]
    fn a_client_from_before_shows_it_even_after_a_full_fetch() {
        let mut memory = in_doubt();
        memory.fetched();
        assert!(matches!(memory.renewed_unknown(None, OPENED), Some(News::Began(_))));
    }

    #[test]
    fn an_instance_that_registered_since_then_is_no_sign() {
        let (mut memory, at) = (in_doubt(), OPENED + Duration::from_secs(2));
        assert_eq!(
            memory.renewed_unknown(Some(OPENED + Duration::from_secs(1)), at),
            None,
            "a peer has not told it yet"
        );
        assert_eq!(memory.is(at), PeerMemory::InDoubt);
        assert!(memory.renewed_unknown(Some(OPENED), at).is_some(), "its data is from before");
    }

    #[test]
    fn only_a_peer_with_a_whole_memory_ends_the_loss() {
        let mut memory = in_doubt();
        let Some(News::Began(lost)) = memory.renewed_unknown(None, OPENED) else { panic!("it begins") };
        assert_eq!(memory.compared_with(PeerMemory::InDoubt, OPENED), None);
        assert_eq!(memory.compared_with(PeerMemory::Lost, OPENED), None);
        assert_eq!(memory.is(OPENED), PeerMemory::Lost);
        assert_eq!(memory.compared_with(PeerMemory::Whole, OPENED), Some(News::Ended(lost, true)));
        assert_eq!(memory.is(OPENED), PeerMemory::Whole);
    }

    #[test]
    fn the_words_of_a_memory_are_read_as_they_are_written() {
        for memory in [PeerMemory::Whole, PeerMemory::InDoubt, PeerMemory::Fetched, PeerMemory::Lost] {
            assert_eq!(PeerMemory::named(memory.name()), memory);
        }
        assert_eq!(PeerMemory::named("?"), PeerMemory::InDoubt);
    }
}
