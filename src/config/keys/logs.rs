//! Logs and metrics.

use super::key::{Group, Key};
use crate::config::values::{boolean, log_filter, log_format, put};

/// Logs and metrics.
pub(super) const GROUP: Group = Group {
    title: "Logs and metrics",
    keys: &[
        Key {
            name: "logging.level.root",
            default: "info",
            meaning: "Log level: `error`, `warn`, `info`, `debug` or `trace`; or a filter such as `info,eureka_registry::registry=debug`. Neither it nor a logger of Java silences errors and what is said at the start.",
            set: |draft, value| put(&mut draft.logs.root, log_filter(value).map(Some)),
        },
        Key {
            name: "registry.logging.format",
            default: "text",
            meaning: "Log format: `text`, or `json` with an object per line; or `ecs`, `logstash` or `gelf`, as Spring Boot writes them.",
            set: |draft, value| put(&mut draft.settings.logs.format, log_format(value)),
        },
        Key {
            name: "logging.structured.format.console",
            default: "",
            meaning: "Spring Boot's name for `registry.logging.format`.",
            set: |draft, value| put(&mut draft.settings.logs.format, log_format(value)),
        },
        Key {
            name: "server.tomcat.accesslog.enabled",
            default: "false",
            meaning: "Log every request, with its user, address and request id.",
            set: |draft, value| put(&mut draft.settings.http.access_log, boolean(value)),
        },
        Key {
            name: "eureka.server.metrics.enabled",
            default: "false",
            meaning: "Add the metric `eureka_server_instances`, by application and status, to `/actuator/prometheus`.",
            set: |draft, value| put(&mut draft.settings.http.metrics_by_application, boolean(value)),
        },
    ],
};
