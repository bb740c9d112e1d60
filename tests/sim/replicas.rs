//! The processes: replicas that start, stop, crash, freeze and come back with another clock, by the product's own start and stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use eureka_registry::registry::{self, InstanceRegistry, PeerMemory};
use eureka_registry::replication;
use eureka_registry::replication::ServiceUrl;
use eureka_registry::server::{Node, PeerAccess, Settings};
use eureka_registry::tasks::Gate;
use eureka_registry::time::{Clock, Timestamp};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::clients::RENEWAL;
use crate::disks::Mounted;
use crate::net::{From, Net, PATIENCE, PATIENCE_AT_START, host};
use crate::oracle::Ahead;
use crate::restored::Restored;
use crate::script::Shape;
use crate::view::{View, stamp_clock};
use crate::world::{State, World};

/// The time at which histories begin.
pub(crate) const EPOCH: i64 = 1_700_000_000_000;
/// How long a replica waits for a peer to copy from.
pub(crate) const SYNC_TIMEOUT: Duration = Duration::from_secs(8);
/// How long the delta shows a change.
pub(crate) const RETENTION: Duration = Duration::from_secs(12);
const LAME_DUCK: Duration = Duration::from_secs(1);
/// How long a name stays, or is not there yet, at most.
const NAMES_LAG: u64 = 1_500;

/// A place for a process.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// By how much the clock is ahead of the one that runs there, and of the next.
    pub(crate) ahead: i64,
    pub(crate) ahead_next: i64,
    /// By how much it has leapt of that.
    leapt: Option<&'static AtomicI64>,
    /// When it leapt last.
    pub(crate) leapt_at: Option<u64>,
    /// Since when its machine has been suspended.
    suspended: Option<u64>,
    /// When it was suspended last, and when it woke.
    pub(crate) slept: Option<(u64, u64)>,
    /// The processes whose clocks it has read: by their places, which incarnation, and since when.
    read: BTreeMap<usize, (u64, u64)>,
    /// By how much the process's stamp clock is ahead at least, since it has talked with others.
    pub(crate) stamps_at_least_ahead: i64,
    /// How many processes there were; another process is another incarnation.
    pub(crate) incarnation: u64,
    pub(crate) registry: Option<Arc<InstanceRegistry>>,
    node: Option<Node>,
    gate: Option<Gate>,
    /// The task that starts or stops the process.
    task: Option<AbortHandle>,
    starts_waiting: bool,
    is_frozen: bool,
    /// When its start began, and when it opened.
    pub(crate) began: u64,
    pub(crate) opened: Option<u64>,
    /// The replicas with which it could talk all the time since its start began.
    met: Vec<usize>,
    /// Those that answered and were named when it began, and since.
    pub(crate) known: Vec<usize>,
    /// Its content at the last look, and the version of that.
    pub(crate) view: Option<View>,
    pub(crate) version: u64,
    /// When instances that it no longer holds left it, and when they had been heard, as far as it knew.
    pub(crate) gone: BTreeMap<String, (u64, Option<u64>)>,
    /// Whether it opened without a copy.
    pub(crate) opened_empty: bool,
    /// What it found on its disk.
    pub(crate) restored: Option<Restored>,
}

impl State {
    /// A process was answered by another one. What it learns of its clock at the start, it forgets.
    pub(crate) fn was_answered(&mut self, process: usize, by: usize, now: u64) {
        let incarnation = self.slots.get(by).map_or(0, |other| other.incarnation);
        let Some(slot) = self.slots.get_mut(process).filter(|slot| slot.opened.is_some()) else { return };
        let read = slot.read.entry(by).or_insert((incarnation, now));
        if read.0 != incarnation {
            *read = (incarnation, now);
        }
    }

    /// Whether a process had read the clock of the one that runs at `other` now, before a moment.
    pub(crate) fn had_read(&self, process: usize, other: usize, before: u64) -> bool {
        let is_it =
            |(incarnation, since): &(u64, u64)| *incarnation == self.slots[other].incarnation && *since < before;
        self.slots[process].read.get(&other).is_some_and(is_it)
    }
}

