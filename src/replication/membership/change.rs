//! [`Change`]: a change of the peers, which the queues follow.

use std::fmt;

use super::names::{MOST_NAMES, PeerId};
use crate::replication::service_url::ServiceUrl;

/// What has to be done, in the order in which it is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is a new peer: changes are queued for it from now on.
    Added(PeerId, ServiceUrl),
    /// The peer is called by another of its names.
    Renamed(PeerId, ServiceUrl),
    /// The first of two peers is the second, by another name: its queue is dropped.
    Merged(PeerId, PeerId),
    /// No name of the peer is left.
    Removed(PeerId),
    /// The name leads to this process.
    IsSelf(ServiceUrl),
    /// The name is refused, and not called. Each is logged once.
    Refused(String, Refusal),
}

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is neither under the Service nor a fixed peer's.
    Elsewhere,
    /// There are [`MOST_NAMES`] already.
    TooMany,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere => {
                f.write_str("it is neither under the Service (registry.discovery.service) nor a fixed peer")
            }
            Self::TooMany => write!(f, "there are {MOST_NAMES} peers already"),
        }
    }
}
