//! TLS: certificates in PEM files, read again when they change.
//!
//! Kubernetes renews a mounted Secret by swapping a link, without a restart. If a new file cannot be used, the old certificate
//! stays in use and a warning is logged. The same holds for the authorities, and for their revocation lists: otherwise a replica
//! without its trust file would trust all authorities of the system.

mod key;
mod validity;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring::Ticketer;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};
use tracing::{info, warn};

pub(crate) use key::private_key;

/// Lets every TLS client of this process use ring, whoever makes it.
pub(crate) fn install_provider() {
    // It fails where one is installed already, which then is as good.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
}

/// Whether clients show certificates (`server.ssl.client-auth`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked for one.
    #[default]
    None,
    /// They are asked for one, and served without one, too.
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
    /// The authorities whose certificates are trusted, for clients and for peers (`server.ssl.trust-certificate`). A file that
    /// does not exist at the start counts as empty, unless clients are asked for certificates: a Secret need not have one.
    pub trust: Option<PathBuf>,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// Which of their certificates the authorities have revoked (`registry.security.certificate-revocation-list`).
    pub revoked: Option<PathBuf>,
    /// The names of peers (`registry.security.peer-names`): a peer's certificate has one of them. If there are none, every
    /// trusted certificate is a peer's.
    pub peer_names: Vec<String>,
}

/// What the files say now.
#[derive(Debug)]
struct Loaded {
    server: Arc<ServerConfig>,
    client: ClientConfig,
    has_authorities: bool,
    /// When the first certificate of the chain expires, in seconds since 1970.
    expires: Option<i64>,
}

/// Certificates that are kept up to date.
#[derive(Debug)]
pub struct Tls {
    options: Options,
    loaded: ArcSwap<Loaded>,
    /// Counts how often other certificates were loaded.
    generation: AtomicU64,
    peer_names: Vec<ServerName<'static>>,
    state: Mutex<State>,
}

/// The files that were read last, and the problems with them.
#[derive(Debug)]
struct State {
    /// The files that are in use.
    files: Files,
    /// The files that were read last, whether they could be used or not.
    found: Files,
    complaints: Vec<String>,
}

/// The contents of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    private_key: Vec<u8>,
    trust: Option<Vec<u8>>,
    revoked: Option<Vec<u8>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors If a file cannot be read or used: which one, and why.
    pub fn load(options: Options) -> anyhow::Result<Self> {
        let files = read(&options, None, &mut Vec::new())?;
        let loaded = ArcSwap::from_pointee(configure(&options, &files)?);
        let name = |name: &String| {
            ServerName::try_from(name.clone()).with_context(|| format!("registry.security.peer-names: {name:?}"))
        };
        let peer_names = options.peer_names.iter().map(name).collect::<anyhow::Result<_>>()?;
        let state = Mutex::new(State { found: files.clone(), files, complaints: Vec::new() });
        Ok(Self { options, loaded, generation: AtomicU64::new(0), peer_names, state })
    }

    /// The configuration for a new connection of a client.
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.loaded.load().server)
    }

    /// The configuration for calls to peers: it trusts the authorities of the trust file, or those of the system if there is
    /// none, and shows the server's own certificate if the peer asks for one.
    pub fn client(&self) -> ClientConfig {
        self.loaded.load().client.clone()
    }

    /// Whether [`Tls::client`] trusts only the authorities of a file.
    pub fn has_authorities(&self) -> bool {
        self.loaded.load().has_authorities
    }

    /// Whether a verified chain is that of a peer.
    pub fn is_of_a_peer(&self, chain: Option<&[CertificateDer<'_>]>) -> bool {
        let Some(own) = chain.and_then(<[_]>::first) else { return false };
        let has_name = |certificate: &ParsedCertificate<'_>| {
            self.peer_names.iter().any(|name| verify_server_name(certificate, name).is_ok())
        };
        self.peer_names.is_empty() || ParsedCertificate::try_from(own).as_ref().is_ok_and(has_name)
    }

    /// When the server's certificate expires, or one of those between it and its authority if that is earlier, in seconds since
    /// 1970; `None` if it cannot be read.
    pub fn expires(&self) -> Option<i64> {
        self.loaded.load().expires
    }

    /// A number that grows whenever other certificates are loaded.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Checks whether the files changed, and uses them if they can be used. Authorities and revocations that disappear, or cannot
    /// be used, stay as they were, even if the certificate is a new one. Each problem is logged once.
    pub fn refresh(&self) {
        let state = &mut *self.state.lock();
        let mut complaints = Vec::new();
        match read(&self.options, Some(&state.files), &mut complaints) {
            Ok(found) if found == state.found && complaints == state.complaints => return,
            Ok(found) => {
                if found != state.files {
                    complaints.extend(self.replace(&found, &mut state.files));
                }
                state.found = found;
            }
            Err(error) => complaints.push(format!("{error:#}")),
        }
        for error in complaints.iter().filter(|complaint| !state.complaints.contains(complaint)) {
            warn!(error, "cannot use the new certificates; keeping those that are in use");
        }
        state.complaints = complaints;
    }

    /// Uses the new files: all of them, or with the old authorities. Returns what cannot be used.
    fn replace(&self, found: &Files, used: &mut Files) -> Option<String> {
        let (trust, revoked) = (used.trust.clone(), used.revoked.clone());
        let (loaded, files, complaint) = match configure(&self.options, found) {
            Ok(loaded) => (loaded, found.clone(), None),
            Err(error) => {
                let complaint = format!("{error:#}");
                let files = Files { trust, revoked, ..found.clone() };
                match configure(&self.options, &files) {
                    Ok(loaded) if files != *used => (loaded, files, Some(complaint)),
                    Ok(_) | Err(_) => return Some(complaint),
                }
            }
        };
        self.loaded.store(Arc::new(loaded));
        self.generation.fetch_add(1, Relaxed);
        *used = files;
        info!(certificate = %self.options.certificate.display(), "the certificates changed: in use from now on");
        complaint
    }
}

