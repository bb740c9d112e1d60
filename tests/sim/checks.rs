//! The invariants, by name.

use eureka_registry::model::InstanceStatus;

use crate::clients::LEASE;
use crate::links::Group;
use crate::oracle::{Aspect, Event, Value};
use crate::replicas::Slot;
use crate::script::{CLIENTS, Shape};
use crate::view::{Seen, View, client_of, id, view};
use crate::world::State;

/// A lease in milliseconds; after a renewal it lasts twice as long.
pub(crate) const LEASE_MS: u64 = LEASE.as_secs() * 1000;
/// After its client was last heard, an instance is gone everywhere: two leases, and evictions of one after the other.
const GONE_AFTER: u64 = 2 * LEASE_MS + 14_000;
/// Replicas note times in milliseconds, and hear of things later than they happened.
const SLACK: u64 = 150;
/// A replica that was suspended has compared its clock with its peers' within this: a comparison, and the look at its own clock.
const AWAKE_WITHIN: u64 = 3_500;

impl State {
    /// Looks at a process, if anything changed there.
    pub(crate) fn inspect(&mut self, process: usize, shape: &Shape, now: u64) {
        let Some(slot) = self.slots.get_mut(process).filter(|slot| slot.opened.is_some()) else { return };
        let Some(registry) = &slot.registry else { return };
        let version = registry.version();
        if slot.view.is_some() && version == slot.version {
            return;
        }
        registry.check();
        let after = view(registry);
        slot.version = version;
        let before = slot.view.replace(after.clone());
        self.one_cluster(process, &after, shape, now);
        if shape.java() == Some(process) || process >= shape.replicas {
            return;
        }
        for (id, held) in before.iter().flatten().filter(|(id, _)| !after.contains_key(*id)) {
            if let Some(client) = client_of(id).filter(|client| self.is_silent_by_a_leap(*client, process, now)) {
                self.oracle.blur(client, Aspect::Status);
            }
            let slot = &mut self.slots[process];
            let heard = slot.certainly_real(held.heard());
            slot.gone.insert(id.clone(), (now, heard));
        }
        let restored = after.iter().filter(|(_, held)| before.is_none() && held.is_restored());
        for client in restored.filter_map(|(id, _)| client_of(id)) {
            self.oracle.restored[client] = now;
        }
        for (id, held) in &after {
            match before.as_ref().map(|before| before.get(id)) {
                Some(Some(earlier)) if earlier.seen.last_dirty > held.seen.last_dirty => {
                    let what = format!("{id} at {process}: {:?} became {:?}", earlier.seen, held.seen);
                    self.violated("data never goes back", now, what);
                }
                Some(Some(_)) => {}
                Some(None) if !shape.java => self.no_revival(process, id, true, now),
                None if !shape.java => self.no_revival(process, id, false, now),
                Some(None) | None => {}
            }
        }
    }

    /// Whether a client has been silent for long by a clock that has leapt, and the replica can ask nobody who heard it. Such an
    /// instance is evicted, and its override with it.
    fn is_silent_by_a_leap(&self, client: usize, process: usize, now: u64) -> bool {
        let hears = |peer: usize| self.heard_here(client, peer).is_some_and(|at| now <= at + LEASE_MS);
        let can_ask = |peer: usize| peer != process && self.links.orderly_since(process, peer).is_some();
        self.slots[process].leapt_at.is_some()
            && self.heard_here(client, process).is_none()
            && !(0..self.links.open.len()).any(|peer| can_ask(peer) && hears(peer))
    }

    /// Whether another process was suspended that had not called two others before which have run since, and that this one had not
    /// called before. So neither can tell that ages from before are too low, for as long as these instances seem to live.
    fn may_learn_from_a_sleeper(&self, process: usize, now: u64) -> bool {
        let replicas = self.links.open.len();
        let is_one = |sleeper: usize, (slept, woke): (u64, u64)| {
            let can_compare = |other: &usize| *other != sleeper && self.had_read(sleeper, *other, slept);
            !self.had_read(process, sleeper, slept)
                && now <= woke + GONE_AFTER
                && (0..replicas).filter(can_compare).count() < 2
        };
        let slept = |sleeper: usize| self.slots[sleeper].slept.is_some_and(|slept| is_one(sleeper, slept));
        (0..replicas).any(|sleeper| sleeper != process && slept(sleeper))
    }

