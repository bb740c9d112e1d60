//! [`Readiness`]: whether the replica is ready for clients, for the readiness probe.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Whether this replica is ready for clients. At first it is starting.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

const STARTING: u8 = 0;
const ACCEPTING: u8 = 1;
const REFUSING: u8 = 2;

impl Readiness {
    /// From now on the replica is ready.
    pub fn accept_traffic(&self) {
        self.0.store(ACCEPTING, Relaxed);
    }

    /// From now on clients should use another replica. Requests that still arrive are answered.
    pub fn refuse_traffic(&self) {
        self.0.store(REFUSING, Relaxed);
    }

    /// Whether the replica is ready.
    pub fn is_accepting_traffic(&self) -> bool {
        self.0.load(Relaxed) == ACCEPTING
    }

    /// Whether the replica is still starting: it may not have the whole registry yet.
    pub fn is_starting(&self) -> bool {
        self.0.load(Relaxed) == STARTING
    }
}
