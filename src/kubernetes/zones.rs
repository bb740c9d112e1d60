//! [`Zones`]: the zones of nodes, as far as they are known. It knows neither network nor clock.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::time::Timestamp;

/// A node is read again after this long. Its zone changes only if somebody labels it anew.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// The zones of nodes: of as many as have pods that are kept.
#[derive(Debug, Default)]
pub(super) struct Zones {
    known: HashMap<Box<str>, Node>,
    /// When the others were last asked for in vain.
    failed: HashMap<Box<str>, Timestamp>,
}

#[derive(Debug)]
struct Node {
    /// `None` if it names none, or is gone.
    zone: Option<Box<str>>,
    read: Timestamp,
}

impl Zones {
    /// Forgets other nodes than these, and says which of these are to be read: last those that failed last, so that one that always
    /// fails keeps no other one back.
    pub(super) fn due(&mut self, nodes: HashSet<Box<str>>, now: Timestamp) -> Vec<Box<str>> {
        self.known.retain(|name, _| nodes.contains(name));
        self.failed.retain(|name, _| nodes.contains(name));
        let is_known = |name: &str| self.known.get(name).is_some_and(|node| now.since(node.read) < KEPT);
        let mut unknown: Vec<Box<str>> = nodes.into_iter().filter(|name| !is_known(name)).collect();
        unknown.sort_unstable_by(|a, b| (self.failed.get(a), a).cmp(&(self.failed.get(b), b)));
        unknown
    }

    /// Notes what a node says now.
    pub(super) fn read(&mut self, node: Box<str>, zone: Option<Box<str>>, now: Timestamp) {
        let zone = zone.filter(|zone| !zone.is_empty());
        self.failed.remove(&node);
        self.known.insert(node, Node { zone, read: now });
    }

    /// Notes that a node cannot be read now.
    pub(super) fn failed(&mut self, node: Box<str>, now: Timestamp) {
        self.failed.insert(node, now);
    }

    /// The zone of a node, if it is known and has one.
    pub(super) fn of(&self, node: &str) -> Option<&str> {
        self.known.get(node)?.zone.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_cannot_be_read_keeps_no_other_one_back() {
        let start = Timestamp(1_700_000_000_000);
        let nodes = || ["a", "b", "c"].map(Box::from).into_iter().collect::<HashSet<Box<str>>>();
        let mut zones = Zones::default();
        for (secs, failed, next) in [(0, "a", ["b", "c", "a"]), (1, "b", ["c", "a", "b"]), (2, "a", ["c", "b", "a"])] {
            zones.failed(failed.into(), start + Duration::from_secs(secs));
            assert_eq!(zones.due(nodes(), start + KEPT), next.map(Box::from));
        }
        zones.read("a".into(), None, start + KEPT);
        assert_eq!(zones.due(nodes(), start + KEPT), ["c", "b"].map(Box::from));
        zones.due(HashSet::new(), start + KEPT);
        assert!(zones.failed.is_empty() && zones.known.is_empty());
    }

    #[test]
    fn nodes_are_read_once_in_a_while_and_forgotten_with_their_pods() {
        let start = Timestamp(1_700_000_000_000);
        let nodes = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect::<HashSet<Box<str>>>();
        let mut zones = Zones::default();
        assert_eq!(zones.due(nodes(&["b", "a"]), start), ["a".into(), "b".into()]);
        zones.read("a".into(), Some("zone-1".into()), start);
        zones.read("b".into(), Some("".into()), start);
        assert_eq!((zones.of("a"), zones.of("b"), zones.of("c")), (Some("zone-1"), None, None));
        assert!(zones.due(nodes(&["a", "b"]), start + KEPT / 2).is_empty(), "it is known that one has none");
        assert_eq!(zones.due(nodes(&["a"]), start + KEPT), ["a".into()]);
        assert_eq!(
            (zones.of("a"), zones.known.len()),
            (Some("zone-1"), 1),
            "what was known holds until it is read again"
        );
    }
}
