//! Eviction in a cluster: an instance that any replica has heard in time stays.

use std::time::Duration;

use futures_util::future::join_all;
use rand::Rng;

use super::PeerEurekaNodes;
use super::peer_eureka_node::{PeerEurekaNode, Surroundings, Use};
use crate::registry::InstanceRegistry;
use crate::time::Clock;

/// How long peers may take to say when they heard the instances that are about to be evicted.
const PATIENCE: Duration = Duration::from_secs(2);

/// Evicts expired leases, after asking the peers that are up when they last heard those instances.
pub async fn evict(nodes: Option<&PeerEurekaNodes>, registry: &InstanceRegistry, rng: &mut impl Rng, clock: Clock) {
    if let Some(nodes) = nodes {
        let peers = nodes.peers();
        ask_peers(&peers, nodes.around()).await;
        registry.note_reachability(!peers.is_empty() && !peers.iter().any(|peer| peer.is_available()));
    }
    registry.evict(rng, clock.now());
}

/// Asks the peers that are replicas of ours and answered the last call. One that does not answer delays the eviction only a
/// little.
async fn ask_peers(peers: &[std::sync::Arc<PeerEurekaNode>], around: &Surroundings) {
    let expired = around.registry.expired(around.clock.now());
    if expired.is_empty() {
        return;
    }
    let able = peers.iter().filter(|peer| peer.is_ours() && peer.is_available());
    let asked =
        able.map(|peer| tokio::time::timeout(PATIENCE, peer.ask_when_heard(around, &expired, Use::BeforeEviction)));
    // A failed call is noted where calls are made, and says nothing about these instances.
    join_all(asked).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::codec::exchange::{HeardAnswer, encode_heard};
    use crate::model::{AppName, Heard, InstanceInfo};
    use crate::registry::{self, PeerMemory, Source};
    use crate::replication::discovery::{LookingUp, PeerDiscovery};
    use crate::replication::membership::Identity;
    use crate::replication::transport::{Call, Calling, PeerTransport, Reply};
    use crate::replication::{Options, PeerAwareInstanceRegistry, Place, ServiceUrl};
    use crate::time::Timestamp;

    const START: Timestamp = Timestamp(1_700_000_000_000);
    const EXPIRED: Duration = Duration::from_secs(91);

    /// A peer that answers when it heard the one instance it is asked for, or that it does not have it.
    #[derive(Debug)]
    struct Peer(Option<Heard>);

    impl PeerTransport for Peer {
        fn call<'a>(&'a self, _service_url: &'a ServiceUrl, call: Call) -> Calling<'a> {
            assert!(matches!(call, Call::Heard(_)), "{call:?}");
            let mut body = Vec::new();
            encode_heard(&HeardAnswer { uptime_ms: 1, heard: vec![self.0] }, &mut body);
            Box::pin(async move { Ok(reply(START + EXPIRED, body)) })
        }
    }

    impl PeerDiscovery for Peer {
        fn endpoints<'a>(&'a self, _service: &'a str, _port: u16) -> LookingUp<'a> {
            Box::pin(std::future::pending())
        }
    }

    fn reply(time: Timestamp, body: Vec<u8>) -> Reply {
        Reply {
            status: 200,
            node: Some("peer".to_owned()),
            time: Some(time),
            memory: PeerMemory::Whole,
            peers: Vec::new(),
            cluster: None,
            body: body.into(),
        }
    }

    /// How many are evicted of one instance that is expired here, where a peer says this of it.
    async fn evicted(heard: Option<Heard>) -> usize {
        let clock = Clock::starting_at(START);
        let options = registry::Options { enable_self_preservation: false, ..registry::Options::default() };
        let registry = Arc::new(InstanceRegistry::new(options, 1, START));
        registry.open_for_traffic(0, START);
        registry.register(InstanceInfo::new(AppName::new("a"), "h", "10.0.0.1", START), Source::Client, START);
        let url = ServiceUrl::new("http", "peer", 8761, "/eureka/");
        let options = Options { service_urls: vec![url], ..Options::default() };
        let peer_aware = PeerAwareInstanceRegistry::new(Arc::clone(&registry), &options);
        let place = Place { scheme: "http", port: 8761, context_path: String::new() };
        let by = (Arc::new(Peer(None)) as Arc<dyn PeerDiscovery>, Arc::new(Peer(heard)) as Arc<dyn PeerTransport>);
        let nodes = PeerEurekaNodes::new(options, place, &peer_aware, by, clock);
        let peers = peer_aware.peers().all();
        peers[0].identified(Identity::Ours("peer".to_owned()), START);
        peers[0].observe_clock(nodes.around(), START, &reply(START, Vec::new()), START);
        tokio::time::advance(EXPIRED).await;
        evict(Some(&nodes), &registry, &mut SmallRng::seed_from_u64(1), clock).await;
        1 - registry.len()
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_that_a_peer_heard_is_not_evicted() {
        let lately = Heard { at: START + EXPIRED - Duration::from_secs(10), renewed: true };
        assert_eq!(evicted(Some(lately)).await, 0);
        assert_eq!(evicted(Some(Heard { at: START, renewed: false })).await, 1, "it has heard it no later");
        assert_eq!(evicted(None).await, 1, "it does not have it");
    }
}
