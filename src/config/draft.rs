//! [`Draft`]: settings that are being read; some follow from several keys together.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use crate::http::security::{self, Password, User};
use crate::replication::options::Credentials;
use crate::replication::{self, ServiceUrl};
use crate::server::Settings;
use crate::tls::{self, ClientAuth};

/// Settings that are being read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    settings: Settings,
    /// The key that is being set, as it was written: the names of metadata are the operator's.
    pub(super) written: String,
    /// `spring.security.user.*`
    pub(super) user: UserDraft,
    /// `registry.security.users[n].*`, by number.
    pub(super) users: BTreeMap<u32, UserDraft>,
    /// `server.ssl.*`
    pub(super) ssl: SslDraft,
    /// `spring.ssl.bundle.pem.*`, by name, without what separates words in it.
    pub(super) bundles: BTreeMap<String, Bundle>,
    /// `logging.level.*`: targets and their levels.
    pub(super) levels: Vec<(String, &'static str)>,
}

/// A user that is being read.
#[derive(Debug, Default)]
pub(super) struct UserDraft {
    pub(super) name: String,
    pub(super) password: Option<Password>,
    pub(super) roles: Vec<String>,
}

/// `server.ssl.*`
#[derive(Debug, Default)]
pub(super) struct SslDraft {
    pub(super) enabled: Option<bool>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) private_key: Option<PathBuf>,
    pub(super) trust: Option<PathBuf>,
    pub(super) client_auth: ClientAuth,
    pub(super) bundle: Option<String>,
    pub(super) revoked: Option<PathBuf>,
    pub(super) peer_names: Vec<String>,
}

/// `spring.ssl.bundle.pem.NAME.*`
#[derive(Clone, Debug, Default)]
pub(super) struct Bundle {
    pub(super) certificate: Option<PathBuf>,
    pub(super) private_key: Option<PathBuf>,
    pub(super) trust: Option<PathBuf>,
}

impl Deref for Draft {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl DerefMut for Draft {
    fn deref_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

/// A key that another one needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// What is there.
    pub(super) given: &'static str,
    /// What has to be there with it.
    pub(super) wanted: &'static str,
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

impl Draft {
    /// The settings, if what belongs together is there together.
    pub(super) fn finish(mut self) -> Result<Settings, Missing> {
        self.settings.http.security.peers_need_certificate |= !self.ssl.peer_names.is_empty();
        self.settings.server.tls = self.tls()?;
        let http = &mut self.settings.http;
        if http.security.open_paths == security::Options::default().open_paths {
            http.security.open_paths = vec![format!("{}/health/**", http.actuator.base_path)];
        }
        let security = &mut http.security;
        security.strict_transport = self.settings.server.tls.is_some();
        if security.peers_need_certificate
            && self.settings.server.tls.as_ref().is_none_or(|tls| tls.client_auth == ClientAuth::None)
        {
            return Err(Missing {
                given: "registry.security.peers-need-certificate (or peer-names)",
                wanted: "server.ssl.client-auth",
            });
        }
        let user = self.user;
        if !user.name.is_empty() || user.password.is_some() {
            let missing = Missing { given: "spring.security.user.name", wanted: "spring.security.user.password" };
            let name = if user.name.is_empty() { "user".to_owned() } else { user.name };
            let user = User { name, password: user.password.ok_or(missing)?, roles: user.roles };
            call_peers_as(&mut self.settings.replication, &user)?;
            security.users.push(user);
        }
        for user in self.users.into_values() {
            let missing = |given, wanted| Missing { given, wanted };
            if user.name.is_empty() {
                return Err(missing("registry.security.users[n]", "registry.security.users[n].name"));
            }
            let password = user
                .password
                .ok_or_else(|| missing("registry.security.users[n].name", "registry.security.users[n].password"))?;
            security.users.push(User { name: user.name, password, roles: user.roles });
        }
        for (target, level) in &self.levels {
            self.settings.logs.filter.push_str(&format!(",{target}={level}"));
        }
        Ok(self.settings)
    }

    fn tls(&mut self) -> Result<Option<tls::Options>, Missing> {
        let ssl = std::mem::take(&mut self.ssl);
        let bundle = match &ssl.bundle {
            None => Bundle::default(),
            Some(name) => self
                .bundles
                .get(&super::name::canonical(name))
                .cloned()
                .ok_or(Missing { given: "server.ssl.bundle", wanted: "spring.ssl.bundle.pem" })?,
        };
        let certificate = ssl.certificate.or(bundle.certificate);
        let private_key = ssl.private_key.or(bundle.private_key);
        if ssl.enabled == Some(false) || (ssl.enabled.is_none() && certificate.is_none() && private_key.is_none()) {
            return Ok(None);
        }
        let wanted = |wanted| Missing { given: "server.ssl", wanted };
        Ok(Some(tls::Options {
            certificate: certificate.ok_or_else(|| wanted("server.ssl.certificate"))?,
            private_key: private_key.ok_or_else(|| wanted("server.ssl.certificate-private-key"))?,
            trust: ssl.trust.or(bundle.trust),
            client_auth: ssl.client_auth,
            revoked: ssl.revoked,
            peer_names: ssl.peer_names,
        }))
    }
}
