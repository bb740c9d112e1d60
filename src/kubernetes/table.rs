//! [`Table`]: what is known of the pods, and what that means for an instance. It knows neither network nor clock.
//!
//! A pod has ended when its containers have ended for good, or when it is deleted. When that happened is known by this replica's own
//! clock only, and only as well as it was told: while a watch is current, an event is about now; after a gap, what ended may have ended
//! at any time since the last contact. An instance that was heard after its pod may have ended is spared until it has been silent for
//! two of its own renewal intervals; one that was heard after it was known to have ended is another one, and is never taken out.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::options::Policy;
use super::pod::{Phase, Pod};
use crate::model::InstanceStatus;
use crate::time::Timestamp;

/// At most this many living pods are kept, of all namespaces.
pub(super) const MOST_PODS: usize = 50_000;
/// At most this many ended pods are remembered, the last ones.
const MOST_ENDED: usize = 10_000;
/// For how long an ended pod is remembered: another replica may tell only later of an instance that was registered in it.
const ENDED_KEPT: Duration = Duration::from_secs(10 * 60);
/// A heartbeat that arrives so late may have been on its way, or sent by a process that is being killed: whoever deletes a pod by force
/// leaves it two seconds. Nobody else has its address so soon.
const IN_FLIGHT: Duration = Duration::from_secs(2);
/// What a new watch says in its first moment may have happened at any time since the last contact.
const CATCHING_UP: Duration = Duration::from_secs(1);
/// By how much the clock of a pod's node may be wrong, and how late another replica may act.
const SKEW: Duration = Duration::from_secs(2);
/// For how long after a pod has become ready its instances are put back into service: replicas notice it one after the other.
const RECOVERING: Duration = Duration::from_secs(15);

/// The number of a namespace that is watched.
pub(super) type Scope = usize;

/// What is known of the pods.
#[derive(Debug)]
pub(super) struct Table {
    scopes: Vec<ScopeState>,
    /// The living pods, by their uid.
    pods: HashMap<Box<str>, Known>,
    /// The uids of the living pods at each address.
    at: HashMap<IpAddr, Vec<Box<str>>>,
    /// The pods that have ended, those known first at the front.
    ended: VecDeque<Ended>,
    /// The uids of pods that there is no room for, as many as may be kept.
    left_out: HashMap<Box<str>, Scope>,
    most_pods: usize,
}

/// How far the pods of a namespace are known.
#[derive(Clone, Copy, Debug, Default)]
struct ScopeState {
    /// The number of the list that is being read, or was read last.
    listing: u64,
    /// Whether a list was read as a whole.
    is_listed: bool,
    /// Whether a watch is open.
    is_watching: bool,
    /// Until when everything that happened is known.
    contact: Timestamp,
    /// From when on events are about now.
    current_from: Timestamp,
}

impl ScopeState {
    /// Until when a pod was certainly known to live that ended by what was said now.
    fn certain(&self, now: Timestamp) -> Timestamp {
        if self.is_watching && now >= self.current_from { now } else { self.contact }
    }
}

/// A living pod.
#[derive(Debug)]
struct Known {
    pod: Pod,
    scope: Scope,
    /// The list in which it was seen last.
    listing: u64,
    /// Who was heard before this was no instance of this pod; the beginning of time if it may be older than this replica.
    since: Timestamp,
    /// Since when it is not ready.
    not_ready_since: Option<Timestamp>,
    /// Between when it was not ready before it became ready.
    recovered: Option<(Timestamp, Timestamp)>,
}

/// A pod that has ended.
#[derive(Debug)]
struct Ended {
    label: Box<str>,
    addresses: Vec<IpAddr>,
    /// Who was heard before this was no instance of it.
    since: Timestamp,
    /// Until when it certainly lived.
    certain: Timestamp,
    /// When it was known to have ended.
    known: Timestamp,
}

/// What decides about an instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) address: IpAddr,
    /// When it registered or renewed last, at any replica.
    pub(super) heard: Timestamp,
    /// Whether it has missed two renewals.
    pub(super) is_silent: bool,
    pub(super) status: InstanceStatus,
    /// The status that was set for it, and when.
    pub(super) set: Option<(InstanceStatus, Timestamp)>,
}

