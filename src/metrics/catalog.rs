//! All metrics: what each is called, what it means, and which labels it has.
//!
//! A metric is declared here and nowhere else, but for those of the process, which only Linux has (`metrics/process/linux.rs`); the
//! compiler refuses one that is never written. Names follow Prometheus: base units, and a counter's `_total` is added when it is
//! written. No label grows with what clients send, but for those of [`INSTANCES_BY_APPLICATION`], which operators turn on.

use super::{Histogram, Metric};

// This replica.

pub(crate) const BUILD_INFO: Metric<3> = Metric::gauge(
    "eureka_build_info",
    ["version", "commit", "node"],
    "The value is always 1; the labels are the version, the commit and the node id of this replica",
);
pub(crate) const READY: Metric<0> = Metric::gauge("eureka_ready", [], "1 if this replica is ready for clients, else 0");
pub(crate) const MEMORY_LIMIT_BYTES: Metric<0> = Metric::gauge(
    "eureka_memory_limit_bytes",
    [],
    "Bytes of memory that the process may use: the limit of its container, or the memory of the machine",
);
pub(crate) const LOG_LINES_DROPPED: Metric<0> = Metric::counter(
    "eureka_log_lines_dropped",
    [],
    "Log lines that this replica dropped, because nobody read its standard output fast enough",
);
pub(crate) const ANSWERS_REVOKED: Metric<1> = Metric::counter(
    "eureka_http_answers_revoked",
    ["answers"],
    "Connections that this replica closed, because the client read nothing of its answer while others waited for the memory",
);
pub(crate) const EVENT_STREAMS: Metric<0> =
    Metric::gauge("eureka_event_streams", [], "Clients that have a stream of /api/v1/events open");

// Requests and answers.

pub(crate) const REQUESTS: Metric<3> = Metric::counter(
    "eureka_http_requests",
    ["method", "uri", "status"],
    "Requests that this replica has answered, by method, path and status",
);
pub(crate) const REQUEST_DURATION_SECONDS: Histogram<2> = Histogram::new(
    "eureka_http_request_duration_seconds",
    ["method", "uri"],
    "Seconds that a request took, from its headers to the headers of its answer",
);
/// Spring Boot and Micrometer have it: panels, alerts and objectives that were made for it go on.
pub(crate) const HTTP_SERVER_REQUESTS: Histogram<6> = Histogram::new(
    "http_server_requests_seconds",
    ["error", "exception", "method", "outcome", "status", "uri"],
    "Seconds that a request took, from its headers to the headers of its answer; name and labels are those of Spring Boot",
);
pub(crate) const HTTP_SERVER_REQUESTS_MAX: Metric<6> = Metric::gauge(
    "http_server_requests_seconds_max",
    ["error", "exception", "method", "outcome", "status", "uri"],
    "Seconds that the slowest request of the last one to two minutes took; name and labels are those of Spring Boot",
);
pub(crate) const REQUESTS_IN_FLIGHT: Metric<0> =
    Metric::gauge("eureka_http_requests_in_flight", [], "Requests that this replica is answering now");
pub(crate) const UNAUTHORIZED: Metric<1> = Metric::counter(
    "eureka_http_unauthorized",
    ["credentials"],
    "Requests that this replica answered 401, by whether they had credentials",
);
pub(crate) const REFUSED_LOGINS: Metric<0> = Metric::counter(
    "eureka_http_refused_logins",
    [],
    "Logins that this replica answered 429, because too many logins of the same address or user had failed",
);
pub(crate) const RESPONSE_CACHE_REQUESTS: Metric<2> = Metric::counter(
    "eureka_response_cache_requests",
    ["cache", "result"],
    "Full fetches and deltas that clients asked for, by whether the answer was cached",
);
pub(crate) const RESPONSE_CACHE_ENCODE_SECONDS: Histogram<1> = Histogram::new(
    "eureka_response_cache_encode_seconds",
    ["cache"],
    "Seconds that this replica needed to encode and compress an answer that was not cached",
);

pub(crate) const DRAINS: Metric<1> = Metric::counter(
    "eureka_drains",
    ["outcome"],
    "Drains of an instance that this replica carried out, by outcome: drained, timed_out, undone, abandoned",
);
pub(crate) const DRAINS_IN_PROGRESS: Metric<0> = Metric::gauge(
    "eureka_drains_in_progress",
    [],
    "Instances that are being drained: this replica waits until clients have fetched the change",
);

// Connections.

pub(crate) const CONNECTIONS: Metric<0> =
    Metric::gauge("eureka_connections", [], "Connections that clients and peers have open to this replica");
