//! The state of a peer, and the metrics of what was sent to it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::batcher::Outcome;
use super::reachability::{PeerHealth, Say};
use crate::metrics::Durations;
use crate::registry::Reason;
use crate::time::Timestamp;

/// The state of a peer, as pages and metrics show it.
#[derive(Clone, Debug, Default)]
pub struct PeerState {
    /// The id of its process; `None` for a Java server, and before it answered.
    pub node: Option<String>,
    /// Whether it has answered who it is.
    pub identified: bool,
    /// When it last answered a call.
    pub last_answer: Option<Timestamp>,
    /// Why the last call failed; `None` if it was answered.
    pub last_error: Option<String>,
    /// The length of its queue.
    pub queue: usize,
    /// When the oldest task in it was offered.
    pub oldest: Option<Timestamp>,
    /// How many tasks were dropped because the queue was full.
    pub dropped: u64,
    /// How many tasks were given up because they could not be delivered in time.
    pub expired: u64,
    /// In how many applications it differed at the last comparison; `None` for a Java server, and before the first one.
    pub differing: Option<usize>,
    /// Since when every comparison has found a difference; `None` while the last one found none.
    pub differing_since: Option<Timestamp>,
}

/// What calls to a peer have shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    /// The id of its process; `None` for a Java server, and before it answered.
    pub(super) node: Option<String>,
    pub(super) identified: bool,
    pub(super) last_answer: Option<Timestamp>,
    /// Whether the last call was answered, and if not, why.
    pub(super) health: PeerHealth,
    pub(super) differing: Option<usize>,
    pub(super) differing_since: Option<Timestamp>,
    starts: Option<Starts>,
}

/// What a peer that is starting said of itself. Its port is closed, so nothing else is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starts {
    /// When it first announced itself.
    pub since: Timestamp,
    /// When it last did.
    last: Timestamp,
    /// What it waits for, in its own words; `None` if it did not say.
    pub waits_for: Option<Reason>,
}

/// After so long without another announcement, a peer that was starting may be gone: it announces itself several times a second, but not
/// while it copies a registry.
const STILL_STARTING: Duration = Duration::from_secs(60);

impl Observed {
    /// It is identified.
    pub(super) fn identified(&mut self, node: Option<String>) {
        self.node = node;
        self.identified = true;
    }

    /// It announced that it is starting. What it waits for is kept if it is one short line.
    pub(super) fn announced(&mut self, waits_for: Option<&str>, now: Timestamp) {
        let since = self.starts(now).map_or(now, |starts| starts.since);
        let waits_for = waits_for.and_then(|line| Reason::parse(line).ok().flatten());
        self.starts = Some(Starts { since, last: now, waits_for });
    }

    /// Since when it has been starting; `None` if it is not known to start.
    pub(super) fn starts(&self, now: Timestamp) -> Option<&Starts> {
        self.starts.as_ref().filter(|starts| now.since(starts.last) < STILL_STARTING)
    }

    /// It answered a call. Returns what to log about that.
    pub(super) fn answered(&mut self, now: Timestamp) -> Option<Say> {
        self.starts = None;
        self.last_answer = Some(now);
        self.health.answered(now)
    }

    /// Whether it answered the last call.
    pub(super) fn is_available(&self) -> bool {
        self.last_answer.is_some() && self.health.reason().is_none()
    }

    /// Notes the number of applications in which a comparison found a difference.
    pub(super) fn compared(&mut self, differing: usize, now: Timestamp) {
        self.differing = Some(differing);
        self.differing_since = (differing > 0).then(|| self.differing_since.unwrap_or(now));
    }
}

/// Counts what was sent to a peer since it became one.
#[derive(Debug, Default)]
pub struct Sent {
    batches: [AtomicU64; Outcome::ALL.len()],
    /// The number of changes and heartbeats that were delivered.
    items: AtomicU64,
    /// The time until batches were answered, or failed.
    took: Durations,
}

impl Sent {
    pub(super) fn note(&self, outcome: Outcome, items: usize, took: Duration) {
        self.batches[outcome as usize].fetch_add(1, Relaxed);
        self.took.observe(took);
        if outcome == Outcome::Delivered {
            self.items.fetch_add(items as u64, Relaxed);
        }
    }

    /// The number of batches by outcome.
    pub fn batches(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        Outcome::ALL.map(|outcome| (outcome, self.batches[outcome as usize].load(Relaxed)))
    }

    /// The number of changes and heartbeats that were delivered.
    pub fn items(&self) -> u64 {
        self.items.load(Relaxed)
    }

    /// The time until batches were answered, or failed.
    pub fn took(&self) -> &Durations {
        &self.took
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn a_peer_is_available_from_an_answer_until_a_failure() {
        let mut observed = Observed::default();
        assert!(!observed.is_available(), "it has not answered yet");
        observed.answered(NOW);
        assert!(observed.is_available());
        observed.health.note_failure("connection refused", NOW);
        assert!(!observed.is_available());
        observed.answered(NOW);
        assert!(observed.is_available());
    }

    #[test]
    fn a_peer_starts_from_its_first_announcement_until_it_answers_or_falls_silent() {
        let mut observed = Observed::default();
        let since = |observed: &Observed, now| observed.starts(now).map(|starts| starts.since);
        let waits_for = |observed: &Observed| observed.starts.clone().and_then(|starts| starts.waits_for);
        observed.announced(Some("registry-1: no answer in time"), NOW);
        let later = NOW + Duration::from_secs(50);
        assert_eq!(waits_for(&observed).unwrap().as_str(), "registry-1: no answer in time");
        for wrong in ["two\nlines", "\u{1b}[2J", &"x".repeat(201)] {
            observed.announced(Some(wrong), later);
            assert_eq!((waits_for(&observed), since(&observed, later)), (None, Some(NOW)), "{wrong:?}");
        }
        let silent = later + STILL_STARTING;
        assert_eq!(since(&observed, silent), None);
        observed.announced(None, silent);
        assert_eq!(since(&observed, silent), Some(silent), "another start");
        observed.answered(silent);
        assert_eq!(since(&observed, silent), None);
    }

    #[test]
    fn a_difference_is_dated_by_the_first_of_the_comparisons_that_found_one() {
        let mut observed = Observed::default();
        observed.compared(2, NOW);
        observed.compared(1, NOW + Duration::from_secs(2));
        assert_eq!((observed.differing, observed.differing_since), (Some(1), Some(NOW)));
        observed.compared(0, NOW + Duration::from_secs(4));
        assert_eq!((observed.differing, observed.differing_since), (Some(0), None));
    }
}
