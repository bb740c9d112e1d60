//! `GET /actuator/prometheus`: the metrics as text.
//!
//! The metrics are declared in `metrics::catalog`. Their values are gathered here, but for those of requests, which are in
//! `http::metrics`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use super::metrics::float;
use super::state::AppState;
use crate::kubernetes::{self, Watched};
use crate::metrics::process::{LOG_LINES_DROPPED, ProcessMetrics};
use crate::metrics::{Exposition, catalog};
use crate::model::{AppName, InstanceStatus};
use crate::registry::{Source, View};
use crate::replication::PeerEurekaNode;
use crate::snapshot::Status;

/// The metrics as text, for a scraper.
pub(super) fn exposition(app: &Arc<AppState>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Everything(Arc::clone(app))));
    registry.register_collector(Box::new(ProcessMetrics));
    let mut text = String::with_capacity(32 * 1024);
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// The same in Prometheus' older text format, in which a counter's family is called what its samples are.
pub(super) fn in_plain_format(openmetrics: &str) -> String {
    let counter = |line: &str| line.strip_prefix("# TYPE ")?.strip_suffix(" counter").map(str::to_owned);
    let counters: BTreeSet<String> = openmetrics.lines().filter_map(counter).collect();
    let mut plain = String::with_capacity(openmetrics.len() + 512);
    for line in openmetrics.lines().filter(|line| *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", what, name, rest] if counters.contains(name) => {
                plain.push_str(&format!("# {what} {name}_total {rest}"));
            }
            _ => plain.push_str(line),
        }
        plain.push('\n');
    }
    plain
}

#[derive(Debug)]
struct Everything(Arc<AppState>);

impl Collector for Everything {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Exposition(encoder);
        build_info(&self.0, &mut out)?;
        self.0.metrics.expose(&mut out)?;
        self.0.connections.expose(&mut out)?;
        leases(&self.0, &mut out)?;
        self_preservation(&self.0, &mut out)?;
        if let Some(snapshots) = &self.0.snapshots {
            snapshot(&self.0, &snapshots.status(), &mut out)?;
        }
        if let Some(pods) = &self.0.watched_pods {
            kubernetes(pods, &mut out)?;
        }
        peers(&self.0, &mut out)?;
        if self.0.options.metrics_by_application { by_application(&self.0, &mut out) } else { Ok(()) }
    }
}

fn build_info(app: &Arc<AppState>, out: &mut Exposition<'_>) -> fmt::Result {
    let commit = option_env!("GIT_COMMIT").unwrap_or("unknown");
    let labels = [env!("CARGO_PKG_VERSION"), commit, app.node_id.as_str()];
    out.values(&catalog::BUILD_INFO, [(labels, 1.0)])?;
    out.value(&catalog::MEMORY_LIMIT_BYTES, app.memory_limit as f64)?;
    out.value(&catalog::READY, flag(app.readiness.is_accepting_traffic()))?;
    out.value(&catalog::LOG_LINES_DROPPED, float(LOG_LINES_DROPPED.load(Relaxed)))?;
    let gave_way = [("clients", app.answers.gave_way()), ("pages", app.pages.gave_way())];
    let gave_way = gave_way.map(|(answers, count)| ([answers], float(count)));
    out.values(&catalog::ANSWERS_REVOKED, gave_way)?;
    out.value(&catalog::EVENT_STREAMS, app.streams.open() as f64)?;
    let drains = app.drains.ended().map(|(outcome, count)| ([outcome.name()], float(count)));
    out.values(&catalog::DRAINS, drains)?;
    out.value(&catalog::DRAINS_IN_PROGRESS, app.drains.in_progress() as f64)
}

