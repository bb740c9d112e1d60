//! Merging the records of another replica of ours.
//!
//! Replicated changes, the results of comparisons and the copy at the start are all merged here, so it does not matter on which
//! way a fact arrives, in which order, or how often. The later of two facts wins ([`Fact::merge`]). An instance that is not
//! registered here is taken over unless it is dead: evicted here and not heard since, overdue although this replica was up for
//! longer than the instance has been silent, or expired although this replica knows all that its peers knew when it opened.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::edit::Edit;
use super::eviction::is_dead;
use super::journal::ChangeKind;
use super::pages::Entry;
use super::{Caller, InstanceRegistry, Lease, PeerMemory, Source};
use crate::codec::exchange::{self, Digests, Records, RecordsRequest};
use crate::model::{AppName, Fact, Heard, InstanceKey, Record, Tombstone};
use crate::time::Timestamp;

/// About how large an answer to a peer that asks for records becomes before it is cut; the peer then asks for the rest.
pub(super) const RECORDS_BYTES: usize = 1 << 20;
/// About how large a cancellation is in it, beside the instance's name.
const CANCELLED_BYTES: usize = 250;

/// The differences with a peer that a comparison repaired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Instances that were unknown, or whose registration, data or override was older.
    pub registered: usize,
    /// Instances that were cancelled or evicted.
    pub cancelled: usize,
}

impl Repaired {
    /// Whether there were no differences.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// What becomes of an instance that is not registered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// A peer has it.
    TakenFromPeer,
    /// Only a snapshot has it, and there was nobody to copy from.
    Restored,
    /// A snapshot has it, and the peer that was copied from does not.
    LackedByCopy,
}

impl std::ops::AddAssign for Repaired {
    fn add_assign(&mut self, other: Self) {
        self.registered += other.registered;
        self.cancelled += other.cancelled;
    }
}

impl InstanceRegistry {
    /// The digest of everything, and the time of the stamp clock, without the digests of applications.
    pub fn digest(&self, now: Timestamp) -> Digests {
        let mut content = self.content.lock();
        content.expire_tombstones(now);
        let (clock, total) = (content.clock.millis(now), content.digests.total());
        Digests { clock, total, ..Digests::default() }
    }

    /// The same, with the digests of all applications.
    pub fn digests(&self, now: Timestamp) -> Digests {
        let digest = self.digest(now);
        let applications = self.content.lock().digests.applications();
        Digests { applications, ..digest }
    }

    /// Notes the time of a peer's stamp clock.
    pub fn meet(&self, clock: u64, now: Timestamp) {
        self.content.lock().clock.meet(clock, now);
    }

    /// The record of an instance, to be replicated to a peer; with its lease, if it is registered.
    pub fn known(&self, key: &str) -> Option<(Fact, Option<Arc<Lease>>)> {
        if let Some(lease) = self.leases.get(key) {
            let record = Record::clone(&lease.record());
            return Some((Fact::Registered(Box::new(record)), Some(lease)));
        }
        self.content.lock().tombstone(key).cloned().map(|tombstone| (Fact::Cancelled(tombstone), None))
    }

    /// The instances of an application that are known here, registered or cancelled.
    pub fn keys_of(&self, app: &str) -> Vec<InstanceKey> {
        let content = self.content.lock();
        let cancelled = content.tombstones().map(|gone| &gone.key).filter(|key| key.app() == app);
        content.all.application(app).map(Entry::key).chain(cancelled).cloned().collect()
    }

    /// Appends what is known of these applications, for a peer that knows something else. If that is much, the answer is a part
    /// of it, by key, and says where the next part begins.
    pub fn encode_records(&self, request: &RecordsRequest, out: &mut Vec<u8>) {
        // Each once, however often it is named: what is asked for is never more than there is.
        let apps: BTreeSet<&str> = request.applications.iter().map(String::as_str).collect();
        let after = request.after.as_deref().and_then(|key| key.split_once('/'));
        let after = after.map(|(app, id)| InstanceKey::new(&AppName::new(app), id));
        let is_wanted = |key: &InstanceKey| after.as_ref().is_none_or(|after| key > after);
        let (mut entries, mut cancelled): (Vec<Entry>, Vec<Tombstone>) = {
            let content = self.content.lock();
            let entries = apps.iter().flat_map(|app| content.all.application(app));
            let cancelled = content.tombstones().filter(|gone| apps.contains(gone.key.app()));
            (
                entries.filter(|entry| is_wanted(entry.key())).cloned().collect(),
                cancelled.filter(|gone| is_wanted(&gone.key)).cloned().collect(),
            )
        };
        let next = first_part(&entries, &cancelled);
        if let Some(next) = &next {
            entries.retain(|entry| entry.key() <= next);
            cancelled.retain(|gone| gone.key <= *next);
        }
        let leases: Vec<_> = entries.iter().map(|entry| entry.lease.info(entry.info())).collect();
        let registered = entries.iter().zip(&leases).map(|(entry, lease)| (&*entry.record, lease, entry.lease.heard()));
        exchange::encode_records(registered, &cancelled, next.as_ref().map(InstanceKey::as_str), out);
    }

