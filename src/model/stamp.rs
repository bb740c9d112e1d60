//! [`Stamp`] and [`StampClock`]: when and where something happened, so that every replica puts events into one order.

use std::fmt;

use crate::time::Timestamp;

/// When and where an event happened. Made once, by the replica that received the request, and never changed.
///
/// Stamps are ordered by time, then by the replica. The time is that of a [`StampClock`]: an event that was seen before
/// another one was made has the smaller stamp, whatever the replicas' clocks say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Milliseconds of the stamp clock in the upper 48 bits, a counter in the lower 16.
    time: u64,
    /// The process that made it.
    node: u64,
}

/// Where the counter begins.
const COUNTER_BITS: u32 = 16;

impl Stamp {
    /// Before every event.
    pub const NEVER: Self = Self { time: 0, node: 0 };

    /// How far ahead of a replica's own clock a stamp may be: a hundred years, in milliseconds. A clock that was never set is in
    /// 1970. A stamp near the end of the range would leave no room for later ones.
    const MOST_AHEAD: u64 = 100 * 366 * 24 * 3600 * 1000;

    /// A stamp as it came from a peer; `None` if its time is out of range.
    pub fn received(time: u64, node: u64, now: Timestamp) -> Option<Self> {
        (time >> COUNTER_BITS <= Self::latest(now)).then_some(Self { time, node })
    }

    /// The latest milliseconds that are in range.
    fn latest(now: Timestamp) -> u64 {
        u64::try_from(now.0).unwrap_or(0) + Self::MOST_AHEAD
    }

    /// Reads what [`Display`](fmt::Display) writes, as it came from a peer; `None` if it is no stamp or out of range.
    pub fn parse(text: &str, now: Timestamp) -> Option<Self> {
        let (time, node) = text.split_once('@')?;
        Self::received(u64::from_str_radix(time, 16).ok()?, u64::from_str_radix(node, 16).ok()?, now)
    }

    /// Milliseconds of the stamp clock, with a counter in the lower 16 bits.
    pub fn time(self) -> u64 {
        self.time
    }

    /// The process that made it.
    pub fn node(self) -> u64 {
        self.node
    }

    /// The milliseconds of the stamp clock.
    pub fn millis(self) -> u64 {
        self.time >> COUNTER_BITS
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}@{:x}", self.time, self.node)
    }
}

/// Makes stamps (Lamport's rule for physical clocks, with a counter for events of one millisecond).
///
/// It runs as fast as the replica's own clock, and as far ahead of it as the furthest clock that it knows of. So the stamp clocks
/// of replicas that talk agree to within the time that a message takes, even if their own clocks differ by an hour; and they
/// still agree when the replicas are cut off from each other.
#[derive(Debug)]
pub struct StampClock {
    node: u64,
    /// The last time of a stamp that was made or seen.
    last: u64,
    /// How far ahead of the replica's own clock it runs, in milliseconds.
    ahead: u64,
}

impl StampClock {
    /// The clock of the process `node`.
    pub fn new(node: u64) -> Self {
        Self { node, last: 0, ahead: 0 }
    }

    /// A stamp for an event now: later than all stamps that were made or seen here.
    pub fn tick(&mut self, now: Timestamp) -> Stamp {
        self.last = (self.last + 1).max(self.millis(now) << COUNTER_BITS);
        Stamp { time: self.last, node: self.node }
    }

    /// Notes the stamp of an event elsewhere.
    pub fn observe(&mut self, stamp: Stamp, now: Timestamp) {
        self.last = self.last.max(stamp.time);
        self.meet(stamp.millis(), now);
    }

    /// Notes the time of another replica's stamp clock: this one is not behind it from now on. A time out of range is ignored.
    pub fn meet(&mut self, millis: u64, now: Timestamp) {
        if millis <= Stamp::latest(now) {
            self.ahead += millis.saturating_sub(self.millis(now));
        }
    }

    /// Its time, in milliseconds.
    pub fn millis(&self, now: Timestamp) -> u64 {
        u64::try_from(now.0).unwrap_or(0) + self.ahead
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn stamps_grow_within_a_millisecond_and_after_the_clock_went_back() {
        let mut clock = StampClock::new(1);
        let stamps = [clock.tick(NOW), clock.tick(NOW), clock.tick(NOW - HOUR)];
        assert!(stamps.is_sorted_by(|earlier, later| earlier < later), "{stamps:?}");
    }

    #[test]
    fn a_seen_event_is_earlier_whatever_the_clocks_say() {
        let (mut ahead, mut behind) = (StampClock::new(1), StampClock::new(2));
        let seen = ahead.tick(NOW + HOUR);
        behind.observe(seen, NOW);
        assert!(behind.tick(NOW) > seen);
    }

    #[test]
    fn clocks_that_met_agree_when_they_are_cut_off() {
        let (mut ahead, mut behind) = (StampClock::new(1), StampClock::new(2));
        behind.meet(ahead.millis(NOW + HOUR), NOW);
        let minute = Duration::from_secs(60);
        let unseen = ahead.tick(NOW + HOUR + minute);
        assert!(behind.tick(NOW + minute + Duration::from_millis(1)) > unseen, "issued later, so it is later");
    }

    #[test]
    fn a_clock_reads_what_its_own_says_and_the_lead_of_those_it_met() {
        let mut clock = StampClock::new(7);
        assert_eq!((clock.millis(NOW), clock.tick(NOW).millis()), (1_700_000_000_000, 1_700_000_000_000));
        clock.meet(1_700_000_000_500, NOW);
        assert_eq!((clock.millis(NOW), clock.tick(NOW).millis()), (1_700_000_000_500, 1_700_000_000_500));
        clock.meet(1_700_000_000_000, NOW);
        assert_eq!(clock.millis(NOW), 1_700_000_000_500, "one that is behind changes nothing");
        clock.meet(1_700_000_000_000 + Stamp::MOST_AHEAD + 1, NOW);
        assert_eq!(clock.millis(NOW), 1_700_000_000_500, "one that is out of range is not believed");
        clock.meet(1 << 48, NOW);
        assert_eq!(clock.millis(NOW), 1_700_000_000_500, "nor one of which a stamp has no room for the upper bits");
    }

    #[test]
    fn a_stamp_has_its_time_and_the_process_that_made_it() {
        let stamp = Stamp::received(0x2a_0003, 7, NOW).unwrap();
        assert_eq!((stamp.time(), stamp.millis(), stamp.node()), (0x2a_0003, 0x2a, 7));
    }

    #[test]
    fn a_stamp_out_of_range_is_no_stamp() {
        assert_eq!(Stamp::received(u64::MAX, 1, NOW), None);
        assert_eq!(Stamp::parse("ffffffffffffffff@1", NOW), None);
        assert_eq!(Stamp::parse("1", NOW), None);
    }

    #[test]
    fn a_stamp_comes_back_from_its_text() {
        let stamp = StampClock::new(u64::MAX).tick(NOW);
        assert_eq!(Stamp::parse(&stamp.to_string(), Timestamp(0)), Some(stamp), "also where the clock was never set");
    }
}
