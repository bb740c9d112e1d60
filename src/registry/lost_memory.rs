//! What a registry does with its [`memory`](super::memory): when it is in doubt, and when reads are refused.

use std::sync::atomic::Ordering::Relaxed;

use super::memory::{Lost, PeerMemory};
use super::{InstanceRegistry, Scope};
use crate::time::Timestamp;

impl InstanceRegistry {
    /// Notes that the replica of a cluster opens, with a whole registry or without.
    pub fn opened_in_a_cluster(&self, whole: bool, now: Timestamp) {
        self.memory.change(now, |memory| {
            memory.opened(whole, now);
            None
        });
    }

    /// Whether it knows what clients know.
    pub fn memory(&self, now: Timestamp) -> PeerMemory {
        if self.memory.whole.load(Relaxed) { PeerMemory::Whole } else { self.memory.memory.lock().is(now) }
    }

    /// Why full answers and deltas are refused because of a lost memory, if they are.
    pub fn lost_memory(&self, now: Timestamp) -> Option<Lost> {
        if self.memory.whole.load(Relaxed) { None } else { self.memory.memory.lock().lost(now) }
    }

    /// Notes that a client, not a peer, asks for everything or for a delta.
    pub fn client_reads(&self, scope: Scope, now: Timestamp) {
        if !self.memory(now).is_in_doubt() {
            return;
        }
        self.memory.change(now, |memory| match scope {
            Scope::Delta => memory.delta_asked(now),
            Scope::All => {
                memory.fetched();
                None
            }
        });
    }

    /// Notes that a client renewed what is not registered. What was here and left is no sign.
    pub fn client_renewed_unknown(&self, key: &str, now: Timestamp) {
        if self.memory(now).is_in_doubt() && self.history(key).changes.is_empty() {
            self.memory.change(now, |memory| memory.renewed_unknown(now));
        }
    }

    /// Notes that what a peer knows was taken over, and how the peer's memory is.
    pub fn compared_with(&self, peer: PeerMemory, now: Timestamp) {
        if !self.memory.whole.load(Relaxed) {
            self.memory.change(now, |memory| memory.compared_with(peer, now));
        }
    }

    /// Ends what is over; to be called about once a second in a cluster.
    pub fn tick_memory(&self, now: Timestamp) {
        if !self.memory.whole.load(Relaxed) {
            self.memory.change(now, |memory| memory.tick(now));
        }
    }
}
