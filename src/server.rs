//! The composition root: makes the parts, starts them in order and stops them in order.

mod accept;
mod connection;
mod crowd;
pub mod options;
mod own_registration;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use options::Options;

use crate::http::{App, Parts, Readiness, handle};
use crate::model::InstanceKey;
use crate::registry::{InstanceRegistry, Source};
use crate::replication::discovery::{Discovery, PeerDiscovery};
use crate::replication::transport::PeerTransport;
use crate::replication::transport::http::HttpTransport;
use crate::replication::{PeerAwareInstanceRegistry, PeerEurekaNodes, Place, sync_up};
use crate::tasks::Tasks;
use crate::time::Clock;
use crate::tls::Tls;
use crate::{http, registry, replication, telemetry};

/// All that a server is made with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The listening server.
    pub server: Options,
    /// The HTTP surface.
    pub http: http::Options,
    /// The registry.
    pub registry: registry::Options,
    /// Replication.
    pub replication: replication::Options,
    /// The logs.
    pub logs: telemetry::Options,
}

/// The two steps in which connections end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopping {
    /// Every answer is its connection's last.
    pub(crate) no_new_requests: CancellationToken,
    /// Nothing is accepted any more, and idle connections are closed.
    pub(crate) draining: CancellationToken,
}

/// A server that has its port and answers on it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    settings: Settings,
    /// What is told to leave at the end: the server's own registration.
    own: (Arc<PeerAwareInstanceRegistry>, InstanceKey, Clock),
    readiness: Readiness,
    stopping: Stopping,
    tasks: Tasks,
    connections: Tasks,
}

impl Server {
    /// Starts a server: copies the registry of a peer, if there is one, and listens once that is done.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub async fn start(settings: Settings, clock: Clock, mut rng: SmallRng) -> anyhow::Result<Self> {
        let registry = Arc::new(InstanceRegistry::new(settings.registry.clone(), clock.now()));
        let peer_aware = Arc::new(PeerAwareInstanceRegistry::new(Arc::clone(&registry), &settings.replication));
        let node_id = format!("{:016x}", rng.random::<u64>());
        // Bound but not listening: the port is known and taken, and who connects is refused until there is something
        // truthful to answer.
        let socket = bind(&settings.server, settings.server.port).context("cannot take the port")?;
        let address = socket.local_addr()?;
        let tls = settings.server.tls.clone().map(Tls::load).transpose().context("cannot serve TLS")?.map(Arc::new);

        let stop = CancellationToken::new();
        let mut tasks = Tasks::under(&stop);
        let (nodes, copied) = if settings.replication.is_clustered() {
            let cluster = Cluster::new(&settings, address.port(), tls.as_ref(), &peer_aware, clock, &node_id)?;
            let copied = cluster.join(&registry, &settings.replication, &node_id, clock).await;
            let (nodes, seed) = (Arc::clone(&cluster.nodes), rng.random());
            tasks.spawn("replication", |stop| nodes.run(seed, stop));
            (Some(cluster.nodes), copied)
        } else {
            (None, 0)
        };
        registry.open_for_traffic(copied, clock.now());
        background(&mut tasks, &registry, clock, SmallRng::from_rng(&mut rng));
        if let Some(tls) = tls.clone() {
            tasks.every("certificates", CERTIFICATES_INTERVAL, move || tls.refresh());
        }

