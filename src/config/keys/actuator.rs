//! The actuator.

use super::key::{Group, Key};
use crate::config::draft::Access;
use crate::config::values::{access, address, boolean, context_path, list, management_port, put, show_details};

/// The actuator.
pub(super) const GROUP: Group = Group {
    title: "Actuator",
    keys: &[
        Key {
            name: "management.server.port",
            default: "",
            meaning: "Separate port without TLS for probes and scrapers: the actuator is answered there, and no longer on `server.port`. It answers while the replica starts, too: readiness says what the start waits for. `-1` answers it nowhere.",
            set: |draft, value| put(&mut draft.actuator.port, management_port(value).map(Some)),
        },
        Key {
            name: "management.server.address",
            default: "",
            meaning: "Address of the separate port. Default: all addresses, whatever `server.address` is.",
            set: |draft, value| put(&mut draft.actuator.address, address(value).map(Some)),
        },
        Key {
            name: "management.server.base-path",
            default: "",
            meaning: "Prefix of every path on the separate port.",
            set: |draft, value| put(&mut draft.settings.http.actuator.management_base_path, context_path(value)),
        },
        Key {
            name: "management.endpoints.web.base-path",
            default: "/actuator",
            meaning: "Path of health, info and metrics, below the context path.",
            set: |draft, value| put(&mut draft.settings.http.actuator.base_path, context_path(value)),
        },
        Key {
            name: "management.endpoints.web.exposure.include",
            default: "",
            meaning: "Endpoints that are answered, of `configprops`, `env`, `health`, `info`, `loggers` and `prometheus`, or `*`. Default: `health`, `info` and `prometheus`. (Spring Boot's own default is `health`.)",
            set: |draft, value| put(&mut draft.actuator.include, list(value).map(Some)),
        },
        Key {
            name: "management.endpoints.web.exposure.exclude",
            default: "",
            meaning: "Endpoints that are not answered.",
            set: |draft, value| put(&mut draft.actuator.exclude, list(value)),
        },
        Key {
            name: "management.endpoints.web.discovery.enabled",
            default: "true",
            meaning: "Answer the base path with a list of the endpoints.",
            set: |draft, value| put(&mut draft.settings.http.actuator.links, boolean(value)),
        },
        Key {
            name: "management.endpoints.enabled-by-default",
            default: "",
            meaning: "`false` closes the endpoints for which `management.endpoint.ID.enabled` or `.access` does not say otherwise.",
            set: |draft, value| {
                let access = boolean(value).map(|enabled| if enabled { Access::Unrestricted } else { Access::None });
                put(&mut draft.actuator.default_access, access.map(Some))
            },
        },
        Key {
            name: "management.endpoints.access.default",
            default: "",
            meaning: "The same as `none`, `read-only` or `unrestricted`.",
            set: |draft, value| put(&mut draft.actuator.default_access, access(value).map(Some)),
        },
        Key {
            name: "management.endpoints.access.max-permitted",
            default: "",
            meaning: "`none` closes every endpoint; with `read-only`, no log level can be set.",
            set: |draft, value| put(&mut draft.actuator.max_access, access(value).map(Some)),
        },
        Key {
            name: "management.prometheus.metrics.export.enabled",
            default: "",
            meaning: "`false` closes `prometheus`.",
            set: |draft, value| put(&mut draft.actuator.prometheus_export, boolean(value).map(Some)),
        },
        Key {
            name: "management.defaults.metrics.export.enabled",
            default: "",
            meaning: "`false` closes `prometheus`, unless the setting above says otherwise.",
            set: |draft, value| put(&mut draft.actuator.default_export, boolean(value).map(Some)),
        },
        Key {
            name: "management.endpoint.health.show-details",
            default: "when-authorized",
            meaning: "Who sees the details of the health: `never`, `when-authorized` (users; everybody if there are no users) or `always`. (Spring Boot's own default is `never`.)",
            set: |draft, value| put(&mut draft.settings.http.actuator.show_details, show_details(value)),
        },
        Key {
            name: "management.endpoint.health.show-components",
            default: "",
            meaning: "Who sees the components of the health, if that is fewer than see its details.",
            set: |draft, value| put(&mut draft.actuator.show_components, show_details(value).map(Some)),
        },
        Key {
            name: "management.endpoint.health.roles",
            default: "",
            meaning: "Roles of the users who see the details `when-authorized`. Default: any.",
            set: |draft, value| put(&mut draft.actuator.roles, list(value)),
        },
        Key {
            name: "management.endpoint.env.show-values",
            default: "never",
            meaning: "Who sees the values in `env`: `never`, `when-authorized` (users; nobody if there are no users) or `always`. Others see `******`. What looks like a secret is shown to nobody.",
            set: |draft, value| put(&mut draft.actuator.env.show, show_details(value)),
        },
        Key {
            name: "management.endpoint.env.roles",
            default: "",
            meaning: "Roles of the users who see these values `when-authorized`. Default: any.",
            set: |draft, value| put(&mut draft.actuator.env.roles, list(value)),
        },
        Key {
            name: "management.endpoint.configprops.show-values",
            default: "never",
            meaning: "The same for the values in `configprops`.",
            set: |draft, value| put(&mut draft.actuator.configprops.show, show_details(value)),
        },
        Key {
            name: "management.endpoint.configprops.roles",
            default: "",
            meaning: "Roles of the users who see these values `when-authorized`. Default: any.",
            set: |draft, value| put(&mut draft.actuator.configprops.roles, list(value)),
        },
        Key {
            name: "management.endpoint.health.probes.add-additional-paths",
            default: "false",
            meaning: "Answer `/livez` and `/readyz` on `server.port`, too.",
            set: |draft, value| put(&mut draft.settings.http.actuator.additional_paths, boolean(value)),
        },
    ],
};
