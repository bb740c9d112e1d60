//! [`Content`]: all of the registry that changes together, under one lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::model::{
    AppsHashCode, InstanceInfo, InstanceKey, InstanceStatus, Record, StampClock, Tombstone, virtual_addresses,
};
use crate::time::Timestamp;

use super::digest::{self, DigestSums};
use super::journal::{Change, ChangeKind, Journal};
use super::pages::{Entry, Pages};
use super::renewal_threshold::RenewalThreshold;
use super::tombstones::{Evicted, Tombstones};
use super::{Caller, Lease};

/// How many changes leave the delta before another thread may have the lock. Of 100,000 instances that started together, all
/// changes leave together.
const FORGOTTEN_AT_ONCE: usize = 100;

/// What is registered, what changed lately, and the counts that follow from it: one consistent cut at any moment its
/// lock is held.
#[derive(Debug)]
pub(super) struct Content {
    /// Every instance.
    pub(super) all: Pages,
    /// The instances that changed within the retention time, including those that left: the content of the delta.
    pub(super) recently_changed: Pages,
    /// The last change of each of them, oldest first.
    changes: BTreeMap<u64, (Timestamp, InstanceKey)>,
    /// The number of changes so far: the version of the whole.
    pub(super) version: u64,
    /// About how many bytes of memory the instances take that are there.
    bytes: usize,
    /// The same of those that left and are still in the delta, and how many they may.
    gone_bytes: usize,
    most_gone_bytes: usize,
    /// How many instances have which status.
    pub(super) hash_code: AppsHashCode,
    pub(super) vips: AddressIndex,
    pub(super) secure_vips: AddressIndex,
    pub(super) threshold: RenewalThreshold,
    pub(super) journal: Journal,
    /// Makes the stamps of changes at this replica.
    pub(super) clock: StampClock,
    /// The hash of `all` and `tombstones`, by which replicas find out that they differ.
    pub(super) digests: DigestSums,
    tombstones: Tombstones,
    pub(super) evicted: Evicted,
}

impl Content {
    /// Nothing; the instances that left may take `most_gone_bytes` in the delta.
    pub(super) fn new(node: u64, expected_clients: u32, most_gone_bytes: usize) -> Self {
        Self {
            all: Pages::default(),
            recently_changed: Pages::default(),
            changes: BTreeMap::new(),
            version: 0,
            bytes: 0,
            gone_bytes: 0,
            most_gone_bytes,
            hash_code: AppsHashCode::default(),
            vips: AddressIndex::default(),
            secure_vips: AddressIndex::default(),
            threshold: RenewalThreshold::new(expected_clients),
            journal: Journal::default(),
            clock: StampClock::new(node),
            digests: DigestSums::default(),
            tombstones: Tombstones::default(),
            evicted: Evicted::default(),
        }
    }

    /// Puts in an instance, and replaces the one with the same key.
    pub(super) fn put(&mut self, lease: &Arc<Lease>, record: &Arc<Record>, now: Timestamp) {
        let entry = self.changed(lease, record, now);
        let replaced = self.insert(entry);
        if let Some(replaced) = &replaced {
            self.hash_code.remove(replaced.info().status);
        }
        self.hash_code.add(record.info.status);
        self.index(lease.key(), replaced.as_ref().map(Entry::info), Some(&record.info));
        self.unbury(lease.key());
    }

    /// Replaces an instance of which only the stamps changed: replicas have to know them, but readers do not see them.
    pub(super) fn restamp(&mut self, lease: &Arc<Lease>, record: &Arc<Record>) {
        let Some(change) = self.all.get(lease.key()).map(|entry| entry.change) else { return };
        self.insert(Entry::new(Arc::clone(lease), Arc::clone(record), change));
    }

    fn insert(&mut self, entry: Entry) -> Option<Entry> {
        let key = entry.key().clone();
        self.digests.add(key.app(), digest::of_record(&key, &entry.record));
        self.bytes += entry.info().weight();
        let replaced = self.all.insert(entry);
        if let Some(replaced) = &replaced {
            self.digests.remove(key.app(), digest::of_record(&key, &replaced.record));
            self.bytes -= replaced.info().weight();
        }
        replaced
    }

    /// Removes an instance; the delta shows it as `last` from now on.
    pub(super) fn take(&mut self, lease: &Arc<Lease>, last: &Arc<Record>, now: Timestamp) {
        self.changed(lease, last, now);
        let key = lease.key();
        if let Some(removed) = self.all.remove(key) {
            self.digests.remove(key.app(), digest::of_record(key, &removed.record));
            self.bytes -= removed.info().weight();
            self.hash_code.remove(removed.info().status);
            self.index(key, Some(removed.info()), None);
        }
    }

