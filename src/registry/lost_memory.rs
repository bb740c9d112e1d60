//! How a registry uses its [`memory`](super::memory): when it is in doubt, and when reads are refused.

use std::sync::atomic::Ordering::Relaxed;

use super::memory::{Lost, PeerMemory};
use super::{InstanceRegistry, Scope};
use crate::time::Timestamp;

impl InstanceRegistry {
    /// Notes that the replica of a cluster opens, and whether it knows what clients know.
    pub fn opened_in_a_cluster(&self, with: PeerMemory, now: Timestamp) {
        self.memory.change(now, |memory| {
            memory.opened(with, now);
            None
        });
        if with != PeerMemory::Whole {
            // What was restored, or copied from a peer that had restored it, was last heard when the snapshot was written.
            self.leases.select(|_| true).iter().for_each(|lease| lease.restore(now));
        }
    }

    /// Whether it knows what clients know.
    pub fn memory(&self, now: Timestamp) -> PeerMemory {
        if self.memory.whole.load(Relaxed) { PeerMemory::Whole } else { self.memory.memory.lock().is(now) }
    }

    /// Why full answers and deltas are refused because of a lost memory, if they are.
    pub fn lost_memory(&self, now: Timestamp) -> Option<Lost> {
        if self.memory.whole.load(Relaxed) { None } else { self.memory.memory.lock().lost(now) }
    }

    /// Notes that a client, not a peer, sends a full fetch or asks for a delta.
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

    /// Notes that a client renewed an unknown instance, whose data it last changed then. An instance that was here and left is no
    /// sign.
    pub fn client_renewed_unknown(&self, key: &str, last_dirty: Option<Timestamp>, now: Timestamp) {
        let is_unknown = || self.history(key).changes.is_empty() && self.content.lock().tombstone(key).is_none();
        if self.memory(now).is_in_doubt() && is_unknown() {
            self.memory.change(now, |memory| memory.renewed_unknown(last_dirty, now));
        }
    }

    /// Notes that a peer's records were taken over, and the state of the peer's memory.
    pub fn compared_with(&self, peer: PeerMemory, now: Timestamp) {
        if !self.memory.whole.load(Relaxed) {
            self.memory.change(now, |memory| memory.compared_with(peer, now));
        }
    }

    /// Ends states whose time is over. To be called about once a second.
    pub fn tick(&self, now: Timestamp) {
        self.self_preservation.tick(now);
        if !self.memory.whole.load(Relaxed) {
            self.memory.change(now, |memory| memory.tick(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{AppName, InstanceInfo};
    use crate::registry::{Options, Source};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn opened(with: PeerMemory) -> InstanceRegistry {
        let registry = InstanceRegistry::new(Options::default(), 1, NOW);
        registry.open_for_traffic(0, NOW);
        registry.opened_in_a_cluster(with, NOW);
        registry
    }

    #[test]
    fn a_registry_that_lost_its_memory_refuses_reads_until_clients_had_time_to_register_again() {
        let registry = opened(PeerMemory::InDoubt);
        assert_eq!((registry.memory(NOW), registry.lost_memory(NOW)), (PeerMemory::InDoubt, None));
        assert!(registry.access_allowed(NOW));
        registry.client_renewed_unknown("A/1", None, NOW);
        assert!(registry.lost_memory(NOW).is_some() && !registry.access_allowed(NOW));
        assert_eq!(registry.memory(NOW), PeerMemory::Lost);
        let end = NOW + Duration::from_secs(45);
        (1..=45).for_each(|second| registry.tick(NOW + Duration::from_secs(second)));
        assert!(registry.access_allowed(end));
        assert_eq!(registry.memory(end), PeerMemory::Whole);
    }

    #[test]
    fn who_left_here_and_renews_is_no_sign_of_a_loss() {
        let registry = opened(PeerMemory::InDoubt);
        let info = InstanceInfo::new(AppName::new("a"), "h", "10.0.0.1", NOW);
        let key = info.key();
        registry.register(info, Source::Client, NOW);
        registry.cancel(key.as_str(), Source::Client, NOW);
        registry.client_renewed_unknown(key.as_str(), None, NOW);
        assert_eq!(registry.memory(NOW), PeerMemory::InDoubt);
        registry.client_reads(Scope::All, NOW);
        assert_eq!(registry.memory(NOW), PeerMemory::Fetched);
        registry.compared_with(PeerMemory::Whole, NOW);
        assert_eq!(registry.memory(NOW), PeerMemory::Whole);
    }

    #[test]
    fn a_registry_with_a_copy_is_never_in_doubt() {
        let registry = opened(PeerMemory::Whole);
        registry.client_reads(Scope::Delta, NOW);
        registry.client_renewed_unknown("A/1", None, NOW);
        assert_eq!((registry.memory(NOW), registry.lost_memory(NOW)), (PeerMemory::Whole, None));
    }
}
