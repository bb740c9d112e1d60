//! The names of peers, and the process that answers at a name.

use crate::replication::service_url::ServiceUrl;

/// Maximum names of peers. Each may have a queue.
pub const MOST_NAMES: usize = 100;

/// What two spellings of one name have in common: under the Service the pod and its port, otherwise the URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameKey {
    /// A replica under the Service, by a short or a long name.
    Pod(String, u16),
    /// A fixed peer, or one that is called by its address.
    Url(ServiceUrl),
}

impl NameKey {
    pub(super) fn is_of(&self, pod: &str) -> bool {
        matches!(self, Self::Pod(known, _) if known == pod)
    }
}

/// One peer, and its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub(super) u64);

/// The process that answered at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// This process.
    Itself,
    /// Another process of ours, by its node id.
    Ours(String),
    /// Another Eureka server, which has no node id.
    Another,
}
