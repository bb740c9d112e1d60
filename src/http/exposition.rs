//! `GET /actuator/prometheus`: the metrics as text.
//!
//! All metrics are named here, but for those of requests, which are in `http::metrics`. The values of labels are bounded:
//! operations, statuses, kinds and peers. No label has an instance, and only Spring's own gauge has applications
//! (`eureka.server.metrics.enabled`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use super::metrics::float;
use super::state::AppState;
use crate::metrics::Exposition;
use crate::metrics::process::{LOG_LINES_DROPPED, ProcessMetrics};
use crate::registry::Source;
use crate::replication::PeerEurekaNode;

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
        peers(&self.0, &mut out)?;
        if self.0.options.metrics_by_application { by_application(&self.0, &mut out) } else { Ok(()) }
    }
}

fn build_info(app: &Arc<AppState>, out: &mut Exposition<'_>) -> fmt::Result {
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("node", app.node_id.as_str())];
    out.gauge("eureka_build_info", "Version and process of this replica: always 1", [(labels, 1.0)])?;
    let ready = f64::from(u8::from(app.readiness.is_accepting_traffic()));
    out.level("eureka_ready", "Whether this replica is ready for clients: 1 or 0", ready)?;
    let dropped = float(LOG_LINES_DROPPED.load(Relaxed));
    out.total(
        "eureka_log_lines_dropped",
        "Log lines dropped because standard output was not read fast enough",
        dropped,
    )?;
    let gave_way = [("clients", app.answers.gave_way()), ("pages", app.pages.gave_way())];
    let gave_way = gave_way.map(|(answers, count)| ([("answers", answers)], float(count)));
    let help = "Connections closed because they took nothing of an answer while others waited for its memory";
    out.counter("eureka_http_answers_revoked", help, gave_way)?;
    let streams = app.streams.open();
    out.level("eureka_event_streams", "Open streams of /api/v1/events", streams as f64)
}

fn leases(app: &Arc<AppState>, out: &mut Exposition<'_>) -> fmt::Result {
    let registry = &app.registry;
    let by_status = registry.instances_by_status();
    let by_status = by_status.map(|(status, count)| ([("status", status.name())], f64::from(count)));
    out.gauge("eureka_registry_instances", "Registered instances by status", by_status)?;
    let applications = registry.applications_count() as f64;
    out.level("eureka_registry_applications", "Applications that have instances", applications)?;
    out.total("eureka_registry_renewals", "Heartbeats that renewed a lease", float(registry.renewals()))?;
    let changes = registry
        .changes_counted()
        .into_iter()
        .map(|(kind, source, count)| ([("kind", kind.name()), ("source", Source::name(source))], float(count)));
    let help = "Registrations, cancellations, evictions and changes of status, by kind and source";
    out.counter("eureka_registry_changes", help, changes)?;
    let (preserved, limited) = registry.expired_kept();
    let kept = [("self_preservation", preserved), ("eviction_limit", limited)];
    let kept = kept.map(|(reason, count)| ([("reason", reason)], float(count)));
    out.gauge("eureka_registry_expired_leases_kept", "Expired leases that the last eviction run kept, and why", kept)?;
    let (used, most) = registry.bytes_of();
    out.level("eureka_registry_bytes", "Memory that the instances take, about, in bytes", used as f64)?;
    let help = "Memory that the instances may take: beyond it, new ones are refused";
    out.level("eureka_registry_max_bytes", help, most as f64)?;
    let refused = registry.refused().map(|(source, count)| ([("source", Source::name(Some(source)))], float(count)));
    let help = "Instances refused because the registry was full, by who sent them";
    out.counter("eureka_registry_refused", help, refused)?;
    let lost = f64::from(u8::from(registry.lost_memory(app.now()).is_some()));
    let help =
        "Whether the registry has lost its memory and refuses fetches until clients have registered again: 1 or 0";
    out.level("eureka_registry_memory_lost", help, lost)
}

