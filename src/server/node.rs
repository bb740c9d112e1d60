//! [`Node`]: a replica without sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::capacity::Capacity;
use super::remembering::{self, Remembering};
use super::{Settings, own_registration};
use crate::console::SAMPLE_INTERVAL;
use crate::http::{Parts, Readiness, Service};
use crate::kubernetes::Watcher;
use crate::limits::Budget;
use crate::metrics::connections::Connections;
use crate::model::InstanceInfo;
use crate::registry;
use crate::registry::{InstanceRegistry, Source};
use crate::replication;
use crate::replication::discovery::{Discovery, PeerDiscovery};
use crate::replication::start::Opening;
use crate::replication::transport::PeerTransport;
use crate::replication::transport::reqwest::HttpTransport;
use crate::replication::{PeerAwareInstanceRegistry, PeerEurekaNodes, Place, evict, sync_up};
use crate::snapshot::{Disk, Header, Snapshots};
use crate::tasks::{Gate, Tasks};
use crate::time::Clock;
use crate::tls::Tls;

/// Minimum timeout for connecting to a peer at the start: enough for a peer that is 600 ms away, and a lost packet.
const JOINING_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Minimum timeout of one part of a registry's copy at the start.
const JOINING_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the registry checks whether the time of a lost memory, or of an empty start, is over.
const TICK_INTERVAL: Duration = Duration::from_secs(1);
/// How often a replica checks by its peers whether its own clock stood still.
const OWN_CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// How a replica finds its peers, and how it calls them.
#[derive(Clone, Debug)]
pub struct PeerAccess {
    /// Finds them.
    pub discovery: Arc<dyn PeerDiscovery>,
    /// Calls them.
    pub transport: Arc<dyn PeerTransport>,
    /// Calls them at the start, with longer timeouts: without an answer the port stays closed.
    pub joining: Arc<dyn PeerTransport>,
}

impl PeerAccess {
    /// By DNS and HTTP; `None` for a registry that cannot have peers.
    ///
    /// # Errors
    /// If the system's resolver configuration cannot be read, or TLS cannot be set up.
    pub fn by_network(settings: &Settings, tls: Option<&Arc<Tls>>) -> anyhow::Result<Option<Self>> {
        let options = &settings.replication;
        if !options.is_clustered() {
            return Ok(None);
        }
        let budget = Budget::of(settings.limits.memory);
        let discovery = Arc::new(Discovery::new(&options.discovery_nameservers, options.hostname.as_deref())?);
        let transport = Arc::new(HttpTransport::new(options, &discovery, tls, &budget)?);
        let patient = replication::Options {
            peer_node_connect_timeout: options.peer_node_connect_timeout.max(JOINING_CONNECT_TIMEOUT),
            peer_node_read_timeout: options.peer_node_read_timeout.max(JOINING_READ_TIMEOUT),
            ..options.clone()
        };
        let joining = Arc::new(HttpTransport::new(&patient, &discovery, tls, &budget)?);
        Ok(Some(Self { discovery, transport, joining }))
    }
}

/// A replica: its registry, its peers, its HTTP surface and its background work, without a socket.
///
/// The server puts sockets in front of it; the simulation and the fuzzer call it directly. Its life is [`Node::build`],
/// [`Node::join`], then requests to [`Node::service`], [`Node::leave`], [`Node::stop`]. Dropping it ends its background work at
/// once, as a crash does.
#[derive(Debug)]
pub struct Node {
    settings: Settings,
    clock: Clock,
    rng: SmallRng,
    peer_aware: Arc<PeerAwareInstanceRegistry>,
    peers: Option<Peers>,
    snapshots: Option<Arc<Snapshots>>,
    /// Watches pods, until that is a task.
    pods: Option<Watcher>,
    own_instance: InstanceInfo,
    readiness: Readiness,
    service: Arc<Service>,
    connections: Arc<Connections>,
    tasks: Tasks,
}

/// The peers of a registry that can have some.
#[derive(Debug)]
struct Peers {
    nodes: Arc<PeerEurekaNodes>,
    joining: Arc<dyn PeerTransport>,
    /// The source of randomness of the tasks that follow the peers.
    seed: u64,
}

