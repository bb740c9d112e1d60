//! [`InstanceRegistry`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rand::Rng;
use rand::seq::SliceRandom;
use tracing::{debug, info, warn};

use super::content::Content;
use super::journal::{ChangeKind, ChangesAfter, InstanceHistory};
use super::pages::View;
use super::renewal_threshold::truncate;
use super::repair::KeptDigests;
use super::response_cache::ResponseCache;
use super::store::{ApplicationIndex, Leases};
use super::{Lease, MeasuredRate, Options, Source, override_rule};
use crate::model::{ActionType, InstanceInfo, InstanceKey, InstanceStatus, LeaseInfo};
use crate::time::Timestamp;

/// So many changes are copied under the lock where all of them are looked through.
const CHANGES_AT_A_TIME: usize = 500;
/// So many changes leave the delta before others may have the lock: of 100,000 instances that started together, all leave
/// together.
const FORGOTTEN_AT_ONCE: usize = 100;

/// What became of a renewal.
#[derive(Clone, Debug)]
pub enum Renewal {
    /// No such lease, or its status is UNKNOWN: the client is to register again.
    NotFound,
    /// Renewed.
    Renewed(Arc<Lease>),
}

/// What a registration led to.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The lease that now holds.
    pub lease: Arc<Lease>,
    /// The instance that now holds: the one sent, or the one known if that was newer.
    pub info: Arc<InstanceInfo>,
}

/// One registration as readers see it.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The instance.
    pub info: Arc<InstanceInfo>,
    /// The lease.
    pub lease: Arc<Lease>,
}

impl Registration {
    /// The lease as answers show it.
    pub fn lease_info(&self) -> LeaseInfo {
        self.lease.info(&self.info)
    }
}

/// Whether expired leases are evicted, and the numbers that decide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfPreservation {
    /// Whether it is on at all.
    pub enabled: bool,
    /// The renewals of the last completed minute.
    pub renews_last_minute: u64,
    /// How many have to be exceeded.
    pub renews_per_minute_threshold: u32,
    /// How many clients are expected to renew.
    pub expected_clients: u32,
    /// Whether expired leases are evicted now.
    pub lease_expiration_enabled: bool,
    /// Whether the registry should say that renewals are missing: below the threshold, and not just started.
    pub below_threshold: bool,
}

/// The registry of one replica.
#[derive(Debug)]
pub struct InstanceRegistry {
    pub(super) options: Options,
    pub(super) leases: Leases,
    pub(super) applications: ApplicationIndex,
    pub(super) content: Mutex<Content>,
    pub(super) cache: ResponseCache,
    pub(super) digests: KeptDigests,
    renews_last_minute: MeasuredRate,
    /// Requests that came from peers, for `numOfReplicationsInLastMin`.
    replications_last_minute: MeasuredRate,
    renews_per_minute_threshold: AtomicU64,
    /// When the registry opened for traffic; zero before.
    opened: AtomicI64,
    /// Whether the start found nothing to copy, and none of the options says not to mind.
    empty_on_startup: AtomicBool,
    last_eviction: AtomicI64,
    /// How many renewals there were since the start.
    renewals: AtomicU64,
    /// The expired leases that the last run of the eviction kept, because of self-preservation or of its limit.
    kept_by_self_preservation: AtomicU64,
    kept_by_limit: AtomicU64,
}

impl InstanceRegistry {
    /// An empty registry.
    pub fn new(options: Options, now: Timestamp) -> Self {
        let content = Content::new(options.expected_number_of_clients_sending_renews);
        let threshold = content.threshold.per_minute(&options);
        Self {
            options,
            leases: Leases::default(),
            applications: ApplicationIndex::default(),
            content: Mutex::new(content),
            cache: ResponseCache::default(),
            digests: KeptDigests::default(),
            renews_last_minute: MeasuredRate::new(Duration::from_secs(60), now),
            replications_last_minute: MeasuredRate::new(Duration::from_secs(60), now),
            renews_per_minute_threshold: AtomicU64::new(threshold.into()),
            opened: AtomicI64::new(0),
            empty_on_startup: AtomicBool::new(true),
            last_eviction: AtomicI64::new(0),
            renewals: AtomicU64::new(0),
            kept_by_self_preservation: AtomicU64::new(0),
            kept_by_limit: AtomicU64::new(0),
        }
    }

