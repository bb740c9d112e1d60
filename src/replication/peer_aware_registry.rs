//! [`PeerAwareInstanceRegistry`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tracing::{field, warn};

use super::{Options, Peers, ReplicationTask};
use crate::model::{
    Action, Fact, InstanceInfo, InstanceKey, InstanceStatus, Known, ReplicationInstance, ReplicationList, TooLarge,
};
use crate::registry::{Caller, Done, InstanceRegistry, Lease, NoRoom, Registration, Renewal, Source};
use crate::time::Timestamp;

/// What a heartbeat says in addition to "the instance lives".
#[derive(Clone, Copy, Debug, Default)]
pub struct Heartbeat {
    /// The version of the instance's data at the sender.
    pub last_dirty: Option<Timestamp>,
    /// The override at the sender, if that is a peer.
    pub overridden_status: Option<InstanceStatus>,
}

/// The outcome of a heartbeat.
#[derive(Debug)]
pub enum HeartbeatOutcome {
    /// It renewed the lease: 200.
    Renewed,
    /// The instance is unknown here, or known only in an older version: 404, so that the client registers again.
    NotFound,
    /// The peer's instance is older than ours: 409 with ours.
    Conflict(Registration),
}

/// Why a change is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// The instance would be larger than the limit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The registry is full.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

/// The outcome of one item of a peer's batch.
#[derive(Debug)]
pub enum ItemOutcome {
    /// It was applied; or it was a registration that was refused, which is answered the same (quirk 7).
    Applied,
    /// The instance is unknown, or known only in an older version: the peer has to send the whole registration.
    NotFound,
    /// The instance is newer here. It is part of the answer to the first item that names it.
    Conflict(Option<Registration>),
    /// The item lacks what its action needs.
    Incomplete,
}

impl ItemOutcome {
    fn of(found: bool) -> Self {
        if found { Self::Applied } else { Self::NotFound }
    }
}

/// The registry, with every change of a client replicated to the peers: Netflix's `PeerAwareInstanceRegistryImpl`.
///
/// A change is made and queued for the peers in one synchronous stretch, so that a request that is dropped in between cannot
/// leave one without the other.
#[derive(Debug)]
pub struct PeerAwareInstanceRegistry {
    registry: Arc<InstanceRegistry>,
    peers: Arc<Peers>,
    /// Held while a change is made and queued, so that changes reach the queues in the order in which they were made. Heartbeats
    /// do not take it, since their order does not matter.
    in_order: Mutex<()>,
    max_time_for_replication: Duration,
}

impl PeerAwareInstanceRegistry {
    /// Replicates the changes that clients make in `registry`.
    pub fn new(registry: Arc<InstanceRegistry>, options: &Options) -> Self {
        Self {
            registry,
            peers: Arc::default(),
            in_order: Mutex::new(()),
            max_time_for_replication: options.max_time_for_replication,
        }
    }

    /// The registry of this replica, for reading.
    pub fn registry(&self) -> &Arc<InstanceRegistry> {
        &self.registry
    }

    /// The peers that changes are replicated to.
    pub fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    /// Registers an instance. If the registry kept a newer registration, that one is replicated, not the one that was sent (quirk
    /// 16).
    pub fn register(&self, info: InstanceInfo, caller: &Caller, now: Timestamp) -> Registration {
        self.in_order(
            || self.registry.register(info, caller, now),
            |registered| {
                self.replicate(Action::Register, registered.lease.key(), Some(&registered.lease), caller, now);
            },
        )
    }

    /// Makes a change and replicates it, in the order in which changes are made. The change's log line is written afterwards, so
    /// that no other change waits for it.
    fn in_order<T>(&self, change: impl FnOnce() -> Done<T>, replicate: impl FnOnce(&T)) -> T {
        let done = {
            let _in_order = self.in_order.lock();
            let done = change();
            replicate(&done);
            done
        };
        done.into_result()
    }

