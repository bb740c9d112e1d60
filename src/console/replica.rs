//! [`Replica`]: the parts of a replica that the console reads.

use std::sync::Arc;

use crate::registry::InstanceRegistry;
use crate::replication::{PeerEurekaNodes, Peers};
use crate::snapshot::Snapshots;
use crate::time::Clock;

/// A replica's registry, peers, clock and name.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) registry: Arc<InstanceRegistry>,
    pub(crate) peers: Arc<Peers>,
    /// Looks up the peers' names, if there can be peers.
    pub(crate) nodes: Option<Arc<PeerEurekaNodes>>,
    /// The snapshots, if any are kept.
    pub(crate) snapshots: Option<Arc<Snapshots>>,
    pub(crate) clock: Clock,
    /// This process's random name.
    pub(crate) node_id: String,
    pub(crate) host_name: String,
}
