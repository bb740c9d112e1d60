//! [`Journal`]: the last changes, for people.

use std::collections::{HashMap, VecDeque};

use crate::model::{InstanceKey, InstanceStatus};
use crate::time::Timestamp;

use super::{Caller, Reason, Source};

/// How many registrations and cancellations `/lastn` shows (`CircularQueue(1000)`).
const LEASES_KEPT: usize = 1000;
/// How many changes are kept: as many as a large registry has instances, so that a restart of all of them is kept as a whole.
const CHANGES_KEPT: usize = 10_000;
/// How many bytes the texts of a kept item may take on average. Real names and reasons take half of it; with the longest that are
/// accepted, all would take twenty megabytes.
const BYTES_KEPT: usize = 200;

/// What happened to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It registered, for the first time or again.
    Registered,
    /// It was read from the snapshot at the start.
    Restored,
    /// Its status became another.
    StatusChanged,
    /// An operator's status was removed.
    OverrideRemoved,
    /// It left, or an operator cancelled it.
    Cancelled,
    /// It was silent for too long.
    Evicted,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Registered, Self::Restored, Self::StatusChanged, Self::OverrideRemoved, Self::Cancelled, Self::Evicted];

    /// In a word, for metrics and pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Restored => "restored",
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
    /// Its status before; `None` if it was not known.
    pub previous: Option<InstanceStatus>,
    /// Who asked for it; `None` is the registry itself.
    pub caller: Option<Caller>,
}

impl Change {
    /// Whether it came from a client or a peer; `None` is the registry itself.
    pub fn source(&self) -> Option<Source> {
        self.caller.as_ref().map(|caller| caller.source)
    }

    /// Why, in the words of whoever asked for it; `None` without a reason.
    pub fn reason(&self) -> Option<&str> {
        self.caller.as_ref().and_then(|caller| caller.reason.as_ref()).map(Reason::as_str)
    }

    /// Whether the instance left UP, or came back to it.
    fn is_flip(&self) -> bool {
        let is_up = self.status == InstanceStatus::Up;
        match self.kind {
            ChangeKind::Restored => false,
            ChangeKind::Cancelled | ChangeKind::Evicted => is_up,
            ChangeKind::Registered | ChangeKind::StatusChanged | ChangeKind::OverrideRemoved => {
                is_up != (self.previous == Some(InstanceStatus::Up))
            }
        }
    }
}

/// Changes that follow a number.
#[derive(Clone, Debug, Default)]
pub struct ChangesAfter {
    /// The changes, oldest first.
    pub changes: Vec<Change>,
    /// Whether changes before these are no longer kept.
    pub missed: bool,
    /// The number of the last change of all; zero if there was none.
    pub last: u64,
}

/// The changes of one instance that are still kept.
#[derive(Clone, Debug, Default)]
pub struct InstanceHistory {
    /// The changes, newest first.
    pub changes: Vec<Change>,
    /// When the oldest kept change of any instance happened; `None` if none is kept.
    pub kept_since: Option<Timestamp>,
}

/// The last changes, and the last registrations and cancellations that `/lastn` shows.
#[derive(Debug, Default)]
pub(super) struct Journal {
    changes: Latest<Change>,
    /// The number of the last change that is no longer kept; zero if all are.
    forgotten: u64,
    registered: Latest<(Timestamp, InstanceKey)>,
    cancelled: Latest<(Timestamp, InstanceKey)>,
    counted: [[u64; Source::ALL.len()]; ChangeKind::ALL.len()],
}

impl Journal {
    pub(super) fn note(&mut self, change: Change) {
        self.counted[change.kind as usize][change.source().map_or(0, |source| source as usize + 1)] += 1;
        match change.kind {
            ChangeKind::Registered => drop(self.registered.push(LEASES_KEPT, (change.at, change.key.clone()))),
            ChangeKind::Cancelled | ChangeKind::Evicted => {
                drop(self.cancelled.push(LEASES_KEPT, (change.at, change.key.clone())));
            }
            ChangeKind::Restored | ChangeKind::StatusChanged | ChangeKind::OverrideRemoved => {}
        }
        if let Some(forgotten) = self.changes.push(CHANGES_KEPT, change) {
            self.forgotten = forgotten.number;
        }
    }

    /// The first `most` changes with a number above `number`.
    pub(super) fn after(&self, number: u64, most: usize) -> ChangesAfter {
        let first = self.changes.items.partition_point(|change| change.number <= number);
        ChangesAfter {
            changes: self.changes.items.range(first..).take(most).cloned().collect(),
            missed: number < self.forgotten,
            last: self.last(),
        }
    }

