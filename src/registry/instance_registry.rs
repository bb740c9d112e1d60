//! [`InstanceRegistry`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::content::Content;
use super::journal::{ChangeKind, ChangesAfter, InstanceHistory};
use super::memory::SharedMemory;
use super::pages::View;
use super::response_cache::ResponseCache;
use super::room::{Admission, News, NoRoom, Room};
use super::self_preservation::{SelfPreservation, SelfPreservationState, Switch};
use super::store::{ApplicationIndex, Leases};
use super::{Caller, Lease, MeasuredRate, Options, Source};
use crate::model::{InstanceInfo, InstanceKey, InstanceStatus, LeaseInfo, Record};
use crate::time::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tracing::warn;

/// How many changes are copied under the lock at a time when all are searched.
const CHANGES_AT_A_TIME: usize = 500;
/// Encoded answers of single applications may take a quarter of the memory of the instances.
const PART_OF_ANSWERS: usize = 4;
/// Instances that left may take this part of it in the delta: of ten thousand, a third can leave within the three minutes that the
/// delta keeps.
const PART_OF_GONE: usize = 4;

/// One registration as readers see it.
#[derive(Clone, Debug)]
pub struct Registration {
    /// What is known of the instance.
    pub record: Arc<Record>,
    /// The lease.
    pub lease: Arc<Lease>,
}

impl Registration {
    pub(super) fn of(lease: Arc<Lease>) -> Self {
        Self { record: lease.record(), lease }
    }

    /// The instance.
    pub fn info(&self) -> &InstanceInfo {
        &self.record.info
    }

    /// The lease as answers show it.
    pub fn lease_info(&self) -> LeaseInfo {
        self.lease.info(self.info())
    }
}

/// The registry of one replica.
#[derive(Debug)]
pub struct InstanceRegistry {
    pub(super) options: Arc<Options>,
    pub(super) leases: Leases,
    pub(super) applications: ApplicationIndex,
    pub(super) content: Mutex<Content>,
    pub(super) cache: ResponseCache,
    pub(super) memory: SharedMemory,
    pub(super) room: Room,
    pub(super) self_preservation: SelfPreservationState,
    /// Requests that came from peers, for `numOfReplicationsInLastMin`.
    replications_last_minute: MeasuredRate,
}

impl InstanceRegistry {
    /// An empty registry of the process `node`.
    pub fn new(options: Options, node: u64, now: Timestamp) -> Self {
        let expected_clients = options.expected_number_of_clients_sending_renews;
        let content = Content::new(node, expected_clients, options.max_bytes / PART_OF_GONE);
        let threshold = content.threshold.per_minute(&options);
        let options = Arc::new(options);
        let self_preservation = SelfPreservationState::new(Arc::clone(&options), threshold, now);
        let memory = SharedMemory::new(options.expected_client_renewal_interval);
        Self {
            memory,
            room: Room::new(options.max_bytes),
            self_preservation,
            leases: Leases::default(),
            applications: ApplicationIndex::new(options.max_bytes / PART_OF_ANSWERS),
            content: Mutex::new(content),
            cache: ResponseCache::default(),
            options,
            replications_last_minute: MeasuredRate::new(Duration::from_secs(60), now),
        }
    }

    /// Its settings.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Notes that `copied` instances were copied at the start, and that clients are served from now on (`openForTraffic`).
    pub fn open_for_traffic(&self, copied: u32, now: Timestamp) {
        let expected = if copied > 0 { copied } else { self.options.default_open_for_traffic_count };
        let mut content = self.content.lock();
        content.threshold.expect(expected);
        self.threshold_changed(&content);
        self.self_preservation.opened(expected, now);
    }

    /// Whether the registry may be read: not while it has lost its memory, nor while a start without a copy waits for clients to
    /// register (`shouldAllowAccess`; only with `default-open-for-traffic-count` 0).
    pub fn access_allowed(&self, now: Timestamp) -> bool {
        self.lost_memory(now).is_none() && !self.self_preservation.waits_for_clients(now)
    }

    /// The periodic update of the expected number of clients, from the registered instances (quirk 20: the Java server uses the
    /// cache of its own client).
    pub fn update_renewal_threshold(&self) {
        let mut content = self.content.lock();
        let registered = u32::try_from(content.all.len()).unwrap_or(u32::MAX);
        content.threshold.update(registered, &self.options);
        self.threshold_changed(&content);
    }