    /// Queues a change for each peer, unless it came from a peer (`replicateToPeers`).
    fn replicate(
        &self,
        action: Action,
        key: &InstanceKey,
        lease: Option<&Arc<Lease>>,
        caller: &Caller,
        now: Timestamp,
    ) {
        if caller.source == Source::Peer || self.peers.is_empty() {
            return;
        }
        let keep = match (action, lease) {
            (Action::Register | Action::Heartbeat, Some(lease)) => {
                let secs = lease.with_record(|record| record.info.lease.renewal_interval_secs);
                Duration::from_secs(u64::try_from(secs).unwrap_or_default())
            }
            _ => self.max_time_for_replication,
        };
        let is_known = caller.user.is_some() || caller.reason.is_some();
        let by = (is_known && action != Action::Heartbeat).then(|| Arc::new(caller.clone()));
        let task = ReplicationTask { action, key: key.clone(), lease: lease.cloned(), by, expires: now + keep };
        self.peers.offer(&task, now);
    }

    /// Carries out an operator's command and replicates it. Returns whether there is such an instance.
    fn command(
        &self,
        action: Action,
        caller: &Caller,
        now: Timestamp,
        command: impl FnOnce() -> Done<Option<Arc<Lease>>>,
    ) -> bool {
        let changed = self.in_order(command, |changed| {
            if let Some(lease) = changed {
                // Peers need no data of a cancelled instance.
                let data = (action != Action::Cancel).then_some(lease);
                self.replicate(action, lease.key(), data, caller, now);
            }
        });
        changed.is_some()
    }

    /// Renews a lease, and compares the version of the sender's data with ours (`InstanceResource.renewLease` and
    /// `validateDirtyTimestamp`). The lease is renewed even if the answer is 404 or 409 (quirk 10).
    pub fn renew(&self, key: &str, heartbeat: Heartbeat, source: Source, now: Timestamp) -> HeartbeatOutcome {
        let Renewal::Renewed(lease) = self.registry.renew(key, now) else {
            if source == Source::Client {
                self.registry.client_renewed_unknown(key, heartbeat.last_dirty, now);
            }
            return HeartbeatOutcome::NotFound;
        };
        self.replicate(Action::Heartbeat, lease.key(), Some(&lease), &source.into(), now);
        let (Some(sent), true) = (heartbeat.last_dirty, self.registry.options().sync_when_timestamp_differs) else {
            return HeartbeatOutcome::Renewed;
        };
        let ours = lease.with_record(|record| record.info.last_dirty);
        match (sent.cmp(&ours), source) {
            (std::cmp::Ordering::Greater, Source::Peer) => {
                if let Some(status) = heartbeat.overridden_status.filter(|status| *status != InstanceStatus::Unknown) {
                    self.registry.store_overridden_status_if_required(key, status, now);
                }
                HeartbeatOutcome::NotFound
            }
            (std::cmp::Ordering::Greater, Source::Client | Source::Kubernetes) => HeartbeatOutcome::NotFound,
            (std::cmp::Ordering::Less, Source::Peer) => {
                HeartbeatOutcome::Conflict(Registration { record: lease.record(), lease })
            }
            (std::cmp::Ordering::Less, Source::Client | Source::Kubernetes) | (std::cmp::Ordering::Equal, _) => {
                HeartbeatOutcome::Renewed
            }
        }
    }

    /// Cancels an instance. Returns whether there was one.
    pub fn cancel(&self, key: &str, caller: &Caller, now: Timestamp) -> bool {
        self.command(Action::Cancel, caller, now, || self.registry.cancel(key, caller, now))
    }

    /// Evicts an instance whose pod has ended, unless it was heard after `until`. It is replicated as a cancellation, to Java servers,
    /// too. Returns whether it is gone by this.
    pub fn evict_ended(&self, key: &str, until: Timestamp, caller: &Caller, now: Timestamp) -> bool {
        self.command(Action::Cancel, caller, now, || self.registry.evict_ended(key, until, caller, now))
    }

    /// Sets an override. Returns whether there is such an instance.
    pub fn status_update(
        &self,
        key: &str,
        status: InstanceStatus,
        last_dirty: Option<Timestamp>,
        caller: &Caller,
        now: Timestamp,
    ) -> bool {
        let command = || self.registry.status_update(key, status, last_dirty, caller, now);
        self.command(Action::StatusUpdate, caller, now, command)
    }

