//! The seam to a peer: bytes there, bytes back.

pub mod reqwest;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use thiserror::Error;

use super::ServiceUrl;
use crate::registry::PeerMemory;
use crate::time::Timestamp;

/// What a peer is asked.
#[derive(Clone, Debug)]
pub enum Call {
    /// Who it is: answered by any answer's node header; and whether it is the caller itself, which the caller's own server sees
    /// by the token.
    Identify {
        /// Random, and made for this call.
        token: String,
    },
    /// To apply a replication batch.
    Batch(Bytes),
    /// Whether it knows what we know: our digest of everything. Only for replicas of ours.
    Digests(Bytes),
    /// For what it knows of some applications. Only for replicas of ours.
    Records(Bytes),
    /// When it last heard some instances. Only for replicas of ours.
    Heard(Bytes),
    /// For all it knows, in the name of the replica that has this service URL and will want what changes from now on.
    Applications {
        /// The asking replica's own service URL, if it knows it.
        newcomer: Option<ServiceUrl>,
    },
    /// To tell the replica with this service URL what changes from now on; the answer names the peers it tells.
    Announce {
        /// The asking replica's own service URL.
        newcomer: ServiceUrl,
    },
}

/// What it answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The id of the process that answered; a Java server has none.
    pub node: Option<String>,
    /// What its clock read when it answered; only replicas of ours say so, and understand what they know of each other.
    pub time: Option<Timestamp>,
    /// Whether it knows what clients know.
    pub memory: PeerMemory,
    /// The service URLs of its peers, if it was asked by a newcomer: at most a hundred, which anybody may have written.
    pub peers: Vec<ServiceUrl>,
    /// The name of its cluster, if it has one and says so.
    pub cluster: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, Error)]
pub enum PeerError {
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// There is no way there.
    #[error("{0}")]
    Connect(String),
    /// There is no such name.
    #[error("there is no such name")]
    NoSuchName,
    /// Nobody says which address the name has.
    #[error("{0}")]
    Unresolved(String),
    /// Its certificate is not believed.
    #[error("{0}")]
    Certificate(String),
    /// The answer has no end, or is larger than is read.
    #[error("the answer is larger than {} MB", .0 >> 20)]
    TooLarge(usize),
    /// It did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke, or what came was no HTTP.
    #[error("the call failed: {0}")]
    Broken(String),
}

/// A call under way.
pub type Calling<'a> = Pin<Box<dyn Future<Output = Result<Reply, PeerError>> + Send + 'a>>;

/// Calls peers.
pub trait PeerTransport: Send + Sync + std::fmt::Debug {
    /// Calls the peer with this service URL.
    fn call<'a>(&'a self, service_url: &'a ServiceUrl, call: Call) -> Calling<'a>;

    /// From now on calls say that they come from this cluster.
    fn belongs_to(&self, _cluster: &str) {}

    /// Another process answers at this URL than before: connections that are open may still lead to the former.
    fn moved(&self, _service_url: &ServiceUrl) {}
}