        let own_instance =
            own_registration::describe(&settings.replication, &settings.http, address, tls.is_some(), clock);
        if settings.replication.registers_itself() {
            own_registration::start(&mut tasks, &peer_aware, own_instance.clone(), clock);
        }
        let readiness = Readiness::default();
        let app = App::new(Parts {
            peer_aware: Arc::clone(&peer_aware),
            clock,
            options: settings.http.clone(),
            node_id,
            own_instance: own_instance.clone(),
            readiness: readiness.clone(),
            nodes,
        });
        app.sample();
        let sampling = app.clone();
        tasks.every("samples", http::SAMPLE_INTERVAL, move || sampling.sample());
        let listener = socket.listen(BACKLOG).context("cannot listen")?;
        let stopping = Stopping::default();
        let mut connections = Tasks::under(&stop);
        let options = Arc::new(settings.server.clone());
        if let Some(port) = settings.server.management_port {
            let socket = bind(&settings.server, port).context("cannot take the management port")?;
            let listener = socket.listen(BACKLOG).context("cannot listen")?;
            info!("answering /actuator on http://{}", listener.local_addr()?);
            let (app, options, stopping) = (app.clone(), Arc::clone(&options), stopping.clone());
            connections.spawn("accept-management", |_| {
                let answer = move |request| http::handle_management(app.clone(), request);
                accept::accept(listener, options, stopping, None, SmallRng::from_rng(&mut rng), answer)
            });
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        let connections_stop = stopping.clone();
        connections.spawn("accept", |_| {
            let answer = move |request| handle(app.clone(), request);
            accept::accept(listener, options, connections_stop, tls, SmallRng::from_rng(&mut rng), answer)
        });
        readiness.accept_traffic();
        let (version, instances) = (env!("CARGO_PKG_VERSION"), registry.len());
        info!(version, instances, "listening on {scheme}://{address}");
        if settings.http.security.users.is_empty() {
            info!("there are no users (spring.security.user.*): everybody may register, renew and cancel");
        }
        let own = (peer_aware, own_instance.key(), clock);
        Ok(Self { address, settings, own, readiness, stopping, tasks, connections })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then stops: answers as before for a while, so that those who still come are served,
    /// takes no new connections, finishes those it has, and ends its tasks, each with a deadline.
    ///
    /// # Errors
    /// If a task failed that the registry cannot do without.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let failed = tokio::select! {
            biased;
            () = shutdown => false,
            () = self.tasks.failed() => true,
            () = self.connections.failed() => true,
        };
        let options = &self.settings.server;
        if !failed {
            info!(lame_duck_ms = options.lame_duck.as_millis(), "shutting down: still answering");
            self.readiness.refuse_traffic();
            self.stopping.no_new_requests.cancel();
            tokio::time::sleep(options.lame_duck).await;
        }
        self.stopping.draining.cancel();
        self.connections.stop(options.drain_timeout).await;
        let (peer_aware, key, clock) = &self.own;
        peer_aware.cancel(key.as_str(), Source::Client, clock.now());
        self.tasks.stop(options.flush_timeout).await;
        info!("stopped");
        if failed { Err(anyhow::anyhow!("a background task failed")) } else { Ok(()) }
    }
}

/// The registry's own timers.
fn background(tasks: &mut Tasks, registry: &Arc<InstanceRegistry>, clock: Clock, rng: SmallRng) {
    let options = registry.options().clone();
    let (evicting, rng) = (Arc::clone(registry), Mutex::new(rng));
    tasks.every("eviction", options.eviction_interval, move || {
        evicting.evict(&mut *rng.lock(), clock.now());
    });
    let expiring = Arc::clone(registry);
    tasks.every("delta-retention", options.delta_retention_timer_interval, move || {
        expiring.expire_recent_changes(clock.now());
    });
    let updating = Arc::clone(registry);
    tasks.every("renewal-threshold", options.renewal_threshold_update_interval, move || {
        updating.update_renewal_threshold();
    });
}

/// The parts by which a replica knows its peers.
struct Cluster {
    nodes: Arc<PeerEurekaNodes>,
    transport: Arc<dyn PeerTransport>,
}

impl Cluster {
    fn new(
        settings: &Settings,
        port: u16,
        tls: Option<&Arc<Tls>>,
        peer_aware: &PeerAwareInstanceRegistry,
        clock: Clock,
        node_id: &str,
    ) -> anyhow::Result<Self> {
        let options = settings.replication.clone();
        let discovery = Arc::new(Discovery::new(&options.discovery_nameservers)?);
        let transport: Arc<dyn PeerTransport> = Arc::new(HttpTransport::new(&options, &discovery, tls)?);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let place = Place { scheme, port, context_path: settings.http.context_path.clone() };
        let by = (discovery as Arc<dyn PeerDiscovery>, Arc::clone(&transport));
        let nodes = Arc::new(PeerEurekaNodes::new(options, place, peer_aware, by, clock, node_id.to_owned()));
        Ok(Self { nodes, transport })
    }

    /// Copies what a peer knows. Says how many instances that were.
    async fn join(
        &self,
        registry: &InstanceRegistry,
        options: &replication::Options,
        node_id: &str,
        clock: Clock,
    ) -> u32 {
        sync_up(&self.nodes, &*self.transport, registry, node_id, options, clock).await
    }
}

/// How often it is looked whether certificates changed.
const CERTIFICATES_INTERVAL: Duration = Duration::from_secs(5);

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Takes the address, or all of them: IPv6 and IPv4 by one socket, or IPv4 alone where there is no IPv6.
fn bind(options: &Options, port: u16) -> io::Result<TcpSocket> {
    let take = |address: IpAddr| {
        let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(address, port))?;
        Ok(socket)
    };
    if let Some(address) = options.address {
        return take(address);
    }
    match take(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            warn!(%error, "no IPv6 here, listening on IPv4 alone");
            take(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
        }
        bound => bound,
    }
}
