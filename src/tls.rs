//! TLS: certificates in PEM files, read again when they change.
//!
//! Kubernetes renews a mounted Secret by swapping a link; nobody restarts a registry for it. A new file that cannot be used
//! leaves the old certificate in place and is complained of.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::ring::Ticketer;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tracing::{info, warn};

/// Whether clients show certificates (`server.ssl.client-auth`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    None,
    /// They are asked, and served without one, too.
    Want,
    /// They are refused without one.
    Need,
}

/// Where the certificates are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The server's certificate and those between it and its authority (`server.ssl.certificate`).
    pub certificate: PathBuf,
    /// Its key (`server.ssl.certificate-private-key`).
    pub private_key: PathBuf,
    /// The authorities whose certificates are believed, of clients and of peers (`server.ssl.trust-certificate`). A file that
    /// does not exist is one that is empty, unless clients are to be asked: a Secret need not have one.
    pub trust: Option<PathBuf>,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
}

/// What the files say now.
#[derive(Debug)]
struct Loaded {
    server: Arc<ServerConfig>,
    client: ClientConfig,
}

/// Certificates that are kept up to date.
#[derive(Debug)]
pub struct Tls {
    options: Options,
    loaded: ArcSwap<Loaded>,
    /// Counts the times that other certificates were loaded.
    generation: AtomicU64,
    files: Mutex<Files>,
}

/// The contents of the files that were read last, whether they could be used or not.
type Files = [Option<Vec<u8>>; 3];

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If one cannot be read or used: which, and why.
    pub fn load(options: Options) -> anyhow::Result<Self> {
        let files = read(&options)?;
        let loaded = ArcSwap::from_pointee(configure(&options, &files)?);
        Ok(Self { options, loaded, generation: AtomicU64::new(0), files: Mutex::new(files) })
    }

    /// What serves a new connection.
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.loaded.load().server)
    }

    /// What calls a peer: it believes the authorities of the trust file, those that the system knows where there is none, and
    /// shows the server's own certificate to who asks for one.
    pub fn client(&self) -> ClientConfig {
        self.loaded.load().client.clone()
    }

    /// Whether [`Tls::client`] believes only the authorities of a file.
    pub fn has_authorities(&self) -> bool {
        self.options.trust.as_deref().is_some_and(Path::exists)
    }

    /// Grows whenever other certificates were loaded.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Looks whether the files changed, and uses them if they can be used.
    pub fn refresh(&self) {
        let found = match read(&self.options) {
            Ok(found) => found,
            Err(error) => {
                warn!(error = format!("{error:#}"), "cannot read the certificates; keeping those that are in use");
                return;
            }
        };
        let mut files = self.files.lock();
        if *files == found {
            return;
        }
        match configure(&self.options, &found) {
            Ok(loaded) => {
                self.loaded.store(Arc::new(loaded));
                self.generation.fetch_add(1, Relaxed);
                info!(certificate = %self.options.certificate.display(), "the certificates changed: in use from now on");
            }
            Err(error) => {
                warn!(error = format!("{error:#}"), "cannot use the new certificates; keeping those that are in use");
            }
        }
        *files = found;
    }
}

fn read(options: &Options) -> anyhow::Result<Files> {
    let file = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let trust = match &options.trust {
        Some(path) if path.exists() || options.client_auth != ClientAuth::None => Some(file(path)?),
        Some(_) | None => None,
    };
    Ok([Some(file(&options.certificate)?), Some(file(&options.private_key)?), trust])
}

fn configure(options: &Options, [certificate, key, trust]: &Files) -> anyhow::Result<Loaded> {
    let chain = certificates(certificate.as_deref().unwrap_or_default(), &options.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_deref().unwrap_or_default())
        .with_context(|| format!("{}: no private key in PEM", options.private_key.display()))?;
    let mut authorities = RootCertStore::empty();
    if let (Some(path), Some(text)) = (&options.trust, trust) {
        for certificate in certificates(text, path)? {
            authorities.add(certificate).with_context(|| format!("{}: no authority", path.display()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match options.client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        wanted @ (ClientAuth::Want | ClientAuth::Need) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(authorities.clone()), Arc::clone(&provider));
            let verifier = if wanted == ClientAuth::Want { verifier.allow_unauthenticated() } else { verifier };
            let verifier = verifier.build().context("client certificates need server.ssl.trust-certificate")?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder
        .with_single_cert(chain.clone(), key.clone_key())
        .with_context(|| format!("{} and its key", options.certificate.display()))?;
    // The client keeps what resumes its session, so that none is forgotten because others came: rustls remembers 256. The key changes
    // every six hours and opens tickets of twelve; other certificates get another one, since whom they believe may differ.
    server.ticketer = Ticketer::new().context("no key for session tickets")?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities)
        .with_client_auth_cert(chain, key)?;
    Ok(Loaded { server: Arc::new(server), client })
}

fn certificates(text: &[u8], path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.with_context(|| path.display().to_string())?;
    if found.is_empty() {
        bail!("{}: no certificate in PEM", path.display());
    }
    Ok(found)
}
