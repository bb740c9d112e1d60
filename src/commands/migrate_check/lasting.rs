//! [`Lasting`]: which differences last longer than propagation explains.
//!
//! A Java server's lists are up to 30 s old, and a change takes a moment to arrive. So two servers that agree show different values
//! whenever something changes. A difference is explained as long as one side shows what the other one showed less than `grace` ago.

use std::collections::HashMap;
use std::time::Duration;

use super::compare::{Difference, Field};
use crate::model::InstanceKey;

/// Maximum differences that are followed at a time.
const MOST_FOLLOWED: usize = 20_000;
/// Maximum values of one field that are remembered.
const MOST_VALUES: usize = 8;

/// Time since the watch began.
pub(super) type Moment = Duration;

/// Two servers that are compared, by their places in the list of servers.
pub(super) type Pair = (usize, usize);

/// A difference that is reported, or its end.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) pair: Pair,
    pub(super) difference: Difference,
    /// Since when it is not explained.
    pub(super) since: Moment,
    /// Whether it has ended.
    pub(super) ended: bool,
}

#[derive(Debug)]
struct Followed {
    difference: Difference,
    first: Moment,
    /// When each side showed a value last.
    left: Vec<(u64, Moment)>,
    right: Vec<(u64, Moment)>,
    /// Since when it is not explained, once it is reported.
    reported: Option<Moment>,
}

/// The differences that are there.
#[derive(Debug)]
pub(super) struct Lasting {
    grace: Duration,
    followed: HashMap<(Pair, InstanceKey, Field), Followed>,
    /// How many could not be followed in the last comparison of all pairs.
    unfollowed: usize,
}

impl Lasting {
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, followed: HashMap::new(), unfollowed: 0 }
    }

    /// Takes the differences of a comparison; returns those that have just become unexplained, and reported ones that ended.
    pub(super) fn observe(&mut self, pair: Pair, found: Vec<Difference>, now: Moment) -> Vec<Event> {
        let mut events = Vec::new();
        let mut present = std::collections::HashSet::new();
        for difference in found {
            let key = (pair, difference.key.clone(), difference.field);
            if !self.followed.contains_key(&key) && self.followed.len() >= MOST_FOLLOWED {
                self.unfollowed += 1;
                continue;
            }
            let followed = self.followed.entry(key.clone()).or_insert_with(|| Followed {
                difference: difference.clone(),
                first: now,
                left: Vec::new(),
                right: Vec::new(),
                reported: None,
            });
            present.insert(key);
            if let Some(since) = followed.see(difference, now, self.grace) {
                events.push(Event { pair, difference: followed.difference.clone(), since, ended: false });
            }
        }
        self.followed.retain(|key, followed| {
            let is_there = key.0 != pair || present.contains(key);
            if let Some(since) = followed.reported.filter(|_| !is_there) {
                events.push(Event { pair, difference: followed.difference.clone(), since, ended: true });
            }
            is_there
        });
        let place = |event: &Event| (event.ended, event.difference.key.clone(), event.difference.field);
        events.sort_by_key(place);
        events
    }

    /// A server could not be read, or has started anew: what is not reported yet is new when it is seen again.
    pub(super) fn interrupt(&mut self, server: usize) {
        self.followed.retain(|((left, right), _, _), followed| {
            followed.reported.is_some() || (*left != server && *right != server)
        });
    }

    /// The number of reported differences that are still there.
    pub(super) fn standing(&self) -> usize {
        self.followed.values().filter(|followed| followed.reported.is_some()).count()
    }

    /// The number of differences that there was no room for, and forgets it.
    pub(super) fn take_unfollowed(&mut self) -> usize {
        std::mem::take(&mut self.unfollowed)
    }
}

