//! [`Membership`]: which replicas are peers, as a state machine that knows neither sockets nor clocks.
//!
//! It is given the results of lookups, announcements of starting replicas, and the identity of the process behind each name.
//! Changes are queued for a name from the moment it is known. A peer is one process, however many names it has.

mod change;
mod check;
mod domains;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::discovery::{Endpoint, Found};
use super::service_url::{Place, ServiceUrl};
use crate::time::Timestamp;
use domains::Domains;

pub use change::{Change, Refusal};
pub use names::{Identity, MOST_NAMES, NameKey, PeerId};

/// A name is forgotten when it is missing from this many answers in a row.
const ANSWERS_WITHOUT: u32 = 2;
/// How long a replica that announced itself is kept if no lookup confirms it.
const PROVISIONAL: Duration = Duration::from_secs(60);
/// Maximum refused names that are remembered, so that each is logged once.
const MOST_REFUSED: usize = 100;

/// Why a name counts as that of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It is configured.
    Fixed,
    /// Name servers list it; the last `missed` answers did not.
    Listed { missed: u32 },
    /// A starting replica announced it as its own.
    Announced { at: Timestamp },
}

#[derive(Clone, Debug)]
struct Name {
    /// The URL by which it is called.
    url: ServiceUrl,
    origin: Origin,
    /// The peer behind it; `None` if it is this process.
    peer: Option<PeerId>,
    /// The order in which it was first seen, as a number that grows.
    order: u64,
    /// Whether it was up at the last identification.
    answered: bool,
}

#[derive(Clone, Debug)]
struct Peer {
    identity: Option<Identity>,
    /// The name by which it is called.
    url: ServiceUrl,
}

/// The peers' names, and which of them are one peer.
#[derive(Debug)]
pub struct Membership {
    place: Place,
    /// The names of the Service: as configured, in this replica's own host name, and in full as it resolved.
    domains: Domains,
    names: BTreeMap<NameKey, Name>,
    peers: BTreeMap<PeerId, Peer>,
    refused: BTreeSet<String>,
    next: u64,
}

impl Membership {
    /// The membership of a replica that serves at `place` as `own_host`, with fixed peers, a Service, or both. Returns what to do
    /// for the fixed peers.
    pub fn new(
        place: Place,
        own_host: Option<&str>,
        service: Option<&str>,
        fixed: &[ServiceUrl],
    ) -> (Self, Vec<Change>) {
        let domains = Domains::new(own_host, service);
        let mut membership =
            Self { place, domains, names: BTreeMap::new(), peers: BTreeMap::new(), refused: BTreeSet::new(), next: 0 };
        let mut changes = Vec::new();
        for url in fixed {
            let key = NameKey::Url(url.without_credentials());
            if membership.names.len() == MOST_NAMES {
                membership.refuse(&url.to_string(), Refusal::TooMany, &mut changes);
            } else if !membership.names.contains_key(&key) {
                membership.add(&key, url, Origin::Fixed, &mut changes);
            }
        }
        (membership, changes)
    }

    /// The Service's name in full, as it resolved.
    pub fn resolved_service(&self) -> Option<&str> {
        self.domains.resolved()
    }

    /// The peers, and the URL by which each is called.
    pub fn peers(&self) -> impl Iterator<Item = (PeerId, &ServiceUrl, Option<&Identity>)> {
        self.peers.iter().map(|(id, peer)| (*id, &peer.url, peer.identity.as_ref()))
    }

    /// The peer that this URL leads to.
    pub fn peer_at(&self, url: &ServiceUrl) -> Option<PeerId> {
        self.names.get(&self.key_of(url)?)?.peer
    }

    /// Every name, including those of this process.
    pub fn names(&self) -> impl Iterator<Item = (&NameKey, &ServiceUrl)> {
        self.names.iter().map(|(key, name)| (key, &name.url))
    }

    /// The names that are configured.
    pub fn fixed(&self) -> impl Iterator<Item = &ServiceUrl> {
        self.names.values().filter(|name| name.origin == Origin::Fixed).map(|name| &name.url)
    }

    /// The peer behind a name.
    pub fn peer_of(&self, key: &NameKey) -> Option<PeerId> {
        self.names.get(key)?.peer
    }

