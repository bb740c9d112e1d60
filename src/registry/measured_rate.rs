//! [`MeasuredRate`]: the number of events in the last minute.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::time::{Timestamp, millis};

/// Counts by the minute (`MeasuredRate`): the count is that of the last *completed* minute, zero in the first.
///
/// Self-preservation compares with it, so it must not be a sliding window (src/PROTOCOL.md, quirk 18).
#[derive(Debug)]
pub struct MeasuredRate {
    sample_ms: i64,
    start: Timestamp,
    sample: AtomicI64,
    current: AtomicU64,
    last: AtomicU64,
}

impl MeasuredRate {
    /// Counts from `start` on in samples of `sample`, a minute in production.
    pub fn new(sample: Duration, start: Timestamp) -> Self {
        Self {
            sample_ms: millis(sample).max(1),
            start,
            sample: AtomicI64::new(0),
            current: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    /// Counts one event.
    pub fn increment(&self, now: Timestamp) {
        self.roll(now);
        self.current.fetch_add(1, Relaxed);
    }

    /// The count of the last completed sample.
    pub fn count(&self, now: Timestamp) -> u64 {
        self.roll(now);
        self.last.load(Relaxed)
    }

    /// Closes the running sample if its time is over. Of threads that see it end at once, one closes it; a count that
    /// races it lands in one of the two.
    fn roll(&self, now: Timestamp) {
        let sample = (now.0 - self.start.0) / self.sample_ms;
        let running = self.sample.load(Relaxed);
        if sample > running && self.sample.compare_exchange(running, sample, Relaxed, Relaxed).is_ok() {
            let counted = self.current.swap(0, Relaxed);
            self.last.store(if sample == running + 1 { counted } else { 0 }, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_last_completed_minute() {
        let at = |secs| Timestamp(1_000) + Duration::from_secs(secs);
        let rate = MeasuredRate::new(Duration::from_secs(60), at(0));
        (0..7).for_each(|_| rate.increment(at(10)));
        assert_eq!(rate.count(at(59)), 0);
        assert_eq!(rate.count(at(60)), 7);
        rate.increment(at(70));
        assert_eq!(rate.count(at(119)), 7);
        assert_eq!(rate.count(at(121)), 1);
        assert_eq!(rate.count(at(300)), 0, "a minute in which nothing came");
    }
}
