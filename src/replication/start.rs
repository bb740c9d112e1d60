//! [`Start`]: whether a starting replica may open its port, and with what.
//!
//! A pure state machine: it is given the answers of name servers and peers, and decides what to do next. A replica opens when it
//! has a whole copy, or when no peer can have one. Only a peer that *refuses* the connection, or a Service that lists no ready
//! replica, proves that. While the question is open, it is asked again, for at most the time that the operator allows.
//!
//! CoreDNS answers NXDOMAIN for a headless Service without a ready pod, as for one that does not exist, and remembers it
//! for five seconds. So an empty answer alone proves nothing to a replica that others must have started before: those are
//! [likely](Start::new), and asked by their own names. For as long it still lists replicas that were all killed at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ServiceUrl;
use crate::registry::PeerMemory;
use crate::time::Timestamp;

/// Maximum peers that are asked.
const MOST_PEERS: usize = 100;
/// The pause between two rounds of questions.
const PAUSE: Duration = Duration::from_millis(200);
/// After a Service has listed nobody for so long, each of its name servers has forgotten what it answered before: CoreDNS remembers an
/// answer for five seconds.
const FORGOTTEN: Duration = Duration::from_secs(6);

/// The result of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// These replicas are listed, perhaps none.
    Listed(BTreeSet<ServiceUrl>),
    /// The Service lists nobody.
    Nobody {
        /// The configured peers, which do not depend on it.
        fixed: BTreeSet<ServiceUrl>,
        /// The replicas that it listed before, since this one started.
        before: BTreeSet<ServiceUrl>,
    },
    /// No name server answered.
    Unknown(String),
}

/// The answer of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is up.
    Up {
        /// The peers that it knows.
        peers: Vec<ServiceUrl>,
        /// Whether it is a replica of ours.
        is_ours: bool,
    },
    /// Its registry was copied.
    Copied {
        /// The number of copied instances.
        instances: u32,
        /// Whether the peer knows what clients know.
        memory: PeerMemory,
    },
    /// It refuses connections: it does not run, or is starting, too.
    Refused,
    /// It runs, and has lost its memory: there is nothing to copy.
    Forgetful,
    /// It is this replica, or belongs to another cluster.
    NoPeer,
    /// Its name does not exist. Of a peer that only another peer or a snapshot named that settles it: anybody may have invented the
    /// name, or the peer is gone. It also settles it of one that the Service listed, and has not for a while.
    NoSuchName,
    /// No answer that settles the question: a time-out, a name that does not resolve, an error.
    Open(String),
}

/// How a replica opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// With the copy of a peer.
    Copied {
        /// The peer.
        from: ServiceUrl,
        /// The number of copied instances.
        instances: u32,
        /// Whether the peer knows what clients know.
        memory: PeerMemory,
    },
    /// Without a copy, since no peer has one.
    Nobody,
    /// Without a copy, since none was available in time, for this reason.
    GaveUp(String),
}