    /// Whether an instance has stayed at a replica that ran while another one was suspended. Before it evicts, it asks, and the other
    /// one may not have compared its clock yet: then it takes its old word for new, once.
    fn is_kept_by_a_sleepers_word(&self, client: usize, process: usize, now: u64) -> bool {
        let (replicas, id) = (self.links.open.len(), id(client));
        let has_stayed = |slot: &Slot| {
            let left = slot.gone.get(&id).is_some_and(|(left, _)| *left > self.oracle.touched[client]);
            slot.view.as_ref().is_some_and(|view| view.contains_key(&id)) && !left
        };
        let keeps = |sleeper: usize, slept: u64| {
            let others = self.slots[..replicas].iter().enumerate();
            let ran = others.filter(|(other, slot)| *other != sleeper && slot.opened.is_some_and(|at| at < slept));
            ran.filter(|(other, _)| *other != process).any(|(_, slot)| has_stayed(slot))
        };
        let slept = self.slots[..replicas].iter().map(|slot| slot.slept);
        slept.enumerate().any(|(sleeper, slept)| {
            slept.is_some_and(|(slept, woke)| now <= woke + GONE_AFTER && keeps(sleeper, slept))
        })
    }

    /// No instance of another cluster is here, and none of ours is there.
    fn one_cluster(&mut self, process: usize, view: &View, shape: &Shape, now: u64) {
        let is_stranger = process == shape.stranger();
        if let Some(id) = view.keys().find(|id| client_of(id).is_none() != is_stranger) {
            self.violated("one cluster", now, format!("{process} holds {id}"));
        }
    }

    /// An instance that was cancelled and not registered again, or evicted and not heard again, never comes back.
    fn no_revival(&mut self, process: usize, id: &str, was_looked_at: bool, now: u64) {
        let Some(client) = client_of(id) else { return };
        let touched = self.oracle.touched[client];
        let may_be_misled = self.may_learn_from_a_sleeper(process, now);
        let slot = &self.slots[process];
        // What was restored at a start has one lease duration to renew, and so it has where a replica that is in doubt takes it.
        let since = touched.max(self.oracle.restored[client]);
        if now > since + GONE_AFTER && !may_be_misled && !self.is_kept_by_a_sleepers_word(client, process, now) {
            let what = format!("{id} came to {process}, which nobody has heard for {} ms", now - touched);
            return self.violated("no revival", now, what);
        }
        let rivals = self.oracle.rivals(client, Aspect::Presence);
        let is_cancelled = rivals.iter().all(|event| event.value == Value::Present(false));
        let knew = rivals.iter().all(|event| event.holders.contains(&process)) && !rivals.is_empty();
        if is_cancelled && knew {
            return self.violated(
                "no revival",
                now,
                format!("{id} was cancelled, which {process} knew, and came back"),
            );
        }
        // A replica that did not know the last registration may still learn it.
        let last = self.oracle.last(client, Aspect::Presence);
        let knew = last.is_some_and(|event| event.holders.contains(&process));
        // An instance that registered since then came back by itself, even in the same millisecond.
        let left = slot.gone.get(id).filter(|(left, _)| knew && last.is_some_and(|event| event.applied < *left));
        let heard = left.and_then(|(_, heard)| *heard);
        // Of two that are so close, a registration and a heartbeat, it may have heard the first and come back by the second.
        let contacts = &self.oracle.contacts[client];
        let is_one = |heard: u64| contacts.iter().filter(|(when, _)| when + SLACK >= heard).count() <= 1;
        let is_same = |heard: &u64| touched <= heard + SLACK && is_one(*heard);
        // A registration that is stamped as if it were older than a cancellation in a snapshot goes, until a later one is learned.
        let may_seem_older = !self.disks.is_empty() && self.may_be_cancelled(client);
        let is_certain = was_looked_at && !is_cancelled && !may_be_misled && !may_seem_older;
        if let Some(heard) = heard.filter(|heard| is_certain && is_same(heard)) {
            let what =
                format!("{id} came back to {process}, which had heard it at {heard}, as nobody has since {touched}");
            self.violated("no revival", now, what);
        }
    }