    /// The last `most` changes, oldest first.
    pub(super) fn latest(&self, most: usize) -> ChangesAfter {
        let first = self.changes.items.len().saturating_sub(most);
        let changes = self.changes.items.range(first..).cloned().collect();
        ChangesAfter { changes, missed: false, last: self.last() }
    }

    /// How often each instance left UP, or came back to it, since a moment. It is read under the registry's lock, so it looks only at
    /// changes, and copies a key only for those that count.
    pub(super) fn flips(&self, since: Timestamp) -> HashMap<InstanceKey, u32> {
        let mut flips: HashMap<InstanceKey, u32> = HashMap::new();
        let recent = self.changes.items.iter().rev().take_while(|change| change.at >= since);
        for change in recent.filter(|change| change.is_flip()) {
            match flips.get_mut(&change.key) {
                Some(times) => *times += 1,
                None => drop(flips.insert(change.key.clone(), 1)),
            }
        }
        flips
    }

    /// The number of the last change; zero if there was none.
    pub(super) fn last(&self) -> u64 {
        self.changes.items.back().map_or(0, |change| change.number)
    }

    /// When the oldest kept change happened.
    pub(super) fn kept_since(&self) -> Option<Timestamp> {
        self.changes.items.front().map(|change| change.at)
    }

    /// The number of changes since the start, by kind and source.
    pub(super) fn counted(&self) -> impl Iterator<Item = (ChangeKind, Option<Source>, u64)> {
        let of_kind = |(kind, counts): (ChangeKind, [u64; Source::ALL.len()])| {
            Source::ALL.into_iter().zip(counts).map(move |(source, count)| (kind, source, count))
        };
        ChangeKind::ALL.into_iter().zip(self.counted).flat_map(of_kind)
    }

    /// The last registrations, newest first.
    pub(super) fn registered(&self) -> Vec<(Timestamp, InstanceKey)> {
        self.registered.items.iter().rev().cloned().collect()
    }

    /// The last cancellations and evictions, newest first.
    pub(super) fn cancelled(&self) -> Vec<(Timestamp, InstanceKey)> {
        self.cancelled.items.iter().rev().cloned().collect()
    }
}

/// The latest items, of a bounded number and with texts of bounded length.
#[derive(Debug)]
struct Latest<T> {
    items: VecDeque<T>,
    /// The length of the texts of all items.
    bytes: usize,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), bytes: 0 }
    }
}

impl<T: Texts> Latest<T> {
    /// Appends an item to at most `most`. Returns the last of those that had to make room.
    fn push(&mut self, most: usize, item: T) -> Option<T> {
        self.bytes += item.bytes();
        self.items.push_back(item);
        let mut last = None;
        while self.items.len() > most || self.bytes > most * BYTES_KEPT {
            last = self.items.pop_front();
            self.bytes -= last.as_ref().map_or(0, T::bytes);
        }
        last
    }
}

/// What has texts that come from outside.
trait Texts {
    /// Their length in bytes.
    fn bytes(&self) -> usize;
}

impl Texts for Change {
    fn bytes(&self) -> usize {
        let user = self.caller.as_ref().and_then(|caller| caller.on_behalf_of.as_ref());
        self.key.as_str().len() + self.reason().map_or(0, str::len) + user.map_or(0, |user| user.len())
    }
}

impl Texts for (Timestamp, InstanceKey) {
    fn bytes(&self) -> usize {
        self.1.as_str().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AppName;

    fn registered(number: u64, id: &str) -> Change {
        Change {
            number,
            at: Timestamp(0),
            key: InstanceKey::new(&AppName::new("ORDERS"), id),
            kind: ChangeKind::Registered,
            status: InstanceStatus::Up,
            previous: None,
            caller: None,
        }
    }

    #[test]
    fn long_names_shorten_the_journal() {
        let mut journal = Journal::default();
        let long = "i".repeat(1000);
        for number in 1..=5000 {
            journal.note(registered(number, &long));
        }
        let kept = journal.latest(usize::MAX).changes;
        assert_eq!(kept.iter().map(|change| change.key.as_str().len()).sum::<usize>(), journal.changes.bytes);
        assert!((1000..CHANGES_KEPT * BYTES_KEPT / 1000).contains(&kept.len()), "{}", kept.len());
        assert!((100..LEASES_KEPT * BYTES_KEPT / 1000).contains(&journal.registered().len()));
        let first = kept[0].number;
        assert!(journal.after(first - 2, 1).missed && !journal.after(first - 1, 1).missed);
    }

    #[test]
    fn short_names_are_kept_by_their_number() {
        let mut journal = Journal::default();
        for number in 1..=11_000 {
            journal.note(registered(number, &format!("orders-{number}")));
        }
        assert_eq!((journal.latest(usize::MAX).changes.len(), journal.registered().len()), (CHANGES_KEPT, LEASES_KEPT));
    }
}
