//! [`Content`]: all of the registry that changes together, under one lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::model::{AppsHashCode, InstanceInfo, InstanceKey, InstanceStatus, virtual_addresses};
use crate::time::Timestamp;

use super::journal::{Change, ChangeKind, Journal};
use super::pages::{Entry, Pages};
use super::renewal_threshold::RenewalThreshold;
use super::repair::Tombstones;
use super::{Lease, Source};

/// What is registered, what changed lately, and the counts that follow from it: one consistent cut at any moment its
/// lock is held.
#[derive(Debug)]
pub(super) struct Content {
    /// Every instance.
    pub(super) all: Pages,
    /// The instances changed within the retention time, those that left among them: what the delta answers.
    pub(super) recently_changed: Pages,
    /// The changes those are of, oldest first; one per instance, its last.
    changes: BTreeMap<u64, (Timestamp, InstanceKey)>,
    /// How many changes there were; the version of the whole.
    pub(super) version: u64,
    /// How many instances have which status.
    pub(super) hash_code: AppsHashCode,
    pub(super) vips: AddressIndex,
    pub(super) secure_vips: AddressIndex,
    pub(super) threshold: RenewalThreshold,
    pub(super) journal: Journal,
    pub(super) tombstones: Tombstones,
}

impl Content {
    pub(super) fn new(expected_clients: u32) -> Self {
        Self {
            all: Pages::default(),
            recently_changed: Pages::default(),
            changes: BTreeMap::new(),
            version: 0,
            hash_code: AppsHashCode::default(),
            vips: AddressIndex::default(),
            secure_vips: AddressIndex::default(),
            threshold: RenewalThreshold::new(expected_clients),
            journal: Journal::default(),
            tombstones: Tombstones::default(),
        }
    }

    /// Puts an instance in, in the place of what is known under its key.
    pub(super) fn put(&mut self, lease: &Arc<Lease>, info: &Arc<InstanceInfo>, now: Timestamp) {
        let entry = self.changed(lease, info, now);
        let key = lease.key();
        let replaced = self.all.insert(entry);
        if let Some(replaced) = &replaced {
            self.hash_code.remove(replaced.info.status);
        }
        self.hash_code.add(info.status);
        let before = replaced.as_ref().map(|entry| entry.info.as_ref());
        self.index(key, before, Some(info));
    }

    /// Takes an instance out; `last` is how the delta shows it from now on.
    pub(super) fn take(&mut self, lease: &Arc<Lease>, last: &Arc<InstanceInfo>, now: Timestamp) {
        self.changed(lease, last, now);
        let key = lease.key();
        if let Some(removed) = self.all.remove(key) {
            self.hash_code.remove(removed.info.status);
            self.index(key, Some(&removed.info), None);
        }
    }

    /// Notes for people what was done last, and which status became which by it.
    pub(super) fn note(
        &mut self,
        kind: ChangeKind,
        key: &InstanceKey,
        (previous, status): (Option<InstanceStatus>, InstanceStatus),
        source: Option<Source>,
        now: Timestamp,
    ) {
        self.journal.note(Change { number: self.version, at: now, key: key.clone(), kind, status, previous, source });
    }

    /// Forgets changes made before `oldest`, at most `most` of them; says whether there was one.
    pub(super) fn forget_changes_before(&mut self, oldest: Timestamp, most: usize) -> bool {
        let mut forgot = false;
        for _ in 0..most {
            let Some(first) = self.changes.first_entry().filter(|first| first.get().0 < oldest) else { break };
            let (_, key) = first.remove();
            self.recently_changed.remove(&key);
            forgot = true;
        }
        forgot
    }

    /// Finds an instance by the addresses it has now, and no longer by those it had.
    fn index(&mut self, key: &InstanceKey, before: Option<&InstanceInfo>, after: Option<&InstanceInfo>) {
        self.vips.moved(key, before.and_then(vip), after.and_then(vip));
        self.secure_vips.moved(key, before.and_then(secure_vip), after.and_then(secure_vip));
    }

    fn changed(&mut self, lease: &Arc<Lease>, info: &Arc<InstanceInfo>, now: Timestamp) -> Entry {
        self.version += 1;
        let entry = Entry::new(Arc::clone(lease), Arc::clone(info), self.version);
        if let Some(earlier) = self.recently_changed.insert(entry.clone()) {
            self.changes.remove(&earlier.change);
        }
        self.changes.insert(self.version, (now, lease.key().clone()));
        entry
    }
}

fn vip(info: &InstanceInfo) -> Option<&str> {
    info.vip_address.as_deref()
}

fn secure_vip(info: &InstanceInfo) -> Option<&str> {
    info.secure_vip_address.as_deref()
}

/// Which instances are found by a virtual address. In no order: few ask for an address, every new instance has two.
#[derive(Debug, Default)]
pub(super) struct AddressIndex(HashMap<Box<str>, HashSet<InstanceKey>>);

impl AddressIndex {
    /// The instances, in order.
    pub(super) fn get(&self, address: &str) -> Vec<&InstanceKey> {
        let mut keys: Vec<_> = self.0.get(address).into_iter().flatten().collect();
        keys.sort_unstable();
        keys
    }

    /// Moves an instance from the addresses it had to those it has.
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
