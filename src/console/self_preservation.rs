//! Whether expired leases are evicted, and a sentence that says why or why not.

mod preserving;
mod sentence;

use serde::Serialize;

use crate::registry::{InstanceRegistry, Short, Switch};
use crate::time::Timestamp;

pub(crate) use preserving::Preserving;
use sentence::Sentence;

/// Maximum applications that are listed.
const MOST_APPLICATIONS: usize = 50;

/// Self-preservation. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SelfPreservation {
    pub(crate) enabled: bool,
    pub(crate) mode: &'static str,
    pub(crate) state: Preserving,
    pub(crate) reason: String,
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    pub(crate) silent: usize,
    short_applications: usize,
    shortest_applications: Vec<ShortApplication>,
    pub(crate) switch: Option<Switched>,
    pub(crate) renewals_last_minute: u64,
    pub(crate) renewals_threshold: u32,
    pub(crate) expected_clients: u32,
}

/// An application that is short of instances.
#[derive(Debug, Serialize)]
struct ShortApplication {
    name: String,
    instances: usize,
    silent: usize,
}

/// What an operator decided.
#[derive(Debug, Serialize)]
pub(crate) struct Switched {
    pub(crate) evict: bool,
    reason: String,
    user: Option<String>,
    address: Option<String>,
    pub(crate) since: i64,
    pub(crate) until: i64,
}

impl SelfPreservation {
    pub(crate) fn of(registry: &InstanceRegistry, now: Timestamp) -> Self {
        let figures = registry.self_preservation(now);
        let (state, options) = (Preserving::of(&figures, now), registry.options());
        let (kept, _) = registry.expired_kept();
        let (judged_after, share) = (options.wait_time_when_sync_empty, options.renewal_percent_threshold);
        let reason = Sentence { state, figures: &figures, share, kept, judged_after, now }.to_string();
        let mut short: Vec<&Short> = figures.silence.short.iter().collect();
        short.sort_by_key(|short| std::cmp::Reverse(short.silent));
        Self {
            enabled: figures.enabled,
            mode: figures.mode.name(),
            state,
            reason,
            since: figures.keeping.map(|keeping| keeping.since.0),
            until: figures.keeping.and_then(|keeping| keeping.until).map(|until| until.0),
            silent: figures.silence.silent,
            short_applications: short.len(),
            shortest_applications: short.into_iter().take(MOST_APPLICATIONS).map(ShortApplication::of).collect(),
            switch: figures.switch.as_ref().map(Switched::of),
            renewals_last_minute: figures.renews_last_minute,
            renewals_threshold: figures.renews_per_minute_threshold,
            expected_clients: figures.expected_clients,
        }
    }
}

impl SelfPreservation {
    /// Whether an operator has expired leases evicted.
    pub(crate) fn is_switched_off(&self) -> bool {
        self.switch.as_ref().is_some_and(|switch| switch.evict)
    }
}

impl ShortApplication {
    fn of(short: &Short) -> Self {
        Self { name: short.application.as_str().to_owned(), instances: short.instances, silent: short.silent }
    }
}

impl Switched {
    fn of(switch: &Switch) -> Self {
        Self {
            evict: switch.evict,
            reason: switch.reason.clone(),
            user: switch.caller.user.as_deref().map(str::to_owned),
            address: switch.caller.address.map(|address| address.to_string()),
            since: switch.since.0,
            until: switch.until.0,
        }
    }
}
