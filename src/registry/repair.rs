//! Mending what replication lost: a cancellation, an override, a registration that never arrived.
//!
//! Each of our replicas compares a hash of all it knows with each other one's, then one per application, and asks for
//! what the other knows of those that differ. It only takes; the other does the same in turn. What it takes:
//!
//! - An instance it lacks, if that was heard within its lease's duration, once. A replica evicts after one duration or
//!   two, so nobody takes back what somebody evicted; and the lease is set back to when the instance was heard there, so
//!   ages only grow and what is dead cannot wander from replica to replica for ever. Evictions leave no tombstone.
//! - The data of one it has, if the other's is newer (`lastDirtyTimestamp`).
//! - The override that was set or taken back last.
//! - A cancellation: the instance goes, unless its data is newer than what was cancelled or it was heard since.
//!
//! All times are exchanged as ages, so clocks may differ. Only instances heard within their duration are hashed: what one
//! replica has evicted and another not yet is no difference.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::info;

use super::journal::ChangeKind;
use super::pages::Entry;
use super::{InstanceRegistry, Lease, Source};
use crate::codec::repair::{self, Ages, Cancelled, Digests, Exchange, Living};
use crate::model::{InstanceKey, InstanceStatus};
use crate::time::Timestamp;

/// So long a cancellation is remembered: longer than any cut that a registry is expected to mend by itself.
const TOMBSTONE_KEPT: Duration = Duration::from_secs(60 * 60);
/// So long digests are kept while nothing changes: they change with time alone, as instances fall silent.
const DIGEST_KEPT: Duration = Duration::from_secs(2);
/// The most cancellations that are remembered; the oldest go first.
const MOST_TOMBSTONES: usize = 20_000;

/// Who was cancelled, lately.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    by_key: HashMap<InstanceKey, Tombstone>,
    in_order: VecDeque<(Timestamp, InstanceKey)>,
}

#[derive(Clone, Copy, Debug)]
struct Tombstone {
    last_dirty: Timestamp,
    at: Timestamp,
}

impl Tombstones {
    pub(super) fn insert(&mut self, key: &InstanceKey, last_dirty: Timestamp, at: Timestamp) {
        self.by_key.insert(key.clone(), Tombstone { last_dirty, at });
        self.in_order.push_back((at, key.clone()));
        while let Some((oldest, key)) = self.in_order.front()
            && (self.in_order.len() > MOST_TOMBSTONES || at.since(*oldest) > TOMBSTONE_KEPT)
        {
            if self.by_key.get(key).is_some_and(|tombstone| tombstone.at == *oldest) {
                self.by_key.remove(key);
            }
            self.in_order.pop_front();
        }
    }

    pub(super) fn remove(&mut self, key: &InstanceKey) {
        self.by_key.remove(key);
    }
}

/// What a comparison with a peer led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Instances taken over, or their data.
    pub registered: usize,
    /// Instances that went.
    pub cancelled: usize,
    /// Overrides set or taken back.
    pub overridden: usize,
}

/// Digests, and of which version and when they were made.
pub(super) type KeptDigests = Mutex<Option<(u64, Timestamp, Arc<Digests>)>>;

impl InstanceRegistry {
    /// The hashes of what is registered and was heard within its lease's duration, at most [`DIGEST_KEPT`] old.
    pub fn recent_digests(&self, now: Timestamp) -> Arc<Digests> {
        let version = self.version();
        let mut kept = self.digests.lock();
        match &*kept {
            Some((of, at, digests)) if *of == version && now.since(*at) < DIGEST_KEPT => Arc::clone(digests),
            _ => {
                let digests = Arc::new(self.digests(now));
                *kept = Some((version, now, Arc::clone(&digests)));
                digests
            }
        }
    }

