//! Peers over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Call, Calling, PeerError, PeerTransport, Reply};
use crate::replication::Options;
use crate::replication::discovery::Discovery;

/// The header that names the answering process.
pub const NODE_HEADER: &str = "x-eureka-registry-node";
/// The header by which a starting replica says where it will want to be told of changes.
pub const NEWCOMER_HEADER: &str = "x-eureka-registry-newcomer";

/// The header by which a replica tells a starting one which peers it has, separated by commas.
pub const PEERS_HEADER: &str = "x-eureka-registry-peers";

/// Calls peers by a pool of connections. No proxy of the environment is used: a peer is in the same network.
#[derive(Debug)]
pub struct HttpTransport {
    client: Client,
}

impl HttpTransport {
    /// A transport that looks peers' names up by `discovery` for each new connection, so that a pod that comes back with
    /// another address is found.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(options: &Options, discovery: &Arc<Discovery>) -> anyhow::Result<Self> {
        // It fails where one is installed already, which then is as good.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            Client::builder()
                .no_proxy()
                .connect_timeout(options.peer_node_connect_timeout)
                .timeout(options.peer_node_read_timeout)
                .tcp_nodelay(true)
                .dns_resolver(Arc::new(Names(Arc::clone(discovery))))
                .redirect(reqwest::redirect::Policy::none())
        };
        // An image from scratch has no authorities' certificates, without which the first of these fails.
        let client = builder().build().or_else(|_no_authorities| builder().tls_certs_only([]).build())?;
        Ok(Self { client })
    }
}

impl HttpTransport {
    fn post(&self, service_url: &str, what: &str, body: Bytes) -> reqwest::RequestBuilder {
        let url = format!("{service_url}peerreplication/{what}");
        self.client.post(url).header("Content-Type", "application/json").body(body)
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
            let request = match call {
                Call::Identify => self.client.request(reqwest::Method::OPTIONS, format!("{service_url}apps")),
                Call::Batch(body) => self.post(service_url, "batch/", body),
                Call::Digest(body) => self.post(service_url, "digest", body),
                Call::Exchange(body) => self.post(service_url, "exchange", body),
                Call::Applications { newcomer } => {
                    let request = self.client.get(format!("{service_url}apps/"));
                    match newcomer {
                        Some(url) => request.header(NEWCOMER_HEADER, url),
                        None => request,
                    }
                }
                Call::Announce { newcomer } => {
                    self.client.head(format!("{service_url}apps/delta")).header(NEWCOMER_HEADER, newcomer)
                }
            };
            // What a Java server says of itself when it replicates (protocol.md 4.2).
            let request = request
                .header("Accept", "application/json")
                .header("DiscoveryIdentity-Name", "DefaultServer")
                .header("DiscoveryIdentity-Version", "1.0");
            let response = request.send().await.map_err(failure)?;
            let status = response.status().as_u16();
            let node = response.headers().get(NODE_HEADER).and_then(|id| id.to_str().ok()).map(str::to_owned);
            let peers =
                response.headers().get(PEERS_HEADER).and_then(|urls| urls.to_str().ok()).map_or_else(Vec::new, listed);
            let body: Bytes = response.bytes().await.map_err(failure)?;
            Ok(Reply { status, node, peers, body })
        })
    }
}

/// The service URLs of a list.
pub fn listed(urls: &str) -> Vec<String> {
    urls.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect()
}

/// The error without the URL, which may hold a password.
fn failure(error: reqwest::Error) -> PeerError {
    let error = error.without_url();
    if error.is_connect() {
        PeerError::Connect(chain(&error))
    } else if error.is_timeout() {
        PeerError::Timeout
    } else {
        PeerError::Broken(chain(&error))
    }
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
