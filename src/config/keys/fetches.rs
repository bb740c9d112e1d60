//! Fetches.

use super::key::{Group, Key};
use crate::config::values::{boolean, count, list, put, some_time, time};

/// Fetches.
pub(super) const GROUP: Group = Group {
    title: "Fetches",
    keys: &[
        Key {
            name: "eureka.server.retention-time-in-m-s-in-delta-queue",
            default: "180000",
            meaning: "How long a change stays in the delta. It should be longer than any client's fetch interval.",
            set: |draft, value| put(&mut draft.settings.registry.retention_time_in_delta_queue, time(value)),
        },
        Key {
            name: "eureka.server.delta-retention-timer-interval-in-ms",
            default: "30000",
            meaning: "How often changes that are too old are removed from the delta.",
            set: |draft, value| put(&mut draft.settings.registry.delta_retention_timer_interval, some_time(value)),
        },
        Key {
            name: "eureka.server.disable-delta",
            default: "false",
            meaning: "Refuse deltas with 403, so that clients fetch everything.",
            set: |draft, value| put(&mut draft.settings.registry.disable_delta, boolean(value)),
        },
        Key {
            name: "eureka.server.use-read-only-response-cache",
            default: "false",
            meaning: "Allow cached answers for `/apps` and `/apps/delta` that are as old as `response-cache-update-interval-ms`, which is the Java server's default.",
            set: |draft, value| put(&mut draft.settings.registry.use_read_only_response_cache, boolean(value)),
        },
        Key {
            name: "eureka.server.response-cache-update-interval-ms",
            default: "30000",
            meaning: "Maximum age of a cached answer when `use-read-only-response-cache` is on.",
            set: |draft, value| put(&mut draft.settings.registry.response_cache_update_interval, time(value)),
        },
        Key {
            name: "eureka.server.rate-limiter-enabled",
            default: "false",
            meaning: "Refuse fetches beyond the rates below with 503. Heartbeats and registrations are never refused.",
            set: |draft, value| put(&mut draft.settings.http.security.rate_limit.enabled, boolean(value)),
        },
        Key {
            name: "eureka.server.rate-limiter-burst-size",
            default: "10",
            meaning: "Number of fetches that may arrive at once.",
            set: |draft, value| put(&mut draft.settings.http.security.rate_limit.burst_size, count(value)),
        },
        Key {
            name: "eureka.server.rate-limiter-registry-fetch-average-rate",
            default: "500",
            meaning: "Average fetches per second: full fetches, deltas and single applications.",
            set: |draft, value| {
                put(&mut draft.settings.http.security.rate_limit.registry_fetch_average_rate, count(value))
            },
        },
        Key {
            name: "eureka.server.rate-limiter-full-fetch-average-rate",
            default: "100",
            meaning: "Average full fetches per second.",
            set: |draft, value| put(&mut draft.settings.http.security.rate_limit.full_fetch_average_rate, count(value)),
        },
        Key {
            name: "eureka.server.rate-limiter-throttle-standard-clients",
            default: "false",
            meaning: "Apply the limits to standard and privileged clients, too.",
            set: |draft, value| {
                put(&mut draft.settings.http.security.rate_limit.throttle_standard_clients, boolean(value))
            },
        },
        Key {
            name: "eureka.server.rate-limiter-privileged-clients",
            default: "",
            meaning: "Values of the header `DiscoveryIdentity-Name` that are privileged, comma separated.",
            set: |draft, value| put(&mut draft.settings.http.security.rate_limit.privileged_clients, list(value)),
        },
    ],
};