    fn digests(&self, now: Timestamp) -> Digests {
        let pages = self.content.lock().all.snapshot();
        let mut applications: BTreeMap<String, u64> = BTreeMap::new();
        for entry in pages.iter().flat_map(|page| page.entries()).filter(|entry| !entry.lease.is_overdue(now)) {
            let app = entry.info.app.as_str();
            let before = applications.get(app).copied().unwrap_or(SEED);
            let hash = hash_of(before, entry);
            match applications.get_mut(app) {
                Some(slot) => *slot = hash,
                None => drop(applications.insert(app.to_owned(), hash)),
            }
        }
        let total =
            applications.iter().fold(SEED, |hash, (app, of_app)| mix(mix(hash, app.as_bytes()), &of_app.to_le_bytes()));
        Digests { total, applications }
    }

    /// Appends all that is known of these applications, for a peer that knows something else.
    pub fn encode_exchange(&self, apps: &[String], now: Timestamp, out: &mut Vec<u8>) {
        // Each once, however often it is named: what is asked for is never more than there is.
        let apps: BTreeSet<&str> = apps.iter().map(String::as_str).collect();
        let (entries, cancelled) = {
            let content = self.content.lock();
            let entries: Vec<Entry> = apps.iter().flat_map(|app| content.all.application(app)).cloned().collect();
            let cancelled = content.tombstones.by_key.iter().filter(|(key, _)| apps.contains(key.app()));
            let cancelled: Vec<Cancelled> = cancelled
                .map(|(key, tombstone)| Cancelled {
                    app: key.app().to_owned(),
                    id: key.id().to_owned(),
                    last_dirty: tombstone.last_dirty,
                    age_ms: age_ms(tombstone.at, now),
                })
                .collect();
            (entries, cancelled)
        };
        let alive: Vec<_> = entries
            .iter()
            .filter(|entry| !entry.lease.is_overdue(now))
            .map(|entry| (&entry.info, entry.lease.info(&entry.info), ages(&entry.lease, now)))
            .collect();
        let living = alive.iter().map(|(info, lease, ages)| (&***info, lease, *ages));
        repair::encode_exchange(living, cancelled, out);
    }

    /// Takes from a peer what is newer there.
    pub fn mend(&self, exchange: Exchange, now: Timestamp) -> Mended {
        let mut mended = Mended::default();
        for cancelled in &exchange.cancelled {
            mended.cancelled += usize::from(self.mend_cancelled(cancelled, now));
        }
        for living in exchange.living {
            let (registered, overridden) = self.mend_living(living, now);
            mended.registered += usize::from(registered);
            mended.overridden += usize::from(overridden);
        }
        if mended != Mended::default() {
            let Mended { registered, cancelled, overridden } = mended;
            info!(registered, cancelled, overridden, "mended what a peer knew better");
        }
        mended
    }

    fn mend_cancelled(&self, cancelled: &Cancelled, now: Timestamp) -> bool {
        let key = format!("{}/{}", cancelled.app, cancelled.id);
        let mut content = self.content.lock();
        let Some(lease) = self.leases.get(&key) else { return false };
        let newer = lease.with_holder(|holder| holder.last_dirty) > cancelled.last_dirty;
        let heard_since = age_ms(lease.last_heard(), now) < cancelled.age_ms;
        !newer && !heard_since && self.take_out(&mut content, &key, ChangeKind::Cancelled, Some(Source::Peer), now)
    }