fn leases(app: &Arc<AppState>, out: &mut Exposition<'_>) -> fmt::Result {
    let registry = &app.registry;
    let by_status = registry.instances_by_status();
    let by_status = by_status.map(|(status, count)| ([status.name()], f64::from(count)));
    out.values(&catalog::INSTANCES, by_status)?;
    out.value(&catalog::APPLICATIONS, registry.applications_count() as f64)?;
    out.value(&catalog::APPLICATIONS_WITHOUT_UP, without_up(&registry.view()) as f64)?;
    out.value(&catalog::RENEWALS, float(registry.renewals()))?;
    let changes = registry
        .changes_counted()
        .into_iter()
        .map(|(kind, source, count)| ([kind.name(), Source::name(source)], float(count)));
    out.values(&catalog::CHANGES, changes)?;
    let (preserved, limited) = registry.expired_kept();
    let kept = [("self_preservation", preserved), ("eviction_limit", limited)];
    let kept = kept.map(|(reason, count)| ([reason], float(count)));
    out.values(&catalog::EXPIRED_LEASES_KEPT, kept)?;
    let (used, most) = registry.bytes_of();
    out.value(&catalog::REGISTRY_BYTES, used as f64)?;
    out.value(&catalog::REGISTRY_MAX_BYTES, most as f64)?;
    let refused = registry.refused().map(|(source, count)| ([Source::name(Some(source))], float(count)));
    out.values(&catalog::REGISTRY_REFUSED, refused)?;
    out.value(&catalog::REGISTRY_MEMORY_LOST, flag(registry.lost_memory(app.now()).is_some()))
}

fn snapshot(app: &Arc<AppState>, status: &Status, out: &mut Exposition<'_>) -> fmt::Result {
    let results = [("ok", status.succeeded), ("failed", status.failed)];
    out.values(&catalog::SNAPSHOTS, results.map(|(result, count)| ([result], float(count))))?;
    out.value(&catalog::SNAPSHOT_FAILING, flag(status.failing.is_some()))?;
    let (at, bytes) = status.written.map_or((0.0, 0.0), |written| (written.at.0 as f64 / 1000.0, float(written.bytes)));
    out.value(&catalog::SNAPSHOT_WRITTEN, at)?;
    out.value(&catalog::SNAPSHOT_BYTES, bytes)?;
    out.value(&catalog::RESTORED_INSTANCES, app.registry.restored() as f64)
}

fn kubernetes(pods: &kubernetes::Status, out: &mut Exposition<'_>) -> fmt::Result {
    let watched = pods.watched();
    let of_each = |value: fn(&Watched) -> f64| watched.iter().map(move |one| ([one.namespace.as_str()], value(one)));
    out.values(&catalog::KUBERNETES_WATCHING, of_each(|one| flag(one.is_watching)))?;
    out.values(&catalog::KUBERNETES_PODS, of_each(|one| one.pods as f64))?;
    out.values(&catalog::KUBERNETES_PODS_LEFT_OUT, of_each(|one| one.left_out as f64))?;
    out.values(&catalog::KUBERNETES_FAILURES, of_each(|one| float(one.failures)))?;
    out.values(&catalog::KUBERNETES_ACTS, pods.acts().map(|(act, count)| ([act], float(count))))
}

fn self_preservation(app: &Arc<AppState>, out: &mut Exposition<'_>) -> fmt::Result {
    let now = app.now();
    let state = app.registry.self_preservation(now);
    out.value(&catalog::RENEWALS_LAST_MINUTE, state.renews_last_minute as f64)?;
    out.value(&catalog::RENEWALS_PER_MINUTE_THRESHOLD, f64::from(state.renews_per_minute_threshold))?;
    out.value(&catalog::EXPECTED_CLIENTS, f64::from(state.expected_clients))?;
    out.value(&catalog::SELF_PRESERVATION_ENABLED, flag(state.enabled))?;
    out.value(&catalog::SELF_PRESERVATION_ACTIVE, flag(state.is_active(now)))?;
    out.value(&catalog::REPLICATIONS_RECEIVED_LAST_MINUTE, app.registry.replications_last_minute(now) as f64)
}

