//! The table of keys.

use std::time::Duration;

use super::draft::Draft;
use super::values::{
    boolean, client_auth, context_path, count, data_size, file, forward_headers, list, log_filter, log_format, name,
    nameservers, open_paths, parsed, password, positive, put, service_urls, share, show_details, some_time, text, time,
};

/// One key.
pub(super) struct Key {
    /// Its name in Spring's canonical form.
    pub(super) name: &'static str,
    /// The value it has where nobody says anything; empty for none.
    pub(super) default: &'static str,
    /// What it does.
    pub(super) meaning: &'static str,
    /// Sets it, or says what was expected.
    pub(super) set: fn(&mut Draft, &str) -> Result<(), &'static str>,
}

/// Keys that belong together.
pub(super) struct Group {
    /// What they are about.
    pub(super) title: &'static str,
    /// The keys.
    pub(super) keys: &'static [Key],
}

/// Every key there is.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    GROUPS.iter().flat_map(|group| group.keys)
}

/// Every key there is, in the order in which people look for them.
pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "Server",
        keys: &[
            Key {
                name: "server.port",
                default: "8761",
                meaning: "Port to listen on. 0 takes a free port and logs which.",
                set: |settings, value| put(&mut settings.server.port, parsed(value, "a port from 0 to 65535")),
            },
            Key {
                name: "server.address",
                default: "",
                meaning: "Address to listen on. Default: all addresses, IPv4 and IPv6.",
                set: |settings, value| put(&mut settings.server.address, parsed(value, "an IP address").map(Some)),
            },
            Key {
                name: "server.servlet.context-path",
                default: "",
                meaning: "Prefix of every path, for example `/registry`.",
                set: |settings, value| put(&mut settings.http.context_path, context_path(value)),
            },
            Key {
                name: "server.forward-headers-strategy",
                default: "none",
                meaning: "Which address of a client is logged and shown: `none` (that of the connection), `native` (from `X-Forwarded-For`, if the proxies have private addresses, as in Tomcat) or `framework` (the first address of `Forwarded` or `X-Forwarded-For`, whoever sent it).",
                set: |settings, value| put(&mut settings.http.security.forward_headers, forward_headers(value)),
            },
            Key {
                name: "management.server.port",
                default: "",
                meaning: "Separate port without TLS for probes and scrapers, with the actuator only.",
                set: |settings, value| {
                    put(&mut settings.server.management_port, parsed(value, "a port from 0 to 65535").map(Some))
                },
            },
            Key {
                name: "management.endpoints.web.base-path",
                default: "/actuator",
                meaning: "Path of health, info and metrics, below the context path.",
                set: |settings, value| put(&mut settings.http.actuator.base_path, context_path(value)),
            },
            Key {
                name: "management.endpoint.health.show-details",
                default: "when-authorized",
                meaning: "Who sees the details of the health: `never`, `when-authorized` (users; everybody if there are no users) or `always`.",
                set: |settings, value| put(&mut settings.http.actuator.show_details, show_details(value)),
            },
            Key {
                name: "server.tomcat.max-connections",
                default: "",
                meaning: "Maximum open connections. Without it, as many as memory and open files allow: about 6,200 at 128 MiB, a third of that with TLS; the log says it at the start. At the limit, a new connection replaces an idle one of the client address that holds the most.",
                set: |settings, value| put(&mut settings.server.max_connections, positive(value).map(Some)),
            },
            Key {
                name: "server.tomcat.keep-alive-timeout",
                default: "120s",
                meaning: "Maximum idle time of a connection between two requests. It should be longer than any client's heartbeat interval.",
                set: |settings, value| put(&mut settings.server.keep_alive_timeout, some_time(value)),
            },
            Key {
                name: "registry.http.max-body-size",
                default: "10485760",
                meaning: "Maximum size of a request body, inflated if it is compressed: bytes, or for example `10MB`.",
                set: |settings, value| put(&mut settings.http.max_body_bytes, data_size(value)),
            },
            Key {
                name: "registry.http.header-timeout",
                default: "10s",
                meaning: "Maximum time for the request headers to arrive, and for the first request of a new connection to begin.",
                set: |settings, value| put(&mut settings.server.request_header_timeout, some_time(value)),
            },
            Key {
                name: "registry.http.body-timeout",
                default: "20s",
                meaning: "Close a request or response that transfers less than 500 bytes per second for this long.",
                set: |settings, value| put(&mut settings.server.request_body_timeout, some_time(value)),
            },
            Key {
                name: "registry.connection.max-age",
                default: "10m",
                meaning: "Maximum age of a connection, give or take a tenth. An older one is closed with its next answer, so that load evens out after a rollout.",
                set: |settings, value| put(&mut settings.server.connection_max_age, some_time(value)),
            },
        ],
    },
    Group {
        title: "Leases, eviction and self-preservation",
        keys: &[
            Key {
                name: "eureka.server.enable-self-preservation",
                default: "true",
                meaning: "Evict nothing while too few renewals arrive.",
                set: |settings, value| put(&mut settings.registry.enable_self_preservation, boolean(value)),
            },
            Key {
                name: "eureka.server.renewal-percent-threshold",
                default: "0.85",
                meaning: "Share of the expected renewals that must be exceeded for evictions, and share of the registry that one eviction run leaves.",
                set: |settings, value| put(&mut settings.registry.renewal_percent_threshold, share(value)),
            },
            Key {
                name: "eureka.server.renewal-threshold-update-interval-ms",
                default: "900000",
                meaning: "How often the number of expected clients is set to the number of registered instances.",
                set: |settings, value| put(&mut settings.registry.renewal_threshold_update_interval, some_time(value)),
            },
            Key {
                name: "eureka.server.expected-client-renewal-interval-seconds",
                default: "30",
                meaning: "How often a client is expected to renew.",
                set: |settings, value| {
                    let seconds = positive(value).map(|seconds| Duration::from_secs(seconds as u64));
                    put(&mut settings.registry.expected_client_renewal_interval, seconds)
                },
            },
            Key {
                name: "eureka.instance.registry.expected-number-of-clients-sending-renews",
                default: "1",
                meaning: "Number of expected clients before any has registered.",
                set: |settings, value| {
                    put(&mut settings.registry.expected_number_of_clients_sending_renews, count(value))
                },
            },
            Key {
                name: "eureka.instance.registry.default-open-for-traffic-count",
                default: "1",
                meaning: "Number of expected clients after a start that found nothing to copy. 0 refuses reads until `wait-time-in-ms-when-sync-empty` is over.",
                set: |settings, value| put(&mut settings.registry.default_open_for_traffic_count, count(value)),
            },
            Key {
                name: "eureka.server.eviction-interval-timer-in-ms",
                default: "60000",
                meaning: "How often expired leases are evicted.",
                set: |settings, value| put(&mut settings.registry.eviction_interval, some_time(value)),
            },
            Key {
                name: "eureka.server.wait-time-in-ms-when-sync-empty",
                default: "300000",
                meaning: "Time after the start in which missing renewals are not reported, and in which reads are refused if `default-open-for-traffic-count` is 0.",
                set: |settings, value| put(&mut settings.registry.wait_time_when_sync_empty, time(value)),
            },
            Key {
                name: "eureka.server.sync-when-timestamp-differs",
                default: "true",
                meaning: "Answer 404 to a heartbeat that names a newer version of the instance, so that the client registers again.",
                set: |settings, value| put(&mut settings.registry.sync_when_timestamp_differs, boolean(value)),
            },
        ],
    },
    Group {
        title: "Fetches",
        keys: &[
            Key {
                name: "eureka.server.retention-time-in-m-s-in-delta-queue",
                default: "180000",
                meaning: "How long a change stays in the delta. It should be longer than any client's fetch interval.",
                set: |settings, value| put(&mut settings.registry.retention_time_in_delta_queue, time(value)),
            },
            Key {
                name: "eureka.server.delta-retention-timer-interval-in-ms",
                default: "30000",
                meaning: "How often changes that are too old are removed from the delta.",
                set: |settings, value| put(&mut settings.registry.delta_retention_timer_interval, some_time(value)),
            },
            Key {
                name: "eureka.server.disable-delta",
                default: "false",
                meaning: "Refuse deltas with 403, so that clients fetch everything.",
                set: |settings, value| put(&mut settings.registry.disable_delta, boolean(value)),
            },
            Key {
                name: "eureka.server.use-read-only-response-cache",
                default: "false",
                meaning: "Allow cached answers for `/apps` and `/apps/delta` that are as old as `response-cache-update-interval-ms`, which is the Java server's default.",
                set: |settings, value| put(&mut settings.registry.use_read_only_response_cache, boolean(value)),
            },
            Key {
                name: "eureka.server.response-cache-update-interval-ms",
                default: "30000",
                meaning: "Maximum age of a cached answer when `use-read-only-response-cache` is on.",
                set: |settings, value| put(&mut settings.registry.response_cache_update_interval, time(value)),
            },
            Key {
                name: "eureka.server.rate-limiter-enabled",
                default: "false",
                meaning: "Refuse fetches beyond the rates below with 503. Heartbeats and registrations are never refused.",
                set: |settings, value| put(&mut settings.http.security.rate_limit.enabled, boolean(value)),
            },
            Key {
                name: "eureka.server.rate-limiter-burst-size",
                default: "10",
                meaning: "Number of fetches that may arrive at once.",
                set: |settings, value| put(&mut settings.http.security.rate_limit.burst_size, count(value)),
            },
            Key {
                name: "eureka.server.rate-limiter-registry-fetch-average-rate",
                default: "500",
                meaning: "Average fetches per second: full fetches, deltas and single applications.",
                set: |settings, value| {
                    put(&mut settings.http.security.rate_limit.registry_fetch_average_rate, count(value))
                },
            },
            Key {
                name: "eureka.server.rate-limiter-full-fetch-average-rate",
                default: "100",
                meaning: "Average full fetches per second.",
                set: |settings, value| {
                    put(&mut settings.http.security.rate_limit.full_fetch_average_rate, count(value))
                },
            },
            Key {
                name: "eureka.server.rate-limiter-throttle-standard-clients",
                default: "false",
                meaning: "Apply the limits to standard and privileged clients, too.",
                set: |settings, value| {
                    put(&mut settings.http.security.rate_limit.throttle_standard_clients, boolean(value))
                },
            },
            Key {
                name: "eureka.server.rate-limiter-privileged-clients",
                default: "",
                meaning: "Values of the header `DiscoveryIdentity-Name` that are privileged, comma separated.",
                set: |settings, value| put(&mut settings.http.security.rate_limit.privileged_clients, list(value)),
            },
        ],
    },
    Group {
        title: "Peers",
        keys: &[
            Key {
                name: "registry.discovery.service",
                default: "",
                meaning: "Headless Service whose names are the peers, short (`registry`) or with a domain.",
                set: |settings, value| put(&mut settings.replication.discovery_service, name(value).map(Some)),
            },
            Key {
                name: "registry.discovery.refresh-interval",
                default: "5s",
                meaning: "How often the names of the peers are looked up, give or take a fifth.",
                set: |settings, value| put(&mut settings.replication.discovery_refresh_interval, some_time(value)),
            },
            Key {
                name: "registry.discovery.nameservers",
                default: "",
                meaning: "Name servers to ask, as `address:port`, comma separated. Default: those of the system.",
                set: |settings, value| put(&mut settings.replication.discovery_nameservers, nameservers(value)),
            },
            Key {
                name: "registry.discovery.username",
                default: "",
                meaning: "User that is sent to peers whose URL has no user. Default: `spring.security.user.name`, if its password is plain.",
                set: |settings, value| put(&mut settings.replication.discovery_credentials.username, text(value)),
            },
            Key {
                name: "registry.discovery.password",
                default: "",
                meaning: "Password of `registry.discovery.username`.",
                set: |settings, value| put(&mut settings.replication.discovery_credentials.password, text(value)),
            },
            Key {
                name: "registry.cluster.name",
                default: "",
                meaning: "Name of the cluster. Replicas of another cluster are refused. Default: the full name of the Service as it resolves; none if there are only fixed peers.",
                set: |settings, value| put(&mut settings.replication.cluster_name, name(value).map(Some)),
            },
            Key {
                name: "registry.peers.max-answer-size",
                default: "256MB",
                meaning: "Maximum size of an answer from a peer. The copy of its registry is one answer.",
                set: |settings, value| put(&mut settings.replication.max_answer_bytes, data_size(value)),
            },
            Key {
                name: "eureka.client.service-url.defaultZone",
                default: "",
                meaning: "URLs of fixed peers, comma separated, with user and password if needed. The list may contain this replica itself.",
                set: |settings, value| put(&mut settings.replication.service_urls, service_urls(value)),
            },
            Key {
                name: "eureka.client.register-with-eureka",
                default: "",
                meaning: "Register this replica as an instance, so that Java servers call it available. Default: on if there are fixed peers.",
                set: |settings, value| put(&mut settings.replication.register_with_eureka, boolean(value).map(Some)),
            },
            Key {
                name: "spring.application.name",
                default: "eureka",
                meaning: "Application of which this replica is an instance, if it registers itself: the same for all servers of a cluster.",
                set: |settings, value| put(&mut settings.replication.application_name, name(value)),
            },
            Key {
                name: "eureka.instance.hostname",
                default: "",
                meaning: "Host name by which peers call this replica, for example `registry-0.registry`.",
                set: |settings, value| put(&mut settings.replication.hostname, name(value).map(Some)),
            },
            Key {
                name: "eureka.instance.appname",
                default: "",
                meaning: "Application of which this replica is an instance, if that is not `spring.application.name`. Java servers with the same name call this replica available.",
                set: |settings, value| put(&mut settings.replication.own_instance.app_name, name(value).map(Some)),
            },
            Key {
                name: "eureka.instance.instance-id",
                default: "",
                meaning: "Id of this replica's instance. Default: host, application and port.",
                set: |settings, value| put(&mut settings.replication.own_instance.instance_id, name(value).map(Some)),
            },
            Key {
                name: "eureka.instance.ip-address",
                default: "",
                meaning: "IP address of this replica's instance. Default: the address it listens on.",
                set: |settings, value| {
                    put(&mut settings.replication.own_instance.ip_address, parsed(value, "an IP address").map(Some))
                },
            },
            Key {
                name: "eureka.instance.prefer-ip-address",
                default: "false",
                meaning: "Use the IP address as the host name, too, if `eureka.instance.hostname` is not set.",
                set: |settings, value| put(&mut settings.replication.own_instance.prefer_ip_address, boolean(value)),
            },
            Key {
                name: "eureka.instance.virtual-host-name",
                default: "",
                meaning: "Virtual address of this replica's instance. Default: `spring.application.name`.",
                set: |settings, value| {
                    put(&mut settings.replication.own_instance.virtual_host_name, name(value).map(Some))
                },
            },
            Key {
                name: "eureka.instance.secure-virtual-host-name",
                default: "",
                meaning: "Virtual address for HTTPS of this replica's instance. Default: `spring.application.name`.",
                set: |settings, value| {
                    put(&mut settings.replication.own_instance.secure_virtual_host_name, name(value).map(Some))
                },
            },
            Key {
                name: "eureka.instance.lease-renewal-interval-in-seconds",
                default: "30",
                meaning: "How often this replica's instance renews.",
                set: |settings, value| {
                    put(
                        &mut settings.replication.own_instance.renewal_interval,
                        positive(value).map(|seconds| Duration::from_secs(seconds as u64)),
                    )
                },
            },
            Key {
                name: "eureka.instance.lease-expiration-duration-in-seconds",
                default: "90",
                meaning: "Duration of the lease of this replica's instance.",
                set: |settings, value| {
                    put(
                        &mut settings.replication.own_instance.lease_duration,
                        positive(value).map(|seconds| Duration::from_secs(seconds as u64)),
                    )
                },
            },
            Key {
                name: "eureka.server.peer-node-connect-timeout-ms",
                default: "1000",
                meaning: "Maximum time to connect to a peer.",
                set: |settings, value| put(&mut settings.replication.peer_node_connect_timeout, some_time(value)),
            },
            Key {
                name: "eureka.server.peer-node-read-timeout-ms",
                default: "5000",
                meaning: "Maximum time to wait for a peer's answer.",
                set: |settings, value| put(&mut settings.replication.peer_node_read_timeout, some_time(value)),
            },
            Key {
                name: "eureka.server.max-time-for-replication",
                default: "30000",
                meaning: "Maximum time a change waits for an unreachable peer before it is dropped. For a registration or a heartbeat, it is the renewal interval.",
                set: |settings, value| put(&mut settings.replication.max_time_for_replication, some_time(value)),
            },
            Key {
                name: "eureka.server.max-elements-in-peer-replication-pool",
                default: "10000",
                meaning: "Maximum number of changes and heartbeats in the queue to one peer.",
                set: |settings, value| {
                    put(&mut settings.replication.max_elements_in_peer_replication_pool, positive(value))
                },
            },
            Key {
                name: "registry.sync.timeout",
                default: "60s",
                meaning: "Maximum time that a start waits for the whole copy of a peer's registry, while a peer is known or likely. Then it opens without one and logs an error.",
                set: |settings, value| put(&mut settings.replication.registry_sync_timeout, time(value)),
            },
        ],
    },
    Group {
        title: "Security",
        keys: &[
            Key {
                name: "spring.security.user.name",
                default: "",
                meaning: "Name of a user; `user` if there is only a password. If a password is set, every request needs a user.",
                set: |settings, value| put(&mut settings.user.name, text(value)),
            },
            Key {
                name: "spring.security.user.password",
                default: "",
                meaning: "Password: plain, `{noop}plain`, `{bcrypt}$2a$...`, or a bare bcrypt hash.",
                set: |settings, value| put(&mut settings.user.password, password(value).map(Some)),
            },
            Key {
                name: "spring.security.user.roles",
                default: "",
                meaning: "Roles. `READ_ONLY` may only read; any other role, or none, may register and cancel. `PEER` may replicate, too; so may the user as whom this replica calls its peers.",
                set: |settings, value| put(&mut settings.user.roles, list(value)),
            },
            Key {
                name: "registry.security.open-paths",
                default: "/actuator/health/**",
                meaning: "Paths that need no user, comma separated: whole paths, or prefixes that end with `/**`. Default: the health.",
                set: |settings, value| put(&mut settings.http.security.open_paths, open_paths(value)),
            },
            Key {
                name: "registry.security.peers-need-certificate",
                default: "false",
                meaning: "Let only peers with a client certificate replicate (needs `server.ssl.client-auth` `want` or `need`).",
                set: |settings, value| put(&mut settings.http.security.peers_need_certificate, boolean(value)),
            },
            Key {
                name: "registry.security.peer-names",
                default: "",
                meaning: "Names (DNS or IP alternative names) of which a peer's certificate must have one, comma separated. Implies `registry.security.peers-need-certificate`. Default: any certificate of the authorities.",
                set: |settings, value| put(&mut settings.ssl.peer_names, list(value)),
            },
            Key {
                name: "registry.security.certificate-revocation-list",
                default: "",
                meaning: "PEM file with the revocation lists (CRL) of the authorities in `server.ssl.trust-certificate`, each of which needs one. Read again when it changes.",
                set: |settings, value| put(&mut settings.ssl.revoked, file(value).map(Some)),
            },
            Key {
                name: "registry.security.allowed-hosts",
                default: "",
                meaning: "More host names by which pages and `/api` may be asked for, comma separated; `*.example.com` for all below, `*` for any. Addresses, names without a dot, names of local domains and the registry's own names are always allowed. Default: without users only those; with users any.",
                set: |settings, value| put(&mut settings.http.security.allowed_hosts.listed, list(value).map(Some)),
            },
            Key {
                name: "server.ssl.enabled",
                default: "",
                meaning: "Serve HTTPS instead of HTTP. Default: on if there is a certificate.",
                set: |settings, value| put(&mut settings.ssl.enabled, boolean(value).map(Some)),
            },
            Key {
                name: "server.ssl.certificate",
                default: "",
                meaning: "PEM file with the certificate and its intermediate certificates. It is read again when it changes.",
                set: |settings, value| put(&mut settings.ssl.certificate, file(value).map(Some)),
            },
            Key {
                name: "server.ssl.certificate-private-key",
                default: "",
                meaning: "PEM file with the private key.",
                set: |settings, value| put(&mut settings.ssl.private_key, file(value).map(Some)),
            },
            Key {
                name: "server.ssl.trust-certificate",
                default: "",
                meaning: "PEM file with the authorities by which certificates of clients and peers are verified.",
                set: |settings, value| put(&mut settings.ssl.trust, file(value).map(Some)),
            },
            Key {
                name: "server.ssl.client-auth",
                default: "none",
                meaning: "Client certificates: `none`, `want` or `need`.",
                set: |settings, value| put(&mut settings.ssl.client_auth, client_auth(value)),
            },
            Key {
                name: "server.ssl.bundle",
                default: "",
                meaning: "Name of the `spring.ssl.bundle.pem.*` that has the certificates instead.",
                set: |settings, value| put(&mut settings.ssl.bundle, text(value).map(Some)),
            },
        ],
    },
    Group {
        title: "Logs and metrics",
        keys: &[
            Key {
                name: "logging.level.root",
                default: "info",
                meaning: "Log level: `error`, `warn`, `info`, `debug` or `trace`; or a filter such as `info,eureka_registry::registry=debug`.",
                set: |settings, value| put(&mut settings.logs.filter, log_filter(value)),
            },
            Key {
                name: "registry.logging.format",
                default: "text",
                meaning: "Log format: `text`, or `json` with an object per line.",
                set: |settings, value| put(&mut settings.logs.format, log_format(value)),
            },
            Key {
                name: "logging.structured.format.console",
                default: "",
                meaning: "Spring Boot's name for `registry.logging.format`. Each of its formats means `json`.",
                set: |settings, value| put(&mut settings.logs.format, log_format(value)),
            },
            Key {
                name: "server.tomcat.accesslog.enabled",
                default: "false",
                meaning: "Log every request, with its user, address and request id.",
                set: |settings, value| put(&mut settings.http.access_log, boolean(value)),
            },
            Key {
                name: "eureka.server.metrics.enabled",
                default: "false",
                meaning: "Add the metric `eureka_server_instances`, by application and status, to `/actuator/prometheus`.",
                set: |settings, value| put(&mut settings.http.metrics_by_application, boolean(value)),
            },
        ],
    },
    Group {
        title: "Stopping",
        keys: &[
            Key {
                name: "registry.shutdown.lame-duck",
                default: "3s",
                meaning: "How long a stopping replica still answers requests, while it is not ready.",
                set: |settings, value| put(&mut settings.server.lame_duck, time(value)),
            },
            Key {
                name: "registry.shutdown.drain-timeout",
                default: "10s",
                meaning: "Maximum time after that for connections to finish.",
                set: |settings, value| put(&mut settings.server.drain_timeout, time(value)),
            },
            Key {
                name: "registry.shutdown.flush-timeout",
                default: "5s",
                meaning: "Maximum time after that for background work to end, and for changes to reach the peers.",
                set: |settings, value| put(&mut settings.server.flush_timeout, time(value)),
            },
        ],
    },
];