/// What becomes of an instance, and of which pod's accord.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) act: Act,
    /// Why, for people.
    pub(super) reason: String,
}

/// What becomes of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// It is evicted, unless it is heard after this.
    Evict(Timestamp),
    OutOfService,
    BackInService,
}

/// What is done about pods that live, but not well.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Policies {
    pub(super) terminating: Policy,
    pub(super) not_ready: Policy,
}

impl Table {
    /// Nothing is known of the pods of so many namespaces.
    pub(super) fn new(scopes: usize) -> Self {
        let (pods, at, ended) = (HashMap::new(), HashMap::new(), VecDeque::new());
        let (left_out, most_pods) = (HashMap::new(), MOST_PODS);
        Self { scopes: vec![ScopeState::default(); scopes], pods, at, ended, left_out, most_pods }
    }

    /// A list begins, of which pods arrive by [`Table::put`].
    pub(super) fn list_begins(&mut self, scope: Scope) {
        self.scopes[scope].listing += 1;
        self.left_out.retain(|_, of| *of != scope);
    }

    /// A list is whole that was asked for at `asked`. What it lacks has ended, unless it is the first one: then nothing was known
    /// before, and nothing ends by it.
    pub(super) fn list_ends(&mut self, scope: Scope, asked: Timestamp, now: Timestamp) {
        let ScopeState { listing, is_listed, .. } = self.scopes[scope];
        let lacks = |known: &&Known| known.scope == scope && known.listing < listing;
        let lacking: Vec<Box<str>> = self.pods.values().filter(lacks).map(|known| known.pod.uid.clone()).collect();
        for uid in lacking {
            if is_listed {
                self.end(scope, &uid, now);
            } else {
                // From a first list that broke off.
                self.take(&uid);
            }
        }
        let state = &mut self.scopes[scope];
        (state.is_listed, state.contact) = (true, asked);
    }

    /// A watch is open: what it says first may have happened since the last contact.
    pub(super) fn watch_begins(&mut self, scope: Scope, now: Timestamp) {
        let state = &mut self.scopes[scope];
        state.is_watching = true;
        let gap = now.since(state.contact);
        state.current_from = if gap > CATCHING_UP { now + CATCHING_UP } else { now };
    }

    /// The watch has said something: everything until now is known.
    pub(super) fn contact(&mut self, scope: Scope, now: Timestamp) {
        let state = &mut self.scopes[scope];
        if state.is_watching && now >= state.current_from {
            state.contact = now;
        }
    }

    /// The watch has ended.
    pub(super) fn watch_ends(&mut self, scope: Scope) {
        self.scopes[scope].is_watching = false;
    }

    /// A pod is as it is said now.
    pub(super) fn put(&mut self, scope: Scope, mut pod: Pod, now: Timestamp) {
        if pod.phase == Phase::Over {
            return self.end(scope, &pod.uid, now);
        }
        let state = self.scopes[scope];
        let not_ready_since = |known: Option<Timestamp>| {
            let said = pod.ready_changed.unwrap_or(now).min(now);
            (!pod.is_ready).then(|| known.unwrap_or(said))
        };
        let known = self.take(&pod.uid);
        if let Some(known) = known.as_ref().filter(|_| pod.addresses.is_empty()) {
            // A kubelet that starts anew while the pod ends no longer knows its address. The instances there are of it all the same.
            pod.addresses.clone_from(&known.pod.addresses);
        }
        let known = match known {
            Some(known) => Known {
                listing: state.listing,
                not_ready_since: not_ready_since(known.not_ready_since),
                recovered: match known.not_ready_since {
                    Some(since) if pod.is_ready => Some((since, now)),
                    _ => known.recovered.filter(|_| pod.is_ready),
                },
                pod,
                ..known
            },
            None if self.pods.len() >= self.most_pods => {
                if self.left_out.len() < self.most_pods {
                    self.left_out.insert(pod.uid, scope);
                }
                return;
            }
            None => Known {
                // One that is new in a list may have lived since the last contact; in the first list, for ever.
                since: if state.is_listed { state.certain(now) } else { Timestamp::NEVER },
                scope,
                listing: state.listing,
                not_ready_since: not_ready_since(None),
                recovered: None,
                pod,
            },
        };
        self.left_out.remove(&known.pod.uid);
        for address in &known.pod.addresses {
            self.at.entry(*address).or_default().push(known.pod.uid.clone());
        }
        self.pods.insert(known.pod.uid.clone(), known);
    }

