//! [`Watcher`]: lists and watches pods, and has the registry swept when something happened to them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::api::{Api, ApiError, Event, Next, PAGE, SMALL_PAGE};
use super::options::Options;
use super::status::Status;
use super::sweep::{give_zones, sweep};
use super::table::{MOST_PODS, Scope};
use crate::replication::PeerAwareInstanceRegistry;
use crate::time::{Clock, Timestamp};

/// How often instances are looked at while a pod of theirs has ended lately, or is not well: they may have arrived since.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Shortest time between two looks at all instances.
const SWEEP_PAUSE: Duration = Duration::from_millis(50);
/// A watch that says something, or stays open for so long, works. One that fails or ends before counts as a failure, so that the pauses
/// grow and the log says it.
const PROVEN: Duration = Duration::from_secs(1);
/// Pause after the first failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// For how long one watch is asked for, at least and at most: not all replicas' watches begin again at the same time.
const WATCH_SECONDS: (u64, u64) = (180, 360);

/// Watches the pods of some namespaces, for one replica.
#[derive(Debug)]
pub struct Watcher {
    options: Options,
    api: Api,
    status: Arc<Status>,
    replicating: Arc<PeerAwareInstanceRegistry>,
    clock: Clock,
    changed: Notify,
}

/// How the calls of one namespace have gone lately.
#[derive(Debug, Default)]
struct Health {
    failures: u32,
    failing_since: Option<Timestamp>,
    is_said: bool,
    /// Whether what happened since the last event was no longer known, and has been read anew.
    is_read_anew: bool,
}

impl Watcher {
    /// A watcher that changes instances in this registry, and replicates that; `None` where pods are not watched. The settings have to be
    /// complete ([`Options::complete`]).
    pub fn new(options: &Options, replicating: &Arc<PeerAwareInstanceRegistry>, clock: Clock) -> Option<Self> {
        let base = options.api_server.clone().filter(|_| options.pods)?;
        let api = Api::new(base, options.service_account.clone());
        let (status, replicating) = (Status::new(options.namespaces.clone()), Arc::clone(replicating));
        Some(Self { options: options.clone(), api, status, replicating, clock, changed: Notify::new() })
    }

    /// How it goes.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Watches until it is asked to stop.
    pub async fn run(self, seed: u64, stop: CancellationToken) {
        let follow = |scope| self.follow(scope, SmallRng::seed_from_u64(seed.wrapping_add(scope as u64)));
        let all = async {
            let namespaces = join_all((0..self.status.namespaces.len()).map(follow));
            tokio::join!(namespaces, self.sweep_when_needed(), self.read_zones());
        };
        stop.run_until_cancelled(all).await;
    }

    async fn sweep_when_needed(&self) {
        loop {
            let _by_time = tokio::time::timeout(SWEEP_INTERVAL, self.changed.notified()).await;
            sweep(&self.status, &self.replicating, &self.options, self.clock.now());
            if self.options.zones {
                give_zones(&self.status, &self.replicating, self.clock.now());
            }
            tokio::time::sleep(SWEEP_PAUSE).await;
        }
    }

