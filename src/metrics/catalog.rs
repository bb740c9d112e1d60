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
    "Version, commit and process of this replica: always 1",
);
pub(crate) const READY: Metric<0> =
    Metric::gauge("eureka_ready", [], "Whether this replica is ready for clients: 1 or 0");
pub(crate) const MEMORY_LIMIT_BYTES: Metric<0> = Metric::gauge(
    "eureka_memory_limit_bytes",
    [],
    "Memory that the process may use, in bytes: the limit of its container, or the memory of the machine",
);
pub(crate) const LOG_LINES_DROPPED: Metric<0> = Metric::counter(
    "eureka_log_lines_dropped",
    [],
    "Log lines dropped because standard output was not read fast enough",
);
pub(crate) const ANSWERS_REVOKED: Metric<1> = Metric::counter(
    "eureka_http_answers_revoked",
    ["answers"],
    "Connections closed because the client read nothing of its answer while others waited for the memory",
);
pub(crate) const EVENT_STREAMS: Metric<0> = Metric::gauge("eureka_event_streams", [], "Open streams of /api/v1/events");

// Requests and answers.

pub(crate) const REQUESTS: Metric<3> =
    Metric::counter("eureka_http_requests", ["method", "uri", "status"], "Requests answered, by operation and status");
pub(crate) const REQUEST_DURATION_SECONDS: Histogram<2> = Histogram::new(
    "eureka_http_request_duration_seconds",
    ["method", "uri"],
    "Time from the request headers to the response headers",
);
/// Spring Boot and Micrometer have it: panels, alerts and objectives that were made for it go on.
pub(crate) const HTTP_SERVER_REQUESTS: Histogram<6> = Histogram::new(
    "http_server_requests_seconds",
    ["error", "exception", "method", "outcome", "status", "uri"],
    "Time from the request headers to the response headers, by the name and with the labels of Spring Boot",
);
pub(crate) const HTTP_SERVER_REQUESTS_MAX: Metric<6> = Metric::gauge(
    "http_server_requests_seconds_max",
    ["error", "exception", "method", "outcome", "status", "uri"],
    "The longest of these times within the last one to two minutes",
);
pub(crate) const REQUESTS_IN_FLIGHT: Metric<0> =
    Metric::gauge("eureka_http_requests_in_flight", [], "Requests being answered");
pub(crate) const UNAUTHORIZED: Metric<1> = Metric::counter(
    "eureka_http_unauthorized",
    ["credentials"],
    "Requests answered 401, by whether they had credentials",
);
pub(crate) const REFUSED_LOGINS: Metric<0> = Metric::counter(
    "eureka_http_refused_logins",
    [],
    "Logins answered 429 after too many failed logins of the same address or user",
);
pub(crate) const RESPONSE_CACHE_REQUESTS: Metric<2> = Metric::counter(
    "eureka_response_cache_requests",
    ["cache", "result"],
    "Full fetches and deltas, by whether the answer was cached",
);
pub(crate) const RESPONSE_CACHE_ENCODE_SECONDS: Histogram<1> = Histogram::new(
    "eureka_response_cache_encode_seconds",
    ["cache"],
    "Time to encode and compress an answer that was not cached",
);

// Connections.

pub(crate) const CONNECTIONS: Metric<0> = Metric::gauge("eureka_connections", [], "Connections that are open");
pub(crate) const CONNECTIONS_BUSY: Metric<0> = Metric::gauge(
    "eureka_connections_busy",
    [],
    "Connections with buffers: in a request, or within a second or two of one",
);
pub(crate) const CONNECTIONS_CLOSED: Metric<1> =
    Metric::counter("eureka_connections_closed", ["reason"], "Connections that the server closed, by reason");
pub(crate) const TLS_HANDSHAKES: Metric<1> =
    Metric::counter("eureka_tls_handshakes", ["outcome"], "TLS handshakes of clients, by outcome");
pub(crate) const CERTIFICATE_EXPIRES: Metric<0> = Metric::gauge(
    "eureka_tls_certificate_expires_timestamp_seconds",
    [],
    "Time at which the server's certificate expires, or one of its chain if that is earlier, in seconds since 1970; 0 without TLS",
);

// The registry.

pub(crate) const INSTANCES: Metric<1> =
    Metric::gauge("eureka_registry_instances", ["status"], "Registered instances by status");
pub(crate) const APPLICATIONS: Metric<0> =
    Metric::gauge("eureka_registry_applications", [], "Applications that have instances");
pub(crate) const APPLICATIONS_WITHOUT_UP: Metric<0> = Metric::gauge(
    "eureka_registry_applications_without_up",
    [],
    "Applications that have instances, none of them with the status UP",
);
pub(crate) const RENEWALS: Metric<0> =
    Metric::counter("eureka_registry_renewals", [], "Heartbeats that renewed a lease");
pub(crate) const CHANGES: Metric<2> = Metric::counter(
    "eureka_registry_changes",
    ["kind", "source"],
    "Registrations, cancellations, evictions and changes of status, by kind and source",
);
pub(crate) const EXPIRED_LEASES_KEPT: Metric<1> = Metric::gauge(
    "eureka_registry_expired_leases_kept",
    ["reason"],
    "Expired leases that the last eviction run kept, by reason",
);
pub(crate) const REGISTRY_BYTES: Metric<0> =
    Metric::gauge("eureka_registry_bytes", [], "Approximate memory of the instances, in bytes");
