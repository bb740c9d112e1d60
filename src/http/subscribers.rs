//! [`Subscribers`]: who fetches the registry, and how often. People ask this before they retire a replica or an address.
//!
//! A fetch hardly waits for this: it takes a lock that is held for less than a microsecond, and while all subscribers are read for some
//! ten. Should it have to wait for longer than a millisecond, it is not counted, and a drain takes it for that of a reader that nobody
//! knows. The memory is bounded: the subscriber that has not fetched for the longest time is forgotten, and one
//! address cannot make others forgotten.
//!
//! A drain asks the same table who still has to fetch ([`super::readers`]). So a fetch counts when it has been answered, by the time at
//! which it arrived; and of the fetches of parts, the table knows which applications and virtual addresses they asked for.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::HeaderMap;
use http::header::USER_AGENT;
use parking_lot::Mutex;

use super::resource::Resource;
use crate::registry::{Caller, Source};
use crate::time::Timestamp;

/// The number of parts, each with a lock of its own.
const SHARDS: usize = 16;
/// Maximum number of subscribers in a shard: 10,000 in all.
const MOST_OF_SHARD: usize = 625;
/// How many are forgotten together when a shard is full: looking for them means looking at all, which must not happen with each fetch of
/// a client that is not known.
const FORGOTTEN_AT_ONCE: usize = 40;
/// Maximum number of subscribers of one address. Behind a proxy that is not trusted, all clients have one address.
const MOST_OF_ADDRESS: usize = 32;
/// Maximum bytes of a user agent that are kept.
const LONGEST_AGENT: usize = 128;
/// Maximum number of parts of the registry that are known of a subscriber: most clients fetch one application or address.
const MOST_PARTS: usize = 16;
/// How long a fetch may wait for the lock.
const PATIENCE: Duration = Duration::from_millis(1);
/// The weight of the last interval in the mean: one in so many.
const WEIGHT: i64 = 8;

/// What a client fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetch {
    /// All instances.
    Full,
    /// The recent changes.
    Delta,
    /// An application, an instance, or a virtual address.
    Part,
}

impl Fetch {
    /// Its name in the API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Delta => "delta",
            Self::Part => "part",
        }
    }

    /// What a GET of this resource fetches; `None` if it is not the registry.
    pub(super) fn of(resource: &Resource<'_>) -> Option<Self> {
        match resource {
            Resource::Applications => Some(Self::Full),
            Resource::Delta => Some(Self::Delta),
            Resource::Application(_)
            | Resource::Instance(_)
            | Resource::InstanceById(_)
            | Resource::Vip(_)
            | Resource::SecureVip(_) => Some(Self::Part),
            Resource::InstanceStatus(_)
            | Resource::InstanceMetadata(_)
            | Resource::PeerReplication
            | Resource::PeerDigests
            | Resource::PeerRecords
            | Resource::PeerHeard
            | Resource::PeerReaders
            | Resource::ServerStatus
            | Resource::AutoScalingGroup => None,
        }
    }
}

/// A part of the registry with instances that a client may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part<'a> {
    /// The instances of an application, whose name is in upper case.
    Application(&'a str),
    /// The instances with a virtual address.
    Vip(&'a str),
    /// The instances with a secure virtual address.
    SecureVip(&'a str),
}

impl<'a> Part<'a> {
    /// The part that a GET of this resource fetches. Whoever fetches a single instance asks for its state, and does not choose one to
    /// call.
    pub(super) fn of(resource: &'a Resource<'_>) -> Option<Self> {
        match resource {
            Resource::Application(name) => Some(Self::Application(name)),
            Resource::Vip(vip) => Some(Self::Vip(vip)),
            Resource::SecureVip(vip) => Some(Self::SecureVip(vip)),
            Resource::Applications
            | Resource::Delta
            | Resource::Instance(_)
            | Resource::InstanceById(_)
            | Resource::InstanceStatus(_)
            | Resource::InstanceMetadata(_)
            | Resource::PeerReplication
            | Resource::PeerDigests
            | Resource::PeerRecords
            | Resource::PeerHeard
            | Resource::PeerReaders
            | Resource::ServerStatus
            | Resource::AutoScalingGroup => None,
        }
    }
}

/// A part, as subscribers are kept with it: what [`Subscribers::part`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartId(u64);

/// The last fetch of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastFetch {
    /// [`Timestamp::NEVER`] if no fetch is known.
    pub(super) certain_at: Timestamp,
    /// The last fetch that may have been one: of a subscriber that fetches many parts, not all are kept.
    pub(super) at: Timestamp,
}

/// One subscriber: a user agent at an address.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) address: IpAddr,
    /// Empty if the client names none.
    pub(super) agent: Box<str>,
    /// The user of the last fetch.
    pub(super) user: Option<Arc<str>>,
    /// The number of fetches of each kind, in the order of [`Fetch`].
    pub(super) fetches: [u64; 3],
    pub(super) last_fetch: Fetch,
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
    /// The mean time between two fetches in milliseconds, of which the last ones count most; `None` after one fetch.
    pub(super) interval_ms: Option<i64>,
    /// When it last fetched all instances, or the recent changes; [`Timestamp::NEVER`] if it never did.
    whole_at: Timestamp,
    /// The parts that it fetched, and when last.
    parts: Vec<(PartId, Timestamp)>,
    /// The last fetch of a part for which there was no room.
    other_part_at: Timestamp,
}