    /// The invariants that hold at any moment.
    pub(crate) fn check(&mut self, shape: &Shape, now: u64) {
        self.delivery(shape, now);
        let groups = self.links.groups();
        self.groups.clone_from(&groups);
        for group in groups.iter().filter(|group| now >= group.since + group.takes()) {
            self.convergence(group, now);
            // A replica that starts, stops or is frozen may know what the others cannot.
            let all_talk =
                groups.len() == 1 && self.slots[..shape.replicas].iter().all(|slot| !slot.is_taken() || slot.is_well());
            if all_talk && !shape.java {
                self.last_command(group, now);
            }
            self.oracle.knows_the_same(&group.members, now - group.takes());
            let ahead = group.members.iter().map(|member| self.slots[*member].stamps_at_least_ahead).max();
            for member in &group.members {
                self.slots[*member].stamps_at_least_ahead = ahead.unwrap();
            }
        }
        (0..shape.replicas).for_each(|replica| self.check_restored(replica, now));
        for client in 0..CLIENTS {
            for replica in 0..shape.replicas {
                let is_open = self.slots[replica].opened.is_some();
                if is_open && !self.shows(client, replica) && self.must_show(client, replica, now) {
                    self.violated("no loss", now, format!("{} is missing at {replica}", id(client)));
                }
            }
        }
    }

    fn seen(&self, client: usize, replica: usize) -> Option<Seen> {
        self.slots[replica].view.as_ref()?.get(&id(client)).map(|held| held.seen)
    }

    pub(crate) fn shows(&self, client: usize, replica: usize) -> bool {
        self.seen(client, replica).is_some()
    }

    /// An instance whose heartbeat was answered 200 at a replica that is up is shown there, and by all replicas that can talk
    /// with it. A replica that was frozen may answer a heartbeat first, and apply an older cancellation then: both waited.
    pub(crate) fn must_show(&self, client: usize, replica: usize, now: u64) -> bool {
        let Some(last) = self.oracle.last(client, Aspect::Presence) else { return false };
        if last.value != Value::Present(true) || !self.clients[client].lives || self.may_be_cancelled(client) {
            return false;
        }
        if self
            .heard_here(client, replica)
            .is_some_and(|at| self.counts(replica, at, now) && last.applied <= at && self.no_cancel_since(client, at))
            && self.cancels(client).all(|(_, cancel)| cancel.holders.contains(&replica))
        {
            return true;
        }
        let Some(group) = self.groups.iter().find(|group| group.members.contains(&replica)) else { return false };
        let takes = group.takes();
        let settled = now >= group.since + takes && now >= last.applied + takes && takes < LEASE_MS;
        let within = (group.since.max(now.saturating_sub(LEASE_MS)), now.saturating_sub(takes));
        let was_heard = |(at, place): &(u64, usize)| {
            (within.0..=within.1).contains(at) && group.members.contains(place) && self.counts(*place, *at, now)
        };
        settled && self.no_cancel_since(client, within.0) && self.oracle.contacts[client].iter().rev().any(was_heard)
    }

    /// Whether what a replica heard less than a lease ago still keeps an instance there. What it heard as it woke, before it
    /// compared its clock, counts as if it came before it was suspended: nobody can tell the two apart.
    fn counts(&self, replica: usize, at: u64, now: u64) -> bool {
        let as_it_woke = |(_, woke): &(u64, u64)| (*woke..=woke + AWAKE_WITHIN).contains(&at);
        let suspended = self.slots[replica].slept.filter(as_it_woke).map_or(0, |(slept, woke)| woke - slept);
        now + suspended <= at + LEASE_MS
    }

    /// Whether the last registration may turn out to be earlier than a cancellation, or be lost while a snapshot keeps a cancellation
    /// from before it: a replica may have written one between the two, and another one none since.
    fn may_be_cancelled(&self, client: usize) -> bool {
        let is_kept = !self.disks.is_empty() && self.cancels(client).next().is_some();
        let is_known = self.oracle.last(client, Aspect::Presence).is_some_and(|last| !last.holders.is_empty());
        self.oracle.may_be_cancelled(client) || (is_kept && !is_known)
    }

