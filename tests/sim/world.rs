//! [`World`]: plays a script.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;

use crate::clients::{self, Ask, Client};
use crate::disks::Disk;
use crate::links::{Group, Links};
use crate::net::Net;
use crate::oracle::Oracle;
use crate::readers;
use crate::replicas::{self, Slot};
use crate::script::{CLIENTS, END, HEALED, Op, Script, Step};
use crate::table;
use crate::trace::Trace;

/// How often everything is checked, in addition to each event.
const TICK: u64 = 100;
/// Replicas start one after another, as those of a StatefulSet do.
const START_APART: u64 = 1_800;
/// How long replicas may take to find each other, before faults begin.
const RENEWALS_PER_LEASE: u64 = 3;

/// A broken invariant.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) at: u64,
    pub(crate) what: String,
    /// The states of all processes then.
    pub(crate) states: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} broken at {:.3} s: {}", self.invariant, self.at as f64 / 1000.0, self.what)?;
        f.write_str(&self.states)
    }
}

/// The changing state of a history.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) slots: Vec<Slot>,
    pub(crate) clients: Vec<Client>,
    /// The disks of our replicas' machines, if they have some.
    pub(crate) disks: Vec<Disk>,
    /// When no replica of ours ran last.
    pub(crate) all_down: Option<u64>,
    /// Whether the clock of a process has leapt.
    pub(crate) have_clocks_leapt: bool,
    pub(crate) links: Links,
    /// Which replicas can talk, as of the last check.
    pub(crate) groups: Vec<Group>,
    pub(crate) oracle: Oracle,
    /// When everything was last fetched from a replica that had opened without a copy.
    pub(crate) fetched_in_doubt: Option<u64>,
    /// When clients showed which replica that they had known a registry.
    pub(crate) signs: Vec<(u64, usize)>,
    pub(crate) rng: SmallRng,
    pub(crate) broken: Option<Violation>,
}

impl State {
    /// Notes a broken invariant; the first one of a history counts.
    pub(crate) fn violated(&mut self, invariant: &'static str, at: u64, what: String) {
        if self.broken.is_none() {
            let states = table::of(self, at);
            self.broken = Some(Violation { invariant, at, what, states });
        }
    }
}

/// Replicas, clients and the network between them.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) net: Arc<Net>,
    pub(crate) state: Mutex<State>,
}

/// Plays a script to its end, or until an invariant is broken. Returns the history as one number.
pub(crate) async fn play(script: &Script, aloud: bool) -> Result<u64, Violation> {
    let shape = &script.shape;
    let net = Net::new(script.seed, shape, Trace::new(aloud));
    let slots = (0..shape.processes()).map(|process| Slot::new(shape.clocks[process.min(shape.clocks.len() - 1)]));
    let state = State {
        slots: slots.collect(),
        clients: (0..CLIENTS).map(|number| Client::new(number % shape.replicas)).collect(),
        disks: Disk::of_all(script.seed, shape),
        all_down: None,
        have_clocks_leapt: false,
        links: Links::new(shape.replicas),
        groups: Vec::new(),
        oracle: Oracle::new(CLIENTS),
        fetched_in_doubt: None,
        signs: Vec::new(),
        rng: SmallRng::seed_from_u64(script.seed.wrapping_mul(31)),
        broken: None,
    };
    let world = Arc::new(World { net, state: Mutex::new(state) });
    world.net.world.set(Arc::downgrade(&world)).unwrap();
    let mut living = JoinSet::new();
    (0..CLIENTS).for_each(|client| drop(living.spawn(clients::live(Arc::clone(&world), client))));
    (0..readers::READERS).for_each(|reader| drop(living.spawn(readers::follow(Arc::clone(&world), reader))));
    let played = world.play(script).await;
    living.shutdown().await;
    // The tasks of the replicas end with them, and so do their references to the world.
    let slots = std::mem::take(&mut world.state.lock().slots);
    slots.into_iter().for_each(Slot::end);
    played.map(|()| world.net.trace.sum())
}

impl World {
    pub(crate) fn now(&self) -> u64 {
        self.net.trace.now()
    }

    async fn play(self: &Arc<Self>, script: &Script) -> Result<(), Violation> {
        let starts =
            (0..script.shape.processes()).filter(|process| *process != script.shape.replicas || script.shape.java);
        let starts: Vec<Step> =
            starts.map(|process| Step { at: process as u64 * START_APART, op: Op::Start(process) }).collect();
        let mut steps: Vec<Step> = starts.iter().chain(&script.steps).copied().collect();
        steps.sort_by_key(|step| step.at);
        for step in steps {
            self.until(step.at).await?;
            self.net.trace.say(format_args!("* {:?}", step.op));
            self.apply(step.op);
        }
        self.until(HEALED).await?;
        self.net.trace.say(format_args!("* all faults end"));
        self.heal();
        let batches = self.net.batches();
        self.until(END).await?;
        self.at_the_end(self.net.batches() - batches);
        self.broken()
    }

    fn broken(&self) -> Result<(), Violation> {
        self.state.lock().broken.clone().map_or(Ok(()), Err)
    }

