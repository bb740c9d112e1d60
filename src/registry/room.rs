//! [`Room`]: the memory limit of the registry, and which instances are refused when it is reached.
//!
//! Heartbeats, cancellations and evictions always go on. A client's new instance is refused at the limit. A peer's new instance
//! is accepted up to a tenth above it, so that replicas that filled up at the same time agree; and so is a change that makes a
//! known instance larger.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use thiserror::Error;
use tracing::{info, warn};

use super::Source;

/// The part above the limit that peers and known instances may use: a tenth.
const ABOVE: usize = 10;

/// The registry is full.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the registry is full: its instances take {used} bytes of memory, and may take {most}; heartbeats and cancellations go on"
)]
pub struct NoRoom {
    /// The memory in use, in bytes.
    pub used: usize,
    /// The limit, in bytes.
    pub most: usize,
}

/// The memory of the registry.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    used: AtomicUsize,
    /// New or larger instances that were refused, by source. Kubernetes registers none.
    refused: [AtomicU64; 3],
    is_full: AtomicBool,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self { most, used: AtomicUsize::new(0), refused: Default::default(), is_full: AtomicBool::new(false) }
    }

    /// Notes the memory in use.
    pub(super) fn set_used(&self, used: usize) {
        self.used.store(used, Relaxed);
    }

    /// The memory in use, and the limit, in bytes.
    pub(super) fn used_of(&self) -> (usize, usize) {
        (self.used.load(Relaxed), self.most)
    }

    /// The number of refused instances of clients and of peers.
    pub(super) fn refused(&self) -> [(Source, u64); 2] {
        [Source::Client, Source::Peer].map(|source| (source, self.refused[source as usize].load(Relaxed)))
    }

    /// Whether there is memory for an instance of this weight. `before` says the weight that it has now, or `None` if it is new; it
    /// is asked only where that matters.
    pub(super) fn admit(&self, source: Source, before: impl FnOnce() -> Option<usize>, weight: usize) -> Admission {
        let (used, most) = self.used_of();
        let fits = used.saturating_add(weight) <= most || {
            let before = before();
            let more = weight.saturating_sub(before.unwrap_or(0));
            let allowed = match (source, before) {
                (Source::Client, None) => most,
                (Source::Client, Some(_)) | (Source::Peer | Source::Kubernetes, _) => most.saturating_add(most / ABOVE),
            };
            more == 0 || used.saturating_add(more) <= allowed
        };
        if fits {
            let has_room = self.is_full.load(Relaxed) && used < most - most / ABOVE;
            let turned = has_room && self.is_full.swap(false, Relaxed);
            return Admission { result: Ok(()), news: turned.then_some(News::HasRoom { used, most }) };
        }
        self.refused[source as usize].fetch_add(1, Relaxed);
        let turned = !self.is_full.swap(true, Relaxed);
        Admission { result: Err(NoRoom { used, most }), news: turned.then_some(News::Full { used, most }) }
    }
}

/// Whether an instance is admitted, and what there is to log once no lock is held.
#[must_use]
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) result: Result<(), NoRoom>,
    pub(super) news: Option<News>,
}

/// The registry became full, or has room again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    Full { used: usize, most: usize },
    HasRoom { used: usize, most: usize },
}

impl News {
    pub(super) fn log(self) {
        match self {
            Self::Full { used, most } => warn!(
                bytes = used,
                max_bytes = most,
                "the registry is full and refuses new instances: the memory limit is too low for this many, or somebody fills it"
            ),
            Self::HasRoom { used, most } => {
                info!(bytes = used, max_bytes = most, "the registry has room for new instances again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_instance_is_refused_first_and_one_that_shrinks_never() {
        let room = Room::new(1000);
        room.set_used(950);
        let admit = |source, before, weight| room.admit(source, || before, weight).result;
        let no_room = |used| Err(NoRoom { used, most: 1000 });
        assert_eq!(admit(Source::Client, None, 50), Ok(()));
        assert_eq!(admit(Source::Client, None, 51), no_room(950));
        assert_eq!(admit(Source::Client, Some(50), 200), Ok(()), "a known instance may grow a little");
        assert_eq!(admit(Source::Peer, None, 150), Ok(()));
        assert_eq!(admit(Source::Peer, None, 151), no_room(950));
        room.set_used(2000);
        assert_eq!(admit(Source::Client, Some(50), 50), Ok(()));
        assert_eq!(admit(Source::Client, Some(50), 51), no_room(2000));
        assert_eq!(room.refused().map(|(_, count)| count), [2, 1]);
    }

    #[test]
    fn becoming_full_and_having_room_again_are_logged_once_each() {
        let room = Room::new(1000);
        let news = |used| {
            room.set_used(used);
            room.admit(Source::Client, || None, 10).news
        };
        assert_eq!(news(990), None);
        assert_eq!(news(991), Some(News::Full { used: 991, most: 1000 }));
        assert_eq!(news(1000), None, "it was full before");
        assert_eq!(news(900), None, "it would be full again soon");
        assert_eq!(news(899), Some(News::HasRoom { used: 899, most: 1000 }));
        assert_eq!(news(0), None);
    }
}
