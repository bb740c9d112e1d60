//! [`LeaseDurations`] and [`LeaseInfo`].

use crate::time::Timestamp;

/// The durations of a lease that a client wants: its renewal interval, and how long to wait for a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseDurations {
    /// Seconds between two renewals.
    pub renewal_interval_secs: i32,
    /// Seconds without a renewal after which the lease has expired.
    pub duration_secs: i32,
}

impl LeaseDurations {
    /// 30 and 90 seconds, Eureka's defaults.
    pub const DEFAULT: Self = Self { renewal_interval_secs: 30, duration_secs: 90 };

    /// The durations as sent; a missing, zero or negative one becomes the default (`LeaseInfo.Builder`).
    pub fn from_sent(renewal_interval_secs: Option<i32>, duration_secs: Option<i32>) -> Self {
        let positive = |sent: Option<i32>, default| sent.filter(|secs| *secs > 0).unwrap_or(default);
        Self {
            renewal_interval_secs: positive(renewal_interval_secs, Self::DEFAULT.renewal_interval_secs),
            duration_secs: positive(duration_secs, Self::DEFAULT.duration_secs),
        }
    }
}

impl Default for LeaseDurations {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A lease as answers show it: the client's durations and the server's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseInfo {
    /// The durations that the client wants.
    pub durations: LeaseDurations,
    /// When it last registered.
    pub registration: Timestamp,
    /// When it last renewed; after a renewal one duration in the future, as the Java server writes it
    /// (src/PROTOCOL.md, section 5.1).
    pub last_renewal: Timestamp,
    /// When it was cancelled or evicted; zero while it is held.
    pub eviction: Timestamp,
    /// When it was first UP; zero if it never was.
    pub service_up: Timestamp,
}
