//! HTTP clients of the commands.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hickory_resolver::TokioResolver;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Url};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::tls::{install_provider, private_key};

/// The addresses behind the host of a URL, at least one. Names are looked up here because a static binary has no system resolver.
///
/// # Errors
/// If the URL has no host or no port, or the name has no address.
pub(super) async fn addresses(url: &Url) -> anyhow::Result<Vec<SocketAddr>> {
    let host = url.host_str().context("a URL without a host")?;
    let port = url.port_or_known_default().context("a URL without a port")?;
    let addresses = match host.trim_matches(['[', ']']).parse() {
        Ok(address) => vec![address],
        Err(_not_an_address) => {
            let resolver = TokioResolver::builder_tokio()?.build()?;
            resolver.lookup_ip(host).await.with_context(|| format!("look up {host}"))?.iter().collect()
        }
    };
    ensure!(!addresses.is_empty(), "{host} has no address");
    Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}

/// A client that connects to one address of the host of `url`, without a proxy. With https it trusts the authority in the PEM file `ca`,
/// and nobody else.
///
/// # Errors
/// If the file cannot be read, or has no certificates.
pub(super) fn to(url: &Url, address: SocketAddr, ca: Option<&str>) -> anyhow::Result<ClientBuilder> {
    install_provider();
    let certificates = match ca {
        Some(path) => authorities(path)?,
        None => Vec::new(),
    };
    let host = url.host_str().unwrap_or_default();
    Ok(Client::builder().no_proxy().resolve(host, address).tls_certs_only(certificates))
}

/// A client that looks a name up for each new connection, without a proxy. It trusts the authorities in the PEM file `ca` and nobody
/// else; without a file, those of the system.
///
/// # Errors
/// If the file cannot be read, or the system's name servers are not known.
pub(super) fn by_name(ca: Option<&str>, change: impl Fn(ClientBuilder) -> ClientBuilder) -> anyhow::Result<Client> {
    install_provider();
    let names = Arc::new(Names(TokioResolver::builder_tokio()?.build()?));
    let builder = || change(Client::builder().no_proxy().dns_resolver(Arc::clone(&names)));
    let Some(path) = ca else {
        // An empty image has no certificates of authorities, without which the first of these fails.
        return Ok(builder().build().or_else(|_no_authorities| builder().tls_certs_only([]).build())?);
    };
    Ok(builder().tls_certs_only(authorities(path)?).build()?)
}

/// The certificates in the file that `--ca` names.
fn authorities(path: &str) -> anyhow::Result<Vec<Certificate>> {
    let named = || format!("--ca={path}");
    let certificates = Certificate::from_pem_bundle(&std::fs::read(path).with_context(named)?).with_context(named)?;
    // Nobody would be trusted, and each server refused for a reason that does not name the file.
    ensure!(
        !certificates.is_empty(),
        "--ca={path}: there is no certificate in it; expected PEM (-----BEGIN CERTIFICATE-----)"
    );
    Ok(certificates)
}

/// The certificate and the key that a client shows to a server that asks for one, from PEM files.
///
/// # Errors
/// If a file cannot be read, or the two do not have a certificate and a key.
pub(super) fn identity(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> anyhow::Result<Identity> {
    let (certificate, key) = (certificate.as_ref(), key.as_ref());
    let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
    let (chain, key_pem) = (read(certificate)?, read(key)?);
    let first = CertificateDer::from_pem_slice(&chain).ok();
    let key_der = private_key(&key_pem, first.as_ref()).with_context(|| key.display().to_string())?;
    let pem = [chain, to_pem(&key_der).into_bytes()].join(&b'\n');
    Identity::from_pem(&pem).with_context(|| format!("{} and {}", certificate.display(), key.display()))
}

/// The key as PEM, which is all that reqwest takes.
fn to_pem(key: &PrivateKeyDer<'_>) -> String {
    let label = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        PrivateKeyDer::Pkcs8(_) | _ => "PRIVATE KEY",
    };
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(key.secret_der()))
}

/// Names are looked up here because a static binary has no system resolver.
#[derive(Debug)]
struct Names(TokioResolver);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.0.clone();
        Box::pin(async move {
            let found = resolver.lookup_ip(name.as_str()).await?;
            let addresses: Vec<_> = found.iter().map(|address| SocketAddr::new(address, 0)).collect();
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}