impl Opening {
    /// Whether the replica knows what clients know: what it copied, and what clients showed to the one that it copied from.
    pub fn memory(&self) -> PeerMemory {
        match self {
            Self::Copied { memory, .. } => *memory,
            Self::Nobody | Self::GaveUp(_) => PeerMemory::InDoubt,
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Announce this replica to these.
    Announce(Vec<ServiceUrl>),
    /// Copy the registry of this one.
    Copy(ServiceUrl),
    /// Look the names up again after a pause. The line says what this replica waits for, if that has changed.
    Again(Duration, Option<String>),
    /// Open.
    Open(Opening),
}

/// The start of one replica.
#[derive(Debug)]
pub struct Start {
    own: Option<ServiceUrl>,
    likely: BTreeSet<ServiceUrl>,
    /// The peers that there were before this replica stopped.
    remembered: BTreeSet<ServiceUrl>,
    deadline: Timestamp,
    names: Names,
    /// What each peer answered in this round; `None` before it is asked.
    round: BTreeMap<ServiceUrl, Option<Answer>>,
    /// Since when the Service lists nobody, though it listed replicas before.
    nobody_since: Option<Timestamp>,
    /// The peers that nobody but another peer or a snapshot named, and those that the Service listed and has not for a while.
    told: BTreeSet<ServiceUrl>,
    /// The replicas of ours that were up in this round.
    ours: BTreeSet<ServiceUrl>,
    copied: Option<Opening>,
    said: Option<String>,
}

impl Start {
    /// A start that gives up at `deadline`, of the replica that serves at `own`. `likely` are peers that are not listed yet, but
    /// must have been started before this replica: those with lower ordinals in a StatefulSet.
    pub fn new(own: Option<ServiceUrl>, likely: impl IntoIterator<Item = ServiceUrl>, deadline: Timestamp) -> Self {
        let likely = likely.into_iter().take(MOST_PEERS).collect();
        let names = Names::Listed(BTreeSet::new());
        Self {
            own,
            likely,
            remembered: BTreeSet::new(),
            deadline,
            names,
            round: BTreeMap::new(),
            nobody_since: None,
            told: BTreeSet::new(),
            ours: BTreeSet::new(),
            copied: None,
            said: None,
        }
    }

    /// The same start of a replica that remembers these peers, from a snapshot. They are asked, too, but a name that does not exist
    /// any more settles that one of them is gone.
    #[must_use]
    pub fn remembering(self, peers: impl IntoIterator<Item = ServiceUrl>) -> Self {
        Self { remembered: peers.into_iter().take(MOST_PEERS).collect(), ..self }
    }

    /// Begins a round with the result of a lookup. `same` tells whether two names belong to one replica.
    pub fn named(&mut self, names: Names, now: Timestamp, same: impl Fn(&ServiceUrl, &ServiceUrl) -> bool) {
        self.round.clear();
        self.told.clear();
        self.ours.clear();
        let since = self.nobody_since.take().unwrap_or(now);
        match &names {
            Names::Listed(listed) => listed.iter().for_each(|peer| self.add(peer.clone())),
            Names::Nobody { fixed, before } => {
                fixed.iter().for_each(|peer| self.add(peer.clone()));
                self.nobody_since = Some(since);
                let forgotten = now.since(since) >= FORGOTTEN;
                for peer in before {
                    let settled = forgotten && !self.likely.iter().any(|likely| same(likely, peer));
                    if settled {
                        self.told.insert(peer.clone());
                    }
                    // An address does not say that it is nobody's any more. It was asked meanwhile.
                    if !settled || peer.address().is_none() {
                        self.add(peer.clone());
                    }
                }
            }
            Names::Unknown(_) => {}
        }
        let unlisted = |likely: &&ServiceUrl| !self.round.keys().any(|listed| same(listed, likely));
        for likely in self.likely.iter().filter(unlisted).cloned().collect::<Vec<_>>() {
            self.add(likely);
        }
        let unlisted = |peer: &&ServiceUrl| !self.round.keys().any(|listed| same(listed, peer));
        for remembered in self.remembered.iter().filter(unlisted).cloned().collect::<Vec<_>>() {
            self.told.insert(remembered.clone());
            self.add(remembered);
        }
        self.names = names;
    }

    fn add(&mut self, peer: ServiceUrl) {
        if self.own.as_ref() != Some(&peer) && self.round.len() < MOST_PEERS {
            self.round.entry(peer).or_default();
        }
    }

    /// Notes the answer of a peer.
    pub fn answered(&mut self, peer: &ServiceUrl, answer: Answer) {
        match &answer {
            Answer::Up { peers, is_ours } => {
                if *is_ours {
                    self.ours.insert(peer.clone());
                }
                for other in peers.iter().filter(|other| !self.round.contains_key(other)).cloned().collect::<Vec<_>>() {
                    self.told.insert(other.clone());
                    self.add(other);
                }
            }
            Answer::Copied { instances, memory } => {
                // A whole registry is preferred to one that opened without a copy.
                let rank = |memory| match memory {
                    PeerMemory::Whole => 2,
                    PeerMemory::Fetched => 1,
                    PeerMemory::InDoubt | PeerMemory::Lost => 0,
                };
                if self.copied.as_ref().is_none_or(|copied| rank(*memory) > rank(copied.memory())) {
                    self.copied = Some(Opening::Copied { from: peer.clone(), instances: *instances, memory: *memory });
                }
            }
            Answer::Refused | Answer::Forgetful | Answer::NoPeer | Answer::NoSuchName | Answer::Open(_) => {}
        }
        self.round.insert(peer.clone(), Some(answer));
    }

    /// Decides what to do next. First this replica is announced to all peers, so that every change that a peer accepts from then
    /// on arrives. Then one peer is copied.
    pub fn next(&mut self, now: Timestamp) -> Step {
        let unasked: Vec<ServiceUrl> = self.round.iter().filter(|(_, answer)| answer.is_none()).map(key).collect();
        if !unasked.is_empty() {
            return Step::Announce(unasked);
        }
        if let Some(whole) = self.copied.as_ref().filter(|copied| copied.memory() == PeerMemory::Whole) {
            return Step::Open(whole.clone());
        }
        if let Some(peer) = self.best_copy(now) {
            return Step::Copy(peer);
        }
        let Some(waits_for) = self.waits_for() else {
            return Step::Open(self.copied.take().unwrap_or(Opening::Nobody));
        };
        if now >= self.deadline {
            return Step::Open(self.copied.take().unwrap_or(Opening::GaveUp(waits_for)));
        }
        let changed = self.said.as_ref() != Some(&waits_for);
        let line = changed.then(|| waits_for.clone());
        self.said = Some(waits_for);
        let left = self.deadline.since(now);
        Step::Again(PAUSE.min(left.max(Duration::from_millis(1))), line)
    }

    /// What this replica waits for, as it was said last.
    pub fn said(&self) -> Option<&str> {
        self.said.as_deref()
    }

    /// The next peer to copy. The instances of a Java server have no stamps, and would count as registered just now. So it is
    /// copied only if no replica of ours is up, or if none could be copied in time.
    fn best_copy(&self, now: Timestamp) -> Option<ServiceUrl> {
        let up = |ours: bool| {
            let is_it =
                move |answer: &Option<Answer>| matches!(answer, Some(Answer::Up { is_ours, .. }) if *is_ours == ours);
            self.round.iter().find(|(_, answer)| is_it(answer)).map(key)
        };
        let failed = |peer: &ServiceUrl| matches!(self.round.get(peer), Some(Some(Answer::Open(_))));
        let is_tried_again = now < self.deadline && self.ours.iter().any(failed);
        up(true).or_else(|| up(false).filter(|_| !is_tried_again))
    }

    /// Why it is still open whether there is a registry to copy; `None` if it is not.
    fn waits_for(&self) -> Option<String> {
        let unsettled = self.round.iter().filter_map(|(peer, answer)| match answer {
            Some(Answer::Open(why)) => Some(format!("{peer}: {why}")),
            Some(Answer::NoSuchName) if !self.told.contains(peer) => Some(format!("{peer}: there is no such name")),
            Some(
                Answer::Up { .. }
                | Answer::Copied { .. }
                | Answer::Refused
                | Answer::Forgetful
                | Answer::NoPeer
                | Answer::NoSuchName,
            )
            | None => None,
        });
        let names = match &self.names {
            Names::Unknown(why) => Some(why.clone()),
            Names::Listed(_) | Names::Nobody { .. } => None,
        };
        let all: Vec<String> = names.into_iter().chain(unsettled).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

fn key((peer, _): (&ServiceUrl, &Option<Answer>)) -> ServiceUrl {
    peer.clone()
}

/// The hosts of the replicas that were started before the one on this host: for `registry-2.registry`, those with the ordinals 0
/// and 1. Empty for a host that does not belong to a StatefulSet.
pub fn started_before(host: &str) -> Vec<String> {
    let (pod, domain) = host.split_once('.').map_or((host, None), |(pod, domain)| (pod, Some(domain)));
    let Some((name, ordinal)) = pod.rsplit_once('-') else { return Vec::new() };
    let Ok(ordinal) = ordinal.parse::<usize>() else { return Vec::new() };
    let Some(domain) = domain.filter(|_| !name.is_empty()) else { return Vec::new() };
    (0..ordinal.min(MOST_PEERS)).map(|earlier| format!("{name}-{earlier}.{domain}")).collect()
}

#[cfg(test)]
mod tests;
