//! [`Readiness`]: whether the replica is ready for clients, for the readiness probe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether this replica is to be sent clients.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on clients may be sent.
    pub fn accept_traffic(&self) {
        self.0.store(true, Relaxed);
    }

    /// From now on clients are to be sent elsewhere. Requests that arrive all the same are answered.
    pub fn refuse_traffic(&self) {
        self.0.store(false, Relaxed);
    }

    /// Whether clients may be sent.
    pub fn is_accepting_traffic(&self) -> bool {
        self.0.load(Relaxed)
    }
}
