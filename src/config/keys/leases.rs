//! Leases, eviction and self-preservation.

use std::time::Duration;

use super::key::{Group, Key};
use crate::config::values::{boolean, count, positive, put, share, some_time, time};
use crate::registry::SelfPreservationMode;

/// Leases, eviction and self-preservation.
pub(super) const GROUP: Group = Group {
    title: "Leases, eviction and self-preservation",
    keys: &[
        Key {
            name: "eureka.server.enable-self-preservation",
            default: "true",
            meaning: "Keep expired leases while the network seems to be at fault (`registry.self-preservation.mode`).",
            set: |draft, value| put(&mut draft.settings.registry.enable_self_preservation, boolean(value)),
        },
        Key {
            name: "registry.self-preservation.mode",
            default: "per-application",
            meaning: "When self-preservation keeps expired leases. `per-application`: instances of many applications are silent at once, each by its own lease, or this replica is cut off from all peers. `java`: fewer renewals arrive in a minute than all clients should send.",
            set: |draft, value| put(&mut draft.settings.registry.self_preservation_mode, mode(value)),
        },
        Key {
            name: "registry.self-preservation.max-duration",
            default: "30m",
            meaning: "Maximum time for which expired leases are kept, in the mode `per-application`. 0: no maximum.",
            set: |draft, value| {
                let longest = time(value).map(|longest| (!longest.is_zero()).then_some(longest));
                put(&mut draft.settings.registry.self_preservation_max_duration, longest)
            },
        },
        Key {
            name: "eureka.server.renewal-percent-threshold",
            default: "0.85",
            meaning: "Share of the expected renewals that must be exceeded for evictions, and share of the registry that one eviction run leaves.",
            set: |draft, value| put(&mut draft.settings.registry.renewal_percent_threshold, share(value)),
        },
        Key {
            name: "eureka.server.renewal-threshold-update-interval-ms",
            default: "900000",
            meaning: "How often the number of expected clients is set to the number of registered instances.",
            set: |draft, value| put(&mut draft.settings.registry.renewal_threshold_update_interval, some_time(value)),
        },
        Key {
            name: "eureka.server.expected-client-renewal-interval-seconds",
            default: "30",
            meaning: "How often a client is expected to renew.",
            set: |draft, value| {
                let seconds = positive(value).map(|seconds| Duration::from_secs(seconds as u64));
                put(&mut draft.settings.registry.expected_client_renewal_interval, seconds)
            },
        },
        Key {
            name: "eureka.instance.registry.expected-number-of-clients-sending-renews",
            default: "1",
            meaning: "Number of expected clients before any has registered.",
            set: |draft, value| {
                put(&mut draft.settings.registry.expected_number_of_clients_sending_renews, count(value))
            },
        },
        Key {
            name: "eureka.server.expected-number-of-renews-per-min",
            default: "",
            meaning: "An older name of the setting above: the number of renewals that are expected in a minute, two for each client.",
            set: |draft, value| {
                let clients = count(value).map(|renewals| renewals.div_ceil(2));
                put(&mut draft.settings.registry.expected_number_of_clients_sending_renews, clients)
            },
        },
        Key {
            name: "eureka.instance.registry.default-open-for-traffic-count",
            default: "1",
            meaning: "Number of expected clients after a start that found nothing to copy. 0 refuses reads until `wait-time-in-ms-when-sync-empty` is over.",
            set: |draft, value| put(&mut draft.settings.registry.default_open_for_traffic_count, count(value)),
        },
        Key {
            name: "eureka.server.eviction-interval-timer-in-ms",
            default: "60000",
            meaning: "How often expired leases are evicted.",
            set: |draft, value| put(&mut draft.settings.registry.eviction_interval, some_time(value)),
        },
        Key {
            name: "eureka.server.wait-time-in-ms-when-sync-empty",
            default: "300000",
            meaning: "Time after the start in which missing renewals are not reported, and in which reads are refused if `default-open-for-traffic-count` is 0.",
            set: |draft, value| put(&mut draft.settings.registry.wait_time_when_sync_empty, time(value)),
        },
        Key {
            name: "eureka.server.sync-when-timestamp-differs",
            default: "true",
            meaning: "Answer 404 to a heartbeat that names a newer version of the instance, so that the client registers again.",
            set: |draft, value| put(&mut draft.settings.registry.sync_when_timestamp_differs, boolean(value)),
        },
    ],
};

fn mode(value: &str) -> Result<SelfPreservationMode, &'static str> {
    let all = [SelfPreservationMode::PerApplication, SelfPreservationMode::Java];
    let named = all.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(value.trim()));
    named.ok_or("per-application or java")
}
