//! The actuator's settings.

use std::sync::Arc;

use super::settings::Environment;

/// Settings of the actuator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its path below the context path: empty, or with a leading slash and none at the end
    /// (`management.endpoints.web.base-path`).
    pub base_path: String,
    /// The prefix of all paths on the management port (`management.server.base-path`).
    pub management_base_path: String,
    /// Whether the main port answers the actuator, too (`management.server.port`).
    pub on_main_port: bool,
    /// The path of the health endpoint below the base path; `None` if it is off.
    pub health: Option<String>,
    /// The path of the info endpoint; `None` if it is off.
    pub info: Option<String>,
    /// The path of the metrics; `None` if they are off.
    pub prometheus: Option<String>,
    /// The settings by their sources; `None` if they are off.
    pub env: Option<Values>,
    /// The settings by their keys; `None` if they are off.
    pub configprops: Option<Values>,
    /// What the two show.
    pub environment: Arc<Environment>,
    /// The log levels; `None` if they are off.
    pub loggers: Option<Loggers>,
    /// Whether the base path is answered with a list (`management.endpoints.web.discovery.enabled`).
    pub links: bool,
    /// Whether `/livez` and `/readyz` are answered, too (`management.endpoint.health.probes.add-additional-paths`).
    pub additional_paths: bool,
    /// Who sees the details of the health, not only its status.
    pub show_details: ShowDetails,
    /// The roles of the users who see details; empty for any (`management.endpoint.health.roles`).
    pub roles: Vec<String>,
}

impl Options {
    /// The endpoints that are on: their ids, and their paths below the base path.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("configprops", self.configprops.as_ref().map(|values| values.path.as_str())),
            ("env", self.env.as_ref().map(|values| values.path.as_str())),
            ("health", self.health.as_deref()),
            ("info", self.info.as_deref()),
            ("loggers", self.loggers.as_ref().map(|loggers| loggers.path.as_str())),
            ("prometheus", self.prometheus.as_deref()),
        ];
        all.into_iter().filter_map(|(id, path)| Some((id, path?)))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base_path: "/actuator".to_owned(),
            management_base_path: String::new(),
            on_main_port: true,
            health: Some("health".to_owned()),
            info: Some("info".to_owned()),
            prometheus: Some("prometheus".to_owned()),
            env: None,
            configprops: None,
            environment: Arc::default(),
            loggers: None,
            links: true,
            additional_paths: false,
            show_details: ShowDetails::default(),
            roles: Vec::new(),
        }
    }
}

/// The endpoint of the log levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loggers {
    /// Its path below the base path.
    pub path: String,
    /// Whether levels can be read and not set (`management.endpoint.loggers.access`).
    pub read_only: bool,
}

/// An endpoint of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// Its path below the base path.
    pub path: String,
    /// Who sees the values that are no secrets (`management.endpoint.ID.show-values`).
    pub show: ShowDetails,
    /// The roles of the users who see values; empty for any (`management.endpoint.ID.roles`).
    pub roles: Vec<String>,
}

/// Who sees details (`management.endpoint.health.show-details`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowDetails {
    /// Nobody.
    Never,
    /// Users. Where no users are configured, everybody sees the health, and nobody sees values.
    #[default]
    WhenAuthorized,
    /// Everybody.
    Always,
}
