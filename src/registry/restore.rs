//! What a registry knows, to be written to a snapshot, and what becomes of it when a snapshot is read.

use std::sync::Arc;

use super::merge::{RECORDS_BYTES, Repaired, Unknown, approximate_len};
use super::pages::{Entry, Page};
use super::{InstanceRegistry, Lease};
use crate::codec::exchange::{self, Records};
use crate::model::Tombstone;
use crate::time::Timestamp;

/// How many cancellations stand in a part.
const CANCELLED_IN_A_PART: usize = 1000;

/// All that a registry knows, of one moment.
#[derive(Debug)]
pub struct Knowledge {
    pages: Vec<Arc<Page>>,
    cancelled: Vec<Tombstone>,
    /// What the stamp clock reads, in milliseconds.
    pub clock: u64,
    /// The hash of what is written, without when instances were heard.
    pub digest: u64,
}

impl Knowledge {
    /// How many instances are registered.
    pub fn instances(&self) -> usize {
        self.pages.iter().map(|page| page.entries().len()).sum()
    }

    /// How many cancellations are remembered.
    pub fn cancelled(&self) -> usize {
        self.cancelled.len()
    }

    /// Hands over all of it in parts of about a mebibyte, each an answer to a peer ([`exchange::decode_records`]). No lock is held.
    ///
    /// # Errors
    /// The first one of `write`.
    pub fn parts<E>(&self, mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let (mut part, mut bytes, mut text) = (Vec::new(), 0, Vec::new());
        for entry in self.pages.iter().flat_map(|page| page.entries()) {
            part.push(entry);
            bytes += approximate_len(&entry.record);
            if bytes >= RECORDS_BYTES {
                encode(&part, &[], &mut text);
                write(&text)?;
                part.clear();
                bytes = 0;
            }
        }
        encode(&part, &[], &mut text);
        write(&text)?;
        for cancelled in self.cancelled.chunks(CANCELLED_IN_A_PART) {
            encode(&[], cancelled, &mut text);
            write(&text)?;
        }
        Ok(())
    }
}

fn encode(part: &[&Entry], cancelled: &[Tombstone], text: &mut Vec<u8>) {
    text.clear();
    let leases: Vec<_> = part.iter().map(|entry| entry.lease.info(entry.info())).collect();
    let registered = part.iter().zip(&leases).map(|(entry, lease)| (&*entry.record, lease, entry.lease.heard()));
    exchange::encode_records(registered, cancelled, None, text);
}

/// How what a snapshot has is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// Nobody could be copied from, so it is all that is known. Each instance gets one lease duration to renew.
    Alone,
    /// Beside the copy of a peer. An instance that the peer lacks is taken if its lease has not expired: it may have
    /// registered here in the last moment. Otherwise it is dead, since it would have renewed at the peer.
    BesideCopy,
}

impl InstanceRegistry {
    /// All that is known now.
    pub fn knowledge(&self, now: Timestamp) -> Knowledge {
        let digest = self.digest(now);
        let (pages, mut cancelled): (_, Vec<Tombstone>) = {
            let content = self.content.lock();
            (content.all.snapshot(), content.tombstones().cloned().collect())
        };
        // The same content is the same file.
        cancelled.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Knowledge { pages, cancelled, clock: digest.clock, digest: digest.total }
    }

    /// Restores a part of what this registry knew before it stopped. Returns what that changed.
    pub fn restore(&self, records: Records, how: Restore, now: Timestamp) -> Repaired {
        let unknown = match how {
            Restore::Alone => Unknown::Restored,
            Restore::BesideCopy => Unknown::LackedByCopy,
        };
        self.merge_all(records, None, unknown, now)
    }

