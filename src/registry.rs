//! The registry of one replica: which instances are registered, until when, and what readers get.
//!
//! [`InstanceRegistry`] is Netflix's `AbstractInstanceRegistry`, by its verbs. It is synchronous and knows neither
//! network nor clock. A heartbeat takes no lock but a shared one on a shard of the lease map; everything that
//! readers can see changes under one short lock, so a full answer, a delta and the hash code of one moment agree.

mod caller;
mod commands;
mod content;
mod counted_time;
mod digest;
mod edit;
mod eviction;
mod instance_registry;
mod journal;
mod lease;
mod lost_memory;
mod measured_rate;
mod merge;
pub mod memory;
pub mod options;
mod override_rule;
mod pages;
mod renewal_threshold;
mod reads;
mod response_cache;
mod restore;
mod room;
mod self_preservation;
mod store;
#[cfg(test)]
mod tests;
mod tombstones;

pub use caller::{Caller, Reason, WrongReason};
pub use commands::Renewal;
pub use edit::Done;
pub use instance_registry::{InstanceRegistry, Registration};
pub use journal::{Change, ChangeKind, ChangesAfter, InstanceHistory};
pub use lease::Lease;
pub use measured_rate::MeasuredRate;
pub use memory::PeerMemory;
pub use merge::Repaired;
pub use options::{Options, SelfPreservationMode};
pub use pages::View;
pub use response_cache::{Answer, Pending, ReadError, Reading, Scope};
pub use restore::{Knowledge, Restore};
pub use room::NoRoom;
pub use self_preservation::{Cause, Keeping, SelfPreservation, Short, Silence, Switch};

/// Whether a change comes from a client, from a peer, or from what Kubernetes says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client: its changes are replicated to the peers.
    Client,
    /// A peer, which replicates its changes to all others itself.
    Peer,
    /// This replica itself, because of what Kubernetes says about a pod: replicated to the peers, too.
    Kubernetes,
}

impl Source {
    /// Every source of a change; `None` is the registry itself.
    pub(crate) const ALL: [Option<Self>; 4] = [None, Some(Self::Client), Some(Self::Peer), Some(Self::Kubernetes)];

    /// Its name in metrics and pages; `None` is the registry itself.
    pub(crate) fn name(source: Option<Self>) -> &'static str {
        match source {
            None => "registry",
            Some(Self::Client) => "client",
            Some(Self::Peer) => "peer",
            Some(Self::Kubernetes) => "kubernetes",
        }
    }
}
