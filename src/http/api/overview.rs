//! `GET /api/v1/overview`: the registry at a glance, and whether it deserves attention.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::events::Streams;
use super::instances::NONE;
use crate::http::App;
use crate::model::InstanceStatus;
use crate::registry::SelfPreservation as Figures;
use crate::registry::memory::Lost;
use crate::replication::{Look, PeerEurekaNode};
use crate::time::Timestamp;

/// How often a sample of the figures is taken.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(15);
/// So many are kept: fifteen minutes.
const SAMPLES_KEPT: usize = 60;
/// How old an overview may be where nothing was registered or changed since.
const KEPT: Duration = Duration::from_secs(1);
/// So many names are listed at most.
const MOST_NAMES: usize = 50;
/// So many names stand in a sentence at most.
const NAMES_IN_SENTENCE: usize = 3;
/// For so long replicas may differ, and changes may wait: what is on its way deserves no attention.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the pages share: the overview that was made last, the figures of the last minutes, and who is listening.
#[derive(Debug, Default)]
pub(in crate::http) struct Console {
    overview: tokio::sync::Mutex<Option<Arc<Encoded>>>,
    samples: Mutex<VecDeque<Sample>>,
    pub(in crate::http) streams: Arc<Streams>,
}

impl Console {
    /// Takes a sample of the figures.
    pub(in crate::http) fn sample(&self, app: &App) {
        let now = app.now();
        let state = app.registry().self_preservation(now);
        let by_status = ByStatus::new(app.registry().instances_by_status().map(|(_, count)| count));
        let mut samples = self.samples.lock();
        if samples.len() == SAMPLES_KEPT {
            samples.pop_front();
        }
        samples.push_back(Sample {
            at: now.0,
            renewals_last_minute: state.renews_last_minute,
            renewals_threshold: state.renews_per_minute_threshold,
            instances: by_status.total(),
            up: by_status.up(),
        });
    }
}

/// An overview, as itself and as JSON.
#[derive(Debug)]
pub(in crate::http) struct Encoded {
    pub(in crate::http) overview: Overview,
    pub(in crate::http) json: Bytes,
    /// The registry's version that it shows.
    pub(in crate::http) version: u64,
}

/// The overview of now: no older than the last change.
pub(in crate::http) async fn current(app: &App) -> Arc<Encoded> {
    let version = app.registry().version();
    overview(app, |kept| kept.version == version).await
}

/// An overview of the last second, the same for all who listen.
pub(in crate::http) async fn recent(app: &App) -> Arc<Encoded> {
    overview(app, |_| true).await
}

async fn overview(app: &App, may_be: impl Fn(&Encoded) -> bool) -> Arc<Encoded> {
    // One makes it, the others wait for it and find it.
    let mut kept = app.console().overview.lock().await;
    if let Some(kept) = &*kept
        && app.now().since(Timestamp(kept.overview.now)) < KEPT
        && may_be(kept)
    {
        return Arc::clone(kept);
    }
    let looking = app.clone();
    let made = super::aside(move || {
        let version = looking.registry().version();
        let overview = Overview::of(&looking);
        let json = serde_json::to_vec(&overview).unwrap_or_default().into();
        Arc::new(Encoded { overview, json, version })
    });
    let made = made.await;
    *kept = Some(Arc::clone(&made));
    made
}

/// How many instances have which status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct ByStatus([u32; InstanceStatus::ALL.len()]);

impl ByStatus {
    fn new(counts: [u32; InstanceStatus::ALL.len()]) -> Self {
        Self(counts)
    }

    pub(super) fn add(&mut self, status: InstanceStatus) {
        self.0[status as usize] += 1;
    }

    /// How many have this status.
    pub(in crate::http) fn count(&self, status: InstanceStatus) -> u32 {
        self.0[status as usize]
    }

    /// How many take traffic.
    pub(in crate::http) fn up(&self) -> u32 {
        self.count(InstanceStatus::Up)
    }

