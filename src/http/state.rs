//! [`AppState`]: the parts of the server that handlers share.

use std::sync::Arc;

use super::addresses::Addresses;
use super::answers::{Answers, Pages};
use super::body::Bodies;
use super::building::Building;
use super::drains::Drains;
use super::metrics::RequestMetrics;
use super::options::Options;
use super::overviews::Overviews;
use super::readiness::Readiness;
use super::security::Security;
use super::streams::Streams;
use super::subscribers::Subscribers;
use crate::console::{Console, Replica};
use crate::kubernetes;
use crate::limits::Budget;
use crate::metrics::connections::Connections;
use crate::model::InstanceInfo;
use crate::registry::InstanceRegistry;
use crate::replication::{PeerAwareInstanceRegistry, PeerEurekaNodes};
use crate::snapshot::Snapshots;
use crate::time::{Clock, Timestamp};

/// The parts that the HTTP surface is made from.
#[derive(Debug)]
pub struct Parts {
    /// The registry.
    pub peer_aware: Arc<PeerAwareInstanceRegistry>,
    /// The time.
    pub clock: Clock,
    /// The settings.
    pub options: Options,
    /// This process's random name.
    pub node_id: String,
    /// The server as an instance of itself.
    pub own_instance: InstanceInfo,
    /// Whether this replica is ready for clients.
    pub readiness: Readiness,
    /// The peers, if there can be any.
    pub nodes: Option<Arc<PeerEurekaNodes>>,
    /// What is counted of connections.
    pub connections: Arc<Connections>,
    /// The snapshots, if any are kept.
    pub snapshots: Option<Arc<Snapshots>>,
    /// How the watch of pods goes, if there is one.
    pub pods: Option<Arc<kubernetes::Status>>,
    /// The memory for bodies, answers and streams.
    pub budget: Budget,
    /// How many connections may be busy with a request at a time.
    pub busy_connections: usize,
}

/// What handlers share.
#[derive(Debug)]
pub(super) struct AppState {
    /// The registry, for reading.
    pub(super) registry: Arc<InstanceRegistry>,
    /// The registry, for changes, which are replicated to the peers.
    pub(super) peer_aware: Arc<PeerAwareInstanceRegistry>,
    pub(super) nodes: Option<Arc<PeerEurekaNodes>>,
    pub(super) clock: Clock,
    pub(super) options: Options,
    pub(super) node_id: String,
    pub(super) own_instance: InstanceInfo,
    pub(super) readiness: Readiness,
    pub(super) security: Security,
    pub(super) bodies: Bodies,
    /// Bytes of memory that the process may use.
    pub(super) memory_limit: usize,
    /// The memory of answers to clients and peers.
    pub(super) answers: Answers,
    /// That of answers to people.
    pub(super) pages: Pages,
    pub(super) building: Building,
    pub(super) metrics: RequestMetrics,
    pub(super) connections: Arc<Connections>,
    pub(super) snapshots: Option<Arc<Snapshots>>,
    /// How the watch of pods goes, if there is one.
    pub(super) watched_pods: Option<Arc<kubernetes::Status>>,
    pub(super) console: Arc<Console>,
    pub(super) overviews: Overviews,
    pub(super) streams: Arc<Streams>,
    /// The clients that fetch the registry.
    pub(super) subscribers: Subscribers,
    /// The instances at the addresses of those clients.
    pub(super) addresses: Addresses,
    /// The instances that are being drained.
    pub(super) drains: Arc<Drains>,
    /// Held by the act of an operator that is under way: many instances are changed by one at a time.
    pub(super) acts: tokio::sync::Mutex<()>,
    /// Held while a peer is asked for what it knows differently, for a page: by one at a time.
    pub(super) comparing: tokio::sync::Mutex<()>,
}

impl AppState {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            peer_aware,
            clock,
            options,
            node_id,
            own_instance,
            readiness,
            nodes,
            connections,
            snapshots,
            pods: watched_pods,
            budget,
            busy_connections,
        } = parts;
        let registry = Arc::clone(peer_aware.registry());
        let console = Arc::new(Console::new(Replica {
            registry: Arc::clone(&registry),
            peers: Arc::clone(peer_aware.peers()),
            nodes: nodes.clone(),
            snapshots: snapshots.clone(),
            clock,
            node_id: node_id.clone(),
            host_name: own_instance.host_name.to_string(),
        }));
        Self {
            registry,
            security: Security::new(
                &options.security,
                nodes.as_ref().map_or_else(Vec::new, |nodes| nodes.user_names()),
                busy_connections,
            ),
            memory_limit: budget.total,
            bodies: Bodies::new(options.max_body_bytes, &budget),
            answers: Answers::new(budget.answers),
            pages: Pages::new(budget.pages),
            building: Building::default(),
            metrics: RequestMetrics::default(),
            connections,
            snapshots,
            watched_pods,
            overviews: Overviews::new(&console, &readiness, clock),
            streams: Arc::new(Streams::new(budget.streams)),
            subscribers: Subscribers::default(),
            addresses: Addresses::default(),
            drains: Arc::new(Drains::new(busy_connections)),
            acts: tokio::sync::Mutex::default(),
            comparing: tokio::sync::Mutex::default(),
            console,
            peer_aware,
            nodes,
            clock,
            options,
            node_id,
            own_instance,
            readiness,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
