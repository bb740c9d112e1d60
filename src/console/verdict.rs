//! The verdict: how a registry is doing, and for each problem what follows from it, where to look, and what to do.

use super::duration::{Span, counted};
use super::health::{Finding, Grade, Health};
use super::overview::Overview;
use super::self_preservation::Preserving;
use crate::time::Timestamp;

/// Maximum number of names in a sentence.
const NAMES_IN_SENTENCE: usize = 3;

/// Judges an overview: the worst findings first, and among those that are equally bad in the order below.
pub(super) fn of(overview: &Overview) -> Health {
    let mut findings = Vec::new();
    findings.extend(overview.stopping());
    findings.extend(overview.lost());
    findings.extend(overview.without_up());
    findings.extend(overview.preserving());
    findings.extend(overview.unlike_peers());
    findings.extend(overview.without_snapshot());
    findings.extend(overview.restored());
    findings.extend(overview.overdue());
    findings.extend(overview.flapping());
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
    Health {
        state: findings.first().map_or(Grade::Healthy, |worst| worst.grade),
        summary: findings.is_empty().then(|| overview.summary()),
        reasons: findings.iter().map(|finding| finding.reason.clone()).collect(),
        findings,
    }
}

impl Overview {
    /// What is good.
    fn summary(&self) -> String {
        if self.instances.total == 0 {
            return "No instance is registered.".to_owned();
        }
        let instances = counted(u64::from(self.instances.total), "instance");
        let applications = counted(u64::from(self.applications.total), "application");
        // A difference is a reason only if no comparison repairs it. Until then, the two are not the same either.
        let differ = self.peers.iter().any(|peer| peer.differing_applications.is_some_and(|differing| differing > 0));
        let peers = match (self.peers.len(), differ) {
            (0, _) => String::new(),
            (1, false) => " The peer is up and has the same content.".to_owned(),
            (1, true) => " The peer is up; a difference is being repaired.".to_owned(),
            (all, false) => format!(" All {all} peers are up and have the same content."),
            (all, true) => format!(" All {all} peers are up; a difference is being repaired."),
        };
        format!("{instances} of {applications} renew in time. Each application has an instance that is UP.{peers}")
    }

    fn stopping(&self) -> Option<Finding> {
        (!self.server.ready).then(|| Finding {
            grade: Grade::Degraded,
            reason: "This replica is stopping: it is not ready for clients.".to_owned(),
            consequence: "Clients go to the other replicas.".to_owned(),
            advice: "Nothing to do if somebody stops it on purpose.",
            link: None,
        })
    }

    fn lost(&self) -> Option<Finding> {
        let lost = self.lost_memory?;
        let left = lost.until.since(Timestamp(self.now)).as_secs().max(1);
        Some(Finding {
            grade: Grade::Critical,
            reason: format!("This registry has lost its memory ({}).", lost.sign.words()),
            consequence: format!(
                "It refuses fetches for {} more, so that clients keep their lists until they have registered again. New clients find \
                 nothing.",
                counted(left, "second")
            ),
            advice: "Find out why all replicas were gone at once. With registry.data-dir, they remember what they knew.",
            link: None,
        })
    }

