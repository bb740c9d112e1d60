//! How replicas tell each other what changed.

mod peer_aware_registry;

pub use peer_aware_registry::{Heartbeat, HeartbeatOutcome, PeerAwareInstanceRegistry};