    fn mend_living(&self, mut theirs: Living, now: Timestamp) -> (bool, bool) {
        let app = theirs.info.app.clone();
        if theirs.info.validate(app.as_str()).is_err() {
            return (false, false);
        }
        let key = theirs.info.key();
        let mut content = self.content.lock();
        let buried = content.tombstones.by_key.get(&key).is_some_and(|tombstone| {
            theirs.info.last_dirty <= tombstone.last_dirty && theirs.silent_ms >= age_ms(tombstone.at, now)
        });
        let ours = self.leases.get(key.as_str());
        let registered = match &ours {
            None => !buried && theirs.silent_ms <= duration_ms(&theirs),
            Some(lease) => lease.with_holder(|holder| holder.last_dirty) < theirs.info.last_dirty,
        };
        let before = ours.as_ref().map(|lease| (lease.status_override(), lease.override_changed()));
        let (status_override, override_age_ms) = (theirs.status_override, theirs.override_age_ms);
        let (status_there, dirty_there) = (theirs.info.status, theirs.info.last_dirty);
        if registered {
            let (taken, _) = self.register_locked(&mut content, *theirs.info, Source::Peer, now);
            taken.lease.set_last_heard(now - Duration::from_millis(theirs.silent_ms));
        }
        drop(content);
        let Some(lease) = self.leases.get(key.as_str()) else { return (registered, false) };
        // Data from there has the status and the override that it has there. Which override holds is decided below, between that
        // one and the one that was here.
        if let Some((ours, changed)) = before
            && registered
            && status_override.is_some()
        {
            self.put_override(&lease, ours, changed, now);
        }
        let overridden = self.mend_override(&lease, status_override, override_age_ms, now);
        let same_data = lease.with_holder(|holder| holder.last_dirty) == dirty_there;
        let mended =
            same_data && status_override.is_none() && self.mend_status(&lease, status_there, override_age_ms, now);
        (registered, overridden || mended)
    }

    /// Of two statuses of the same data without an override one is what an override left behind, which was taken back on the way.
    /// That of the replica where an override was changed last holds; else the greater one, which UP is: overrides
    /// mostly take out of service.
    fn mend_status(
        &self,
        lease: &Arc<Lease>,
        theirs: InstanceStatus,
        override_age_there_ms: Option<u64>,
        now: Timestamp,
    ) -> bool {
        let mut content = self.content.lock();
        let current = self.leases.get(lease.key().as_str());
        let ours = lease.with_holder(|holder| holder.status);
        if ours == theirs
            || lease.status_override().is_some()
            || !is_later(lease, override_age_there_ms, theirs > ours, now)
            || !current.is_some_and(|current| Arc::ptr_eq(&current, lease))
        {
            return false;
        }
        self.modify(&mut content, lease, ChangeKind::StatusChanged, Some(Source::Peer), now, |info| {
            info.status = theirs;
        });
        true
    }

    /// Sets the override, or takes it back, as of `changed` and without renewing the lease.
    fn put_override(
        &self,
        lease: &Arc<Lease>,
        status_override: Option<InstanceStatus>,
        changed: Option<Timestamp>,
        now: Timestamp,
    ) {
        let key = lease.key().as_str();
        let heard = lease.last_heard();
        match status_override {
            Some(status) => self.store_overridden_status_if_required(key, status, now),
            None => {
                let back = lease.with_holder(|holder| holder.status);
                let back = if back == InstanceStatus::OutOfService { InstanceStatus::Up } else { back };
                self.delete_status_override(key, back, None, Source::Peer, now);
            }
        }
        lease.set_last_heard(heard);
        if status_override.is_some() {
            self.apply_override(lease, now);
        }
        lease.keep_override_changed(changed.unwrap_or(Timestamp::NEVER));
    }

    /// The override that was changed last holds.
    fn mend_override(
        &self,
        lease: &Arc<Lease>,
        theirs: Option<InstanceStatus>,
        age_there_ms: Option<u64>,
        now: Timestamp,
    ) -> bool {
        let ours = lease.status_override();
        // Without ages that which is set holds: better an instance out of service that could be in than the other way round.
        if ours == theirs || !is_later(lease, age_there_ms, theirs > ours, now) {
            return false;
        }
        self.put_override(lease, theirs, age_there_ms.map(|age| now - Duration::from_millis(age)), now);
        true
    }
}

