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
                meaning: "The port to listen on; 0 takes a free one and says which.",
                set: |settings, value| put(&mut settings.server.port, parsed(value, "a port from 0 to 65535")),
            },
            Key {
                name: "server.address",
                default: "",
                meaning: "The address to listen on; without it all of them, IPv4 and IPv6.",
                set: |settings, value| put(&mut settings.server.address, parsed(value, "an IP address").map(Some)),
            },
            Key {
                name: "server.servlet.context-path",
                default: "",
                meaning: "What stands before every path, `/registry` say.",
                set: |settings, value| put(&mut settings.http.context_path, context_path(value)),
            },
            Key {
                name: "server.forward-headers-strategy",
                default: "none",
                meaning: "Which headers say where a request comes from, for logs and histories: `none` (where its connection does), `native` (`X-Forwarded-For` of proxies with private addresses, as Tomcat reads it) or `framework` (the first address of `Forwarded` or `X-Forwarded-For`, whoever sent it).",
                set: |settings, value| put(&mut settings.http.security.forward_headers, forward_headers(value)),
            },
            Key {
                name: "management.server.port",
                default: "",
                meaning: "A port of its own, without TLS, for probes and scrapers: the actuator and nothing else.",
                set: |settings, value| {
                    put(&mut settings.server.management_port, parsed(value, "a port from 0 to 65535").map(Some))
                },
            },
            Key {
                name: "management.endpoints.web.base-path",
                default: "/actuator",
                meaning: "Where health, info and the figures stand, below the context path.",
                set: |settings, value| put(&mut settings.http.actuator.base_path, context_path(value)),
            },
            Key {
                name: "management.endpoint.health.show-details",
                default: "when-authorized",
                meaning: "Who sees more of the health than its status: `never`, `when-authorized` (users; everybody, where there are none) or `always`.",
                set: |settings, value| put(&mut settings.http.actuator.show_details, show_details(value)),
            },
            Key {
                name: "server.tomcat.max-connections",
                default: "8192",
                meaning: "The most connections at a time. Who comes then takes the place of the one that is missed least: of the address that has the most, one that asks nothing.",
                set: |settings, value| put(&mut settings.server.max_connections, positive(value)),
            },
            Key {
                name: "server.tomcat.keep-alive-timeout",
                default: "120s",
                meaning: "How long a connection may be idle between two requests: longer than any client's heartbeat interval.",
                set: |settings, value| put(&mut settings.server.keep_alive_timeout, some_time(value)),
            },
            Key {
                name: "registry.http.max-body-size",
                default: "10485760",
                meaning: "The most of a request's body, inflated if it is compressed: bytes, or `10MB`.",
                set: |settings, value| put(&mut settings.http.max_body_bytes, data_size(value)),
            },
            Key {
                name: "registry.http.header-timeout",
                default: "10s",
                meaning: "How long the head of a request may take to arrive; a new connection's first one, to begin, too.",
                set: |settings, value| put(&mut settings.server.request_header_timeout, some_time(value)),
            },
            Key {
                name: "registry.http.body-timeout",
                default: "20s",
                meaning: "How long nothing, or less than 500 bytes a second, may move while a body arrives or an answer is taken.",
                set: |settings, value| put(&mut settings.server.request_body_timeout, some_time(value)),
            },
            Key {
                name: "registry.connection.max-age",
                default: "10m",
                meaning: "How old a connection may become before an answer closes it, give or take a tenth, so that load evens out after a rollout.",
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
                meaning: "Whether nothing is evicted while too few renewals arrive.",
                set: |settings, value| put(&mut settings.registry.enable_self_preservation, boolean(value)),
            },
            Key {
                name: "eureka.server.renewal-percent-threshold",
                default: "0.85",
                meaning: "The share of expected renewals that has to be exceeded for evictions, and of the registry that one eviction run leaves.",
                set: |settings, value| put(&mut settings.registry.renewal_percent_threshold, share(value)),
            },
            Key {
                name: "eureka.server.renewal-threshold-update-interval-ms",
                default: "900000",
                meaning: "How often the number of expected clients is set to what is registered.",
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
                meaning: "How many clients are expected before any is seen.",
                set: |settings, value| {
                    put(&mut settings.registry.expected_number_of_clients_sending_renews, count(value))
                },
            },
            Key {
                name: "eureka.instance.registry.default-open-for-traffic-count",
                default: "1",
                meaning: "How many clients are expected after a start that found nothing to copy; 0 refuses reads until `wait-time-in-ms-when-sync-empty` is over.",
                set: |settings, value| put(&mut settings.registry.default_open_for_traffic_count, count(value)),
            },
            Key {
                name: "eureka.server.eviction-interval-timer-in-ms",
                default: "60000",
                meaning: "How often expired leases are looked for.",
                set: |settings, value| put(&mut settings.registry.eviction_interval, some_time(value)),
            },
            Key {
                name: "eureka.server.wait-time-in-ms-when-sync-empty",
                default: "300000",
                meaning: "How long after the start missing renewals are not complained of, and reads are refused where `default-open-for-traffic-count` is 0.",
                set: |settings, value| put(&mut settings.registry.wait_time_when_sync_empty, time(value)),
            },
            Key {
                name: "eureka.server.sync-when-timestamp-differs",
                default: "true",
                meaning: "Whether a heartbeat that names a newer version of the instance is answered 404, so that it registers again.",
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
                meaning: "How long a change stays in the delta: longer than any client's fetch interval.",
                set: |settings, value| put(&mut settings.registry.retention_time_in_delta_queue, time(value)),
            },
            Key {
                name: "eureka.server.delta-retention-timer-interval-in-ms",
                default: "30000",
                meaning: "How often changes that are too old leave the delta.",
                set: |settings, value| put(&mut settings.registry.delta_retention_timer_interval, some_time(value)),
            },
            Key {
                name: "eureka.server.disable-delta",
                default: "false",
                meaning: "Whether deltas are refused with 403, which makes clients fetch everything.",
                set: |settings, value| put(&mut settings.registry.disable_delta, boolean(value)),
            },
            Key {
                name: "eureka.server.use-read-only-response-cache",
                default: "false",
                meaning: "Whether `/apps` and `/apps/delta` may be as old as `response-cache-update-interval-ms`, as the Java server's are by default.",
                set: |settings, value| put(&mut settings.registry.use_read_only_response_cache, boolean(value)),
            },
            Key {
                name: "eureka.server.response-cache-update-interval-ms",
                default: "30000",
                meaning: "How old an answer may be then.",
                set: |settings, value| put(&mut settings.registry.response_cache_update_interval, time(value)),
            },
            Key {
                name: "eureka.server.rate-limiter-enabled",
                default: "false",
                meaning: "Whether fetches beyond the rates below are refused with 503. Heartbeats and registrations never are.",
                set: |settings, value| put(&mut settings.http.security.rate_limit.enabled, boolean(value)),
            },
            Key {
                name: "eureka.server.rate-limiter-burst-size",
                default: "10",
                meaning: "How many fetches may come at once.",
                set: |settings, value| put(&mut settings.http.security.rate_limit.burst_size, count(value)),
            },
            Key {
                name: "eureka.server.rate-limiter-registry-fetch-average-rate",
                default: "500",
                meaning: "Fetches a second on average: everything, deltas and applications.",
                set: |settings, value| {
                    put(&mut settings.http.security.rate_limit.registry_fetch_average_rate, count(value))
                },
            },
            Key {
                name: "eureka.server.rate-limiter-full-fetch-average-rate",
                default: "100",
                meaning: "Full fetches a second on average.",
                set: |settings, value| {
                    put(&mut settings.http.security.rate_limit.full_fetch_average_rate, count(value))
                },
            },
            Key {
                name: "eureka.server.rate-limiter-throttle-standard-clients",
                default: "false",
                meaning: "Whether standard and privileged clients are refused, too.",
                set: |settings, value| {
                    put(&mut settings.http.security.rate_limit.throttle_standard_clients, boolean(value))
                },
            },
            Key {
                name: "eureka.server.rate-limiter-privileged-clients",
                default: "",
                meaning: "Values of `DiscoveryIdentity-Name` that are privileged, comma separated.",
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
                meaning: "The headless Service whose names are peers, short (`registry`) or with a domain.",
                set: |settings, value| put(&mut settings.replication.discovery_service, name(value).map(Some)),
            },
            Key {
                name: "registry.discovery.refresh-interval",
                default: "5s",
                meaning: "How often its names are asked for, give or take a fifth.",
                set: |settings, value| put(&mut settings.replication.discovery_refresh_interval, some_time(value)),
            },
            Key {
                name: "registry.discovery.nameservers",
                default: "",
                meaning: "The name servers to ask, `address:port` comma separated; without it the system's.",
                set: |settings, value| put(&mut settings.replication.discovery_nameservers, nameservers(value)),
            },
            Key {
                name: "registry.discovery.username",
                default: "",
                meaning: "The user that peers are called as, but for those whose URL names one; without it `spring.security.user.name`, if its password is plain.",
                set: |settings, value| put(&mut settings.replication.discovery_credentials.username, text(value)),
            },
            Key {
                name: "registry.discovery.password",
                default: "",
                meaning: "Its password.",
                set: |settings, value| put(&mut settings.replication.discovery_credentials.password, text(value)),
            },
            Key {
                name: "registry.cluster.name",
                default: "",
                meaning: "The cluster's name: replicas of another cluster are refused. Without it the Service's name in full, as it resolves; none for fixed peers alone.",
                set: |settings, value| put(&mut settings.replication.cluster_name, name(value).map(Some)),
            },
            Key {
                name: "registry.peers.max-answer-size",
                default: "256MB",
                meaning: "The largest answer that is read from a peer: a copy of its registry is one.",
                set: |settings, value| put(&mut settings.replication.max_answer_bytes, data_size(value)),
            },
            Key {
                name: "eureka.client.service-url.defaultZone",
                default: "",
                meaning: "Fixed peers, comma separated, user and password in the URL if need be. This replica itself may be among them.",
                set: |settings, value| put(&mut settings.replication.service_urls, service_urls(value)),
            },
            Key {
                name: "eureka.client.register-with-eureka",
                default: "",
                meaning: "Whether this replica registers itself as an instance, as Java servers do of each other; without it, where it has fixed peers.",
                set: |settings, value| put(&mut settings.replication.register_with_eureka, boolean(value).map(Some)),
            },
            Key {
                name: "spring.application.name",
                default: "eureka",
                meaning: "The application that it is an instance of then: the same for all servers of a cluster.",
                set: |settings, value| put(&mut settings.replication.application_name, name(value)),
            },
            Key {
                name: "eureka.instance.hostname",
                default: "",
                meaning: "The name that peers call this replica by: `registry-0.registry`, say.",
                set: |settings, value| put(&mut settings.replication.hostname, name(value).map(Some)),
            },
            Key {
                name: "eureka.instance.appname",
                default: "",
                meaning: "The application that it is an instance of, where that is not `spring.application.name`; Java servers with the same call it available.",
                set: |settings, value| put(&mut settings.replication.own_instance.app_name, name(value).map(Some)),
            },
            Key {
                name: "eureka.instance.instance-id",
                default: "",
                meaning: "The id of that instance; without it host, application and port.",
                set: |settings, value| put(&mut settings.replication.own_instance.instance_id, name(value).map(Some)),
            },
            Key {
                name: "eureka.instance.ip-address",
                default: "",
                meaning: "The address that the instance is registered with; without it the one that it listens on.",
                set: |settings, value| {
                    put(&mut settings.replication.own_instance.ip_address, parsed(value, "an IP address").map(Some))
                },
            },
            Key {
                name: "eureka.instance.prefer-ip-address",
                default: "false",
                meaning: "Whether the address is its host name, too, where `eureka.instance.hostname` is not set.",
                set: |settings, value| put(&mut settings.replication.own_instance.prefer_ip_address, boolean(value)),
            },
            Key {
                name: "eureka.instance.virtual-host-name",
                default: "",
                meaning: "Its virtual address; without it `spring.application.name`.",
                set: |settings, value| {
                    put(&mut settings.replication.own_instance.virtual_host_name, name(value).map(Some))
                },
            },
            Key {
                name: "eureka.instance.secure-virtual-host-name",
                default: "",
                meaning: "Its virtual address for HTTPS; without it `spring.application.name`.",
                set: |settings, value| {
                    put(&mut settings.replication.own_instance.secure_virtual_host_name, name(value).map(Some))
                },
            },
            Key {
                name: "eureka.instance.lease-renewal-interval-in-seconds",
                default: "30",
                meaning: "How often the instance renews.",
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
                meaning: "How long a renewal of the instance holds.",
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
                meaning: "How long a connection to a peer may take to be made.",
                set: |settings, value| put(&mut settings.replication.peer_node_connect_timeout, some_time(value)),
            },
            Key {
                name: "eureka.server.peer-node-read-timeout-ms",
                default: "5000",
                meaning: "How long a peer may take to answer.",
                set: |settings, value| put(&mut settings.replication.peer_node_read_timeout, some_time(value)),
            },
            Key {
                name: "eureka.server.max-time-for-replication",
                default: "30000",
                meaning: "After how long what a peer could not be told is given up; a registration or a heartbeat after its renewal interval.",
                set: |settings, value| put(&mut settings.replication.max_time_for_replication, some_time(value)),
            },
            Key {
                name: "eureka.server.max-elements-in-peer-replication-pool",
                default: "10000",
                meaning: "The most changes and heartbeats that wait for one peer.",
                set: |settings, value| {
                    put(&mut settings.replication.max_elements_in_peer_replication_pool, positive(value))
                },
            },
            Key {
                name: "registry.sync.timeout",
                default: "60s",
                meaning: "How long a start waits for the whole copy of a peer's registry, while a peer is known or likely, before it opens without one and logs an error.",
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
                meaning: "The name of a user, `user` if there is only a password. With a password, everybody has to be one.",
                set: |settings, value| put(&mut settings.user.name, text(value)),
            },
            Key {
                name: "spring.security.user.password",
                default: "",
                meaning: "The password: plain, `{noop}plain`, `{bcrypt}$2a$...`, or a bare bcrypt hash.",
                set: |settings, value| put(&mut settings.user.password, password(value).map(Some)),
            },
            Key {
                name: "spring.security.user.roles",
                default: "",
                meaning: "The roles: `READ_ONLY` may only read, any other and none may do everything.",
                set: |settings, value| put(&mut settings.user.roles, list(value)),
            },
            Key {
                name: "registry.security.open-paths",
                default: "/actuator/health/**",
                meaning: "What needs no user, comma separated: whole paths, or with `/**` at their end. By default the health, wherever it stands.",
                set: |settings, value| put(&mut settings.http.security.open_paths, open_paths(value)),
            },
            Key {
                name: "registry.security.peers-need-certificate",
                default: "false",
                meaning: "Whether only a peer that shows a certificate may replicate (`server.ssl.client-auth` `want` or `need`).",
                set: |settings, value| put(&mut settings.http.security.peers_need_certificate, boolean(value)),
            },
            Key {
                name: "server.ssl.enabled",
                default: "",
                meaning: "Whether HTTPS is served instead of HTTP; without it, if there is a certificate.",
                set: |settings, value| put(&mut settings.ssl.enabled, boolean(value).map(Some)),
            },
            Key {
                name: "server.ssl.certificate",
                default: "",
                meaning: "The certificate, and those between it and its authority: a PEM file, read again when it changes.",
                set: |settings, value| put(&mut settings.ssl.certificate, file(value).map(Some)),
            },
            Key {
                name: "server.ssl.certificate-private-key",
                default: "",
                meaning: "Its key: a PEM file.",
                set: |settings, value| put(&mut settings.ssl.private_key, file(value).map(Some)),
            },
            Key {
                name: "server.ssl.trust-certificate",
                default: "",
                meaning: "The authorities that clients' and peers' certificates have to be of: a PEM file.",
                set: |settings, value| put(&mut settings.ssl.trust, file(value).map(Some)),
            },
            Key {
                name: "server.ssl.client-auth",
                default: "none",
                meaning: "Whether clients show certificates: `none`, `want` or `need`.",
                set: |settings, value| put(&mut settings.ssl.client_auth, client_auth(value)),
            },
            Key {
                name: "server.ssl.bundle",
                default: "",
                meaning: "The `spring.ssl.bundle.pem.*` that has them instead.",
                set: |settings, value| put(&mut settings.ssl.bundle, text(value).map(Some)),
            },
        ],
    },
    Group {
        title: "Logs and figures",
        keys: &[
            Key {
                name: "logging.level.root",
                default: "info",
                meaning: "What is logged: `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,eureka_registry::registry=debug`.",
                set: |settings, value| put(&mut settings.logs.filter, log_filter(value)),
            },
            Key {
                name: "registry.logging.format",
                default: "text",
                meaning: "How: `text`, or `json` with an object a line.",
                set: |settings, value| put(&mut settings.logs.format, log_format(value)),
            },
            Key {
                name: "logging.structured.format.console",
                default: "",
                meaning: "Spring Boot's name for the same: any of its formats is JSON here.",
                set: |settings, value| put(&mut settings.logs.format, log_format(value)),
            },
            Key {
                name: "server.tomcat.accesslog.enabled",
                default: "false",
                meaning: "Whether every request is logged, with a request id.",
                set: |settings, value| put(&mut settings.http.access_log, boolean(value)),
            },
            Key {
                name: "eureka.server.metrics.enabled",
                default: "false",
                meaning: "Whether `/actuator/prometheus` counts instances by application and status, too (`eureka_server_instances`).",
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
                meaning: "How long a replica that is told to stop answers as before, not ready.",
                set: |settings, value| put(&mut settings.server.lame_duck, time(value)),
            },
            Key {
                name: "registry.shutdown.drain-timeout",
                default: "10s",
                meaning: "How long connections may take to finish afterwards.",
                set: |settings, value| put(&mut settings.server.drain_timeout, time(value)),
            },
            Key {
                name: "registry.shutdown.flush-timeout",
                default: "5s",
                meaning: "How long background work may take to end after that.",
                set: |settings, value| put(&mut settings.server.flush_timeout, time(value)),
            },
        ],
    },
];
