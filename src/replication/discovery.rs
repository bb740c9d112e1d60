//! [`Discovery`]: the names under a headless Service.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use anyhow::Context;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use thiserror::Error;

/// After so many ordinals in a row that do not exist, no further ones are asked for.
const ORDINALS_MISSING: usize = 3;

/// What was asked for does not exist, or could not be found out.
#[derive(Debug, Error)]
pub enum LookupError {
    /// There is no such name: an answer.
    #[error("there is no such name")]
    NoSuchName,
    /// Nobody answered: not an answer.
    #[error("the name servers did not answer: {0}")]
    NoAnswer(String),
}

impl From<NetError> for LookupError {
    fn from(error: NetError) -> Self {
        if error.is_no_records_found() { Self::NoSuchName } else { Self::NoAnswer(error.to_string()) }
    }
}

/// One name and port under the Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The host's name.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Endpoints being looked up.
pub type LookingUp<'a> = Pin<Box<dyn Future<Output = Result<BTreeSet<Endpoint>, LookupError>> + Send + 'a>>;

/// Who is behind a headless Service.
pub trait PeerDiscovery: Send + Sync + std::fmt::Debug {
    /// The replicas behind the Service; `port` is for those whose port nobody says.
    fn endpoints<'a>(&'a self, service: &'a str, port: u16) -> LookingUp<'a>;
}

impl PeerDiscovery for Discovery {
    fn endpoints<'a>(&'a self, service: &'a str, port: u16) -> LookingUp<'a> {
        Box::pin(self.look_up(service, port))
    }
}

/// Looks names up, keeping nothing: the answers' own caches (CoreDNS's, say) are enough, and a resolver that remembered that
/// a name did not exist would not see a pod start.
#[derive(Debug)]
pub struct Discovery {
    resolver: TokioResolver,
}

impl Discovery {
    /// A look-up by these name servers, or by the system's with its search list.
    ///
    /// # Errors
    /// If the system's configuration cannot be read.
    pub fn new(nameservers: &[SocketAddr]) -> anyhow::Result<Self> {
        let mut builder = if nameservers.is_empty() {
            TokioResolver::builder_tokio().context("cannot read the system's resolver configuration")?
        } else {
            let servers = nameservers.iter().map(|address| {
                let mut connection = ConnectionConfig::udp();
                connection.port = address.port();
                NameServerConfig::new(address.ip(), true, vec![connection])
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = std::time::Duration::from_secs(1);
        options.attempts = 2;
        Ok(Self { resolver: builder.build().context("cannot make a resolver")? })
    }

    /// The addresses of a host.
    ///
    /// # Errors
    /// If there is no such name, or nobody says.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Ok(vec![address]);
        }
        let found: Vec<IpAddr> = self.resolver.lookup_ip(host).await?.iter().collect();
        if found.is_empty() { Err(LookupError::NoSuchName) } else { Ok(found) }
    }

    /// The replicas behind a headless Service: one SRV query names them all, with their ports. Where there is none, the
    /// ordinals of a StatefulSet of the Service's name are tried. `port` is for those.
    ///
    /// # Errors
    /// If nobody answers. A Service without replicas, or that does not exist, is an answer: none.
    async fn look_up(&self, service: &str, port: u16) -> Result<BTreeSet<Endpoint>, LookupError> {
        match self.service_records(service).await {
            Ok(found) if !found.is_empty() => return Ok(found),
            Ok(_) | Err(LookupError::NoSuchName) => {}
            Err(error @ LookupError::NoAnswer(_)) => return Err(error),
        }
        let base = service.split('.').next().unwrap_or(service);
        let mut found = BTreeSet::new();
        let mut missing = 0;
        for ordinal in 0.. {
            let host = format!("{base}-{ordinal}.{service}");
            match self.addresses(&host).await {
                Ok(_) => {
                    found.insert(Endpoint { host, port });
                    missing = 0;
                }
                Err(LookupError::NoSuchName) => missing += 1,
                Err(error @ LookupError::NoAnswer(_)) => return Err(error),
            }
            if missing == ORDINALS_MISSING {
                break;
            }
        }
        Ok(found)
    }

    async fn service_records(&self, service: &str) -> Result<BTreeSet<Endpoint>, LookupError> {
        let lookup = self.resolver.lookup(service, RecordType::SRV).await?;
        let records = lookup.answers().iter().filter_map(|record| {
            let RData::SRV(srv) = &record.data else { return None };
            Some(Endpoint { host: srv.target.to_utf8().trim_end_matches('.').to_owned(), port: srv.port })
        });
        Ok(records.collect())
    }
}
