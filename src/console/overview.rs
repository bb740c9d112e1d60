//! [`Overview`]: the registry at a glance, and whether it deserves attention.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use super::applications::{self, Flips};
use super::by_status::ByStatus;
use super::health::Health;
use super::history::Sample;
use super::instances::NONE;
use super::peer::Peer;
use super::replica::Replica;
use super::self_preservation::SelfPreservation;
use super::snapshot::Snapshot;
use crate::model::InstanceStatus;
use crate::registry::View;
use crate::registry::memory::Lost;
use crate::replication::Look;
use crate::time::Timestamp;

/// Maximum number of names in a list.
const MOST_NAMES: usize = 50;

/// The registry at a glance. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    pub(crate) now: i64,
    pub(crate) health: Health,
    pub(crate) server: Server,
    pub(crate) self_preservation: SelfPreservation,
    pub(crate) instances: Instances,
    pub(crate) leases: Leases,
    pub(crate) applications: Applications,
    pub(crate) zones: Vec<Zone>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) snapshot: Option<Snapshot>,
    discovery: Discovery,
    history: Vec<Sample>,
    last_change: u64,
    #[serde(skip)]
    pub(super) lost_memory: Option<Lost>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Server {
    pub(crate) version: &'static str,
    pub(crate) commit: Option<&'static str>,
    pub(crate) node: String,
    pub(crate) host_name: String,
    pub(crate) started_at: i64,
    pub(crate) ready: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Instances {
    pub(crate) total: u32,
    pub(crate) by_status: ByStatus,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Leases {
    pub(crate) overdue: u32,
    pub(crate) expired: u32,
    pub(crate) restored: u32,
    pub(crate) kept_by_self_preservation: u64,
    pub(crate) kept_by_eviction_limit: u64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Applications {
    pub(crate) total: u32,
    pub(crate) without_up: u32,
    pub(crate) names_without_up: Vec<String>,
    pub(crate) flapping: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) instances: u32,
    pub(crate) up: u32,
    pub(crate) by_status: ByStatus,
}

#[derive(Debug, Default, Serialize)]
struct Discovery {
    found: u64,
    empty: u64,
    failed: u64,
}

impl Overview {
    pub(crate) fn of(replica: &Replica, history: Vec<Sample>, ready: bool) -> Self {
        let (now, registry) = (replica.clock.now(), &replica.registry);
        let counted = Counted::of(&registry.view(), &registry.flips(now - applications::FLAPPING_FOR), now);
        let (kept_by_self_preservation, kept_by_eviction_limit) = registry.expired_kept();
        let server = Server {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("GIT_COMMIT"),
            node: replica.node_id.clone(),
            host_name: replica.host_name.clone(),
            started_at: replica.clock.started_at().0,
            ready,
        };
        let peers: Vec<Peer> = replica.peers.all().iter().map(|peer| Peer::of(peer, now)).collect();
        Self {
            now: now.0,
            health: Health::unknown(),
            server,
            self_preservation: SelfPreservation::of(registry, now),
            instances: Instances { total: counted.by_status.total(), by_status: counted.by_status },
            leases: Leases { kept_by_self_preservation, kept_by_eviction_limit, ..counted.leases },
            applications: counted.applications,
            zones: counted.zones,
            peers,
            snapshot: replica.snapshots.as_ref().map(|snapshots| Snapshot::of(&snapshots.status())),
            discovery: Discovery::of(replica),
            history,
            last_change: registry.last_change(),
            lost_memory: registry.lost_memory(now),
        }
    }
}

/// Counts for which every instance has to be looked at.
#[derive(Default)]
struct Counted {
    by_status: ByStatus,
    leases: Leases,
    applications: Applications,
    zones: Vec<Zone>,
}

impl Counted {
    fn of(view: &View, flips: &Flips, now: Timestamp) -> Self {
        let mut counted = Self::default();
        let mut zones: HashMap<&str, ByStatus> = HashMap::new();
        let mut running: Option<(&str, bool)> = None;
        for (info, lease) in view.iter() {
            let up = info.status == InstanceStatus::Up;
            counted.by_status.add(info.status);
            counted.leases.overdue += u32::from(lease.is_overdue(now));
            counted.leases.expired += u32::from(lease.is_expired(Duration::ZERO, now));
            counted.leases.restored += u32::from(lease.is_restored());
            counted.applications.flapping += u32::from(applications::flaps(flips, lease.key()));
            zones.entry(info.zone().unwrap_or(NONE)).or_default().add(info.status);
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
            .map(|(name, by_status)| Zone {
                name: (*name).to_owned(),
                instances: by_status.total(),
                up: by_status.up(),
                by_status: *by_status,
            })
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

impl Discovery {
    fn of(replica: &Replica) -> Self {
        let mut discovery = Self::default();
        for (look, count) in replica.nodes.as_ref().map(|nodes| nodes.looks()).into_iter().flatten() {
            match look {
                Look::Found => discovery.found = count,
                Look::Empty => discovery.empty = count,
                Look::Failed => discovery.failed = count,
            }
        }
        discovery
    }
}
