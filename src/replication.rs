//! How replicas replicate changes to each other: Eureka's own protocol, between our replicas and with Java servers.
//!
//! [`PeerAwareInstanceRegistry`] makes a change and puts it into the queue of each peer; a [`Batcher`] is one such queue, as a
//! synchronous state machine; [`PeerEurekaNodes`] keeps a task for each peer that sends what its queue says and carries out what
//! the answers ask for. Peers come from two sources that may be used together: fixed service URLs, and the names under a headless
//! Service ([`discovery`]). Changes from a peer are never passed on: every replica replicates its clients' changes to all others
//! itself.

mod batcher;
mod comparison;
mod credentials;
mod differences;
pub mod discovery;
mod eviction;
mod intervals;
mod known_batch;
pub mod membership;
pub mod options;
#[cfg(test)]
mod nobody;
mod own_clock;
mod peer_aware_registry;
mod peer_clock;
mod peer_eureka_node;
mod peer_eureka_nodes;
mod peer_state;
pub mod protocol;
pub mod reachability;
mod readers;
pub mod self_check;
pub mod service_url;
pub mod start;
mod sync_up;
pub mod transport;

pub use batcher::{Batcher, Next, Outcome, ReplicationTask};
pub use differences::{Difference, Differences, Incomparable, Known};
pub use eviction::evict;
pub use options::Options;
pub use peer_aware_registry::{Heartbeat, HeartbeatOutcome, ItemOutcome, PeerAwareInstanceRegistry, Refused};
pub use peer_clock::{Jumped, PeerClock};
pub use peer_eureka_node::{PeerEurekaNode, Peers};
pub use peer_eureka_nodes::{Look, PeerEurekaNodes, WaitsFor};
pub use peer_state::{PeerState, Sent, Starts};
pub use readers::CannotTell;
pub use service_url::{Place, ServiceUrl};
pub use sync_up::sync_up;
