//! What the page says, in the words and the order in which the script says it.

use std::fmt;
use std::time::Duration;

use super::parameters::Parameters;
use crate::console::duration::counted;
pub(super) use crate::console::duration::grouped;
use crate::console::instances::{Counted, Facets, NONE, SOME};
use crate::console::overview::Overview;
use crate::console::peer::{Peer, Starting};
use crate::console::self_preservation::{Preserving, SelfPreservation};
use crate::model::InstanceStatus;
use crate::registry::{Change, ChangeKind, Source};
use crate::time::Timestamp;

/// An age in at most two units: `4 s`, `3 min`, `2 h 5 min`, `12 d`.
pub(super) struct Age(pub(super) Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        match (seconds, minutes % 60, hours % 24) {
            (..120, ..) => write!(f, "{seconds} s"),
            (..3_600, ..) => write!(f, "{minutes} min"),
            (..86_400, 0, _) => write!(f, "{hours} h"),
            (..86_400, rest, _) => write!(f, "{hours} h {rest} min"),
            (.., rest) if days < 7 && rest > 0 => write!(f, "{days} d {rest} h"),
            _ => write!(f, "{} d", grouped(days)),
        }
    }
}

/// How much of what was found is listed.
pub(super) fn found(what: &str, narrowed: bool, total: usize, offset: usize, listed: usize) -> String {
    match (total, narrowed) {
        (0, true) => return format!("No matching {what}s."),
        (0, false) => return format!("No {what} is registered."),
        _ => {}
    }
    let all = format!("{}{}", counted(total as u64, what), if narrowed { " found" } else { "" });
    if total <= SOME || listed == 0 {
        all
    } else {
        format!("{} to {} of {all}", grouped(offset + 1), grouped(offset + listed))
    }
}

/// One of the numbers at the top.
pub(super) struct Metric {
    pub(super) title: &'static str,
    /// The title where there is little room.
    pub(super) short: &'static str,
    pub(super) value: String,
    pub(super) href: &'static str,
    /// What is said beside the number; may be empty.
    pub(super) small: String,
    /// The class of that: `warn`, `bad` or nothing.
    pub(super) mood: &'static str,
    /// Whether the script draws a line of the last minutes.
    pub(super) line: bool,
}

impl Metric {
    pub(super) fn all(overview: &Overview) -> Vec<Self> {
        let Overview { instances, applications, leases, self_preservation, zones, peers, .. } = overview;
        let others = instances.total - instances.by_status.up();
        let kept = leases.kept_by_self_preservation + leases.kept_by_eviction_limit;
        let up = Self {
            title: "Instances UP",
            short: "UP",
            value: grouped(instances.by_status.up()),
            href: "?view=instances",
            small: match (others, zones.len()) {
                (0, 0..2) => String::new(),
                (0, zones) => format!("in {}", counted(zones as u64, "zone")),
                _ => format!("of {}", grouped(instances.total)),
            },
            mood: "",
            line: true,
        };
        let without = applications.without_up;
        let apps = Self {
            title: "Applications",
            short: "apps",
            value: grouped(applications.total),
            href: "./",
            small: if without > 0 { format!("{} with none UP", grouped(without)) } else { String::new() },
            mood: if without > 0 { "bad" } else { "" },
            line: false,
        };
        let renewals = Self {
            title: "Renewals in the last minute",
            short: "renewals/min",
            value: grouped(self_preservation.renewals_last_minute),
            href: "",
            small: decided_by(self_preservation),
            mood: if self_preservation.state == Preserving::Active { "warn" } else { "" },
            line: true,
        };
        let overdue = Self {
            title: "Overdue leases",
            short: "overdue",
            value: grouped(leases.overdue),
            href: "?overdue=true",
            small: match (kept, leases.overdue, leases.expired) {
                (0, 0, _) => String::new(),
                (0, _, 0) => "none expired yet".to_owned(),
                (0, _, expired) => format!("{} expired", grouped(expired)),
                (kept, ..) => format!("{} expired and kept", grouped(kept)),
            },
            mood: if leases.overdue > 0 { "warn" } else { "" },
            line: false,
        };
        let mut all = vec![up, apps, renewals, overdue];
        if !peers.is_empty() {
            let differ = peers.iter().filter(|peer| peer.differing_applications.unwrap_or_default() > 0).count();
            let available = peers.iter().filter(|peer| peer.available).count();
            all.push(Self {
                title: "Peers up",
                short: "peers",
                value: format!("{} of {}", grouped(available), grouped(peers.len())),
                href: "#peers-title",
                small: if differ > 0 { format!("{} with a difference", grouped(differ)) } else { String::new() },
                mood: if differ > 0 { "warn" } else { "" },
                line: false,
            });
        }
        all
    }
}

