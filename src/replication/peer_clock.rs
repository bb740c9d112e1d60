//! [`PeerClock`]: how times by a peer's clock are translated, so that no instance seems to have been heard later than it was.

use std::collections::VecDeque;

use crate::time::Timestamp;

/// The number of calls that count: clocks drift, and the clock of a suspended machine jumps.
const CALLS_KEPT: usize = 8;

/// The bounds of the difference between a peer's clock and ours, from the last calls to it.
///
/// The peer read its clock between our sending and our receiving. So its clock is ahead of ours by at least its reading minus the
/// time of receiving, and at most by its reading minus the time of sending. A time is translated by the bound that makes it
/// older: an instance may seem to have been silent for longer than it was, by the duration of a call, but never for less. The
/// caller translates, since only the caller knows when it sent and received.
#[derive(Clone, Debug, Default)]
pub struct PeerClock {
    /// The bounds of each call, in milliseconds.
    calls: VecDeque<(i64, i64)>,
}

impl PeerClock {
    /// Notes that the peer's clock read `theirs` between `sent` and `received` by ours.
    pub fn observe(&mut self, sent: Timestamp, theirs: Timestamp, received: Timestamp) {
        let call = (theirs.0.saturating_sub(received.0), theirs.0.saturating_sub(sent.0));
        if self.bounds().is_some_and(|(least, most)| call.1 < least || call.0 > most) {
            // One of the clocks jumped, so the earlier bounds no longer count.
            self.calls.clear();
        }
        if self.calls.len() == CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    /// Translates a time from our clock to the peer's; `None` before the peer's clock was ever read.
    pub fn to_theirs(&self, ours: Timestamp) -> Option<Timestamp> {
        self.bounds().map(|(least, _)| Timestamp(ours.0.saturating_add(least)))
    }

    /// Translates a time from the peer's clock to ours; `None` before the peer's clock was ever read.
    pub fn to_ours(&self, theirs: Timestamp) -> Option<Timestamp> {
        self.bounds().map(|(_, most)| Timestamp(theirs.0.saturating_sub(most)))
    }

    fn bounds(&self) -> Option<(i64, i64)> {
        let least = self.calls.iter().map(|(least, _)| *least).max()?;
        let most = self.calls.iter().map(|(_, most)| *most).min()?;
        Some((least, most))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the clocks say and however long calls take: no time grows younger on its way, there and back.
        #[test]
        fn no_time_grows_younger(offset in -4_000_000i64..4_000_000, calls in proptest::collection::vec((0i64..900, 0i64..900), 1..20)) {
            let mut clock = PeerClock::default();
            let mut now = 1_700_000_000_000;
            for (there, back) in calls {
                clock.observe(Timestamp(now), Timestamp(now + there + offset), Timestamp(now + there + back));
                now += 2_000;
                let (pushed, pulled) = (clock.to_theirs(Timestamp(now)).unwrap(), clock.to_ours(Timestamp(now + offset)).unwrap());
                prop_assert!((now + offset - 900..=now + offset).contains(&pushed.0), "told to the peer");
                prop_assert!((now - 900..=now).contains(&pulled.0), "taken from the peer");
            }
        }
    }

    #[test]
    fn the_shortest_call_tells_most() {
        let mut clock = PeerClock::default();
        clock.observe(Timestamp(1_000), Timestamp(1_500), Timestamp(2_000));
        clock.observe(Timestamp(3_000), Timestamp(3_001), Timestamp(3_002));
        assert_eq!(clock.to_theirs(Timestamp(5_000)), Some(Timestamp(4_999)));
        assert_eq!(clock.to_ours(Timestamp(5_000)), Some(Timestamp(4_999)));
    }

    #[test]
    fn a_clock_that_jumped_is_read_anew() {
        let mut clock = PeerClock::default();
        (0..8).for_each(|at| clock.observe(Timestamp(at), Timestamp(at), Timestamp(at)));
        clock.observe(Timestamp(10), Timestamp(3_600_010), Timestamp(10));
        assert_eq!(clock.to_theirs(Timestamp(20)), Some(Timestamp(3_600_020)));
    }

    #[test]
    fn nothing_is_known_before_the_first_call() {
        assert_eq!(PeerClock::default().to_theirs(Timestamp(5)), None);
        assert_eq!(PeerClock::default().to_ours(Timestamp(5)), None);
    }
}
