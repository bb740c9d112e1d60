//! The table of keys.

mod actuator;
mod fetches;
mod key;
mod kubernetes;
mod leases;
mod logs;
mod peers;
pub(super) mod security;
mod server;
mod snapshots;
mod stopping;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(super) use key::{Group, Key};

use super::name::canonical;

/// Every key there is.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    GROUPS.iter().flat_map(|group| group.keys)
}

/// Every key there is, in the order in which people look for them.
pub(super) const GROUPS: &[&Group] = &[
    &server::GROUP,
    &actuator::GROUP,
    &leases::GROUP,
    &fetches::GROUP,
    &peers::GROUP,
    &snapshots::GROUP,
    &kubernetes::GROUP,
    &security::GROUP,
    &logs::GROUP,
    &stopping::GROUP,
];

/// Names that Spring Boot, Spring Cloud or another web server of theirs had or has for a key, and the key.
const OTHER_NAMES: &[(&str, &str)] = &[
    // Spring Boot 1
    ("server.context-path", "server.servlet.context-path"),
    ("server.connection-timeout", "registry.http.header-timeout"),
    ("management.port", "management.server.port"),
    ("management.address", "management.server.address"),
    ("management.context-path", "management.endpoints.web.base-path"),
    // Spring Boot 2
    ("management.server.servlet.context-path", "management.server.base-path"),
    ("management.server.context-path", "management.server.base-path"),
    ("management.metrics.export.prometheus.enabled", "management.prometheus.metrics.export.enabled"),
    ("management.promethus.metrics.export.enabled", "management.prometheus.metrics.export.enabled"),
    ("management.metrics.export.defaults.enabled", "management.defaults.metrics.export.enabled"),
    // other web servers
    ("server.tomcat.connection-timeout", "registry.http.header-timeout"),
    ("server.netty.connection-timeout", "registry.http.header-timeout"),
    ("server.jetty.accesslog.enabled", "server.tomcat.accesslog.enabled"),
    ("server.undertow.accesslog.enabled", "server.tomcat.accesslog.enabled"),
    ("server.jetty.max-connections", "server.tomcat.max-connections"),
    ("server.jetty.connection-idle-timeout", "server.tomcat.keep-alive-timeout"),
    ("server.undertow.no-request-timeout", "server.tomcat.keep-alive-timeout"),
    ("server.netty.idle-timeout", "server.tomcat.keep-alive-timeout"),
    // Spring Cloud Netflix; its manual has both for the time of warm-up
    (
        "eureka.server.expected-number-of-clients-sending-renews",
        "eureka.instance.registry.expected-number-of-clients-sending-renews",
    ),
    ("eureka.server.default-open-for-traffic-count", "eureka.instance.registry.default-open-for-traffic-count"),
    ("eureka.instance.registry.expected-number-of-renews-per-min", "eureka.server.expected-number-of-renews-per-min"),
];

/// Every key and other name, by its one form.
static BY_SLOT: LazyLock<HashMap<String, &'static Key>> = LazyLock::new(|| {
    let mut found: HashMap<String, &'static Key> = keys().map(|key| (canonical(key.name), key)).collect();
    for (other, name) in OTHER_NAMES {
        if let Some(key) = found.get(&canonical(name)).copied() {
            found.insert(canonical(other), key);
        }
    }
    found
});

/// The key of a name in its one form, or of another name of it.
pub(super) fn find(slot: &str) -> Option<&'static Key> {
    BY_SLOT.get(slot).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_name_is_of_a_key_and_no_key_has_two_entries() {
        for (other, name) in OTHER_NAMES {
            assert!(find(&canonical(other)).is_some_and(|key| key.name == *name), "{other}");
        }
        assert_eq!(keys().count() + OTHER_NAMES.len(), BY_SLOT.len());
    }
}