fn self_preservation(app: &Arc<AppState>, out: &mut Exposition<'_>) -> fmt::Result {
    let now = app.now();
    let state = app.registry.self_preservation(now);
    let renews = state.renews_last_minute as f64;
    out.level("eureka_renewals_last_minute", "Renewals of the last completed minute", renews)?;
    let threshold = f64::from(state.renews_per_minute_threshold);
    out.level(
        "eureka_renewals_per_minute_threshold",
        "Renewals per minute above which expired leases are evicted",
        threshold,
    )?;
    let expected = f64::from(state.expected_clients);
    out.level("eureka_expected_clients", "Clients that are expected to renew", expected)?;
    let enabled = f64::from(u8::from(state.enabled));
    out.level("eureka_self_preservation_enabled", "Whether self-preservation is on: 1 or 0", enabled)?;
    let active = f64::from(u8::from(state.enabled && state.below_threshold));
    let help = "Whether too few renewals arrive, so that nothing is evicted: 1 or 0";
    out.level("eureka_self_preservation_active", help, active)?;
    let replications = app.registry.replications_last_minute(now) as f64;
    let help = "Requests from peers in the last completed minute";
    out.level("eureka_replications_received_last_minute", help, replications)
}

fn peers(app: &Arc<AppState>, out: &mut Exposition<'_>) -> fmt::Result {
    let peers = app.peer_aware.peers().all();
    let now = app.now();
    let states: Vec<_> = peers.iter().map(|peer| (peer, peer.state())).collect();
    let label = |peer: &PeerEurekaNode| [("peer", peer.shown_url())];
    out.level("eureka_peers", "Known peers", peers.len() as f64)?;
    let available = peers.iter().map(|peer| (label(peer), f64::from(u8::from(peer.is_available()))));
    out.gauge(
        "eureka_peer_available",
        "Whether the peer answered the last call: 1 if it is up, 0 if it is unreachable",
        available,
    )?;
    let queued = states.iter().map(|(peer, state)| (label(peer), state.queue as f64));
    out.gauge("eureka_replication_queue_length", "Changes and heartbeats in the queue to the peer", queued)?;
    let ages = states.iter().map(|(peer, state)| {
        let age = state.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
        (label(peer), age)
    });
    out.gauge(
        "eureka_replication_oldest_seconds",
        "Age of the oldest change or heartbeat in the queue to the peer",
        ages,
    )?;
    let differing = states.iter().filter_map(|(peer, state)| Some((label(peer), state.differing? as f64)));
    let help = "Applications in which the peer differed at the last comparison; not for Java peers";
    out.gauge("eureka_peer_differing_applications", help, differing)?;
    let given_up = states.iter().flat_map(|(peer, state)| {
        let peer = peer.shown_url();
        let reasons = [("queue_full", state.dropped), ("too_old", state.expired)];
        reasons.map(|(reason, count)| ([("peer", peer.clone()), ("reason", reason.to_owned())], float(count)))
    });
    out.counter(
        "eureka_replication_given_up",
        "Changes and heartbeats that were never replicated to the peer",
        given_up,
    )?;
    let batches = peers.iter().flat_map(|peer| {
        peer.sent().batches().map(|(outcome, count)| {
            ([("peer", peer.shown_url()), ("outcome", outcome.name().to_owned())], float(count))
        })
    });
    out.counter("eureka_replication_batches", "Batches sent to the peer, by outcome", batches)?;
    let items = peers.iter().map(|peer| (label(peer), float(peer.sent().items())));
    out.counter("eureka_replication_items", "Changes and heartbeats delivered to the peer", items)?;
    let took = peers.iter().map(|peer| (label(peer), peer.sent().took()));
    out.durations("eureka_replication_batch_duration_seconds", "Time until the peer answered a batch", took)?;
    let looks = app.nodes.as_ref().map(|nodes| nodes.looks()).into_iter().flatten();
    let looks = looks.map(|(look, count)| ([("outcome", look.name())], float(count)));
    out.counter("eureka_discovery_lookups", "Lookups of the peers' names, by outcome", looks)
}

/// The gauge that Spring Cloud Netflix has since 4.1.2 (`EurekaInstanceMonitor`), so that panels made for it go on.
fn by_application(app: &Arc<AppState>, out: &mut Exposition<'_>) -> fmt::Result {
    let mut counted: BTreeMap<(String, &'static str), u32> = BTreeMap::new();
    for registration in app.registry.snapshot() {
        let name = registration.info().app.as_str().to_owned();
        *counted.entry((name, registration.info().status.name())).or_default() += 1;
    }
    let samples = counted.into_iter().map(|((application, status), count)| {
        ([("application", application), ("status", status.to_owned())], f64::from(count))
    });
    out.gauge("eureka_server_instances", "Number of application instances registered with the Eureka server", samples)
}
