//! [`StartWait`]: the time after the start in which clients may still be about to register.

use std::time::Duration;

use crate::registry::counted_time::CountedTime;
use crate::time::Timestamp;

/// The time after the start in which clients may still be about to register. Over, before the registry opens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StartWait {
    time: CountedTime,
    until: Timestamp,
}

impl StartWait {
    pub(super) fn new(longest: Duration, now: Timestamp) -> Self {
        Self { time: CountedTime::since(now), until: now + longest }
    }

    pub(super) fn is_over(self, now: Timestamp) -> bool {
        self.time.at(now) > self.until
    }

    /// Looks at the clock. Clients register no earlier because it leapt.
    pub(super) fn look(&mut self, now: Timestamp) {
        self.until.0 = self.until.0.saturating_add(self.time.look(now));
    }
}
