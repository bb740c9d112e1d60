//! [`PeerClock`]: how times by a peer's clock are translated, so that no instance seems to have been heard later than it was.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// The number of calls that count: clocks drift, and the clock of a suspended machine jumps.
const CALLS_KEPT: usize = 8;

/// A clock has jumped if two clocks differ by this many milliseconds more or less than the last calls can explain.
const JUMP_MS: i64 = 1_000;

/// The bounds of the difference between a peer's clock and ours, from the last calls to it.
///
/// The peer read its clock between our sending and our receiving. So its clock is ahead of ours by at least its reading minus the
/// time of receiving, and at most by its reading minus the time of sending. A time is translated by the bound that makes it
/// older: an instance may seem to have been silent for longer than it was, by the duration of a call, but never for less. The
/// caller translates, since only the caller knows when it sent and received.
///
/// Where one of the two clocks jumps, times from before the jump are translated by the bounds from before or after it, whichever
/// make them older: the clock of a suspended machine falls behind, and what it heard long ago must not seem new.
#[derive(Clone, Debug, Default)]
pub struct PeerClock {
    /// The bounds of each call, in milliseconds.
    calls: VecDeque<(i64, i64)>,
    /// When the first call was answered, and the last one.
    read_since: Option<Timestamp>,
    read_at: Timestamp,
    jump: Option<Jump>,
}

/// How a peer's clock reads beside ours, since one of the two has jumped. Which one, a single peer cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jumped {
    /// Further ahead than before: it leapt ahead, or ours stood still.
    Ahead,
    /// Further behind than before: it stood still, or ours leapt ahead.
    Behind,
}

/// A jump of one of the two clocks.
#[derive(Clone, Copy, Debug)]
struct Jump {
    /// The bounds before it.
    before: (i64, i64),
    /// What our clock and the peer's read at the first call after it.
    ours: Timestamp,
    theirs: Timestamp,
    /// By how many milliseconds the peer's clock is further ahead since, until that was looked at.
    ahead: Option<i64>,
}

impl PeerClock {
    /// Notes that the peer's clock read `theirs` between `sent` and `received` by ours. Returns whether one of the two has jumped.
    pub fn observe(&mut self, sent: Timestamp, theirs: Timestamp, received: Timestamp) -> Option<Jumped> {
        let mut jumped = None;
        let call = (theirs.0.saturating_sub(received.0), theirs.0.saturating_sub(sent.0));
        if let Some((least, most)) = self.bounds()
            && (call.1 < least || call.0 > most)
        {
            // One of the clocks jumped, or drifted, so the earlier bounds no longer count.
            self.calls.clear();
            let ahead = if call.0 > most { call.0 - most } else { call.1 - least };
            if ahead.abs() >= JUMP_MS {
                jumped = Some(if ahead > 0 { Jumped::Ahead } else { Jumped::Behind });
                let older = self.jump.map_or((least, most), |jump| (jump.before.0.min(least), jump.before.1.max(most)));
                self.jump = Some(Jump { before: older, ours: received, theirs, ahead: Some(ahead) });
            }
        }
        if self.calls.len() == CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
        self.read_since.get_or_insert(received);
        self.read_at = received;
        jumped
    }

    /// Translates a time from our clock to the peer's; `None` before the peer's clock was ever read.
    pub fn to_theirs(&self, ours: Timestamp) -> Option<Timestamp> {
        let (least, _) = self.bounds()?;
        let jump = self.jump.filter(|jump| ours < jump.ours);
        Some(Timestamp(ours.0.saturating_add(jump.map_or(least, |jump| jump.before.0.min(least)))))
    }

    /// Translates a time from the peer's clock to ours; `None` before the peer's clock was ever read. For the question that comes
    /// before an eviction: who was heard before a jump does not seem older by it.
    pub fn to_ours(&self, theirs: Timestamp) -> Option<Timestamp> {
        self.bounds().map(|(_, most)| Timestamp(theirs.0.saturating_sub(most)))
    }

    /// The same, for everything else: who was heard before a jump does not seem younger by it.
    pub fn to_ours_at_most(&self, theirs: Timestamp) -> Option<Timestamp> {
        let (_, most) = self.bounds()?;
        let jump = self.jump.filter(|jump| theirs < jump.theirs);
        Some(Timestamp(theirs.0.saturating_sub(jump.map_or(most, |jump| jump.before.1.max(most)))))
    }

    /// By how many milliseconds the peer's clock is ahead of ours, as well as that is known; negative if it is behind, `None` before
    /// it was ever read.
    pub fn offset_ms(&self) -> Option<i64> {
        self.bounds().map(|(least, most)| least.saturating_add(most.saturating_sub(least) / 2))
    }

    fn bounds(&self) -> Option<(i64, i64)> {
        let least = self.calls.iter().map(|(least, _)| *least).max()?;
        let most = self.calls.iter().map(|(_, most)| *most).min()?;
        Some((least, most))
    }
}