impl Subscriber {
    fn note(&mut self, fetch: Fetch, part: Option<PartId>, caller: &Caller, now: Timestamp) {
        if let Some(gap) = now.0.checked_sub(self.last_at.0).filter(|gap| *gap >= 0) {
            self.interval_ms = Some(self.interval_ms.map_or(gap, |mean| mean + (gap - mean) / WEIGHT));
        }
        self.fetches[fetch as usize] += 1;
        // Noted when they are answered, so a later one may have come before.
        (self.last_fetch, self.last_at) = (fetch, self.last_at.max(now));
        self.note_content(fetch, part, now);
        if self.user != caller.user {
            self.user.clone_from(&caller.user);
        }
    }

    fn note_content(&mut self, fetch: Fetch, part: Option<PartId>, now: Timestamp) {
        if fetch != Fetch::Part {
            self.whole_at = self.whole_at.max(now);
        }
        let Some(part) = part else { return };
        if let Some((_, at)) = self.parts.iter_mut().find(|(known, _)| *known == part) {
            *at = now.max(*at);
            return;
        }
        if self.parts.len() >= MOST_PARTS
            && let Some(oldest) = (0..self.parts.len()).min_by_key(|index| self.parts[*index].1)
        {
            let (_, at) = self.parts.swap_remove(oldest);
            self.other_part_at = self.other_part_at.max(at);
        }
        self.parts.push((part, now));
    }

    /// When it last fetched everything, or one of these parts; `None` if it never did.
    pub(super) fn last_fetch_of(&self, parts: &[PartId]) -> Option<LastFetch> {
        let of_parts = self.parts.iter().filter(|(part, _)| parts.contains(part)).map(|(_, at)| *at);
        let certain_at = of_parts.fold(self.whole_at, Timestamp::max);
        let at = certain_at.max(self.other_part_at);
        (at != Timestamp::NEVER).then_some(LastFetch { certain_at, at })
    }
}

/// The subscribers of some addresses.
#[derive(Debug, Default)]
struct Shard {
    by_address: HashMap<IpAddr, Vec<Subscriber>>,
    count: usize,
}

/// The clients that fetched the registry from this replica.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    forgotten: AtomicU64,
    /// The last fetch of a subscriber that was forgotten, or one that could not be counted.
    forgotten_fetch: AtomicI64,
}

impl Subscribers {
    /// Notes a fetch that arrived at `now`, unless a peer made it. Takes no longer than some comparisons; a new subscriber may take some
    /// microseconds.
    pub(super) fn note(
        &self,
        fetch: Fetch,
        part: Option<Part<'_>>,
        caller: &Caller,
        headers: &HeaderMap,
        now: Timestamp,
    ) {
        let (Some(address), Source::Client) = (caller.address, caller.source) else { return };
        let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let agent = &agent[..agent.len().min(LONGEST_AGENT)];
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
        let shard = self.hasher.hash_one(address) as usize % SHARDS;
        let part = part.map(|part| self.part(part));
        let Some(mut shard) = self.shards[shard].try_lock_for(PATIENCE) else {
            self.forgotten_fetch.fetch_max(now.0, Relaxed);
            return;
        };
        let of_address = shard.by_address.get_mut(&address);
        if let Some(known) = of_address.and_then(|all| all.iter_mut().find(|one| &*one.agent == agent)) {
            known.note(fetch, part, caller, now);
            return;
        }
        let mut fetches = [0; 3];
        fetches[fetch as usize] = 1;
        let mut subscriber = Subscriber {
            address,
            agent: agent.into(),
            user: caller.user.clone(),
            fetches,
            last_fetch: fetch,
            first_at: now,
            last_at: now,
            interval_ms: None,
            whole_at: Timestamp::NEVER,
            parts: Vec::new(),
            other_part_at: Timestamp::NEVER,
        };
        subscriber.note_content(fetch, part, now);
        let Forgotten { count, last_fetch } = shard.add(subscriber);
        self.forgotten.fetch_add(count, Relaxed);
        self.forgotten_fetch.fetch_max(last_fetch.0, Relaxed);
    }