    /// The settings it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Notes that the start-up copy brought `copied` instances and that clients are served from now on
    /// (`openForTraffic`).
    pub fn open_for_traffic(&self, copied: u32, now: Timestamp) {
        let expected = if copied > 0 { copied } else { self.options.default_open_for_traffic_count };
        let mut content = self.content.lock();
        content.threshold.expect(expected);
        self.threshold_changed(&content);
        self.opened.store(now.0, Relaxed);
        self.empty_on_startup.store(expected == 0, Relaxed);
    }

    /// Whether the registry may be read: not while a start that found nothing waits for clients to register
    /// (`shouldAllowAccess`; only with `default-open-for-traffic-count` 0).
    pub fn access_allowed(&self, now: Timestamp) -> bool {
        let opened = Timestamp(self.opened.load(Relaxed));
        !self.empty_on_startup.load(Relaxed) || now > opened + self.options.wait_time_when_sync_empty
    }

    /// Registers an instance, anew or again (`register`). An instance known in a newer version stays; the lease starts
    /// anew in any case.
    pub fn register(&self, sent: InstanceInfo, source: Source, now: Timestamp) -> Registered {
        let (registered, known) = self.register_locked(&mut self.content.lock(), sent, source, now);
        log_registration(&registered, known.as_deref(), source);
        registered
    }

    /// Gives back also what was known before. Who called it logs that, without the lock: a log takes longer than most
    /// of what is done under it.
    pub(super) fn register_locked(
        &self,
        content: &mut Content,
        sent: InstanceInfo,
        source: Source,
        now: Timestamp,
    ) -> (Registered, Option<Arc<InstanceInfo>>) {
        let key = sent.key();
        let existing = self.leases.get(key.as_str());
        // The names that are kept already, not their equals: a thousand instances need an application's name once, and
        // what a client sends again and again stays where it is.
        let key = existing.as_ref().map_or(key, |lease| lease.key().clone());
        let duration = Duration::from_secs(u64::try_from(sent.lease.duration_secs).unwrap_or_default());
        let known = existing.as_ref().map(|lease| lease.holder());
        let mut registrant = match &known {
            Some(known) if known.last_dirty > sent.last_dirty => {
                debug!(instance.id = key.id(), app.name = key.app(), "kept the newer registration");
                InstanceInfo::clone(known)
            }
            Some(known) => InstanceInfo { app: known.app.clone(), ..sent },
            None => InstanceInfo { app: self.applications.name_of(&sent.app), ..sent },
        };
        let sent_override = Some(registrant.overridden_status).filter(|status| *status != InstanceStatus::Unknown);
        let status_override = existing.as_ref().and_then(|lease| lease.status_override()).or(sent_override);
        if let Some(status) = status_override {
            registrant.overridden_status = status;
        }
        registrant.status = override_rule::resolve(registrant.status, status_override, existing.as_deref(), source);
        registrant.action_type = Some(ActionType::Added);
        registrant.is_coordinating_discovery_server = false;
        registrant.last_updated = now;

        let service_up = existing.as_ref().map_or(Timestamp::NEVER, |lease| lease.service_up());
        let info = Arc::new(registrant);
        let lease = Arc::new(Lease::new(key, Arc::clone(&info), duration, service_up, status_override, now));
        if info.status == InstanceStatus::Up {
            lease.note_service_up(now);
        }
        if let Some(changed) = existing.as_ref().and_then(|lease| lease.override_changed()) {
            lease.keep_override_changed(changed);
        }
        content.tombstones.remove(lease.key());
        if existing.is_none() {
            content.threshold.client_added();
            self.threshold_changed(content);
        }
        self.leases.insert(Arc::clone(&lease));
        content.put(&lease, &info, now);
        let statuses = (known.as_ref().map(|known| known.status), info.status);
        content.note(ChangeKind::Registered, lease.key(), statuses, Some(source), now);
        self.applications.changed(&info.app);
        self.content_changed(content);
        (Registered { lease, info }, known)
    }

