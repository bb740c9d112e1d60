//! [`Discovery`]: the names under a headless Service.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use thiserror::Error;

/// After this many ordinals in a row that do not exist, no further ones are asked for.
const ORDINALS_MISSING: u16 = 3;
/// Maximum number of ordinals that are looked up.
const MOST_ENDPOINTS: u16 = 100;
/// Maximum number of domains of the search list.
const MOST_DOMAINS: usize = 8;
/// Timeout of a lookup.
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// A text in place of the ordinal, in a name that no replica has. If that name resolves, the domain answers every name, and
/// ordinals prove nothing.
const NOBODY: &str = "no-replica";

/// Why a lookup has no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// There is no such name: an answer.
    #[error("there is no such name")]
    NoSuchName,
    /// The name exists, but has no record of this type: an answer.
    #[error("the name has no records")]
    NoRecords,
    /// No name server answered: not an answer.
    #[error("the name servers did not answer: {0}")]
    NoAnswer(String),
}

impl From<NetError> for LookupError {
    fn from(error: NetError) -> Self {
        if error.is_nx_domain() {
            Self::NoSuchName
        } else if error.is_no_records_found() {
            Self::NoRecords
        } else {
            Self::NoAnswer(error.to_string())
        }
    }
}

/// The replicas behind a Service: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The Service's name in full, as it resolved.
    pub service: String,
    /// The replicas: by name, or by address if name servers have no names.
    pub endpoints: BTreeSet<Endpoint>,
}

/// One name and port under the Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The host's name, or its address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Endpoints being looked up.
pub type LookingUp<'a> = Pin<Box<dyn Future<Output = Result<Found, LookupError>> + Send + 'a>>;

/// Finds the replicas behind a headless Service.
pub trait PeerDiscovery: Send + Sync + std::fmt::Debug {
    /// The replicas behind the Service. `port` is for replicas without an SRV record.
    fn endpoints<'a>(&'a self, service: &'a str, port: u16) -> LookingUp<'a>;
}

impl PeerDiscovery for Discovery {
    fn endpoints<'a>(&'a self, service: &'a str, port: u16) -> LookingUp<'a> {
        Box::pin(self.look_up(service, port))
    }
}

/// Looks names up without a cache of its own. The caches of name servers, such as CoreDNS, are enough, and a resolver that
/// remembered that a name did not exist would not see a pod start.
#[derive(Debug)]
pub struct Discovery {
    resolver: TokioResolver,
    /// The domains in which a name is looked for.
    search: Vec<String>,
    /// The first label of this replica's own name: `registry-0`.
    own_pod: Option<String>,
}

impl Discovery {
    /// Lookups at these name servers, or at the system's with its search list, for the replica that peers call by `own_host`.
    ///
    /// # Errors
    /// If the system's configuration cannot be read.
    pub fn new(nameservers: &[SocketAddr], own_host: Option<&str>) -> anyhow::Result<Self> {
        let own_pod = own_host.and_then(|host| host.split('.').next()).map(str::to_ascii_lowercase);
        let mut search = Vec::new();
        let mut builder = if nameservers.is_empty() {
            let (config, options) = read_system_conf().context("cannot read the system's resolver configuration")?;
            search = config.search().iter().map(|domain| domain.to_utf8().trim_end_matches('.').to_owned()).collect();
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options)
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
        options.timeout = Duration::from_secs(1);
        options.attempts = 2;
        Ok(Self { resolver: builder.build().context("cannot make a resolver")?, search, own_pod })
    }