    /// Whether expired leases are evicted, and why or why not.
    pub fn self_preservation(&self, now: Timestamp) -> SelfPreservation {
        let expected_clients = self.content.lock().threshold.expected_clients();
        self.self_preservation.report(expected_clients, now)
    }

    /// Notes whether there are peers, and none of them answers: then this replica itself may be cut off.
    pub fn note_reachability(&self, no_peer_answers: bool) {
        self.self_preservation.note_reachability(no_peer_answers);
    }

    /// Evicts or keeps expired leases as an operator says, until the time that the operator gave; `None` takes that back. Gives
    /// back what held before. Each decision is logged.
    pub fn switch_self_preservation(&self, switch: Option<Switch>, caller: &Caller, now: Timestamp) -> Option<Switch> {
        let (what, reason, for_secs) = match &switch {
            Some(Switch { evict, reason, until, .. }) => {
                let what = if *evict { "expired leases are evicted" } else { "expired leases are kept" };
                (what, Some(reason.as_str()), Some(until.since(now).as_secs()))
            }
            None => ("self-preservation decides again", None, None),
        };
        warn!(reason, for_secs, "{caller} switched self-preservation: {what}");
        self.self_preservation.set_switch(switch, now)
    }

    /// The number of renewals since the start.
    pub fn renewals(&self) -> u64 {
        self.self_preservation.renewals()
    }

    /// The number of expired leases that the last eviction run kept: because of self-preservation, and because one run evicts at
    /// most a share of the registry.
    pub fn expired_kept(&self) -> (u64, u64) {
        self.self_preservation.expired_kept()
    }

    /// The number of instances by status.
    pub fn instances_by_status(&self) -> [(InstanceStatus, u32); InstanceStatus::ALL.len()] {
        let hash_code = self.content.lock().hash_code;
        InstanceStatus::ALL.map(|status| (status, hash_code.count(status)))
    }

    /// Drops changes from the delta that are older than its retention time.
    pub fn expire_recent_changes(&self, now: Timestamp) {
        let oldest = now - self.options.retention_time_in_delta_queue;
        let mut content = self.content.lock();
        while content.forget_changes_before(oldest) {
            content.version += 1; // what the delta answers is another, though nothing is
            self.content_changed(&content);
            self.room.set_used(content.bytes());
            MutexGuard::bump(&mut content);
        }
    }

    /// Whether there is memory for an instance: for a new one, or for a known one that becomes larger. It may write a log line,
    /// so no lock is held meanwhile.
    ///
    /// # Errors
    /// If there is not.
    pub fn admit(&self, info: &InstanceInfo, source: Source) -> Result<(), NoRoom> {
        let before = || self.leases.with(info.key().as_str(), |lease| lease.with_record(|record| record.info.weight()));
        let Admission { result, news } = self.room.admit(source, before, info.weight());
        news.into_iter().for_each(News::log);
        result
    }

    /// The approximate memory of the instances in bytes, and its limit.
    pub fn bytes_of(&self) -> (usize, usize) {
        self.room.used_of()
    }

    /// The number of instances that were refused since the start because the registry was full, by source.
    pub fn refused(&self) -> [(Source, u64); 2] {
        self.room.refused()
    }

    /// Notes a request that came from a peer.
    pub fn count_replication(&self, now: Timestamp) {
        self.replications_last_minute.increment(now);
    }

    /// Requests from peers in the last completed minute.
    pub fn replications_last_minute(&self, now: Timestamp) -> u64 {
        self.replications_last_minute.count(now)
    }

    /// The instance of `key`, unless its lease has expired and would be evicted (`getInstanceByAppAndId`).
    pub fn instance(&self, key: &str, now: Timestamp) -> Option<Registration> {
        let lease = self.leases.get(key)?;
        if lease.is_expired(Duration::ZERO, now) && self.self_preservation.lease_expiration_enabled(now) {
            return None;
        }
        Some(Registration::of(lease))
    }

    /// The lease of `key`, expired or not.
    pub fn lease(&self, key: &str) -> Option<Arc<Lease>> {
        self.leases.get(key)
    }

