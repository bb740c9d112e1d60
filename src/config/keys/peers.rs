//! Peers.

use std::time::Duration;

use super::key::{Group, Key};
use crate::config::values::{
    boolean, context_path, data_size, label, name, nameservers, parsed, port, positive, put, service_urls, some_time,
    text, time,
};

/// Peers.
pub(super) const GROUP: Group = Group {
    title: "Peers",
    keys: &[
        Key {
            name: "registry.discovery.service",
            default: "",
            meaning: "Headless Service whose names are the peers, short (`registry`) or with a domain.",
            set: |draft, value| put(&mut draft.settings.replication.discovery_service, name(value).map(Some)),
        },
        Key {
            name: "registry.discovery.refresh-interval",
            default: "5s",
            meaning: "How often the names of the peers are looked up, give or take a fifth.",
            set: |draft, value| put(&mut draft.settings.replication.discovery_refresh_interval, some_time(value)),
        },
        Key {
            name: "registry.discovery.nameservers",
            default: "",
            meaning: "Name servers to ask, as `address:port`, comma separated. Default: those of the system.",
            set: |draft, value| put(&mut draft.settings.replication.discovery_nameservers, nameservers(value)),
        },
        Key {
            name: "registry.discovery.username",
            default: "",
            meaning: "User that is sent to peers whose URL has no user. Default: `spring.security.user.name`, if its password is plain.",
            set: |draft, value| put(&mut draft.settings.replication.discovery_credentials.username, text(value)),
        },
        Key {
            name: "registry.discovery.password",
            default: "",
            meaning: "Password of `registry.discovery.username`.",
            set: |draft, value| put(&mut draft.settings.replication.discovery_credentials.password, text(value)),
        },
        Key {
            name: "registry.cluster.name",
            default: "",
            meaning: "Name of the cluster. Replicas of another cluster are refused. Default: the full name of the Service as it resolves; none if there are only fixed peers.",
            set: |draft, value| put(&mut draft.settings.replication.cluster_name, name(value).map(Some)),
        },
        Key {
            name: "registry.peers.max-answer-size",
            default: "256MB",
            meaning: "Maximum size of an answer from a peer. The copy of a Java server's registry is one answer, and may have at most 15 % of the memory limit.",
            set: |draft, value| put(&mut draft.settings.replication.max_answer_bytes, data_size(value)),
        },
        Key {
            name: "eureka.client.service-url.defaultZone",
            default: "",
            meaning: "URLs of fixed peers, comma separated, with user and password if needed. The list may contain this replica itself.",
            set: |draft, value| {
                service_urls(value).map(|urls| drop(draft.service_urls.insert("defaultzone".to_owned(), urls)))
            },
        },
        Key {
            name: "eureka.client.register-with-eureka",
            default: "",
            meaning: "Register this replica as an instance, so that Java servers call it available. Default: on if there are fixed peers.",
            set: |draft, value| put(&mut draft.settings.replication.register_with_eureka, boolean(value).map(Some)),
        },
        Key {
            name: "spring.application.name",
            default: "eureka",
            meaning: "Application of which this replica is an instance, if it registers itself: the same for all servers of a cluster.",
            set: |draft, value| put(&mut draft.settings.replication.application_name, label(value)),
        },
        Key {
            name: "eureka.instance.hostname",
            default: "",
            meaning: "Host name by which peers call this replica, for example `registry-0.registry`.",
            set: |draft, value| put(&mut draft.settings.replication.hostname, name(value).map(Some)),
        },
        Key {
            name: "eureka.instance.appname",
            default: "",
            meaning: "Application of which this replica is an instance, if that is not `spring.application.name`. Java servers with the same name call this replica available.",
            set: |draft, value| put(&mut draft.settings.replication.own_instance.app_name, label(value).map(Some)),
        },
        Key {
            name: "eureka.instance.instance-id",
            default: "",
            meaning: "Id of this replica's instance. Default: host, application and port.",
            set: |draft, value| put(&mut draft.settings.replication.own_instance.instance_id, label(value).map(Some)),
        },
        Key {
            name: "eureka.instance.ip-address",
            default: "",
            meaning: "IP address of this replica's instance. Default: the address it listens on.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.ip_address, parsed(value, "an IP address").map(Some))
            },
        },
        Key {
            name: "eureka.instance.prefer-ip-address",
            default: "false",
            meaning: "Use the IP address as the host name, too, if `eureka.instance.hostname` is not set.",
            set: |draft, value| put(&mut draft.settings.replication.own_instance.prefer_ip_address, boolean(value)),
        },
        Key {
            name: "eureka.instance.virtual-host-name",
            default: "",
            meaning: "Virtual address of this replica's instance. Default: `spring.application.name`.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.virtual_host_name, label(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.secure-virtual-host-name",
            default: "",
            meaning: "Virtual address for HTTPS of this replica's instance. Default: `spring.application.name`.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.secure_virtual_host_name, label(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.lease-renewal-interval-in-seconds",
            default: "30",
            meaning: "How often this replica's instance renews.",
            set: |draft, value| {
                put(
                    &mut draft.settings.replication.own_instance.renewal_interval,
                    positive(value).map(|seconds| Duration::from_secs(seconds as u64)),
                )
            },
        },
        Key {
            name: "eureka.instance.lease-expiration-duration-in-seconds",
            default: "90",
            meaning: "Duration of the lease of this replica's instance.",
            set: |draft, value| {
                put(
                    &mut draft.settings.replication.own_instance.lease_duration,
                    positive(value).map(|seconds| Duration::from_secs(seconds as u64)),
                )
            },
        },
        Key {
            name: "eureka.instance.app-group-name",
            default: "",
            meaning: "Group of this replica's application.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.app_group_name, label(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.home-page-url",
            default: "",
            meaning: "URL of this replica's instance, whole: home page.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.home_page.whole, label(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.home-page-url-path",
            default: "",
            meaning: "Path of it below the context path. Default: `/`.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.home_page.path, context_path(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.status-page-url",
            default: "",
            meaning: "URL of this replica's instance, whole: status page.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.status_page.whole, label(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.status-page-url-path",
            default: "",
            meaning: "Path of it below the context path. Default: info of the actuator.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.status_page.path, context_path(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.health-check-url",
            default: "",
            meaning: "URL of this replica's instance, whole: health check.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.health_check.whole, label(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.health-check-url-path",
            default: "",
            meaning: "Path of it below the context path. Default: health of the actuator.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.health_check.path, context_path(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.secure-health-check-url",
            default: "",
            meaning: "URL of the health by HTTPS.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.secure_health_check_url, label(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.non-secure-port",
            default: "",
            meaning: "Port of this replica's instance. Default: the one it listens on.",
            set: |draft, value| {
                put(&mut draft.settings.replication.own_instance.non_secure_port, port(value).map(Some))
            },
        },
        Key {
            name: "eureka.instance.secure-port",
            default: "",
            meaning: "The same for HTTPS.",
            set: |draft, value| put(&mut draft.settings.replication.own_instance.secure_port, port(value).map(Some)),
        },
        Key {
            name: "eureka.server.peer-node-connect-timeout-ms",
            default: "1000",
            meaning: "Maximum time to connect to a peer.",
            set: |draft, value| put(&mut draft.settings.replication.peer_node_connect_timeout, some_time(value)),
        },
        Key {
            name: "eureka.server.peer-node-read-timeout-ms",
            default: "5000",
            meaning: "Maximum time to wait for a peer's answer.",
            set: |draft, value| put(&mut draft.settings.replication.peer_node_read_timeout, some_time(value)),
        },
        Key {
            name: "eureka.server.max-time-for-replication",
            default: "30000",
            meaning: "Maximum time a change waits for an unreachable peer before it is dropped. For a registration or a heartbeat, it is the renewal interval.",
            set: |draft, value| put(&mut draft.settings.replication.max_time_for_replication, some_time(value)),
        },
        Key {
            name: "eureka.server.max-elements-in-peer-replication-pool",
            default: "10000",
            meaning: "Maximum number of changes and heartbeats in the queue to one peer.",
            set: |draft, value| {
                put(&mut draft.settings.replication.max_elements_in_peer_replication_pool, positive(value))
            },
        },
        Key {
            name: "registry.sync.timeout",
            default: "60s",
            meaning: "Maximum time that a start waits for the whole copy of a peer's registry, while a peer is known or likely. Then it opens without one and logs an error.",
            set: |draft, value| put(&mut draft.settings.replication.registry_sync_timeout, time(value)),
        },
    ],
};
