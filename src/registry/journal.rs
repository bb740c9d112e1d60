//! [`Journal`]: what happened last, for people.

use std::collections::VecDeque;

use crate::model::{InstanceKey, InstanceStatus};
use crate::time::Timestamp;

use super::Source;

/// How many entries of each kind are kept (`CircularQueue(1000)`).
const KEPT: usize = 1000;

/// What happened to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It registered, for the first time or again.
    Registered,
    /// Its status became another.
    StatusChanged,
    /// An operator's status was taken back.
    OverrideRemoved,
    /// It left, or was taken out.
    Cancelled,
    /// It was silent for too long.
    Evicted,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Registered, Self::StatusChanged, Self::OverrideRemoved, Self::Cancelled, Self::Evicted];

    /// In a word, for figures and pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::StatusChanged => "status_changed",
            Self::OverrideRemoved => "override_removed",
            Self::Cancelled => "cancelled",
            Self::Evicted => "evicted",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its number; later changes have larger ones.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// To which instance.
    pub key: InstanceKey,
    /// What.
    pub kind: ChangeKind,
    /// The instance's status afterwards.
    pub status: InstanceStatus,
    /// Whether a client or a peer brought it; `None` for what the registry did of itself.
    pub source: Option<Source>,
}

/// The last changes, and the last registrations and cancellations that `/lastn` shows.
#[derive(Debug, Default)]
pub(super) struct Journal {
    changes: VecDeque<Change>,
    registered: VecDeque<(Timestamp, InstanceKey)>,
    cancelled: VecDeque<(Timestamp, InstanceKey)>,
    counted: [[u64; Source::ALL.len()]; ChangeKind::ALL.len()],
}

impl Journal {
    pub(super) fn note(&mut self, change: Change) {
        self.counted[change.kind as usize][change.source.map_or(0, |source| source as usize + 1)] += 1;
        match change.kind {
            ChangeKind::Registered => push(&mut self.registered, (change.at, change.key.clone())),
            ChangeKind::Cancelled | ChangeKind::Evicted => push(&mut self.cancelled, (change.at, change.key.clone())),
            ChangeKind::StatusChanged | ChangeKind::OverrideRemoved => {}
        }
        push(&mut self.changes, change);
    }

    /// The changes kept with a number above `number`, oldest first.
    pub(super) fn after(&self, number: u64) -> Vec<Change> {
        let first = self.changes.partition_point(|change| change.number <= number);
        self.changes.range(first..).cloned().collect()
    }

    /// How many changes there were since the start, by kind and by who brought them.
    pub(super) fn counted(&self) -> impl Iterator<Item = (ChangeKind, Option<Source>, u64)> {
        let of_kind = |(kind, counts): (ChangeKind, [u64; 3])| {
            Source::ALL.into_iter().zip(counts).map(move |(source, count)| (kind, source, count))
        };
        ChangeKind::ALL.into_iter().zip(self.counted).flat_map(of_kind)
    }

    /// The last registrations, newest first.
    pub(super) fn registered(&self) -> Vec<(Timestamp, InstanceKey)> {
        self.registered.iter().rev().cloned().collect()
    }

    /// The last cancellations and evictions, newest first.
    pub(super) fn cancelled(&self) -> Vec<(Timestamp, InstanceKey)> {
        self.cancelled.iter().rev().cloned().collect()
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() == KEPT {
        queue.pop_front();
    }
    queue.push_back(item);
}
