//! [`Links`]: since when replicas can talk, which some invariants depend on.

use std::collections::BTreeMap;

use crate::net::Net;

/// Names that a replica did not see when it started are known to it after this long.
const NAMES_SETTLE: u64 = 3_000;

/// The state of the links between our replicas.
#[derive(Debug)]
pub(crate) struct Links {
    replicas: usize,
    /// Since when a replica is open; `None` while it is not.
    pub(crate) open: Vec<Option<u64>>,
    /// Since when both names of a pair have been right and named.
    named: BTreeMap<(usize, usize), u64>,
    /// Pairs that know each other: one announced itself to the other when it started, or both saw the names.
    acquainted: BTreeMap<(usize, usize), bool>,
    /// Since when calls from one to another have got through.
    orderly: BTreeMap<(usize, usize), u64>,
    /// Since when a replica's clock has run evenly, where it has leapt.
    even: BTreeMap<usize, u64>,
}

impl Links {
    pub(crate) fn new(replicas: usize) -> Self {
        Self {
            replicas,
            open: vec![None; replicas],
            named: BTreeMap::new(),
            acquainted: BTreeMap::new(),
            orderly: BTreeMap::new(),
            even: BTreeMap::new(),
        }
    }

    pub(crate) fn closed(&mut self, replica: usize) {
        if let Some(open) = self.open.get_mut(replica) {
            *open = None;
            self.acquainted.retain(|(one, other), _| *one != replica && *other != replica);
        }
    }

    /// A replica answers from now on; it announced itself to those with which it could talk all the while that it joined.
    pub(crate) fn opened(&mut self, replica: usize, met: &[usize], now: u64) {
        if let Some(open) = self.open.get_mut(replica) {
            *open = Some(now);
            for other in met {
                self.acquainted.insert((replica, *other), true);
                self.acquainted.insert((*other, replica), true);
            }
        }
    }

    /// Looks at the network. Returns the links that are no longer in order.
    pub(crate) fn refresh(&mut self, net: &Net, now: u64) -> Vec<(usize, usize)> {
        let mut lost = Vec::new();
        for pair in self.pairs() {
            let (from, to) = pair;
            let is_named = net.is_named(from) && net.is_named(to) && net.leads_right(from) && net.leads_right(to);
            let named = keep(&mut self.named, pair, is_named, now);
            let both_open = self.open[from].is_some() && self.open[to].is_some();
            if both_open && named.is_some_and(|since| now >= since + NAMES_SETTLE) {
                self.acquainted.insert(pair, true);
            }
            let orderly = both_open && self.acquainted.contains_key(&pair) && net.is_orderly(from, to);
            let before = self.orderly.contains_key(&pair);
            keep(&mut self.orderly, pair, orderly, now);
            if before && !orderly {
                lost.push(pair);
            }
        }
        lost
    }

    /// A replica's clock has leapt: calls of it and to it count anew from now on. Returns its links.
    pub(crate) fn interrupted(&mut self, replica: usize, now: u64) -> Vec<(usize, usize)> {
        self.even.insert(replica, now);
        let links = self.pairs().into_iter().filter(|(from, to)| *from == replica || *to == replica);
        let links: Vec<_> = links.filter(|link| self.orderly.contains_key(link)).collect();
        self.orderly.retain(|link, _| !links.contains(link));
        links
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let all = 0..self.replicas;
        all.clone().flat_map(|from| all.clone().map(move |to| (from, to))).filter(|(from, to)| from != to).collect()
    }

    /// Since when calls from one to the other have got through.
    pub(crate) fn orderly_since(&self, from: usize, to: usize) -> Option<u64> {
        self.orderly.get(&(from, to)).copied()
    }

    /// Since when two have been able to talk, in either direction.
    fn talk_since(&self, one: usize, other: usize) -> Option<u64> {
        let ways = [self.orderly_since(one, other), self.orderly_since(other, one)];
        ways.into_iter().flatten().min()
    }

    /// The groups of replicas that can talk, directly or through others: the members, since when the group exists, and its
    /// maximum distance in steps.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for replica in (0..self.replicas).filter(|replica| self.open[*replica].is_some()) {
            if groups.iter().any(|group| group.members.contains(&replica)) {
                continue;
            }
            let mut group = Group { members: vec![replica], since: 0, is_whole: false };
            let mut next = 0;
            while let Some(member) = group.members.get(next).copied() {
                for other in 0..self.replicas {
                    if let Some(since) = self.talk_since(member, other).filter(|_| member != other) {
                        group.since = group.since.max(since);
                        if !group.members.contains(&other) {
                            group.members.push(other);
                        }
                    }
                }
                next += 1;
            }
            let since = |member: &usize| self.even.get(member).copied().max(self.open[*member]);
            group.since = group.members.iter().filter_map(since).fold(group.since, u64::max);
            groups.extend(self.apart(&group));
        }
        groups
    }

    /// The parts of a group in which every replica learns what any of them knows. A replica sends the changes that it accepts
    /// itself to those that it can call ([`crate::oracle::Event`] has the expected ones), and passes on nothing that it learned.
    /// So a replica that has to know what another one learned from a third has to be able to ask, directly or through others.
    fn apart(&self, group: &Group) -> Vec<Group> {
        let learners = |from: usize| {
            let mut know = vec![from];
            let mut next = 0;
            while let Some(known) = know.get(next).copied() {
                let asks = |to: &usize| !know.contains(to) && self.orderly_since(*to, known).is_some();
                let learn: Vec<_> = group.members.iter().copied().filter(asks).collect();
                know.extend(learn);
                next += 1;
            }
            know
        };
        let mut parts: Vec<Group> = Vec::new();
        for member in &group.members {
            if parts.iter().any(|part| part.members.contains(member)) {
                continue;
            }
            let both = |other: &usize| learners(*member).contains(other) && learners(*other).contains(member);
            let members: Vec<usize> = group.members.iter().copied().filter(both).collect();
            let direct = |one: &usize, other: &usize| one == other || self.orderly_since(*one, *other).is_some();
            let is_whole = members.iter().all(|one| members.iter().all(|other| direct(one, other)));
            let pairs = members.iter().flat_map(|one| members.iter().map(move |other| (*one, *other)));
            let since = pairs.filter_map(|(one, other)| self.orderly_since(one, other)).fold(group.since, u64::max);
            parts.push(Group { members, since, is_whole });
        }
        parts
    }
}

/// Replicas that can talk.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) members: Vec<usize>,
    pub(crate) since: u64,
    /// Whether each can call each.
    pub(crate) is_whole: bool,
}

impl Group {
    /// The maximum time until all know the same: one comparison for each step.
    pub(crate) fn takes(&self) -> u64 {
        let steps = if self.is_whole { 1 } else { u64::try_from(self.members.len() - 1).unwrap() };
        5_000 * steps.max(1)
    }
}

fn keep(since: &mut BTreeMap<(usize, usize), u64>, pair: (usize, usize), holds: bool, now: u64) -> Option<u64> {
    if holds {
        return Some(*since.entry(pair).or_insert(now));
    }
    since.remove(&pair);
    None
}
