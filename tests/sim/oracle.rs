//! [`Oracle`]: a log of all changes, with time and place, on which the replicas have to agree in the end.

use std::collections::{BTreeMap, BTreeSet};

use eureka_registry::model::InstanceStatus;

use crate::links::Links;

/// Over a link in order, an accepted change arrives before the next comparison.
const DELIVERED_WITHIN: u64 = 2_500;
/// If the link was out of order shortly before, an accepted change arrives with the next comparison.
const KNOWN_WITHIN: u64 = 5_000;

/// Replicas with different clocks agree on the time of an event to within this.
const AGREED_TO: u64 = 2_000;

/// The effect of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Aspect {
    Presence,
    Status,
    Data,
}

/// The fact that it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Present(bool),
    Status(InstanceStatus),
    /// The version of the data that the client sent, and what an operator put into it since.
    Data {
        last_dirty: i64,
        tag: Option<u32>,
    },
}

impl Value {
    pub(crate) fn aspect(self) -> Aspect {
        match self {
            Self::Present(_) => Aspect::Presence,
            Self::Status(_) => Aspect::Status,
            Self::Data { .. } => Aspect::Data,
        }
    }

    /// Whether it is the data of a registration, as the client sent it.
    fn is_registration(self) -> bool {
        matches!(self, Self::Data { tag: None, .. })
    }

    /// Data is ordered by its version first.
    fn rank(self) -> i64 {
        if let Self::Data { last_dirty, .. } = self { last_dirty } else { 0 }
    }
}

/// Something that a replica applied.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) client: usize,
    pub(crate) value: Value,
    pub(crate) place: usize,
    pub(crate) applied: u64,
    /// By how much the stamp clock was ahead that stamped it.
    ahead: i64,
    /// Whether it is certainly later than all before it, whatever the clocks say.
    is_ordered: bool,
    /// The replicas that certainly have it.
    pub(crate) holders: BTreeSet<usize>,
    /// The replicas that must have it, by when, and whether the link was in order.
    pub(crate) awaited: BTreeMap<usize, (u64, bool)>,
}

impl Event {
    /// Whether it wins over all before it, and a living replica has it.
    fn is_firm(&self) -> bool {
        self.is_ordered && !(self.holders.is_empty() && self.awaited.is_empty())
    }
}

/// By how many milliseconds the stamp clock of a replica is ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    pub(crate) is: i64,
    /// By how much it has to be, since the replica has talked with others. One that has not, knows no clock but its own.
    pub(crate) at_least: i64,
}

/// The log of all changes.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) events: Vec<Event>,
    /// When a client's heartbeat or registration was accepted, and where; newest last.
    pub(crate) contacts: Vec<Vec<(u64, usize)>>,
    /// When a client was last accepted by a replica that certainly had its last registration.
    heard: Vec<u64>,
    /// When anything at all was done to an instance, by client: a replica may have heard of it then.
    pub(crate) touched: Vec<u64>,
    /// When a replica last opened that had restored an instance from a snapshot, or copied it from one that had, by client.
    pub(crate) restored: Vec<u64>,
}

impl Oracle {
    pub(crate) fn new(clients: usize) -> Self {
        Self {
            events: Vec::new(),
            contacts: vec![Vec::new(); clients],
            heard: vec![0; clients],
            touched: vec![0; clients],
            restored: vec![0; clients],
        }
    }

    /// Notes an event. It is later than all events that were accepted anywhere before it was requested. Where clocks differ, the
    /// replicas that have talked agree on the time to within a call and its answer: there it is later than those that are older
    /// than that, or that its replica has for sure. A replica that has reached nobody since it started, and whose clock is behind,
    /// cannot know that an event elsewhere is earlier.
    pub(crate) fn note(
        &mut self,
        event: (usize, Value, usize),
        (issued, applied): (u64, u64),
        links: &Links,
        (skewed, ahead): (bool, Ahead),
    ) {
        let (client, value, place) = event;
        // Events at a Java server are stamped by the replica that it tells.
        let has_stamps = |place: usize| place < links.open.len();
        let mut earlier = self.rivals(client, value.aspect());
        if value.aspect() == Aspect::Status {
            // A cancellation takes the override with it.
            earlier.extend(self.of(client, Aspect::Presence).filter(|event| event.value == Value::Present(false)));
        }
        let is_ordered = earlier.iter().all(|earlier| {
            let close = if skewed { AGREED_TO } else { 0 };
            // Metadata is a change of the registration that its replica knows, and gives way to a later one that it does not.
            let is_of_its_own = matches!(value, Value::Data { tag: Some(_), .. }) && earlier.value.is_registration();
            let may_be_behind = has_stamps(place) && has_stamps(earlier.place) && ahead.at_least < earlier.ahead;
            let is_later = earlier.applied + close < issued && !may_be_behind && !is_of_its_own;
            earlier.holders.contains(&place) || is_later
        });
        let awaited = (0..links.open.len()).filter(|peer| *peer != place).filter_map(|peer| {
            let since = links.orderly_since(place, peer)?;
            let is_settled = applied >= since + DELIVERED_WITHIN;
            // Otherwise the peer has to ask for it.
            if !is_settled && links.orderly_since(peer, place).is_none() {
                return None;
            }
            Some((peer, (applied + if is_settled { DELIVERED_WITHIN } else { KNOWN_WITHIN }, is_settled)))
        });
        let awaited = awaited.collect();
        let holders = BTreeSet::from([place]);
        self.events.push(Event { client, value, place, applied, ahead: ahead.is, is_ordered, holders, awaited });
    }