    /// The identity of a peer, if it is known.
    pub fn identity(&self, peer: PeerId) -> Option<&Identity> {
        self.peers.get(&peer)?.identity.as_ref()
    }

    /// The names of a peer.
    pub fn names_of(&self, peer: PeerId) -> impl Iterator<Item = &NameKey> {
        self.names.iter().filter(move |(_, name)| name.peer == Some(peer)).map(|(key, _)| key)
    }

    /// Whether a URL from a request may be called: it is under the Service and written as replicas write theirs, or it is known.
    pub fn believes(&self, url: &ServiceUrl) -> bool {
        self.key_of(url).is_some()
    }

    /// Whether a URL belongs to a replica under the Service: others are not passed on.
    pub fn is_under_service(&self, url: &ServiceUrl) -> bool {
        self.domains.pod(url.host()).is_some()
    }

    /// Whether two URLs belong to one replica: it calls itself by a short name, and an SRV record has the full one.
    pub fn is_same_replica(&self, one: &ServiceUrl, other: &ServiceUrl) -> bool {
        let pod = |url: &ServiceUrl| self.domains.pod(url.host()).map(str::to_owned);
        one == other || pod(one).is_some_and(|one| Some(one) == pod(other))
    }

    fn key_of(&self, url: &ServiceUrl) -> Option<NameKey> {
        let known = NameKey::Url(url.without_credentials());
        if self.names.contains_key(&known) {
            return Some(known);
        }
        let as_ours = url.credentials().is_none() && self.place.service_url(url.host(), url.port()) == *url;
        let pod = self.domains.pod(url.host()).filter(|_| as_ours)?;
        Some(NameKey::Pod(pod.to_owned(), url.port()))
    }

    /// Notes an answer of name servers. An answer without any replica removes no peer.
    pub fn observe(&mut self, found: &Found, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        if found.endpoints.is_empty() {
            return changes;
        }
        self.domains.resolved_as(&found.service);
        let listed = self.listed(&found.endpoints, &mut changes);
        for (key, url) in &listed {
            let Some(name) = self.names.get_mut(key) else { continue };
            if name.origin != Origin::Fixed {
                name.origin = Origin::Listed { missed: 0 };
                name.url = url.clone();
                self.take_rivals(key);
            }
        }
        self.age(&listed, now);
        let new: Vec<(NameKey, ServiceUrl)> =
            listed.into_iter().filter(|(key, _)| !self.names.contains_key(key)).collect();
        for (key, url) in new {
            self.list(key, url, &mut changes);
        }
        self.settle(&mut changes);
        changes
    }

    /// The names of an answer that are accepted. If a pod has several ports, the one that equals ours counts, otherwise the
    /// lowest.
    fn listed(&mut self, endpoints: &BTreeSet<Endpoint>, changes: &mut Vec<Change>) -> BTreeMap<NameKey, ServiceUrl> {
        let mut pods: BTreeMap<String, (String, u16)> = BTreeMap::new();
        let mut listed = BTreeMap::new();
        for Endpoint { host, port } in endpoints {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            let url = self.place.service_url(&host, *port);
            if url.address().is_some() {
                listed.insert(NameKey::Url(url.without_credentials()), url);
            } else if let Some(pod) = self.domains.pod(&host) {
                let (_, known) = pods.entry(pod.to_owned()).or_insert_with(|| (host.clone(), *port));
                if *port == self.place.port {
                    *known = *port;
                }
            } else {
                self.refuse(&host, Refusal::Elsewhere, changes);
            }
        }
        listed.extend(
            pods.into_iter().map(|(pod, (host, port))| (NameKey::Pod(pod, port), self.place.service_url(&host, port))),
        );
        let fixed = self.names.values().filter(|name| name.origin == Origin::Fixed).count();
        while listed.len() + fixed > MOST_NAMES {
            if let Some((_, url)) = listed.pop_last() {
                self.refuse(&url.to_string(), Refusal::TooMany, changes);
            }
        }
        listed
    }

    /// Forgets names that are no longer listed, and names that were announced and never listed.
    fn age(&mut self, listed: &BTreeMap<NameKey, ServiceUrl>, now: Timestamp) {
        self.names.retain(|key, name| match &mut name.origin {
            Origin::Fixed => true,
            Origin::Listed { missed } => {
                *missed = if listed.contains_key(key) { 0 } else { *missed + 1 };
                *missed < ANSWERS_WITHOUT
            }
            Origin::Announced { at } => now.since(*at) < PROVISIONAL,
        });
    }

