//! [`Zones`]: the zones of nodes, as far as they are known. It knows neither network nor clock.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::time::Timestamp;

/// A node is read again after this long. Its zone changes only if somebody labels it anew.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// The zones of nodes: of as many as have pods that are kept.
#[derive(Debug, Default)]
pub(super) struct Zones(HashMap<Box<str>, Node>);

#[derive(Debug)]
struct Node {
    /// `None` if it names none, or is gone.
    zone: Option<Box<str>>,
    read: Timestamp,
}

impl Zones {
    /// Forgets other nodes than these, and says which of these are to be read.
    pub(super) fn due(&mut self, nodes: HashSet<Box<str>>, now: Timestamp) -> Vec<Box<str>> {
        self.0.retain(|name, _| nodes.contains(name));
        let is_known = |name: &str| self.0.get(name).is_some_and(|node| now.since(node.read) < KEPT);
        let mut unknown: Vec<Box<str>> = nodes.into_iter().filter(|name| !is_known(name)).collect();
        unknown.sort_unstable();
        unknown
    }

    /// Notes what a node says now.
    pub(super) fn read(&mut self, node: Box<str>, zone: Option<Box<str>>, now: Timestamp) {
        let zone = zone.filter(|zone| !zone.is_empty());
        self.0.insert(node, Node { zone, read: now });
    }

    /// The zone of a node, if it is known and has one.
    pub(super) fn of(&self, node: &str) -> Option<&str> {
        self.0.get(node)?.zone.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!((zones.of("a"), zones.0.len()), (Some("zone-1"), 1), "what was known holds until it is read again");
    }
}
