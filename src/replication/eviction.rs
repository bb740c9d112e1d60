//! Eviction in a cluster: whoever any replica has heard stays.

use std::time::Duration;

use futures_util::future::join_all;
use rand::Rng;

use super::PeerEurekaNodes;
use super::peer_eureka_node::{PeerEurekaNode, Surroundings};
use crate::registry::InstanceRegistry;
use crate::time::Clock;

/// How long peers may take to say when they heard the instances that are about to be evicted.
const PATIENCE: Duration = Duration::from_secs(2);

/// Evicts expired leases, once the peers that answer were asked whether they have heard of them since.
pub async fn evict(nodes: Option<&PeerEurekaNodes>, registry: &InstanceRegistry, rng: &mut impl Rng, clock: Clock) {
    if let Some(nodes) = nodes {
        nodes.ask_before_eviction().await;
    }
    registry.evict(rng, clock.now());
}

/// Asks those peers that are replicas of ours and answered the last call; one that does not answer now delays nobody for long.
pub(super) async fn ask_peers(peers: &[std::sync::Arc<PeerEurekaNode>], around: &Surroundings) {
    let expired = around.registry.expired(around.clock.now());
    if expired.is_empty() {
        return;
    }
    let able = peers.iter().filter(|peer| peer.is_ours() && peer.is_available());
    let asked = able.map(|peer| tokio::time::timeout(PATIENCE, peer.ask_when_heard(around, &expired)));
    // Who fails to answer is noted where calls fail, and says nothing about these instances.
    join_all(asked).await;
}