    /// How subscribers are kept that fetch this part.
    pub(super) fn part(&self, part: Part<'_>) -> PartId {
        PartId(self.hasher.hash_one(part))
    }

    /// Shows each subscriber, in no order. A fetch that arrives meanwhile may not be counted.
    pub(super) fn each(&self, mut show: impl FnMut(&Subscriber)) {
        for shard in &self.shards {
            shard.lock().by_address.values().flatten().for_each(&mut show);
        }
    }

    /// All that are known, in no order.
    pub(super) fn all(&self) -> Vec<Subscriber> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.lock().by_address.values().flatten().cloned());
        }
        all
    }

    /// How many were forgotten to make room for others.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.load(Relaxed)
    }

    /// The last fetch of those that were forgotten, or that could not be counted; [`Timestamp::NEVER`] if there was none.
    pub(super) fn forgotten_fetch(&self) -> Timestamp {
        Timestamp(self.forgotten_fetch.load(Relaxed))
    }
}

/// The subscribers that were forgotten to make room.
#[derive(Clone, Copy, Debug, Default)]
struct Forgotten {
    count: u64,
    /// The last fetch of one of them.
    last_fetch: Timestamp,
}

impl Shard {
    /// Adds a subscriber. Returns which others had to be forgotten.
    fn add(&mut self, subscriber: Subscriber) -> Forgotten {
        let of_address = self.by_address.entry(subscriber.address).or_default();
        if of_address.len() >= MOST_OF_ADDRESS {
            let oldest = of_address.iter_mut().min_by_key(|one| one.last_at);
            let last_fetch = oldest.map_or(Timestamp::NEVER, |oldest| std::mem::replace(oldest, subscriber).last_at);
            return Forgotten { count: 1, last_fetch };
        }
        of_address.push(subscriber);
        self.count += 1;
        if self.count <= MOST_OF_SHARD { Forgotten::default() } else { self.forget_oldest() }
    }

