//! [`Record`] and [`Tombstone`]: what replicas know of an instance, and how it merges.
//!
//! Merging takes the later of two facts, each by its own stamp. So it does not matter in which order facts arrive, nor how
//! often: the result is the same (`registry/merge` has the rules for what is there on one side alone).
//!
//! | fact | what is kept |
//! |---|---|
//! | registered, with the data as sent | of the latest registration; of that, the latest change of its data |
//! | cancelled | the latest cancellation; the instance is there if it was registered later |
//! | override | the one set or removed last |
//! | heard | the latest renewal or registration; kept by the lease, since it has no stamp |

use super::{InstanceInfo, InstanceKey, InstanceStatus, Stamp};

/// When what is known of an instance happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DataStamp {
    /// Its last registration.
    pub registered: Stamp,
    /// The last change of what was registered then: that registration, or metadata or a status since.
    pub changed: Stamp,
}

/// The status an operator set, or that none is set; and since when.
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
    pub fn merge(self, other: Self) -> Self {
        // The status decides only between stamps that no two replicas make; without it order would matter.
        if (other.stamp, other.status) > (self.stamp, self.status) { other } else { self }
    }
}

/// What a replica knows of an instance that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The instance as readers see it, the override applied.
    pub info: InstanceInfo,
    /// The status without an override: as sent, or as the removal of an override left it.
    pub sent_status: InstanceStatus,
    /// When the data is of.
    pub data: DataStamp,
    /// The override.
    pub status_override: StatusOverride,
}

impl Record {
    /// Applies the override to what readers see.
    ///
    /// It holds over UP and `OUT_OF_SERVICE`, and over anything that was sent before it was set; an instance that says later
    /// that it is starting or down is believed (`DownOrStartingRule`, `OverrideExistsRule`).
    pub fn show(&mut self) {
        let StatusOverride { status, stamp } = self.status_override;
        self.info.overridden_status = status.unwrap_or(InstanceStatus::Unknown);
        self.info.status = match status {
            Some(set) if self.sent_status.takes_override() || stamp > self.data.changed => set,
            Some(_) | None => self.sent_status,
        };
    }

    /// The two, merged: the later data with the later override.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let status_override = self.status_override.merge(other.status_override);
        let later = if other.data > self.data { other } else { self };
        let mut merged = Self { status_override, ..later };
        merged.show();
        merged
    }

    /// Whether merging `other` would change this one.
    pub fn lacks(&self, other: &Self) -> bool {
        other.data > self.data || self.status_override.merge(other.status_override) != self.status_override
    }
}

/// What a replica knows of an instance that was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Which instance.
    pub key: InstanceKey,
    /// When it was cancelled.
    pub cancelled: Stamp,
    /// The override: removed with the cancellation, or set later where that was not known.
    pub status_override: StatusOverride,
}

impl Tombstone {
    /// The cancellation of an instance, which removes its override.
    pub fn new(key: InstanceKey, cancelled: Stamp) -> Self {
        Self { key, cancelled, status_override: StatusOverride { status: None, stamp: cancelled } }
    }

    /// The two, merged.
    #[must_use]
    pub fn merge(self, other: &Self) -> Self {
        let cancelled = self.cancelled.max(other.cancelled);
        let status_override = self.status_override.merge(other.status_override);
        Self { cancelled, status_override, ..self }
    }

    /// Whether the instance was cancelled after it was registered.
    pub fn ends(&self, record: &Record) -> bool {
        self.cancelled > record.data.registered
    }
}
