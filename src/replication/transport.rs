//! The interface to a peer: bytes out, bytes back.

pub mod reqwest;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use thiserror::Error;

use super::ServiceUrl;
use crate::registry::PeerMemory;
use crate::time::Timestamp;

/// A call to a peer.
#[derive(Clone, Debug)]
pub enum Call {
    /// Ask for its identity: the node header of any answer has it. Whether the peer is the caller itself, the caller's own server
    /// sees by the token.
    Identify {
        /// Random, and made for this call.
        token: String,
    },
    /// Apply a replication batch.
    Batch(Bytes),
    /// Compare our digest of everything with its own. Only for replicas of ours.
    Digests(Bytes),
    /// Ask for its records of some applications. Only for replicas of ours.
    Records(Bytes),
    /// Ask for the last renewals of some instances. Only for replicas of ours.
    Heard(Bytes),
    /// Ask whether its readers have fetched a change. Only for replicas of ours.
    Readers(Bytes),
    /// Fetch its registry, and announce the replica with this service URL, which needs every change from now on.
    Applications {
        /// The caller's own service URL, if it knows it.
        newcomer: Option<ServiceUrl>,
    },
    /// Announce the replica with this service URL, which needs every change from now on. The answer names its other peers.
    Announce {
        /// The caller's own service URL.
        newcomer: ServiceUrl,
        /// What it waits for, in one line; only for replicas of ours.
        waits_for: Option<String>,
    },
}

/// The answer of a peer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The id of the process that answered; a Java server has none.
    pub node: Option<String>,
    /// The time of its clock when it answered. Only replicas of ours send it, and only they compare records.
    pub time: Option<Timestamp>,
    /// Whether it knows what clients know.
    pub memory: PeerMemory,
    /// The service URLs of its peers, if the caller announced itself: at most a hundred. They are not trusted.
    pub peers: Vec<ServiceUrl>,
    /// The name of its cluster, if it has one and sends it.
    pub cluster: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, Error)]
pub enum PeerError {
    /// The connection was refused.
    #[error("connection refused")]
    Refused,
    /// There is no route to the peer.
    #[error("{0}")]
    Connect(String),
    /// The name does not exist.
    #[error("there is no such name")]
    NoSuchName,
    /// The name could not be resolved.
    #[error("{0}")]
    Unresolved(String),
    /// Its certificate is not trusted.
    #[error("{0}")]
    Certificate(String),
    /// The answer is larger than the limit.
    #[error("the answer is larger than {} MB", .0 >> 20)]
    TooLarge(usize),
    /// It did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke, or the answer was not HTTP.
    #[error("the call failed: {0}")]
    Broken(String),
}

/// A call under way.
pub type Calling<'a> = Pin<Box<dyn Future<Output = Result<Reply, PeerError>> + Send + 'a>>;

/// Calls peers.
pub trait PeerTransport: Send + Sync + std::fmt::Debug {
    /// Calls the peer with this service URL.
    fn call<'a>(&'a self, service_url: &'a ServiceUrl, call: Call) -> Calling<'a>;

    /// Sets the name of the cluster, which calls send from now on.
    fn belongs_to(&self, _cluster: &str) {}

    /// Notes that another process answers at this URL: open connections may still lead to the former one.
    fn moved(&self, _service_url: &ServiceUrl) {}
}
