//! The one source of time.
//!
//! [`Clock`] couples the wall clock at start with tokio's monotonic [`Instant`]: sleeping, expiring and stamping
//! move together, tests that pause tokio's time pause all three, and a step of the system's clock can neither
//! expire a lease nor keep one alive. Rules never read it; they are handed a [`Timestamp`].

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since the Unix epoch, as Eureka writes every time on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The zero that Eureka writes for "never".
    pub const NEVER: Self = Self(0);

    /// The time from `earlier` to this one, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A duration in the signed milliseconds that timestamps are counted in.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Epoch time that advances with tokio's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    epoch: Timestamp,
    /// By how many milliseconds it has leapt since, where leaps are simulated.
    leapt: Option<&'static AtomicI64>,
}

impl Clock {
    /// A clock that says `epoch` now and advances from here.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { started: Instant::now(), epoch, leapt: None }
    }

    /// The same clock, which somebody else can make leap by milliseconds, as a monotonic clock does when its process is restored
    /// elsewhere, or as it falls behind while its machine is suspended. For simulations.
    #[must_use]
    pub fn leaping(self, leapt: &'static AtomicI64) -> Self {
        Self { leapt: Some(leapt), ..self }
    }

    /// A clock set by the system's wall clock, which is read this once.
    #[expect(clippy::disallowed_methods, reason = "the wall clock is read here, once, and nowhere else")]
    pub fn system() -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::starting_at(Timestamp(millis(since_epoch)))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// What it said at this instant.
    pub fn at(&self, instant: Instant) -> Timestamp {
        let Timestamp(steady) = self.epoch + instant.saturating_duration_since(self.started);
        Timestamp(steady + self.leapt.map_or(0, |leapt| leapt.load(Relaxed)))
    }

    /// The time this clock was started at.
    pub fn started_at(&self) -> Timestamp {
        self.epoch
    }
}
