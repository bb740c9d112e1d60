//! The composition root: makes the parts, starts them in order and stops them in order.

mod accept;
mod connection;
pub mod options;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use options::Options;

use crate::http::{App, Parts, Readiness, handle};
use crate::model::{AppName, InstanceInfo};
use crate::registry::InstanceRegistry;
use crate::replication::PeerAwareInstanceRegistry;
use crate::tasks::Tasks;
use crate::time::Clock;
use crate::{http, registry};

/// All that a server is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The listening server.
    pub server: Options,
    /// The HTTP surface.
    pub http: http::Options,
    /// The registry.
    pub registry: registry::Options,
    /// What is logged.
    pub log_filter: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: Options::default(),
            http: http::Options::default(),
            registry: registry::Options::default(),
            log_filter: "info".to_owned(),
        }
    }
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
    readiness: Readiness,
    stopping: Stopping,
    tasks: Tasks,
    connections: Tasks,
}

impl Server {
    /// Starts a server: registry, listener, background tasks.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub async fn start(settings: Settings, clock: Clock, mut rng: SmallRng) -> anyhow::Result<Self> {
        let registry = Arc::new(InstanceRegistry::new(settings.registry.clone(), clock.now()));
        let peer_aware = Arc::new(PeerAwareInstanceRegistry::new(Arc::clone(&registry)));
        let node_id = format!("{:016x}", rng.random::<u64>());
        let own_instance = InstanceInfo::new(AppName::new("EUREKA"), "localhost", "127.0.0.1", clock.now());
        let readiness = Readiness::default();
        let parts = Parts {
            peer_aware,
            clock,
            options: settings.http.clone(),
            node_id,
            own_instance,
            readiness: readiness.clone(),
        };
        let app = App::new(parts);

        registry.open_for_traffic(0, clock.now());
        let stop = CancellationToken::new();
        let mut tasks = Tasks::under(&stop);
        background(&mut tasks, &registry, clock, SmallRng::from_rng(&mut rng));

        let listener = bind(&settings.server).await.context("cannot listen")?;
        let address = listener.local_addr()?;
        let stopping = Stopping::default();
        let mut connections = Tasks::under(&stop);
        let (options, connections_stop) = (Arc::new(settings.server.clone()), stopping.clone());
        connections.spawn("accept", |_| {
            let answer = move |request| handle(app.clone(), request);
            accept::accept(listener, options, connections_stop, SmallRng::from_rng(&mut rng), answer)
        });
        readiness.accept_traffic();
        info!(version = env!("CARGO_PKG_VERSION"), "listening on http://{address}");
        Ok(Self { address, settings, readiness, stopping, tasks, connections })
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

/// Binds the address, or all of them: IPv6 and IPv4 by one socket, or IPv4 alone where there is no IPv6.
async fn bind(options: &Options) -> io::Result<TcpListener> {
    let at = |address| SocketAddr::new(address, options.port);
    if let Some(address) = options.address {
        return TcpListener::bind(at(address)).await;
    }
    match TcpListener::bind(at(IpAddr::V6(Ipv6Addr::UNSPECIFIED))).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            warn!(%error, "no IPv6 here, listening on IPv4 alone");
            TcpListener::bind(at(IpAddr::V4(Ipv4Addr::UNSPECIFIED))).await
        }
        bound => bound,
    }
}