    /// How many instances were restored and not heard since.
    pub fn restored(&self) -> usize {
        self.leases.count(Lease::is_restored)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::exchange::decode_records;
    use crate::model::{AppName, InstanceInfo, InstanceStatus};
    use crate::registry::{ChangeKind, Options, PeerMemory, Source};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn after(secs: u64) -> Timestamp {
        NOW + Duration::from_secs(secs)
    }

    fn registry(node: u64, opened: Timestamp) -> InstanceRegistry {
        let options = Options { enable_self_preservation: false, ..Options::default() };
        let registry = InstanceRegistry::new(options, node, opened);
        registry.open_for_traffic(0, opened);
        registry
    }

    fn instance(id: &str) -> InstanceInfo {
        let mut info = InstanceInfo::new(AppName::new("A"), id, "10.0.0.1", NOW);
        info.instance_id = Some(id.into());
        info
    }

    /// What it knows, written and read.
    fn kept(registry: &InstanceRegistry, now: Timestamp) -> Vec<Records> {
        let mut parts = Vec::new();
        let read = |text: &[u8]| {
            parts.push(decode_records(text, now)?);
            Ok::<_, crate::codec::CodecError>(())
        };
        registry.knowledge(now).parts(read).unwrap();
        parts
    }

    fn restore(registry: &InstanceRegistry, kept: Vec<Records>, how: Restore, now: Timestamp) {
        for records in kept {
            registry.restore(records, how, now);
            registry.check();
        }
    }

    /// One renews, one was cancelled, one has an override.
    fn before() -> InstanceRegistry {
        let registry = registry(1, NOW);
        for id in ["a", "b", "c"] {
            registry.register(instance(id), Source::Client, NOW);
        }
        registry.cancel("A/b", Source::Client, after(1));
        registry.status_update("A/c", InstanceStatus::OutOfService, None, Source::Client, after(1));
        registry.renew("A/a", after(2));
        registry
    }

    #[test]
    fn what_is_restored_is_what_was_known() {
        let before = before();
        let restored = registry(2, after(10));
        restore(&restored, kept(&before, after(5)), Restore::Alone, after(10));
        assert_eq!(restored.digest(after(10)).total, before.digest(after(10)).total);
        assert_eq!((restored.len(), restored.restored()), (2, 2));
        let info = restored.instance("A/c", after(10)).unwrap();
        assert_eq!(info.info().status, InstanceStatus::OutOfService);
        let kinds: Vec<_> = restored.latest_changes(9).changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::Restored; 2]);
    }

    #[test]
    fn a_restored_instance_has_one_lease_duration_to_renew() {
        let restored = registry(2, after(3600));
        restore(&restored, kept(&before(), after(5)), Restore::Alone, after(3600));
        assert!(restored.expired(after(3690)).is_empty());
        restored.renew("A/a", after(3660));
        assert_eq!(restored.restored(), 1, "one was heard");
        assert_eq!(restored.expired(after(3691)), [instance("c").key()]);
        assert!(restored.lease("A/a").is_some_and(|lease| !lease.is_restored()));
    }

    #[test]
    fn what_is_copied_from_a_peer_that_restored_it_has_the_same_time_to_renew() {
        let peer = registry(2, after(3600));
        // It is copied before the replica opens.
        let copied = InstanceRegistry::new(Options::default(), 3, after(3600));
        restore(&peer, kept(&before(), after(5)), Restore::Alone, after(3600));
        for records in kept(&peer, after(3600)) {
            copied.merge(records, after(3600));
        }
        assert_eq!(copied.expired(after(3600)).len(), 2, "they were last heard an hour ago");
        copied.opened_in_a_cluster(PeerMemory::Fetched, after(3600));
        assert!(copied.expired(after(3690)).is_empty());
        let late = registry(4, after(3600));
        late.opened_in_a_cluster(PeerMemory::InDoubt, after(3600));
        for records in kept(&peer, after(3610)) {
            late.merge(records, after(3610));
        }
        assert!(late.expired(after(3700)).is_empty(), "nor where a comparison brings them");
        assert_eq!(late.expired(after(3701)).len(), 2);
    }

    #[test]
    fn a_later_registration_in_the_snapshot_of_a_peer_leaves_the_time_to_renew() {
        let later = before();
        later.register(instance("a"), Source::Client, after(6));
        let (restored, peer) = (registry(2, after(3600)), registry(3, after(3600)));
        restore(&restored, kept(&before(), after(5)), Restore::Alone, after(3600));
        restore(&peer, kept(&later, after(7)), Restore::Alone, after(3600));
        let parts = kept(&peer, after(3610)).into_iter();
        let merged: usize = parts.map(|records| restored.merge(records, after(3610)).registered).sum();
        assert_eq!((merged, restored.restored()), (1, 2));
        assert!(restored.expired(after(3690)).is_empty());
        assert_eq!(restored.expired(after(3691)).len(), 2);
    }

    #[test]
    fn what_was_cancelled_does_not_come_back_from_a_peer() {
        let (before, restored) = (before(), registry(2, after(10)));
        let peer = registry(3, NOW);
        peer.register(instance("b"), Source::Peer, NOW);
        restore(&restored, kept(&before, after(5)), Restore::Alone, after(10));
        peer.restore(kept(&restored, after(10)).remove(1), Restore::BesideCopy, after(10));
        assert!(peer.is_empty(), "the cancellation is later");
    }

    #[test]
    fn beside_a_copy_only_who_may_still_be_alive_is_taken() {
        let taken = |secs| {
            let copied = registry(2, after(secs));
            restore(&copied, kept(&before(), after(5)), Restore::BesideCopy, after(secs));
            (copied.len(), copied.restored())
        };
        assert_eq!(taken(60), (2, 0), "their leases have not expired");
        assert_eq!(taken(92), (1, 0), "one was heard 90 seconds ago");
        assert_eq!(taken(200), (0, 0), "an instance that renews would have renewed at the peer");
    }

    #[test]
    fn a_part_is_about_a_mebibyte() {
        let large = registry(1, NOW);
        for number in 0..40 {
            let mut info = instance(&number.to_string());
            info.metadata = (0..10).map(|entry| (entry.to_string(), "m".repeat(6000))).collect();
            large.register(info, Source::Client, NOW);
        }
        let mut sizes = Vec::new();
        let measure = |text: &[u8]| {
            sizes.push(text.len());
            Ok::<_, ()>(())
        };
        large.knowledge(NOW).parts(measure).unwrap();
        assert!(sizes.len() > 2 && sizes.iter().all(|size| *size < 2 * RECORDS_BYTES), "{sizes:?}");
        let all: usize = kept(&large, NOW).iter().map(|records| records.registered.len()).sum();
        assert_eq!(all, 40);
    }

    #[test]
    fn who_was_cancelled_before_and_renews_is_no_sign_of_a_loss() {
        let restored = registry(2, after(10));
        restore(&restored, kept(&before(), after(5)), Restore::Alone, after(10));
        restored.opened_in_a_cluster(PeerMemory::Fetched, after(10));
        restored.client_renewed_unknown("A/b", None, after(11));
        assert_eq!(restored.memory(after(11)), PeerMemory::Fetched);
        restored.client_renewed_unknown("A/x", None, after(11));
        assert_eq!(restored.memory(after(11)), PeerMemory::Lost, "it registered after the snapshot was written");
    }
}