    /// When a client was last answered successfully by the process that runs there now, and by its clock not long ago.
    fn heard_here(&self, client: usize, replica: usize) -> Option<u64> {
        let slot = &self.slots[replica];
        let since = slot.leapt_at.max(slot.opened)?;
        self.oracle.contact_at(client, replica).filter(|at| *at >= since)
    }

    /// The cancellations of an instance, each with the number of its event.
    pub(crate) fn cancels(&self, client: usize) -> impl Iterator<Item = (usize, &Event)> {
        let is_cancel = move |event: &Event| event.client == client && event.value == Value::Present(false);
        self.oracle.events.iter().enumerate().filter(move |(_, event)| is_cancel(event))
    }

    fn no_cancel_since(&self, client: usize, since: u64) -> bool {
        self.cancels(client).all(|(_, cancel)| cancel.applied + LEASE_MS < since)
    }

    /// Whether a client was registered some time before a moment, and has not been cancelled since.
    pub(crate) fn was_present_before(&self, client: usize, moment: u64) -> bool {
        let is_registration = |event: &&Event| event.value == Value::Present(true);
        let first = self.oracle.events.iter().filter(|event| event.client == client).find(is_registration);
        let last = self.oracle.last(client, Aspect::Presence);
        first.is_some_and(|event| event.applied + LEASE_MS < moment)
            && last.is_some_and(|event| event.value == Value::Present(true))
            && self.no_cancel_since(client, moment)
    }

    /// A change that a replica accepted is at each peer that it can reach.
    fn delivery(&mut self, shape: &Shape, now: u64) {
        for number in 0..self.oracle.events.len() {
            let event = &self.oracle.events[number];
            let due: Vec<_> =
                event.awaited.iter().filter(|(_, (by, _))| *by <= now).map(|(peer, of)| (*peer, *of)).collect();
            for (peer, (by, is_settled)) in due {
                let event = &self.oracle.events[number];
                let is_last =
                    self.oracle.last(event.client, event.value.aspect()).is_some_and(|last| std::ptr::eq(last, event));
                let expected = self.oracle.expected(event.client, event.value.aspect());
                let is_alone = is_last && expected.is_some_and(|expected| expected == [event.value]);
                let is_there = fits(self.seen(event.client, peer), event.value);
                if is_alone && !is_there && !shape.java {
                    let invariant = if is_settled { "delivery" } else { "joining" };
                    let what = format!(
                        "{} {:?}, accepted at {} at {}, is not at {peer} at {by}",
                        id(event.client),
                        event.value,
                        event.place,
                        event.applied
                    );
                    self.violated(invariant, now, what);
                }
                let event = &mut self.oracle.events[number];
                event.awaited.remove(&peer);
                event.holders.insert(peer);
            }
        }
    }

    /// Replicas that can talk know the same.
    fn convergence(&mut self, group: &Group, now: u64) {
        for client in 0..CLIENTS {
            let changed =
                self.oracle.events.iter().filter(|event| event.client == client).map(|event| event.applied).max();
            let is_quiet = changed.is_none_or(|changed| now >= changed + group.takes());
            // An instance that has been silent for a lease is evicted by one replica before another.
            if !is_quiet || self.is_silent(client, group, now) {
                continue;
            }
            let first = self.seen(client, group.members[0]);
            for other in &group.members[1..] {
                let theirs = self.seen(client, *other);
                if theirs != first {
                    let what = format!("{}: {first:?} at {}, {theirs:?} at {other}", id(client), group.members[0]);
                    self.violated("convergence", now, what);
                }
            }
        }
    }

    /// Whether a group has not heard a client for a lease. A heartbeat may be known to some members only, if the process that
    /// accepted it has ended since, or is in no group with these. One that a replica hears when it was suspended, and has not
    /// compared its clock since, may count as one from before.
    fn is_silent(&self, client: usize, group: &Group, now: u64) -> bool {
        let is_awake =
            |member: usize, at: u64| self.slots[member].slept.is_none_or(|(_, woke)| at > woke + AWAKE_WITHIN);
        let heard = |member: &usize| self.heard_here(client, *member).filter(|at| is_awake(*member, *at));
        let heard = group.members.iter().filter_map(heard).max();
        heard.is_none_or(|heard| now > heard + LEASE_MS)
    }