    /// Removes an override. Returns whether there is such an instance.
    pub fn delete_status_override(
        &self,
        key: &str,
        status: InstanceStatus,
        last_dirty: Option<Timestamp>,
        caller: &Caller,
        now: Timestamp,
    ) -> bool {
        let command = || self.registry.delete_status_override(key, status, last_dirty, caller, now);
        self.command(Action::DeleteStatusOverride, caller, now, command)
    }

    /// Adds metadata, which is replicated as a registration. Returns whether there is such an instance.
    ///
    /// # Errors If the instance would be larger than the limit, or the registry is full.
    pub fn update_metadata<'a>(
        &self,
        key: &str,
        entries: impl IntoIterator<Item = (&'a str, &'a str)> + Clone,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        self.update_metadata_of(key, |_any| true, entries, caller, now)
    }

    /// Adds an entry to the metadata of an instance that has none of this name, which is replicated as a registration. Returns whether
    /// it was added.
    ///
    /// # Errors If the instance would be larger than the limit, or the registry is full.
    pub fn offer_metadata(
        &self,
        key: &str,
        (name, value): (&str, &str),
        caller: &Caller,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        let lacks = |lease: &Lease| lease.with_record(|record| record.info.metadata.get(name).is_none());
        self.update_metadata_of(key, lacks, [(name, value)], caller, now)
    }

    fn update_metadata_of<'a>(
        &self,
        key: &str,
        is_meant: impl Fn(&Lease) -> bool,
        entries: impl IntoIterator<Item = (&'a str, &'a str)> + Clone,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        let with_entries = |lease: &Lease| {
            let mut info = lease.with_record(|record| record.info.clone());
            info.metadata = info.metadata.with(entries.clone());
            info
        };
        let meant = || self.registry.lease(key).filter(|lease| is_meant(lease));
        let Some(lease) = meant() else { return Ok(false) };
        self.registry.admit(&with_entries(&lease), caller.source)?;
        let registered = {
            let _in_order = self.in_order.lock();
            let Some(lease) = meant() else { return Ok(false) };
            // Checked under the lock: two updates that fit one by one may be too large together.
            with_entries(&lease).check_size()?;
            let registered = self.registry.update_metadata(key, entries, caller, now);
            if let Some(Registration { lease, .. }) = &*registered {
                let caller = Caller { source: Source::Client, ..caller.clone() };
                self.replicate(Action::Register, lease.key(), Some(lease), &caller, now);
            }
            registered
        };
        Ok(registered.is_some())
    }
}

impl PeerAwareInstanceRegistry {
    /// Applies a batch item by item (`PeerReplicationResource.batchReplication`), as a request of the peer that sent it.
    pub fn apply(&self, list: ReplicationList, caller: &Caller, now: Timestamp) -> Vec<ItemOutcome> {
        self.registry.count_replication(now);
        let caller = Caller { source: Source::Peer, ..caller.clone() };
        let too_large: Vec<_> = list.replication_list.iter().filter_map(|item| item.too_large).collect();
        if let Some(first) = too_large.first() {
            let skipped = too_large.len();
            warn!(peer.address = caller.address.map(field::display), skipped, why = %first, "skipped instances of a peer that are too large");
        }
        let mut in_conflict = HashSet::new();
        let apply = |item: ReplicationInstance| {
            let key = InstanceKey::new(&item.app_name, &item.id);
            let outcome = self.apply_item(item, &key, &caller, now);
            // An instance is part of the answer only once, so that a batch that repeats one cannot make the answer larger than
            // the registry.
            let again = matches!(outcome, ItemOutcome::Conflict(_)) && !in_conflict.insert(key);
            if again { ItemOutcome::Conflict(None) } else { outcome }
        };
        list.replication_list.into_iter().map(apply).collect()
    }

