//! [`Replica`]: the parts of a replica that the console reads.

use std::sync::Arc;

use crate::registry::InstanceRegistry;
use crate::replication::{PeerEurekaNodes, Peers};
use crate::snapshot::Snapshots;
use crate::time::Clock;

/// A replica's registry, its peers, its clock, and what it is called.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) registry: Arc<InstanceRegistry>,
    pub(crate) peers: Arc<Peers>,
    /// What looks the peers' names up, if there can be peers.
    pub(crate) nodes: Option<Arc<PeerEurekaNodes>>,
    /// The snapshots, if any are kept.
    pub(crate) snapshots: Option<Arc<Snapshots>>,
    pub(crate) clock: Clock,
    /// This process's random name.
    pub(crate) node_id: String,
    pub(crate) host_name: String,
}