    /// If all replicas can talk, the last command wins.
    fn last_command(&mut self, group: &Group, now: u64) {
        for client in 0..CLIENTS {
            let changed =
                self.oracle.events.iter().filter(|event| event.client == client).map(|event| event.applied).max();
            if changed.is_none_or(|changed| now < changed + group.takes()) {
                continue;
            }
            for aspect in [Aspect::Presence, Aspect::Status, Aspect::Data] {
                let Some(expected) = self.oracle.expected(client, aspect) else { continue };
                // An instance that has been silent for long may be evicted, and its override with it.
                let was_long_ago = now > self.oracle.heard(client) + LEASE_MS;
                let is_silent = was_long_ago || self.is_silent(client, group, now);
                if is_silent && !expected.iter().all(|value| *value == Value::Present(false)) {
                    continue;
                }
                for member in &group.members {
                    let seen = self.seen(client, *member);
                    if !expected.iter().any(|value| fits(seen, *value)) {
                        let what = format!("{} at {member} is {seen:?}, not {expected:?}", id(client));
                        self.violated("the last command wins", now, what);
                    }
                }
            }
        }
    }

    /// A replica that is open is whole, or has waited for the maximum time.
    pub(crate) fn is_whole(&mut self, process: usize, now: u64) {
        let Some(slot) = self.slots[..self.links.open.len()].get(process) else { return };
        let waited = u128::from(now - slot.began);
        // Where the clock leaps, the time is over earlier.
        if slot.leapt_at.is_some() || slot.known.is_empty() || waited >= crate::replicas::SYNC_TIMEOUT.as_millis() {
            return;
        }
        let lacks = |peer: usize| {
            (0..CLIENTS).find(|client| {
                let last = self.oracle.last(*client, Aspect::Presence);
                let is_old =
                    last.is_some_and(|event| event.value == Value::Present(true) && now > event.applied + 2_500);
                is_old
                    && !self.may_be_cancelled(*client)
                    && self.oracle.contact_at(*client, peer).is_some_and(|at| now < at + LEASE_MS && now > at + SLACK)
                    && self.shows(*client, peer)
                    && !self.shows(*client, process)
            })
        };
        let lacking: Vec<_> = slot.known.iter().map(|peer| (*peer, lacks(*peer))).collect();
        if lacking.iter().all(|(_, missing)| missing.is_some()) {
            let what = format!("{process} answers after {waited} ms, and lacks what others know: {lacking:?}");
            self.violated("whole or closed", now, what);
        }
    }

    /// All replicas know the same; instances that live are known, those that left are not.
    pub(crate) fn check_the_end(&mut self, shape: &Shape, now: u64) {
        for replica in 0..shape.replicas + usize::from(shape.java) {
            if self.slots[replica].opened.is_none() {
                self.violated("everybody starts", now, format!("{replica} does not answer"));
            }
            for client in 0..CLIENTS {
                let (known, lives) = (self.shows(client, replica), self.clients[client].lives);
                if known != lives {
                    let invariant = if lives { "no loss" } else { "no revival" };
                    let what = format!("{} lives: {lives}, is known to {replica}: {known}", id(client));
                    self.violated(invariant, now, what);
                }
            }
        }
    }
}

/// Whether a state agrees with an event. An event that says nothing about the instance's presence agrees with its absence.
fn fits(seen: Option<Seen>, value: Value) -> bool {
    match (value, seen) {
        (Value::Present(present), seen) => seen.is_some() == present,
        (_, None) => true,
        (Value::Status(status), Some(seen)) => {
            seen.status == status && seen.overridden.is_none_or(|set: InstanceStatus| set == status)
        }
        (Value::Data { last_dirty, tag }, Some(seen)) => (seen.last_dirty, seen.tag) == (last_dirty, tag),
    }
}