/// Reads the files. If authorities or revocations cannot be read, those of `used` stay, and `complaints` gets the reason.
fn read(options: &Options, used: Option<&Files>, complaints: &mut Vec<String>) -> anyhow::Result<Files> {
    let file = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let mut or_used = |path: &Path, used: Option<&Vec<u8>>| match (file(path), used) {
        (Ok(found), _) => Ok(Some(found)),
        (Err(error), Some(used)) => {
            complaints.push(format!("{error:#}"));
            Ok(Some(used.clone()))
        }
        (Err(error), None) => Err(error),
    };
    let used_trust = used.and_then(|used| used.trust.as_ref());
    let trust = match &options.trust {
        Some(path) if used_trust.is_some() || path.exists() || options.client_auth != ClientAuth::None => {
            or_used(path, used_trust)?
        }
        Some(_) | None => None,
    };
    let revoked = match &options.revoked {
        Some(path) => or_used(path, used.and_then(|used| used.revoked.as_ref()))?,
        None => None,
    };
    let (certificate, private_key) = (file(&options.certificate)?, file(&options.private_key)?);
    Ok(Files { certificate, private_key, trust, revoked })
}

fn configure(options: &Options, files: &Files) -> anyhow::Result<Loaded> {
    let chain = certificates(&files.certificate, &options.certificate)?;
    let expires = chain.iter().filter_map(validity::expires).min();
    let named = || options.private_key.display();
    let key = private_key(&files.private_key, chain.first())
        .with_context(|| format!("{}: no private key in PEM, or one with a password", named()))?;
    any_supported_type(&key).with_context(|| {
        format!(
            "{}: the key has to be of RSA with 2048 to 4096 bits, of the curve P-256 or P-384, or of Ed25519, \
             and that of the certificate",
            named()
        )
    })?;
    let mut authorities = RootCertStore::empty();
    if let (Some(path), Some(text)) = (&options.trust, &files.trust) {
        for certificate in certificates(text, path)? {
            authorities.add(certificate).with_context(|| format!("{}: no authority", path.display()))?;
        }
    }
    let revoked = revocations(options, files)?;
    let (authorities, has_authorities) = (Arc::new(authorities), files.trust.is_some());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match options.client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        wanted @ (ClientAuth::Want | ClientAuth::Need) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&authorities), Arc::clone(&provider));
            let verifier = verifier.with_crls(revoked.clone());
            let verifier = if wanted == ClientAuth::Want { verifier.allow_unauthenticated() } else { verifier };
            let verifier =
                verifier.build().context("cannot verify client certificates by server.ssl.trust-certificate")?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder
        .with_single_cert(chain.clone(), key.clone_key())
        .with_context(|| format!("{} and its key", options.certificate.display()))?;
    // The client keeps what resumes its session, so that none is forgotten because others came: rustls remembers 256. The key
    // changes every six hours and opens tickets of twelve; other certificates get another one, since the trusted authorities may
    // differ.
    server.ticketer = Ticketer::new().context("no key for session tickets")?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if revoked.is_empty() {
        builder.with_root_certificates(authorities)
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(authorities, provider).with_crls(revoked);
        builder.with_webpki_verifier(verifier.build().context("cannot verify the certificates of peers")?)
    };
    let client = builder.with_client_auth_cert(chain, key)?;
    Ok(Loaded { server: Arc::new(server), client, has_authorities, expires })
}

/// The lists of revoked certificates.
fn revocations(options: &Options, files: &Files) -> anyhow::Result<Vec<CertificateRevocationListDer<'static>>> {
    let (Some(path), Some(text)) = (&options.revoked, &files.revoked) else { return Ok(Vec::new()) };
    if files.trust.is_none() {
        bail!("{}: it needs the authorities of server.ssl.trust-certificate", path.display());
    }
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(text).collect();
    let found = found.with_context(|| path.display().to_string())?;
    if found.is_empty() {
        bail!("{}: no revocation list in PEM", path.display());
    }
    Ok(found)
}

fn certificates(text: &[u8], path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.with_context(|| path.display().to_string())?;
    if found.is_empty() {
        bail!("{}: no certificate in PEM", path.display());
    }
    Ok(found)
}
