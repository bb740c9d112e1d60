//! [`Preserving`]: in a word, whether expired leases are kept.

use serde::Serialize;

use crate::registry::SelfPreservation as Figures;
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
        let is_exceeded = || figures.keeping.is_some_and(|keeping| keeping.is_exceeded(now));
        match figures {
            Figures { switch: Some(_), .. } => Self::Switched,
            Figures { enabled: false, .. } => Self::Disabled,
            _ if figures.is_active(now) => Self::Active,
            _ if is_exceeded() => Self::Exceeded,
            Figures { lease_expiration_enabled: true, .. } => Self::Inactive,
            Figures { .. } => Self::Starting,
        }
    }

    /// Whether a person should know.
    pub(crate) fn deserves_attention(self) -> bool {
        matches!(self, Self::Active | Self::Exceeded | Self::Switched)
    }
}
