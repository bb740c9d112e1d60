//! [`Draft`]: settings that are being read; some follow from several keys together.

mod actuator;
mod parts;
mod tls;
mod users;

use std::collections::BTreeMap;

pub(super) use actuator::{Access, ActuatorDraft, ENDPOINTS};
pub(super) use parts::Written;
pub(super) use tls::SslDraft;
pub(super) use users::{UserDraft, UsersDraft};

use super::error::{ConfigError, Notice, Unheeded};
use crate::replication::ServiceUrl;
use crate::server::Settings;

/// Settings that are being read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) settings: Settings,
    /// The key that is being set.
    pub(super) key: Written,
    pub(super) users: UsersDraft,
    /// `server.ssl.*`
    pub(super) ssl: SslDraft,
    pub(super) actuator: ActuatorDraft,
    pub(super) logs: LogsDraft,
    /// `eureka.client.service-url.*`, by zone: those of all zones are peers.
    pub(super) service_urls: BTreeMap<String, Vec<ServiceUrl>>,
    /// What is to be said of keys that are honoured.
    pub(super) notices: Vec<Notice>,
}

/// `logging.level.*`
#[derive(Debug, Default)]
pub(super) struct LogsDraft {
    /// The filter of the root logger; `info` without one.
    pub(super) root: Option<String>,
    /// The level of Netflix's and Spring Cloud's loggers that shows most.
    pub(super) java: Option<&'static str>,
    /// Parts of this server, and their levels.
    pub(super) own: Vec<(String, &'static str)>,
}

/// From the quietest to the most talkative.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl LogsDraft {
    /// Takes the level of one of Java's loggers; of several, the one that shows most counts.
    pub(super) fn of_java(&mut self, level: &'static str) {
        let place = |level: &str| LEVELS.iter().position(|known| *known == level);
        if self.java.is_none_or(|known| place(level) > place(known)) {
            self.java = Some(level);
        }
    }

    /// The filter. Java's loggers, the root among them, never silence this server's errors, nor what it says when it starts; its own
    /// (`logging.level.eureka_registry`) may.
    fn filter(&self) -> String {
        let audible = |level: &'static str| if level == "off" { "error" } else { level };
        let root = match self.root.as_deref() {
            None => "info",
            Some("off") => "error",
            Some(root) => root,
        };
        let mut filter = root.to_owned();
        if let Some(level) = self.java {
            filter.push_str(&format!(",eureka_registry={}", audible(level)));
        }
        let is_quiet = |level: &str| matches!(level, "off" | "error" | "warn");
        if is_quiet(self.java.unwrap_or(root)) {
            filter.push_str(&format!(",{}=info", crate::telemetry::START));
        }
        for (target, level) in &self.own {
            filter.push_str(&format!(",{target}={level}"));
            if target == "eureka_registry" {
                filter.push_str(&format!(",{}={level}", crate::telemetry::START));
            }
        }
        filter
    }
}

impl Draft {
    /// Says something of the key that is being set.
    pub(super) fn warn(&mut self, what: &'static str) {
        let Written { name, origin } = self.key.clone();
        self.notices.push(Notice { key: name, origin, what: Unheeded::Missing(what.into()) });
    }

    /// The settings, if what belongs together is there together.
    pub(super) fn finish(mut self) -> Result<Settings, ConfigError> {
        let settings = &mut self.settings;
        settings.http.security.peers_need_certificate |= !self.ssl.peer_names.is_empty();
        settings.server.tls = self.ssl.finish()?;
        self.actuator.finish(settings)?;
        settings.replication.service_urls = self.service_urls.into_values().flatten().collect();
        self.users.finish(settings)?;
        settings.logs.filter = self.logs.filter();
        settings.logs.service.clone_from(&settings.replication.application_name);
        Ok(self.settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loggers_of_java_silence_neither_errors_nor_the_start() {
        let filter = |root: Option<&str>, java: &[&'static str], own: &[(&str, &'static str)]| {
            let mut draft = LogsDraft { root: root.map(str::to_owned), ..LogsDraft::default() };
            java.iter().for_each(|level| draft.of_java(level));
            draft.own = own.iter().map(|(target, level)| ((*target).to_owned(), *level)).collect();
            draft.filter()
        };
        assert_eq!(filter(None, &[], &[]), "info");
        assert_eq!(filter(None, &["off", "off"], &[]), "info,eureka_registry=error,eureka_registry::start=info");
        assert_eq!(filter(None, &["off", "debug"], &[]), "info,eureka_registry=debug");
        assert_eq!(filter(Some("off"), &[], &[]), "error,eureka_registry::start=info");
        assert_eq!(
            filter(Some("warn"), &[], &[("eureka_registry", "off")]),
            "warn,eureka_registry::start=info,eureka_registry=off,eureka_registry::start=off"
        );
    }
}