    fn of(&self, client: usize, aspect: Aspect) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter().filter(move |event| event.client == client && event.value.aspect() == aspect)
    }

    /// The last event of a kind.
    pub(crate) fn last(&self, client: usize, aspect: Aspect) -> Option<&Event> {
        self.of(client, aspect).next_back()
    }

    /// The events that may win in the end: the last one, and earlier ones over which it may not win.
    pub(crate) fn rivals(&self, client: usize, aspect: Aspect) -> Vec<&Event> {
        self.judged(client, aspect).into_iter().map(|(event, _)| event).collect()
    }

    /// The events that may win in the end, and whether each certainly wins over those before it.
    fn judged(&self, client: usize, aspect: Aspect) -> Vec<(&Event, bool)> {
        let cancel = |event: &Event| event.client == client && event.value == Value::Present(false);
        let cancelled = self.events.iter().rposition(cancel);
        // A cancellation takes the data with it, so the next registration may have an older version.
        let stands = |number: usize| aspect != Aspect::Data || cancelled.is_none_or(|cancelled| cancelled < number);
        let all = self.events.iter().enumerate().rev();
        let newest = all.filter(|(_, event)| event.client == client && event.value.aspect() == aspect);
        let newest: Vec<_> = newest.map(|(number, event)| (event, event.is_firm() && stands(number))).collect();
        let floor = newest.iter().filter(|(_, is_firm)| *is_firm).map(|(event, _)| event.value.rank()).max();
        let mut rivals: Vec<(&Event, bool)> = Vec::new();
        for (event, is_firm) in newest {
            let rank = event.value.rank();
            // A firm one wins over all earlier ones of its rank.
            let is_beaten = rivals.iter().any(|(later, is_firm)| *is_firm && later.value.rank() >= rank);
            if floor.is_none_or(|floor| rank >= floor) && !is_beaten {
                rivals.push((event, is_firm));
            }
        }
        rivals
    }

    /// Whether the last registration may turn out to be earlier than a cancellation.
    pub(crate) fn may_be_cancelled(&self, client: usize) -> bool {
        self.last(client, Aspect::Presence).is_none_or(|last| !last.is_ordered)
            && self.of(client, Aspect::Presence).any(|event| event.value == Value::Present(false))
    }

    /// The states that are right in the end; `None` if no change has to have lasted.
    pub(crate) fn expected(&self, client: usize, aspect: Aspect) -> Option<Vec<Value>> {
        let rivals = self.judged(client, aspect);
        rivals.iter().any(|(_, is_firm)| *is_firm).then(|| rivals.iter().map(|(event, _)| event.value).collect())
    }

    /// From now on the former states are right, too: an instance that was gone may have kept an override.
    pub(crate) fn blur(&mut self, client: usize, aspect: Aspect) {
        for event in self.events.iter_mut().filter(|event| event.client == client && event.value.aspect() == aspect) {
            event.is_ordered = false;
        }
    }

    /// The link is out of order: it is unknown what arrives over it, and nobody asks for anything over it.
    pub(crate) fn excuse(&mut self, from: usize, to: usize) {
        for event in self.events.iter_mut().filter(|event| event.place == from) {
            event.awaited.remove(&to);
        }
        for event in self.events.iter_mut().filter(|event| event.place == to) {
            if event.awaited.get(&from).is_some_and(|(_, is_settled)| !is_settled) {
                event.awaited.remove(&from);
            }
        }
    }

    /// A replica forgot everything.
    pub(crate) fn forgets(&mut self, replica: usize, was_killed: bool) {
        for event in &mut self.events {
            event.holders.remove(&replica);
            event.awaited.remove(&replica);
            // A replica that stops sends its queue first; one that is killed does not.
            if event.place == replica && was_killed {
                event.awaited.clear();
            }
        }
    }

    /// All of `members` have an event now, if one of them has it.
    pub(crate) fn knows_the_same(&mut self, members: &[usize], until: u64) {
        for event in self.events.iter_mut().filter(|event| event.applied <= until) {
            if members.iter().any(|member| event.holders.contains(member)) {
                event.holders.extend(members);
            }
        }
    }

    /// A client was accepted. A heartbeat at a replica that does not know the last registration belongs to an instance that was
    /// cancelled before that.
    pub(crate) fn contact(&mut self, client: usize, place: usize, registers: bool, now: u64) {
        self.touched[client] = now;
        if registers || self.last(client, Aspect::Presence).is_some_and(|last| last.holders.contains(&place)) {
            self.heard[client] = now;
        }
        self.contacts[client].push((now, place));
    }

    /// When the client was last certainly heard.
    pub(crate) fn heard(&self, client: usize) -> u64 {
        self.heard[client]
    }

    /// When `place` last answered the client successfully.
    pub(crate) fn contact_at(&self, client: usize, place: usize) -> Option<u64> {
        self.contacts[client].iter().rev().find(|(_, at)| *at == place).map(|(when, _)| *when)
    }
}
