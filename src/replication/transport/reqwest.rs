//! Peers over HTTP.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response};

use super::{Call, Calling, PeerError, PeerTransport, Reply};
use crate::limits::Budget;
use crate::registry::PeerMemory;
use crate::replication::discovery::{Discovery, LookupError};
use crate::replication::options::Credentials;
use crate::replication::protocol::{
    CLUSTER_HEADER, MEMORY_HEADER, NEWCOMER_HEADER, NODE_HEADER, PEERS_HEADER, TIME_HEADER, TOKEN_HEADER,
    WAITS_FOR_HEADER, listed,
};
use crate::replication::{Options, ServiceUrl};
use crate::time::Timestamp;
use crate::tls::{self, Tls};

/// Calls peers by a pool of connections. No proxy of the environment is used: a peer is in the same network.
#[derive(Debug)]
pub struct HttpTransport {
    options: Options,
    largest: Largest,
    discovery: Arc<Discovery>,
    tls: Option<Arc<Tls>>,
    /// Keeps connections.
    client: ArcSwap<Generation>,
    /// Keeps none: an identification has to reach the address to which the name leads now.
    without_pool: ArcSwap<Generation>,
    cluster: ArcSwapOption<HeaderValue>,
}

/// How many bytes of an answer are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Largest {
    /// Of the copy of a Java server's registry.
    copy: usize,
    /// Of any other.
    other: usize,
}

impl Largest {
    /// As much as there is memory for, and no more than is configured.
    fn of(options: &Options, budget: &Budget) -> Self {
        let most = options.max_answer_bytes;
        Self { copy: budget.copy().min(most), other: budget.answer_of_peer().min(most) }
    }
}

/// A client, and which certificates it was made with.
#[derive(Debug)]
struct Generation {
    number: u64,
    client: Client,
}

