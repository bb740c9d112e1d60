//! `management.*`: which endpoints of the actuator are answered, where, and to whom.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::parts::Written;
use crate::config::error::ConfigError;
use crate::config::name::canonical;
use crate::http::actuator::{Loggers, ShowDetails, Values};
use crate::server::Settings;

/// Whether an endpoint may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// It may not.
    None,
    /// It may be read.
    ReadOnly,
    /// It may be read, and change something.
    Unrestricted,
}

/// `management.*`
#[derive(Debug, Default)]
pub(crate) struct ActuatorDraft {
    /// `management.server.port`: −1 for none at all.
    pub(crate) port: Option<i32>,
    pub(crate) address: Option<IpAddr>,
    /// `management.endpoints.web.exposure.*`
    pub(crate) include: Option<Vec<String>>,
    pub(crate) exclude: Vec<String>,
    /// `management.endpoints.enabled-by-default`, `management.endpoints.access.default`
    pub(crate) default_access: Option<Access>,
    /// `management.endpoints.access.max-permitted`
    pub(crate) max_access: Option<Access>,
    /// `management.endpoint.ID.enabled`, `.access`
    pub(crate) access: BTreeMap<&'static str, Access>,
    /// `management.endpoints.web.path-mapping.ID`
    pub(crate) paths: BTreeMap<&'static str, String>,
    /// `management.prometheus.metrics.export.enabled`
    pub(crate) prometheus_export: Option<bool>,
    /// `management.defaults.metrics.export.enabled`
    pub(crate) default_export: Option<bool>,
    /// `management.endpoint.health.show-components`
    pub(crate) show_components: Option<ShowDetails>,
    /// `management.endpoint.health.roles`
    pub(crate) roles: Vec<String>,
    /// `management.endpoint.env.show-values` and `.roles`
    pub(crate) env: ValuesDraft,
    /// `management.endpoint.configprops.show-values` and `.roles`
    pub(crate) configprops: ValuesDraft,
    /// A key that wants TLS on the management port.
    pub(crate) ssl: Option<Written>,
    /// `management.server.ssl.enabled`
    pub(crate) ssl_enabled: Option<bool>,
}

/// Who sees the values of an endpoint.
#[derive(Debug)]
pub(crate) struct ValuesDraft {
    pub(crate) show: ShowDetails,
    pub(crate) roles: Vec<String>,
}

impl Default for ValuesDraft {
    fn default() -> Self {
        Self { show: ShowDetails::Never, roles: Vec::new() }
    }
}

/// Endpoints that let see into the process: as in Spring, who wants them has to say so.
const NOT_EXPOSED: [&str; 3] = ["configprops", "env", "loggers"];

/// The endpoints that this server has.
pub(crate) const ENDPOINTS: [&str; 6] = ["configprops", "env", "health", "info", "loggers", "prometheus"];

impl ActuatorDraft {
    /// The path of an endpoint below the base path, if it is answered.
    fn path(&self, id: &'static str) -> Option<String> {
        let names = |list: &[String]| list.iter().any(|one| one == "*" || canonical(one) == id);
        let is_exposed =
            self.include.as_deref().map_or_else(|| !NOT_EXPOSED.contains(&id), names) && !names(&self.exclude);
        let is_exported = id != "prometheus" || self.prometheus_export.or(self.default_export).unwrap_or(true);
        let is_answered = is_exposed && self.access(id) != Access::None && is_exported;
        is_answered.then(|| self.paths.get(id).cloned().unwrap_or_else(|| id.to_owned()))
    }

    fn access(&self, id: &'static str) -> Access {
        let access = self.access.get(id).copied().or(self.default_access).unwrap_or(Access::Unrestricted);
        access.min(self.max_access.unwrap_or(Access::Unrestricted))
    }

    pub(super) fn finish(&self, settings: &mut Settings) -> Result<(), ConfigError> {
        let actuator = &mut settings.http.actuator;
        actuator.health = self.path("health");
        actuator.info = self.path("info");
        actuator.prometheus = self.path("prometheus");
        let values = |id, values: &ValuesDraft| {
            self.path(id).map(|path| Values { path, show: values.show, roles: values.roles.clone() })
        };
        actuator.env = values("env", &self.env);
        actuator.configprops = values("configprops", &self.configprops);
        let read_only = self.access("loggers") == Access::ReadOnly;
        actuator.loggers = self.path("loggers").map(|path| Loggers { path, read_only });
        if self.show_components == Some(ShowDetails::Never) {
            actuator.show_details = ShowDetails::Never;
        } else if self.show_components == Some(ShowDetails::WhenAuthorized)
            && actuator.show_details == ShowDetails::Always
        {
            actuator.show_details = ShowDetails::WhenAuthorized;
        }
        if !self.roles.is_empty() {
            actuator.roles.clone_from(&self.roles);
        }
        let own = settings.server.port;
        let separate = self.port.filter(|port| *port == 0 || *port != i32::from(own));
        actuator.on_main_port = separate.is_none();
        settings.server.management_port = separate.and_then(|port| u16::try_from(port).ok());
        settings.server.management_address = self.address;
        if let Some(Written { name, origin }) = &self.ssl
            && self.ssl_enabled != Some(false)
            && settings.server.management_port.is_some()
        {
            let why = "the management port has no TLS";
            return Err(ConfigError::Protection { key: name.clone(), origin: origin.clone(), why });
        }
        Ok(())
    }
}
