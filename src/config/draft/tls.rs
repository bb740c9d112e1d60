//! `server.ssl.*`

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::parts::{Missing, Written};
use crate::config::error::ConfigError;
use crate::config::name::canonical;
use crate::tls::{self, ClientAuth};

/// `server.ssl.*`
#[derive(Debug, Default)]
pub(crate) struct SslDraft {
    pub(crate) enabled: Option<bool>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) private_key: Option<PathBuf>,
    pub(crate) trust: Option<PathBuf>,
    pub(crate) client_auth: ClientAuth,
    pub(crate) bundle: Option<String>,
    /// `registry.security.certificate-revocation-list`
    pub(crate) revoked: Option<PathBuf>,
    /// `registry.security.peer-names`
    pub(crate) peer_names: Vec<String>,
    /// `spring.ssl.bundle.pem.*`, by name, without what separates words in it.
    pub(crate) bundles: BTreeMap<String, Bundle>,
    /// A key that names a key store, which only Java reads.
    pub(crate) key_store: Option<Written>,
    pub(crate) trust_store: Option<Written>,
    /// A key that wants less than every version of TLS that is served.
    pub(crate) protocols: Option<Written>,
}

/// `spring.ssl.bundle.pem.NAME.*`
#[derive(Clone, Debug, Default)]
pub(crate) struct Bundle {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) private_key: Option<PathBuf>,
    pub(crate) trust: Option<PathBuf>,
}

impl SslDraft {
    /// The settings of TLS. What is said while it is off is said for another day.
    pub(super) fn finish(self) -> Result<Option<tls::Options>, ConfigError> {
        if self.enabled == Some(false) {
            return Ok(None);
        }
        let bundle = match &self.bundle {
            None => Bundle::default(),
            Some(name) => self
                .bundles
                .get(&canonical(name))
                .cloned()
                .ok_or(Missing { given: "server.ssl.bundle", wanted: "spring.ssl.bundle.pem" })?,
        };
        let certificate = self.certificate.or(bundle.certificate);
        let private_key = self.private_key.or(bundle.private_key);
        let trust = self.trust.or(bundle.trust);
        let lacks_trust = trust.is_none() && self.client_auth != ClientAuth::None;
        let key_store = self.key_store.filter(|_| certificate.is_none());
        if let Some(Written { name, origin }) = key_store.or_else(|| self.trust_store.filter(|_| lacks_trust)) {
            return Err(ConfigError::KeyStore { key: name, origin });
        }
        if self.enabled.is_none() && certificate.is_none() && private_key.is_none() {
            return Ok(None);
        }
        if let Some(Written { name, origin }) = self.protocols {
            let why = "TLS 1.2 and 1.3 are served, and this list lacks one of them";
            return Err(ConfigError::Protection { key: name, origin, why });
        }
        let wanted = |wanted| Missing { given: "server.ssl", wanted };
        Ok(Some(tls::Options {
            certificate: certificate.ok_or_else(|| wanted("server.ssl.certificate"))?,
            private_key: private_key.ok_or_else(|| wanted("server.ssl.certificate-private-key"))?,
            trust,
            client_auth: self.client_auth,
            revoked: self.revoked,
            peer_names: self.peer_names,
        }))
    }
}