pub(crate) const REGISTRY_MAX_BYTES: Metric<0> = Metric::gauge(
    "eureka_registry_max_bytes",
    [],
    "Maximum memory of the instances, in bytes; above it, new instances are refused",
);
pub(crate) const REGISTRY_REFUSED: Metric<1> = Metric::counter(
    "eureka_registry_refused",
    ["source"],
    "Instances refused because the registry was full, by source",
);
pub(crate) const REGISTRY_MEMORY_LOST: Metric<0> = Metric::gauge(
    "eureka_registry_memory_lost",
    [],
    "Whether the registry has lost its memory and refuses fetches until clients have registered again: 1 or 0",
);

// Snapshots, where registry.data-dir is set.

pub(crate) const SNAPSHOTS: Metric<1> =
    Metric::counter("eureka_snapshots", ["result"], "Attempts to write a snapshot, by result");
pub(crate) const SNAPSHOT_FAILING: Metric<0> =
    Metric::gauge("eureka_snapshot_failing", [], "Whether the last attempt to write a snapshot failed: 1 or 0");
pub(crate) const SNAPSHOT_WRITTEN: Metric<0> = Metric::gauge(
    "eureka_snapshot_written_timestamp_seconds",
    [],
    "Time of the last snapshot, in seconds since 1970; 0 before the first one",
);
pub(crate) const SNAPSHOT_BYTES: Metric<0> =
    Metric::gauge("eureka_snapshot_bytes", [], "Size of the last snapshot, in bytes");
pub(crate) const RESTORED_INSTANCES: Metric<0> = Metric::gauge(
    "eureka_registry_restored_instances",
    [],
    "Instances that were restored from the snapshot and have not renewed since",
);

// Self-preservation.

pub(crate) const RENEWALS_LAST_MINUTE: Metric<0> =
    Metric::gauge("eureka_renewals_last_minute", [], "Renewals of the last completed minute");
pub(crate) const RENEWALS_PER_MINUTE_THRESHOLD: Metric<0> = Metric::gauge(
    "eureka_renewals_per_minute_threshold",
    [],
    "Renewals per minute above which expired leases are evicted",
);
pub(crate) const EXPECTED_CLIENTS: Metric<0> =
    Metric::gauge("eureka_expected_clients", [], "Clients that are expected to renew");
pub(crate) const SELF_PRESERVATION_ENABLED: Metric<0> =
    Metric::gauge("eureka_self_preservation_enabled", [], "Whether self-preservation is on: 1 or 0");
pub(crate) const SELF_PRESERVATION_ACTIVE: Metric<0> = Metric::gauge(
    "eureka_self_preservation_active",
    [],
    "Whether too few renewals arrive, so that nothing is evicted: 1 or 0",
);
pub(crate) const REPLICATIONS_RECEIVED_LAST_MINUTE: Metric<0> =
    Metric::gauge("eureka_replications_received_last_minute", [], "Requests from peers in the last completed minute");

// Peers.

pub(crate) const PEERS: Metric<0> = Metric::gauge("eureka_peers", [], "Known peers");
pub(crate) const PEER_AVAILABLE: Metric<1> = Metric::gauge(
    "eureka_peer_available",
    ["peer"],
    "Whether the peer answered the last call: 1 if it is up, 0 if it is unreachable",
);
pub(crate) const PEER_CLOCK_OFFSET_SECONDS: Metric<1> = Metric::gauge(
    "eureka_peer_clock_offset_seconds",
    ["peer"],
    "How far the clock of the peer is ahead of this replica's: negative if it is behind; not for Java peers",
);
pub(crate) const REPLICATION_QUEUE_LENGTH: Metric<1> =
    Metric::gauge("eureka_replication_queue_length", ["peer"], "Changes and heartbeats in the queue to the peer");
pub(crate) const REPLICATION_OLDEST_SECONDS: Metric<1> = Metric::gauge(
    "eureka_replication_oldest_seconds",
    ["peer"],
    "Age of the oldest change or heartbeat in the queue to the peer",
);
pub(crate) const PEER_DIFFERING_APPLICATIONS: Metric<1> = Metric::gauge(
    "eureka_peer_differing_applications",
    ["peer"],
    "Applications in which the peer differed at the last comparison; not for Java peers",
);
pub(crate) const REPLICATION_GIVEN_UP: Metric<2> = Metric::counter(
    "eureka_replication_given_up",
    ["peer", "reason"],
    "Changes and heartbeats that were never replicated to the peer, by reason",
);
pub(crate) const REPLICATION_BATCHES: Metric<2> =
    Metric::counter("eureka_replication_batches", ["peer", "outcome"], "Batches sent to the peer, by outcome");
pub(crate) const REPLICATION_ITEMS: Metric<1> =
    Metric::counter("eureka_replication_items", ["peer"], "Changes and heartbeats delivered to the peer");
pub(crate) const REPLICATION_BATCH_DURATION_SECONDS: Histogram<1> =
    Histogram::new("eureka_replication_batch_duration_seconds", ["peer"], "Time until the peer answered a batch");
pub(crate) const DISCOVERY_LOOKUPS: Metric<1> =
    Metric::counter("eureka_discovery_lookups", ["outcome"], "Lookups of the peers' names, by outcome");

// By application.

/// Spring Cloud Netflix has it since 4.1.2 (`EurekaInstanceMonitor`): panels that were made for it go on.
pub(crate) const INSTANCES_BY_APPLICATION: Metric<2> = Metric::gauge(
    "eureka_server_instances",
    ["application", "status"],
    "Number of application instances registered with the Eureka server",
);
