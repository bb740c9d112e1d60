//! [`PeerEurekaNode`]: one peer, its queue, and the task that empties it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::ServiceUrl;
use super::batcher::{Batcher, Next, Outcome, ReplicationTask};
use super::membership::Identity;
use super::peer_clock::Jumped;
use super::peer_state::{Observed, PeerState, Sent, Starts};
use super::reachability::Say;
use super::transport::{Call, PeerError, PeerTransport, Reply};
use super::{PeerClock, intervals, known_batch, own_clock, protocol};
use crate::codec;
use crate::codec::json::encode::{ReplicationItem, replication_list};
use crate::model::{Action, InstanceInfo, InstanceKey, InstanceStatus, LeaseInfo, Record, ReplicationInstanceResponse};
use crate::registry::{InstanceRegistry, Source};
use crate::time::{Clock, Timestamp};

/// One peer.
#[derive(Debug)]
pub struct PeerEurekaNode {
    service_url: ArcSwap<ServiceUrl>,
    batcher: Mutex<Batcher>,
    wake: Notify,
    observed: Mutex<Observed>,
    /// Its clock; empty for a Java server.
    clock: Mutex<PeerClock>,
    sent: Sent,
    is_another_process: AtomicBool,
}

/// The peers that changes are replicated to.
#[derive(Debug, Default)]
pub struct Peers(ArcSwap<Vec<Arc<PeerEurekaNode>>>);

impl Peers {
    /// Queues a task for each peer.
    pub fn offer(&self, task: &ReplicationTask, now: Timestamp) {
        for peer in self.0.load().iter() {
            peer.offer(task.clone(), now);
        }
    }

    /// Whether there are no peers.
    pub fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }

    /// The peers.
    pub fn all(&self) -> Arc<Vec<Arc<PeerEurekaNode>>> {
        self.0.load_full()
    }

    pub(super) fn set(&self, peers: Vec<Arc<PeerEurekaNode>>) {
        self.0.store(Arc::new(peers));
    }
}

/// What the task of a node needs in addition to the node.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) registry: Arc<InstanceRegistry>,
    pub(super) peers: Arc<Peers>,
    pub(super) transport: Arc<dyn PeerTransport>,
    pub(super) clock: Clock,
}

impl Surroundings {
    /// Finds out by the peers that answer whether this replica's own clock stood still, and corrects what depends on it.
    pub(super) fn check_own_clock(&self, now: Timestamp) {
        let peers = self.peers.all();
        let able = peers.iter().filter(|peer| peer.is_ours() && peer.is_available());
        own_clock::check(able.map(|peer| peer.clock()).collect(), &self.registry, now);
    }
}

/// What a peer's time of a renewal is needed for. They differ while one of the two clocks has just jumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Whether an expired instance may be evicted: who lives must not go.
    BeforeEviction,
    /// A comparison: who is gone must not come back.
    Comparison,
}

/// How a node's task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was asked to stop.
    Stopped,
    /// Another process answers than the one that was identified.
    AnotherProcess,
}

impl PeerEurekaNode {
    pub(super) fn new(service_url: ServiceUrl, most: usize) -> Self {
        Self {
            service_url: ArcSwap::from_pointee(service_url),
            batcher: Mutex::new(Batcher::new(most)),
            wake: Notify::new(),
            observed: Mutex::default(),
            clock: Mutex::default(),
            sent: Sent::default(),
            is_another_process: AtomicBool::new(false),
        }
    }

    /// Its service URL.
    pub fn service_url(&self) -> Arc<ServiceUrl> {
        self.service_url.load_full()
    }

    /// From now on it is called by another of its names.
    pub(super) fn set_service_url(&self, service_url: ServiceUrl) {
        self.service_url.store(Arc::new(service_url));
    }

    /// It is identified. Its queue may be sent.
    pub(super) fn identified(&self, identity: Identity, now: Timestamp) {
        if !matches!(identity, Identity::Ours(_)) {
            *self.clock.lock() = PeerClock::default();
        }
        self.answered(now);
        let node = match identity {
            Identity::Ours(node) => Some(node),
            Identity::Another | Identity::Itself => None,
        };
        self.observed.lock().identified(node);
    }