    async fn until(&self, at: u64) -> Result<(), Violation> {
        loop {
            self.broken()?;
            let now = self.now();
            if now >= at {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis((at - now).min(TICK - now % TICK))).await;
            self.tick();
        }
    }

    fn apply(self: &Arc<Self>, op: Op) {
        match op {
            Op::Cut { from, to } => self.net.cut(from, to, true),
            Op::Mend { from, to } => self.net.cut(from, to, false),
            Op::Lose { requests, answers, longest_delay } => self.net.lose(requests, answers, longest_delay),
            Op::LoseNothing => self.net.lose(0, 0, 2),
            Op::Crash(replica) => replicas::crash(self, replica),
            Op::Stop(replica) => replicas::stop(self, replica),
            Op::Start(replica) => replicas::start(self, replica),
            Op::Freeze(replica) => replicas::freeze(self, replica, true),
            Op::Thaw(replica) => replicas::freeze(self, replica, false),
            Op::SetClock { replica, ahead } => self.state.lock().slots[replica].ahead_next = ahead,
            Op::Leap { replica, by } => replicas::leap(self, replica, i64::try_from(by).unwrap()),
            Op::Suspend(replica) => replicas::suspend(self, replica),
            Op::Resume(replica) => replicas::resume(self, replica),
            Op::DiskFull(replica) => self.with_disk(replica, Disk::fill),
            Op::DiskSlow { replica, takes } => self.with_disk(replica, |disk| disk.takes(takes)),
            Op::DiskWell(replica) => self.with_disk(replica, Disk::heal),
            Op::DiskLost(replica) => self.with_disk_at_rest(replica, Disk::lose),
            Op::DiskOld(replica) => self.with_disk_at_rest(replica, Disk::go_back),
            Op::DiskTorn(replica) => self.with_disk_at_rest(replica, Disk::tear),
            Op::NamesFail => self.net.names_answer(false),
            Op::NamesAnswer => self.net.names_answer(true),
            Op::NameWrong { name, to } => self.net.name_leads(name, Some(to)),
            Op::NameRight(name) => self.net.name_leads(name, None),
            Op::Join(client) => clients::come(self, client),
            Op::Change(client) => clients::change(self, client),
            Op::Die(client) => self.state.lock().clients[client].lives = false,
            Op::Leave(client) => clients::leave(self, client),
            Op::SetStatus { client, replica, status } => {
                clients::command(self, client, replica, Ask::SetStatus(status));
            }
            Op::RemoveStatus { client, replica } => clients::command(self, client, replica, Ask::RemoveStatus),
            Op::PutMetadata { client, replica, value } => clients::command(self, client, replica, Ask::Put(value)),
            Op::Cancel { client, replica } => clients::command(self, client, replica, Ask::Cancel),
        }
        self.tick();
    }

    fn with_disk(&self, replica: usize, change: impl FnOnce(&mut Disk)) {
        if let Some(disk) = self.state.lock().disks.get_mut(replica) {
            change(disk);
        }
    }

    fn with_disk_at_rest(&self, replica: usize, change: impl FnOnce(&mut Disk)) {
        let is_in_use = self.state.lock().slots[replica].is_taken();
        if !is_in_use {
            self.with_disk(replica, change);
        }
    }

    fn heal(self: &Arc<Self>) {
        self.state.lock().disks.iter_mut().for_each(Disk::heal);
        for process in 0..self.net.shape.processes() {
            replicas::resume(self, process);
            replicas::freeze(self, process, false);
        }
        self.net.heal();
        for replica in 0..self.net.shape.replicas + usize::from(self.net.shape.java) {
            replicas::start(self, replica);
        }
    }

    /// Checks everything.
    pub(crate) fn tick(&self) {
        let now = self.now();
        for process in 0..self.net.shape.processes() {
            self.inspect(process);
        }
        let mut state = self.state.lock();
        if !state.slots[..self.net.shape.replicas].iter().any(Slot::is_taken) {
            state.all_down = Some(now);
        }
        replicas::keep_those_met(&mut state, &self.net);
        for (from, to) in state.links.refresh(&self.net, now) {
            state.oracle.excuse(from, to);
        }
        state.check(&self.net.shape, now);
    }

    /// Checks one process, if anything changed there.
    pub(crate) fn inspect(&self, process: usize) {
        self.state.lock().inspect(process, &self.net.shape, self.now());
    }

    fn at_the_end(&self, batches: u64) {
        let now = self.now();
        let mut state = self.state.lock();
        state.check_the_end(&self.net.shape, now);
        // Each heartbeat goes to each peer, at worst in a batch of its own. If replicas passed heartbeats on, there would be far
        // more.
        let processes = self.net.shape.processes() as u64 - 1;
        let seconds = (END - HEALED) / 1000;
        let renewals = (seconds * RENEWALS_PER_LEASE / (clients::LEASE.as_secs()) + 1) * CLIENTS as u64;
        if batches > renewals * 2 * processes {
            let what = format!("{batches} batches for {renewals} renewals");
            state.violated("nothing is passed on", now, what);
        }
    }
}