    /// Merges what one of our own replicas knows. It sends what it knows by now, whatever happened to the instance.
    fn merge(
        &self,
        known: Known,
        item: &ReplicationInstance,
        key: &InstanceKey,
        caller: &Caller,
        now: Timestamp,
    ) -> bool {
        match known {
            Known::Registered(mut record, heard) => {
                if record.info.validate(item.app_name.as_str()).is_ok() && record.info.key() == *key {
                    self.registry.merge_fact(Fact::Registered(record), Some(heard), caller, now);
                }
                true
            }
            Known::Cancelled(tombstone) => {
                self.registry.merge_fact(Fact::Cancelled(tombstone), None, caller, now);
                true
            }
            // An instance that is unknown here, or known only in an older version, has to be sent as a whole.
            Known::Renewed(at) => {
                let known = self.registry.merge_renewed(key.as_str(), at, now);
                known.is_some() && item.last_dirty <= known
            }
        }
    }

    fn apply_item(
        &self,
        mut item: ReplicationInstance,
        key: &InstanceKey,
        caller: &Caller,
        now: Timestamp,
    ) -> ItemOutcome {
        if item.too_large.is_some() {
            // Answered like a refused registration: sending it again would not help.
            return ItemOutcome::Applied;
        }
        if let Some(known) = item.known.take() {
            let by = item.by.take().map(|by| caller.for_user(by.user.as_deref(), by.reason.as_deref()));
            return ItemOutcome::of(self.merge(known, &item, key, by.as_ref().unwrap_or(caller), now));
        }
        let key = key.as_str();
        match item.action {
            // A registration that is refused is answered 200, too (quirk 7).
            Action::Register => match item.instance_info {
                None => ItemOutcome::Incomplete,
                Some(mut info) => {
                    if info.validate(item.app_name.as_str()).is_ok()
                        && self.registry.admit(&info, caller.source).is_ok()
                    {
                        self.register(*info, caller, now);
                    }
                    ItemOutcome::Applied
                }
            },
            Action::Heartbeat => {
                let heartbeat = Heartbeat { last_dirty: item.last_dirty, overridden_status: item.overridden_status };
                match self.renew(key, heartbeat, Source::Peer, now) {
                    HeartbeatOutcome::Renewed => ItemOutcome::Applied,
                    HeartbeatOutcome::NotFound => ItemOutcome::NotFound,
                    HeartbeatOutcome::Conflict(ours) => ItemOutcome::Conflict(Some(ours)),
                }
            }
            Action::Cancel => ItemOutcome::of(self.cancel(key, caller, now)),
            Action::StatusUpdate => match item.status {
                None => ItemOutcome::Incomplete,
                Some(status) => ItemOutcome::of(self.status_update(key, status, item.last_dirty, caller, now)),
            },
            Action::DeleteStatusOverride => match item.last_dirty {
                None => ItemOutcome::Incomplete,
                Some(last_dirty) => {
                    let status = item.status.unwrap_or(InstanceStatus::Unknown);
                    ItemOutcome::of(self.delete_status_override(key, status, Some(last_dirty), caller, now))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::model::AppName;
    use crate::registry;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn no_log_line_is_written_under_the_lock_of_changes() {
        let registry = Arc::new(InstanceRegistry::new(registry::Options::default(), 1, NOW));
        let replicating = Arc::new(PeerAwareInstanceRegistry::new(registry, &Options::default()));
        let (writing, lines) = (Arc::clone(&replicating), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&lines);
        let writer = move || {
            assert!(writing.in_order.try_lock().is_some(), "another change would wait for the log");
            counted.fetch_add(1, Relaxed);
            std::io::sink()
        };
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(writer).finish();
        tracing::subscriber::with_default(log, || {
            let (key, caller) = ("ORDERS/h", Source::Client.into());
            let info = InstanceInfo::new(AppName::new("orders"), "h", "10.0.0.1", NOW);
            let older = InstanceInfo { last_dirty: Timestamp(1), ..info.clone() };
            replicating.register(info, &caller, NOW);
            replicating.register(older, &caller, NOW);
            assert!(replicating.status_update(key, InstanceStatus::OutOfService, None, &caller, NOW));
            assert!(replicating.delete_status_override(key, InstanceStatus::Up, None, &caller, NOW));
            assert_eq!(replicating.update_metadata(key, [("k", "v")], &caller, NOW), Ok(true));
            assert!(replicating.cancel(key, &caller, NOW));
        });
        assert_eq!(lines.load(Relaxed), 7, "each change, and that the older registration was not taken");
    }
}