impl HttpTransport {
    /// A transport that looks peers' names up by `discovery` for each new connection, so that a pod that comes back with
    /// another address is found; that believes, and shows, the certificates of `tls`; and that reads no more of an answer than the
    /// `budget` has memory for.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(
        options: &Options,
        discovery: &Arc<Discovery>,
        tls: Option<&Arc<Tls>>,
        budget: &Budget,
    ) -> anyhow::Result<Self> {
        tls::install_provider();
        let (number, tls) = (tls.map_or(0, |tls| tls.generation()), tls.cloned());
        let generation = |pool| -> anyhow::Result<_> {
            let client = client(options, discovery, tls.as_deref(), pool)?;
            Ok(ArcSwap::from_pointee(Generation { number, client }))
        };
        let (client, without_pool) = (generation(true)?, generation(false)?);
        let (options, largest, discovery) = (options.clone(), Largest::of(options, budget), Arc::clone(discovery));
        Ok(Self { options, largest, discovery, tls, client, without_pool, cluster: ArcSwapOption::empty() })
    }

    /// A client. It is made anew when certificates change; otherwise it keeps its connections.
    fn client(&self, pool: bool) -> Client {
        let slot = if pool { &self.client } else { &self.without_pool };
        let current = slot.load();
        let number = self.tls.as_ref().map_or(0, |tls| tls.generation());
        if number == current.number { current.client.clone() } else { self.renew(slot, number, pool) }
    }

    fn renew(&self, slot: &ArcSwap<Generation>, number: u64, pool: bool) -> Client {
        match client(&self.options, &self.discovery, self.tls.as_deref(), pool) {
            Ok(client) => {
                slot.store(Arc::new(Generation { number, client: client.clone() }));
                client
            }
            Err(_unusable) => slot.load().client.clone(),
        }
    }

    fn post(client: &Client, service_url: &ServiceUrl, what: &str, body: Bytes) -> RequestBuilder {
        let url = format!("{service_url}peerreplication/{what}");
        client.post(url).header("Content-Type", "application/json").body(body)
    }

    /// Adds credentials: those of the URL, otherwise those of the user for peers.
    fn authenticated(&self, service_url: &ServiceUrl, request: RequestBuilder) -> RequestBuilder {
        let Credentials { username, password } =
            service_url.credentials().unwrap_or(&self.options.discovery_credentials);
        if username.is_empty() && password.is_empty() { request } else { request.basic_auth(username, Some(password)) }
    }

    fn request(&self, service_url: &ServiceUrl, call: Call) -> RequestBuilder {
        let client = self.client(!matches!(call, Call::Identify { .. }));
        let request = match call {
            Call::Identify { token } => {
                client.request(Method::OPTIONS, format!("{service_url}apps")).header(TOKEN_HEADER, token)
            }
            Call::Batch(body) => Self::post(&client, service_url, "batch/", body),
            Call::Digests(body) => Self::post(&client, service_url, "digests", body),
            Call::Records(body) => Self::post(&client, service_url, "records", body),
            Call::Heard(body) => Self::post(&client, service_url, "heard", body),
            Call::Readers(body) => Self::post(&client, service_url, "readers", body),
            Call::Applications { newcomer } => {
                let request = client.get(format!("{service_url}apps/"));
                match newcomer {
                    Some(url) => request.header(NEWCOMER_HEADER, url.to_string()),
                    None => request,
                }
            }
            Call::Announce { newcomer, waits_for } => {
                let url = format!("{service_url}apps/delta");
                let request = client.head(url).header(NEWCOMER_HEADER, newcomer.to_string());
                match waits_for {
                    Some(line) => request.header(WAITS_FOR_HEADER, line),
                    None => request,
                }
            }
        };
        // The headers of a Java server that replicates (src/PROTOCOL.md, section 9.2).
        let request = self
            .authenticated(service_url, request)
            .header(TIME_HEADER, "?")
            .header("Accept", "application/json")
            .header("DiscoveryIdentity-Name", "DefaultServer")
            .header("DiscoveryIdentity-Version", "1.0");
        match &*self.cluster.load() {
            Some(cluster) => request.header(CLUSTER_HEADER, HeaderValue::clone(cluster)),
            None => request,
        }
    }

    async fn answer(&self, service_url: &ServiceUrl, call: Call) -> Result<Reply, PeerError> {
        let most = match call {
            Call::Applications { .. } => self.largest.copy,
            Call::Identify { .. }
            | Call::Batch(_)
            | Call::Digests(_)
            | Call::Records(_)
            | Call::Heard(_)
            | Call::Readers(_)
            | Call::Announce { .. } => self.largest.other,
        };
        let failure = |error| failure(error, service_url);
        let response = self.request(service_url, call).send().await.map_err(failure)?;
        let status = response.status().as_u16();
        let text = |name| text(response.headers(), &name);
        let (node, cluster) = (text(NODE_HEADER), text(CLUSTER_HEADER));
        let time = text(TIME_HEADER).and_then(|millis| millis.parse().ok()).map(Timestamp);
        let memory = text(MEMORY_HEADER).map_or(PeerMemory::Whole, |word| PeerMemory::named(&word));
        let peers = text(PEERS_HEADER).map_or_else(Vec::new, |urls| listed(&urls));
        let body = read(response, most).await?.map_err(failure)?;
        Ok(Reply { status, node, time, memory, peers, cluster, body })
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Reads a body up to the limit.
pub(crate) async fn read(mut response: Response, most: usize) -> Result<Result<Bytes, reqwest::Error>, PeerError> {
    let too_large = |length: usize| if length > most { Err(PeerError::TooLarge(most)) } else { Ok(()) };
    too_large(response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default())?;
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                too_large(body.len() + chunk.len())?;
                body.extend_from_slice(&chunk);
            }
            Ok(None) => return Ok(Ok(body.freeze())),
            Err(error) => return Ok(Err(error)),
        }
    }
}