/// The figure that self-preservation decides by.
fn decided_by(decided: &SelfPreservation) -> String {
    match (decided.state, decided.mode, decided.silent) {
        (Preserving::Disabled, ..) => "self-preservation is off".to_owned(),
        (_, "java", _) => format!("more than {} needed", grouped(decided.renewals_threshold)),
        (.., 0) => String::new(),
        (.., silent) => format!("{} silent", counted(silent as u64, "instance")),
    }
}

/// One select of the filter, with how often each of its values occurs.
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) hidden: bool,
    pub(super) values: Vec<ChoiceValue>,
}

/// A value of a select.
pub(super) struct ChoiceValue {
    pub(super) value: String,
    pub(super) words: String,
    pub(super) chosen: bool,
}

impl Choice {
    pub(super) fn all(facets: &Facets, query: &Parameters) -> Vec<Self> {
        let by = [
            ("status", "Status", &facets.status),
            ("zone", "Zone", &facets.zone),
            ("version", "Version", &facets.version),
        ];
        by.into_iter().map(|(name, label, counts)| Self::of(name, label, counts, query.get(name))).collect()
    }

    /// Those of a list that has none.
    pub(super) fn none() -> Vec<Self> {
        let names = [("status", "Status"), ("zone", "Zone"), ("version", "Version")];
        names.map(|(name, label)| Self::of(name, label, &[], "")).into()
    }

    fn of(name: &'static str, label: &'static str, counts: &[Counted], chosen: &str) -> Self {
        let mut counts: Vec<(&str, usize)> = counts.iter().map(|one| (one.value.as_str(), one.count)).collect();
        if !chosen.is_empty() && !counts.iter().any(|(value, _)| *value == chosen) {
            counts.push((chosen, 0));
        }
        counts.sort_unstable();
        let hidden = chosen.is_empty() && counts.len() < 2 && name != "status";
        let any = ChoiceValue { value: String::new(), words: format!("any {name}"), chosen: chosen.is_empty() };
        let of = |(value, count): (&str, usize)| {
            let said = if value == NONE { format!("no {name}") } else { value.to_owned() };
            ChoiceValue {
                value: value.to_owned(),
                words: format!("{said} ({})", grouped(count)),
                chosen: value == chosen,
            }
        };
        Self { name, label, hidden, values: std::iter::once(any).chain(counts.into_iter().map(of)).collect() }
    }
}

/// A row of the peers.
pub(super) struct PeerRow<'a> {
    pub(super) peer: &'a Peer,
    /// The URL without what all have in common.
    pub(super) name: &'a str,
    /// The status whose colour and shape the words have.
    pub(super) status: &'static str,
    pub(super) state: &'static str,
    pub(super) lag: String,
    pub(super) clock: String,
    /// What is wrong with it; may be empty.
    pub(super) trouble: String,
}

impl<'a> PeerRow<'a> {
    pub(super) fn of(peer: &'a Peer, now: Timestamp) -> Self {
        let (status, state) = match (peer.available, &peer.starting, peer.last_answer_at) {
            (true, ..) => ("UP", "up"),
            (_, Some(_), _) => ("STARTING", "starting"),
            (_, _, None) => ("UNKNOWN", "not reached yet"),
            (_, _, Some(_)) => ("DOWN", "unreachable"),
        };
        let dropped = |count: u64, why: &str| (count > 0).then(|| format!("{} dropped because {why}", grouped(count)));
        let troubles = [
            match &peer.starting {
                Some(Starting { since, waits_for }) => {
                    let waits_for = waits_for.as_ref().map(|line| format!("; it waits for {line}")).unwrap_or_default();
                    Some(format!("has been starting for {}{waits_for}", Age(now.since(Timestamp(*since)))))
                }
                None => peer.last_error.clone(),
            },
            dropped(peer.dropped, "the queue was full"),
            dropped(peer.expired, "they were too old"),
        ];
        let url = peer.url.strip_prefix("http://").unwrap_or(&peer.url);
        let url = url.strip_suffix('/').unwrap_or(url);
        Self {
            peer,
            name: url.strip_suffix("/eureka").unwrap_or(url),
            status,
            state,
            lag: match peer.oldest_waiting_since {
                None => "–".to_owned(),
                Some(_) => Age(peer.lag(now)).to_string(),
            },
            clock: clock(peer),
            trouble: troubles.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        }
    }
}