impl Slot {
    pub(crate) fn new(ahead: i64) -> Self {
        Self { ahead_next: ahead, ..Self::default() }
    }

    /// The process exists, even if it is not open yet.
    pub(crate) fn is_taken(&self) -> bool {
        self.registry.is_some()
    }

    /// Whether it is open: it does not start or stop, and is not frozen.
    pub(crate) fn is_well(&self) -> bool {
        self.node.is_some() && !self.is_frozen
    }

    /// Translates a time by the process's clock to milliseconds since the start of the history.
    pub(crate) fn real(&self, by_clock: i64) -> i64 {
        by_clock - EPOCH - self.ahead
    }

    /// The same, if the clock has not leapt: it is unknown whether a time is from before that.
    pub(crate) fn certainly_real(&self, by_clock: i64) -> Option<u64> {
        u64::try_from(self.real(by_clock)).ok().filter(|_| self.leapt_at.is_none())
    }

    /// By how much its stamp clock is ahead.
    pub(crate) fn stamps_ahead(&self, now: u64) -> Ahead {
        let true_now = EPOCH + i64::try_from(now).unwrap();
        let stamp_clock =
            self.registry.as_ref().map(|registry| stamp_clock(registry, Timestamp(true_now + self.ahead)));
        let is = stamp_clock.map_or(self.ahead, |stamp_clock| stamp_clock - true_now);
        Ahead { is, at_least: self.stamps_at_least_ahead }
    }

    fn empty(&mut self) -> Option<Node> {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        let (ahead_next, incarnation, starts_waiting) = (self.ahead_next, self.incarnation, self.starts_waiting);
        let node = self.node.take();
        *self = Self { ahead_next, incarnation, starts_waiting, ..Self::default() };
        node
    }

    pub(crate) fn end(mut self) {
        drop(self.empty());
    }
}

fn settings(shape: &Shape, process: usize) -> Settings {
    let url = |process: usize| ServiceUrl::new("http", &host(shape, process), 8761, "/eureka/");
    let is_java = process == shape.replicas;
    let service_urls = match (is_java, shape.java()) {
        (true, _) => (0..shape.replicas).map(url).collect(),
        (false, Some(java)) if process < shape.replicas => vec![url(java)],
        (false, _) => Vec::new(),
    };
    let service = if process == shape.stranger() { "other" } else { "registry" };
    Settings {
        registry: registry::Options {
            enable_self_preservation: false,
            eviction_interval: Duration::from_secs(2),
            retention_time_in_delta_queue: RETENTION,
            delta_retention_timer_interval: Duration::from_secs(2),
            expected_client_renewal_interval: RENEWAL,
            ..registry::Options::default()
        },
        replication: replication::Options {
            discovery_service: (!is_java).then(|| service.to_owned()),
            service_urls,
            register_with_eureka: Some(false),
            discovery_refresh_interval: Duration::from_secs(1),
            registry_sync_timeout: SYNC_TIMEOUT,
            hostname: Some(host(shape, process)),
            ..replication::Options::default()
        },
        ..Settings::default()
    }
}

/// Starts a process, as soon as the one before it is gone.
pub(crate) fn start(world: &Arc<World>, process: usize) {
    if std::mem::replace(&mut world.state.lock().slots[process].starts_waiting, true) {
        return;
    }
    if !world.state.lock().slots[process].is_taken() {
        return begin(world, process);
    }
    if world.state.lock().slots[process].task.is_none() {
        world.state.lock().slots[process].starts_waiting = false;
        return;
    }
    let world = Arc::clone(world);
    tokio::spawn(async move {
        while world.state.lock().slots.get(process).is_some_and(Slot::is_taken) {
            sleep(Duration::from_millis(100)).await;
        }
        begin(&world, process);
    });
}