fn peers(app: &Arc<AppState>, out: &mut Exposition<'_>) -> fmt::Result {
    let peers = app.peer_aware.peers().all();
    let now = app.now();
    let states: Vec<_> = peers.iter().map(|peer| (peer, peer.state())).collect();
    let label = |peer: &PeerEurekaNode| [peer.shown_url()];
    out.value(&catalog::PEERS, peers.len() as f64)?;
    let available = peers.iter().map(|peer| (label(peer), flag(peer.is_available())));
    out.values(&catalog::PEER_AVAILABLE, available)?;
    let offsets = peers.iter().filter_map(|peer| Some((label(peer), peer.clock_offset_ms()? as f64 / 1000.0)));
    out.values(&catalog::PEER_CLOCK_OFFSET_SECONDS, offsets)?;
    let queued = states.iter().map(|(peer, state)| (label(peer), state.queue as f64));
    out.values(&catalog::REPLICATION_QUEUE_LENGTH, queued)?;
    let ages = states.iter().map(|(peer, state)| {
        let age = state.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
        (label(peer), age)
    });
    out.values(&catalog::REPLICATION_OLDEST_SECONDS, ages)?;
    let differing = states.iter().filter_map(|(peer, state)| Some((label(peer), state.differing? as f64)));
    out.values(&catalog::PEER_DIFFERING_APPLICATIONS, differing)?;
    let given_up = states.iter().flat_map(|(peer, state)| {
        let peer = peer.shown_url();
        let reasons = [("queue_full", state.dropped), ("too_old", state.expired)];
        reasons.map(|(reason, count)| ([peer.clone(), reason.to_owned()], float(count)))
    });
    out.values(&catalog::REPLICATION_GIVEN_UP, given_up)?;
    let batches = peers.iter().flat_map(|peer| {
        peer.sent().batches().map(|(outcome, count)| ([peer.shown_url(), outcome.name().to_owned()], float(count)))
    });
    out.values(&catalog::REPLICATION_BATCHES, batches)?;
    let items = peers.iter().map(|peer| (label(peer), float(peer.sent().items())));
    out.values(&catalog::REPLICATION_ITEMS, items)?;
    let took = peers.iter().map(|peer| (label(peer), peer.sent().took()));
    out.durations(&catalog::REPLICATION_BATCH_DURATION_SECONDS, took)?;
    let looks = app.nodes.as_ref().map(|nodes| nodes.looks()).into_iter().flatten();
    let looks = looks.map(|(look, count)| ([look.name()], float(count)));
    out.values(&catalog::DISCOVERY_LOOKUPS, looks)
}

/// The number of applications none of whose instances is UP.
fn without_up(view: &View) -> usize {
    let (mut all, mut up) = ((0, None), (0, None));
    for (info, _) in view.iter() {
        count_once(&mut all, &info.app);
        if info.status == InstanceStatus::Up {
            count_once(&mut up, &info.app);
        }
    }
    all.0 - up.0
}

/// Counts an application unless it was counted last: instances are in the order of their applications.
fn count_once<'v>((count, last): &mut (usize, Option<&'v AppName>), app: &'v AppName) {
    if *last != Some(app) {
        (*count, *last) = (*count + 1, Some(app));
    }
}

fn by_application(app: &Arc<AppState>, out: &mut Exposition<'_>) -> fmt::Result {
    let mut counted: BTreeMap<(String, &'static str), u32> = BTreeMap::new();
    for registration in app.registry.snapshot() {
        let name = registration.info().app.as_str().to_owned();
        *counted.entry((name, registration.info().status.name())).or_default() += 1;
    }
    let samples =
        counted.into_iter().map(|((application, status), count)| ([application, status.to_owned()], f64::from(count)));
    out.values(&catalog::INSTANCES_BY_APPLICATION, samples)
}

/// The value of a metric that says whether something is so.
fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}
