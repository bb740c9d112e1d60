//! Merging what another replica of ours knows.
//!
//! What is pushed, what a comparison finds different and what is copied at the start all come here, so it does not matter by
//! which of these a fact arrives, in which order or how often. Of two facts the later one holds ([`Record`]). For what is on
//! one side alone:
//!
//! - An instance that was cancelled here after it was registered there stays gone; registered later, it is taken.
//! - An instance that is not known here is taken, unless it is dead: evicted here and not heard since, or overdue although this
//!   replica was up for longer than it has been silent.

use std::sync::Arc;

use super::edit::Edit;
use super::eviction::is_dead;
use super::journal::ChangeKind;
use super::pages::Entry;
use super::{InstanceRegistry, Lease, Source};
use crate::codec::exchange::{self, Digests, Records, RecordsRequest};
use crate::model::{Heard, Record, StatusOverride, Tombstone};
use crate::time::Timestamp;

/// So large an answer to a peer that asks for records may grow before it is cut; the peer asks for the rest.
const RECORDS_BYTES: usize = 1 << 20;

/// What a comparison with a peer repaired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Instances that were not known, or whose registration, data or override was older.
    pub registered: usize,
    /// Instances that went.
    pub cancelled: usize,
}

impl Repaired {
    /// Whether nothing was.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl std::ops::AddAssign for Repaired {
    fn add_assign(&mut self, other: Self) {
        self.registered += other.registered;
        self.cancelled += other.cancelled;
    }
}

impl InstanceRegistry {
    /// The hashes of what is known, application by application.
    pub fn digests(&self, now: Timestamp) -> Digests {
        let mut content = self.content.lock();
        content.expire_tombstones(now);
        content.digests.digests()
    }

    /// The hash of everything that is known.
    pub fn digest(&self, now: Timestamp) -> u64 {
        let mut content = self.content.lock();
        content.expire_tombstones(now);
        content.digests.total()
    }

    /// What is known of an instance, to be told to a peer.
    pub fn known(&self, key: &str) -> Option<KnownHere> {
        if let Some(lease) = self.leases.get(key) {
            return Some(KnownHere::Registered(lease.record(), lease));
        }
        self.content.lock().tombstone(key).cloned().map(KnownHere::Cancelled)
    }

    /// Appends what is known of these applications, for a peer that knows something else; a part of it where it is much.
    pub fn encode_records(&self, request: &RecordsRequest, out: &mut Vec<u8>) {
        // Each once, however often it is named: what is asked for is never more than there is.
        let apps: std::collections::BTreeSet<&str> = request.applications.iter().map(String::as_str).collect();
        let after = request.after.as_deref().unwrap_or("");
        let (entries, cancelled) = {
            let content = self.content.lock();
            let entries: Vec<Entry> = apps.iter().flat_map(|app| content.all.application(app)).cloned().collect();
            // They are small: all of them come with the first part.
            let wanted = |tombstone: &&Tombstone| after.is_empty() && apps.contains(tombstone.key.app());
            let cancelled: Vec<Tombstone> = content.tombstones().filter(wanted).cloned().collect();
            (entries, cancelled)
        };
        let first = entries.iter().position(|entry| entry.key().as_str() == after).map_or(0, |at| at + 1);
        let (rest, mut bytes) = (&entries[first..], 0);
        let fits = |entry: &&Entry| {
            bytes += approximate_len(&entry.record);
            bytes <= RECORDS_BYTES
        };
        let part = &rest[..rest.iter().take_while(fits).count().max(1).min(rest.len())];
        let next = part.last().filter(|_| part.len() < rest.len()).map(|entry| entry.key().as_str());
        let leases: Vec<_> = part.iter().map(|entry| entry.lease.info(entry.info())).collect();
        let registered = part.iter().zip(&leases).map(|(entry, lease)| (&*entry.record, lease, entry.lease.heard()));
        exchange::encode_records(registered, &cancelled, next, out);
    }

    /// Merges what a peer knows; its times are by this replica's clock. Says what that changed.
    pub fn merge(&self, records: Records, now: Timestamp) -> Repaired {
        let mut repaired = Repaired::default();
        for tombstone in records.cancelled {
            repaired.cancelled += usize::from(self.merge_cancelled(tombstone, now));
        }
        for (record, heard) in records.registered {
            repaired.registered += usize::from(self.merge_registered(record, heard, now));
        }
        repaired
    }