    /// The addresses of a host.
    ///
    /// # Errors If the name does not exist, or no name server answers.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Ok(vec![address]);
        }
        let mut first = None;
        for name in self.candidates(host) {
            match self.addresses_of(&name).await {
                Ok(found) => return Ok(found),
                Err(error) => _ = first.get_or_insert(error),
            }
        }
        Err(first.unwrap_or(LookupError::NoSuchName))
    }

    async fn addresses_of(&self, whole_name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let found: Vec<IpAddr> = self.resolver.lookup_ip(whole_name).await?.iter().collect();
        if found.is_empty() { Err(LookupError::NoRecords) } else { Ok(found) }
    }

    /// The full names that a name may stand for: those of the search list and, if it has a dot, the name itself. A name without a
    /// dot is never looked up alone: it is no top-level domain, and a name server without access to the Internet fails such a
    /// query, which would hide the answer "no replica yet". For the same reason the failure of the first candidate counts.
    fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut candidates: Vec<String> =
            self.search.iter().take(MOST_DOMAINS).map(|domain| format!("{name}.{domain}.")).collect();
        if name.contains('.') || candidates.is_empty() {
            candidates.push(format!("{name}."));
        }
        candidates
    }

    /// The replicas behind a headless Service. One SRV query names them all, with their ports. If there is no SRV record, the
    /// ordinals of a StatefulSet with the Service's name are tried, and then the addresses of the Service itself, with `port`.
    ///
    /// # Errors If no name server answers in time, or there is no replica. The first domain of the search list decides which: the
    /// Service is expected in it.
    async fn look_up(&self, service: &str, port: u16) -> Result<Found, LookupError> {
        let looking = async {
            let mut first = None;
            for name in self.candidates(service) {
                match self.endpoints_of(&name, port).await {
                    Ok(endpoints) => return Ok(Found { service: name.trim_end_matches('.').to_owned(), endpoints }),
                    // A name server without access to the Internet fails queries for other domains, so only the first name's
                    // failure counts.
                    Err(error @ LookupError::NoAnswer(_)) => return Err(first.unwrap_or(error)),
                    Err(error) => _ = first.get_or_insert(error),
                }
            }
            Err(first.unwrap_or(LookupError::NoSuchName))
        };
        let late = |_| LookupError::NoAnswer(format!("the look took longer than {} s", LONGEST_LOOK.as_secs()));
        tokio::time::timeout(LONGEST_LOOK, looking).await.map_err(late)?
    }

    /// The replicas behind a Service with this full name.
    async fn endpoints_of(&self, service: &str, port: u16) -> Result<BTreeSet<Endpoint>, LookupError> {
        let records = match self.service_records(service).await {
            Ok(found) => return Ok(found),
            Err(error @ LookupError::NoAnswer(_)) => return Err(error),
            Err(error) => error,
        };
        let base = service.split('.').next().unwrap_or(service);
        let of_nobody = self.some_addresses(&format!("{base}-{NOBODY}.{service}")).await?;
        if of_nobody.is_empty() {
            let ordinals = self.ordinals(service, port).await?;
            if !ordinals.is_empty() {
                return Ok(ordinals);
            }
        }
        let addresses = self.some_addresses(service).await?;
        let endpoint = |address: &IpAddr| Endpoint { host: address.to_string(), port };
        let found = addresses.difference(&of_nobody).take(MOST_ENDPOINTS.into());
        let found: BTreeSet<Endpoint> = found.map(endpoint).collect();
        if found.is_empty() { Err(records) } else { Ok(found) }
    }

    /// The addresses of a full name; empty if there are none.
    async fn some_addresses(&self, name: &str) -> Result<BTreeSet<IpAddr>, LookupError> {
        match self.addresses_of(name).await {
            Ok(found) => Ok(found.into_iter().collect()),
            Err(LookupError::NoSuchName | LookupError::NoRecords) => Ok(BTreeSet::new()),
            Err(error @ LookupError::NoAnswer(_)) => Err(error),
        }
    }

    /// The replicas of a StatefulSet, counted from 0. This replica does not look up its own name: while it is not ready the name
    /// does not exist, and a name server would remember that for seconds, also for the next replica that starts.
    async fn ordinals(&self, service: &str, port: u16) -> Result<BTreeSet<Endpoint>, LookupError> {
        let base = service.split('.').next().unwrap_or(service);
        let mut found = BTreeSet::new();
        let mut missing = 0;
        for ordinal in 0..MOST_ENDPOINTS {
            let pod = format!("{base}-{ordinal}");
            if self.own_pod.as_ref() == Some(&pod) {
                continue;
            }
            let host = format!("{pod}.{service}");
            if self.some_addresses(&host).await?.is_empty() {
                missing += 1;
            } else {
                found.insert(Endpoint { host: host.trim_end_matches('.').to_owned(), port });
                missing = 0;
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
            let host = srv.target.to_utf8().trim_end_matches('.').to_ascii_lowercase();
            Some(Endpoint { host, port: srv.port })
        });
        // Several ports of the maximum number of replicas. The membership decides which replicas and which port count.
        let records: BTreeSet<Endpoint> = records.take(usize::from(MOST_ENDPOINTS) * 10).collect();
        if records.is_empty() { Err(LookupError::NoRecords) } else { Ok(records) }
    }
}
