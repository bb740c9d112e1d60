//! [`Fact`]: what a replica knows of an instance, and how it is merged with what another replica knows.
//!
//! A merge takes the later of two facts, each by its own stamp. So the result does not depend on the order in which facts arrive,
//! or on how often (`registry/merge` has the rules for instances that only one side has).
//!
//! | fact | what is kept |
//! |---|---|
//! | registered, with the data as sent | of the newest version; of that, of the latest registration; of that, the latest change |
//! | cancelled | the latest cancellation; the instance is there if that data was registered later |
//! | override | the one set or removed last |
//! | heard | the latest renewal or registration; kept by the lease, since it has no stamp |

use super::{InstanceInfo, InstanceKey, InstanceStatus, Stamp};
use crate::time::Timestamp;

/// The version of an instance's data, and its stamps. The version is compared first, so that a delayed registration does not
/// replace newer data with older.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DataStamp {
    /// Its `lastDirtyTimestamp`, or that of the data that it knowingly replaced, if that was greater.
    pub version: Timestamp,
    /// Its last registration.
    pub registered: Stamp,
    /// The last change of that registration: the registration itself, or metadata or a status since then.
    pub changed: Stamp,
}

/// An override, or that there is none; and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusOverride {
    /// The status; `None` if none was set or it was removed. Not the same as the instance's `overriddenStatus`: an
    /// override to UNKNOWN is one, too.
    pub status: Option<InstanceStatus>,
    /// When it was set or removed.
    pub stamp: Stamp,
}

impl StatusOverride {
    /// The later of the two.
    fn merge(self, other: Self) -> Self {
        // The status decides only if the stamps are equal, which no two replicas make. Without it, the order of merges would
        // matter.
        if (other.stamp, other.status) > (self.stamp, self.status) { other } else { self }
    }
}

/// The parts of a record that are merged, each by its own stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The version of the data, and its stamps.
    pub data: DataStamp,
    /// The last cancellation.
    pub cancelled: Stamp,
    /// The override.
    pub status_override: StatusOverride,
}

impl Parts {
    /// Whether merging `others` would change these parts.
    pub fn lack(self, others: Self) -> bool {
        others.data > self.data
            || others.cancelled > self.cancelled
            || self.status_override.merge(others.status_override) != self.status_override
    }
}

/// What a replica knows of an instance that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The instance as readers see it, the override applied.
    pub info: InstanceInfo,
    /// The status without an override: as sent, or as it was after the removal of an override.
    pub sent_status: InstanceStatus,
    /// The version of the data, and its stamps.
    pub data: DataStamp,
    /// The last known cancellation of it, before it registered again.
    pub cancelled: Stamp,
    /// The override.
    pub status_override: StatusOverride,
}

impl Record {
    /// The parts that decide a merge with it.
    pub fn parts(&self) -> Parts {
        Parts { data: self.data, cancelled: self.cancelled, status_override: self.status_override }
    }

    /// Applies the override to the instance that readers see.
    ///
    /// It applies to UP and `OUT_OF_SERVICE`, and to any status that was sent before it was set. If an instance reports later
    /// that it is starting or down, that status counts (`DownOrStartingRule`, `OverrideExistsRule`).
    pub fn show(&mut self) {
        let StatusOverride { status, stamp } = self.status_override;
        self.info.overridden_status = status.unwrap_or(InstanceStatus::Unknown);
        self.info.status = match status {
            Some(set) if self.sent_status.takes_override() || stamp > self.data.changed => set,
            Some(_) | None => self.sent_status,
        };
    }

    /// The status that stays with the data in a new registration: the one that the instance sent, without an override that
    /// applies to it, which may be removed elsewhere. An override that applies only because it is later than the data counts as
    /// sent, as in the Java server.
    pub fn own_status(&self) -> InstanceStatus {
        if self.sent_status.takes_override() { self.sent_status } else { self.info.status }
    }
}

/// What a replica knows of an instance that was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The instance.
    pub key: InstanceKey,
    /// When it was cancelled.
    pub cancelled: Stamp,
    /// The greatest known stamp of its data, from before the cancellation: older data does not come back.
    pub data: DataStamp,
    /// The override: removed with the cancellation, or set later at a replica that did not know of it.
    pub status_override: StatusOverride,
}

impl Tombstone {
    /// The cancellation of an instance, which removes its override.
    pub fn new(key: InstanceKey, record: &Record, cancelled: Stamp) -> Self {
        let status_override = StatusOverride { status: None, stamp: cancelled };
        Self { key, cancelled, data: record.data, status_override }
    }

    /// The parts that decide a merge with it.
    pub fn parts(&self) -> Parts {
        Parts { data: self.data, cancelled: self.cancelled, status_override: self.status_override }
    }
}

/// What a replica knows of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It is registered.
    Registered(Box<Record>),
    /// It was cancelled.
    Cancelled(Tombstone),
}

impl Fact {
    /// The two facts, merged. The result is the same in every order, and however often a fact is merged.
    ///
    /// The later of each part counts. Data that was cancelled may be forgotten, since no later merge can show it again: its
    /// registration stays earlier than the cancellation.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let (ours, theirs) = (self.parts(), other.parts());
        let cancelled = ours.cancelled.max(theirs.cancelled);
        let status_override = ours.status_override.merge(theirs.status_override);
        let newest = if theirs.data > ours.data { other } else { self };
        match newest {
            Self::Registered(record) if record.data.registered > cancelled => {
                let mut record = Record { cancelled, status_override, ..*record };
                record.show();
                Self::Registered(Box::new(record))
            }
            newest @ (Self::Registered(_) | Self::Cancelled(_)) => {
                let (key, data) = (newest.key(), newest.parts().data);
                Self::Cancelled(Tombstone { key, cancelled, data, status_override })
            }
        }
    }

    /// Whether merging `other` into this would change it.
    pub fn lacks(&self, other: &Self) -> bool {
        self.parts().lack(other.parts())
    }

    /// The parts that decide a merge with it.
    pub fn parts(&self) -> Parts {
        match self {
            Self::Registered(record) => record.parts(),
            Self::Cancelled(tombstone) => tombstone.parts(),
        }
    }

    /// Its stamps.
    pub fn stamps(&self) -> [Stamp; 3] {
        let overridden = self.parts().status_override.stamp;
        match self {
            Self::Registered(record) => [record.data.registered, record.data.changed, overridden],
            Self::Cancelled(tombstone) => [tombstone.cancelled, tombstone.data.changed, overridden],
        }
    }

    /// The instance it is about.
    pub fn key(&self) -> InstanceKey {
        match self {
            Self::Registered(record) => record.info.key(),
            Self::Cancelled(tombstone) => tombstone.key.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