    /// The remembered cancellation of an instance.
    pub(super) fn tombstone(&self, key: &str) -> Option<&Tombstone> {
        self.tombstones.get(key)
    }

    /// All remembered cancellations.
    pub(super) fn tombstones(&self) -> impl Iterator<Item = &Tombstone> {
        self.tombstones.iter()
    }

    /// Remembers a cancellation, and replaces the one with the same key. Forgets those that are too old or too many.
    pub(super) fn bury(&mut self, tombstone: Tombstone, now: Timestamp) {
        self.digests.add(tombstone.key.app(), digest::of_tombstone(&tombstone));
        if let Some(replaced) = self.tombstones.insert(tombstone) {
            self.digests.remove(replaced.key.app(), digest::of_tombstone(&replaced));
        }
        self.expire_tombstones(now);
    }

    /// Whether the cancellation of an unknown instance need not be remembered.
    pub(super) fn need_not_bury(&self, tombstone: &Tombstone, now: Timestamp) -> bool {
        self.tombstones.would_drop(tombstone, self.clock.millis(now))
    }

    fn unbury(&mut self, key: &InstanceKey) {
        if let Some(removed) = self.tombstones.remove(key.as_str()) {
            self.digests.remove(key.app(), digest::of_tombstone(&removed));
        }
    }

    /// Forgets the cancellations that are too old.
    pub(super) fn expire_tombstones(&mut self, now: Timestamp) {
        while let Some(outdated) = self.tombstones.take_outdated(self.clock.millis(now)) {
            self.digests.remove(outdated.key.app(), digest::of_tombstone(&outdated));
        }
    }

    /// Adds the last change to the journal, with the status before and after it.
    pub(super) fn note(
        &mut self,
        kind: ChangeKind,
        key: &InstanceKey,
        (previous, status): (Option<InstanceStatus>, InstanceStatus),
        caller: Option<Caller>,
        now: Timestamp,
    ) {
        self.journal.note(Change { number: self.version, at: now, key: key.clone(), kind, status, previous, caller });
    }

    /// Forgets changes made before `oldest`, at most [`FORGOTTEN_AT_ONCE`] of them; says whether there was one.
    pub(super) fn forget_changes_before(&mut self, oldest: Timestamp) -> bool {
        let mut forgot = false;
        for _ in 0..FORGOTTEN_AT_ONCE {
            if self.changes.first_key_value().is_none_or(|(_, (at, _))| *at >= oldest) {
                break;
            }
            self.forget_oldest_change();
            forgot = true;
        }
        forgot
    }

    fn forget_oldest_change(&mut self) {
        let Some((_, (_, key))) = self.changes.pop_first() else { return };
        let forgotten = self.recently_changed.remove(&key).or_else(|| self.recently_changed.remove_gone(&key));
        self.gone_bytes -= forgotten.as_ref().map_or(0, weight_if_gone);
    }