    /// The first instance with this id in any application (`getInstancesById`).
    pub fn instance_by_id(&self, id: &str) -> Option<Registration> {
        let pages = self.content.lock().all.snapshot();
        let entry = pages.iter().flat_map(|page| page.entries()).find(|entry| entry.key().id() == id)?;
        Some(Registration { record: Arc::clone(&entry.record), lease: Arc::clone(&entry.lease) })
    }

    /// All instances at one moment, in the order of their keys.
    pub fn snapshot(&self) -> Vec<Registration> {
        let view = self.view();
        let registration = |(record, lease): (&Arc<Record>, &Arc<Lease>)| Registration {
            record: Arc::clone(record),
            lease: Arc::clone(lease),
        };
        view.records().map(registration).collect()
    }

    /// All instances at one moment, to be read without a lock and without a copy.
    pub fn view(&self) -> View {
        View::new(self.content.lock().all.snapshot())
    }

    /// The number of registered instances.
    pub fn len(&self) -> usize {
        self.content.lock().all.len()
    }

    /// The number of applications with instances.
    pub fn applications_count(&self) -> usize {
        self.applications.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The version: a number that grows with every change.
    pub fn version(&self) -> u64 {
        self.cache.version()
    }

    /// The number of changes since the start, by kind and source; `None` is the registry itself.
    pub fn changes_counted(&self) -> Vec<(ChangeKind, Option<Source>, u64)> {
        self.content.lock().journal.counted().collect()
    }

    /// The first `most` changes with a number above `number`, oldest first; the last ten thousand are kept.
    pub fn changes_after(&self, number: u64, most: usize) -> ChangesAfter {
        self.content.lock().journal.after(number, most)
    }

    /// The last `most` changes, oldest first.
    pub fn latest_changes(&self, most: usize) -> ChangesAfter {
        self.content.lock().journal.latest(most)
    }

    /// How often each instance left UP, or came back to it, since a moment, as far as the changes are kept.
    pub fn flips(&self, since: Timestamp) -> HashMap<InstanceKey, u32> {
        self.content.lock().journal.flips(since)
    }

    /// The number of the last change; zero if there was none.
    pub fn last_change(&self) -> u64 {
        self.content.lock().journal.last()
    }

    /// The changes of one instance that are still kept. It may be gone.
    pub fn history(&self, key: &str) -> InstanceHistory {
        let kept_since = self.content.lock().journal.kept_since();
        let (mut changes, mut number) = (Vec::new(), 0);
        loop {
            // A part at a time, so that the lock is held for short.
            let part = self.changes_after(number, CHANGES_AT_A_TIME).changes;
            let Some(last) = part.last() else { break };
            number = last.number;
            changes.extend(part.into_iter().filter(|change| change.key.as_str() == key));
        }
        changes.reverse();
        InstanceHistory { changes, kept_since }
    }

    /// The last thousand registrations, newest first (`/lastn`).
    pub fn last_registered(&self) -> Vec<(Timestamp, InstanceKey)> {
        self.content.lock().journal.registered()
    }

    /// The last thousand cancellations and evictions, newest first (`/lastn`).
    pub fn last_cancelled(&self) -> Vec<(Timestamp, InstanceKey)> {
        self.content.lock().journal.cancelled()
    }

    fn threshold_changed(&self, content: &Content) {
        self.self_preservation.set_threshold(content.threshold.per_minute(&self.options));
    }

    fn content_changed(&self, content: &Content) {
        self.cache.content_changed(content.version);
    }

    /// Lets readers see a change.
    pub(super) fn publish(&self, content: &Content) {
        self.threshold_changed(content);
        self.content_changed(content);
        self.room.set_used(content.bytes());
    }

    /// Checks what must be true of the registry between any two changes.
    ///
    /// # Panics
    /// If it is not true.
    pub fn check(&self) {
        let content = self.content.lock();
        content.check();
        let leases = self.leases.select(|_| true);
        assert_eq!(leases.len(), content.all.len(), "each lease has its place");
        for lease in leases {
            let entry = content.all.get(lease.key());
            assert!(entry.is_some_and(|entry| Arc::ptr_eq(&entry.lease, &lease)), "{}: one lease", lease.key());
        }
        assert_eq!(self.cache.version(), content.version, "readers see the last change");
        assert_eq!(self.room.used_of().0, content.bytes(), "who is admitted depends on what is there");
    }
}
