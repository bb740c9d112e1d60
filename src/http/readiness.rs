//! [`Readiness`]: whether the replica is ready for clients, for the readiness probe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether this replica is ready for clients.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on the replica is ready.
    pub fn accept_traffic(&self) {
        self.0.store(true, Relaxed);
    }

    /// From now on clients should use another replica. Requests that still arrive are answered.
    pub fn refuse_traffic(&self) {
        self.0.store(false, Relaxed);
    }

    /// Whether the replica is ready.
    pub fn is_accepting_traffic(&self) -> bool {
        self.0.load(Relaxed)
    }
}
