//! [`Room`]: how much memory the registry may take, and who is refused when it is taken.
//!
//! Heartbeats, cancellations and evictions always go on. A new instance of a client is refused from the limit on. One of a peer is
//! taken until a tenth above it, so that replicas that filled up at the same time agree; and so is what makes a known instance
//! larger, so that an instance that is there can change.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use thiserror::Error;
use tracing::{info, warn};

use super::Source;

/// What is taken above the limit, as its part.
const ABOVE: usize = 10;

/// The registry is full.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the registry is full: its instances take {used} bytes of memory, and may take {most}; heartbeats and cancellations go on"
)]
pub struct NoRoom {
    /// What is taken, in bytes.
    pub used: usize,
    /// What may be taken.
    pub most: usize,
}

/// The memory of the registry.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    used: AtomicUsize,
    /// New or larger instances that were refused: of clients, and of peers.
    refused: [AtomicU64; 2],
    is_full: AtomicBool,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self { most, used: AtomicUsize::new(0), refused: Default::default(), is_full: AtomicBool::new(false) }
    }

    /// Notes how much is taken.
    pub(super) fn set_used(&self, used: usize) {
        self.used.store(used, Relaxed);
    }

    /// How many bytes are taken, and may be.
    pub(super) fn used_of(&self) -> (usize, usize) {
        (self.used.load(Relaxed), self.most)
    }

    /// How many instances of clients and of peers were refused.
    pub(super) fn refused(&self) -> [(Source, u64); 2] {
        [Source::Client, Source::Peer].map(|source| (source, self.refused[source as usize].load(Relaxed)))
    }

    /// Whether an instance may be taken that weighs so much, and weighed `before`; `None` if it is new.
    pub(super) fn admit(&self, source: Source, before: Option<usize>, weight: usize) -> Result<(), NoRoom> {
        let (used, most) = self.used_of();
        let more = weight.saturating_sub(before.unwrap_or(0));
        let allowed = match (source, before) {
            (Source::Client, None) => most,
            (Source::Client, Some(_)) | (Source::Peer, _) => most.saturating_add(most / ABOVE),
        };
        if more == 0 || used.saturating_add(more) <= allowed {
            if self.is_full.load(Relaxed) && used < most - most / ABOVE {
                self.is_full.store(false, Relaxed);
                info!(bytes = used, most, "the registry has room for new instances again");
            }
            return Ok(());
        }
        self.refused[source as usize].fetch_add(1, Relaxed);
        if !self.is_full.swap(true, Relaxed) {
            warn!(
                bytes = used,
                most,
                "the registry is full and refuses new instances: the limit of memory is too low for so many, or somebody fills it"
            );
        }
        Err(NoRoom { used, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_new_is_refused_first_and_who_shrinks_never() {
        let room = Room::new(1000);
        room.set_used(950);
        let no_room = |used| Err(NoRoom { used, most: 1000 });
        assert_eq!(room.admit(Source::Client, None, 50), Ok(()));
        assert_eq!(room.admit(Source::Client, None, 51), no_room(950));
        assert_eq!(room.admit(Source::Client, Some(50), 200), Ok(()), "what is known may grow a little");
        assert_eq!(room.admit(Source::Peer, None, 150), Ok(()));
        assert_eq!(room.admit(Source::Peer, None, 151), no_room(950));
        room.set_used(2000);
        assert_eq!(room.admit(Source::Client, Some(50), 50), Ok(()));
        assert_eq!(room.admit(Source::Client, Some(50), 51), no_room(2000));
        assert_eq!(room.refused().map(|(_, count)| count), [2, 1]);
    }
}
