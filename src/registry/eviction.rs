//! Which instances are dead: eviction of expired leases, and the meaning of an instance that a peer lacks.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;

use self::plan::{Facts, Plan};
use super::journal::ChangeKind;
use super::{Caller, Done, InstanceRegistry, Lease};
use crate::codec::exchange::HeardAnswer;
use crate::model::{Heard, InstanceKey, Tombstone};
use crate::time::Timestamp;

/// Whether an instance is dead that one replica has and another one lacks: it is overdue, and the other replica has been up for
/// longer than the instance has been silent. So the instance was cancelled or evicted there, or never known, and no replica has
/// heard it since.
pub(super) fn is_dead(silent: Duration, duration: Duration, uptime_of_who_lacks_it: Duration) -> bool {
    silent > duration && uptime_of_who_lacks_it > silent
}

impl InstanceRegistry {
    /// The instances whose leases have expired, and would be evicted now unless self-preservation keeps them. Peers have to be asked
    /// for their last renewals first ([`InstanceRegistry::take_heard`]): an instance that renews at any replica is evicted at none.
    pub fn expired(&self, now: Timestamp) -> Vec<InstanceKey> {
        let compensation = self.self_preservation.compensation(now);
        keys(&self.leases.select(|lease| lease.is_expired(compensation, now)))
    }

    /// At most `most` instances that have missed a heartbeat here, in the order of their keys, beginning after `after`. They may
    /// renew at a peer that cannot call this replica. Peers are asked for them before they are overdue: a renewal at one peer has
    /// to arrive here before another peer asks for it, which hears of it only through this replica, and would evict the instance.
    pub fn quiet(&self, after: Option<&InstanceKey>, most: usize, now: Timestamp) -> Vec<InstanceKey> {
        let mut keys = keys(&self.leases.select(|lease| lease.is_quiet(now)));
        let first = after.map_or(0, |after| keys.partition_point(|key| key <= after));
        keys.rotate_left(first);
        keys.truncate(most);
        keys
    }

    /// For how long this replica has been open to clients.
    pub fn uptime(&self, now: Timestamp) -> Duration {
        self.self_preservation.opened_at().map_or(Duration::ZERO, |opened| now.since(opened))
    }

    /// Whether this replica has opened to clients.
    pub(super) fn is_open(&self) -> bool {
        self.self_preservation.opened_at().is_some()
    }

    /// The last renewals of these instances here, for a peer that asks for them.
    pub fn when_heard(&self, keys: &[String], now: Timestamp) -> HeardAnswer {
        let heard = keys.iter().map(|key| self.leases.with(key, |lease| lease.heard())).collect();
        HeardAnswer { uptime_ms: u64::try_from(self.uptime(now).as_millis()).unwrap_or(u64::MAX), heard }
    }

    /// Takes over a peer's last renewals of these instances, with times by this replica's clock. An instance that the peer lacks
    /// is evicted if it is dead, even under self-preservation: self-preservation is for renewals that cannot arrive here, and the
    /// peer would have received them. Returns the number of evicted instances.
    pub fn take_heard(&self, keys: &[InstanceKey], answer: &HeardAnswer, now: Timestamp) -> usize {
        let uptime_there = Duration::from_millis(answer.uptime_ms);
        let mut gone = 0;
        for (key, heard) in keys.iter().zip(&answer.heard) {
            let Some(lease) = self.leases.get(key.as_str()) else { continue };
            match heard {
                Some(heard) => lease.hear(heard.not_after(now)),
                None => {
                    let dead = |lease: &Lease| is_dead(now.since(lease.last_heard()), lease.duration(), uptime_there);
                    gone += usize::from(self.evict_if(key, dead, now));
                }
            }
        }
        gone
    }

    /// Notes that this replica's clock stood still for so long, as that of a suspended machine does: all instances have been silent
    /// for that much longer. Those that renewed since then, or at a peer, renew again or are found there before they are evicted.
    pub fn clock_stood_still(&self, by: Duration, now: Timestamp) {
        self.leases.select(|_| true).iter().for_each(|lease| lease.age(by));
        self.ages_were_too_low(now);
    }