    /// It could not be identified, for this reason. The driver, which asks for the identity, logs that.
    pub(super) fn unidentified(&self, reason: &str, now: Timestamp) {
        self.observed.lock().health.note_failure(reason, now);
    }

    /// It announced that it is starting.
    pub(super) fn starting(&self, waits_for: Option<&str>, now: Timestamp) {
        self.observed.lock().announced(waits_for, now);
    }

    /// Since when it has been starting, and what it waits for; `None` if it is not known to start.
    pub fn starts(&self, now: Timestamp) -> Option<Starts> {
        self.observed.lock().starts(now).cloned()
    }

    /// Its state.
    pub fn state(&self) -> PeerState {
        let observed = self.observed.lock().clone();
        let batcher = self.batcher.lock();
        PeerState {
            node: observed.node,
            identified: observed.identified,
            last_answer: observed.last_answer,
            last_error: observed.health.reason().map(str::to_owned),
            queue: batcher.len(),
            oldest: batcher.oldest(),
            dropped: batcher.dropped(),
            expired: batcher.expired(),
            differing: observed.differing,
            differing_since: observed.differing_since,
        }
    }

    /// What was sent to it.
    pub fn sent(&self) -> &Sent {
        &self.sent
    }

    /// Whether it answered the last call: the Java server calls that an available replica.
    pub fn is_available(&self) -> bool {
        self.observed.lock().is_available()
    }

    fn offer(&self, task: ReplicationTask, now: Timestamp) {
        self.batcher.lock().offer(task, now);
        self.wake.notify_one();
    }

    /// Whether it is a replica of ours, which merges what it is sent.
    pub(super) fn is_ours(&self) -> bool {
        self.clock.lock().to_ours(Timestamp::NEVER).is_some()
    }