    /// How many there are.
    pub(in crate::http) fn total(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Each status that occurs, those that take no traffic first, and how many have it.
    pub(in crate::http) fn occurring(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let all = InstanceStatus::ALL.map(|status| (status.name(), self.count(status)));
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

impl Serialize for ByStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(InstanceStatus::ALL.len()))?;
        for status in InstanceStatus::ALL {
            map.serialize_entry(status.name(), &self.count(status))?;
        }
        map.end()
    }
}

/// The registry at a glance. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Overview {
    pub(in crate::http) now: i64,
    pub(in crate::http) health: Health,
    pub(in crate::http) server: Server,
    pub(in crate::http) self_preservation: SelfPreservation,
    pub(in crate::http) instances: Instances,
    pub(in crate::http) leases: Leases,
    pub(in crate::http) applications: Applications,
    pub(in crate::http) zones: Vec<Zone>,
    pub(in crate::http) peers: Vec<Peer>,
    discovery: Discovery,
    history: Vec<Sample>,
    last_change: u64,
    #[serde(skip)]
    lost_memory: Option<Lost>,
}

/// Whether something deserves attention, and what.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Health {
    pub(in crate::http) state: &'static str,
    pub(in crate::http) reasons: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Server {
    pub(in crate::http) version: &'static str,
    pub(in crate::http) commit: Option<&'static str>,
    pub(in crate::http) node: String,
    pub(in crate::http) host_name: String,
    pub(in crate::http) started_at: i64,
    pub(in crate::http) ready: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SelfPreservation {
    pub(in crate::http) enabled: bool,
    pub(in crate::http) state: Preserving,
    pub(in crate::http) reason: String,
    pub(in crate::http) renewals_last_minute: u64,
    pub(in crate::http) renewals_threshold: u32,
    pub(in crate::http) expected_clients: u32,
}

/// Whether expired leases are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum Preserving {
    /// They are evicted.
    Inactive,
    /// They are kept: too few renewals arrive.
    Active,
    /// They are kept: nobody can know yet.
    Starting,
    /// They are evicted whatever arrives.
    Disabled,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Instances {
    pub(in crate::http) total: u32,
    pub(in crate::http) by_status: ByStatus,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Leases {
    pub(in crate::http) overdue: u32,
    pub(in crate::http) expired: u32,
    pub(in crate::http) kept_by_self_preservation: u64,
    pub(in crate::http) kept_by_eviction_limit: u64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Applications {
    pub(in crate::http) total: u32,
    pub(in crate::http) without_up: u32,
    pub(in crate::http) names_without_up: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(in crate::http) struct Zone {
    pub(in crate::http) name: String,
    pub(in crate::http) instances: u32,
    pub(in crate::http) up: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Peer {
    pub(in crate::http) url: String,
    pub(in crate::http) node: Option<String>,
    pub(in crate::http) kind: &'static str,
    pub(in crate::http) available: bool,
    pub(in crate::http) last_answer_at: Option<i64>,
    pub(in crate::http) queue: usize,
    pub(in crate::http) oldest_waiting_since: Option<i64>,
    pub(in crate::http) dropped: u64,
    pub(in crate::http) expired: u64,
    pub(in crate::http) last_error: Option<String>,
    pub(in crate::http) differing_applications: Option<usize>,
    #[serde(skip)]
    differing_since: Option<i64>,
}

#[derive(Debug, Default, Serialize)]
struct Discovery {
    found: u64,
    empty: u64,
    failed: u64,
}

/// Figures of one moment.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sample {
    at: i64,
    renewals_last_minute: u64,
    renewals_threshold: u32,
    instances: u32,
    up: u32,
}

impl Overview {
    fn of(app: &App) -> Self {
        let (now, registry) = (app.now(), app.registry());
        let counted = Counted::of(app, now);
        let (kept_by_self_preservation, kept_by_eviction_limit) = registry.expired_kept();
        let server = Server {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("GIT_COMMIT"),
            node: app.node_id().to_owned(),
            host_name: app.host_name().to_owned(),
            started_at: app.started_at().0,
            ready: app.readiness().is_accepting_traffic(),
        };
        let peers: Vec<Peer> = app.peer_aware().peers().all().iter().map(|peer| Peer::of(peer)).collect();
        let mut overview = Self {
            now: now.0,
            health: Health { state: "healthy", reasons: Vec::new() },
            server,
            self_preservation: SelfPreservation::of(app, now),
            instances: Instances { total: counted.by_status.total(), by_status: counted.by_status },
            leases: Leases { kept_by_self_preservation, kept_by_eviction_limit, ..counted.leases },
            applications: counted.applications,
            zones: counted.zones,
            peers,
            discovery: Discovery::of(app),
            history: app.console().samples.lock().iter().copied().collect(),
            last_change: registry.last_change(),
            lost_memory: registry.lost_memory(now),
        };
        overview.health.reasons = overview.reasons();
        if !overview.health.reasons.is_empty() {
            overview.health.state = "attention";
        }
        overview
    }

    /// What deserves attention, the worst first.
    fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if !self.server.ready {
            reasons.push("This replica is about to stop and wants no more clients.".to_owned());
        }
        if let Some(lost) = self.lost_memory {
            let left = lost.until.since(Timestamp(self.now)).as_secs().max(1);
            reasons.push(format!(
                "This registry has lost its memory ({}). It refuses fetches for {} more, so that clients keep their lists until \
                 they have registered again.",
                lost.sign.words(),
                counted(left, "second")
            ));
        }
        if self.self_preservation.state == Preserving::Active && self.instances.total > 0 {
            reasons.push(self.self_preservation.reason.clone());
        }
        reasons.extend(self.peers.iter().filter_map(|peer| peer.complaint(Timestamp(self.now))));
        if self.applications.without_up > 0 {
            let names = &self.applications.names_without_up;
            let (few, all) = (&names[..names.len().min(NAMES_IN_SENTENCE)], self.applications.without_up);
            let more = (all as usize).saturating_sub(few.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let have = if all == 1 { "has" } else { "have" };
            let what = counted(u64::from(all), "application");
            reasons.push(format!("{what} {have} no instance that is UP: {}{more}.", few.join(", ")));
        }
        if self.leases.overdue > 0 {
            let what = counted(u64::from(self.leases.overdue), "lease");
            let (is, client) =
                if self.leases.overdue == 1 { ("is", "Its client has") } else { ("are", "Their clients have") };
            reasons.push(format!("{what} {is} overdue. {client} been silent for longer than a lease lasts."));
        }
        reasons
    }
}

/// What has to be counted one by one.
#[derive(Default)]
struct Counted {
    by_status: ByStatus,
    leases: Leases,
    applications: Applications,
    zones: Vec<Zone>,
}

impl Counted {
    fn of(app: &App, now: Timestamp) -> Self {
        let view = app.registry().view();
        let mut counted = Self::default();
        let mut zones: HashMap<&str, (u32, u32)> = HashMap::new();
        let mut running: Option<(&str, bool)> = None;
        for (info, lease) in view.iter() {
            let up = info.status == InstanceStatus::Up;
            counted.by_status.add(info.status);
            counted.leases.overdue += u32::from(lease.is_overdue(now));
            counted.leases.expired += u32::from(lease.is_expired(Duration::ZERO, now));
            let zone = zones.entry(info.zone().unwrap_or(NONE)).or_default();
            *zone = (zone.0 + 1, zone.1 + u32::from(up));
            match &mut running {
                Some((name, has_up)) if *name == info.app.as_str() => *has_up |= up,
                other => {
                    counted.application_ends(other.replace((info.app.as_str(), up)));
                }
            }
        }
        counted.application_ends(running);
        let mut zones: Vec<Zone> = zones
            .iter()
            .map(|(name, (instances, up))| Zone { name: (*name).to_owned(), instances: *instances, up: *up })
            .collect();
        zones.sort_unstable_by(|a, b| b.instances.cmp(&a.instances).then_with(|| a.name.cmp(&b.name)));
        zones.truncate(MOST_NAMES);
        counted.zones = zones;
        counted
    }

    fn application_ends(&mut self, application: Option<(&str, bool)>) {
        let Some((name, has_up)) = application else { return };
        self.applications.total += 1;
        if !has_up {
            self.applications.without_up += 1;
            if self.applications.names_without_up.len() < MOST_NAMES {
                self.applications.names_without_up.push(name.to_owned());
            }
        }
    }
}

impl SelfPreservation {
    fn of(app: &App, now: Timestamp) -> Self {
        let figures = app.registry().self_preservation(now);
        let state = match figures {
            Figures { enabled: false, .. } => Preserving::Disabled,
            Figures { lease_expiration_enabled: true, .. } => Preserving::Inactive,
            Figures { below_threshold: true, .. } => Preserving::Active,
            Figures { .. } => Preserving::Starting,
        };
        let options = app.registry().options();
        let (kept, _) = app.registry().expired_kept();
        Self {
            enabled: figures.enabled,
            state,
            reason: Sentence {
                state,
                figures,
                share: options.renewal_percent_threshold,
                kept,
                judged_after: options.wait_time_when_sync_empty,
            }
            .to_string(),
            renewals_last_minute: figures.renews_last_minute,
            renewals_threshold: figures.renews_per_minute_threshold,
            expected_clients: figures.expected_clients,
        }
    }
}

/// Why expired leases are evicted, or kept.
struct Sentence {
    state: Preserving,
    figures: Figures,
    share: f64,
    kept: u64,
    judged_after: Duration,
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { renews_last_minute: renewals, renews_per_minute_threshold: threshold, expected_clients, .. } =
            self.figures;
        let (arrived, clients) = (counted(renewals, "renewal"), counted(expected_clients.into(), "client"));
        let share = (self.share * 100.0).round();
        let send = if expected_clients == 1 { "sends" } else { "send" };
        let needed = format!("more than {threshold} are needed, {share} % of what {clients} {send}");
        match self.state {
            Preserving::Disabled => write!(
                f,
                "Self-preservation is switched off: expired leases are evicted however few renewals arrive ({arrived} in the last \
                 minute)."
            ),
            Preserving::Inactive => write!(
                f,
                "Expired leases are evicted: {arrived} arrived in the last minute, more than the {threshold} that are needed of \
                 {clients}."
            ),
            Preserving::Active => {
                write!(
                    f,
                    "Self-preservation keeps expired leases: {arrived} arrived in the last minute, and {needed}"
                )?;
                match self.kept {
                    0 => write!(f, "; no lease has expired so far."),
                    kept => write!(f, "; {} kept.", counted(kept, "expired lease")),
                }
            }
            Preserving::Starting => write!(
                f,
                "Expired leases are kept for now: {arrived} counted in the last whole minute, and {needed}. That is judged {} \
                 after the start.",
                Span(self.judged_after)
            ),
        }
    }
}

impl Peer {
    fn of(peer: &PeerEurekaNode) -> Self {
        let state = peer.state();
        Self {
            url: peer.shown_url(),
            kind: match (&state.node, state.identified) {
                (Some(_), _) => "eureka-registry",
                (None, true) => "eureka",
                (None, false) => "unknown",
            },
            node: state.node,
            available: peer.is_available(),
            last_answer_at: state.last_answer.map(|at| at.0),
            queue: state.queue,
            oldest_waiting_since: state.oldest.map(|at| at.0),
            dropped: state.dropped,
            expired: state.expired,
            last_error: state.last_error,
            differing_applications: state.differing,
            differing_since: state.differing_since.map(|at| at.0),
        }
    }

    /// How long the oldest change waits for it.
    pub(in crate::http) fn lag(&self, now: Timestamp) -> Duration {
        self.oldest_waiting_since.map_or(Duration::ZERO, |since| now.since(Timestamp(since)))
    }

    /// What of it deserves attention.
    fn complaint(&self, now: Timestamp) -> Option<String> {
        let url = &self.url;
        let since = |at: i64| Span(now.since(Timestamp(at)));
        if !self.available {
            let last = match self.last_answer_at {
                Some(at) => format!("it last did {} ago", since(at)),
                None => "it never has".to_owned(),
            };
            let error = self.last_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
            let waiting = match self.queue {
                0 => String::new(),
                queue => format!("; {queue} in its queue"),
            };
            return Some(format!("The peer {url} does not answer{error}; {last}{waiting}."));
        }
        if self.lag(now) > PATIENCE {
            return Some(format!(
                "The peer {url} lags: {} in its queue, the oldest for {}.",
                self.queue,
                Span(self.lag(now))
            ));
        }
        let differing = self.differing_since.filter(|at| now.since(Timestamp(*at)) > PATIENCE)?;
        let applications = counted(self.differing_applications.unwrap_or_default() as u64, "application");
        Some(format!("The peer {url} has differed in {applications} for {}.", since(differing)))
    }
}

impl Discovery {
    fn of(app: &App) -> Self {
        let mut discovery = Self::default();
        for (look, count) in app.nodes().map(|nodes| nodes.looks()).into_iter().flatten() {
            match look {
                Look::Found => discovery.found = count,
                Look::Empty => discovery.empty = count,
                Look::Failed => discovery.failed = count,
            }
        }
        discovery
    }
}

/// `1 lease`, `2 leases`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A time as people say it: in its largest unit or two.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Span(pub(in crate::http) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        match (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60, secs % 60) {
            (0, 0, 0, secs) => write!(f, "{secs} s"),
            (0, 0, minutes, secs) if minutes < 10 && secs > 0 => write!(f, "{minutes} min {secs} s"),
            (0, 0, minutes, _) => write!(f, "{minutes} min"),
            (0, hours, 0, _) => write!(f, "{hours} h"),
            (0, hours, minutes, _) => write!(f, "{hours} h {minutes} min"),
            (days, 0, _, _) => write!(f, "{days} d"),
            (days, hours, _, _) => write!(f, "{days} d {hours} h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(state: Preserving, renewals: u64, threshold: u32, clients: u32, kept: u64) -> String {
        let figures = Figures {
            enabled: state != Preserving::Disabled,
            renews_last_minute: renewals,
            renews_per_minute_threshold: threshold,
            expected_clients: clients,
            lease_expiration_enabled: false,
            below_threshold: true,
        };
        Sentence { state, figures, share: 0.85, kept, judged_after: Duration::from_secs(300) }.to_string()
    }

    #[test]
    fn self_preservation_is_a_sentence_with_its_numbers() {
        assert_eq!(
            sentence(Preserving::Active, 1, 34, 20, 3),
            "Self-preservation keeps expired leases: 1 renewal arrived in the last minute, and more than 34 are needed, 85 % of \
             what 20 clients send; 3 expired leases kept."
        );
        assert_eq!(
            sentence(Preserving::Inactive, 40, 34, 20, 0),
            "Expired leases are evicted: 40 renewals arrived in the last minute, more than the 34 that are needed of 20 clients."
        );
        assert_eq!(
            sentence(Preserving::Starting, 0, 1, 1, 0),
            "Expired leases are kept for now: 0 renewals counted in the last whole minute, and more than 1 are needed, 85 % of \
             what 1 client sends. That is judged 5 min after the start."
        );
        assert!(sentence(Preserving::Disabled, 0, 1, 1, 0).starts_with("Self-preservation is switched off"));
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let said = [0, 59, 60, 61, 600, 601, 3_599, 3_600, 7_260, 86_400, 90_000, 1_000_000]
            .map(|secs| Span(Duration::from_secs(secs)).to_string());
        assert_eq!(
            said,
            [
                "0 s",
                "59 s",
                "1 min",
                "1 min 1 s",
                "10 min",
                "10 min",
                "59 min",
                "1 h",
                "2 h 1 min",
                "1 d",
                "1 d 1 h",
                "11 d 13 h"
            ]
        );
    }
}
