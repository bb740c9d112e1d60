//! [`InstanceStatus`] and [`ActionType`].

use std::fmt;

/// Whether an instance takes traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum InstanceStatus {
    // In the alphabetical order of their names, which is the order of the hash code.
    /// Not able to take traffic: a health check failed.
    Down,
    /// Taken out by an operator, or by the instance itself.
    OutOfService,
    /// Starting: not yet able to take traffic.
    Starting,
    /// Not sent, or sent as a word that is no status.
    Unknown,
    /// Ready for traffic.
    Up,
}

impl InstanceStatus {
    /// Every status, in the order of the hash code.
    pub const ALL: [Self; 5] = [Self::Down, Self::OutOfService, Self::Starting, Self::Unknown, Self::Up];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "DOWN",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Starting => "STARTING",
            Self::Unknown => "UNKNOWN",
            Self::Up => "UP",
        }
    }

    /// The status of exactly this name, as Java's `valueOf` reads one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether an override applies to this status whenever it was sent. An instance that reports that it is starting or down
    /// keeps that status (`DownOrStartingRule`).
    pub fn takes_override(self) -> bool {
        matches!(self, Self::Up | Self::OutOfService)
    }
}

impl fmt::Display for InstanceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The last change of an instance, by which a client applies a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActionType {
    /// Registered, for the first time or again.
    Added,
    /// Its status was changed.
    Modified,
    /// Cancelled or evicted.
    Deleted,
}

impl ActionType {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }

    /// The action of exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Added, Self::Modified, Self::Deleted].into_iter().find(|action| action.name() == name)
    }
}