    /// Merges an instance that is registered at a peer. Says whether that changed what is known.
    pub fn merge_registered(&self, theirs: Record, heard: Heard, now: Timestamp) -> bool {
        let (key, heard) = (theirs.info.key(), heard.not_after(now));
        let mut edit = self.edit(Some(Source::Peer), now);
        for stamp in [theirs.data.registered, theirs.data.changed, theirs.status_override.stamp] {
            edit.clock.observe(stamp, now);
        }
        let Some(lease) = self.leases.get(key.as_str()) else {
            return self.take_over(&mut edit, theirs, heard, now);
        };
        lease.hear(heard);
        let ours = lease.record();
        if !ours.lacks(&theirs) {
            return false;
        }
        let registered_later = theirs.data.registered > ours.data.registered;
        let (mut merged, before) = (Record::clone(&ours).merge(theirs), ours);
        merged.info.app = before.info.app.clone();
        if registered_later {
            merged.info.last_updated = now;
            let (key, service_up, heard) = (lease.key().clone(), lease.service_up(), lease.heard());
            let lease = Arc::new(Lease::new(key, Arc::new(merged), service_up, heard, now));
            edit.put_lease(&lease, Some(before));
        } else {
            edit.put_record(kind_of(&before, &merged), &lease, merged);
        }
        true
    }

    /// An instance that is not known here, or was cancelled.
    fn take_over(&self, edit: &mut Edit<'_>, mut theirs: Record, heard: Heard, now: Timestamp) -> bool {
        let key = theirs.info.key();
        if let Some(tombstone) = edit.tombstone(key.as_str()).cloned() {
            let status_override = tombstone.status_override.merge(theirs.status_override);
            if tombstone.ends(&theirs) {
                return bury_with(edit, tombstone, status_override, now);
            }
            theirs.status_override = status_override;
        }
        let silent = now.since(heard.at);
        let duration = std::time::Duration::from_secs(u64::try_from(theirs.info.lease.duration_secs).unwrap_or(0));
        if edit.evicted.covers(key.as_str(), heard.at) || is_dead(silent, duration, self.uptime(now)) {
            return false;
        }
        theirs.info.app = self.applications.name_of(&theirs.info.app);
        theirs.info.last_updated = now;
        theirs.show();
        let lease = Lease::new(key, Arc::new(theirs), Timestamp::NEVER, heard, now);
        edit.put_lease(&Arc::new(lease), None);
        true
    }

    /// Merges a cancellation that a peer knows. Says whether that changed what is known.
    pub fn merge_cancelled(&self, theirs: Tombstone, now: Timestamp) -> bool {
        let mut edit = self.edit(Some(Source::Peer), now);
        edit.clock.observe(theirs.cancelled, now);
        edit.clock.observe(theirs.status_override.stamp, now);
        let key = theirs.key.clone();
        let Some(lease) = self.leases.get(key.as_str()) else {
            return match edit.tombstone(key.as_str()).cloned() {
                Some(ours) => {
                    let merged = theirs.merge(&ours);
                    let changed = merged != ours;
                    if changed {
                        edit.bury(merged, now);
                    }
                    changed
                }
                None if edit.need_not_bury(&theirs, now) => false,
                None => {
                    edit.bury(theirs, now);
                    true
                }
            };
        };
        let ours = lease.record();
        let status_override = ours.status_override.merge(theirs.status_override);
        if theirs.ends(&ours) {
            edit.take_out(ChangeKind::Cancelled, key.as_str());
            // The key that is kept already, not its equal.
            edit.bury(Tombstone { key: lease.key().clone(), status_override, ..theirs }, now);
            return true;
        }
        let changed = status_override != ours.status_override;
        if changed {
            let merged = Record { status_override, ..Record::clone(&ours) };
            edit.put_record(kind_of(&ours, &merged), &lease, merged);
        }
        changed
    }

    /// Notes that a peer heard an instance at this time, by this replica's clock. Says whether it is known here.
    pub fn merge_renewed(&self, key: &str, at: Timestamp, now: Timestamp) -> bool {
        let heard = Heard { at, renewed: true }.not_after(now);
        let known = self.leases.with(key, |lease| lease.hear(heard)).is_some();
        if known {
            self.count_renewal(now);
        }
        known
    }
}

/// What is known of an instance here.
#[derive(Clone, Debug)]
pub enum KnownHere {
    /// It is registered.
    Registered(Arc<Record>, Arc<Lease>),
    /// It was cancelled.
    Cancelled(Tombstone),
}

fn bury_with(edit: &mut Edit<'_>, tombstone: Tombstone, status_override: StatusOverride, now: Timestamp) -> bool {
    let changed = status_override != tombstone.status_override;
    if changed {
        edit.bury(Tombstone { status_override, ..tombstone }, now);
    }
    changed
}

/// What a merge that takes no later registration did.
fn kind_of(before: &Record, merged: &Record) -> ChangeKind {
    let removed = before.status_override.status.is_some() && merged.status_override.status.is_none();
    if removed { ChangeKind::OverrideRemoved } else { ChangeKind::StatusChanged }
}

/// About as many bytes as an instance takes in an answer.
fn approximate_len(record: &Record) -> usize {
    let info = &record.info;
    let urls = [&info.home_page_url, &info.status_page_url, &info.health_check_url, &info.secure_health_check_url];
    let urls: usize = urls.into_iter().flatten().map(|url| url.len()).sum();
    let metadata: usize = info.metadata.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
    1_000 + urls + metadata
}