    /// Notes that until now instances may have seemed to be silent for less long than they were. A replica whose clock stood still, as
    /// that of a suspended machine does, takes what it heard long ago for new, and may have told that to a replica that just started;
    /// and where this replica's clock leapt ahead, all that its peers heard is later than what it had noted itself. So what was evicted
    /// here comes back only when it is heard after this.
    pub fn ages_were_too_low(&self, now: Timestamp) {
        self.content.lock().evicted.ages_were_too_low(now);
    }

    /// Evicts expired leases, at random and at most the share that self-preservation allows (`evict`). Returns the number of
    /// evicted instances.
    ///
    /// If the run comes late, every lease is extended by the delay: a server that was stopped could hear nobody. Evictions are
    /// not replicated to Java servers, of which each evicts by itself (quirk 22); our replicas ask each other first.
    pub fn evict(&self, rng: &mut impl Rng, now: Timestamp) -> usize {
        let compensation = self.self_preservation.compensation(now);
        self.self_preservation.eviction_begins(now);
        let view = self.view();
        self.self_preservation.judge(view.iter().map(|(info, lease)| (&info.app, lease.is_silent(now))), now);
        let is_expired = |lease: &Lease| lease.is_expired(compensation, now);
        let facts = Facts {
            eviction_enabled: self.self_preservation.lease_expiration_enabled(now),
            registered: self.len(),
            percent_kept: self.options.renewal_percent_threshold,
        };
        let plan = Plan::new(keys(&self.leases.select(is_expired)), facts, rng);
        self.self_preservation.kept(plan.kept_by_self_preservation, plan.kept_by_limit);
        plan.evict.iter().filter(|key| self.evict_if(key, is_expired, now)).count()
    }

    /// Evicts an instance whose pod has ended, unless it was heard after `until`. Unlike the end of a lease, it is a fact that no
    /// replica has to find out by itself, also one that Kubernetes does not tell about pods: so it has a stamp and leaves a tombstone,
    /// as a cancellation does, and self-preservation does not keep the instance. Returns the lease; `None` if there is no such
    /// instance, or it lives.
    pub fn evict_ended(
        &self,
        key: &str,
        until: Timestamp,
        caller: impl Into<Caller>,
        now: Timestamp,
    ) -> Done<Option<Arc<Lease>>> {
        let mut edit = self.edit(Some(caller.into()), now);
        // Checked under the lock: it may have renewed or registered meanwhile.
        if self.leases.get(key).is_none_or(|lease| lease.last_heard() > until) {
            return edit.done(None);
        }
        let Some(lease) = edit.take_out(ChangeKind::Evicted, key) else { return edit.done(None) };
        let cancelled = edit.clock.tick(now);
        let tombstone = lease.with_record(|record| Tombstone::new(lease.key().clone(), record, cancelled));
        edit.bury(tombstone, now);
        edit.done(Some(lease))
    }

    fn evict_if(&self, key: &InstanceKey, condition: impl Fn(&Lease) -> bool, now: Timestamp) -> bool {
        let mut edit = self.edit(None, now);
        // Checked again under the lock: it may have renewed or registered meanwhile.
        if !self.leases.get(key.as_str()).is_some_and(|current| condition(&current)) {
            return false;
        }
        let evicted = edit.take_out(ChangeKind::Evicted, key.as_str());
        if let Some(lease) = &evicted {
            let data = lease.with_record(|record| record.data);
            edit.evicted.insert(key, lease.last_heard(), data);
        }
        evicted.is_some()
    }
}

fn keys(leases: &[Arc<Lease>]) -> Vec<InstanceKey> {
    let mut keys: Vec<InstanceKey> = leases.iter().map(|lease| lease.key().clone()).collect();
    keys.sort_unstable();
    keys
}

/// A peer's time of a heartbeat that is further ahead of this replica's clock than this was not translated by that clock.
const AHEAD: Duration = Duration::from_secs(1);

