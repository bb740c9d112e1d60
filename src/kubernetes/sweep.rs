//! Carries out in the registry what the table of pods decides.

use std::sync::atomic::Ordering::Relaxed;

use tracing::debug;

use super::options::Options;
use super::status::Status;
use super::table::{Act, Policies, Seen, Verdict};
use crate::model::{InstanceKey, InstanceStatus};
use crate::registry::{Caller, InstanceRegistry, Lease, Reason, Source};
use crate::replication::PeerAwareInstanceRegistry;
use crate::time::Timestamp;

/// The metadata that names an instance's zone, as Spring Cloud reads it.
const ZONE: &str = "zone";

/// Looks at all instances where there is something to decide.
pub(super) fn sweep(status: &Status, replicating: &PeerAwareInstanceRegistry, options: &Options, now: Timestamp) {
    let policies = Policies { terminating: options.terminating, not_ready: options.not_ready };
    let registry = replicating.registry();
    let verdicts: Vec<(InstanceKey, Verdict)> = {
        let mut table = status.table.lock();
        table.forget(now);
        let concerns = table.concerns(policies);
        if concerns.is_empty() {
            return;
        }
        let ahead = ahead(registry, now);
        let view = registry.view();
        let judged = view.iter().filter_map(|(info, lease)| {
            let seen = Seen {
                address: info.address().filter(|address| concerns.are_at(*address))?,
                heard: lease.last_heard(),
                is_silent: lease.is_silent(now),
                status: info.status,
                set: set(lease, ahead),
            };
            concerns.verdict(&seen).map(|verdict| (lease.key().clone(), verdict))
        });
        judged.collect()
    };
    for (key, verdict) in verdicts {
        carry_out(status, replicating, &key, &verdict, now);
    }
}

/// Gives every instance that names no zone that of its pod's node, if it is known. A client that registers anew takes it back, so it is
/// given again.
pub(super) fn give_zones(status: &Status, replicating: &PeerAwareInstanceRegistry, now: Timestamp) {
    let offers: Vec<(InstanceKey, Box<str>, Box<str>)> = {
        let (table, zones) = (status.table.lock(), status.zones.lock());
        let view = replicating.registry().view();
        let without = view.iter().filter(|(info, _)| info.metadata.get(ZONE).is_none());
        let offered = without.filter_map(|(info, lease)| {
            let node = &table.at(info.address()?)?.node;
            Some((lease.key().clone(), node.clone(), zones.of(node)?.into()))
        });
        offered.collect()
    };
    for (key, node, zone) in offers {
        let reason = Reason::parse(&format!("zone of node {node}")).ok().flatten();
        let caller = Caller { reason, ..Caller::from(Source::Kubernetes) };
        match replicating.offer_metadata(key.as_str(), (ZONE, &zone), &caller, now) {
            Ok(given) => _ = status.zoned.fetch_add(u64::from(given), Relaxed),
            Err(error) => debug!(%error, "no room for the zone {zone} in {key}", key = key.as_str()),
        }
    }
}

/// By how many milliseconds the stamp clock is ahead of this replica's clock.
fn ahead(registry: &InstanceRegistry, now: Timestamp) -> i64 {
    i64::try_from(registry.digest(now).clock).unwrap_or(i64::MAX).saturating_sub(now.0)
}

/// The status that was set for an instance, and when, by this replica's clock.
fn set(lease: &Lease, ahead: i64) -> Option<(InstanceStatus, Timestamp)> {
    let set = lease.with_record(|record| record.status_override);
    let at = i64::try_from(set.stamp.millis()).unwrap_or(i64::MAX).saturating_sub(ahead);
    set.status.map(|status| (status, Timestamp(at)))
}

fn carry_out(
    status: &Status,
    replicating: &PeerAwareInstanceRegistry,
    key: &InstanceKey,
    Verdict { act, reason }: &Verdict,
    now: Timestamp,
) {
    // A long name is left out rather than the reason.
    let reason = Reason::parse(reason).or_else(|_too_long| Reason::parse("its pod")).ok().flatten();
    let (caller, key) = (Caller { reason, ..Caller::from(Source::Kubernetes) }, key.as_str());
    let (done, counter) = match act {
        Act::Evict(until) => (replicating.evict_ended(key, *until, &caller, now), &status.evicted),
        Act::OutOfService => {
            let set = InstanceStatus::OutOfService;
            (replicating.status_update(key, set, None, &caller, now), &status.out_of_service)
        }
        Act::BackInService => {
            let own = replicating.registry().lease(key).map(|lease| lease.with_record(|record| record.sent_status));
            let own = own.unwrap_or(InstanceStatus::Unknown);
            (replicating.delete_status_override(key, own, None, &caller, now), &status.back_in_service)
        }
    };
    counter.fetch_add(u64::from(done), Relaxed);
}