    /// A pod is gone, or its containers have ended for good.
    pub(super) fn end(&mut self, scope: Scope, uid: &str, now: Timestamp) {
        self.left_out.remove(uid);
        let Some(known) = self.take(uid) else { return };
        // Its address is that of its node, and of others there.
        if known.pod.is_on_host_network || known.pod.addresses.is_empty() {
            return;
        }
        let certain = self.scopes[scope].certain(now).max(known.since);
        let label = label(&known.pod).into();
        let Known { pod, since, .. } = known;
        self.ended.push_back(Ended { label, addresses: pod.addresses, since, certain, known: now });
        if self.ended.len() > MOST_ENDED {
            self.ended.pop_front();
        }
    }

    /// Takes a living pod out of all views.
    fn take(&mut self, uid: &str) -> Option<Known> {
        let known = self.pods.remove(uid)?;
        for address in &known.pod.addresses {
            if let Some(uids) = self.at.get_mut(address) {
                uids.retain(|other| **other != *uid);
                if uids.is_empty() {
                    self.at.remove(address);
                }
            }
        }
        Some(known)
    }

    /// Forgets what is too old to matter.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while self.ended.front().is_some_and(|ended| now.since(ended.known) > ENDED_KEPT) {
            self.ended.pop_front();
        }
        for known in self.pods.values_mut() {
            known.recovered = known.recovered.filter(|(_, ready)| now.since(*ready) <= RECOVERING);
        }
    }

    /// The addresses at which there is something to decide.
    pub(super) fn concerns(&self, policies: Policies) -> Concerns<'_> {
        let mut concerns = HashMap::<IpAddr, Vec<Concern<'_>>>::new();
        for ended in &self.ended {
            for address in ended.addresses.iter().filter(|address| !self.at.contains_key(*address)) {
                concerns.entry(*address).or_default().push(Concern::Ended(ended));
            }
        }
        let acts = policies.terminating == Policy::OutOfService || policies.not_ready == Policy::OutOfService;
        let living = self.pods.values().filter(|known| {
            // What was true when the watch ended may be over.
            acts && !known.pod.is_on_host_network && self.scopes[known.scope].is_watching
        });
        for known in living.filter(|known| state_of(known, policies) != State::Well) {
            for address in
                known.pod.addresses.iter().filter(|address| self.at.get(*address).is_some_and(|at| at.len() == 1))
            {
                concerns.entry(*address).or_default().push(Concern::Living(known));
            }
        }
        Concerns { concerns, policies }
    }

    /// The living pod at an address, if there is one and its address is its own.
    pub(super) fn at(&self, address: IpAddr) -> Option<&Pod> {
        let [uid] = self.at.get(&address)?.as_slice() else { return None };
        self.pods.get(uid).map(|known| &known.pod).filter(|pod| !pod.is_on_host_network)
    }

    /// The nodes on which living pods run, each once.
    pub(super) fn nodes(&self) -> HashSet<Box<str>> {
        let nodes: HashSet<&str> = self.pods.values().map(|known| &*known.pod.node).collect();
        nodes.into_iter().filter(|node| !node.is_empty()).map(Box::from).collect()
    }

    /// The number of living pods of a namespace, whether a watch of them is open, and how many there was no room for.
    pub(super) fn state(&self, scope: Scope) -> (usize, bool, usize) {
        let pods = self.pods.values().filter(|known| known.scope == scope).count();
        (pods, self.scopes[scope].is_watching, self.left_out.values().filter(|of| **of == scope).count())
    }

    /// # Panics
    /// If two views of the same pods differ, or there are more than may be kept.
    #[cfg(test)]
    fn check(&self) {
        let mut by_address: Vec<_> =
            self.pods.values().flat_map(|known| known.pod.addresses.iter().map(|at| (*at, &known.pod.uid))).collect();
        let mut at: Vec<_> = self.at.iter().flat_map(|(at, uids)| uids.iter().map(|uid| (*at, uid))).collect();
        by_address.sort_unstable();
        at.sort_unstable();
        assert_eq!(by_address, at, "pods by uid and by address");
        assert!(self.at.values().all(|uids| !uids.is_empty()), "no address without a pod is kept");
        assert!(self.left_out.len() <= self.most_pods && self.left_out.keys().all(|uid| !self.pods.contains_key(uid)));
        assert!(self.pods.len() <= self.most_pods && self.ended.len() <= MOST_ENDED, "pods are bounded");
        assert!(self.ended.iter().all(|ended| ended.certain <= ended.known), "what is certain was known");
    }
}

