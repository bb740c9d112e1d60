//! Whether expired leases are evicted, and a sentence that says why or why not.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::duration::{Span, counted};
use crate::registry::{InstanceRegistry, SelfPreservation as Figures};
use crate::time::Timestamp;

/// Self-preservation. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SelfPreservation {
    pub(crate) enabled: bool,
    pub(crate) state: Preserving,
    pub(crate) reason: String,
    pub(crate) renewals_last_minute: u64,
    pub(crate) renewals_threshold: u32,
    pub(crate) expected_clients: u32,
}

/// Whether expired leases are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Preserving {
    /// They are evicted.
    Inactive,
    /// They are kept: too few renewals arrive.
    Active,
    /// They are kept: the start is not over.
    Starting,
    /// They are evicted: self-preservation is off.
    Disabled,
}

impl SelfPreservation {
    pub(crate) fn of(registry: &InstanceRegistry, now: Timestamp) -> Self {
        let figures = registry.self_preservation(now);
        let state = match figures {
            Figures { enabled: false, .. } => Preserving::Disabled,
            Figures { lease_expiration_enabled: true, .. } => Preserving::Inactive,
            Figures { below_threshold: true, .. } => Preserving::Active,
            Figures { .. } => Preserving::Starting,
        };
        let options = registry.options();
        let (kept, _) = registry.expired_kept();
        Self {
            enabled: figures.enabled,
            state,
            reason: Sentence {
                state,
                figures,
                share: options.renewal_percent_threshold,
                kept,
                judged_after: options.wait_time_when_sync_empty,
            }
            .to_string(),
            renewals_last_minute: figures.renews_last_minute,
            renewals_threshold: figures.renews_per_minute_threshold,
            expected_clients: figures.expected_clients,
        }
    }
}

/// Why expired leases are evicted, or kept.
struct Sentence {
    state: Preserving,
    figures: Figures,
    share: f64,
    kept: u64,
    judged_after: Duration,
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { renews_last_minute: renewals, renews_per_minute_threshold: threshold, expected_clients, .. } =
            self.figures;
        let (arrived, clients) = (counted(renewals, "renewal"), counted(expected_clients.into(), "client"));
        let share = (self.share * 100.0).round();
        let send = if expected_clients == 1 { "sends" } else { "send" };
        let needed = format!("but more than {threshold} are needed ({share} % of what {clients} {send})");
        match self.state {
            Preserving::Disabled => write!(
                f,
                "Self-preservation is switched off: expired leases are evicted however few renewals arrive ({arrived} in the last \
                 minute)."
            ),
            Preserving::Inactive => write!(
                f,
                "Expired leases are evicted: {arrived} arrived in the last minute, above the threshold of {threshold} for \
                 {clients}."
            ),
            Preserving::Active => {
                write!(f, "Self-preservation keeps expired leases: {arrived} arrived in the last minute, {needed}.")?;
                match self.kept {
                    0 => write!(f, " No lease has expired so far."),
                    1 => write!(f, " 1 expired lease is kept."),
                    kept => write!(f, " {kept} expired leases are kept."),
                }
            }
            Preserving::Starting => write!(
                f,
                "Expired leases are kept for now: {arrived} arrived in the last minute, {needed}. Self-preservation is decided {} \
                 after the start.",
                Span(self.judged_after)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(state: Preserving, renewals: u64, threshold: u32, clients: u32, kept: u64) -> String {
        let figures = Figures {
            enabled: state != Preserving::Disabled,
            renews_last_minute: renewals,
            renews_per_minute_threshold: threshold,
            expected_clients: clients,
            lease_expiration_enabled: false,
            below_threshold: true,
        };
        Sentence { state, figures, share: 0.85, kept, judged_after: Duration::from_secs(300) }.to_string()
    }

    #[test]
    fn self_preservation_is_a_sentence_with_its_numbers() {
        assert_eq!(
            sentence(Preserving::Active, 1, 34, 20, 3),
            "Self-preservation keeps expired leases: 1 renewal arrived in the last minute, but more than 34 are needed (85 % of \
             what 20 clients send). 3 expired leases are kept."
        );
        assert_eq!(
            sentence(Preserving::Inactive, 40, 34, 20, 0),
            "Expired leases are evicted: 40 renewals arrived in the last minute, above the threshold of 34 for 20 clients."
        );
        assert_eq!(
            sentence(Preserving::Starting, 0, 1, 1, 0),
            "Expired leases are kept for now: 0 renewals arrived in the last minute, but more than 1 are needed (85 % of what 1 \
             client sends). Self-preservation is decided 5 min after the start."
        );
        assert!(sentence(Preserving::Disabled, 0, 1, 1, 0).starts_with("Self-preservation is switched off"));
    }
}