/// Whether an override was changed later there than here. One that came with a copied registration has no age here; where that says
/// nothing, `otherwise` does.
fn is_later(lease: &Lease, age_there_ms: Option<u64>, otherwise: bool, now: Timestamp) -> bool {
    let here = lease.override_changed().map_or(u64::MAX, |changed| age_ms(changed, now));
    let there = age_there_ms.unwrap_or(u64::MAX);
    there < here || (there == here && otherwise)
}

fn duration_ms(living: &Living) -> u64 {
    u64::try_from(living.info.lease.duration_secs).unwrap_or(0).saturating_mul(1000)
}

fn ages(lease: &Lease, now: Timestamp) -> Ages {
    Ages {
        silent_ms: age_ms(lease.last_heard(), now),
        status_override: lease.status_override(),
        override_age_ms: lease.override_changed().map(|changed| age_ms(changed, now)),
    }
}

fn age_ms(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX)
}

/// FNV-1a, because every build has to hash alike.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn hash_of(hash: u64, entry: &Entry) -> u64 {
    let status_override = entry.lease.status_override().map_or(0, |status| status as u8 + 1);
    let hash = mix(hash, entry.key().id().as_bytes());
    mix(mix(hash, &entry.info.last_dirty.0.to_le_bytes()), &[status_override, entry.info.status as u8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppName, InstanceInfo};
    use crate::registry::Options;

    const START: Timestamp = Timestamp(1_700_000_000_000);

    fn at(secs: u64) -> Timestamp {
        START + Duration::from_secs(secs)
    }

    /// Two replicas, the clock of the second a day ahead.
    fn pair() -> [InstanceRegistry; 2] {
        [START, START + Duration::from_secs(86_400)].map(|start| {
            let registry =
                InstanceRegistry::new(Options { enable_self_preservation: false, ..Options::default() }, start);
            registry.open_for_traffic(0, start);
            registry
        })
    }

    fn clock(replica: usize, now: Timestamp) -> Timestamp {
        now + Duration::from_secs(if replica == 0 { 0 } else { 86_400 })
    }

    /// The `to`th takes from the other what is newer there.
    fn pull(pair: &[InstanceRegistry; 2], to: usize, now: Timestamp) -> Mended {
        let (from, there) = (&pair[1 - to], clock(1 - to, now));
        let (own, theirs) = (pair[to].digests(clock(to, now)), from.digests(there));
        let apps = differing(&own, &theirs);
        let mut body = Vec::new();
        from.encode_exchange(&apps, there, &mut body);
        pair[to].mend(repair::decode_exchange(&body, clock(to, now)).unwrap(), clock(to, now))
    }

    fn differing(own: &Digests, theirs: &Digests) -> Vec<String> {
        let all = own.applications.keys().chain(theirs.applications.keys());
        all.filter(|app| own.applications.get(*app) != theirs.applications.get(*app)).cloned().collect()
    }

    fn instance(id: &str, last_dirty: i64) -> InstanceInfo {
        let mut info = InstanceInfo::new(AppName::new("a"), "h", "1.2.3.4", START);
        info.instance_id = Some(id.into());
        info.last_dirty = Timestamp(last_dirty);
        info
    }

    fn agree(pair: &[InstanceRegistry; 2], now: Timestamp) {
        for _ in 0..2 {
            pull(pair, 0, now);
            pull(pair, 1, now);
        }
        assert_eq!(pair[0].digests(clock(0, now)), pair[1].digests(clock(1, now)));
        assert_eq!(pull(pair, 0, now), Mended::default(), "and nothing is left to mend");
    }

    #[test]
    fn a_registration_that_never_arrived_is_taken_over_with_its_age() {
        let pair = pair();
        pair[0].register(instance("1", 1), Source::Client, at(0));
        agree(&pair, at(30));
        let lease = pair[1].lease("A/1").unwrap();
        assert_eq!(lease.last_heard(), clock(1, at(0)));
        assert!(lease.is_expired(Duration::ZERO, clock(1, at(181))), "it lasts no longer than there");
    }

    #[test]
    fn what_was_evicted_does_not_come_back() {
        let pair = pair();
        pair[0].register(instance("1", 1), Source::Client, at(0));
        assert_eq!(pull(&pair, 1, at(91)), Mended::default(), "too old to be taken");
        assert_eq!(pair[0].digests(at(91)).total, pair[1].digests(clock(1, at(91))).total, "and no difference");
    }

    #[test]
    fn a_lost_cancellation_is_carried_out_unless_the_instance_lives() {
        for heard_since in [false, true] {
            let pair = pair();
            for (replica, registry) in pair.iter().enumerate() {
                registry.register(instance("1", 1), Source::Client, clock(replica, at(0)));
            }
            pair[0].cancel("A/1", Source::Client, at(10));
            if heard_since {
                pair[1].renew("A/1", clock(1, at(20)));
            }
            agree(&pair, at(30));
            let expected = usize::from(heard_since);
            assert_eq!((pair[0].len(), pair[1].len()), (expected, expected), "heard since: {heard_since}");
        }
    }

    #[test]
    fn what_registered_again_after_it_was_cancelled_stays() {
        let pair = pair();
        for (replica, registry) in pair.iter().enumerate() {
            registry.register(instance("1", 1), Source::Client, clock(replica, at(0)));
        }
        pair[0].cancel("A/1", Source::Client, at(10));
        pair[1].register(instance("1", 2), Source::Client, clock(1, at(5)));
        agree(&pair, at(30));
        assert_eq!((pair[0].len(), pair[1].len()), (1, 1));
    }

    #[test]
    fn the_override_changed_last_holds() {
        use InstanceStatus::{OutOfService, Up};
        let pair = pair();
        for (replica, registry) in pair.iter().enumerate() {
            registry.register(instance("1", 1), Source::Client, clock(replica, at(0)));
        }
        let status = |replica: usize, now| pair[replica].instance("A/1", clock(replica, now)).unwrap().info.status;
        pair[0].status_update("A/1", OutOfService, None, Source::Client, at(5));
        agree(&pair, at(10));
        assert_eq!((status(0, at(10)), status(1, at(10))), (OutOfService, OutOfService));
        pair[1].delete_status_override("A/1", Up, None, Source::Client, clock(1, at(20)));
        agree(&pair, at(30));
        assert_eq!((status(0, at(30)), status(1, at(30))), (Up, Up));
    }

    #[test]
    fn newer_data_does_not_bring_back_what_an_override_did_to_it() {
        use InstanceStatus::{OutOfService, Up};
        let pair = pair();
        for (replica, registry) in pair.iter().enumerate() {
            registry.register(instance("1", 1), Source::Client, clock(replica, at(0)));
            registry.status_update("A/1", OutOfService, None, Source::Client, clock(replica, at(5)));
        }
        pair[0].register(instance("1", 2), Source::Client, at(10));
        pair[1].delete_status_override("A/1", Up, None, Source::Client, clock(1, at(20)));
        pull(&pair, 1, at(25));
        agree(&pair, at(30));
        for (replica, registry) in pair.iter().enumerate() {
            assert_eq!(registry.instance("A/1", clock(replica, at(30))).unwrap().info.status, Up, "replica {replica}");
        }
    }

    #[test]
    fn a_status_that_an_override_left_behind_goes() {
        use InstanceStatus::{OutOfService, Up};
        let pair = pair();
        pair[0].register(instance("1", 1), Source::Client, at(0));
        let mut left_behind = instance("1", 1);
        left_behind.status = OutOfService;
        pair[1].register(left_behind, Source::Peer, clock(1, at(0)));
        let status = |replica: usize| pair[replica].instance("A/1", clock(replica, at(10))).unwrap().info.status;
        assert_eq!((status(0), status(1)), (Up, OutOfService));
        agree(&pair, at(10));
        assert_eq!((status(0), status(1)), (Up, Up));
    }
}