    fn without_up(&self) -> Option<Finding> {
        let all = self.applications.without_up;
        if all == 0 {
            return None;
        }
        let names = &self.applications.names_without_up;
        let few = &names[..names.len().min(NAMES_IN_SENTENCE)];
        let more = (all as usize).saturating_sub(few.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (have, it) = if all == 1 { ("has", "it") } else { ("have", "them") };
        let what = counted(u64::from(all), "application");
        Some(Finding {
            grade: Grade::Critical,
            reason: format!("{what} {have} no instance that is UP: {}{more}.", few.join(", ")),
            consequence: format!("Clients of {it} find no instance to call."),
            advice: "An instance reports its own status: look at its health check. If an operator took it out of service, bring it back.",
            link: Some("?trouble=none_up"),
        })
    }

    fn preserving(&self) -> Option<Finding> {
        let state = self.self_preservation.state;
        // Without instances, only a decision of an operator is worth a sentence.
        if !state.deserves_attention() || (self.instances.total == 0 && state != Preserving::Switched) {
            return None;
        }
        let (expired, silent) = (self.leases.expired, self.self_preservation.silent);
        let consequence = match (state, expired, silent) {
            (Preserving::Exceeded, ..) => "Silent instances are evicted, however many they are.".to_owned(),
            _ if self.self_preservation.is_switched_off() => {
                "Silent instances are evicted, however many they are.".to_owned()
            }
            (_, 1, _) => "Clients still get 1 address whose lease has expired.".to_owned(),
            (_, expired @ 2.., _) => format!("Clients still get {expired} addresses whose leases have expired."),
            (_, 0, 0) => "No lease has expired, so no client notices.".to_owned(),
            (_, 0, _) => "Clients still get the addresses of silent instances.".to_owned(),
        };
        Some(Finding {
            grade: Grade::Degraded,
            reason: self.self_preservation.reason.clone(),
            consequence,
            advice: "If these instances are gone, switch self-preservation off for a while. If the network is at fault, repair it and wait.",
            link: if expired > 0 {
                Some("?view=instances&expired=true")
            } else {
                (self.leases.overdue > 0).then_some("?view=instances&overdue=true")
            },
        })
    }

    fn unlike_peers(&self) -> Vec<Finding> {
        let now = Timestamp(self.now);
        let alone = self.peers.iter().all(|peer| !peer.available);
        let complaints = self.peers.iter().filter_map(|peer| Some((peer, peer.complaint(now)?)));
        complaints
            .map(|(peer, reason)| {
                let (consequence, advice) = peer.what_follows(now);
                // Without any peer, what registers here is known nowhere else.
                let grade = if alone && self.peers.len() > 1 { Grade::Critical } else { Grade::Degraded };
                Finding { grade, reason, consequence: consequence.to_owned(), advice, link: Some("#peers-title") }
            })
            .collect()
    }

    fn without_snapshot(&self) -> Option<Finding> {
        let reason = self.snapshot.as_ref()?.complaint(Timestamp(self.now))?;
        Some(Finding {
            grade: Grade::Degraded,
            reason,
            consequence: "If all replicas stop now, what changed since is lost.".to_owned(),
            advice: "Check the volume of registry.data-dir: its free space and who may write there.",
            link: None,
        })
    }

    fn restored(&self) -> Option<Finding> {
        let restored = self.leases.restored;
        let (was, has, it) = if restored == 1 { ("was", "has", "it is") } else { ("were", "have", "they are") };
        let what = counted(u64::from(restored), "instance");
        (restored > 0).then(|| Finding {
            grade: Grade::Degraded,
            reason: format!("{what} {was} restored from the snapshot and {has} not renewed since."),
            consequence: format!(
                "Clients get {what} that may be gone. Without a renewal within one lease duration {it} evicted."
            ),
            advice: "Nothing to do: running instances renew by themselves.",
            link: Some("?view=instances&restored=true"),
        })
    }

    fn overdue(&self) -> Option<Finding> {
        let overdue = self.leases.overdue;
        // Self-preservation says the same of these instances.
        if overdue == 0 || self.self_preservation.state.deserves_attention() {
            return None;
        }
        let (is, client, this) = if overdue == 1 {
            ("is", "Its client has", "this address")
        } else {
            ("are", "Their clients have", "these addresses")
        };
        Some(Finding {
            grade: Grade::Degraded,
            reason: format!(
                "{} {is} overdue. {client} been silent for longer than a lease lasts.",
                counted(u64::from(overdue), "lease")
            ),
            consequence: format!("Clients still get {this} until the lease expires."),
            advice: "Check whether the instance still runs and reaches the registry. One that is gone is evicted by itself.",
            link: Some("?view=instances&overdue=true"),
        })
    }

    fn flapping(&self) -> Option<Finding> {
        let flapping = self.applications.flapping;
        (flapping > 0).then(|| Finding {
            grade: Grade::Degraded,
            reason: format!(
                "{} left UP and came back several times within {}.",
                counted(u64::from(flapping), "instance"),
                Span(super::applications::FLAPPING_FOR)
            ),
            consequence: "Clients fail whenever they call it at the wrong moment.".to_owned(),
            advice: "Look at the instance's history, health check and restarts.",
            link: Some("?trouble=flapping"),
        })
    }
}