    /// By how many milliseconds its clock is ahead of ours: negative if it is behind, `None` for a Java server.
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.clock.lock().offset_ms()
    }

    /// Its clock.
    pub(super) fn clock(&self) -> MutexGuard<'_, PeerClock> {
        self.clock.lock()
    }

    /// Translates a time from the peer's clock to ours.
    pub(super) fn to_ours(&self, theirs: Timestamp, use_of_it: Use) -> Timestamp {
        let clock = self.clock.lock();
        let ours = match use_of_it {
            Use::BeforeEviction => clock.to_ours(theirs),
            Use::Comparison => clock.to_ours_at_most(theirs),
        };
        ours.unwrap_or(Timestamp::NEVER)
    }

    /// Sends the queue until `stop`, and then the rest of it, up to the first failure.
    pub(super) async fn run(&self, around: &Surroundings, seed: u64, stop: &CancellationToken) -> Ended {
        let mut rng = SmallRng::seed_from_u64(seed);
        let identified = around.clock.now();
        let (mut next_comparison, mut asked_for) = (identified, None);
        while !stop.is_cancelled() {
            if self.is_another_process.swap(false, Relaxed) {
                return Ended::AnotherProcess;
            }
            if around.clock.now() >= next_comparison {
                asked_for = self.repair(around, asked_for).await;
                let now = around.clock.now();
                let interval = intervals::comparison(now.since(identified));
                next_comparison = now + interval.mul_f64(rng.random_range(0.75..1.25));
            }
            let next = self.batcher.lock().next(around.clock.now());
            let wake_at = match next {
                Next::Batch(tasks) => {
                    let failed_before = !self.is_available();
                    // A batch that is on its way is finished first: it may have been applied.
                    let outcome = self.send(around, &tasks).await;
                    self.batcher.lock().outcome(outcome, &mut rng, around.clock.now());
                    if failed_before && outcome == Outcome::Delivered {
                        next_comparison = around.clock.now();
                    }
                    continue;
                }
                Next::WaitUntil(at) => at.min(next_comparison),
                Next::Idle => next_comparison,
            };
            let pause = wake_at.since(around.clock.now()).max(Duration::from_millis(1));
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.flush(around, &mut rng).await;
        Ended::Stopped
    }

    /// Repairs differences with the peer, if it is one of ours. A failure is repeated with the next comparison.
    async fn repair(&self, around: &Surroundings, asked_for: Option<InstanceKey>) -> Option<InstanceKey> {
        if !self.is_ours() {
            return None;
        }
        let compared = async {
            self.compare(around).await?;
            self.ask_for_quiet(around, asked_for.as_ref()).await
        };
        match compared.await {
            Ok(asked_for) => asked_for,
            Err(error) => {
                debug!(peer.url = self.shown_url(), error, "the comparison with the peer failed");
                asked_for
            }
        }
    }

    /// Notes in how many applications the peer differs.
    pub(super) fn compared(&self, differing: usize, now: Timestamp) {
        self.observed.lock().compared(differing, now);
    }

    /// Calls the peer. Any answer but success is an error.
    ///
    /// # Errors The reason, in words.
    pub(super) async fn ask(&self, around: &Surroundings, call: Call) -> Result<Reply, String> {
        match self.call(around, call).await {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(reply),
            Ok(reply) => Err(format!("it answered {}", reply.status)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Makes every call to the peer, and notes which process answers, its clock, and whether it is reachable.
    async fn call(&self, around: &Surroundings, call: Call) -> Result<Reply, PeerError> {
        let sent = around.clock.now();
        let result = around.transport.call(&self.service_url(), call).await;
        let now = around.clock.now();
        match &result {
            Ok(reply) if self.is_of_another_process(reply) => {
                // The address may belong to another process by now; the driver identifies it.
                self.is_another_process.store(true, Relaxed);
                return Err(PeerError::Broken("another process answers".to_owned()));
            }
            Ok(reply) if (200..300).contains(&reply.status) => {
                self.answered(now);
                self.observe_clock(around, sent, reply, now);
            }
            Ok(reply) => self.failed(&protocol::complaint(reply.status), now),
            Err(error) => self.failed(&error.to_string(), now),
        }
        result
    }

    pub(super) fn is_of_another_process(&self, reply: &Reply) -> bool {
        let is_success = (200..300).contains(&reply.status);
        (is_success || reply.node.is_some()) && self.observed.lock().node != reply.node
    }

    /// Notes the peer's clock from the answer to a call that was sent at `sent`. Another process has another clock.
    pub(super) fn observe_clock(&self, around: &Surroundings, sent: Timestamp, reply: &Reply, received: Timestamp) {
        let Some(theirs) = reply.time else { return };
        let is_another = self.observed.lock().node != reply.node;
        let jumped = {
            let mut clock = self.clock.lock();
            if is_another {
                *clock = PeerClock::default();
            }
            clock.observe(sent, theirs, received)
        };
        if jumped == Some(Jumped::Behind) {
            around.registry.ages_were_too_low(received);
        }
        if jumped.is_some() {
            // Before this replica tells anybody else what it heard, or takes what the peer heard.
            around.check_own_clock(received);
        }
    }

    fn answered(&self, now: Timestamp) {
        let said = self.observed.lock().answered(now);
        if let Some(Say::Back { after }) = said {
            info!(peer.url = self.shown_url(), unreachable_secs = after.as_secs(), "peer is up again");
        }
    }

    fn failed(&self, reason: &str, now: Timestamp) {
        let said = self.observed.lock().health.failed(reason, now);
        if let Some(Say::Unreachable { reason }) = said {
            warn!(peer.url = self.shown_url(), reason, "peer is unreachable; changes wait for it");
        }
    }

    async fn flush(&self, around: &Surroundings, rng: &mut SmallRng) {
        self.batcher.lock().flush();
        loop {
            let next = self.batcher.lock().next(around.clock.now());
            let Next::Batch(tasks) = next else { return };
            let outcome = self.send(around, &tasks).await;
            self.batcher.lock().outcome(outcome, rng, around.clock.now());
            if outcome != Outcome::Delivered {
                let left = self.batcher.lock().len();
                warn!(peer.url = self.shown_url(), left, "stopping before every change was replicated to the peer");
                return;
            }
        }
    }

    async fn send(&self, around: &Surroundings, tasks: &[ReplicationTask]) -> Outcome {
        let begun = Instant::now();
        let outcome = self.deliver(around, tasks).await;
        self.sent.note(outcome, tasks.len(), begun.elapsed());
        outcome
    }

    async fn deliver(&self, around: &Surroundings, tasks: &[ReplicationTask]) -> Outcome {
        let (tasks, body) = if self.is_ours() {
            let clock = self.clock.lock().clone();
            known_batch::encode(tasks, &around.registry, &clock)
        } else {
            (tasks.to_vec(), encode(tasks))
        };
        if tasks.is_empty() {
            return Outcome::Delivered;
        }
        let reply = match self.call(around, Call::Batch(body.into())).await {
            Ok(reply) if (200..300).contains(&reply.status) => reply,
            Ok(reply) if reply.status == 503 => return Outcome::Congested,
            Ok(_) => return Outcome::Refused,
            Err(PeerError::Timeout) => return Outcome::Congested,
            Err(_) => return Outcome::NetworkFailed,
        };
        let now = around.clock.now();
        match codec::decode_replication_response(&reply.body, now) {
            Ok(responses) if responses.len() == tasks.len() => {
                self.handle(around, &tasks, responses, now);
                return Outcome::Delivered;
            }
            // As in the Java server, an answer of another length says nothing about the items.
            Ok(_) => self.failed("it answered another number of items", now),
            Err(error) => self.failed(&error.to_string(), now),
        }
        Outcome::Refused
    }

    /// Carries out what the answers to single items ask for (`ReplicationTaskProcessor`, `PeerEurekaNode`).
    fn handle(
        &self,
        around: &Surroundings,
        tasks: &[ReplicationTask],
        responses: Vec<ReplicationInstanceResponse>,
        now: Timestamp,
    ) {
        for (task, response) in tasks.iter().zip(responses) {
            match (task.action, response.status_code, response.response_entity) {
                (_, 200..300, _) => {}
                (Action::Heartbeat, 404, _) => {
                    if task.lease.as_ref().is_some_and(|lease| !lease.is_cancelled()) {
                        self.offer(ReplicationTask { action: Action::Register, ..task.clone() }, now);
                    }
                }
                (Action::Heartbeat, _, Some((theirs, _))) => take_over(&around.registry, *theirs, task, now),
                (action, status, _) => {
                    debug!(
                        peer.url = self.shown_url(),
                        app.name = task.key.app(),
                        instance.id = task.key.id(),
                        ?action,
                        status,
                        "the peer did not apply a change"
                    );
                }
            }
        }
    }

    /// The URL, without credentials.
    pub fn shown_url(&self) -> String {
        self.service_url.load().to_string()
    }
}

/// The peer's instance is newer than ours: it holds, and its override with it.
fn take_over(registry: &InstanceRegistry, mut theirs: InstanceInfo, task: &ReplicationTask, now: Timestamp) {
    let app = theirs.app.clone();
    if theirs.validate(app.as_str()).is_err() || theirs.key() != task.key {
        return;
    }
    let status_override = theirs.overridden_status;
    let key = theirs.key();
    registry.register(theirs, Source::Peer, now);
    if status_override != InstanceStatus::Unknown {
        registry.store_overridden_status_if_required(key.as_str(), status_override, now);
    }
}

/// The batch for a Java server, its instances as they are now.
fn encode(tasks: &[ReplicationTask]) -> Vec<u8> {
    let held: Vec<Option<(Arc<Record>, LeaseInfo)>> = tasks
        .iter()
        .map(|task| {
            let lease = task.lease.as_ref()?;
            let record = lease.record();
            let info = lease.info(&record.info);
            Some((record, info))
        })
        .collect();
    let items = tasks.iter().zip(&held).map(|(task, held)| {
        let instance = held.as_ref().map(|(record, lease)| (&record.info, lease));
        let status_override = task.lease.as_ref().and_then(|lease| lease.status_override());
        ReplicationItem {
            action: task.action,
            app: task.key.app(),
            id: task.key.id(),
            last_dirty: instance.map(|(info, _)| info.last_dirty),
            overridden_status: status_override.filter(|_| task.action == Action::Heartbeat),
            status: instance.map(|(info, _)| info.status),
            instance: instance.filter(|_| task.action == Action::Register),
            known: None,
            user: None,
            reason: None,
        }
    });
    let mut body = Vec::with_capacity(tasks.len() * 200);
    replication_list(items, &mut body);
    body
}
