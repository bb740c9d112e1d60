//! What a snapshot promises: what it holds is known again after a start, unless it was damaged.

use std::collections::BTreeSet;

use crate::checks::LEASE_MS;
use crate::disks::{Disk, Kept};
use crate::replicas::EPOCH;
use crate::script::Shape;
use crate::view::id;
use crate::world::State;

/// What a process found on its disk when it started.
#[derive(Debug)]
pub(crate) struct Restored {
    kept: Kept,
    /// When no replica ran between the snapshot and this start, if so. Since each one that runs has then been up for less long than the
    /// instances were silent, none that lacks one of them knows better.
    all_down: Option<u64>,
    /// Whether there was no peer to copy from that knew what clients know.
    is_alone: bool,
}

impl State {
    /// A process opens, and has read its disk. It knows for certain what stands in its snapshot, cancellations included.
    pub(crate) fn restored(&mut self, process: usize, is_alone: bool, shape: &Shape, now: u64) {
        if self.disks.get(process).is_some_and(Disk::is_torn) {
            self.violated("a torn snapshot is not used", now, format!("{process} did not refuse it"));
        }
        let Some(kept) = self.disks.get(process).and_then(Disk::usable).cloned() else { return };
        for number in &kept.events {
            self.oracle.events[*number].holders.insert(process);
        }
        let all_down = self.all_down.filter(|at| *at >= kept.written && !shape.java);
        self.slots[process].restored = Some(Restored { kept, all_down, is_alone });
    }

    /// A process that opens with a copy takes beside it from its snapshot what may be alive.
    pub(crate) fn check_beside_copy(&mut self, process: usize, shape: &Shape, now: u64) {
        // Ages are right where clocks are.
        let beside = self.slots[process].restored.iter().filter(|restored| !restored.is_alone && !shape.is_skewed());
        let clients = beside.flat_map(|restored| restored.kept.clients.clone()).collect::<Vec<_>>();
        for (client, heard) in clients {
            let age = i64::try_from(now).unwrap() - (heard - EPOCH);
            if age <= i64::try_from(LEASE_MS).unwrap() && self.stands(client, process) && !self.shows(client, process) {
                let what = format!("{process} has {} in its snapshot, and lacks it beside its copy", id(client));
                self.violated("what was kept is known", now, what);
            }
        }
    }

    /// Whether an instance in the snapshot of a process is there for certain: no cancellation can come that the snapshot lacks, and no
    /// registration that seems older than one that it has, since it was stamped by a clock that is behind.
    fn stands(&self, client: usize, process: usize) -> bool {
        let Some(Restored { kept, .. }) = &self.slots[process].restored else { return false };
        let may_seem_older = self.cancels(client).next().is_some() && self.oracle.may_be_cancelled(client);
        kept.clients.contains_key(&client)
            && !may_seem_older
            && self.cancels(client).all(|(number, _)| kept.events.contains(&number))
    }

    /// Whether a process has to show an instance because its snapshot had it: for one lease duration, in which the client can renew,
    /// even if there is no client any more. Afterwards renewals count.
    pub(crate) fn has_time_to_renew(&self, client: usize, process: usize, now: u64) -> bool {
        let slot = &self.slots[process];
        let Some(down) = slot.restored.as_ref().and_then(|restored| restored.all_down.filter(|_| restored.is_alone))
        else {
            return false;
        };
        // By a clock that was set back since, it is unknown how long anybody was silent: at least as long as this replica is open. So one
        // that has been open for longer may call dead what it lacks.
        let others = self.slots[..self.links.open.len()].iter();
        let is_first = others.filter_map(|other| other.opened).all(|opened| slot.opened <= Some(opened));
        if slot.restored.as_ref().is_some_and(|restored| slot.ahead < restored.kept.ahead) && !is_first {
            return false;
        }
        let is_in_time = slot.opened.is_some_and(|opened| now <= opened + LEASE_MS);
        // One that was heard again, and is silent for a lease since, is dead to a replica that evicted it. (Commands count as heard.)
        let touched = self.oracle.touched[client];
        let is_dead = touched >= down && now > touched + LEASE_MS;
        // A replica whose clock leapt, as by a suspended machine, has a wrong uptime, or says that it heard it later than it did.
        let is_misled = self.have_clocks_leapt;
        is_in_time && !is_dead && !is_misled && self.stands(client, process)
    }

    /// The clients whose instances a process has to show.
    pub(crate) fn with_time_to_renew(&self, process: usize, now: u64) -> BTreeSet<usize> {
        let restored = self.slots[process].restored.iter();
        let clients = restored.flat_map(|restored| restored.kept.clients.keys().copied());
        clients.filter(|client| self.has_time_to_renew(*client, process, now)).collect()
    }

    /// All that was restored is shown.
    pub(crate) fn check_restored(&mut self, process: usize, now: u64) {
        for client in self.with_time_to_renew(process, now) {
            if !self.shows(client, process) {
                let what = format!("{process} restored {}, and lacks it before a lease is over", id(client));
                self.violated("what was kept is known", now, what);
            }
        }
    }
}