impl Node {
    /// Makes the parts of a replica that clients will reach at `address`, and that keeps its snapshots on `disk`. No task runs yet, and
    /// no peer is called.
    pub fn build(
        settings: &Settings,
        address: SocketAddr,
        access: Option<PeerAccess>,
        disk: Option<Arc<dyn Disk>>,
        clock: Clock,
        mut rng: SmallRng,
    ) -> Self {
        let (number, budget) = (rng.random::<u64>(), Budget::of(settings.limits.memory));
        let id = format!("{number:016x}");
        // The other half of the budget is for the process itself, and for cached answers.
        let options = registry::Options { max_bytes: budget.registry / 2, ..settings.registry.clone() };
        let registry = Arc::new(InstanceRegistry::new(options, number, clock.now()));
        let peer_aware = Arc::new(PeerAwareInstanceRegistry::new(registry, &settings.replication));
        let interval = settings.snapshot.interval;
        let snapshots = disk.map(|disk| Arc::new(Snapshots::new(disk, interval, peer_aware.registry(), clock)));
        let pods = Watcher::new(&settings.kubernetes, &peer_aware, clock);
        let secure = settings.server.tls.is_some();
        let peers = access.map(|PeerAccess { discovery, transport, joining }| {
            let scheme = if secure { "https" } else { "http" };
            let place = Place { scheme, port: address.port(), context_path: settings.http.context_path.clone() };
            let by = (discovery, transport);
            let nodes = PeerEurekaNodes::new(settings.replication.clone(), place, &peer_aware, by, clock);
            Peers { nodes: Arc::new(nodes), joining, seed: rng.random() }
        });
        let own_instance = own_registration::describe(&settings.replication, &settings.http, address, secure, clock);
        let (readiness, connections) = (Readiness::default(), Arc::<Connections>::default());
        let service = Arc::new(Service::new(Parts {
            peer_aware: Arc::clone(&peer_aware),
            clock,
            options: settings.http.clone(),
            node_id: id,
            own_instance: own_instance.clone(),
            readiness: readiness.clone(),
            nodes: peers.as_ref().map(|peers| Arc::clone(&peers.nodes)),
            connections: Arc::clone(&connections),
            snapshots: snapshots.clone(),
            pods: pods.as_ref().map(|pods| Arc::clone(pods.status())),
            budget,
            busy_connections: Capacity::of(&settings.server, &settings.limits).busy,
        }));
        let (settings, tasks) = (settings.clone(), Tasks::under(&CancellationToken::new()));
        Self {
            settings,
            clock,
            rng,
            peer_aware,
            peers,
            snapshots,
            pods,
            own_instance,
            readiness,
            service,
            connections,
            tasks,
        }
    }

    /// Copies the registry of a peer, if there is one, adds what the snapshot has beside it, and begins the background work.
    /// Afterwards the replica answers requests; probes call it ready after [`Node::accept_traffic`].
    pub async fn join(&mut self) {
        let remembering = self.remembering();
        let kept = match &remembering {
            Some(remembering) => remembering.look().await,
            None => None,
        };
        let opening = self.copy(kept.as_ref()).await;
        let memory = match remembering.as_ref().zip(kept) {
            Some((remembering, kept)) => remembering.restore(kept, &opening).await,
            None => opening.memory(),
        };
        let (registry, now) = (self.registry(), self.clock.now());
        if self.peers.is_some() {
            registry.opened_in_a_cluster(memory, now);
        }
        registry.open_for_traffic(u32::try_from(registry.len()).unwrap_or(u32::MAX), now);
        self.start_replication();
        self.start_timers();
        self.start_pods();
        if let Some(remembering) = remembering {
            remembering.start(&mut self.tasks);
        }
        if self.settings.replication.registers_itself() {
            own_registration::start(&mut self.tasks, &self.peer_aware, self.own_instance.clone(), self.clock);
        }
    }

    fn remembering(&self) -> Option<Remembering> {
        Some(Remembering {
            snapshots: Arc::clone(self.snapshots.as_ref()?),
            nodes: self.peers.as_ref().map(|peers| Arc::clone(&peers.nodes)),
            peer_aware: Arc::clone(&self.peer_aware),
            interval: self.settings.snapshot.interval,
        })
    }

    async fn copy(&self, kept: Option<&Header>) -> Opening {
        let Some(Peers { nodes, joining, .. }) = &self.peers else { return Opening::Nobody };
        sync_up(nodes, Arc::clone(joining), &self.settings.replication, remembering::peers(kept)).await
    }

    fn start_replication(&mut self) {
        if let Some(Peers { nodes, seed, .. }) = &self.peers {
            let (nodes, seed) = (Arc::clone(nodes), *seed);
            self.tasks.spawn("replication", |stop| nodes.run(seed, stop));
        }
    }

    fn start_pods(&mut self) {
        if let Some(pods) = self.pods.take() {
            let seed = self.rng.random();
            self.tasks.spawn("pods", |stop| pods.run(seed, stop));
        }
    }

