//! Peers over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, RequestBuilder};

use super::{Call, Calling, PeerError, PeerTransport, Reply};
use crate::registry::PeerMemory;
use crate::replication::Options;
use crate::replication::discovery::Discovery;
use crate::replication::options::Credentials;
use crate::time::Timestamp;
use crate::tls::Tls;

/// The header that names the answering process.
pub const NODE_HEADER: &str = "x-eureka-registry-node";
/// The header by which a replica asks another one what its clock reads, and is answered in milliseconds.
pub const TIME_HEADER: &str = "x-eureka-registry-time";
/// The header by which a starting replica says where it will want to be told of changes.
pub const NEWCOMER_HEADER: &str = "x-eureka-registry-newcomer";

/// The header by which a replica tells a starting one which peers it has, separated by commas.
pub const PEERS_HEADER: &str = "x-eureka-registry-peers";

/// Calls peers by a pool of connections. No proxy of the environment is used: a peer is in the same network.
#[derive(Debug)]
pub struct HttpTransport {
    options: Options,
    discovery: Arc<Discovery>,
    tls: Option<Arc<Tls>>,
    client: ArcSwap<Generation>,
}

/// A client, and which certificates it was made with.
#[derive(Debug)]
struct Generation {
    number: u64,
    client: Client,
}

impl HttpTransport {
    /// A transport that looks peers' names up by `discovery` for each new connection, so that a pod that comes back with
    /// another address is found; and that believes, and shows, the certificates of `tls`.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(options: &Options, discovery: &Arc<Discovery>, tls: Option<&Arc<Tls>>) -> anyhow::Result<Self> {
        // It fails where one is installed already, which then is as good.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        let (number, tls) = (tls.map_or(0, |tls| tls.generation()), tls.cloned());
        let client = ArcSwap::from_pointee(Generation { number, client: client(options, discovery, tls.as_deref())? });
        Ok(Self { options: options.clone(), discovery: Arc::clone(discovery), tls, client })
    }

    /// The client, made anew where certificates changed: it keeps its connections otherwise.
    fn client(&self) -> Client {
        let current = self.client.load();
        let Some(tls) = &self.tls else { return current.client.clone() };
        let number = tls.generation();
        if number == current.number {
            return current.client.clone();
        }
        match client(&self.options, &self.discovery, Some(tls)) {
            Ok(client) => {
                self.client.store(Arc::new(Generation { number, client: client.clone() }));
                client
            }
            Err(_unusable) => current.client.clone(),
        }
    }

    fn post(client: &Client, service_url: &str, what: &str, body: Bytes) -> RequestBuilder {
        let url = format!("{service_url}peerreplication/{what}");
        client.post(url).header("Content-Type", "application/json").body(body)
    }

    /// Says who calls. What a URL says of that is sent by the client of itself.
    fn authenticated(&self, service_url: &str, request: RequestBuilder) -> RequestBuilder {
        let Credentials { username, password } = &self.options.discovery_credentials;
        if username.is_empty() || service_url.contains('@') {
            return request;
        }
        request.basic_auth(username, Some(password))
    }
}

fn client(options: &Options, discovery: &Arc<Discovery>, tls: Option<&Tls>) -> reqwest::Result<Client> {
    let builder = || {
        Client::builder()
            .no_proxy()
            .connect_timeout(options.peer_node_connect_timeout)
            .timeout(options.peer_node_read_timeout)
            .tcp_nodelay(true)
            .dns_resolver(Arc::new(Names(Arc::clone(discovery))))
            .redirect(reqwest::redirect::Policy::none())
    };
    match tls {
        Some(tls) if tls.has_authorities() => builder().tls_backend_preconfigured(tls.client()).build(),
        // An image from scratch has no authorities' certificates, without which the first of these fails.
        Some(_) | None => builder().build().or_else(|_no_authorities| builder().tls_certs_only([]).build()),
    }
}

#[derive(Debug)]
struct Names(Arc<Discovery>);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let discovery = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = discovery.addresses(name.as_str()).await?;
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

impl PeerTransport for HttpTransport {
    fn call<'a>(&'a self, service_url: &'a str, call: Call) -> Calling<'a> {
        Box::pin(async move {
            let client = self.client();
            let request = match call {
                Call::Identify => client.request(reqwest::Method::OPTIONS, format!("{service_url}apps")),
                Call::Batch(body) => Self::post(&client, service_url, "batch/", body),
                Call::Digests(body) => Self::post(&client, service_url, "digests", body),
                Call::Records(body) => Self::post(&client, service_url, "records", body),
                Call::Heard(body) => Self::post(&client, service_url, "heard", body),
                Call::Applications { newcomer } => {
                    let request = client.get(format!("{service_url}apps/"));
                    match newcomer {
                        Some(url) => request.header(NEWCOMER_HEADER, url),
                        None => request,
                    }
                }
                Call::Announce { newcomer } => {
                    client.head(format!("{service_url}apps/delta")).header(NEWCOMER_HEADER, newcomer)
                }
            };
            // What a Java server says of itself when it replicates (protocol.md 4.2).
            let request = self
                .authenticated(service_url, request)
                .header(TIME_HEADER, "?")
                .header("Accept", "application/json")
                .header("DiscoveryIdentity-Name", "DefaultServer")
                .header("DiscoveryIdentity-Version", "1.0");
            let response = request.send().await.map_err(failure)?;
            let status = response.status().as_u16();
            let node = response.headers().get(NODE_HEADER).and_then(|id| id.to_str().ok()).map(str::to_owned);
            let time = response.headers().get(TIME_HEADER).and_then(|time| time.to_str().ok());
            let time = time.and_then(|millis| millis.parse().ok()).map(Timestamp);
            let peers =
                response.headers().get(PEERS_HEADER).and_then(|urls| urls.to_str().ok()).map_or_else(Vec::new, listed);
            let memory = response.headers().get(MEMORY_HEADER).and_then(|word| word.to_str().ok());
            let memory = memory.map_or(PeerMemory::Whole, PeerMemory::named);
            let body: Bytes = response.bytes().await.map_err(failure)?;
            Ok(Reply { status, node, time, peers, memory, body })
        })
    }
}

/// The header by which a replica says that it may not know what clients know.
pub const MEMORY_HEADER: &str = "x-eureka-registry-memory";

/// The service URLs of a list.
pub fn listed(urls: &str) -> Vec<String> {
    urls.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect()
}

/// The error without the URL, which may hold a password.
fn failure(error: reqwest::Error) -> PeerError {
    let error = error.without_url();
    if error.is_connect() && is_refused(&error) {
        PeerError::Refused
    } else if error.is_connect() {
        PeerError::Connect(chain(&error))
    } else if error.is_timeout() {
        PeerError::Timeout
    } else {
        PeerError::Broken(chain(&error))
    }
}

/// Whether the other end said that nothing listens there; a time-out or an address that cannot be reached says nothing.
fn is_refused(error: &dyn std::error::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if kind == Some(std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        source = cause.source();
    }
    false
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
