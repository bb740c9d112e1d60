//! Whether this replica's own clock stood still, as that of a suspended machine does.

use parking_lot::MutexGuard;
use tracing::warn;

use super::PeerClock;
use super::peer_clock::fell_behind;
use crate::registry::InstanceRegistry;
use crate::time::Timestamp;

/// Finds out by the clocks of the peers that answer whether this replica's own clock stood still, and corrects what depends on it.
pub(super) fn check(mut clocks: Vec<MutexGuard<'_, PeerClock>>, registry: &InstanceRegistry, now: Timestamp) {
    let Some(by) = fell_behind(clocks.iter_mut().map(|clock| &mut **clock)) else { return };
    drop(clocks);
    registry.clock_stood_still(by, now);
    warn!(
        for_secs = by.as_secs(),
        "this replica's clock stood still, as that of a suspended machine does: all instances count as silent for that much longer. \
         Times that this replica shows are early by that until it restarts"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use crate::model::{AppName, Fact, Heard, InstanceInfo, Record};
    use crate::registry::{self, InstanceRegistry, Lease, PeerMemory, Source};
    use crate::replication::discovery::PeerDiscovery;
    use crate::replication::membership::Identity;
    use crate::replication::nobody::Nobody;
    use crate::replication::transport::{PeerTransport, Reply};
    use crate::replication::{Options, PeerAwareInstanceRegistry, PeerEurekaNodes, Place, ServiceUrl};
    use crate::time::{Clock, Timestamp};

    const START: Timestamp = Timestamp(1_700_000_000_000);
    const LATER: Timestamp = Timestamp(START.0 + 2_000);
    const SUSPENDED: Duration = Duration::from_secs(60);

    /// A replica that heard an instance at the start, and then had two peers answer.
    struct Replica {
        lease: Arc<Lease>,
        nodes: PeerEurekaNodes,
    }

    impl Replica {
        fn new() -> Self {
            let options = registry::Options { enable_self_preservation: false, ..registry::Options::default() };
            let registry = Arc::new(InstanceRegistry::new(options, 1, START));
            registry.open_for_traffic(0, START);
            let info = InstanceInfo::new(AppName::new("a"), "h", "10.0.0.1", START);
            let lease = registry.register(info, Source::Client, START).into_result().lease;
            let urls = ["one", "two"].map(|host| ServiceUrl::new("http", host, 8761, "/eureka/"));
            let options = Options { service_urls: urls.to_vec(), ..Options::default() };
            let peer_aware = PeerAwareInstanceRegistry::new(registry, &options);
            let place = Place { scheme: "http", port: 8761, context_path: String::new() };
            let by = (Arc::new(Nobody) as Arc<dyn PeerDiscovery>, Arc::new(Nobody) as Arc<dyn PeerTransport>);
            let nodes = PeerEurekaNodes::new(options, place, &peer_aware, by, Clock::starting_at(START));
            let replica = Self { lease, nodes };
            for peer in [0, 1] {
                replica.answers(peer, "before", START, START);
                replica.nodes.peers()[peer].identified(Identity::Ours("before".to_owned()), START);
            }
            replica
        }

        /// A process answers as one of the peers, by this replica's clock at `now`, by its own at `theirs`.
        fn answers(&self, peer: usize, process: &str, now: Timestamp, theirs: Timestamp) {
            let (node, memory, body) = (Some(process.to_owned()), PeerMemory::Whole, Vec::new().into());
            let reply = Reply { status: 200, node, time: Some(theirs), memory, peers: Vec::new(), cluster: None, body };
            self.nodes.peers()[peer].observe_clock(self.nodes.around(), now, &reply, now);
        }

        /// How long ago it heard the instance.
        fn age(&self) -> Duration {
            START.since(self.lease.last_heard())
        }

        /// It evicts the instance.
        fn evicts(&self, now: Timestamp) {
            assert_eq!(self.nodes.around().registry.evict(&mut SmallRng::seed_from_u64(1), now), 1);
        }

        /// Whether it takes the instance over from a peer that says that it heard it then.
        fn takes(&self, heard: Timestamp, now: Timestamp) -> bool {
            let fact = Fact::Registered(Box::new(Record::clone(&self.lease.record())));
            let heard = Some(Heard { at: heard, renewed: true });
            self.nodes.around().registry.merge_fact(fact, heard, &Source::Peer.into(), now)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_that_proves_a_suspension_corrects_what_was_heard_before_it() {
        let replica = Replica::new();
        replica.answers(0, "before", LATER, LATER + SUSPENDED);
        assert_eq!(replica.age(), Duration::ZERO, "a single peer may have jumped itself");
        replica.answers(1, "before", LATER, LATER + SUSPENDED);
        assert_eq!(replica.age(), SUSPENDED, "before anybody else is told");
    }

    #[tokio::test(start_paused = true)]
    async fn peers_that_restarted_with_other_clocks_prove_no_suspension() {
        let replica = Replica::new();
        for peer in [0, 1] {
            replica.answers(peer, "after", LATER, LATER + SUSPENDED);
        }
        assert_eq!(replica.age(), Duration::ZERO);
    }

    /// A peer heard an instance after this replica evicted it, and before this replica learns that a clock has jumped.
    #[tokio::test(start_paused = true)]
    async fn an_evicted_instance_that_a_peer_heard_is_taken_unless_it_may_only_seem_new() {
        let evicted = START + Duration::from_secs(91);
        let (heard, noticed, later) =
            (evicted + Duration::from_secs(1), evicted + Duration::from_secs(3), evicted + Duration::from_secs(5));
        let takes = |jumps: &[(usize, Timestamp)]| {
            let replica = Replica::new();
            replica.evicts(evicted);
            jumps.iter().for_each(|(peer, theirs)| replica.answers(*peer, "before", noticed, *theirs));
            let is_taken = replica.takes(heard, later);
            assert_ne!(is_taken, replica.takes(noticed + Duration::from_secs(1), later), "it is heard again");
            is_taken
        };
        let (ahead, behind) = (noticed + SUSPENDED, noticed - SUSPENDED);
        assert!(takes(&[]));
        assert!(takes(&[(0, ahead)]), "the peer's clock leapt ahead, which makes nothing new");
        assert!(!takes(&[(0, behind)]), "the peer was suspended, or this clock leapt ahead");
        assert!(!takes(&[(0, ahead), (1, ahead)]), "this replica was suspended");
    }
}