    /// Reads the zones of the nodes on which pods run, if they are wanted.
    async fn read_zones(&self) {
        if !self.options.zones {
            return;
        }
        // Until all have been read.
        let mut is_said = false;
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            let nodes = self.status.table.lock().nodes();
            let nodes = self.status.zones.lock().due(nodes, self.clock.now());
            is_said &= !nodes.is_empty();
            for node in nodes {
                match self.api.zone(&node).await {
                    Ok(zone) => {
                        self.status.zones.lock().read(node, zone, self.clock.now());
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut is_said, true) {
                            warn!(
                                k8s.node = &*node,
                                why = %error,
                                "the zone of the node {node} cannot be read: {error}; its instances are given none; {}",
                                error.advice_on_nodes()
                            );
                        }
                        self.status.zones.lock().failed(node, self.clock.now());
                        tokio::time::sleep(LONGEST_PAUSE.max(error.wait())).await;
                        break;
                    }
                }
            }
        }
    }

    /// Follows the pods of one namespace for ever.
    async fn follow(&self, scope: Scope, mut rng: SmallRng) {
        let (mut version, mut health) = (None, Health::default());
        loop {
            let watched = self.watch(scope, &mut version, &mut health, &mut rng).await;
            self.status.table.lock().watch_ends(scope);
            let pause = match watched {
                Ok(()) => FIRST_PAUSE / 10,
                Err(error) => {
                    if matches!(error, ApiError::Gone) {
                        version = None;
                    }
                    self.failed(scope, &mut health, &error);
                    health.pause(&mut rng, error.wait())
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Watches until the watch ends, after a list if nothing is known or something was missed.
    async fn watch(
        &self,
        scope: Scope,
        version: &mut Option<String>,
        health: &mut Health,
        rng: &mut SmallRng,
    ) -> Result<(), ApiError> {
        let namespace = &self.status.namespaces[scope].name;
        let from = match version {
            Some(version) => version.clone(),
            None => self.list(scope).await?,
        };
        *version = Some(from.clone());
        let time = Duration::from_secs(rng.random_range(WATCH_SECONDS.0..WATCH_SECONDS.1));
        let mut events = self.api.watch(namespace, &from, time).await?;
        self.status.table.lock().watch_begins(scope, self.clock.now());
        self.changed.notify_one();
        let (mut proven, mut is_proven) = (std::pin::pin!(tokio::time::sleep(PROVEN)), false);
        loop {
            let next = tokio::select! {
                biased;
                next = events.next() => next?,
                () = &mut proven, if !is_proven => {
                    is_proven = true;
                    self.succeeded(scope, health);
                    continue;
                }
            };
            let events = match next {
                Next::Events(events) => events,
                Next::End if !is_proven => {
                    return Err(ApiError::Failed("the API server ends the watch at once, and says nothing".to_owned()));
                }
                // Nothing is on its way.
                Next::End => break self.status.table.lock().contact(scope, self.clock.now()),
                // The next call finds out whether anybody is there.
                Next::Silence => break,
            };
            if !std::mem::replace(&mut is_proven, true) {
                self.succeeded(scope, health);
            }
            let now = self.clock.now();
            let mut table = self.status.table.lock();
            for event in events {
                match event {
                    Event::Put(pod) => {
                        *version = Some(pod.metadata.resource_version.clone());
                        table.put(scope, (*pod).into(), now);
                    }
                    Event::Deleted(pod) => {
                        *version = Some(pod.metadata.resource_version.clone());
                        let pod: super::pod::Pod = (*pod).into();
                        table.end(scope, &pod.uid, now);
                    }
                    Event::Bookmark(at) => *version = Some(at),
                }
            }
            table.contact(scope, now);
            drop(table);
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Reads all pods of a namespace, page by page. Returns the version from which to watch.
    async fn list(&self, scope: Scope) -> Result<String, ApiError> {
        let asked = self.clock.now();
        self.status.table.lock().list_begins(scope);
        let (mut next, mut limit) = (String::new(), PAGE);
        loop {
            let page = match self.api.list(&self.status.namespaces[scope].name, limit, &next).await {
                Err(ApiError::TooLarge(_)) if limit > SMALL_PAGE => {
                    limit = SMALL_PAGE;
                    continue;
                }
                page => page?,
            };
            let now = self.clock.now();
            let mut table = self.status.table.lock();
            for pod in page.items {
                table.put(scope, pod.into(), now);
            }
            if !page.metadata.next.is_empty() {
                next = page.metadata.next;
                continue;
            }
            table.list_ends(scope, asked, now);
            let (_, _, left_out) = table.state(scope);
            drop(table);
            self.say_left_out(scope, left_out);
            return Ok(page.metadata.resource_version);
        }
    }

    fn say_left_out(&self, scope: Scope, left_out: usize) {
        if left_out > 0 {
            let namespace = &self.status.namespaces[scope].name;
            warn!(
                k8s.namespace = namespace,
                left_out, "there are more than {MOST_PODS} pods: of {left_out} the end is not noticed"
            );
        }
    }

    /// Notes a failure. The second one in a row is logged, and no other until a watch succeeds: an API server that is replaced is away
    /// for a moment.
    fn failed(&self, scope: Scope, health: &mut Health, error: &ApiError) {
        let (namespace, now) = (&self.status.namespaces[scope], self.clock.now());
        if matches!(error, ApiError::Gone) && !std::mem::replace(&mut health.is_read_anew, true) {
            // That follows from every long gap, and is none of its own; but again and again it is.
            health.failures += 1;
            return;
        }
        namespace.failures.fetch_add(1, Relaxed);
        health.failures += 1;
        let since = *health.failing_since.get_or_insert(now);
        if health.failures < 2 || health.is_said {
            return;
        }
        health.is_said = true;
        warn!(
            k8s.namespace = namespace.name,
            failing_ms = now.since(since).as_millis(),
            why = %error,
            "cannot watch the pods of the namespace {}, for {:.1} s so far: {error}; leases decide, as without Kubernetes; {}",
            namespace.name,
            now.since(since).as_secs_f64(),
            error.advice()
        );
    }

    fn succeeded(&self, scope: Scope, health: &mut Health) {
        let (namespace, now) = (&self.status.namespaces[scope].name, self.clock.now());
        let Health { failing_since, is_said, .. } = std::mem::take(health);
        let (pods, ..) = self.status.table.lock().state(scope);
        match failing_since.filter(|_| is_said) {
            Some(since) => {
                let secs = now.since(since).as_secs();
                info!(
                    k8s.namespace = namespace,
                    pods, "the {pods} pods of the namespace {namespace} are watched again after {secs} s"
                );
            }
            None => tracing::debug!(
                k8s.namespace = namespace,
                pods,
                "the {pods} pods of the namespace {namespace} are watched"
            ),
        }
    }
}

impl Health {
    /// How long to wait before the next call: at random between half of the pause and all of it, after what was asked for.
    fn pause(&self, rng: &mut SmallRng, asked: Duration) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
        asked + pause.mul_f64(rng.random_range(0.5..1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut rng = SmallRng::seed_from_u64(1);
        for (failures, most) in [
            (1, FIRST_PAUSE),
            (2, FIRST_PAUSE * 2),
            (5, FIRST_PAUSE * 16),
            (6, LONGEST_PAUSE),
            (u32::MAX, LONGEST_PAUSE),
        ] {
            for asked in [Duration::ZERO, Duration::from_secs(3)] {
                let pause = Health { failures, ..Health::default() }.pause(&mut rng, asked);
                assert!(asked + most / 2 <= pause && pause <= asked + most, "{failures}: {pause:?}");
            }
        }
    }
}
