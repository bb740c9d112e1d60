//! The composition root: a [`Node`] and the sockets before it, started in order and stopped in order.

mod accept;
mod activity;
mod buffers;
mod capacity;
mod connection;
mod crowd;
mod handshake;
mod node;
pub mod options;
mod own_registration;
mod remembering;
mod service_manager;
mod settings;
mod stopping;
mod turns;
mod watch;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use node::{Node, PeerAccess};
pub use options::Options;
pub use service_manager::ServiceManager;
pub use settings::Settings;

use accept::Port;
use capacity::Capacity;
use stopping::Stopping;

use crate::limits::{Budget, Limits};
use crate::tasks::Tasks;
use crate::telemetry::START;
use crate::time::Clock;
use crate::tls::Tls;

/// How a server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// By whoever runs it for others: clients have time to move away first.
    LameDuck,
    /// By a person at a terminal: without this time, if nothing is connected.
    Interrupt,
}

/// A server that has its port and answers on it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    options: Arc<Options>,
    capacity: Capacity,
    node: Node,
    stopping: Stopping,
    serving: Tasks,
}

impl Server {
    /// Starts a server: copies the registry of a peer, if there is one, and listens once that is done. The management port answers from
    /// the beginning.
    ///
    /// # Errors
    /// If the port cannot be taken, or the settings need what is not there.
    pub async fn start(mut settings: Settings, clock: Clock, mut rng: SmallRng) -> anyhow::Result<Self> {
        settings.kubernetes.complete()?;
        let options = Arc::new(settings.server.clone());
        // Bound but not listening: the port is known and taken, and a client that connects is refused until this replica has a
        // registry to answer from.
        let socket = bind(options.address, options.port).map_err(|error| in_use(error, "server.port", options.port))?;
        let address = socket.local_addr()?;
        let tls = options.tls.clone().map(Tls::load).transpose().context("cannot serve TLS")?.map(Arc::new);
        let access = PeerAccess::by_network(&settings, tls.as_ref())?;
        let disk = settings.snapshot.disk();
        let node = Node::build(&settings, address, access, disk, clock, SmallRng::from_rng(&mut rng));
        let (stopping, serving) = (Stopping::default(), Tasks::under(&CancellationToken::new()));
        let capacity = Capacity::of(&options, &settings.limits);
        let mut server = Self { address, options, capacity, node, stopping, serving };
        // Probes and people are told what a starting replica waits for.
        if let Some(port) = server.options.management_port {
            server.serve_management(port, SmallRng::from_rng(&mut rng))?;
        }
        server.node.join().await;
        let port = server.options.port;
        let listener = socket.listen(BACKLOG).map_err(|error| in_use(error, "server.port", port))?;
        server.serve(listener, tls, rng);
        server.node.accept_traffic();
        server.say_where_it_listens(&settings);
        Ok(server)
    }

    /// Answers all requests.
    fn serve(&mut self, listener: TcpListener, tls: Option<Arc<Tls>>, rng: SmallRng) {
        if let Some(tls) = tls.clone() {
            let connections = Arc::clone(self.node.connections());
            connections.certificate_expires(tls.expires().unwrap_or_default());
            self.serving.every("certificates", CERTIFICATES_INTERVAL, move || {
                tls.refresh();
                connections.certificate_expires(tls.expires().unwrap_or_default());
            });
        }
        let service = Arc::clone(self.node.service());
        let port = self.port(listener, tls, self.capacity);
        self.serving.spawn("accept", |_| {
            let answer = move |connection, request| {
                let service = Arc::clone(&service);
                async move { service.handle(connection, request).await }
            };
            port.accept(rng, answer)
        });
    }

    /// Answers requests for the actuator on a port of its own.
    fn serve_management(&mut self, port: u16, rng: SmallRng) -> anyhow::Result<()> {
        let key = "management.server.port";
        let socket = bind(self.options.management_address, port).map_err(|error| in_use(error, key, port))?;
        let listener = socket.listen(BACKLOG).map_err(|error| in_use(error, key, port))?;
        info!(target: START, "answering /actuator on http://{}", listener.local_addr()?);
        let service = Arc::clone(self.node.service());
        let port = self.port(listener, None, self.capacity.of_management());
        self.serving.spawn("accept-management", |_| {
            let answer = move |connection, request| {
                let service = Arc::clone(&service);
                async move { service.handle_management(connection, request).await }
            };
            port.accept(rng, answer)
        });
        Ok(())
    }