/// By how much a peer's clock is ahead, in tenths of a second.
fn clock(peer: &Peer) -> String {
    match peer.clock_ahead_ms {
        None => "–".to_owned(),
        Some(ahead) if ahead.abs() < 100 => "the same".to_owned(),
        Some(ahead) => {
            let tenths = (ahead.abs() + 50) / 100;
            let side = if ahead > 0 { "ahead" } else { "behind" };
            format!("{}.{} s {side}", tenths / 10, tenths % 10)
        }
    }
}

/// A line of the latest changes.
pub(super) struct ChangeLine<'a> {
    pub(super) change: &'a Change,
    pub(super) words: &'static str,
    pub(super) before: Option<InstanceStatus>,
    pub(super) after: Option<InstanceStatus>,
    /// Who did it, and from where; may be empty.
    pub(super) source: String,
}

impl<'a> ChangeLine<'a> {
    pub(super) fn of(change: &'a Change) -> Self {
        let gone = matches!(change.kind, ChangeKind::Cancelled | ChangeKind::Evicted);
        Self {
            change,
            words: match change.kind {
                ChangeKind::Registered if change.previous.is_some() => "registered again",
                ChangeKind::Registered => "registered",
                ChangeKind::Restored => "was restored from the snapshot",
                ChangeKind::StatusChanged => "changed status",
                ChangeKind::OverrideRemoved => "override removed",
                ChangeKind::Cancelled => "was cancelled",
                ChangeKind::Evicted => "was evicted",
            },
            before: change.previous.filter(|before| !gone && *before != change.status),
            after: (!gone).then_some(change.status),
            source: source(change),
        }
    }
}

fn source(change: &Change) -> String {
    let Some(caller) = &change.caller else { return "by the registry".to_owned() };
    let from = |word: &str| caller.address.map(|address| format!(" {word} {address}")).unwrap_or_default();
    match (caller.source, caller.acting_user(), change.kind) {
        (Source::Peer, user, _) => {
            let by = user.map(|user| format!("by {user}, ")).unwrap_or_default();
            format!("{by}replicated by a peer{}", from("at"))
        }
        (Source::Kubernetes, ..) => "by the registry, as Kubernetes says".to_owned(),
        (Source::Client, Some(user), _) => format!("by {user}{}", from("from")),
        (Source::Client, None, ChangeKind::Registered | ChangeKind::Cancelled) => String::new(),
        (Source::Client, None, _) => format!("by a client{}", from("from")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_said_as_the_script_says_them() {
        let said = [0, 119, 120, 3_599, 3_600, 7_500, 86_400, 90_000, 604_800, 1_000_000]
            .map(|secs| Age(Duration::from_secs(secs)).to_string());
        assert_eq!(said, ["0 s", "119 s", "2 min", "59 min", "1 h", "2 h 5 min", "1 d", "1 d 1 h", "7 d", "11 d"]);
    }

    #[test]
    fn what_is_found_is_said_as_the_script_says_it() {
        assert_eq!(found("instance", false, 0, 0, 0), "No instance is registered.");
        assert_eq!(found("application", true, 0, 0, 0), "No matching applications.");
        assert_eq!(found("instance", true, 1, 0, 1), "1 instance found");
        assert_eq!(found("instance", false, 2_000, 100, 100), "101 to 200 of 2,000 instances");
        assert_eq!(found("instance", false, 2_000, 5_000, 0), "2,000 instances");
    }
}
