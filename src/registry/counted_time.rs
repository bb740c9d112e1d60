//! [`CountedTime`]: time of which no leap of the clock counts.

use std::time::Duration;

use crate::time::Timestamp;

/// How much time passes at most between two looks at the clock, of which there is one a second. What the clock shows beyond that is no
/// time in which clients could have called: the clock was set, or the process stood still.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// The clock as it was last looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CountedTime {
    looked: Timestamp,
}

impl CountedTime {
    /// Time that is counted from now on.
    pub(super) fn since(now: Timestamp) -> Self {
        Self { looked: now }
    }

    /// The time that counts: no leap of the clock since the last look.
    pub(super) fn at(self, now: Timestamp) -> Timestamp {
        self.looked + now.since(self.looked).min(LONGEST_LOOK)
    }

    /// Looks at the clock. Returns by how many milliseconds it has leapt: the times that were noted have to be moved by that.
    pub(super) fn look(&mut self, now: Timestamp) -> i64 {
        let leapt = now.0.saturating_sub(self.at(now).0);
        self.looked = now;
        leapt
    }
}