    /// Merges the records of a peer, whose times are by this replica's clock. Returns what that changed.
    pub fn merge(&self, records: Records, now: Timestamp) -> Repaired {
        let peer = Source::Peer.into();
        self.merge_all(records, Some(&peer), Unknown::TakenFromPeer, now)
    }

    /// Merges records, wherever they were kept; `caller` is who brings them.
    pub(super) fn merge_all(
        &self,
        records: Records,
        caller: Option<&Caller>,
        unknown: Unknown,
        now: Timestamp,
    ) -> Repaired {
        let mut repaired = Repaired::default();
        let merge = |fact, heard| usize::from(self.merge_known(fact, heard, caller, unknown, now));
        for tombstone in records.cancelled {
            repaired.cancelled += merge(Fact::Cancelled(tombstone), None);
        }
        for (record, heard) in records.registered {
            repaired.registered += merge(Fact::Registered(Box::new(record)), Some(heard));
        }
        repaired
    }

    /// Merges a peer's record of an instance, and when the instance was heard there. Returns whether that changed anything.
    pub fn merge_fact(&self, theirs: Fact, heard: Option<Heard>, peer: &Caller, now: Timestamp) -> bool {
        self.merge_known(theirs, heard, Some(peer), Unknown::TakenFromPeer, now)
    }

    fn merge_known(
        &self,
        theirs: Fact,
        heard: Option<Heard>,
        caller: Option<&Caller>,
        unknown: Unknown,
        now: Timestamp,
    ) -> bool {
        let (key, sent) = (theirs.key(), heard);
        let heard = sent.and_then(|heard| heard.believed(now));
        let mut edit = self.edit(caller.cloned(), now);
        theirs.stamps().into_iter().for_each(|stamp| edit.clock.observe(stamp, now));
        if let Some(lease) = self.leases.get(key.as_str()) {
            if let Some(heard) = heard {
                lease.hear(heard);
            }
            return merge_into_lease(&mut edit, &lease, theirs, now);
        }
        let merged = match edit.tombstone(key.as_str()) {
            Some(ours) if !ours.parts().lack(theirs.parts()) => return false,
            Some(ours) => Fact::Cancelled(ours.clone()).merge(theirs),
            None => match theirs {
                Fact::Cancelled(theirs) if edit.need_not_bury(&theirs, now) => return false,
                theirs @ (Fact::Cancelled(_) | Fact::Registered(_)) => theirs,
            },
        };
        match merged {
            Fact::Cancelled(tombstone) => {
                edit.bury(tombstone, now);
                true
            }
            Fact::Registered(_) if sent.is_some() && heard.is_none() => false,
            Fact::Registered(record) => self.take_over(&mut edit, (*record, heard), unknown, now),
        }
    }

    /// Takes an instance that is not registered here, unless it is dead.
    fn take_over(
        &self,
        edit: &mut Edit<'_>,
        (mut record, heard): (Record, Option<Heard>),
        unknown: Unknown,
        now: Timestamp,
    ) -> bool {
        let (key, heard) = (record.info.key(), heard.unwrap_or(Heard { at: Timestamp::NEVER, renewed: false }));
        record.info.app = self.applications.name_of(&record.info.app);
        record.info.last_updated = now;
        record.show();
        let lease = Lease::new(key, Arc::new(record), Timestamp::NEVER, heard, now);
        if unknown == Unknown::Restored {
            lease.restore(now);
        }
        let lease = Arc::new(lease);
        // Beside a copy, it is the peer that lacks it, and the peer was up all the time.
        let uptime = if unknown == Unknown::LackedByCopy { Duration::MAX } else { self.uptime(now) };
        let dead = is_dead(now.since(heard.at), lease.duration(), uptime);
        let expired = lease.is_expired(Duration::ZERO, now);
        // A copy takes also what a peer keeps in self-preservation. Later, only a replica that was frozen has more of that.
        let copied_others =
            unknown == Unknown::TakenFromPeer && self.is_open() && self.memory(now) == PeerMemory::Whole;
        if dead || (expired && copied_others) || edit.evicted.covers(lease.key().as_str(), heard.at, expired) {
            return false;
        }
        if !edit.admits(None, lease.with_record(|record| record.info.weight())) {
            return false;
        }
        edit.put_lease(&lease, None);
        if self.memory(now).is_in_doubt() {
            // The peer may have restored it, too, and then the time of its last heartbeat is that of the snapshot.
            lease.restore(now);
        }
        true
    }