impl Heard {
    /// The same, not in the future; `None` if it is so far ahead that its age is unknown. The peer has translated it by a clock
    /// that this replica no longer has: its machine was suspended while the call waited. To call it new would revive an instance
    /// that was evicted meanwhile; the next comparison brings the true age.
    pub(super) fn believed(self, now: Timestamp) -> Option<Self> {
        (self.at <= now + AHEAD).then(|| self.not_after(now))
    }

    /// The same, but not in the future: a wrong clock must not keep an instance alive.
    pub(super) fn not_after(self, now: Timestamp) -> Self {
        Self { at: self.at.min(now), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppName, Fact, InstanceInfo};
    use crate::registry::{Options, Source};

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_replica_that_lacks_an_instance_has_to_be_up_for_longer_than_it_is_silent() {
        assert!(is_dead(secs(91), secs(90), secs(92)));
        assert!(!is_dead(secs(90), secs(90), secs(92)), "its lease is not over");
        assert!(!is_dead(secs(91), secs(90), secs(91)), "it may have been heard before the other replica opened");
    }

    #[test]
    fn what_was_heard_before_the_clock_stood_still_is_older_by_that() {
        let now = Timestamp(1_700_000_000_000);
        let registry = InstanceRegistry::new(Options::default(), 1, now);
        registry.register(InstanceInfo::new(AppName::new("a"), "h", "10.0.0.1", now), Source::Client, now);
        registry.clock_stood_still(secs(91), now);
        assert_eq!(registry.expired(now).len(), 1);
        registry.renew("A/h", now);
        assert_eq!(registry.expired(now).len(), 0, "it lives");
    }

    #[test]
    fn an_instance_whose_pod_has_ended_is_gone_unless_it_was_heard_later() {
        let now = Timestamp(1_700_000_000_000);
        let registry = InstanceRegistry::new(Options::default(), 1, now);
        registry.register(InstanceInfo::new(AppName::new("a"), "h", "10.0.0.1", now), Source::Client, now);
        registry.open_for_traffic(1, now);
        assert_eq!(registry.self_preservation(now).expected_clients, 1);
        registry.renew("A/h", now + secs(2));
        let evict = |until| registry.evict_ended("A/h", until, Source::Kubernetes, now + secs(2)).into_result();
        assert!(evict(now + secs(1)).is_none(), "it was heard later");
        assert!(evict(now + secs(2)).is_some());
        assert!(evict(now + secs(2)).is_none(), "it is gone already");
        assert_eq!(registry.self_preservation(now).expected_clients, 0, "nobody waits for its renewals");
        let (known, lease) = registry.known("A/h").unwrap();
        assert!(matches!(known, Fact::Cancelled(_)) && lease.is_none(), "peers are told");
        let change = registry.latest_changes(1).changes.remove(0);
        assert_eq!((change.kind, change.source()), (ChangeKind::Evicted, Some(Source::Kubernetes)));
        registry.check();
    }

    #[test]
    fn peers_are_asked_for_all_quiet_instances_in_turn() {
        let now = Timestamp(1_700_000_000_000);
        let registry = InstanceRegistry::new(Options::default(), 1, now);
        for id in ["1", "2", "3"] {
            let mut info = InstanceInfo::new(AppName::new("a"), "h", "10.0.0.1", now);
            info.instance_id = Some(id.into());
            registry.register(info, Source::Client, now);
        }
        let later = now + secs(46);
        let asked = |after: Option<&InstanceKey>, most| registry.quiet(after, most, later);
        let ids = |keys: Vec<InstanceKey>| keys.iter().map(|key| key.id().to_owned()).collect::<Vec<_>>().join(" ");
        let first = asked(None, 1);
        assert_eq!(ids(first.clone()), "1");
        assert_eq!(ids(asked(first.last(), 2)), "2 3");
        assert_eq!(ids(asked(first.last(), 9)), "2 3 1", "after the last comes the first");
        assert_eq!(ids(registry.quiet(None, 9, now + secs(45))), "", "nobody has missed a heartbeat yet");
    }
}