    /// Renews a lease (`renew`). The status is put right first: what an operator set holds.
    pub fn renew(&self, key: &str, now: Timestamp) -> Renewal {
        let found = self.leases.with(key, |lease| {
            let held = lease.with_holder(|holder| holder.status);
            (held, override_rule::resolve(held, lease.status_override(), Some(lease), Source::Peer), Arc::clone(lease))
        });
        let Some((held, status, lease)) = found else { return Renewal::NotFound };
        if status == InstanceStatus::Unknown {
            return Renewal::NotFound;
        }
        if status != held {
            self.apply_override(&lease, now);
        }
        self.renews_last_minute.increment(now);
        self.renewals.fetch_add(1, Relaxed);
        lease.renew(now);
        Renewal::Renewed(lease)
    }

    /// Puts an instance's status right that differs from what an operator set. The Java server tells nobody of it
    /// (quirk 15); ours shows it in the delta.
    pub(super) fn apply_override(&self, lease: &Arc<Lease>, now: Timestamp) {
        let mut content = self.content.lock();
        let current = self.leases.get(lease.key().as_str());
        let (Some(status), true) =
            (lease.status_override(), current.is_some_and(|current| Arc::ptr_eq(&current, lease)))
        else {
            return;
        };
        self.modify(&mut content, lease, ChangeKind::StatusChanged, None, now, |info| info.status = status);
    }

    /// Takes an instance out (`cancel`). Says whether it was there.
    pub fn cancel(&self, key: &str, source: Source, now: Timestamp) -> bool {
        let mut content = self.content.lock();
        self.take_out(&mut content, key, ChangeKind::Cancelled, Some(source), now)
    }

    pub(super) fn take_out(
        &self,
        content: &mut Content,
        key: &str,
        kind: ChangeKind,
        source: Option<Source>,
        now: Timestamp,
    ) -> bool {
        let Some(lease) = self.leases.remove(key) else { return false };
        lease.cancel(now);
        if kind == ChangeKind::Cancelled {
            content.tombstones.insert(lease.key(), lease.with_holder(|holder| holder.last_dirty), now);
        }
        let mut last = InstanceInfo::clone(&lease.holder());
        last.action_type = Some(ActionType::Deleted);
        last.last_updated = now;
        content.take(&lease, &Arc::new(last), now);
        let status = lease.with_holder(|holder| holder.status);
        content.note(kind, lease.key(), (Some(status), status), source, now);
        content.threshold.client_removed();
        self.threshold_changed(content);
        let app = lease.with_holder(|holder| holder.app.clone());
        if content.all.application(app.as_str()).next().is_none() {
            self.applications.removed(app.as_str());
        } else {
            self.applications.changed(&app);
        }
        self.content_changed(content);
        let (app, id, silent) = (lease.key().app(), lease.key().id(), now.since(lease.last_heard()).as_secs());
        match kind {
            ChangeKind::Evicted => info!(app.name = app, instance.id = id, silent_secs = silent, "evicted"),
            ChangeKind::Cancelled
            | ChangeKind::Registered
            | ChangeKind::StatusChanged
            | ChangeKind::OverrideRemoved => {
                info!(app.name = app, instance.id = id, source = Source::name(source), "cancelled");
            }
        }
        true
    }