    /// Notes that a peer heard an instance at this time, by this replica's clock. Returns the version that is known here; `None`
    /// if the instance is unknown.
    pub fn merge_renewed(&self, key: &str, at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let heard = Heard { at, renewed: true }.believed(now);
        let known = self.leases.with(key, |lease| {
            if let Some(heard) = heard {
                lease.hear(heard);
            }
            lease.with_record(|record| record.info.last_dirty)
        })?;
        self.self_preservation.count_renewal(now);
        Some(known)
    }
}

/// Merges a peer's record of an instance that is registered here.
fn merge_into_lease(edit: &mut Edit<'_>, lease: &Arc<Lease>, theirs: Fact, now: Timestamp) -> bool {
    let before = lease.record();
    if !before.parts().lack(theirs.parts()) {
        return false;
    }
    let merged = Fact::Registered(Box::new(Record::clone(&before))).merge(theirs);
    if let Fact::Registered(merged) = &merged
        && !edit.admits(Some(before.info.weight()), merged.info.weight())
    {
        return false;
    }
    match merged {
        Fact::Cancelled(tombstone) => {
            edit.take_out(ChangeKind::Cancelled, lease.key().as_str());
            // The key that is kept already, not an equal new one.
            edit.bury(Tombstone { key: lease.key().clone(), ..tombstone }, now);
        }
        Fact::Registered(mut merged) if merged.data.registered != before.data.registered => {
            merged.info.app = before.info.app.clone();
            merged.info.last_updated = now;
            let (key, service_up, heard) = (lease.key().clone(), lease.service_up(), lease.heard());
            let later = Lease::new(key, Arc::new(*merged), service_up, heard, now);
            // The peer may have this registration from a snapshot of its own, so the client has the same time to renew.
            later.restore(lease.restored());
            let lease = Arc::new(later);
            edit.put_lease(&lease, Some(before));
        }
        Fact::Registered(mut merged) => {
            merged.info.app = before.info.app.clone();
            edit.put_record(kind_of(&before, &merged), lease, *merged);
        }
    }
    true
}

/// The kind of change that a merge without a later registration made.
fn kind_of(before: &Record, merged: &Record) -> ChangeKind {
    let removed = before.status_override.status.is_some() && merged.status_override.status.is_none();
    if removed { ChangeKind::OverrideRemoved } else { ChangeKind::StatusChanged }
}

/// The key that ends the first part of these; `None` if one part is enough.
fn first_part(entries: &[Entry], cancelled: &[Tombstone]) -> Option<InstanceKey> {
    let there = entries.iter().map(|entry| (entry.key(), Some(&entry.record)));
    let mut all: Vec<_> = there.chain(cancelled.iter().map(|gone| (&gone.key, None))).collect();
    // What is there is in order already, which this makes use of.
    all.sort_by_key(|(key, _)| *key);
    let mut bytes = 0;
    let fits = |(key, record): &&(&InstanceKey, Option<&Arc<Record>>)| {
        bytes += record.map_or(CANCELLED_BYTES, |record| approximate_len(record)) + key.as_str().len();
        bytes <= RECORDS_BYTES
    };
    let fitting = all.iter().take_while(fits).count().max(1);
    (fitting < all.len()).then(|| all[fitting - 1].0.clone())
}

/// About as many bytes as an instance takes in an answer.
pub(super) fn approximate_len(record: &Record) -> usize {
    let info = &record.info;
    let urls = [&info.home_page_url, &info.status_page_url, &info.health_check_url, &info.secure_health_check_url];
    let urls: usize = urls.into_iter().flatten().map(|url| url.len()).sum();
    let metadata: usize = info.metadata.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
    1_000 + urls + metadata
}

#[cfg(test)]
mod tests;
