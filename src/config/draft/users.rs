//! Users, under the names of Spring Boot 1 and of later ones.

use std::collections::BTreeMap;

use super::parts::Missing;
use crate::config::error::ConfigError;
use crate::http::security::{Password, User};
use crate::replication::options::Credentials;
use crate::replication::{self, ServiceUrl};
use crate::server::Settings;

/// Users that are being read.
#[derive(Debug, Default)]
pub(crate) struct UsersDraft {
    /// `spring.security.user.*`
    pub(crate) user: UserDraft,
    /// `security.user.*` of Spring Boot 1.
    pub(crate) old: UserDraft,
    /// `security.basic.enabled` of Spring Boot 1.
    pub(crate) basic_enabled: Option<bool>,
    /// `management.security.enabled` of Spring Boot 1: whether the actuator asks for a user.
    pub(crate) management_enabled: Option<bool>,
    /// `security.require-ssl` of Spring Boot 1.
    pub(crate) require_tls: bool,
    /// `registry.security.users[n].*`, by number.
    pub(crate) more: BTreeMap<u32, UserDraft>,
    /// `registry.security.open-paths`
    pub(crate) open_paths: Option<Vec<String>>,
}

/// A user that is being read.
#[derive(Debug, Default)]
pub(crate) struct UserDraft {
    pub(crate) name: String,
    pub(crate) password: Option<Password>,
    pub(crate) roles: Vec<String>,
}

impl UserDraft {
    fn is_given(&self) -> bool {
        !self.name.is_empty() || self.password.is_some()
    }

    fn finish(self, given: &'static str, wanted: &'static str) -> Result<User, ConfigError> {
        let name = if self.name.is_empty() { "user".to_owned() } else { self.name };
        Ok(User { name, password: self.password.ok_or(Missing { given, wanted })?, roles: self.roles })
    }
}

impl UsersDraft {
    pub(super) fn finish(self, settings: &mut Settings) -> Result<(), ConfigError> {
        let actuator = &settings.http.actuator;
        let security = &mut settings.http.security;
        security.open_paths = self.open_paths.unwrap_or_else(|| {
            let open_actuator = self.management_enabled == Some(false);
            let mut paths = match (&actuator.health, open_actuator) {
                (_, true) => vec![format!("{}/**", actuator.base_path)],
                (Some(health), false) => vec![format!("{}/{health}/**", actuator.base_path)],
                (None, false) => Vec::new(),
            };
            if actuator.additional_paths {
                paths.extend(["/livez".to_owned(), "/readyz".to_owned()]);
            }
            paths
        });
        let tls = settings.server.tls.as_ref();
        security.strict_transport = tls.is_some();
        if security.peers_need_certificate && tls.is_none_or(|tls| tls.client_auth == crate::tls::ClientAuth::None) {
            let given = "registry.security.peers-need-certificate (or peer-names)";
            return Err(Missing { given, wanted: "server.ssl.client-auth" }.into());
        }
        if self.require_tls && tls.is_none() {
            return Err(Missing { given: "security.require-ssl", wanted: "server.ssl.certificate" }.into());
        }
        let user = if self.user.is_given() {
            Some(self.user.finish("spring.security.user.name", "spring.security.user.password")?)
        } else if self.basic_enabled != Some(false) && (self.old.is_given() || self.basic_enabled == Some(true)) {
            Some(self.old.finish("security.basic.enabled or security.user.name", "security.user.password")?)
        } else {
            None
        };
        if let Some(user) = user {
            call_peers_as(&mut settings.replication, &user)?;
            security.users.push(user);
        }
        for user in self.more.into_values() {
            if user.name.is_empty() {
                let given = "registry.security.users[n]";
                return Err(Missing { given, wanted: "registry.security.users[n].name" }.into());
            }
            security.users.push(user.finish("registry.security.users[n].name", "registry.security.users[n].password")?);
        }
        Ok(())
    }
}

/// Peers that nobody says otherwise of are called as the user of this server, which is that of its peers, too.
fn call_peers_as(replication: &mut replication::Options, user: &User) -> Result<(), Missing> {
    let has_own = |url: &ServiceUrl| url.credentials().is_some();
    let is_needed = replication.discovery_service.is_some() || !replication.service_urls.iter().all(has_own);
    if !is_needed || !replication.discovery_credentials.username.is_empty() {
        return Ok(());
    }
    let Password::Plain(password) = &user.password else {
        return Err(Missing {
            given: "spring.security.user.password (a hash, with which no peer can be called)",
            wanted: "registry.discovery.username, with registry.discovery.password, of a user that may write,",
        });
    };
    replication.discovery_credentials = Credentials { username: user.name.clone(), password: password.clone() };
    Ok(())
}