fn begin(world: &Arc<World>, process: usize) {
    let (shape, now) = (&world.net.shape, world.now());
    let mut state = world.state.lock();
    let seed = state.rng.random();
    let others: Vec<usize> = (0..shape.replicas).filter(|other| *other != process).collect();
    let Some(slot) = state.slots.get_mut(process) else { return };
    (slot.ahead, slot.stamps_at_least_ahead) = (slot.ahead_next, slot.ahead_next);
    slot.incarnation += 1;
    (slot.began, slot.starts_waiting, slot.met, slot.known) = (now, false, others.clone(), others);
    let epoch = EPOCH + slot.ahead + i64::try_from(now).unwrap();
    let from = |patience| Arc::new(From { net: Arc::clone(&world.net), process, patience, cluster: Mutex::default() });
    let access = PeerAccess { discovery: from(PATIENCE), transport: from(PATIENCE), joining: from(PATIENCE_AT_START) };
    // Clocks are copied freely, so what they share lives as long as this program.
    let leapt: &AtomicI64 = Box::leak(Box::default());
    slot.leapt = Some(leapt);
    let clock = Clock::starting_at(Timestamp(epoch)).leaping(leapt);
    let settings = settings(shape, process);
    let rng = SmallRng::seed_from_u64(seed);
    let disk = Mounted::at(world, process, slot.incarnation);
    let mut node = Node::build(&settings, ([10, 0, 0, 1], 8761).into(), Some(access), disk, clock, rng);
    slot.registry = Some(Arc::clone(node.registry()));
    slot.gate = Some(node.gate().clone());
    let handle = Arc::clone(world);
    let task = tokio::spawn(async move {
        node.join().await;
        node.accept_traffic();
        open(&handle, process, node);
    });
    slot.task = Some(task.abort_handle());
    keep_those_met(&mut state, &world.net);
}

/// The process is open from now on; its name follows.
fn open(world: &Arc<World>, process: usize, node: Node) {
    let now = world.now();
    world.net.trace.say(format_args!("* {process} answers, with {} instances", node.registry().len()));
    world.net.listens(process, Some(Arc::clone(node.service())));
    let lag = {
        let mut state = world.state.lock();
        keep_those_met(&mut state, &world.net);
        // It has copied the registry of a peer, and met the stamp clock there.
        let open = state.slots[..world.net.shape.replicas].iter().filter(|other| other.opened.is_some());
        let least_met = open.map(|other| other.stamps_at_least_ahead).min();
        let slot = &mut state.slots[process];
        if let Some(met) = least_met.filter(|_| !slot.met.is_empty()) {
            slot.stamps_at_least_ahead = slot.stamps_at_least_ahead.max(met);
        }
        (slot.task, slot.opened) = (None, Some(now));
        slot.opened_empty = node.registry().is_empty();
        let by_clock = Timestamp(EPOCH + slot.ahead + i64::try_from(now).unwrap());
        let memory = node.registry().memory(by_clock);
        slot.node = Some(node);
        let met = slot.met.clone();
        state.links.opened(process, &met, now);
        if memory == PeerMemory::Fetched {
            state.fetched_in_doubt = Some(now);
        }
        state.restored(process, memory != PeerMemory::Whole, &world.net.shape, now);
        state.inspect(process, &world.net.shape, now);
        state.check_beside_copy(process, &world.net.shape, now);
        state.is_whole(process, now);
        state.rng.random_range(0..NAMES_LAG)
    };
    rename(world, process, true, lag);
}

/// Those with which a starting process cannot talk are not met; those that do not answer, or have no name, are not known. One that
/// stops does not answer any more while it sends its queue: it refuses connections, as a process does that never ran.
pub(crate) fn keep_those_met(state: &mut State, net: &Net) {
    let open: Vec<bool> = (0..state.slots.len()).map(|process| net.service(process).is_some()).collect();
    for (process, slot) in state.slots.iter_mut().enumerate().filter(|(_, slot)| slot.opened.is_none()) {
        let is_there = |other: usize| open[other] && net.is_named(other) && net.leads_right(other);
        slot.met
            .retain(|other| is_there(*other) && net.is_way_clear(process, *other) && net.is_way_clear(*other, process));
        slot.known.retain(|other| open[*other] && net.is_named_or_silent(*other) && net.leads_right(*other));
    }
}