    /// Adds a new name. If the same pod was announced with another port, and that has not answered, the new name replaces it and
    /// takes over its queue.
    fn list(&mut self, key: NameKey, url: ServiceUrl, changes: &mut Vec<Change>) {
        let rivals = self.take_rivals(&key);
        let waiting = rivals.iter().filter_map(|name| Some((name.order, name.peer?)));
        let waiting =
            waiting.filter(|(_, peer)| self.identity(*peer).is_none() && self.names_of(*peer).next().is_none()).min();
        self.make_room();
        match waiting {
            Some((order, peer)) => {
                let name = Name { url, origin: Origin::Listed { missed: 0 }, peer: Some(peer), order, answered: false };
                self.names.insert(key, name);
            }
            None => self.add(&key, &url, Origin::Listed { missed: 0 }, changes),
        }
    }

    /// Forgets the announced name of the same pod with another port.
    fn take_rivals(&mut self, key: &NameKey) -> Vec<Name> {
        let NameKey::Pod(pod, _) = key else { return Vec::new() };
        let is_rival = |other: &NameKey, name: &Name| {
            other != key && other.is_of(pod) && matches!(name.origin, Origin::Announced { .. })
        };
        let rivals: Vec<NameKey> =
            self.names.iter().filter(|(other, name)| is_rival(other, name)).map(|(other, _)| other.clone()).collect();
        rivals.iter().filter_map(|rival| self.names.remove(rival)).collect()
    }

    /// Notes a starting replica that will serve at this URL, and needs every change from now on. It counts as a peer for a while,
    /// until lookups list it. If they list the same pod already, their port counts.
    pub fn announced(&mut self, url: &ServiceUrl, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        let Some(key) = self.key_of(url) else {
            self.refuse(&url.to_string(), Refusal::Elsewhere, &mut changes);
            return changes;
        };
        if let Some(name) = self.names.get_mut(&key) {
            if let Origin::Announced { at } = &mut name.origin {
                *at = now;
            }
            return changes;
        }
        let is_listed = |pod: &str| {
            self.names.iter().any(|(other, name)| other.is_of(pod) && matches!(name.origin, Origin::Listed { .. }))
        };
        if matches!(&key, NameKey::Pod(pod, _) if is_listed(pod)) {
            return changes;
        }
        if self.names.len() == MOST_NAMES && !self.drop_announced() {
            self.refuse(&url.to_string(), Refusal::TooMany, &mut changes);
        } else {
            self.add(&key, url, Origin::Announced { at: now }, &mut changes);
        }
        self.settle(&mut changes);
        changes
    }

    /// Makes room for a listed name: names that are only announced go first, then those that are about to be forgotten.
    fn make_room(&mut self) {
        if self.names.len() < MOST_NAMES || self.drop_announced() {
            return;
        }
        let going = self.names.iter().find(|(_, name)| matches!(name.origin, Origin::Listed { missed: 1.. }));
        if let Some(key) = going.map(|(key, _)| key.clone()) {
            self.names.remove(&key);
        }
    }

    /// Forgets one name that was only announced: first one that has never answered, and of several the oldest.
    fn drop_announced(&mut self) -> bool {
        let is_known = |name: &Name| name.peer.and_then(|peer| self.identity(peer)).is_some();
        let announced = self.names.iter().filter_map(|(key, name)| match name.origin {
            Origin::Announced { at } => Some((is_known(name), at, name.order, key)),
            Origin::Fixed | Origin::Listed { .. } => None,
        });
        let oldest = announced.min().map(|(.., key)| key.clone());
        oldest.is_some_and(|key| self.names.remove(&key).is_some())
    }

    /// Notes which process answered at a name. That depends on the address, which may change under the name.
    pub fn identified(&mut self, key: &NameKey, identity: &Identity) -> Vec<Change> {
        let mut changes = Vec::new();
        let Some(name) = self.names.get_mut(key) else { return changes };
        name.answered = true;
        let (current, url) = (name.peer, name.url.clone());
        if *identity == Identity::Itself {
            name.peer = None;
            if current.is_some() {
                changes.push(Change::IsSelf(url));
            }
        } else {
            self.lead_to(key, current, identity, &mut changes);
        }
        self.settle(&mut changes);
        changes
    }