    fn forget_oldest(&mut self) -> Forgotten {
        let mut times: Vec<Timestamp> = self.by_address.values().flatten().map(|one| one.last_at).collect();
        let (_, last_to_go, _) = times.select_nth_unstable(FORGOTTEN_AT_ONCE - 1);
        let (mut forgotten, last_to_go) = (0, *last_to_go);
        self.by_address.retain(|_, of_address| {
            of_address.retain(|one| {
                let goes = forgotten < FORGOTTEN_AT_ONCE && one.last_at <= last_to_go;
                forgotten += usize::from(goes);
                !goes
            });
            !of_address.is_empty()
        });
        self.count -= forgotten;
        Forgotten { count: forgotten as u64, last_fetch: last_to_go }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fetch(subscribers: &Subscribers, address: u32, agent: &str, kind: Fetch, at: i64) {
        let caller = Caller { address: Some(IpAddr::from(address.to_be_bytes())), ..Caller::from(Source::Client) };
        let headers = [(USER_AGENT, HeaderValue::from_str(agent).unwrap())].into_iter().collect();
        subscribers.note(kind, None, &caller, &headers, Timestamp(at));
    }

    #[test]
    fn a_subscriber_has_its_fetches_and_how_often_they_come() {
        let subscribers = Subscribers::default();
        fetch(&subscribers, 1, "Java", Fetch::Full, 1000);
        for number in 1..=4 {
            fetch(&subscribers, 1, "Java", Fetch::Delta, 1000 + number * 30_000);
        }
        fetch(&subscribers, 1, "curl", Fetch::Part, 500);
        let mut all = subscribers.all();
        all.sort_by(|a, b| a.agent.cmp(&b.agent));
        assert_eq!(all.len(), 2);
        let java = &all[0];
        assert_eq!((java.fetches, java.last_fetch), ([1, 4, 0], Fetch::Delta));
        assert_eq!(
            (java.first_at, java.last_at, java.interval_ms),
            (Timestamp(1000), Timestamp(121_000), Some(30_000))
        );
        assert_eq!((all[1].fetches, all[1].interval_ms), ([0, 0, 1], None));
    }

    #[test]
    fn a_fetch_that_cannot_be_counted_is_that_of_a_reader_that_nobody_knows() {
        let subscribers = Subscribers::default();
        let held: Vec<_> = subscribers.shards.iter().map(Mutex::lock).collect();
        fetch(&subscribers, 1, "Java", Fetch::Full, 1000);
        drop(held);
        assert_eq!((subscribers.all().len(), subscribers.forgotten_fetch()), (0, Timestamp(1000)));
        fetch(&subscribers, 1, "Java", Fetch::Full, 2000);
        assert_eq!((subscribers.all().len(), subscribers.forgotten_fetch()), (1, Timestamp(1000)));
    }

    #[test]
    fn peers_are_no_subscribers() {
        let subscribers = Subscribers::default();
        let caller = Caller { address: Some(IpAddr::from([10, 0, 0, 1])), ..Caller::from(Source::Peer) };
        subscribers.note(Fetch::Full, None, &caller, &HeaderMap::new(), Timestamp(1));
        assert!(subscribers.all().is_empty());
    }

    #[test]
    fn memory_is_bounded_and_the_longest_silent_one_goes_first() {
        let subscribers = Subscribers::default();
        for number in 0..20_000 {
            fetch(&subscribers, number, &"a".repeat(500), Fetch::Full, i64::from(number));
        }
        let all = subscribers.all();
        assert!(all.len() <= SHARDS * MOST_OF_SHARD, "{}", all.len());
        assert_eq!(all.len() as u64 + subscribers.forgotten(), 20_000);
        assert!(all.iter().all(|one| one.agent.len() == LONGEST_AGENT));
        assert!(all.len() > SHARDS * (MOST_OF_SHARD - FORGOTTEN_AT_ONCE), "no more than has to be: {}", all.len());
        let oldest = all.iter().map(|one| one.last_at.0).min().unwrap();
        assert!(oldest > 5_000, "the last ones stay, each shard its own: {oldest}");
        for shard in &subscribers.shards {
            let shard = shard.lock();
            assert_eq!(shard.count, shard.by_address.values().map(Vec::len).sum::<usize>());
        }
    }

    #[test]
    fn when_those_that_were_forgotten_had_fetched_is_known() {
        let subscribers = Subscribers::default();
        for number in 0..32 {
            fetch(&subscribers, 1, &format!("agent {number}"), Fetch::Full, 1000 + number);
        }
        assert_eq!(subscribers.forgotten_fetch(), Timestamp::NEVER);
        for number in 32..35 {
            fetch(&subscribers, 1, &format!("agent {number}"), Fetch::Full, 1000 + number);
        }
        assert_eq!((subscribers.forgotten(), subscribers.forgotten_fetch()), (3, Timestamp(1002)));
        for number in 0..20_000 {
            fetch(&subscribers, 2 + number, "Java", Fetch::Full, 2000 + i64::from(number));
        }
        let oldest = subscribers.all().iter().map(|one| one.last_at).min().unwrap();
        assert!(subscribers.forgotten_fetch() > oldest, "of a shard in which later ones had to go");
    }

    #[test]
    fn one_address_makes_no_other_forgotten() {
        let subscribers = Subscribers::default();
        fetch(&subscribers, 1, "Java", Fetch::Full, 1);
        for number in 0..50_000 {
            fetch(&subscribers, 2, &format!("agent {number}"), Fetch::Full, 2 + number);
        }
        let all = subscribers.all();
        assert_eq!(all.len(), 1 + MOST_OF_ADDRESS);
        assert!(all.iter().any(|one| &*one.agent == "Java"));
        assert!(all.iter().any(|one| &*one.agent == "agent 49999"));
    }

    #[test]
    fn a_fetch_does_not_wait_for_a_reader() {
        let subscribers = Subscribers::default();
        fetch(&subscribers, 1, "Java", Fetch::Full, 1);
        let held: Vec<_> = subscribers.shards.iter().map(|shard| shard.lock()).collect();
        fetch(&subscribers, 1, "Java", Fetch::Full, 2);
        drop(held);
        assert_eq!(subscribers.all()[0].fetches, [1, 0, 0], "it was not counted, and did not wait");
    }
}
