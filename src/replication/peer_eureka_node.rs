//! [`PeerEurekaNode`]: one peer, its queue, and the task that empties it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::batcher::{Batcher, Next, Outcome, ReplicationTask};
use super::transport::{Call, PeerError, PeerTransport, Reply};
use crate::codec;
use crate::codec::json::encode::{ReplicationItem, replication_list};
use crate::codec::repair::{self, Digests};
use crate::metrics::Durations;
use crate::model::{Action, InstanceInfo, InstanceStatus, LeaseInfo, ReplicationInstanceResponse};
use crate::registry::{InstanceRegistry, Source};
use crate::time::{Clock, Timestamp};

/// How often a peer is asked whether it knows the same, give or take a quarter.
const REPAIR_INTERVAL: Duration = Duration::from_secs(2);
/// How often one that became a peer just now is asked, and for how long: of the two one may have started, and for seconds the
/// other does not find its name, which name servers remember not to have existed.
const REPAIR_INTERVAL_AT_FIRST: Duration = Duration::from_millis(200);
const AT_FIRST: Duration = Duration::from_secs(10);
/// The most applications asked for at once.
const APPLICATIONS_EXCHANGED: usize = 50;

/// What is known of a peer.
#[derive(Clone, Debug, Default)]
pub struct PeerState {
    /// The id of its process; `None` for a Java server, and before it answered.
    pub node: Option<String>,
    /// Whether it has answered who it is.
    pub identified: bool,
    /// When it last answered a call.
    pub last_answer: Option<Timestamp>,
    /// What went wrong last, until it answers again.
    pub last_error: Option<String>,
    /// How many tasks wait for it.
    pub queue: usize,
    /// When the oldest of them was offered.
    pub oldest: Option<Timestamp>,
    /// How many tasks were dropped because the queue was full.
    pub dropped: u64,
    /// How many tasks were given up because they could not be delivered in time.
    pub expired: u64,
    /// In how many applications it differed when it was last compared with; `None` for a Java server, and before.
    pub differing: Option<usize>,
    /// Since when every comparison has found a difference; `None` while the last one found none.
    pub differing_since: Option<Timestamp>,
}

impl PeerState {
    fn compared(&mut self, differing: usize, now: Timestamp) {
        self.differing = Some(differing);
        self.differing_since = (differing > 0).then(|| self.differing_since.unwrap_or(now));
    }
}

/// What was sent to a peer since it became one.
#[derive(Debug, Default)]
pub struct Sent {
    batches: [AtomicU64; Outcome::ALL.len()],
    /// How many changes and heartbeats it took.
    items: AtomicU64,
    /// How long batches took to be answered, or to fail.
    took: Durations,
}

impl Sent {
    fn note(&self, outcome: Outcome, items: usize, took: Duration) {
        self.batches[outcome as usize].fetch_add(1, Relaxed);
        self.took.observe(took);
        if outcome == Outcome::Delivered {
            self.items.fetch_add(items as u64, Relaxed);
        }
    }

    /// How many batches had which outcome.
    pub fn batches(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        Outcome::ALL.map(|outcome| (outcome, self.batches[outcome as usize].load(Relaxed)))
    }

    /// How many changes and heartbeats were delivered.
    pub fn items(&self) -> u64 {
        self.items.load(Relaxed)
    }

    /// How long batches took to be answered, or to fail.
    pub fn took(&self) -> &Durations {
        &self.took
    }
}

/// One peer.
#[derive(Debug)]
pub struct PeerEurekaNode {
    service_url: String,
    batcher: Mutex<Batcher>,
    wake: Notify,
    state: Mutex<PeerState>,
    sent: Sent,
}

/// The peers that changes are told to.
#[derive(Debug, Default)]
pub struct Peers(ArcSwap<Vec<Arc<PeerEurekaNode>>>);

impl Peers {
    /// Puts a task into each peer's queue.
    pub fn offer(&self, task: &ReplicationTask, now: Timestamp) {
        for peer in self.0.load().iter() {
            peer.offer(task.clone(), now);
        }
    }

    /// Whether there is none.
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

/// What a node's task needs beside its node.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) registry: Arc<InstanceRegistry>,
    pub(super) transport: Arc<dyn PeerTransport>,
    pub(super) clock: Clock,
    pub(super) own_node: String,
}

/// How a node's task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was told to.
    Stopped,
    /// The peer is this process.
    IsSelf,
}

impl PeerEurekaNode {
    pub(super) fn new(service_url: String, most: usize) -> Self {
        Self {
            service_url,
            batcher: Mutex::new(Batcher::new(most)),
            wake: Notify::new(),
            state: Mutex::new(PeerState::default()),
            sent: Sent::default(),
        }
    }