    /// Sets an instance's status, as an operator (`statusUpdate`). Says whether it was there. A status it has already
    /// is not stored as an override (quirk 13); the lease is renewed in any case.
    pub fn status_update(
        &self,
        key: &str,
        status: InstanceStatus,
        last_dirty: Option<Timestamp>,
        source: Source,
        now: Timestamp,
    ) -> bool {
        let mut content = self.content.lock();
        let Some(lease) = self.leases.get(key) else { return false };
        lease.renew(now);
        if lease.with_holder(|holder| holder.status) == status {
            return true;
        }
        if status == InstanceStatus::Up {
            lease.note_service_up(now);
        }
        lease.set_status_override(Some(status), now);
        self.modify(&mut content, &lease, ChangeKind::StatusChanged, Some(source), now, |info| {
            info.overridden_status = status;
            info.status = status;
            info.last_dirty = last_dirty.map_or(info.last_dirty, |sent| sent.max(info.last_dirty));
        });
        true
    }

    /// Takes back what an operator set (`deleteStatusOverride`); the status becomes `status` until the instance sends
    /// its own. Says whether the instance was there; without an override nothing changes but the lease.
    pub fn delete_status_override(
        &self,
        key: &str,
        status: InstanceStatus,
        last_dirty: Option<Timestamp>,
        source: Source,
        now: Timestamp,
    ) -> bool {
        let mut content = self.content.lock();
        let Some(lease) = self.leases.get(key) else { return false };
        lease.renew(now);
        if lease.status_override().is_none() {
            return true;
        }
        lease.set_status_override(None, now);
        self.modify(&mut content, &lease, ChangeKind::OverrideRemoved, Some(source), now, |info| {
            info.overridden_status = InstanceStatus::Unknown;
            info.status = status;
            info.last_dirty = last_dirty.map_or(info.last_dirty, |sent| sent.max(info.last_dirty));
        });
        true
    }

    /// Takes over an override that a peer has (`storeOverriddenStatusIfRequired`); the next renewal applies it.
    pub fn store_overridden_status_if_required(&self, key: &str, status: InstanceStatus, now: Timestamp) {
        let mut content = self.content.lock();
        let Some(lease) = self.leases.get(key) else { return };
        if lease.status_override() == Some(status) {
            return;
        }
        lease.set_status_override(Some(status), now);
        self.modify(&mut content, &lease, ChangeKind::StatusChanged, Some(Source::Peer), now, |info| {
            info.overridden_status = status;
        });
    }