    /// About how many bytes of memory the instances take, those that left and are still in the delta among them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.gone_bytes
    }

    /// Finds an instance by the addresses it has now, and no longer by those it had.
    fn index(&mut self, key: &InstanceKey, before: Option<&InstanceInfo>, after: Option<&InstanceInfo>) {
        self.vips.moved(key, before.and_then(vip), after.and_then(vip));
        self.secure_vips.moved(key, before.and_then(secure_vip), after.and_then(secure_vip));
    }

    fn changed(&mut self, lease: &Arc<Lease>, record: &Arc<Record>, now: Timestamp) -> Entry {
        self.version += 1;
        let entry = Entry::new(Arc::clone(lease), Arc::clone(record), self.version);
        self.gone_bytes += weight_if_gone(&entry);
        let same_place = self.recently_changed.insert(entry.clone());
        let earlier = same_place.or_else(|| match entry.is_gone() {
            true => self.recently_changed.remove(lease.key()),
            false => self.recently_changed.remove_gone(lease.key()),
        });
        if let Some(earlier) = earlier {
            self.changes.remove(&earlier.change);
            self.gone_bytes -= weight_if_gone(&earlier);
        }
        self.changes.insert(self.version, (now, lease.key().clone()));
        // Otherwise, a client that registers and cancels in a loop would fill the registry with instances that left. A client
        // that misses a change finds that its list has another hash code, and sends a full fetch, which is smaller than such a
        // delta.
        for _ in 0..FORGOTTEN_AT_ONCE {
            if self.gone_bytes <= self.most_gone_bytes {
                break;
            }
            self.forget_oldest_change();
        }
        entry
    }

    /// Checks what must be true between any two changes.
    ///
    /// # Panics
    /// If it is not true.
    pub(super) fn check(&self) {
        self.all.check();
        self.recently_changed.check();
        self.tombstones.check();
        self.evicted.check();
        assert_eq!(self.changes.len(), self.recently_changed.len(), "one change for each instance in the delta");
        let there: usize = self.all.iter().map(|entry| entry.info().weight()).sum();
        let gone: usize = self.recently_changed.iter().map(weight_if_gone).sum();
        assert_eq!(
            (self.bytes, self.gone_bytes),
            (there, gone),
            "the memory of what is there, and of what left lately"
        );
        assert!(
            self.changes.last_key_value().is_none_or(|(last, _)| *last <= self.version),
            "no change from the future"
        );
        let (mut digests, mut vips, mut secure_vips) =
            (DigestSums::default(), AddressIndex::default(), AddressIndex::default());
        for entry in self.all.iter() {
            let (key, record) = (entry.key(), entry.lease.record());
            assert!(Arc::ptr_eq(&entry.record, &record), "{key}: the lease and the page hold the same record");
            assert!(!entry.lease.is_cancelled(), "{key} is there, so its lease is held");
            assert!(self.tombstones.get(key.as_str()).is_none(), "{key} is registered or cancelled, not both");
            assert!(record.data.registered <= record.data.changed, "{key}: data changes after it was registered");
            assert!(record.data.version >= record.info.last_dirty, "{key}: the version is no older than the data");
            assert!(record.cancelled < record.data.registered, "{key}: it registered after it was cancelled");
            let mut shown = Record::clone(&record);
            shown.show();
            assert_eq!(shown.info.status, record.info.status, "{key} is shown as its override says");
            digests.add(key.app(), digest::of_record(key, &record));
            vips.moved(key, None, vip(&record.info));
            secure_vips.moved(key, None, secure_vip(&record.info));
        }
        self.tombstones.iter().for_each(|one| digests.add(one.key.app(), digest::of_tombstone(one)));
        assert_eq!(digests, self.digests, "digests are those of what is known");
        assert_eq!((vips, secure_vips), (self.vips.clone(), self.secure_vips.clone()), "addresses are indexed");
        let statuses: AppsHashCode = self.all.iter().map(|entry| entry.info().status).collect();
        assert_eq!(statuses.to_string(), self.hash_code.to_string(), "the hash code counts what is there");
    }
}

/// The memory of an instance that left, while it is still in the delta. A registered one shares its record with the pages.
fn weight_if_gone(entry: &Entry) -> usize {
    if entry.is_gone() { entry.info().weight() } else { 0 }
}

fn vip(info: &InstanceInfo) -> Option<&str> {
    info.vip_address.as_deref()
}

fn secure_vip(info: &InstanceInfo) -> Option<&str> {
    info.secure_vip_address.as_deref()
}

/// The instances by virtual address. They are unordered: every new instance has two addresses, but few clients ask for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AddressIndex(HashMap<Box<str>, HashSet<InstanceKey>>);

impl AddressIndex {
    /// The instances, in order.
    pub(super) fn get(&self, address: &str) -> Vec<&InstanceKey> {
        let mut keys: Vec<_> = self.0.get(address).into_iter().flatten().collect();
        keys.sort_unstable();
        keys
    }

    /// Moves an instance from its old addresses to the new ones.
    fn moved(&mut self, key: &InstanceKey, before: Option<&str>, after: Option<&str>) {
        if before != after {
            virtual_addresses(before).for_each(|address| self.remove(address, key));
            virtual_addresses(after).for_each(|address| self.insert(address, key));
        }
    }

    fn insert(&mut self, address: &str, key: &InstanceKey) {
        if let Some(keys) = self.0.get_mut(address) {
            keys.insert(key.clone());
            return;
        }
        self.0.insert(address.into(), HashSet::from([key.clone()]));
    }

    fn remove(&mut self, address: &str, key: &InstanceKey) {
        if let Some(keys) = self.0.get_mut(address) {
            keys.remove(key);
            if keys.is_empty() {
                self.0.remove(address);
            }
        }
    }
}
