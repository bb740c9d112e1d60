//! The table of keys.

use std::str::FromStr;
use std::time::Duration;

use crate::server::Settings;
use crate::telemetry::Format;

/// One key.
pub(super) struct Key {
    /// Its name in Spring's canonical form.
    pub(super) name: &'static str,
    /// The value it has where nobody says anything; empty for none.
    pub(super) default: &'static str,
    /// What it does.
    pub(super) meaning: &'static str,
    /// Sets it, or says what was expected.
    pub(super) set: fn(&mut Settings, &str) -> Result<(), &'static str>,
}

/// Every key there is, in the order in which people look for them.
pub(super) const KEYS: &[Key] = &[
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
        name: "server.tomcat.max-connections",
        default: "8192",
        meaning: "The most connections at a time; more wait their turn.",
        set: |settings, value| put(&mut settings.server.max_connections, positive(value)),
    },
    Key {
        name: "server.tomcat.keep-alive-timeout",
        default: "120s",
        meaning: "How long a connection may be idle between two requests: longer than any client's heartbeat interval.",
        set: |settings, value| put(&mut settings.server.keep_alive_timeout, some_time(value)),
    },
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
        name: "eureka.server.sync-when-timestamp-differs",
        default: "true",
        meaning: "Whether a heartbeat that names a newer version of the instance is answered 404, so that it registers again.",
        set: |settings, value| put(&mut settings.registry.sync_when_timestamp_differs, boolean(value)),
    },
    Key {
        name: "eureka.server.metrics.enabled",
        default: "false",
        meaning: "Whether `/actuator/prometheus` counts instances by application and status, too (`eureka_server_instances`).",
        set: |settings, value| put(&mut settings.http.metrics_by_application, boolean(value)),
    },
    Key {
        name: "eureka.instance.registry.expected-number-of-clients-sending-renews",
        default: "1",
        meaning: "How many clients are expected before any is seen.",
        set: |settings, value| put(&mut settings.registry.expected_number_of_clients_sending_renews, count(value)),
    },
    Key {
        name: "eureka.instance.registry.default-open-for-traffic-count",
        default: "1",
        meaning: "How many clients are expected after a start that found nothing to copy; 0 refuses reads until `wait-time-in-ms-when-sync-empty` is over.",
        set: |settings, value| put(&mut settings.registry.default_open_for_traffic_count, count(value)),
    },
    Key {
        name: "registry.http.max-body-size",
        default: "10485760",
        meaning: "The most bytes of a request's body, inflated if it is compressed.",
        set: |settings, value| put(&mut settings.http.max_body_bytes, positive(value)),
    },
    Key {
        name: "registry.http.header-timeout",
        default: "10s",
        meaning: "How long the head of a request may take to arrive.",
        set: |settings, value| put(&mut settings.server.request_header_timeout, some_time(value)),
    },
    Key {
        name: "registry.http.body-timeout",
        default: "20s",
        meaning: "How long nothing may move while a body arrives or an answer is taken.",
        set: |settings, value| put(&mut settings.server.request_body_timeout, some_time(value)),
    },
    Key {
        name: "registry.connection.max-age",
        default: "10m",
        meaning: "How old a connection may become before an answer closes it, give or take a tenth, so that load evens out after a rollout.",
        set: |settings, value| put(&mut settings.server.connection_max_age, some_time(value)),
    },
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
        set: |settings, value| put(&mut settings.replication.max_elements_in_peer_replication_pool, positive(value)),
    },
    Key {
        name: "registry.sync.timeout",
        default: "20s",
        meaning: "How long the copy of a peer's registry at the start may take before the start goes on without.",
        set: |settings, value| put(&mut settings.replication.registry_sync_timeout, time(value)),
    },
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
];

fn log_format(value: &str) -> Result<Format, &'static str> {
    match value.to_lowercase().as_str() {
        "text" => Ok(Format::Text),
        // Spring Boot's structured formats; ours has the fields of neither, but is as good to collect.
        "json" | "ecs" | "logstash" | "gelf" => Ok(Format::Json),
        _ => Err("text or json"),
    }
}

fn put<T>(slot: &mut T, value: Result<T, &'static str>) -> Result<(), &'static str> {
    *slot = value?;
    Ok(())
}

fn parsed<T: FromStr>(value: &str, expected: &'static str) -> Result<T, &'static str> {
    value.parse().map_err(|_not_one| expected)
}

fn boolean(value: &str) -> Result<bool, &'static str> {
    match value.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("true or false"),
    }
}

fn count(value: &str) -> Result<u32, &'static str> {
    parsed(value, "a number that is not negative")
}

fn positive(value: &str) -> Result<usize, &'static str> {
    parsed(value, "a number above zero").and_then(|n: usize| if n > 0 { Ok(n) } else { Err("a number above zero") })
}

fn share(value: &str) -> Result<f64, &'static str> {
    let share: f64 = parsed(value, "a share from 0 to 1")?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share from 0 to 1") }
}

/// A number of milliseconds, or one with its unit.
fn time(value: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "a duration: milliseconds, or a number with ms, s, m, h or d";
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = parsed(digits, EXPECTED)?;
    let millis = match value[digits.len()..].to_lowercase().as_str() {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(EXPECTED),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or(EXPECTED)
}

fn some_time(value: &str) -> Result<Duration, &'static str> {
    let time = time(value)?;
    if time.is_zero() { Err("a duration above zero") } else { Ok(time) }
}

fn context_path(value: &str) -> Result<String, &'static str> {
    let path = value.trim_end_matches('/');
    if path.is_empty() || path.starts_with('/') { Ok(path.to_owned()) } else { Err("a path that begins with a slash") }
}

fn name(value: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = value.trim_end_matches('.');
    if !name.is_empty() && name.chars().all(plain) { Ok(name.to_owned()) } else { Err("a host name") }
}

/// Service URLs, each with the slash at its end that Spring adds, too.
fn service_urls(value: &str) -> Result<Vec<String>, &'static str> {
    const EXPECTED: &str = "URLs such as http://registry-0.registry:8761/eureka/, comma separated";
    let urls = value.split(',').map(str::trim).filter(|url| !url.is_empty()).map(|url| {
        let known: http::Uri = parsed(url, EXPECTED)?;
        let http = matches!(known.scheme_str(), Some("http" | "https"));
        if http { Ok(format!("{}/", url.trim_end_matches('/'))) } else { Err(EXPECTED) }
    });
    urls.collect()
}

fn nameservers(value: &str) -> Result<Vec<std::net::SocketAddr>, &'static str> {
    const EXPECTED: &str = "addresses with ports, comma separated: 10.96.0.10:53";
    value.split(',').map(str::trim).filter(|one| !one.is_empty()).map(|one| parsed(one, EXPECTED)).collect()
}

fn log_filter(value: &str) -> Result<String, &'static str> {
    let filter = value.to_lowercase();
    let known: Result<tracing_subscriber::filter::EnvFilter, _> = filter.parse();
    known.map(|_| filter).map_err(|_no_filter| "a log level, or a filter")
}