pub(crate) const CONNECTIONS_BUSY: Metric<0> = Metric::gauge(
    "eureka_connections_busy",
    [],
    "Connections that have buffers, because they are in a request, or were in one a second or two ago",
);
pub(crate) const CONNECTIONS_CLOSED: Metric<1> =
    Metric::counter("eureka_connections_closed", ["reason"], "Connections that this replica closed, by reason");
pub(crate) const TLS_HANDSHAKES: Metric<1> = Metric::counter(
    "eureka_tls_handshakes",
    ["outcome"],
    "TLS handshakes that clients began with this replica, by outcome",
);
pub(crate) const CERTIFICATE_EXPIRES: Metric<0> = Metric::gauge(
    "eureka_tls_certificate_expires_timestamp_seconds",
    [],
    "Time at which this replica's certificate, or an earlier one of its chain, expires, in seconds since 1970; 0 without TLS",
);

// The registry.

pub(crate) const INSTANCES: Metric<1> =
    Metric::gauge("eureka_registry_instances", ["status"], "Instances that are registered, by status");
pub(crate) const APPLICATIONS: Metric<0> =
    Metric::gauge("eureka_registry_applications", [], "Applications that have instances");
pub(crate) const APPLICATIONS_WITHOUT_UP: Metric<0> = Metric::gauge(
    "eureka_registry_applications_without_up",
    [],
    "Applications that have instances, none of them with the status UP",
);
pub(crate) const RENEWALS: Metric<0> =
    Metric::counter("eureka_registry_renewals", [], "Heartbeats that renewed a lease, from clients and from peers");
pub(crate) const CHANGES: Metric<2> = Metric::counter(
    "eureka_registry_changes",
    ["kind", "source"],
    "Registrations, cancellations, evictions and changes of status that this replica made, by kind and by who asked for them",
);
pub(crate) const EXPIRED_LEASES_KEPT: Metric<1> = Metric::gauge(
    "eureka_registry_expired_leases_kept",
    ["reason"],
    "Expired leases that the last eviction run kept, by reason",
);
pub(crate) const REGISTRY_BYTES: Metric<0> =
    Metric::gauge("eureka_registry_bytes", [], "Bytes of memory that the instances take, approximately");
pub(crate) const REGISTRY_MAX_BYTES: Metric<0> = Metric::gauge(
    "eureka_registry_max_bytes",
    [],
    "Bytes of memory that the instances may take; above it, this replica refuses new ones",
);
pub(crate) const REGISTRY_REFUSED: Metric<1> = Metric::counter(
    "eureka_registry_refused",
    ["source"],
    "Registrations that this replica refused because the registry was full, by source",
);
pub(crate) const REGISTRY_MEMORY_LOST: Metric<0> = Metric::gauge(
    "eureka_registry_memory_lost",
    [],
    "1 if this replica has lost the registry and refuses fetches until clients have registered again, else 0",
);

// Snapshots, where registry.data-dir is set.

pub(crate) const SNAPSHOTS: Metric<1> =
    Metric::counter("eureka_snapshots", ["result"], "Snapshots that this replica tried to write, by result");
pub(crate) const SNAPSHOT_FAILING: Metric<0> =
    Metric::gauge("eureka_snapshot_failing", [], "1 if this replica failed to write the last snapshot, else 0");
pub(crate) const SNAPSHOT_WRITTEN: Metric<0> = Metric::gauge(
    "eureka_snapshot_written_timestamp_seconds",
    [],
    "Time at which this replica wrote the last snapshot, in seconds since 1970; 0 before the first one",
);
pub(crate) const SNAPSHOT_BYTES: Metric<0> =
    Metric::gauge("eureka_snapshot_bytes", [], "Bytes that the last snapshot takes on disk");
pub(crate) const RESTORED_INSTANCES: Metric<0> = Metric::gauge(
    "eureka_registry_restored_instances",
    [],
    "Instances that were restored from the snapshot and have not renewed since",
);

// Pods, where registry.kubernetes.pods is set. A label `namespace` would be that of the replica, which Prometheus adds.

pub(crate) const KUBERNETES_WATCHING: Metric<1> = Metric::gauge(
    "eureka_kubernetes_watching",
    ["watched_namespace"],
    "1 if this replica watches the pods of the namespace, 0 while it cannot",
);
pub(crate) const KUBERNETES_PODS: Metric<1> = Metric::gauge(
    "eureka_kubernetes_pods",
    ["watched_namespace"],
    "Pods of the namespace that live, as far as this replica knows",
);
pub(crate) const KUBERNETES_PODS_LEFT_OUT: Metric<1> = Metric::gauge(
    "eureka_kubernetes_pods_left_out",
    ["watched_namespace"],
    "Pods of the namespace that this replica does not keep because there are too many",
);
pub(crate) const KUBERNETES_FAILURES: Metric<1> = Metric::counter(
    "eureka_kubernetes_failures",
    ["watched_namespace"],
    "Lists and watches of the namespace's pods that failed",
);
pub(crate) const KUBERNETES_ACTS: Metric<1> = Metric::counter(
    "eureka_kubernetes_acts",
    ["act"],
    "Instances that this replica has changed because of their pods, by act",
);