    /// Its service URL.
    pub fn service_url(&self) -> &str {
        &self.service_url
    }

    /// What is known of it.
    pub fn state(&self) -> PeerState {
        let known = self.state.lock().clone();
        let batcher = self.batcher.lock();
        let (queue, oldest) = (batcher.len(), batcher.oldest());
        PeerState { queue, oldest, dropped: batcher.dropped(), expired: batcher.expired(), ..known }
    }

    /// What was sent to it.
    pub fn sent(&self) -> &Sent {
        &self.sent
    }

    /// Whether it answered the last call: what the Java server calls an available replica.
    pub fn is_available(&self) -> bool {
        let state = self.state.lock();
        state.last_answer.is_some() && state.last_error.is_none()
    }

    fn offer(&self, task: ReplicationTask, now: Timestamp) {
        self.batcher.lock().offer(task, now);
        self.wake.notify_one();
    }

    /// Sends what the queue says until told to stop, and then what is left in it, up to the first failure.
    pub(super) async fn run(&self, around: &Surroundings, seed: u64, stop: &CancellationToken) -> Ended {
        let mut rng = SmallRng::seed_from_u64(seed);
        if self.identify(around, stop).await == Some(Ended::IsSelf) {
            return Ended::IsSelf;
        }
        let identified = around.clock.now();
        let mut next_repair = identified;
        while !stop.is_cancelled() {
            if around.clock.now() >= next_repair {
                self.repair(around).await;
                let now = around.clock.now();
                let interval =
                    if now.since(identified) < AT_FIRST { REPAIR_INTERVAL_AT_FIRST } else { REPAIR_INTERVAL };
                next_repair = now + interval.mul_f64(rng.random_range(0.75..1.25));
            }
            let next = self.batcher.lock().next(around.clock.now());
            let wake_at = match next {
                Next::Batch(tasks) => {
                    let failed_before = !self.is_available();
                    // A batch on its way is finished: it may have been applied.
                    let outcome = self.send(around, &tasks).await;
                    self.batcher.lock().outcome(outcome, &mut rng, around.clock.now());
                    if failed_before && outcome == Outcome::Delivered {
                        next_repair = around.clock.now();
                    }
                    continue;
                }
                Next::WaitUntil(at) => at.min(next_repair),
                Next::Idle => next_repair,
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

    /// Asks who the peer is, until it answers. What happens meanwhile waits in its queue.
    async fn identify(&self, around: &Surroundings, stop: &CancellationToken) -> Option<Ended> {
        let mut pause = Duration::from_millis(100);
        loop {
            let call = around.transport.call(&self.service_url, Call::Identify);
            match stop.run_until_cancelled(call).await? {
                Ok(reply) if reply.node.as_deref() == Some(&around.own_node) => return Some(Ended::IsSelf),
                Ok(reply) => {
                    let kind = if reply.node.is_some() { "eureka-registry" } else { "another Eureka server" };
                    info!(peer.url = self.shown_url(), kind, "peer answers");
                    let mut state = self.state.lock();
                    state.node = reply.node;
                    state.identified = true;
                    state.last_answer = Some(around.clock.now());
                    state.last_error = None;
                    return None;
                }
                Err(error) => {
                    let error = error.to_string();
                    let before = self.state.lock().last_error.replace(error.clone());
                    // One that is not there yet is nothing to complain of, and one with a certificate that nobody believes is: said
                    // once, whatever the times and ports in it.
                    if before.is_none_or(|before| without_numbers(&before) != without_numbers(&error)) {
                        info!(peer.url = self.shown_url(), error, "peer does not answer yet");
                    }
                }
            }
            stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Takes what the peer knows better, if it is one of ours. What fails is tried again in its turn.
    async fn repair(&self, around: &Surroundings) {
        if self.state.lock().node.is_none() {
            return;
        }
        if let Err(error) = self.compare(around).await {
            debug!(peer.url = self.shown_url(), error, "could not compare with the peer");
            self.state.lock().last_error.get_or_insert(error);
        }
    }

    async fn compare(&self, around: &Surroundings) -> Result<(), String> {
        let ours = around.registry.recent_digests(around.clock.now());
        let mut body = Vec::new();
        repair::encode_digests(&Digests { total: ours.total, ..Digests::default() }, &mut body);
        let reply = self.ask(around, Call::Digest(body.into())).await?;
        if reply.status == 204 {
            self.state.lock().compared(0, around.clock.now());
            return Ok(());
        }
        let theirs = repair::decode_digests(&reply.body).map_err(|error| error.to_string())?;
        let all = ours.applications.keys().chain(theirs.applications.keys());
        let differing: BTreeSet<&str> = all
            .map(String::as_str)
            .filter(|app| ours.applications.get(*app) != theirs.applications.get(*app))
            .collect();
        let differing: Vec<&str> = differing.into_iter().collect();
        self.state.lock().compared(differing.len(), around.clock.now());
        for apps in differing.chunks(APPLICATIONS_EXCHANGED) {
            let mut body = Vec::new();
            repair::encode_names(apps, &mut body);
            let reply = self.ask(around, Call::Exchange(body.into())).await?;
            let now = around.clock.now();
            let exchange = repair::decode_exchange(&reply.body, now).map_err(|error| error.to_string())?;
            around.registry.mend(exchange, now);
        }
        Ok(())
    }

    async fn ask(&self, around: &Surroundings, call: Call) -> Result<Reply, String> {
        let reply = around.transport.call(&self.service_url, call).await.map_err(|error| error.to_string())?;
        let mut state = self.state.lock();
        state.last_answer = Some(around.clock.now());
        if (200..300).contains(&reply.status) {
            state.last_error = None;
            state.node.clone_from(&reply.node);
            Ok(reply)
        } else {
            Err(format!("it answered {}", reply.status))
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
                warn!(peer.url = self.shown_url(), left = self.batcher.lock().len(), "could not tell the peer all");
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
        let reply = around.transport.call(&self.service_url, Call::Batch(encode(tasks).into())).await;
        let now = around.clock.now();
        let (outcome, error) = match reply {
            Ok(reply) if (200..300).contains(&reply.status) => {
                let mut state = self.state.lock();
                state.last_answer = Some(now);
                if state.last_error.take().is_some() {
                    info!(peer.url = self.shown_url(), "peer answers again");
                }
                state.node = reply.node;
                drop(state);
                match codec::decode_replication_response(&reply.body, now) {
                    Ok(responses) if responses.len() == tasks.len() => {
                        self.handle(around, tasks, responses, now);
                        return Outcome::Delivered;
                    }
                    // As the Java server: an answer that does not fit says nothing of the items.
                    Ok(_) => (Outcome::Refused, "it answered another number of items".to_owned()),
                    Err(error) => (Outcome::Refused, error.to_string()),
                }
            }
            Ok(reply) if reply.status == 503 => (Outcome::Congested, "it is too busy (503)".to_owned()),
            Ok(reply) => (Outcome::Refused, format!("it answered {}", reply.status)),
            Err(PeerError::Timeout) => (Outcome::Congested, PeerError::Timeout.to_string()),
            Err(error) => (Outcome::NetworkFailed, error.to_string()),
        };
        if self.state.lock().last_error.replace(error.clone()).is_none() {
            warn!(peer.url = self.shown_url(), error, items = tasks.len(), "peer cannot be told");
        }
        outcome
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
                    debug!(peer.url = self.shown_url(), instance = %task.key, ?action, status, "peer did not follow");
                }
            }
        }
    }

    /// The URL without a password.
    pub fn shown_url(&self) -> &str {
        shown(&self.service_url)
    }
}

/// A service URL without a password.
pub(super) fn shown(service_url: &str) -> &str {
    service_url.rsplit_once('@').map_or(service_url, |(_, after)| after)
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

/// The batch, its instances as they are now.
fn encode(tasks: &[ReplicationTask]) -> Vec<u8> {
    let held: Vec<Option<(Arc<InstanceInfo>, LeaseInfo)>> = tasks
        .iter()
        .map(|task| {
            let lease = task.lease.as_ref()?;
            let holder = lease.holder();
            let info = lease.info(&holder);
            Some((holder, info))
        })
        .collect();
    let items = tasks.iter().zip(&held).map(|(task, held)| {
        let instance = held.as_ref().map(|(info, lease)| (&**info, lease));
        let status_override = task.lease.as_ref().and_then(|lease| lease.status_override());
        ReplicationItem {
            action: task.action,
            app: task.key.app(),
            id: task.key.id(),
            last_dirty: instance.map(|(info, _)| info.last_dirty),
            overridden_status: status_override.filter(|_| task.action == Action::Heartbeat),
            status: instance.map(|(info, _)| info.status),
            instance: instance.filter(|_| task.action == Action::Register),
        }
    });
    let mut body = Vec::with_capacity(tasks.len() * 200);
    replication_list(items, &mut body);
    body
}

fn without_numbers(error: &str) -> String {
    error.chars().filter(|c| !c.is_ascii_digit()).collect()
}
