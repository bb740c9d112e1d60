//! [`Batcher`]: the queue of changes and heartbeats for one peer, and when they are sent.
//!
//! Netflix's `AcceptorExecutor`, `TaskExecutors` and `TrafficShaper` in one synchronous state machine that knows neither network
//! nor clock. Different from there: the first change goes out at once instead of after half a second, and changes that arrive
//! while a batch is on its way form the next batch; the order of what happens to one instance is kept; a batch that failed is
//! sent again in its old place.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::model::{Action, InstanceKey};
use crate::registry::{Caller, Lease};
use crate::time::Timestamp;

/// Maximum items of a batch (`PeerEurekaNode.BATCH_SIZE`).
pub(super) const BATCH_SIZE: usize = 250;
/// How long heartbeats wait for others to share a batch with: they are many, and no reader waits for them.
const HEARTBEAT_LINGER: Duration = Duration::from_millis(100);
/// The first pause after the network failed; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The pause after a peer answered that it is busy, or did not answer in time.
const CONGESTION_PAUSE: Duration = Duration::from_secs(1);

/// A change or a heartbeat to be replicated to a peer.
#[derive(Clone, Debug)]
pub struct ReplicationTask {
    /// The kind of change.
    pub action: Action,
    /// The instance.
    pub key: InstanceKey,
    /// The lease, which is looked at when the task is sent; `None` for a cancellation.
    pub lease: Option<Arc<Lease>>,
    /// Who made the change, if a user or a reason is known; never for a heartbeat. Only our own replicas are sent it.
    pub by: Option<Arc<Caller>>,
    /// When it is no longer worth sending.
    pub expires: Timestamp,
}

/// What a sender does next.
#[derive(Debug)]
pub enum Next {
    /// Send these; then report the outcome.
    Batch(Vec<ReplicationTask>),
    /// Ask again at this time, or when something is offered.
    WaitUntil(Timestamp),
    /// Ask again when something is offered.
    Idle,
}

/// The outcome of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered, item by item.
    Delivered,
    /// It could not be delivered, and is sent again later.
    NetworkFailed,
    /// The peer is too busy; it is sent again later.
    Congested,
    /// The peer refuses it, and would refuse it again: it is given up.
    Refused,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::NetworkFailed, Self::Congested, Self::Refused];

    /// In a word, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::NetworkFailed => "network_failed",
            Self::Congested => "congested",
            Self::Refused => "refused",
        }
    }
}

/// The queued tasks of one instance, by kind. Setting and removing a status are one kind, since the later one wins.
const REGISTER: usize = 0;
const HEARTBEAT: usize = 1;
const CANCEL: usize = 2;
const STATUS: usize = 3;

fn kind(action: Action) -> usize {
    match action {
        Action::Register => REGISTER,
        Action::Heartbeat => HEARTBEAT,
        Action::Cancel => CANCEL,
        Action::StatusUpdate | Action::DeleteStatusOverride => STATUS,
    }
}

#[derive(Debug)]
struct Queued {
    task: ReplicationTask,
    offered: Timestamp,
}

/// The queue of one peer.
#[derive(Debug)]
pub struct Batcher {
    most: usize,
    next_place: u64,
    /// The places of each instance's tasks, by kind.
    places: HashMap<InstanceKey, [Option<u64>; 4]>,
    changes: BTreeMap<u64, Queued>,
    heartbeats: BTreeMap<u64, Queued>,
    in_flight: Vec<(u64, Queued)>,
    not_before: Timestamp,
    failures: u32,
    flushing: bool,
    dropped: u64,
    expired: u64,
}