// Self-preservation.

pub(crate) const RENEWALS_LAST_MINUTE: Metric<0> = Metric::gauge(
    "eureka_renewals_last_minute",
    [],
    "Renewals that this replica counted in the last completed minute, from clients and from peers",
);
pub(crate) const RENEWALS_PER_MINUTE_THRESHOLD: Metric<0> = Metric::gauge(
    "eureka_renewals_per_minute_threshold",
    [],
    "Renewals that have to arrive in a minute, so that this replica evicts expired leases",
);
pub(crate) const EXPECTED_CLIENTS: Metric<0> =
    Metric::gauge("eureka_expected_clients", [], "Instances whose heartbeats this replica expects");
pub(crate) const SELF_PRESERVATION_ENABLED: Metric<0> =
    Metric::gauge("eureka_self_preservation_enabled", [], "1 if self-preservation is switched on, else 0");
pub(crate) const SELF_PRESERVATION_ACTIVE: Metric<0> = Metric::gauge(
    "eureka_self_preservation_active",
    [],
    "1 if this replica evicts nothing because too few renewals arrive, else 0",
);
pub(crate) const REPLICATIONS_RECEIVED_LAST_MINUTE: Metric<0> = Metric::gauge(
    "eureka_replications_received_last_minute",
    [],
    "Requests that peers sent in the last completed minute",
);

// Peers.

pub(crate) const PEERS: Metric<0> = Metric::gauge("eureka_peers", [], "Peers that this replica knows");
pub(crate) const PEER_AVAILABLE: Metric<1> =
    Metric::gauge("eureka_peer_available", ["peer"], "1 if the peer answered the last call, 0 if it is unreachable");
pub(crate) const PEER_CLOCK_OFFSET_SECONDS: Metric<1> = Metric::gauge(
    "eureka_peer_clock_offset_seconds",
    ["peer"],
    "Seconds by which the peer's clock is ahead of this replica's, negative if it is behind; Java peers have no such metric",
);
pub(crate) const REPLICATION_QUEUE_LENGTH: Metric<1> = Metric::gauge(
    "eureka_replication_queue_length",
    ["peer"],
    "Changes and heartbeats that wait to be replicated to the peer",
);
pub(crate) const REPLICATION_OLDEST_SECONDS: Metric<1> = Metric::gauge(
    "eureka_replication_oldest_seconds",
    ["peer"],
    "Seconds for which the oldest change or heartbeat has waited to be replicated to the peer",
);
pub(crate) const PEER_DIFFERING_APPLICATIONS: Metric<1> = Metric::gauge(
    "eureka_peer_differing_applications",
    ["peer"],
    "Applications of which the peer knew something else at the last comparison; Java peers have no such metric",
);
pub(crate) const REPLICATION_GIVEN_UP: Metric<2> = Metric::counter(
    "eureka_replication_given_up",
    ["peer", "reason"],
    "Changes and heartbeats that this replica gave up replicating to the peer, by reason",
);
pub(crate) const REPLICATION_BATCHES: Metric<2> = Metric::counter(
    "eureka_replication_batches",
    ["peer", "outcome"],
    "Batches that this replica sent to the peer, by outcome",
);
pub(crate) const REPLICATION_ITEMS: Metric<1> = Metric::counter(
    "eureka_replication_items",
    ["peer"],
    "Changes and heartbeats that this replica has replicated to the peer",
);
pub(crate) const REPLICATION_BATCH_DURATION_SECONDS: Histogram<1> = Histogram::new(
    "eureka_replication_batch_duration_seconds",
    ["peer"],
    "Seconds that the peer took to answer a batch",
);
pub(crate) const DISCOVERY_LOOKUPS: Metric<1> =
    Metric::counter("eureka_discovery_lookups", ["outcome"], "Lookups of the peers' names in DNS, by outcome");

// By application.

/// Spring Cloud Netflix has it since 4.1.2 (`EurekaInstanceMonitor`): panels that were made for it go on.
pub(crate) const INSTANCES_BY_APPLICATION: Metric<2> = Metric::gauge(
    "eureka_server_instances",
    ["application", "status"],
    "Instances that are registered, by application and status",
);
