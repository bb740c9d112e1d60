//! [`PeerHealth`]: what is logged when a peer becomes unreachable and when it is up again.

use std::time::Duration;

use crate::time::Timestamp;

/// How long a peer that has never answered may be silent before that is logged: it may be starting.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(5);
/// Maximum log lines about one outage, so that a peer that fails in ever new ways does not fill the log.
const MOST_REASONS: usize = 4;

/// Whether one peer is reachable, as the log says it: one line when it becomes unreachable, one when it is up again.
#[derive(Clone, Debug, Default)]
pub struct PeerHealth {
    answered_before: bool,
    outage: Option<Outage>,
}

#[derive(Clone, Debug)]
struct Outage {
    since: Timestamp,
    reason: String,
    /// The reasons that were logged, without the numbers in them.
    said: Vec<String>,
}

impl Outage {
    /// The current outage, or a new one, with this as its last reason.
    fn noted<'a>(outage: &'a mut Option<Self>, reason: &str, now: Timestamp) -> &'a mut Self {
        let outage = outage.get_or_insert_with(|| Self { since: now, reason: String::new(), said: Vec::new() });
        reason.clone_into(&mut outage.reason);
        outage
    }
}

/// What to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// A warning: the peer is unreachable, or the reason is another one.
    Unreachable {
        /// Why, in plain words.
        reason: String,
    },
    /// The peer is up again. It is not logged if its outage was not.
    Back {
        /// How long it was unreachable.
        after: Duration,
    },
}

impl PeerHealth {
    /// A call to the peer failed. A reason that differs only in its numbers is not logged again.
    pub fn failed(&mut self, reason: &str, now: Timestamp) -> Option<Say> {
        let outage = Outage::noted(&mut self.outage, reason, now);
        if !self.answered_before && now.since(outage.since) < PATIENCE_AT_FIRST {
            return None;
        }
        let kind: String = reason.chars().filter(|c| !c.is_ascii_digit()).collect();
        if outage.said.contains(&kind) || outage.said.len() == MOST_REASONS {
            return None;
        }
        outage.said.push(kind);
        Some(Say::Unreachable { reason: reason.to_owned() })
    }

    /// A call to the peer failed, and another component logs that.
    pub fn note_failure(&mut self, reason: &str, now: Timestamp) {
        Outage::noted(&mut self.outage, reason, now);
    }

    /// The peer answered.
    pub fn answered(&mut self, now: Timestamp) -> Option<Say> {
        self.answered_before = true;
        let outage = self.outage.take()?;
        (!outage.said.is_empty()).then(|| Say::Back { after: now.since(outage.since) })
    }

    /// Since when the peer is unreachable, if it is.
    pub fn unreachable_since(&self) -> Option<Timestamp> {
        self.outage.as_ref().map(|outage| outage.since)
    }

    /// Why the last call failed, until one is answered.
    pub fn reason(&self) -> Option<&str> {
        self.outage.as_ref().map(|outage| outage.reason.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "connection refused";

    fn at(secs: i64) -> Timestamp {
        Timestamp(1_700_000_000_000 + secs * 1000)
    }

    fn known() -> PeerHealth {
        let mut health = PeerHealth::default();
        assert_eq!(health.answered(at(0)), None);
        health
    }

    fn unreachable(reason: &str) -> Option<Say> {
        Some(Say::Unreachable { reason: reason.to_owned() })
    }

    #[test]
    fn one_line_when_it_goes_and_one_when_it_is_back() {
        let mut health = known();
        assert_eq!(health.failed(REFUSED, at(10)), unreachable(REFUSED));
        assert_eq!(health.failed(REFUSED, at(20)), None);
        assert_eq!((health.unreachable_since(), health.reason()), (Some(at(10)), Some(REFUSED)));
        assert_eq!(health.answered(at(42)), Some(Say::Back { after: Duration::from_secs(32) }));
        assert_eq!((health.unreachable_since(), health.reason()), (None, None));
        assert_eq!(health.answered(at(43)), None);
        assert_eq!(health.failed(REFUSED, at(50)), unreachable(REFUSED), "a new outage is said again");
    }

    #[test]
    fn numbers_make_no_other_reason_and_other_reasons_alternate_in_silence() {
        let mut health = known();
        assert!(health.failed("no answer within 5 s", at(1)).is_some());
        assert_eq!(health.failed("no answer within 4 s", at(2)), None);
        assert_eq!(health.reason(), Some("no answer within 4 s"));
        assert_eq!(health.failed(REFUSED, at(3)), unreachable(REFUSED));
        assert_eq!(health.failed("no answer within 5 s", at(4)), None);
        assert_eq!(health.failed(REFUSED, at(5)), None);
    }

    #[test]
    fn a_failure_that_somebody_else_says_is_the_reason_and_nothing_is_said_when_it_is_over() {
        let mut health = known();
        health.note_failure(REFUSED, at(1));
        assert_eq!((health.unreachable_since(), health.reason()), (Some(at(1)), Some(REFUSED)));
        assert_eq!(health.answered(at(2)), None);
    }

    #[test]
    fn one_outage_has_a_bounded_number_of_lines() {
        let mut health = known();
        let said = (0..26_u8).filter(|n| health.failed(&char::from(b'a' + n).to_string(), at(1)).is_some()).count();
        assert_eq!(said, MOST_REASONS);
    }

    #[test]
    fn a_peer_that_never_answered_may_be_starting() {
        let mut health = PeerHealth::default();
        assert_eq!(health.failed(REFUSED, at(0)), None);
        assert_eq!(health.failed(REFUSED, at(4)), None);
        assert_eq!(health.clone().answered(at(5)), None, "nobody was told that it was missing");
        assert_eq!(health.failed(REFUSED, at(5)), unreachable(REFUSED));
        assert_eq!(health.answered(at(7)), Some(Say::Back { after: Duration::from_secs(7) }));
    }
}
