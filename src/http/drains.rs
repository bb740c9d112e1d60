//! [`Drains`]: how many instances are being drained, and how drains ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One drain may have this part of the busy connections: each waits with one.
const PART_OF_BUSY: usize = 4;
/// Maximum number of drains at a time, however many connections there may be.
const MOST: u64 = 100;

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All readers have fetched the change.
    Drained,
    /// Not all had when its time was over.
    TimedOut,
    /// The instance was put back meanwhile.
    Undone,
    /// Whoever asked for it went away, or this replica stopped.
    Abandoned,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Drained, Self::TimedOut, Self::Undone, Self::Abandoned];

    /// Its name, in the API and for metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::TimedOut => "timed_out",
            Self::Undone => "undone",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The drains of this replica.
#[derive(Debug)]
pub(super) struct Drains {
    most: u64,
    in_progress: AtomicU64,
    ended: [AtomicU64; Outcome::ALL.len()],
}

impl Drains {
    /// With room for a part of the connections that may be busy.
    pub(super) fn new(busy_connections: usize) -> Self {
        let most = u64::try_from(busy_connections / PART_OF_BUSY).unwrap_or(MOST).clamp(1, MOST);
        Self { most, in_progress: AtomicU64::default(), ended: Default::default() }
    }

    /// A place for a drain; `None` if too many wait.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Drain> {
        let one_more = |count| (count < self.most).then_some(count + 1);
        self.in_progress.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        Some(Drain { drains: Arc::clone(self), outcome: Outcome::Abandoned })
    }

    pub(super) fn in_progress(&self) -> u64 {
        self.in_progress.load(Relaxed)
    }

    /// How many ended, by outcome.
    pub(super) fn ended(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        Outcome::ALL.map(|outcome| (outcome, self.ended[outcome as usize].load(Relaxed)))
    }
}

/// A drain in progress. One that is dropped before it has ended was abandoned.
#[derive(Debug)]
pub(super) struct Drain {
    drains: Arc<Drains>,
    outcome: Outcome,
}

impl Drain {
    /// It ended.
    pub(super) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.drains.in_progress.fetch_sub(1, Relaxed);
        self.drains.ended[self.outcome as usize].fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drains_are_bounded_and_counted() {
        let drains = Arc::new(Drains::new(8));
        let (one, two) = (drains.begin().unwrap(), drains.begin().unwrap());
        assert!(drains.begin().is_none(), "a quarter of the busy connections");
        one.end(Outcome::Drained);
        drop(two);
        assert_eq!(drains.in_progress(), 0);
        assert_eq!(drains.ended().map(|(_, count)| count), [1, 0, 0, 1]);
        assert_eq!((Drains::new(1).most, Drains::new(1_000_000).most), (1, MOST));
    }
}
