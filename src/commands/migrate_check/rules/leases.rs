//! Statuses and leases.

use std::collections::BTreeMap;

use super::instances::{are, has};
use crate::codec::Listed;
use crate::commands::migrate_check::finding::{Finding, count};
use crate::commands::migrate_check::survey::{Live, Survey};
use crate::model::{InstanceStatus, LeaseDurations};

pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let listed = &survey.listing.listed;
    let found = [
        overdue(survey),
        shorter_than_interval(listed),
        unknown(listed),
        overrides(listed),
        intervals(survey),
        durations(listed),
        Some(statuses(survey)),
    ];
    found.into_iter().flatten().collect()
}

fn name(listed: &Listed) -> String {
    format!("{}/{}", listed.application, listed.info.id())
}

fn named(listed: &[Listed], condition: impl Fn(&Listed) -> bool) -> Vec<String> {
    listed.iter().filter(|one| condition(one)).map(name).collect()
}

/// Those whose lease has expired. Lists are cached with their lease times, so what they say was checked past the cache.
fn overdue(survey: &Survey) -> Option<Finding> {
    let is_overdue = |one: &Listed| {
        let expired = Survey::is_expired(&one.lease, survey.now);
        expired
            && match survey.live.get(&one.info.key()) {
                Some(Live::Registered(lease)) => Survey::is_expired(lease, survey.now),
                Some(Live::NotServed) | None => true,
            }
    };
    let overdue = named(&survey.listing.listed, is_overdue);
    let unchecked = survey
        .listing
        .listed
        .iter()
        .filter(|one| is_overdue(one) && !survey.live.contains_key(&one.info.key()))
        .count();
    let note = if unchecked == 0 {
        String::new()
    } else {
        format!(" {unchecked} of them are as old as the list, which may be up to four minutes old.")
    };
    (!overdue.is_empty()).then(|| {
        let says = format!(
            "{} overdue: the lease has expired, and the Java server still lists the instance. A copy begins with a new lease; it ends when no renewal comes.{note}",
            are(overdue.len())
        );
        Finding::act("overdue", says)
            .todo("Find out which of them live. Cancel the dead ones (DELETE apps/APP/ID). If living ones do not renew, look at the network between them and the server.")
            .about(overdue)
    })
}

fn shorter_than_interval(listed: &[Listed]) -> Option<Finding> {
    let shorter = named(listed, |one| {
        let LeaseDurations { renewal_interval_secs, duration_secs } = one.info.lease;
        duration_secs <= renewal_interval_secs
    });
    (!shorter.is_empty()).then(|| {
        let says = format!(
            "{} a lease that is no longer than the renewal interval, so one late renewal ends it.",
            has(shorter.len())
        );
        Finding::act("lease-too-short", says)
            .todo("Set leaseExpirationDurationInSeconds to three times leaseRenewalIntervalInSeconds.")
            .about(shorter)
    })
}

fn unknown(listed: &[Listed]) -> Option<Finding> {
    let unknown = named(listed, |one| one.info.status == InstanceStatus::Unknown);
    (!unknown.is_empty()).then(|| {
        let says = format!(
            "{} the status UNKNOWN: the status was not understood, or an override was removed and the client has not registered since. Each heartbeat is answered 404, there and here.",
            has(unknown.len())
        );
        Finding::act("status-unknown", says)
            .todo("Correct the status that the client sends, or remove the override again with ?value=UP.")
            .about(unknown)
    })
}

fn overrides(listed: &[Listed]) -> Option<Finding> {
    let overridden = named(listed, |one| one.info.overridden_status != InstanceStatus::Unknown);
    (!overridden.is_empty()).then(|| {
        let says = format!(
            "{} a status override. It is copied. The Java server forgets an override an hour after the last heartbeat; here it stays as long as the instance.",
            has(overridden.len())
        );
        Finding::differs("overrides", says).todo("Remove the overrides that nobody needs any more.").about(overridden)
    })
}

/// The Java server expects as many renewals as clients with one interval would send.
fn intervals(survey: &Survey) -> Option<Finding> {
    let expected =
        survey.examined().map_or(30, |examined| examined.settings.registry.expected_client_renewal_interval.as_secs());
    let other =
        named(&survey.listing.listed, |one| u64::try_from(one.info.lease.renewal_interval_secs) != Ok(expected));
    (!other.is_empty()).then(|| {
        let says = format!(
            "{} another renewal interval than the {expected} s that the Java server expects, so it expects too many or too few renewals. Here each instance is judged by its own interval.",
            has(other.len())
        );
        Finding::differs("renewal-interval", says)
            .todo("Nothing. Self-preservation begins neither too early nor too late for them.")
            .about(other)
    })
}

fn durations(listed: &[Listed]) -> Option<Finding> {
    let other = named(listed, |one| one.info.lease.duration_secs != LeaseDurations::DEFAULT.duration_secs);
    (!other.is_empty()).then(|| {
        let says = format!("{} another lease duration than 90 s. It is honoured, twice as long after a renewal, as in the Java server.", has(other.len()));
        Finding::same("lease-duration", says).about(other)
    })
}

fn statuses(survey: &Survey) -> Finding {
    let listed = &survey.listing.listed;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    listed.iter().for_each(|one| *counts.entry(one.info.status.name()).or_default() += 1);
    let counts: Vec<String> = counts.into_iter().map(|(status, number)| format!("{number} {status}")).collect();
    let applications: std::collections::BTreeSet<_> = listed.iter().map(|one| &one.application).collect();
    if listed.is_empty() {
        return Finding::same("instances", "No instance is registered.");
    }
    let of = format!("{} of {}", count(listed.len(), "instance"), count(applications.len(), "application"));
    let says = format!("{of} registered: {}.", counts.join(", "));
    Finding::same("instances", says)
}