impl Followed {
    /// Notes what is shown now; returns since when it is unexplained, if that has just become too long.
    fn see(&mut self, difference: Difference, now: Moment, grace: Duration) -> Option<Moment> {
        remember(&mut self.left, difference.left.hash, now);
        remember(&mut self.right, difference.right.hash, now);
        let last = |seen: &[(u64, Moment)], value| seen.iter().find(|(one, _)| *one == value).map(|(_, at)| *at);
        let explained = [last(&self.left, difference.right.hash), last(&self.right, difference.left.hash)];
        let since = explained.into_iter().flatten().fold(self.first, Moment::max);
        self.difference = difference;
        if self.reported.is_some() || now.saturating_sub(since) < grace {
            return None;
        }
        self.reported = Some(since);
        self.reported
    }
}

/// Notes that a value was shown; of too many, the one that was not shown for longest is forgotten.
fn remember(seen: &mut Vec<(u64, Moment)>, value: u64, now: Moment) {
    seen.retain(|(one, _)| *one != value);
    if seen.len() == MOST_VALUES {
        seen.remove(0);
    }
    seen.push((value, now));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::commands::migrate_check::compare::{View, compare};
    use crate::model::{AppName, InstanceInfo};
    use crate::time::Timestamp;

    const GRACE: Duration = Duration::from_secs(60);

    fn view(dirty: Option<i64>) -> View {
        dirty
            .map(|dirty| InstanceInfo::new(AppName::new("A"), "h", "10.0.0.1", Timestamp(dirty)))
            .map(|info| (info.key(), info))
            .into_iter()
            .collect()
    }

    /// What is reported when the two sides show these values, each time five seconds later: the seconds, and whether it began.
    fn reported(shown: impl IntoIterator<Item = (Option<i64>, Option<i64>)>) -> Vec<(u64, bool)> {
        let mut lasting = Lasting::new(GRACE);
        let mut all = Vec::new();
        for (at, (left, right)) in shown.into_iter().enumerate() {
            let now = Duration::from_secs(5 * at as u64);
            let events = lasting.observe((0, 1), compare(&view(left), &view(right)), now);
            all.extend(events.into_iter().map(|event| (now.as_secs(), !event.ended)));
        }
        all
    }

    #[test]
    fn a_difference_is_reported_once_when_it_lasts_and_once_when_it_ends() {
        let short = (0..11).map(|_| (Some(1), None)).chain([(Some(1), Some(1))]);
        assert_eq!(reported(short), []);
        let long = (0..40).map(|_| (Some(1), None)).chain([(Some(1), Some(1))]);
        assert_eq!(reported(long), [(60, true), (200, false)]);
    }

    #[test]
    fn a_side_that_follows_late_is_explained_and_one_that_stands_still_is_not() {
        // The left one changes every 20 s; the right one shows each value 30 s later.
        let late = (0..100).map(|at| (Some(at / 4), Some((at - 6).max(0) / 4)));
        assert_eq!(reported(late), []);
        let still = (0..100).map(|at| (Some(at / 4), Some(0)));
        assert_eq!(reported(still), [(80, true)]);
    }

    #[test]
    fn an_interruption_begins_what_is_not_reported_anew() {
        let mut lasting = Lasting::new(GRACE);
        let mut at = |secs, interrupt: bool| {
            if interrupt {
                lasting.interrupt(1);
            }
            lasting.observe((0, 1), compare(&view(Some(1)), &view(None)), Duration::from_secs(secs)).len()
        };
        assert_eq!([at(0, false), at(59, true), at(118, false), at(119, false), at(300, true)], [0, 0, 0, 1, 0]);
        assert_eq!((lasting.standing(), lasting.take_unfollowed()), (1, 0));
    }

    proptest! {
        /// A delay below the grace is never reported, whatever changes.
        #[test]
        fn no_delay_below_the_grace_is_reported(changes in prop::collection::vec(prop::option::of(0_i64..4), 1..60), delay in 0_usize..12) {
            let late = (0..changes.len()).map(|at| (changes[at], changes[at.saturating_sub(delay)]));
            prop_assert_eq!(reported(late.collect::<Vec<_>>()), []);
        }
    }
}
