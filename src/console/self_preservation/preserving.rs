//! [`Preserving`]: in a word, whether expired leases are kept.

use serde::Serialize;

use crate::registry::{SelfPreservation as Figures, SelfPreservationMode};
use crate::time::Timestamp;

/// Whether expired leases are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Preserving {
    /// They are evicted.
    Inactive,
    /// They are kept: the network seems to be at fault.
    Active,
    /// They were kept for as long as they may be, and are evicted.
    Exceeded,
    /// An operator decided.
    Switched,
    /// They are kept: nobody can know yet.
    Starting,
    /// They are evicted whatever happens.
    Disabled,
}

impl Preserving {
    pub(super) fn of(figures: &Figures, now: Timestamp) -> Self {
        match (figures.mode, figures.keeping) {
            _ if figures.switch.is_some() => Self::Switched,
            _ if !figures.enabled => Self::Disabled,
            (SelfPreservationMode::PerApplication, Some(keeping)) if keeping.is_exceeded(now) => Self::Exceeded,
            (SelfPreservationMode::PerApplication, Some(_)) => Self::Active,
            (SelfPreservationMode::PerApplication, None) => Self::Inactive,
            (SelfPreservationMode::Java, _) if figures.lease_expiration_enabled => Self::Inactive,
            (SelfPreservationMode::Java, _) if figures.below_threshold => Self::Active,
            (SelfPreservationMode::Java, _) => Self::Starting,
        }
    }

    /// Whether a person should know.
    pub(crate) fn deserves_attention(self) -> bool {
        matches!(self, Self::Active | Self::Exceeded | Self::Switched)
    }
}
