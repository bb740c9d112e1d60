//! The HTTP surface's settings.

use super::actuator::Options as ActuatorOptions;
use super::security::Options as SecurityOptions;

/// Settings of the HTTP surface.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Maximum size of a request's body in bytes, inflated if it is compressed.
    pub max_body_bytes: usize,
    /// What stands before every path (`server.servlet.context-path`), empty or with a leading slash.
    pub context_path: String,
    /// Whether the metrics count instances by application, too (`eureka.server.metrics.enabled`).
    pub metrics_by_application: bool,
    /// Whether every request is logged (`server.tomcat.accesslog.enabled`).
    pub access_log: bool,
    /// What probes and scrapers ask.
    pub actuator: ActuatorOptions,
    /// Who may do what.
    pub security: SecurityOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body_bytes: 10 * 1024 * 1024,
            context_path: String::new(),
            metrics_by_application: false,
            access_log: false,
            actuator: ActuatorOptions::default(),
            security: SecurityOptions::default(),
        }
    }
}