    /// The registry's periodic work, and the samples that pages show.
    fn start_timers(&mut self) {
        let (options, clock) = (self.settings.registry.clone(), self.clock);
        let registry = self.peer_aware.registry();
        let (evicting, mut rng) = (Arc::clone(registry), SmallRng::from_rng(&mut self.rng));
        let nodes = self.peers.as_ref().map(|peers| Arc::clone(&peers.nodes));
        self.tasks.spawn("eviction", |stop| async move {
            while stop.run_until_cancelled(tokio::time::sleep(options.eviction_interval)).await.is_some() {
                evict(nodes.as_deref(), &evicting, &mut rng, clock).await;
            }
        });
        let expiring = Arc::clone(registry);
        self.tasks.every("delta-retention", options.delta_retention_timer_interval, move || {
            expiring.expire_recent_changes(clock.now());
        });
        if let Some(Peers { nodes, .. }) = &self.peers {
            let nodes = Arc::clone(nodes);
            self.tasks.every("own-clock", OWN_CLOCK_INTERVAL, move || nodes.check_own_clock());
        }
        let ticking = Arc::clone(registry);
        self.tasks.every("tick", TICK_INTERVAL, move || ticking.tick(clock.now()));
        let updating = Arc::clone(registry);
        self.tasks.every("renewal-threshold", options.renewal_threshold_update_interval, move || {
            updating.update_renewal_threshold();
        });
        self.service.sample();
        let sampling = Arc::clone(&self.service);
        self.tasks.every("samples", SAMPLE_INTERVAL, move || sampling.sample());
    }

    /// What answers requests.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Counts the connections of the sockets in front of it.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// The registry, for reading.
    pub fn registry(&self) -> &Arc<InstanceRegistry> {
        self.peer_aware.registry()
    }

    /// Makes changes in the registry and queues them for the peers.
    pub fn peer_aware(&self) -> &Arc<PeerAwareInstanceRegistry> {
        &self.peer_aware
    }

    /// Tells probes to send clients from now on.
    pub fn accept_traffic(&self) {
        self.readiness.accept_traffic();
    }

    /// Tells probes to send no clients any more. Requests are answered as before.
    pub fn leave(&self) {
        self.readiness.refuse_traffic();
    }

    /// Freezes the background work, as SIGSTOP does. Requests are frozen by the caller.
    pub fn gate(&self) -> &Gate {
        self.tasks.gate()
    }

    /// Waits until a task ends that should still run.
    pub async fn failed(&mut self) {
        self.tasks.failed().await;
    }

    /// Cancels the own registration, ends the background work and empties the queues to the peers, within `deadline`. No requests
    /// may come any more.
    pub async fn stop(self, deadline: Duration) {
        self.peer_aware.cancel(self.own_instance.key().as_str(), &Source::Client.into(), self.clock.now());
        self.tasks.stop(deadline).await;
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::model::AppName;
    use crate::registry::PeerMemory;
    use crate::replication::ServiceUrl;
    use crate::replication::discovery::LookingUp;
    use crate::replication::transport::{Call, Calling, PeerError, Reply};
    use crate::time::Timestamp;

    /// A peer that takes batches, and whose registry cannot be copied. It notes how many batches it was sent.
    #[derive(Debug, Default)]
    struct Peer(Mutex<usize>);

    impl PeerTransport for Peer {
        fn call<'a>(&'a self, _service_url: &'a ServiceUrl, call: Call) -> Calling<'a> {
            let is_batch = matches!(call, Call::Batch(_));
            *self.0.lock() += usize::from(is_batch);
            let is_answered = is_batch || matches!(call, Call::Identify { .. });
            let reply = Reply {
                status: 200,
                node: Some("peer".to_owned()),
                time: None,
                memory: PeerMemory::Whole,
                peers: Vec::new(),
                cluster: None,
                body: bytes::Bytes::new(),
            };
            Box::pin(async move { if is_answered { Ok(reply) } else { Err(PeerError::Timeout) } })
        }
    }

    impl PeerDiscovery for Peer {
        fn endpoints<'a>(&'a self, _service: &'a str, _port: u16) -> LookingUp<'a> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_stops_sends_what_is_queued_for_its_peers() {
        let mut settings = Settings::default();
        settings.replication.service_urls = vec![ServiceUrl::new("http", "peer", 8761, "/eureka/")];
        settings.replication.registry_sync_timeout = Duration::from_secs(1);
        let (peer, clock) = (Arc::new(Peer::default()), Clock::starting_at(Timestamp(1_700_000_000_000)));
        let access = PeerAccess {
            discovery: Arc::clone(&peer) as Arc<dyn PeerDiscovery>,
            transport: Arc::clone(&peer) as Arc<dyn PeerTransport>,
            joining: Arc::clone(&peer) as Arc<dyn PeerTransport>,
        };
        let rng = SmallRng::seed_from_u64(1);
        let mut node = Node::build(&settings, ([127, 0, 0, 1], 8761).into(), Some(access), None, clock, rng);
        node.join().await;
        // The peer is identified, and there is nothing left to send.
        tokio::time::sleep(Duration::from_secs(10)).await;
        let before = *peer.0.lock();
        let info = InstanceInfo::new(AppName::new("a"), "h", "10.0.0.1", clock.now());
        node.peer_aware().register(info, &Source::Client.into(), clock.now());
        node.stop(Duration::from_secs(5)).await;
        assert!(*peer.0.lock() > before, "the registration is on no other replica");
    }
}