    fn lead_to(&mut self, key: &NameKey, current: Option<PeerId>, identity: &Identity, changes: &mut Vec<Change>) {
        let is_it = |peer: &Peer| *identity != Identity::Another && peer.identity.as_ref() == Some(identity);
        let same = self.peers.iter().find(|(id, peer)| Some(**id) != current && is_it(peer)).map(|(id, _)| *id);
        let is_shared = current.is_some_and(|id| self.names_of(id).count() > 1);
        let known = current.and_then(|id| self.identity(id));
        let moved = is_shared && known.is_some_and(|known| known != identity);
        let to = match (current, same) {
            // All its names lead to the same process. Of two queues the older one stays.
            (Some(current), Some(other)) if !moved => {
                let (kept, dropped) = (current.min(other), current.max(other));
                self.names
                    .values_mut()
                    .filter(|name| name.peer == Some(dropped))
                    .for_each(|name| name.peer = Some(kept));
                self.peers.remove(&dropped);
                changes.push(Change::Merged(dropped, kept));
                kept
            }
            (_, Some(other)) => other,
            (Some(current), None) if !moved => current,
            (_, None) => self.new_peer(key, changes),
        };
        if let Some(name) = self.names.get_mut(key) {
            name.peer = Some(to);
        }
        if let Some(peer) = self.peers.get_mut(&to) {
            peer.identity = Some(identity.clone());
        }
    }

    /// Notes that a name did not answer. Its peer is called by another of its names, if one answers.
    pub fn unanswered(&mut self, key: &NameKey) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(name) = self.names.get_mut(key) {
            name.answered = false;
        }
        self.settle(&mut changes);
        changes
    }

    /// Notes that another process than before answers for a peer, so it is identified again. Its queue stays.
    pub fn unidentified(&mut self, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.identity = None;
        }
    }

    fn add(&mut self, key: &NameKey, url: &ServiceUrl, origin: Origin, changes: &mut Vec<Change>) {
        self.next += 1;
        let name = Name { url: url.clone(), origin, peer: None, order: self.next, answered: false };
        self.names.insert(key.clone(), name);
        let peer = self.new_peer(key, changes);
        if let Some(name) = self.names.get_mut(key) {
            name.peer = Some(peer);
        }
    }

    fn new_peer(&mut self, key: &NameKey, changes: &mut Vec<Change>) -> PeerId {
        self.next += 1;
        let id = PeerId(self.next);
        if let Some(name) = self.names.get(key) {
            self.peers.insert(id, Peer { identity: None, url: name.url.clone() });
            changes.push(Change::Added(id, name.url.clone()));
        }
        id
    }

    /// Peers without a name go, and each is called by a name that answered, if any did. Names that somebody only announced come
    /// last. Of equal names a peer keeps the one that it is called by: there are connections by it, which outlast name servers
    /// that fail, and another name may lead to the peer only by mistake.
    fn settle(&mut self, changes: &mut Vec<Change>) {
        let mut leads: BTreeMap<PeerId, (bool, bool, bool, u64, &ServiceUrl)> = BTreeMap::new();
        for name in self.names.values() {
            let Some(peer) = name.peer else { continue };
            let is_announced = matches!(name.origin, Origin::Announced { .. });
            let is_other = self.peers.get(&peer).is_some_and(|peer| peer.url != name.url);
            let rank = (!name.answered, is_announced, is_other, name.order, &name.url);
            let lead = leads.entry(peer).or_insert(rank);
            *lead = rank.min(*lead);
        }
        self.peers.retain(|id, peer| {
            let Some((.., url)) = leads.get(id) else {
                changes.push(Change::Removed(*id));
                return false;
            };
            if peer.url != **url {
                peer.url = (*url).clone();
                changes.push(Change::Renamed(*id, peer.url.clone()));
            }
            true
        });
    }

    fn refuse(&mut self, what: &str, why: Refusal, changes: &mut Vec<Change>) {
        if self.refused.len() < MOST_REFUSED && self.refused.insert(what.to_owned()) {
            changes.push(Change::Refused(what.to_owned(), why));
        }
    }
}