    fn port(&self, listener: TcpListener, tls: Option<Arc<Tls>>, capacity: Capacity) -> Port {
        let (options, stopping) = (Arc::clone(&self.options), self.stopping.clone());
        Port::new(listener, tls, capacity, (options, stopping, Arc::clone(self.node.connections())))
    }

    fn say_where_it_listens(&self, settings: &Settings) {
        let Limits { memory, memory_source, open_files } = settings.limits;
        let Capacity { connections, busy } = self.capacity;
        info!(
            target: START,
            memory_mib = memory / (1024 * 1024),
            memory_source = memory_source.name(),
            open_files,
            max_connections = connections,
            max_busy_connections = busy,
            max_copy_mib = Budget::of(memory).copy() / (1024 * 1024),
            "limits of this process, and what follows from them"
        );
        let scheme = if self.options.tls.is_some() { "https" } else { "http" };
        let (version, instances) = (env!("CARGO_PKG_VERSION"), self.node.registry().len());
        let path = &settings.http.context_path;
        let (address, port) = (self.address, self.address.port());
        // Nobody can follow a link to all addresses.
        let all = address.ip().is_unspecified();
        let host = if all { format!("localhost:{port}") } else { address.to_string() };
        info!(target: START, version, instances, %address, "listening on {scheme}://{host}{path}");
        if settings.http.security.users.is_empty() {
            const OPEN: &str = "there are no users (spring.security.user.*): everybody may register, renew and cancel";
            if address.ip().is_loopback() {
                info!(target: START, "{OPEN}");
            } else {
                warn!(target: START, "{OPEN}");
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then stops: answers as before for a while, so that clients that still connect are served; takes
    /// no new connections; finishes the open ones; ends its tasks. Each step has a deadline.
    ///
    /// # Errors
    /// If a task failed that the registry cannot do without.
    pub async fn run(mut self, shutdown: impl Future<Output = Stop>) -> anyhow::Result<()> {
        let asked = tokio::select! {
            biased;
            stop = shutdown => Some(stop),
            () = self.node.failed() => None,
            () = self.serving.failed() => None,
        };
        let (options, failed) = (&self.options, asked.is_none());
        if let Some(stop) = asked {
            let nobody = stop == Stop::Interrupt && !self.node.connections().is_any_open();
            let lame_duck = if nobody { Duration::ZERO } else { options.lame_duck };
            info!(lame_duck_ms = lame_duck.as_millis(), "shutting down: still answering");
            self.node.leave();
            self.stopping.no_new_requests.cancel();
            tokio::time::sleep(lame_duck).await;
        }
        self.stopping.draining.cancel();
        self.serving.stop(options.drain_timeout).await;
        self.node.stop(options.flush_timeout).await;
        info!("stopped");
        if failed { Err(anyhow::anyhow!("a background task failed")) } else { Ok(()) }
    }
}

/// How often the server checks whether certificates changed.
const CERTIFICATES_INTERVAL: Duration = Duration::from_secs(5);

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Why a port cannot be taken, and what to do.
fn in_use(error: io::Error, key: &str, port: u16) -> anyhow::Error {
    if error.kind() == io::ErrorKind::AddrInUse {
        let do_this =
            format!("stop the process that has it, or choose another with --{key}={}", port.saturating_add(1));
        return anyhow::anyhow!("Port {port} is already in use: {do_this}");
    }
    anyhow::Error::new(error).context(format!("cannot listen on {key}={port}"))
}

/// Takes the address, or all of them: IPv6 and IPv4 by one socket, or IPv4 alone where there is no IPv6.
fn bind(address: Option<IpAddr>, port: u16) -> io::Result<TcpSocket> {
    let take = |address: IpAddr| {
        let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(address, port))?;
        Ok(socket)
    };
    if let Some(address) = address {
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