/// By how much our own clock fell behind, as that of a suspended machine does: all peers, at least two, are further ahead than
/// before. A single peer may have jumped itself, and one that was first read since then, such as a new process, cannot say. Each
/// jump is looked at once.
pub(super) fn fell_behind<'a>(peers: impl IntoIterator<Item = &'a mut PeerClock>) -> Option<Duration> {
    let mut peers: Vec<&mut PeerClock> = peers.into_iter().collect();
    let jumped = |peer: &PeerClock| peer.jump.filter(|jump| jump.ahead.is_some());
    let first = peers.iter().filter_map(|peer| jumped(peer)).map(|jump| jump.ours).min()?;
    peers.retain(|peer| jumped(peer).is_some() || peer.read_since.is_some_and(|since| since < first));
    if peers.iter().any(|peer| jumped(peer).is_none() && peer.read_at < first) {
        return None; // it has not answered since
    }
    let ahead: Vec<Option<i64>> = peers.iter().map(|peer| jumped(peer).and_then(|jump| jump.ahead)).collect();
    peers.iter_mut().filter_map(|peer| peer.jump.as_mut()).for_each(|jump| jump.ahead = None);
    let least = ahead.iter().map(|ahead| ahead.unwrap_or(0)).min().filter(|_| ahead.len() >= 2)?;
    (least >= JUMP_MS).then(|| Duration::from_millis(least.unsigned_abs()))
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
    fn the_offset_of_a_clock_lies_between_its_bounds() {
        let mut clock = PeerClock::default();
        assert_eq!(clock.offset_ms(), None);
        clock.observe(Timestamp(1_000), Timestamp(31_100), Timestamp(1_200));
        assert_eq!(clock.offset_ms(), Some(30_000), "read in the middle of the call");
        let mut behind = PeerClock::default();
        behind.observe(Timestamp(31_100), Timestamp(1_000), Timestamp(31_100));
        assert_eq!(behind.offset_ms(), Some(-30_100));
    }

    #[test]
    fn a_clock_that_jumped_is_read_anew() {
        let mut clock = PeerClock::default();
        assert!((0..8).all(|at| clock.observe(Timestamp(at), Timestamp(at), Timestamp(at)).is_none()));
        assert_eq!(clock.observe(Timestamp(10), Timestamp(3_600_010), Timestamp(10)), Some(Jumped::Ahead));
        assert_eq!(clock.to_theirs(Timestamp(20)), Some(Timestamp(3_600_020)));
        assert_eq!(clock.observe(Timestamp(30), Timestamp(30), Timestamp(30)), Some(Jumped::Behind));
        assert_eq!(clock.observe(Timestamp(40), Timestamp(41), Timestamp(40)), None, "it drifts");
    }

    /// A clock that was read twice, before and after it was further ahead by so much.
    fn jumped(ahead: i64) -> PeerClock {
        let mut clock = PeerClock::default();
        clock.observe(Timestamp(100_000), Timestamp(100_000), Timestamp(100_000));
        clock.observe(Timestamp(102_000), Timestamp(102_000 + ahead), Timestamp(102_000));
        clock
    }

    /// A clock that was read once, at this time.
    fn read_at(at: i64) -> PeerClock {
        let mut clock = PeerClock::default();
        clock.observe(Timestamp(at), Timestamp(at), Timestamp(at));
        clock
    }

    #[test]
    fn what_was_heard_before_a_peer_was_suspended_does_not_seem_new() {
        let clock = jumped(-60_000);
        let before = Timestamp(41_000);
        assert_eq!(clock.to_ours_at_most(before), Some(before), "it is absent here, and was heard a minute ago");
        assert_eq!(clock.to_ours(before), Some(Timestamp(101_000)));
        assert_eq!(clock.to_ours_at_most(Timestamp(43_000)), Some(Timestamp(103_000)), "it was heard since");
    }

    #[test]
    fn what_was_heard_here_before_a_suspension_is_told_as_old_as_it_is() {
        let clock = jumped(60_000);
        assert_eq!(clock.to_theirs(Timestamp(101_000)), Some(Timestamp(101_000)), "by the peer's clock a minute ago");
        assert_eq!(clock.to_theirs(Timestamp(103_000)), Some(Timestamp(163_000)), "it was heard since");
    }

    #[test]
    fn a_clock_fell_behind_if_all_peers_say_so() {
        let mut clocks = [jumped(60_000), jumped(60_003)];
        assert_eq!(fell_behind(&mut clocks), Some(Duration::from_secs(60)));
        assert_eq!(fell_behind(&mut clocks), None, "each jump counts once");
        assert_eq!(fell_behind(&mut [jumped(60_000)]), None, "a single peer may have jumped itself");
        assert_eq!(fell_behind(&mut [jumped(60_000), jumped(0)]), None, "one of two peers jumped");
        assert_eq!(fell_behind(&mut [jumped(-60_000), jumped(-60_000)]), None, "this clock leapt ahead");
        let mut waiting = [jumped(60_000), read_at(100_000)];
        assert_eq!(fell_behind(&mut waiting), None, "the other peer has not answered since");
        waiting[1] = jumped(60_000);
        assert_eq!(fell_behind(&mut waiting), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_peer_that_was_first_read_after_a_jump_says_nothing_about_it() {
        let mut clocks = [jumped(60_000), jumped(60_000), read_at(102_001)];
        assert_eq!(fell_behind(&mut clocks), Some(Duration::from_secs(60)), "a new process");
        assert_eq!(fell_behind(&mut [jumped(60_000), read_at(102_001)]), None, "only one peer can compare");
    }

    #[test]
    fn nothing_is_known_before_the_first_call() {
        assert_eq!(PeerClock::default().to_theirs(Timestamp(5)), None);
        assert_eq!(PeerClock::default().to_ours(Timestamp(5)), None);
    }
}
