//! [`Tombstones`]: the instances that are gone, and must not come back from a replica that does not know that.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::model::{DataStamp, InstanceKey, Stamp, Tombstone};
use crate::time::{Timestamp, millis};

/// How long a cancellation is remembered, by the stamp clock: an hour, and two more for clocks that are an hour behind and an
/// hour ahead, since the stamp clock leaps when it meets one that is ahead. After a longer network cut, an instance that no
/// replica hears any more is found dead without the cancellation (`registry/eviction`).
const KEPT: Duration = Duration::from_secs(3 * 60 * 60);
/// At most this many cancellations, and this many evictions, are remembered; the oldest are forgotten first.
const MOST: usize = 20_000;
/// Maximum bytes of the names of those cancellations, and of those evictions: two hundred for each. A client chooses its names, and they
/// may be ten times as long.
const MOST_NAME_BYTES: usize = MOST * 200;

/// The cancellations of the last hours, the same on all replicas.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    by_key: HashMap<InstanceKey, Tombstone>,
    in_order: BTreeSet<(Stamp, InstanceKey)>,
    name_bytes: usize,
}

impl Tombstones {
    pub(super) fn get(&self, key: &str) -> Option<&Tombstone> {
        self.by_key.get(key)
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Tombstone> {
        self.by_key.values()
    }

    /// Puts one in, and returns the one with the same key that it replaces.
    pub(super) fn insert(&mut self, tombstone: Tombstone) -> Option<Tombstone> {
        let replaced = self.remove(tombstone.key.as_str());
        self.in_order.insert((tombstone.cancelled, tombstone.key.clone()));
        self.name_bytes += tombstone.key.as_str().len();
        self.by_key.insert(tombstone.key.clone(), tombstone);
        replaced
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Tombstone> {
        let removed = self.by_key.remove(key)?;
        self.in_order.remove(&(removed.cancelled, removed.key.clone()));
        self.name_bytes -= removed.key.as_str().len();
        Some(removed)
    }

    /// Removes the oldest one if it is too old, by the stamp clock, or one too many.
    pub(super) fn take_outdated(&mut self, stamp_millis: u64) -> Option<Tombstone> {
        let (oldest, key) = self.in_order.first()?.clone();
        let is_too_much = self.by_key.len() > MOST || self.name_bytes > MOST_NAME_BYTES;
        (is_too_much || is_outdated(oldest, stamp_millis)).then(|| self.remove(key.as_str()))?
    }

    /// Whether the cancellation of an unknown instance need not be remembered: it would be forgotten at once.
    pub(super) fn would_drop(&self, tombstone: &Tombstone, stamp_millis: u64) -> bool {
        let older_than_all = || self.in_order.first().is_some_and(|(oldest, _)| tombstone.cancelled < *oldest);
        let is_full = self.by_key.len() >= MOST || self.name_bytes + tombstone.key.as_str().len() > MOST_NAME_BYTES;
        is_outdated(tombstone.cancelled, stamp_millis) || (is_full && older_than_all())
    }

    /// # Panics
    /// If the two views of the same cancellations differ.
    pub(super) fn check(&self) {
        let by_key: BTreeSet<_> = self.by_key.values().map(|one| (one.cancelled, one.key.clone())).collect();
        assert_eq!(by_key, self.in_order, "cancellations by key and in order");
        let name_bytes: usize = self.by_key.keys().map(|key| key.as_str().len()).sum();
        assert_eq!(self.name_bytes, name_bytes, "bytes of the names of cancelled instances");
    }
}

fn is_outdated(cancelled: Stamp, stamp_millis: u64) -> bool {
    stamp_millis.saturating_sub(cancelled.millis()) > u64::try_from(millis(KEPT)).unwrap_or(0)
}

/// The instances that this replica evicted last, and when each was last heard: an instance comes back only if it was heard later.
///
/// They are not replicated: each replica decides by itself whether an instance is dead.
#[derive(Debug, Default)]
pub(super) struct Evicted {
    heard: HashMap<InstanceKey, (Timestamp, DataStamp)>,
    in_order: VecDeque<InstanceKey>,
    name_bytes: usize,
    /// Until when ages may have been too low: what was heard before may seem later than it was.
    misled_until: Timestamp,
}

impl Evicted {
    /// Notes that ages may have been too low until now.
    pub(super) fn ages_were_too_low(&mut self, now: Timestamp) {
        self.misled_until = now;
    }

    /// Notes an eviction.
    pub(super) fn insert(&mut self, key: &InstanceKey, heard: Timestamp, data: DataStamp) {
        if self.heard.insert(key.clone(), (heard, data)).is_none() {
            self.in_order.push_back(key.clone());
            self.name_bytes += key.as_str().len();
        }
        while (self.in_order.len() > MOST || self.name_bytes > MOST_NAME_BYTES)
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.heard.remove(&oldest);
            self.name_bytes -= oldest.as_str().len();
        }
    }

    /// Whether an instance that was heard at this time was evicted, and has not been heard since. An expired one has not: times
    /// that arrive through different replicas differ by the durations of calls, so the same heartbeat may seem a little later.
    /// One that was heard while ages may have been too low proves by its next heartbeat that it lives.
    pub(super) fn covers(&self, key: &str, heard: Timestamp, is_expired: bool) -> bool {
        self.heard.get(key).is_some_and(|(evicted, _)| is_expired || heard <= (*evicted).max(self.misled_until))
    }

    /// The version of the data that was evicted with an instance: other replicas may still have it.
    pub(super) fn version(&self, key: &str) -> Option<Timestamp> {
        self.heard.get(key).map(|(_, data)| data.version)
    }

    /// # Panics
    /// If there are more than may be remembered, or the two views differ.
    pub(super) fn check(&self) {
        assert!(self.in_order.len() <= MOST, "evictions are bounded");
        assert_eq!(self.in_order.len(), self.heard.len(), "evictions by key and in order");
        let name_bytes: usize = self.heard.keys().map(|key| key.as_str().len()).sum();
        assert!(
            self.name_bytes == name_bytes && name_bytes <= MOST_NAME_BYTES,
            "bytes of the names of evicted instances"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppName, StatusOverride};

    const NOW: u64 = 1_700_000_000_000;
    const HOURS: u64 = 3 * 3_600_000;

    fn key(id: usize) -> InstanceKey {
        InstanceKey::new(&AppName::new("a"), &id.to_string())
    }

    fn cancelled(id: usize, millis: u64) -> Tombstone {
        let cancelled = Stamp::received(millis << 16, 1, Timestamp(1_700_000_000_000)).unwrap();
        Tombstone { key: key(id), cancelled, data: DataStamp::default(), status_override: StatusOverride::default() }
    }

    #[test]
    fn a_cancellation_is_remembered_for_three_hours() {
        let mut tombstones = Tombstones::default();
        tombstones.insert(cancelled(1, NOW));
        assert!(!tombstones.would_drop(&cancelled(2, NOW), NOW + HOURS));
        assert!(tombstones.would_drop(&cancelled(2, NOW), NOW + HOURS + 1));
        assert_eq!(tombstones.take_outdated(NOW + HOURS), None);
        assert_eq!(tombstones.take_outdated(NOW + HOURS + 1), Some(cancelled(1, NOW)));
        assert_eq!(tombstones.take_outdated(NOW + HOURS + 1), None);
    }

    #[test]
    fn of_too_many_cancellations_the_oldest_are_forgotten() {
        let mut tombstones = Tombstones::default();
        (1..MOST).for_each(|id| drop(tombstones.insert(cancelled(id, NOW + id as u64))));
        assert!(!tombstones.would_drop(&cancelled(0, NOW), NOW), "there is room for one");
        tombstones.insert(cancelled(MOST, NOW + MOST as u64));
        assert!(tombstones.would_drop(&cancelled(0, NOW), NOW));
        assert!(!tombstones.would_drop(&cancelled(0, NOW + 1), NOW), "it is as old as the oldest");
        assert!(!tombstones.would_drop(&cancelled(0, NOW + 2), NOW));
        assert_eq!(tombstones.take_outdated(NOW), None);
        tombstones.insert(cancelled(MOST + 1, NOW + HOURS));
        assert_eq!(tombstones.take_outdated(NOW), Some(cancelled(1, NOW + 1)));
        tombstones.check();
    }

    #[test]
    fn long_names_take_no_more_memory_than_as_many_short_ones() {
        let long = |id: usize| InstanceKey::new(&AppName::new("a"), &format!("{id:0998}"));
        let length = long(0).as_str().len();
        let fit = MOST_NAME_BYTES / length;
        assert_eq!(fit * length, MOST_NAME_BYTES, "they fill it to the last byte");
        let (mut tombstones, mut evicted) = (Tombstones::default(), Evicted::default());
        let gone = |id: usize| Tombstone { key: long(id), ..cancelled(0, NOW + id as u64) };
        for id in 1..=fit {
            assert!(!tombstones.would_drop(&gone(0), NOW), "there is room for one");
            tombstones.insert(gone(id));
            evicted.insert(&long(id), Timestamp(10), DataStamp::default());
        }
        assert_eq!(tombstones.take_outdated(NOW), None);
        assert!(evicted.version(long(1).as_str()).is_some());
        assert!(tombstones.would_drop(&gone(0), NOW) && !tombstones.would_drop(&gone(fit + 1), NOW));
        tombstones.insert(gone(fit + 1));
        evicted.insert(&long(fit + 1), Timestamp(10), DataStamp::default());
        assert_eq!(tombstones.take_outdated(NOW).map(|oldest| oldest.key), Some(long(1)));
        assert_eq!(tombstones.take_outdated(NOW), None);
        let knows = |id: usize| evicted.version(long(id).as_str()).is_some();
        assert_eq!([knows(1), knows(2), knows(fit + 1)], [false, true, true]);
        tombstones.check();
        evicted.check();
    }

    #[test]
    fn an_eviction_covers_what_was_heard_until_then() {
        let mut evicted = Evicted::default();
        let data = DataStamp { version: Timestamp(7), ..DataStamp::default() };
        evicted.insert(&key(0), Timestamp(10), data);
        let covers =
            |id: usize, heard: i64, evicted: &Evicted| evicted.covers(key(id).as_str(), Timestamp(heard), false);
        assert!(evicted.covers(key(0).as_str(), Timestamp(11), true), "a lease that has expired brings nobody back");
        assert!(!evicted.covers(key(1).as_str(), Timestamp(11), true), "it was not evicted here");
        assert!(covers(0, 9, &evicted) && covers(0, 10, &evicted));
        assert!(!covers(0, 11, &evicted) && !covers(1, 9, &evicted));
        assert_eq!((evicted.version(key(0).as_str()), evicted.version(key(1).as_str())), (Some(Timestamp(7)), None));
        evicted.insert(&key(0), Timestamp(20), data);
        assert!(covers(0, 20, &evicted), "the last eviction counts");
        (1..=MOST).for_each(|id| evicted.insert(&key(id), Timestamp(10), data));
        assert!(!covers(0, 9, &evicted), "the oldest is forgotten");
        assert!(covers(1, 9, &evicted) && covers(MOST, 9, &evicted));
        evicted.check();
    }
}