fn rename(world: &Arc<World>, process: usize, named: bool, lag: u64) {
    let incarnation = world.state.lock().slots[process].incarnation;
    let world = Arc::clone(world);
    tokio::spawn(async move {
        sleep(Duration::from_millis(lag)).await;
        let state = world.state.lock();
        let Some(slot) = state.slots.get(process) else { return };
        // A process that came in the meantime goes on under the name, and one that stops has none.
        if slot.incarnation == incarnation && (slot.node.is_some() == named) {
            drop(state);
            world.net.name(process, named);
        }
    });
}

/// The process is gone.
fn gone(world: &Arc<World>, process: usize, was_killed: bool) {
    world.net.listens(process, None);
    world.net.freeze(process, false);
    let (node, lag) = {
        let mut state = world.state.lock();
        let node = state.slots[process].empty();
        state.links.closed(process);
        state.oracle.forgets(process, was_killed);
        (node, state.rng.random_range(0..NAMES_LAG))
    };
    drop(node);
    rename(world, process, false, lag);
}

/// SIGKILL.
pub(crate) fn crash(world: &Arc<World>, process: usize) {
    if world.state.lock().slots[process].is_taken() {
        gone(world, process, true);
    }
}

/// SIGTERM: its name disappears, it answers for a while, and it sends its queue.
pub(crate) fn stop(world: &Arc<World>, process: usize) {
    let Some(node) = world.state.lock().slots[process].node.take() else { return };
    world.net.name(process, false);
    node.leave();
    let handle = Arc::clone(world);
    let task = tokio::spawn(async move {
        sleep(LAME_DUCK).await;
        handle.net.runs(process).await;
        handle.net.listens(process, None);
        handle.state.lock().links.closed(process);
        node.stop(Duration::from_secs(5)).await;
        // It ends itself, so nobody needs to.
        drop(handle.state.lock().slots[process].task.take());
        gone(&handle, process, false);
    });
    world.state.lock().slots[process].task = Some(task.abort_handle());
}

/// The clock of the process leaps. What others know of it is out of date until they have talked again.
pub(crate) fn leap(world: &Arc<World>, process: usize, by: i64) {
    let now = world.now();
    let mut guard = world.state.lock();
    let state = &mut *guard;
    let slot = &mut state.slots[process];
    let Some(leapt) = slot.leapt.filter(|_| slot.registry.is_some()) else { return };
    leapt.fetch_add(by, Relaxed);
    slot.ahead += by;
    slot.stamps_at_least_ahead += by;
    slot.leapt_at = Some(now);
    state.have_clocks_leapt = true;
    for (from, to) in state.links.interrupted(process, now) {
        state.oracle.excuse(from, to);
    }
}

/// The machine of the process is suspended.
pub(crate) fn suspend(world: &Arc<World>, process: usize) {
    let now = world.now();
    {
        let slot = &mut world.state.lock().slots[process];
        if slot.gate.is_none() {
            return;
        }
        slot.suspended.get_or_insert(now);
    }
    freeze(world, process, true);
}

/// The machine goes on, and the clock with it.
pub(crate) fn resume(world: &Arc<World>, process: usize) {
    let Some(since) = world.state.lock().slots[process].suspended.take() else { return };
    let now = world.now();
    world.state.lock().slots[process].slept = Some((since, now));
    leap(world, process, -i64::try_from(now - since).unwrap());
    freeze(world, process, false);
}

/// SIGSTOP and SIGCONT.
pub(crate) fn freeze(world: &Arc<World>, process: usize, frozen: bool) {
    let (gate, is_suspended) = {
        let slot = &world.state.lock().slots[process];
        (slot.gate.clone(), slot.suspended.is_some())
    };
    if let Some(gate) = gate.filter(|_| frozen || !is_suspended) {
        world.state.lock().slots[process].is_frozen = frozen;
        if frozen {
            gate.close();
        } else {
            gate.open();
        }
        world.net.freeze(process, frozen);
    }
}
