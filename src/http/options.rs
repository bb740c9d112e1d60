//! The HTTP surface's settings.

use super::actuator::options::Options as ActuatorOptions;
use super::security::Options as SecurityOptions;

/// Settings of the HTTP surface.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Maximum size of a request's body in bytes, inflated if it is compressed.
    pub max_body_bytes: usize,
    /// The prefix of every path (`server.servlet.context-path`): empty, or with a leading slash.
    pub context_path: String,
    /// Whether the metrics count instances by application, too (`eureka.server.metrics.enabled`).
    pub metrics_by_application: bool,
    /// Whether every request is logged (`server.tomcat.accesslog.enabled`).
    pub access_log: bool,
    /// The pages for people.
    pub dashboard: Dashboard,
    /// The actuator.
    pub actuator: ActuatorOptions,
    /// Users and what they may do.
    pub security: SecurityOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body_bytes: 10 * 1024 * 1024,
            context_path: String::new(),
            metrics_by_application: false,
            access_log: false,
            dashboard: Dashboard::default(),
            actuator: ActuatorOptions::default(),
            security: SecurityOptions::default(),
        }
    }
}

/// Settings of the pages for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dashboard {
    /// Whether there are any (`eureka.dashboard.enabled`).
    pub enabled: bool,
    /// Their path below the context path: empty, or with a leading slash and none at the end (`eureka.dashboard.path`).
    pub path: String,
}

impl Default for Dashboard {
    fn default() -> Self {
        Self { enabled: true, path: String::new() }
    }
}
