//! [`Authority`]: certificates for tests.

use super::*;

/// An authority, and certificates of it in a directory of their own.
pub(crate) struct Authority {
    pub(crate) issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) directory: PathBuf,
}

fn http_client(config: rustls::ClientConfig) -> reqwest::Client {
    reqwest::Client::builder().tls_backend_preconfigured(config).timeout(DEADLINE).build().unwrap()
}

impl Authority {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("eureka-registry-tls-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(directory.join("ca.crt"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    /// A certificate for the loopback addresses, or one that expired long ago.
    pub(crate) fn issue(&self, expired: bool) -> (String, String) {
        let mut params =
            CertificateParams::new(["localhost", "127.0.0.1", "127.0.0.41", "127.0.0.42"].map(String::from)).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if expired {
            params.not_before = rcgen::date_time_ymd(2000, 1, 1);
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A certificate for this name only.
    pub(crate) fn issue_for(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// The option that has a command trust this authority.
    pub(crate) fn ca(&self) -> String {
        format!("--ca={}", self.directory.join("ca.crt").display())
    }

    /// Writes the server's files, as a renewal of a mounted Secret does.
    pub(crate) fn write(&self, expired: bool) {
        let (certificate, key) = self.issue(expired);
        fs::write(self.directory.join("tls.crt"), certificate).unwrap();
        fs::write(self.directory.join("tls.key"), key).unwrap();
    }

    pub(crate) fn options(&self, client_auth: ClientAuth) -> tls::Options {
        tls::Options {
            certificate: self.directory.join("tls.crt"),
            private_key: self.directory.join("tls.key"),
            trust: Some(self.directory.join("ca.crt")),
            client_auth,
            ..tls::Options::default()
        }
    }

    /// A client that trusts this authority, with a certificate of `own` if there is one.
    pub(super) fn client(&self, own: Option<(&Self, bool)>) -> reqwest::Client {
        http_client(self.client_config(own))
    }

    pub(super) fn client_config(&self, own: Option<(&Self, bool)>) -> rustls::ClientConfig {
        self.config_with(own.map(|(authority, expired)| {
            let (certificate, key) = authority.issue(expired);
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            (chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
        }))
    }

    pub(super) fn client_with(
        &self,
        own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> reqwest::Client {
        http_client(self.config_with(own))
    }

    pub(super) fn config_with(
        &self,
        own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> rustls::ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.issuer.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        match own {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.directory);
    }
}