fn client(options: &Options, discovery: &Arc<Discovery>, tls: Option<&Tls>, pool: bool) -> reqwest::Result<Client> {
    let builder = || {
        let builder = if pool { Client::builder() } else { Client::builder().pool_max_idle_per_host(0) };
        builder
            .no_proxy()
            .connect_timeout(options.peer_node_connect_timeout)
            .timeout(options.peer_node_read_timeout)
            .tcp_nodelay(true)
            .dns_resolver(Arc::new(Names(Arc::clone(discovery))))
            .redirect(reqwest::redirect::Policy::none())
    };
    match tls {
        Some(tls) if tls.has_authorities() => builder().tls_backend_preconfigured(tls.client()).build(),
        // An empty image has no certificates of authorities, without which the first of these fails.
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
    fn call<'a>(&'a self, service_url: &'a ServiceUrl, call: Call) -> Calling<'a> {
        Box::pin(self.answer(service_url, call))
    }

    fn belongs_to(&self, cluster: &str) {
        self.cluster.store(HeaderValue::from_str(cluster).ok().map(Arc::new));
    }

    /// Names rarely move, and connections are made quickly, so all are made anew.
    fn moved(&self, _service_url: &ServiceUrl) {
        let number = self.client.load().number;
        let _client: Client = self.renew(&self.client, number, true);
    }
}

/// The error in plain words, and without the URL.
pub(crate) fn failure(error: reqwest::Error, service_url: &ServiceUrl) -> PeerError {
    let error = error.without_url();
    if error.is_timeout() {
        return PeerError::Timeout;
    }
    match cause::<LookupError>(&error) {
        Some(LookupError::NoSuchName | LookupError::NoRecords) => return PeerError::NoSuchName,
        Some(lookup @ LookupError::NoAnswer(_)) => return PeerError::Unresolved(lookup.to_string()),
        None => {}
    }
    if let Some(error) = cause::<rustls::Error>(&error) {
        return certificate(error, service_url);
    }
    match cause::<io::Error>(&error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => PeerError::Refused,
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            PeerError::Connect("no route to the host".to_owned())
        }
        Some(_) | None if error.is_connect() => PeerError::Connect(format!("cannot connect: {}", root(&error))),
        Some(_) | None => PeerError::Broken(root(&error)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of many errors few have words of their own")]
fn certificate(error: &rustls::Error, service_url: &ServiceUrl) -> PeerError {
    use rustls::Error;
    let host = service_url.host();
    let text = match error {
        Error::AlertReceived(alert) => return PeerError::Broken(format!("the peer refuses TLS: {alert:?}")),
        Error::InvalidCertificate(why) => not_accepted(why, host),
        Error::InvalidMessage(_) => format!("{host} does not speak TLS at port {}", service_url.port()),
        error => format!("TLS with {host}: {error}"),
    };
    PeerError::Certificate(text)
}

/// Why the certificate of a server is not accepted, in plain words.
#[expect(clippy::wildcard_enum_match_arm, reason = "of many errors few have words of their own")]
pub(crate) fn not_accepted(why: &rustls::CertificateError, server: &str) -> String {
    use rustls::CertificateError;
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("certificate not valid for {server}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {server} has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {server} is not valid yet")
        }
        // The second one is that of an authority of the same name with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("the certificate of {server} is signed by an authority that is not trusted")
        }
        why if is_of_an_authority(why) => {
            format!("the certificate of {server} is one of an authority (CA:TRUE), and not one for a server")
        }
        why => format!("the certificate of {server} is not accepted: {why}"),
    }
}

/// Whether a certificate is refused because it is one of an authority, as `openssl req -x509` makes one. rustls has no error for that.
pub(crate) fn is_of_an_authority(refused: &rustls::CertificateError) -> bool {
    matches!(refused, rustls::CertificateError::Other(why) if why.to_string().contains("CaUsedAsEndEntity"))
}

/// The first error of a type among an error and its causes.
pub(crate) fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The error within an `io::Error` is not its source, but its content.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = held.map(|held| held as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// The innermost cause in its own words.
pub(crate) fn root(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_of_an_answer_is_read_than_there_is_memory_for() {
        let budget = Budget::default();
        let largest = |max_answer_bytes| Largest::of(&Options { max_answer_bytes, ..Options::default() }, &budget);
        let by_memory = Largest { copy: budget.copy(), other: budget.answer_of_peer() };
        assert_eq!(largest(Options::default().max_answer_bytes), by_memory);
        assert_eq!(largest(budget.copy() - 1), Largest { copy: budget.copy() - 1, ..by_memory });
        assert_eq!(largest(1000), Largest { copy: 1000, other: 1000 });
    }
}