    /// Adds to an instance's metadata, which counts as registering it again (`InstanceResource.updateMetadata`).
    /// `None` if there is no such instance.
    pub fn update_metadata<'a>(
        &self,
        key: &str,
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Timestamp,
    ) -> Option<Registered> {
        let (registered, known) = {
            let mut content = self.content.lock();
            let mut info = InstanceInfo::clone(&self.leases.get(key)?.holder());
            info.metadata = info.metadata.with(entries);
            self.register_locked(&mut content, info, Source::Client, now)
        };
        log_registration(&registered, known.as_deref(), Source::Client);
        Some(registered)
    }

    /// Changes an instance and shows it as `MODIFIED` everywhere.
    pub(super) fn modify(
        &self,
        content: &mut Content,
        lease: &Arc<Lease>,
        kind: ChangeKind,
        source: Option<Source>,
        now: Timestamp,
        change: impl FnOnce(&mut InstanceInfo),
    ) {
        let before = lease.holder();
        let mut info = InstanceInfo::clone(&before);
        change(&mut info);
        info.action_type = Some(ActionType::Modified);
        info.last_updated = now;
        let info = Arc::new(info);
        lease.set_holder(Arc::clone(&info));
        content.put(lease, &info, now);
        content.note(kind, lease.key(), (Some(before.status), info.status), source, now);
        self.applications.changed(&info.app);
        self.content_changed(content);
        info!(
            app.name = lease.key().app(),
            instance.id = lease.key().id(),
            status.before = before.status.name(),
            status = info.status.name(),
            status.overridden = lease.status_override().map(InstanceStatus::name),
            source = Source::name(source),
            "status changed"
        );
    }

    /// Evicts expired leases, at random and at most as many as self-preservation leaves room for (`evict`). Says how
    /// many.
    ///
    /// Time beyond the interval since the last run is borne with every lease: a server that was stopped could hear
    /// nobody. Evictions are not told to peers, each has a view of its own (quirk 22).
    pub fn evict(&self, rng: &mut impl Rng, now: Timestamp) -> usize {
        let last = Timestamp(self.last_eviction.swap(now.0, Relaxed));
        let interval = self.options.eviction_interval;
        let compensation =
            if last == Timestamp::NEVER { Duration::ZERO } else { now.since(last).saturating_sub(interval) };
        if !self.lease_expiration_enabled(now) {
            let expired = self.leases.select(|lease| lease.is_expired(compensation, now)).len();
            self.kept_by_self_preservation.store(expired as u64, Relaxed);
            self.kept_by_limit.store(0, Relaxed);
            if expired > 0 {
                let SelfPreservation { renews_last_minute, renews_per_minute_threshold, .. } =
                    self.self_preservation(now);
                warn!(
                    expired,
                    renews_last_minute, renews_per_minute_threshold, "self-preservation keeps leases that have expired"
                );
            }
            return 0;
        }
        let mut expired = self.leases.select(|lease| lease.is_expired(compensation, now));
        // The map has no order; with one, the same dice choose the same leases.
        expired.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        let registered = u32::try_from(self.content.lock().all.len()).unwrap_or(u32::MAX);
        let kept = truncate(f64::from(registered) * self.options.renewal_percent_threshold);
        let limit = usize::try_from(registered.saturating_sub(kept)).unwrap_or(usize::MAX);
        let chosen = expired.partial_shuffle(rng, limit).0;
        let mut evicted = 0;
        for lease in chosen {
            let mut content = self.content.lock();
            let current = self.leases.get(lease.key().as_str());
            let still_expired = current.is_some_and(|current| current.is_expired(compensation, now));
            if still_expired && self.take_out(&mut content, lease.key().as_str(), ChangeKind::Evicted, None, now) {
                evicted += 1;
            }
        }
        self.kept_by_self_preservation.store(0, Relaxed);
        self.kept_by_limit.store(expired.len().saturating_sub(limit) as u64, Relaxed);
        evicted
    }

    /// How many renewals there were since the start.
    pub fn renewals(&self) -> u64 {
        self.renewals.load(Relaxed)
    }

    /// How many expired leases the last run of the eviction kept: because of self-preservation, and because one run
    /// takes out at most a share of all.
    pub fn expired_kept(&self) -> (u64, u64) {
        (self.kept_by_self_preservation.load(Relaxed), self.kept_by_limit.load(Relaxed))
    }

    /// How many changes there were since the start, by kind and by who brought them: a client, a peer, or the registry
    /// itself.
    pub fn changes_counted(&self) -> Vec<(ChangeKind, Option<Source>, u64)> {
        self.content.lock().journal.counted().collect()
    }

    /// How many instances have which status.
    pub fn instances_by_status(&self) -> [(InstanceStatus, u32); InstanceStatus::ALL.len()] {
        let hash_code = self.content.lock().hash_code;
        InstanceStatus::ALL.map(|status| (status, hash_code.count(status)))
    }

    /// Drops changes from the delta that are older than its retention time.
    pub fn expire_recent_changes(&self, now: Timestamp) {
        let oldest = now - self.options.retention_time_in_delta_queue;
        let mut content = self.content.lock();
        while content.forget_changes_before(oldest, FORGOTTEN_AT_ONCE) {
            content.version += 1; // what the delta answers is another, though nothing is
            self.content_changed(&content);
            MutexGuard::bump(&mut content);
        }
    }

    /// The periodic update of how many clients are expected, of what is registered here (quirk 20: the Java server
    /// asks its own client's cache).
    pub fn update_renewal_threshold(&self) {
        let mut content = self.content.lock();
        let registered = u32::try_from(content.all.len()).unwrap_or(u32::MAX);
        content.threshold.update(registered, &self.options);
        self.threshold_changed(&content);
    }

    /// Whether expired leases are evicted, and why or why not.
    pub fn self_preservation(&self, now: Timestamp) -> SelfPreservation {
        let renews_last_minute = self.renews_last_minute.count(now);
        let threshold = self.renews_per_minute_threshold.load(Relaxed);
        let opened = Timestamp(self.opened.load(Relaxed));
        let past_start = opened > Timestamp::NEVER && now > opened + self.options.wait_time_when_sync_empty;
        SelfPreservation {
            enabled: self.options.enable_self_preservation,
            renews_last_minute,
            renews_per_minute_threshold: u32::try_from(threshold).unwrap_or(u32::MAX),
            expected_clients: self.content.lock().threshold.expected_clients(),
            lease_expiration_enabled: self.lease_expiration_enabled(now),
            below_threshold: renews_last_minute <= threshold && past_start,
        }
    }

    fn lease_expiration_enabled(&self, now: Timestamp) -> bool {
        let threshold = self.renews_per_minute_threshold.load(Relaxed);
        !self.options.enable_self_preservation || (threshold > 0 && self.renews_last_minute.count(now) > threshold)
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
        if lease.is_expired(Duration::ZERO, now) && self.lease_expiration_enabled(now) {
            return None;
        }
        Some(Registration { info: lease.holder(), lease })
    }

    /// The lease of `key`, expired or not.
    pub fn lease(&self, key: &str) -> Option<Arc<Lease>> {
        self.leases.get(key)
    }

    /// The first instance with this id in any application (`getInstancesById`).
    pub fn instance_by_id(&self, id: &str) -> Option<Registration> {
        let pages = self.content.lock().all.snapshot();
        let entry = pages.iter().flat_map(|page| page.entries()).find(|entry| entry.key().id() == id)?;
        Some(Registration { info: Arc::clone(&entry.info), lease: Arc::clone(&entry.lease) })
    }

    /// All instances in the order of their keys, of one moment.
    pub fn snapshot(&self) -> Vec<Registration> {
        let view = self.view();
        view.iter().map(|(info, lease)| Registration { info: Arc::clone(info), lease: Arc::clone(lease) }).collect()
    }

    /// All instances, to be looked at without a lock and without a copy.
    pub fn view(&self) -> View {
        View::new(self.content.lock().all.snapshot())
    }

    /// How many instances are registered.
    pub fn len(&self) -> usize {
        self.content.lock().all.len()
    }

    /// How many applications have instances.
    pub fn applications_count(&self) -> usize {
        self.applications.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many changes there were: a number that grows with each.
    pub fn version(&self) -> u64 {
        self.cache.version()
    }

    /// The first `most` changes with a number above `number`, oldest first; the last ten thousand are kept.
    pub fn changes_after(&self, number: u64, most: usize) -> ChangesAfter {
        self.content.lock().journal.after(number, most)
    }

    /// The last `most` changes, oldest first.
    pub fn latest_changes(&self, most: usize) -> ChangesAfter {
        self.content.lock().journal.latest(most)
    }

    /// The number of the last change; zero if there was none.
    pub fn last_change(&self) -> u64 {
        self.content.lock().journal.last()
    }

    /// What is kept of the changes of one instance, which may be gone.
    pub fn history(&self, key: &str) -> InstanceHistory {
        let kept_since = self.content.lock().journal.kept_since();
        let (mut changes, mut number) = (Vec::new(), 0);
        loop {
            // A part at a time, so that nobody waits for all of it.
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
        self.renews_per_minute_threshold.store(content.threshold.per_minute(&self.options).into(), Relaxed);
    }

    fn content_changed(&self, content: &Content) {
        self.cache.content_changed(content.version);
    }
}

/// A client that registers again without a change (after a 404, or because its peers ask for it) is no news.
fn log_registration(registered: &Registered, known: Option<&InstanceInfo>, source: Source) {
    let Registered { lease, info } = registered;
    let (app, id, source) = (lease.key().app(), lease.key().id(), Source::name(Some(source)));
    let same = known.is_some_and(|known| known.last_dirty == info.last_dirty && known.status == info.status);
    if same {
        debug!(app.name = app, instance.id = id, status = info.status.name(), source, "registered again");
    } else {
        info!(app.name = app, instance.id = id, status = info.status.name(), source, "registered");
    }
}