/// What a person calls a pod.
pub(super) fn label(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

/// The addresses at which there is something to decide, and what.
#[derive(Debug)]
pub(super) struct Concerns<'a> {
    concerns: HashMap<IpAddr, Vec<Concern<'a>>>,
    policies: Policies,
}

#[derive(Debug)]
enum Concern<'a> {
    Ended(&'a Ended),
    Living(&'a Known),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Well,
    Terminating,
    NotReady,
    Recovered,
}

fn state_of(known: &Known, policies: Policies) -> State {
    if known.pod.is_terminating && policies.terminating == Policy::OutOfService {
        State::Terminating
    } else if policies.not_ready == Policy::Show {
        State::Well
    } else if !known.pod.is_ready {
        State::NotReady
    } else if known.recovered.is_some() && !known.pod.is_terminating {
        State::Recovered
    } else {
        State::Well
    }
}

impl Concerns<'_> {
    /// Whether there is nothing to decide.
    pub(super) fn is_empty(&self) -> bool {
        self.concerns.is_empty()
    }

    /// Whether there is something to decide at an address.
    pub(super) fn are_at(&self, address: IpAddr) -> bool {
        self.concerns.contains_key(&address)
    }

    /// What becomes of an instance; `None` is nothing.
    pub(super) fn verdict(&self, seen: &Seen) -> Option<Verdict> {
        self.concerns.get(&seen.address)?.iter().find_map(|concern| match concern {
            Concern::Ended(ended) => of_ended(ended, seen),
            Concern::Living(known) => of_living(known, state_of(known, self.policies), seen),
        })
    }
}

fn of_ended(ended: &Ended, seen: &Seen) -> Option<Verdict> {
    let is_of_it = seen.heard >= ended.since;
    let until = ended.certain + IN_FLIGHT;
    let is_gone = seen.heard <= until || (seen.is_silent && seen.heard <= ended.known);
    let reason = || format!("pod {} ended", ended.label);
    (is_of_it && is_gone).then(|| Verdict { act: Act::Evict(until.max(seen.heard)), reason: reason() })
}

fn of_living(known: &Known, state: State, seen: &Seen) -> Option<Verdict> {
    if seen.heard < known.since {
        return None;
    }
    let is_untouched = seen.status == InstanceStatus::Up && seen.set.is_none();
    let pod = || label(&known.pod);
    match state {
        State::Well => None,
        State::Terminating => {
            is_untouched.then(|| Verdict { act: Act::OutOfService, reason: format!("pod {} is terminating", pod()) })
        }
        State::NotReady => {
            is_untouched.then(|| Verdict { act: Act::OutOfService, reason: format!("pod {} is not ready", pod()) })
        }
        State::Recovered => {
            let (from, to) = known.recovered?;
            let (status, at) = seen.set?;
            let was_set_for_it = status == InstanceStatus::OutOfService && from - SKEW <= at && at <= to + SKEW;
            was_set_for_it.then(|| Verdict { act: Act::BackInService, reason: format!("pod {} is ready again", pod()) })
        }
    }
}

#[cfg(test)]
mod tests;