impl Batcher {
    /// An empty queue for at most `most` tasks.
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            next_place: 0,
            places: HashMap::new(),
            changes: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            in_flight: Vec::new(),
            not_before: Timestamp::NEVER,
            failures: 0,
            flushing: false,
            dropped: 0,
            expired: 0,
        }
    }

    /// How many tasks wait or are on their way.
    pub fn len(&self) -> usize {
        self.changes.len() + self.heartbeats.len() + self.in_flight.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the oldest task that waits was offered.
    pub fn oldest(&self) -> Option<Timestamp> {
        let first = |queue: &BTreeMap<u64, Queued>| queue.first_key_value().map(|(_, queued)| queued.offered);
        let in_flight = self.in_flight.iter().map(|(_, queued)| queued.offered).min();
        [first(&self.changes), first(&self.heartbeats), in_flight].into_iter().flatten().min()
    }

    /// How many tasks were dropped because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many tasks were given up because they could not be delivered in time.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// From now on heartbeats do not wait for others: the process is about to end.
    pub fn flush(&mut self) {
        self.flushing = true;
    }

    /// Queues a task. A queued task of the same kind for the same instance is replaced, and the new one takes its place. Tasks
    /// that a cancellation or a registration makes pointless are removed.
    pub fn offer(&mut self, task: ReplicationTask, now: Timestamp) {
        let of_instance = self.places.entry(task.key.clone()).or_default();
        let kind = kind(task.action);
        let pointless: &[usize] = match kind {
            CANCEL => &[REGISTER, HEARTBEAT, STATUS],
            REGISTER => &[HEARTBEAT],
            _ => &[],
        };
        for &other in pointless {
            if let Some(place) = of_instance[other].take() {
                remove(&mut self.changes, &mut self.heartbeats, place);
            }
        }
        let place = *of_instance[kind].get_or_insert_with(|| {
            self.next_place += 1;
            self.next_place
        });
        let queue = if kind == HEARTBEAT { &mut self.heartbeats } else { &mut self.changes };
        let offered = queue.get(&place).map_or(now, |queued| queued.offered);
        queue.insert(place, Queued { task, offered });
        while self.changes.len() + self.heartbeats.len() > self.most {
            // A heartbeat is repeated; a change is not.
            let oldest = self.heartbeats.pop_first().or_else(|| self.changes.pop_first());
            if let Some((_, queued)) = oldest {
                forget(&mut self.places, &queued.task);
            }
            self.dropped += 1;
        }
    }

    /// What to do now.
    pub fn next(&mut self, now: Timestamp) -> Next {
        if !self.in_flight.is_empty() {
            return Next::Idle;
        }
        self.expire(now);
        if self.changes.is_empty() && self.heartbeats.is_empty() {
            return Next::Idle;
        }
        if now < self.not_before {
            return Next::WaitUntil(self.not_before);
        }
        let due = match self.heartbeats.first_key_value() {
            _ if !self.changes.is_empty() || self.flushing || self.heartbeats.len() >= BATCH_SIZE => now,
            Some((_, queued)) => queued.offered + HEARTBEAT_LINGER,
            None => now,
        };
        if now < due {
            return Next::WaitUntil(due);
        }
        self.cut(now);
        if self.in_flight.is_empty() {
            return self.next(now);
        }
        Next::Batch(self.in_flight.iter().map(|(_, queued)| queued.task.clone()).collect())
    }

    /// Forms the next batch: changes first, then heartbeats. Half of it is reserved for heartbeats that have waited long enough.
    fn cut(&mut self, now: Timestamp) {
        let overdue = |queued: &Queued| now >= queued.offered + HEARTBEAT_LINGER;
        let overdue = self.heartbeats.values().take(BATCH_SIZE / 2).take_while(|queued| overdue(queued)).count();
        let most_changes = BATCH_SIZE - overdue;
        while self.in_flight.len() < most_changes
            && let Some((place, queued)) = self.changes.pop_first()
        {
            self.launch(place, queued);
        }
        while self.in_flight.len() < BATCH_SIZE
            && let Some((place, queued)) = self.heartbeats.pop_first()
        {
            self.launch(place, queued);
        }
    }

    fn launch(&mut self, place: u64, queued: Queued) {
        forget(&mut self.places, &queued.task);
        // The instance is gone since: a cancellation is a task of its own, and an eviction is not replicated.
        let gone = queued.task.lease.as_ref().is_some_and(|lease| lease.is_cancelled());
        if !gone {
            self.in_flight.push((place, queued));
        }
    }

    /// Notes the outcome of the last batch.
    pub fn outcome(&mut self, outcome: Outcome, rng: &mut impl Rng, now: Timestamp) {
        let batch = std::mem::take(&mut self.in_flight);
        let pause = match outcome {
            Outcome::Delivered | Outcome::Refused => {
                self.failures = 0;
                return;
            }
            Outcome::Congested => CONGESTION_PAUSE,
            Outcome::NetworkFailed => {
                let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10));
                self.failures += 1;
                doubled.min(LONGEST_PAUSE)
            }
        };
        self.not_before = now + pause.mul_f64(rng.random_range(0.8..1.2));
        for (place, queued) in batch {
            self.put_back(place, queued);
        }
    }

    /// Puts a task back into its old place, unless a newer one made it pointless meanwhile.
    fn put_back(&mut self, place: u64, queued: Queued) {
        let of_instance = self.places.entry(queued.task.key.clone()).or_default();
        let kind = kind(queued.task.action);
        let later = |other: usize| of_instance[other].is_some_and(|other| other > place);
        let superseded =
            of_instance[kind].is_some() || (kind != CANCEL && later(CANCEL)) || (kind == HEARTBEAT && later(REGISTER));
        if superseded {
            return;
        }
        of_instance[kind] = Some(place);
        let queue = if kind == HEARTBEAT { &mut self.heartbeats } else { &mut self.changes };
        queue.insert(place, queued);
    }

    fn expire(&mut self, now: Timestamp) {
        for queue in [&mut self.changes, &mut self.heartbeats] {
            // Tasks of one kind expire in the order in which they were offered, unless renewal intervals differ. Such a task
            // leaves when its turn comes.
            while let Some(first) = queue.first_entry() {
                if first.get().task.expires > now {
                    break;
                }
                let task = first.remove().task;
                self.expired += 1;
                forget(&mut self.places, &task);
            }
        }
    }

    /// Checks what must be true between any two calls.
    ///
    /// # Panics If it is not true.
    pub fn check(&self) {
        assert!(self.changes.len() + self.heartbeats.len() <= self.most + self.in_flight.len(), "the queue is bounded");
        assert!(self.in_flight.len() <= BATCH_SIZE, "a batch is bounded");
        let placed = self.places.iter().flat_map(|(key, places)| {
            let placed = |(kind, place): (usize, &Option<u64>)| place.map(|place| (place, key, kind));
            places.iter().enumerate().filter_map(placed).collect::<Vec<_>>()
        });
        let mut placed: Vec<_> = placed.collect();
        placed.sort_unstable_by_key(|(place, ..)| *place);
        let waiting = self.changes.iter().chain(&self.heartbeats);
        let mut waiting: Vec<_> =
            waiting.map(|(place, queued)| (*place, &queued.task.key, kind(queued.task.action))).collect();
        waiting.sort_unstable_by_key(|(place, ..)| *place);
        assert_eq!(placed, waiting, "each task that waits has its place, and each place its task");
        assert!(self.places.values().all(|places| places.iter().any(Option::is_some)), "no place is kept for nothing");
    }
}

/// Removes the place of a task that is no longer queued.
fn forget(places: &mut HashMap<InstanceKey, [Option<u64>; 4]>, task: &ReplicationTask) {
    if let Some(of_instance) = places.get_mut(&task.key) {
        of_instance[kind(task.action)] = None;
        if of_instance.iter().all(Option::is_none) {
            places.remove(&task.key);
        }
    }
}

fn remove(changes: &mut BTreeMap<u64, Queued>, heartbeats: &mut BTreeMap<u64, Queued>, place: u64) {
    if changes.remove(&place).is_none() {
        heartbeats.remove(&place);
    }
}

#[cfg(test)]
mod tests;
